"""The command line: each verb reads its options, asks the verb of the same name and prints.

Nothing heavy is imported before a verb needs it.
Exit codes: 0 fine, 1 a verification failed, 2 wrong use, 130 stopped by Ctrl-C.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from mobilenet_lab import __version__
from mobilenet_lab.errors import LabError
from mobilenet_lab.output import Format, answer, progress, write_file


class Verbs(TyperGroup):
    """The verbs, with the lab's own errors told in one sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LabError as error:
            from mobilenet_lab.training.display import is_main

            if is_main():  # of several processes that train, one says it
                typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from None


class WithRecipe(TyperCommand):
    """A verb whose options make a recipe: its help tells the recipe's defaults and choices."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from mobilenet_lab.training.recipe import CHOICES, Recipe

        for option in self.params:
            name = option.name or ""
            if isinstance(option, TyperOption):
                option.default = getattr(Recipe, name, option.default)
                if name in CHOICES:
                    option.help = f"{option.help}: {', '.join(CHOICES[name])}."
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=Verbs,
    help="Exact parameters, MACs and receptive fields of lightweight CNNs, explained.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Level(StrEnum):
    """What one row of a summary stands for."""

    stage = "stage"
    block = "block"
    layer = "layer"
    role = "role"


class Dtype(StrEnum):
    """The type whose bytes memory is counted in."""

    float64 = "float64"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"
    int8 = "int8"


class BenchLevel(StrEnum):
    """What one row of measured times stands for."""

    network = "network"
    stage = "stage"
    block = "block"
    layer = "layer"
    role = "role"


class BenchDtype(StrEnum):
    """What networks are timed in."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class BenchClock(StrEnum):
    """What measures time."""

    wall = "wall"
    processor = "processor"


class BenchDevice(StrEnum):
    """What networks are timed on."""

    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Kind(StrEnum):
    """What can be drawn; the functions are in drawings.KINDS."""

    block = "block"
    network = "network"
    costs = "costs"
    memory = "memory"
    roofline = "roofline"
    latency = "latency"
    grid = "grid"
    accuracy = "accuracy"
    growth = "growth"
    field = "field"
    effective = "effective"
    convolution = "convolution"
    ratio = "ratio"
    areas = "areas"


class OnBadImage(StrEnum):
    """What happens when an image cannot be read."""

    stop = "stop"
    skip = "skip"


class Theme(StrEnum):
    """What a figure is drawn on."""

    light = "light"
    dark = "dark"


def complete_network(incomplete: str) -> list[str]:
    """Network names for the shell."""
    from mobilenet_lab.registry import NETWORKS

    return [name for name in NETWORKS if name.startswith(incomplete)]


def complete_columns(incomplete: str) -> list[str]:
    """Column keys for the shell, after the last comma."""
    from mobilenet_lab.verbs.summary import COLUMN_KEYS

    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{key}" for key in COLUMN_KEYS if key.startswith(last)]


def complete_convention(incomplete: str) -> list[str]:
    """Names of conventions for the shell."""
    from mobilenet_lab.conventions import CONVENTIONS

    return [name for name in CONVENTIONS if name.startswith(incomplete)]


def complete_machine(incomplete: str) -> list[str]:
    """Names of documented machines for the shell."""
    from mobilenet_lab.devices import DEVICES

    return [name for name in DEVICES if name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        help="A network: a name, net.toml, file.py:factory (runs that file) or "
        "package.module:factory.",
        autocompletion=complete_network,
    ),
]
Registered = Annotated[
    str, typer.Argument(help="A network's name.", autocompletion=complete_network)
]
Names = Annotated[
    list[str],
    typer.Argument(
        help="Two networks or more: names, net.toml, file.py:factory (runs that file) or "
        "package.module:factory.",
        autocompletion=complete_network,
    ),
]
Input = Annotated[
    list[str] | None,
    typer.Option(
        help="Shape of an input without the batch: 3x224x224, 77:int64, or left=3x64x64; "
        "once for each input. A factory needs it."
    ),
]
Width = Annotated[float | None, typer.Option(help="Width multiplier.")]
Resolution = Annotated[str | None, typer.Option(help="Side or HxW, in pixels.")]
Classes = Annotated[int | None, typer.Option(help="Number of classes.")]
InChannels = Annotated[int | None, typer.Option(help="Channels of the input.")]
Further = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A further option of the network or argument of the factory, as scaling=slim; "
        "repeatable.",
    ),
]
Widths = Annotated[
    str | None,
    typer.Option("--width", help="Width multipliers: 0.25:1.5:0.05 (to 1.5), 0.5,1 or one."),
]
Resolutions = Annotated[
    str | None,
    typer.Option("--resolution", help="Sides or HxW: 96:320:32 (to 320), 192,192x256 or one."),
]
ManyClasses = Annotated[
    str | None, typer.Option("--classes", help="Numbers of classes, written as widths are.")
]
ManyInChannels = Annotated[
    str | None, typer.Option("--in-channels", help="Channels of the input, written so, too.")
]
ManyFurther = Annotated[
    list[str] | None,
    typer.Option("--set", help="A further option, as scaling=slim,torchvision; repeatable."),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", "-f", help="Default: by the suffix of --output, else table."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Exact parameters, MACs and receptive fields of lightweight CNNs, explained."""
    if version:
        typer.echo(f"mobilenet-lab {__version__}")
        raise typer.Exit


@app.command("list")
def list_(format: FormatOption = None, output: Output = None, force: Force = False) -> None:
    """All networks, with parameters and MACs."""
    from mobilenet_lab.verbs.listing import list_networks

    answer(list_networks(), format, output, force)


@app.command()
def summary(
    name: Name,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    in_channels: InChannels = None,
    input: Input = None,
    further: Further = None,
    level: Annotated[Level, typer.Option(help="What one row stands for.")] = Level.stage,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Keys with commas between, of: name, op, stage, block, role, input, output, "
            "params, macs, count, share, flops, activations, memory, live, intensity, field.",
            autocompletion=complete_columns,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="Column to sort by; numbers fall.", autocompletion=complete_columns),
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="Type that memory is counted in.")] = Dtype.float32,
    convention: Annotated[
        str,
        typer.Option(
            help="Count as this tool does: paper, fvcore, torchinfo, flop_counter, "
            "ptflops_pytorch, ptflops_aten, thop, calflops, torchprofile.",
            autocompletion=complete_convention,
        ),
    ] = "paper",
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """A network by stage, block, layer or role.

    Parameters, MACs, memory and receptive field.
    """
    from mobilenet_lab.verbs.summary import summary as ask

    options = given(
        further,
        input,
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
    )
    table = ask(
        name,
        level=level.value,
        columns=columns,
        sort=sort,
        dtype=dtype.value,
        convention=convention,
        **options,
    )
    answer(table, format, output, force)


@app.command()
def explain(
    name: Name,
    layer: Annotated[str, typer.Argument(help="A layer's name, or the path of a block or stage.")],
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    in_channels: InChannels = None,
    input: Input = None,
    further: Further = None,
    dtype: Annotated[Dtype, typer.Option(help="Type that memory is counted in.")] = Dtype.float32,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """The formulas behind a layer's numbers.

    With symbols, with numbers, and the result.
    """
    from mobilenet_lab.verbs.explain import explain as ask

    options = given(
        further,
        input,
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
    )
    answer(ask(name, layer, dtype=dtype.value, **options), format, output, force)


@app.command()
def field(
    name: Name,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    in_channels: InChannels = None,
    input: Input = None,
    further: Further = None,
    all_layers: Annotated[
        bool, typer.Option("--all", help="Show layers that change nothing, too.")
    ] = False,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """The receptive field of each layer.

    Its size, jump and start, and what sees the whole image.
    """
    from mobilenet_lab.verbs.field import field as ask

    options = given(
        further,
        input,
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
    )
    answer(ask(name, all_layers=all_layers, **options), format, output, force)


@app.command()
def compare(
    names: Names,
    width: Annotated[
        list[float] | None, typer.Option(help="Width multiplier: one for all, or one for each.")
    ] = None,
    resolution: Annotated[
        list[str] | None, typer.Option(help="Side or HxW: one for all, or one for each.")
    ] = None,
    classes: Annotated[
        list[int] | None, typer.Option(help="Number of classes: one for all, or one for each.")
    ] = None,
    in_channels: Annotated[
        list[int] | None, typer.Option(help="Input channels: one for all, or one for each.")
    ] = None,
    input: Annotated[
        list[str] | None, typer.Option(help="Shape as 3x224x224: one for all, or one for each.")
    ] = None,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """Networks side by side, with ratios.

    They are aligned by stage where the stages have the same names, else by stride. To compare
    one network with itself, name it twice: mobilenet_v2 mobilenet_v2 --width 1 --width 0.5.
    """
    from mobilenet_lab.verbs.compare import compare as ask

    options = given(
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
        input=input,
    )
    answer(ask(*names, **options), format, output, force)


@app.command()
def sweep(
    name: Name,
    width: Widths = None,
    resolution: Resolutions = None,
    classes: ManyClasses = None,
    in_channels: ManyInChannels = None,
    input: Input = None,
    further: ManyFurther = None,
    dtype: Annotated[Dtype, typer.Option(help="Type that memory is counted in.")] = Dtype.float32,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """A network at many settings.

    Parameters, MACs, activations and peak live memory at every combination of the values given.
    """
    from mobilenet_lab.verbs.sweep import sweep as ask

    options = many(
        further, width=width, resolution=resolution, classes=classes, in_channels=in_channels
    ) | given(None, input)
    answer(ask(name, dtype=dtype.value, watch=progress, **options), format, output, force)


@app.command()
def budget(
    name: Name,
    macs: Annotated[
        str | None, typer.Option(help="What MACs may be used: 150M, 0.3G or a plain number.")
    ] = None,
    params: Annotated[
        str | None, typer.Option(help="What parameters may be used: 2M, 500k or a plain number.")
    ] = None,
    width: Widths = None,
    resolution: Resolutions = None,
    classes: ManyClasses = None,
    in_channels: ManyInChannels = None,
    input: Input = None,
    further: ManyFurther = None,
    top: Annotated[int | None, typer.Option(help="Show so many, the largest.")] = None,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """The largest settings inside a budget.

    Those that no other inside it beats in both width and resolution, with published ImageNet
    accuracy where it is known. Tried are widths of 0.25:2:0.05, where the network has widths, and
    resolutions of 96:320:32 or those around the network's own, unless others are given.
    """
    from mobilenet_lab.verbs.budget import budget as ask

    options = many(
        further, width=width, resolution=resolution, classes=classes, in_channels=in_channels
    ) | given(None, input)
    table = ask(name, macs=macs, params=params, top=top, watch=progress, **options)
    answer(table, format, output, force)


@app.command()
def conv(
    c_in: Annotated[int, typer.Option("--in", help="Input channels.")],
    c_out: Annotated[int, typer.Option("--out", help="Output channels.")],
    kernel: Annotated[str, typer.Option(help="Side or HxW.")] = "3",
    size: Annotated[str, typer.Option(help="The input's side or HxW.")] = "56",
    stride: Annotated[str, typer.Option(help="One number or HxW.")] = "1",
    padding: Annotated[
        str, typer.Option(help='Pixels, HxW, or "same": ceil(size / stride) comes out.')
    ] = "same",
    dilation: Annotated[str, typer.Option(help="One number or HxW.")] = "1",
    groups: Annotated[
        list[int] | None, typer.Option(help="Groups of a grouped one; may be repeated.")
    ] = None,
    bias: Annotated[bool, typer.Option(help="Count a bias.")] = False,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """One convolution in its forms.

    Standard, grouped and depthwise-separable side by side, with formulas.
    """
    from mobilenet_lab.registry import parse_pair
    from mobilenet_lab.verbs.convolution import conv as ask

    table = ask(
        c_in,
        c_out,
        parse_pair("--kernel", kernel),
        parse_pair("--size", size),
        stride=parse_pair("--stride", stride),
        padding="same" if padding == "same" else parse_pair("--padding", padding),
        dilation=parse_pair("--dilation", dilation),
        groups=tuple(groups or ()),
        bias=bias,
    )
    answer(table, format, output, force)


@app.command()
def published(
    name: Registered, format: FormatOption = None, output: Output = None, force: Force = False
) -> None:
    """Published numbers beside ours.

    Each by the convention it was counted with: equal as printed, explained or not reproducible.
    """
    from mobilenet_lab.verbs.published import published as ask

    answer(ask(name), format, output, force)


@app.command()
def reconcile(
    name: Name,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    in_channels: InChannels = None,
    input: Input = None,
    further: Further = None,
    run: Annotated[bool, typer.Option("--run", help="Run the installed tools, too.")] = False,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """What each counter prints, and why.

    Term by term from the papers' MACs. With --run (needs PyTorch) the exit code is 1 if a tool
    prints another number.
    """
    from mobilenet_lab.reconciliation import reconcile as ask

    options = given(
        further,
        input,
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
    )
    table = ask(name, run=run, **options)
    answer(table, format, output, force)
    if table.differing:
        raise typer.Exit(1)


@app.command()
def export(
    name: Name,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    in_channels: InChannels = None,
    input: Input = None,
    further: Further = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """A network as a text file to edit.

    TOML with a line for each layer and a table of the blocks; the other commands read it back.
    """
    from mobilenet_lab.verbs.export import export as ask

    options = given(
        further,
        input,
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
    )
    text = ask(name, **options)
    if output is None or output == Path("-"):
        typer.echo(text, nl=False)
    else:
        write_file(output, text, force)


@app.command()
def draw(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What to draw.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="One network or several, as every command takes them; convolution, ratio and "
            "areas take none, latency takes a file.",
            autocompletion=complete_network,
        ),
    ] = None,
    width: Widths = None,
    resolution: Resolutions = None,
    classes: ManyClasses = None,
    in_channels: ManyInChannels = None,
    input: Input = None,
    further: ManyFurther = None,
    block: Annotated[
        list[str] | None, typer.Option(help="block: one for each network, or several of one.")
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="costs: some of params,macs,activations,memory; grid: one.")
    ] = None,
    level: Annotated[
        Level | None, typer.Option(help="costs, roofline: what a bar or a mark stands for.")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="costs, memory, roofline: type that bytes are of.")
    ] = None,
    peak: Annotated[
        str | None, typer.Option(help="roofline: of the machine, as 100GFLOPS (2 per MAC).")
    ] = None,
    bandwidth: Annotated[
        str | None, typer.Option(help="roofline: of the machine's memory, as 20GB/s.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="accuracy: macs or params; latency: macs, memory or roofline."),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="field, effective: whose field.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="field, effective: ROW,COLUMN, else the middle one.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="field: a picture to draw on.")] = None,
    images: Annotated[
        int | None, typer.Option(help="effective: random inputs to average over.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="effective: a file of weights, beside untrained ones.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="effective: of inputs and weights.")] = None,
    c_in: Annotated[
        int | None, typer.Option("--in", help="convolution, areas: input channels.")
    ] = None,
    c_out: Annotated[
        int | None, typer.Option("--out", help="convolution, areas: output channels.")
    ] = None,
    kernel: Annotated[
        str | None, typer.Option(help="convolution, areas: side; ratio: sides, as 3,5,7.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="convolution, areas: the output's side or HxW.")
    ] = None,
    groups: Annotated[
        list[int] | None, typer.Option(help="convolution: of a grouped one; may be repeated.")
    ] = None,
    theme: Annotated[Theme, typer.Option(help="Colours of paper and ink.")] = Theme.light,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help="png, svg or pdf; else FILE's suffix says.")
    ] = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """A figure, on the screen or in a file (PNG, SVG, PDF).

    \b
    block        blocks drawn to scale, with every operation's numbers
    network      the whole network, stages folded, MACs as colour
    costs        bars of parameters, MACs, activations, memory
    memory       live memory along the network
    roofline     layers under the roof of a machine (--peak, --bandwidth)
    latency      measured times, from the JSON that bench saved
    grid         a network at widths and resolutions
    accuracy     published ImageNet accuracy against MACs or parameters
    growth       receptive fields along networks
    field        the receptive field of one unit, on an image
    effective    gradients inside the receptive field (needs PyTorch)
    convolution  which input feeds which output
    ratio        depthwise-separable to standard convolution
    areas        81cd, 9c + cd, and the fair comparisons
    """
    from mobilenet_lab.drawings import kinds

    options = given(
        None,
        input,
        block=block,
        of=of,
        level=level and level.value,
        dtype=dtype and dtype.value,
        peak=peak,
        bandwidth=bandwidth,
        against=against,
        layer=layer,
        unit=unit,
        image=image,
        images=images,
        weights=weights,
        seed=seed,
        c_in=c_in,
        c_out=c_out,
        groups=groups,
    ) | many(
        further,
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
        kernel=kernel,
        size=size,
    )
    networks = tuple(names or ())
    if output is None:
        kinds.show(kind.value, networks, theme=theme.value, **options)
        return
    piped = output == Path("-")
    format = format or ("svg" if piped else output.suffix.lower().removeprefix("."))
    drawn = kinds.file(kind.value, networks, format, theme=theme.value, **options)
    if piped:
        typer.echo(drawn, nl=False)
    else:
        write_file(output, drawn, force)


@app.command()
def bench(
    names: Annotated[
        list[str],
        typer.Argument(
            help="One network or several, as every command takes them.",
            autocompletion=complete_network,
        ),
    ],
    width: Widths = None,
    resolution: Resolutions = None,
    classes: ManyClasses = None,
    in_channels: ManyInChannels = None,
    input: Input = None,
    further: ManyFurther = None,
    level: Annotated[
        BenchLevel, typer.Option(help="What one row stands for.")
    ] = BenchLevel.network,
    batch: Annotated[int, typer.Option(help="Images at once.")] = 1,
    threads: Annotated[
        int | None, typer.Option(help="Of the processor; else as many as PyTorch uses.")
    ] = None,
    dtype: Annotated[BenchDtype, typer.Option(help="Numbers to compute with.")] = (
        BenchDtype.float32
    ),
    device: Annotated[BenchDevice, typer.Option(help="What computes.")] = BenchDevice.cpu,
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="The channels of a pixel side by side.")
    ] = False,
    rounds: Annotated[int, typer.Option(help="Each network is timed so often, in turns.")] = 20,
    clock: Annotated[
        BenchClock,
        typer.Option(help="processor leaves waiting out; of one thread, for a busy machine."),
    ] = BenchClock.wall,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """Measured time beside MACs, bytes and roofline.

    On this machine (needs PyTorch), whose peak and bandwidth are measured first. Several networks
    take turns; an option has one value for all or one for each (0.5,1). With a level of layer,
    block, stage or role one network is timed layer by layer.
    """
    from functools import partial

    from mobilenet_lab.latency import bench as ask

    options = many(
        further, width=width, resolution=resolution, classes=classes, in_channels=in_channels
    ) | given(None, input, threads=threads)
    table = ask(
        *names,
        level=level.value,
        batch=batch,
        dtype=dtype.value,
        device=device.value,
        channels_last=channels_last,
        rounds=rounds,
        clock=clock.value,
        watch=partial(progress, doing="timing", undisturbed=True),
        **options,
    )
    answer(table, format, output, force)


@app.command()
def roofline(
    name: Name,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    in_channels: InChannels = None,
    input: Input = None,
    further: Further = None,
    machine: Annotated[
        str | None,
        typer.Option(
            help="A documented one: h100_sxm, a100_sxm_40gb, v100_sxm2, rtx_3090, jetson_nano, "
            "raspberry_pi_4, raspberry_pi_5, core_i7_6700, ryzen_9_5950x.",
            autocompletion=complete_machine,
        ),
    ] = None,
    peak: Annotated[
        str | None, typer.Option(help="Of another machine, as 100GFLOPS (2 per MAC).")
    ] = None,
    bandwidth: Annotated[str | None, typer.Option(help="Of its memory, as 20GB/s.")] = None,
    level: Annotated[Level, typer.Option(help="What one row stands for.")] = Level.stage,
    batch: Annotated[int, typer.Option(help="Images at once.")] = 1,
    dtype: Annotated[Dtype, typer.Option(help="Type that bytes are of.")] = Dtype.float32,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """The least time of a network on a machine.

    By its peak and the bandwidth of its memory: the bound of each part, and what sets it.
    """
    from mobilenet_lab.verbs.roofline import roofline as ask

    options = given(
        further,
        input,
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
        machine=machine,
        peak=peak,
        bandwidth=bandwidth,
    )
    answer(
        ask(name, level=level.value, batch=batch, dtype=dtype.value, **options),
        format,
        output,
        force,
    )


@app.command()
def verify(
    name: Name,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    in_channels: InChannels = None,
    input: Input = None,
    further: Further = None,
    all_layers: Annotated[bool, typer.Option("--all", help="Show equal layers, too.")] = False,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """Each row against fvcore and torchinfo.

    They count the PyTorch twin (the torch extra); the exit code is 1 if a row differs.
    """
    from mobilenet_lab.verification import verify as ask

    options = given(
        further,
        input,
        width=width,
        resolution=resolution,
        classes=classes,
        in_channels=in_channels,
    )
    verification = ask(name, all_layers=all_layers, **options)
    answer(verification, format, output, force)
    if not verification.ok:
        raise typer.Exit(1)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Files of images.")],
    weights: Annotated[
        Path, typer.Option(help="A checkpoint: of torchvision or timm, or one of ours.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="The network's name; a checkpoint of ours says it itself.",
            autocompletion=complete_network,
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Names of the classes: one a line, or JSON.")
    ] = None,
    top: Annotated[int, typer.Option(help="So many classes of each image.")] = 5,
    width: Width = None,
    resolution: Resolution = None,
    further: Further = None,
    origin: Annotated[
        str | None,
        typer.Option(
            help="Whose weights these are, where it is not told rightly: torchvision, timm, "
            "tensorflow (converted) or mobilenet_lab."
        ),
    ] = None,
    resize: Annotated[int | None, typer.Option(help="Shorter side before the crop.")] = None,
    interpolation: Annotated[str | None, typer.Option(help="bilinear or bicubic.")] = None,
    mean: Annotated[str | None, typer.Option(help="Of each channel: 0.5,0.5,0.5.")] = None,
    std: Annotated[str | None, typer.Option(help="Of each channel: 0.5,0.5,0.5.")] = None,
    on_bad_image: Annotated[
        OnBadImage, typer.Option(help="What to do when an image cannot be read.")
    ] = OnBadImage.stop,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """The classes of images, with probabilities.

    By a classifier with weights; images are resized, cropped and normalised as these expect
    (needs the train extra).
    """
    from mobilenet_lab.prediction import predict as ask

    options = given(
        further,
        width=width,
        resolution=resolution,
        model=model,
        labels=labels,
        origin=origin,
        resize=resize,
        interpolation=interpolation,
        mean=numbers("--mean", mean),
        std=numbers("--std", std),
    )
    table = ask(
        *images,
        weights=weights,
        top=top,
        on_bad_image=on_bad_image.value,
        watch=progress,
        **options,
    )
    answer(table, format, output, force)


@app.command(cls=WithRecipe)
def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder with train/ and val/ of class folders, or of class folders alone to "
            "split; fashion-mnist; or digits.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(help="A classifier: a name, or net.toml.", autocompletion=complete_network),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the run; else a new one in runs/."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in that folder.")
    ] = False,
    width: Width = None,
    resolution: Resolution = None,
    in_channels: InChannels = None,
    further: Further = None,
    weights: Annotated[
        Path | None, typer.Option(help="Pretrained weights; a head of other classes is new.")
    ] = None,
    freeze: Annotated[str | None, typer.Option(help="What stays as it is")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images of a step, of all processes together.")
    ] = None,
    optimiser: Annotated[str | None, typer.Option(help="How weights change")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Of sgd.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Not of biases and norms.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the learning rate")] = None,
    warmup: Annotated[
        int | None, typer.Option(help="Epochs over which the learning rate rises.")
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="Share of the target given to all classes alike.")
    ] = None,
    augmentation: Annotated[str | None, typer.Option(help="Of training images")] = None,
    precision: Annotated[str | None, typer.Option(help="Numbers to compute with")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all that is random.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that load images.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share held out of a folder without train/ and val/.")
    ] = None,
    on_bad_image: Annotated[
        str | None, typer.Option(help="What to do about a damaged image")
    ] = None,
) -> None:
    """A classifier trained on a folder of images (needs the train extra).

    Ctrl-C loses the running epoch at most; --resume goes on to the same result. The exit code is
    then 130. docs/training.md has more, also on several processes.
    """
    from mobilenet_lab.fine_tuning import train as ask
    from mobilenet_lab.training.display import display, is_main

    options = given(
        further,
        width=width,
        resolution=resolution,
        in_channels=in_channels,
        weights=weights and str(weights),
        freeze=freeze,
        epochs=epochs,
        batch_size=batch_size,
        optimiser=optimiser,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        schedule=schedule,
        warmup=warmup,
        label_smoothing=label_smoothing,
        augmentation=augmentation,
        precision=precision,
        seed=seed,
        workers=workers,
        validation=validation,
        on_bad_image=on_bad_image,
    )
    with display() as watch:
        try:
            run = ask(data, model=model, output=output, resume=resume, watch=watch, **options)
        except KeyboardInterrupt as stopped:
            if is_main():
                typer.echo(str(stopped) or "stopped before training began", err=True)
            raise typer.Exit(130) from None
    if is_main():
        answer(run, None, None, False)


@app.command()
def netadapt(
    name: Annotated[
        str,
        typer.Argument(help="A classifier: a name, or net.toml.", autocompletion=complete_network),
    ],
    budget: Annotated[
        str | None,
        typer.Option(help="A share of the cost as 0.7 or 70%, or as 200M; of latency as 3.5ms."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="What the weights learned: as train takes it.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint of the network, trained on the data.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the search; else a new one in runs/."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in that folder.")
    ] = False,
    cost_only: Annotated[
        bool, typer.Option("--cost-only", help="Train nothing: know nothing about accuracy.")
    ] = False,
    cost: Annotated[
        str | None, typer.Option(help="macs (the default), params, bytes or latency.")
    ] = None,
    times: Annotated[
        Path | None, typer.Option(help="latency: JSON of measured times, by layer and width.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the times first, on this machine.")
    ] = False,
    step: Annotated[
        float | None, typer.Option(help="Share of the cost won by the first iteration: 0.05.")
    ] = None,
    decay: Annotated[float | None, typer.Option(help="Of the step, by iteration: 0.96.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="ratio (accuracy per cost; the default) or value.")
    ] = None,
    divisor: Annotated[int | None, typer.Option(help="Widths are multiples of it: 8.")] = None,
    proxy: Annotated[
        str | None, typer.Option(help="cost-only: channels (the default) or params.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Images that each proposal is fine-tuned on: 2048.")
    ] = None,
    holdout: Annotated[
        int | None, typer.Option(help="Training images that choose between proposals: 1000.")
    ] = None,
    width: Width = None,
    resolution: Resolution = None,
    in_channels: InChannels = None,
    further: Further = None,
    batch_size: Annotated[int | None, typer.Option(help="Of fine-tuning.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="Of fine-tuning: sgd or adamw.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of fine-tuning.")] = None,
    augmentation: Annotated[str | None, typer.Option(help="none, flip or crop.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all that is random.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that load images.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share held out of a folder without train/ and val/.")
    ] = None,
    on_bad_image: Annotated[str | None, typer.Option(help="stop or skip.")] = None,
    format: FormatOption = None,
) -> None:
    """A network made narrower, down to a budget.

    NetAdapt (needs the train extra): one layer after another, each chosen by the accuracy it costs
    after a short fine-tuning. --cost-only needs no PyTorch and looks at costs alone. Ctrl-C loses
    the running iteration at most; --resume goes on to the same result. docs/netadapt.md has more.
    """
    from mobilenet_lab.adaptation.display import display
    from mobilenet_lab.narrowing import netadapt as ask

    options = given(
        further,
        budget=budget,
        data=data,
        weights=weights,
        cost=cost,
        times=times,
        step=step,
        decay=decay,
        rule=rule,
        divisor=divisor,
        proxy=proxy,
        images=images,
        holdout=holdout,
        width=width,
        resolution=resolution,
        in_channels=in_channels,
        batch_size=batch_size,
        optimiser=optimiser,
        learning_rate=learning_rate,
        augmentation=augmentation,
        seed=seed,
        workers=workers,
        validation=validation,
        on_bad_image=on_bad_image,
    )
    with display() as watch:
        try:
            table = ask(
                name,
                output=output,
                resume=resume,
                cost_only=cost_only,
                measure=measure,
                watch=watch,
                **options,
            )
        except KeyboardInterrupt as stopped:
            typer.echo(str(stopped) or "stopped before the search began", err=True)
            raise typer.Exit(130) from None
    answer(table, format, None, False)


@app.command()
def notebooks(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to; it is made if it is not there.")
    ] = Path("mobilenet_lab_course"),
    only: Annotated[
        list[str] | None, typer.Option(help="This lesson (3, or E) alone; repeatable.")
    ] = None,
    solutions: Annotated[
        bool,
        typer.Option("--solutions", help="Build them with solutions, under names of their own."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Put files of yours aside and copy anew.")
    ] = False,
) -> None:
    """The course's notebooks, copied into a folder.

    And how to start them. A file that is there is kept.
    """
    from mobilenet_lab.course.copying import copy, told
    from mobilenet_lab.output import printing

    copies = copy(folder, only or (), solutions, force)
    with printing():
        print(told(folder, copies))


@app.command()
def exercise(
    id: Annotated[str, typer.Argument(help="Lesson and place in it: 2.3, or E.1.")],
    seed: Annotated[
        int | None, typer.Option(help="Other numbers, the same for all who give it.")
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(help="Judge this one and do not ask; the exit code is 1 unless it is right."),
    ] = None,
    hint: Annotated[
        int,
        typer.Option(
            "--hint", count=True, show_default=False, help="The first hint; twice: two of them."
        ),
    ] = 0,
    solution: Annotated[
        bool, typer.Option("--solution", help="The answer, and the way to it.")
    ] = False,
) -> None:
    """An exercise of the course, in the terminal.

    Asks until the answer is right; hint, solution and quit may be typed, too. An answer is a
    number, a formula, a name, or several with commas between; nothing of it is run. A function is
    path/to/file.py:function; that file is run.
    """
    from mobilenet_lab.course import dialogue

    task = dialogue.Task(id, seed)
    try:
        if answer is not None or hint or solution:
            right = dialogue.once(task, answer, hint, solution)
        else:
            right = dialogue.work(task) or dialogue.interactive()
    except KeyboardInterrupt:
        typer.echo("", err=True)
        raise typer.Exit(130) from None
    if not right:
        raise typer.Exit(1)


@app.command("progress")
def course_progress(
    lesson: Annotated[
        str | None, typer.Argument(help="Its exercises one by one; else all lessons.")
    ] = None,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """What is done of the course.

    In notebooks and in the terminal, on this machine.
    """
    from mobilenet_lab.course.progress import progress as ask

    answer(ask(lesson), format, output, force)


def given(
    further: list[str] | None = None, input: list[str] | None = None, /, **options: Any
) -> dict[str, Any]:
    """The options that were given, those of `--set` and `--input` too."""
    from mobilenet_lab.networks import inputs

    named = {key: value for key, value in options.items() if value is not None}
    shapes = {"input": inputs(input)} if input else {}
    return named | shapes | assigned(further or [])


def numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers with commas between."""
    try:
        return None if text is None else tuple(map(float, text.split(",")))
    except ValueError:
        raise LabError(f"{option} takes numbers with commas between, not {text!r}") from None


def assigned(texts: list[str]) -> dict[str, Any]:
    """The options of `--set name=value`: true and false, whole and decimal numbers, else text."""
    from mobilenet_lab.verbs.ranges import literal

    return {key: literal(value) for key, value in map(assignment, texts)}


def assignment(text: str) -> tuple[str, str]:
    """The name and the value of `--set`."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise LabError(f"--set takes NAME=VALUE, not {text!r}")
    return key, value


def many(further: list[str] | None = None, /, **options: str | None) -> dict[str, Any]:
    """The options that were given, as lists where they have several values."""
    from mobilenet_lab.verbs.ranges import values

    texts = {key: text for key, text in options.items() if text is not None}
    texts |= dict(map(assignment, further or []))
    lists = {key: values(f"--{key.replace('_', '-')}", text) for key, text in texts.items()}
    return {key: found if len(found) > 1 else found[0] for key, found in lists.items()}

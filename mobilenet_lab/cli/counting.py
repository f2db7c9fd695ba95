"""The verbs that answer with tables of counts: `list` to `export`."""

from pathlib import Path
from typing import Annotated

import typer

from mobilenet_lab.cli.base import app
from mobilenet_lab.cli.options import (
    Classes,
    Dtype,
    Force,
    FormatOption,
    Further,
    InChannels,
    Input,
    Level,
    ManyClasses,
    ManyFurther,
    ManyInChannels,
    Name,
    Names,
    Output,
    Registered,
    Resolution,
    Resolutions,
    Width,
    Widths,
    complete_columns,
    complete_convention,
    given,
    many,
)
from mobilenet_lab.output import answer, progress, write_file


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

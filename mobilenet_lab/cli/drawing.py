"""The verb `draw`."""

from pathlib import Path
from typing import Annotated

import typer

from mobilenet_lab.cli.base import app
from mobilenet_lab.cli.options import (
    Dtype,
    Force,
    Input,
    Kind,
    Level,
    ManyClasses,
    ManyFurther,
    ManyInChannels,
    Output,
    Resolutions,
    Theme,
    Widths,
    complete_network,
    given,
    many,
)
from mobilenet_lab.output import write_file


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

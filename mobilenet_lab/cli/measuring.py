"""The verbs about machines and modules: `bench`, `roofline`, `verify`."""

from typing import Annotated

import typer

from mobilenet_lab.cli.base import app
from mobilenet_lab.cli.options import (
    BenchClock,
    BenchDevice,
    BenchDtype,
    BenchLevel,
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
    Output,
    Resolution,
    Resolutions,
    Width,
    Widths,
    complete_machine,
    complete_network,
    given,
    many,
)
from mobilenet_lab.output import answer, progress


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

"""The options that verbs share: their choices, what completes them, what they come to."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mobilenet_lab.errors import LabError
from mobilenet_lab.output import Format


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

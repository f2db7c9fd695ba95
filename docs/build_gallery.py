"""The gallery, made from the code: `python docs/build_gallery.py` (needs the torch extra).

With `--check` nothing is written: if the page or a figure is missing, stale or left over, it is
named, and the exit code is 1.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib import pyplot

from mobilenet_lab.drawings import kinds
from mobilenet_lab.drawings.canvas import rendered

FOLDER = Path(__file__).parent
MARK = "<!-- Made by docs/build_gallery.py from the code; not to be edited here. -->"


class Shot(NamedTuple):
    """One figure of the gallery."""

    file: str
    kind: str
    networks: tuple[str, ...] = ()
    options: Mapping[str, Any] = {}

    @property
    def command(self) -> str:
        """What draws it on the command line."""
        words = ["mobilenet-lab", "draw", self.kind, *self.networks]
        for key, value in self.options.items():
            for each in value if isinstance(value, list) and key in REPEATED else [value]:
                words += [kinds.flag(key), _word(each)]
        return " ".join([*words, "--output", f"{self.file}.svg"])

    @property
    def call(self) -> str:
        """What draws it in Python."""
        given = [repr(name) for name in self.networks]
        given += [f"{key}={value!r}" for key, value in self.options.items()]
        return f"lab.draw.{self.kind}({', '.join(given)})".replace("'", '"')


REPEATED = ("block", "groups")
"""Options that the command line takes several times."""


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


class Section(NamedTuple):
    """A heading, what one sees below it, and the figures."""

    title: str
    words: str
    shots: tuple[Shot, ...]


STAGE = "stage2.1"
NETWORKS = (
    "mobilenet_v2", "mobilenet_v3_large", "mixnet_s", "googlenet", "yolov5n_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
)  # fmt: skip
RUN = "docs/latency/classifiers.json"
GALLERY = (
    Section(
        "Blocks",
        "One block to scale: the height of a map is its number of channels. V2's inverted residual "
        "is thin at its ends, ResNet's bottleneck in its middle; hatched convolutions have no "
        "activation after them.",
        (
            Shot("block-residuals", "block", ("mobilenet_v2", "resnet50"),
                 {"block": [STAGE, STAGE]}),
            Shot("block-mobilenet_v1", "block", ("mobilenet_v1",)),
            Shot("block-mobilenet_v3_large", "block", ("mobilenet_v3_large",)),
            Shot("block-mixnet_s", "block", ("mixnet_s",)),
            Shot("block-mixnet_s-stage6.1", "block", ("mixnet_s",), {"block": ["stage6.1"]}),
            Shot("block-mobilenet_v4_conv_small", "block", ("mobilenet_v4_conv_small",),
                 {"block": ["stage3.0"]}),
            Shot("block-replknet_31b", "block", ("replknet_31b",)),
            Shot("block-googlenet", "block", ("googlenet",)),
            Shot("block-yolov5n_mobilenet_v3_large", "block", ("yolov5n_mobilenet_v3_large",),
                 {"block": ["neck.9_c3"]}),
            Shot("block-lraspp_mobilenet_v3_large", "block", ("lraspp_mobilenet_v3_large",),
                 {"block": ["head"]}),
        ),
    ),
    Section(
        "Convolutions",
        "Which input feeds which output, and what that costs.",
        (
            Shot("convolution", "convolution", (), {"c_in": 8, "c_out": 8, "groups": [2, 4]}),
            Shot("ratio", "ratio"),
            Shot("areas", "areas", (), {"c_in": 64, "c_out": 64}),
        ),
    ),
    Section(
        "Networks",
        "A row is a block, or several equal ones; the darker, the more MACs.",
        tuple(Shot(f"network-{name}", "network", (name,)) for name in NETWORKS),
    ),
    Section(
        "Costs",
        "Where parameters, MACs and memory are.",
        (
            Shot("costs-mobilenet_v2", "costs", ("mobilenet_v2",)),
            Shot("costs-mobilenet_v3_large-roles", "costs", ("mobilenet_v3_large",),
                 {"level": "role"}),
            Shot("costs-mixnet_s-blocks", "costs", ("mixnet_s",),
                 {"level": "block", "of": "params,macs,activations,memory"}),
            Shot("memory-mobilenet_v2", "memory", ("mobilenet_v2",)),
            Shot("memory-googlenet", "memory", ("googlenet",)),
            Shot("roofline-mobilenet_v2", "roofline", ("mobilenet_v2",),
                 {"peak": "100GFLOPS", "bandwidth": "20GB/s"}),
            Shot("grid-mobilenet_v1", "grid", ("mobilenet_v1",)),
            Shot("accuracy-macs", "accuracy"),
            Shot("accuracy-params", "accuracy", (), {"against": "params"}),
        ),
    ),
    Section(
        "Measured times",
        "MACs, bytes and the roofline against milliseconds, of a recorded run "
        "([docs/latency.md](latency.md)).",
        tuple(
            Shot(f"latency-{against}", "latency", (RUN,), {"against": against})
            for against in ("macs", "memory", "roofline")
        ),
    ),
    Section(
        "Receptive fields",
        "What a unit can see, and what it does see.",
        (
            Shot("growth", "growth",
                 ("mobilenet_v1", "mobilenet_v2", "mixnet_s", "resnet50", "vgg16")),
            Shot("field-mobilenet_v1", "field", ("mobilenet_v1",)),
            Shot("field-mixnet_s", "field", ("mixnet_s",), {"layer": "stage4.1.depthwise.concat"}),
            Shot("effective-mobilenet_v2", "effective", ("mobilenet_v2",)),
        ),
    ),
    Section(
        "On dark paper",
        "Every figure has a dark twin: `--theme dark`.",
        (
            Shot("block-mobilenet_v2-dark", "block", ("mobilenet_v2",), {"theme": "dark"}),
            Shot("memory-mobilenet_v2-dark", "memory", ("mobilenet_v2",), {"theme": "dark"}),
        ),
    ),
)  # fmt: skip


class Drawn(NamedTuple):
    """A figure as the gallery keeps it."""

    alt: str
    svg: bytes


def shots() -> Iterator[Shot]:
    """Every figure, in the page's order."""
    for section in GALLERY:
        yield from section.shots


def drawn(shot: Shot) -> Drawn:
    """A figure and its description."""
    names = [str(FOLDER.parent / each) if each == RUN else each for each in shot.networks]
    figure = kinds.draw(shot.kind, names, **shot.options).figure
    made = Drawn(figure.alt, rendered(figure, "svg"))  # type: ignore[union-attr, arg-type]
    pyplot.close(figure)  # type: ignore[arg-type]
    return made


def page(alts: Mapping[str, str]) -> str:
    """The gallery, with the description of each figure."""
    parts = [
        MARK,
        "# Gallery",
        "Every figure is drawn from the same traces and rows as the tables, in one style and with "
        "one colour for each family of layers. Each has a description in words "
        "(`figure.alt`), which this page uses, too. In Python the functions are `lab.draw.block`, "
        "`lab.draw.network` ...; they draw on an Axes (`ax=`) or on a figure of their own, and "
        "return the Axes.",
    ]
    for section in GALLERY:
        parts += [f"## {section.title}", section.words]
        for shot in section.shots:
            parts += [
                f"![{_escaped(alts[shot.file])}](gallery/{shot.file}.svg)",
                f"```sh\n{shot.command}\n```",
                f"```python\n{shot.call}\n```",
            ]
    return "\n\n".join(parts) + "\n"


def _escaped(text: str) -> str:
    return text.replace("[", r"\[").replace("]", r"\]")


def files() -> dict[str, bytes]:
    """Path in docs/ -> content, of everything there should be."""
    matplotlib.use("agg")
    made = {shot.file: drawn(shot) for shot in shots()}
    text = page({file: each.alt for file, each in made.items()})
    return {
        "gallery.md": text.encode(),
        **{f"gallery/{file}.svg": each.svg for file, each in made.items()},
    }


def wrong(folder: Path, expected: Mapping[str, bytes]) -> list[str]:
    """One line for each file of the gallery that is missing, stale or extra."""
    found = []
    for name, content in expected.items():
        path = folder / name
        if not path.exists():
            found.append(f"{name} is missing")
        elif path.read_bytes() != content:
            found.append(f"{name} is stale")
    there = {path.relative_to(folder).as_posix() for path in (folder / "gallery").glob("*")}
    return found + [f"{name} is in no gallery" for name in sorted(there - set(expected))]


def build(folder: Path, expected: Mapping[str, bytes]) -> None:
    """Writes the gallery, and removes figures that it no longer shows."""
    (folder / "gallery").mkdir(exist_ok=True)
    for name, content in expected.items():
        (folder / name).write_bytes(content)
    for path in (folder / "gallery").glob("*.svg"):
        if path.relative_to(folder).as_posix() not in expected:
            path.unlink()


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if it is stale")
    check = parser.parse_args(arguments).check
    expected = files()
    if not check:
        build(folder, expected)
    found = wrong(folder, expected)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

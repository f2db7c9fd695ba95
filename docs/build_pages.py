"""One page for each registered network, made from the code: `python docs/build_pages.py`.

With `--check` nothing is written: what is stale, missing or left over is named, and the exit code
is 1 if there is any.
"""

import argparse
import inspect
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.layers import Trace
from mobilenet_lab.reports.table import write
from mobilenet_lab.verbs.published import VERDICTS, published
from mobilenet_lab.verbs.summary import summary

FOLDER = Path(__file__).parent / "architectures"
MARK = "<!-- Made by docs/build_pages.py from the code; not to be edited here. -->"
FILES = "../../mobilenet_lab/architectures"
"""The folder of the modules, as a page sees it."""


class Words(NamedTuple):
    """What a module's docstring says, as Markdown."""

    headline: str
    idea: str
    deviations: str
    """With its own heading; empty if the docstring has none."""


def words(docstring: str) -> Words:
    """The docstring in its parts: the idea ends where a paragraph begins with "Deviations"."""
    headline, *paragraphs = inspect.cleandoc(docstring).split("\n\n")
    begins = [text.startswith("Deviations") for text in paragraphs]
    end = begins.index(True) if True in begins else len(paragraphs)
    idea = "\n\n".join(paragraphs[:end])
    deviations = ""
    if end < len(paragraphs):
        heading, _, first = paragraphs[end].partition(":")
        rest = [_capital(first.strip()), *paragraphs[end + 1 :]]
        deviations = f"## {heading}\n\n" + "\n\n".join(rest)
    return Words(headline, _capital(idea.removeprefix("Idea:").strip()), deviations)


def _without_title(table: str) -> str:
    return table.partition("\n\n")[2]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def page(name: str) -> str:
    """The page of one network."""
    module, paper, entry = (
        registry.architecture(name),
        registry.paper(name),
        registry.NETWORKS[name],
    )
    said = words(module.__doc__ or "")
    source = f"[{entry.module}.py]({FILES}/{entry.module}.py)"
    twin = f"[{entry.module}_torch.py]({FILES}/{entry.module}_torch.py)"
    fixed = ", ".join(f"`{key}={value!r}`" for key, value in entry.options.items())
    parts = [
        MARK,
        f"# {name}",
        said.headline,
        f"{paper.authors}, *{paper.title}*, {paper.year}, {paper.identifier}.",
        f"Over shapes: {source}; over tensors: {twin}{f'; with {fixed}' if fixed else ''}.",
        f"## Idea\n\n{said.idea}",
        f"## Stages\n\n{summary(name).to('markdown').strip()}",
        f"## Diagram\n\n{diagram(registry.trace(name))}",
        said.deviations,
        f"## Published numbers\n\n{_without_title(published(name).to('markdown')).strip()}",
        f"## Run it\n\n{how_to_run(name)}",
        "[All networks](README.md)",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def diagram(trace: Trace) -> str:
    """The stages and what flows between them, as a Mermaid flow chart."""
    last = {layer.stage: layer for layer in trace.layers}
    number = {stage: index for index, stage in enumerate(last)}
    boxes = [
        f'    s{number[stage]}["{stage}<br>{write(layer.out_shape, "shape")}"]'
        for stage, layer in last.items()
    ]
    flows = {
        (number[trace.layers[source].stage], number[layer.stage])
        for layer in trace.layers
        for source in layer.inputs
    }
    arrows = [f"    s{start} --> s{end}" for start, end in sorted(flows) if start != end]
    return "\n".join(["```mermaid", "flowchart TD", *boxes, *arrows, "```"])


def how_to_run(name: str) -> str:
    """Commands and calls, and the options that the network takes."""
    _, fixed, _, own = registry.NETWORKS[name]
    free = [
        f"`{option.name}={own.get(option.name, option.default)!r}`"
        for option in inspect.signature(registry.architecture(name).trace).parameters.values()
        if option.name not in fixed
    ]
    return "\n".join(
        [
            "```sh",
            f"mobilenet-lab summary {name}",
            f"mobilenet-lab field {name}",
            f"mobilenet-lab draw network {name} --output {name}.svg",
            f"mobilenet-lab published {name}",
            f"mobilenet-lab verify {name}  # needs the torch extra",
            "```",
            "",
            "```python",
            "import mobilenet_lab as lab",
            "",
            f'lab.summary("{name}", level="block")',
            f'lab.build("{name}")  # the nn.Module; needs the torch extra',
            "```",
            "",
            f"Options and what they are if not given: {', '.join(free)}.",
        ]
    )


@cache
def index() -> str:
    """The page that lists the others."""
    lines = [
        MARK,
        "",
        "# Networks",
        "",
        "One page each: the idea, the stages, what deviates from the paper, and the published",
        "numbers beside ours. Parameters and MACs are those of the default settings.",
        "",
        "| network | | paper | input | params | MACs | published: "
        + " / ".join(VERDICTS)
        + " |\n|---|---|---|---|---:|---:|---:|",
    ]
    for name in registry.NETWORKS:
        paper, analysis = registry.paper(name), analyse(registry.trace(name))
        idea = words(registry.architecture(name).__doc__ or "").headline
        total, image = analysis.total, analysis.trace.input_shape[1:]
        found = Counter(row.verdict for row in published(name).rows)
        cells = (
            f"[{name}]({name}.md)",
            idea,
            f"{paper.identifier} ({paper.year})",
            "×".join(map(str, image)),
            f"{total.params:,}",
            f"{total.macs:,}",
            " / ".join(str(found[verdict]) for verdict in VERDICTS),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """File name -> text, of every page there should be."""
    return {"README.md": index(), **{f"{name}.md": page(name) for name in registry.NETWORKS}}


def wrong(folder: Path = FOLDER) -> list[str]:
    """One line for each page of `folder` that is missing, stale or extra."""
    expected = pages()
    there = {path.name for path in folder.glob("*.md")}
    found = [f"{name} is missing" for name in expected if name not in there]
    found += [
        f"{name} is stale"
        for name, text in expected.items()
        if name in there and (folder / name).read_text(encoding="utf-8") != text
    ]
    return found + [f"{name} belongs to no network" for name in sorted(there - set(expected))]


def build(folder: Path = FOLDER) -> None:
    """Writes every page, and removes those that were made for a network no longer registered."""
    expected = pages()
    folder.mkdir(exist_ok=True)
    for name, text in expected.items():
        (folder / name).write_text(text, encoding="utf-8")
    for path in folder.glob("*.md"):
        if path.name not in expected and path.read_text(encoding="utf-8").startswith(MARK):
            path.unlink()


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if pages are wrong")
    if not parser.parse_args(arguments).check:
        build(folder)
    found = wrong(folder)
    for line in found:
        print(f"{folder.name}/{line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

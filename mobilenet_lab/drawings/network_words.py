"""Words of a network diagram in the room that there is for them."""

from collections.abc import Sequence

from mobilenet_lab.drawings.canvas import SMALL, text_width
from mobilenet_lab.drawings.network_summary import Step

SPACE = 3.0
"""Between two words."""


def words_width(steps: Sequence[Step]) -> float:
    """What words need, as they are drawn."""
    found = pieces(steps)
    return sum([text_width("".join([a, step.text, b]), SMALL) + SPACE for a, step, b in found])


def pieces(steps: Sequence[Step]) -> list[tuple[str, Step, str]]:
    """Each step with what stands before and after it, and what is beside all steps."""
    found: list[tuple[str, Step, str]] = []
    before = ""
    for step in steps:
        if step.family:
            found.append((before.lstrip(), step, ""))
            before = ""
        elif found and not before and step.text.startswith((")", ",")):
            found[-1] = (*found[-1][:2], found[-1][2] + step.text.rstrip())
        else:
            before += step.text
    return [*found, *([("", Step(before.strip()), "")] if before else [])]


def cut(steps: Sequence[Step], room: float) -> list[Step]:
    """As many words as there is room for."""
    kept = [*steps]
    if words_width(kept) <= room:
        return kept
    while len(kept) > 1 and words_width([*kept, Step(" …")]) > room:
        kept.pop()
    if words_width(kept) > room:
        return [Step(fitted(kept[0].text, room))]
    return [*kept, Step(" …")]


def fitted(text: str, room: float, size: float = SMALL) -> str:
    """A text, without its middle if there is not room for all of it."""
    if text_width(text, size) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: kept // 2]}…{text[-((kept + 1) // 2) :]}"
        if text_width(short, size) <= room:
            return short
    return "…"

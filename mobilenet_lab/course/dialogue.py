"""An exercise worked in the terminal: its question, answers until one is right, hints, solution."""

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from mobilenet_lab.errors import LabError
from mobilenet_lab.exercises import judging, lessons, log, typed
from mobilenet_lab.exercises.kinds import Function
from mobilenet_lab.exercises.records import (
    Exercise,
    Given,
    State,
    Verdict,
    WrongKind,
    sentence,
    told,
)
from mobilenet_lab.exercises.showing import LOOK_OF, LOOKS
from mobilenet_lab.networks import attribute_of
from mobilenet_lab.output import printing

LEAVE = ("quit", "exit", "q")


class Task:
    """An exercise with its numbers, and where its hints have got to."""

    def __init__(self, id: str, seed: int | None = None) -> None:
        self.exercise: Exercise = lessons.exercise(id)
        self.seed = seed
        self.given: Given = judging.given(self.exercise, seed)
        self.hinted = 0

    def question(self) -> str:
        """What is asked, as Markdown."""
        found = self.exercise
        dealt = f" · numbers of seed {self.seed}" if self.seed is not None else ""
        text = (
            f"**Exercise {found.id} · {found.title}**\n\n"
            f"{found.effort}{dealt}\n\n"
            f"{judging.asked(found, self.given)}"
        )
        if found.source and self.seed is None:
            text += f"\n\n*Source: {found.source}.*"
        return text

    def how(self) -> str:
        """What may be typed."""
        kind = self.exercise.kind
        if isinstance(kind, Function):
            told_so = f"Write it in a file, which is run, and answer `path/to/file.py:{kind.name}`."
        else:
            told_so = f"The answer is {kind.expected}."
        return f"{told_so} Or type `hint`, `solution`, `question` or `quit`."

    def hint(self) -> str:
        """The next hint; after the last one, the first again."""
        hints = self.exercise.hints
        place = self.hinted % len(hints)
        self.hinted += 1
        return f"**Hint {place + 1} of {len(hints)}.** {told(hints[place], self.given)}"

    def solution(self) -> str:
        """The answer and the way to it."""
        text = f"**Solution {self.exercise.id}.** {judging.solved(self.exercise, self.given)}"
        if self.exercise.deal is None:
            return text
        other = f"mobilenet-lab exercise {self.exercise.id} --seed {(self.seed or 0) + 1}"
        return f"{text}\n\nWith other numbers: `{other}`"

    def judge(self, text: str) -> Verdict:
        """What becomes of a typed answer; it is recorded.

        Raises:
            LabError: it names a file that cannot be run, or needs a package that is missing.
        """
        verdict = self._judged(text)
        trouble = log.record(log.Attempt(self.exercise.id, verdict.state.value, self.seed))
        message = " ".join(filter(None, (verdict.message, trouble)))
        return Verdict(verdict.exercise, verdict.state, message)

    def _judged(self, text: str) -> Verdict:
        kind = self.exercise.kind
        try:
            if isinstance(kind, Function):
                answer = _function(text, kind)
            else:
                answer = typed.answer(text, kind)
        except WrongKind as error:
            return Verdict(self.exercise.id, State.wrong_kind, sentence(error))
        return judging.judge(self.exercise, answer, self.given)


def _function(text: str, kind: Function) -> Any:
    """The function that `file.py:function` names; runs the file."""
    text = text.strip().strip("\"'`")
    if text in ("", "..."):
        return ...
    where, _, name = text.rpartition(":")
    if not where.endswith(".py") or not name:
        raise WrongKind(f"the answer is {kind.expected} in a file: path/to/file.py:{kind.name}")
    return attribute_of(where, name)


def once(task: Task, answer: str | None, hints: int, solution: bool) -> bool:
    """Says what was asked for and does not ask back; whether an answer, if given, was right."""
    voice, right = Voice(), True
    if answer is not None:
        right = voice.verdict(task.judge(answer))
    for _ in range(min(hints, len(task.exercise.hints))):
        voice.say(task.hint())
    if solution:
        voice.say(task.solution())
    return right


def work(task: Task, lines: Callable[[], Iterator[str]] | None = None) -> bool:
    """Asks until an answer is right (True), or the student leaves or has seen the solution."""
    voice = Voice()
    voice.say(task.question())
    voice.say(task.how())
    for line in (lines or typed_lines)():
        match line.strip().casefold():
            case "":
                voice.say(task.how())
            case "hint" | "h":
                voice.say(task.hint())
            case "solution":
                voice.say(task.solution())
                return False
            case "question" | "?" | "help":
                voice.say(task.question())
                voice.say(task.how())
            case word if word in LEAVE:
                return False
            case _:
                try:
                    if voice.verdict(task.judge(line)):
                        return True
                except LabError as error:
                    voice.say(sentence(error))
    return False


def interactive() -> bool:
    """Whether somebody sits at it, who may leave as they like."""
    return sys.stdin is not None and sys.stdin.isatty()


def typed_lines() -> Iterator[str]:
    """What is typed, line by line, until Ctrl-D."""
    if sys.stdin is None:
        raise LabError("there is nothing to read answers from; --answer gives one")
    prompt = "> " if interactive() else ""
    if prompt:
        with suppress(ImportError):
            import readline  # noqa: F401 # arrow keys
    while True:
        try:
            line = input(prompt)
        except EOFError:
            if prompt:
                print()
            return
        except UnicodeDecodeError:
            raise LabError("what is typed is not text in this terminal's encoding") from None
        yield line


class Voice:
    """Says Markdown, in a terminal with its bold letters and colours; a blank line between."""

    def __init__(self) -> None:
        self.spoken = False
        self.width = min(shutil.get_terminal_size().columns, 100)

    def verdict(self, verdict: Verdict) -> bool:
        """Says what became of an answer; whether it was right."""
        mark, colour = LOOKS[LOOK_OF[verdict.state]]
        message = verdict.message
        if verdict.state is State.not_attempted:
            message = "Nothing was answered."
        self.say(message, f"{mark} {verdict.exercise} {verdict.state}.", colour)
        return verdict.correct

    def say(self, text: str, head: str = "", colour: str = "") -> None:
        """Prints a few paragraphs, after a head in a colour.

        Raises:
            LabError: that cannot be done.
        """
        with printing():
            if self.spoken:
                print()
            self.spoken = True
            if sys.stdout.isatty():
                self._rich(text, head, colour)
            else:
                print(plain(f"{head} {text}".strip(), self.width))

    def _rich(self, text: str, head: str, colour: str) -> None:
        from rich.console import Console
        from rich.markdown import Markdown
        from rich.text import Text
        from rich.theme import Theme

        code = Theme({"markdown.code": "cyan"})  # on whatever the terminal's paper is
        console = Console(highlight=False, width=self.width, theme=code)
        if head:
            console.print(Text(head, style=f"bold {colour}"))
        if text:
            console.print(Markdown(text))


def plain(text: str, width: int = 80) -> str:
    """Markdown as text: without its marks, paragraphs wrapped; lists, tables, code as they are."""
    parts, code = [], False
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.splitlines()
        fences = sum(line.lstrip().startswith("```") for line in lines)
        if code or fences or any(map(KEPT.match, lines)):
            kept = [each for each in lines if not each.lstrip().startswith("```")]
            parts.append("\n".join(each if code or fences else _bare(each) for each in kept))
            code ^= fences % 2 == 1
        else:
            parts.append(textwrap.fill(_bare(" ".join(lines)), width, break_long_words=False))
    return "\n\n".join(parts)


KEPT = re.compile(r"\s*([-*|>]|\d+\.|#+)\s|\|| {4}")
"""A line of a list, a table, a quotation, a heading or code."""


def _bare(text: str) -> str:
    """Without the marks of code, bold and emphasis; what is within code stays."""

    def inside(match: re.Match[str]) -> str:
        return match[1] or match[2] or match[3]

    return re.sub(r"`([^`]+)`|\*\*(.+?)\*\*|(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", inside, text)

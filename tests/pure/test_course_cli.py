"""The course on the command line: notebooks copied, exercises worked, progress read."""

import json
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from mobilenet_lab.cli import app
from mobilenet_lab.course import copying, dialogue
from mobilenet_lab.exercises import judging, lessons, log, typed
from mobilenet_lab.exercises.kinds import (
    Choice,
    Expression,
    Function,
    Integer,
    Number,
    Row,
    Values,
)
from mobilenet_lab.exercises.records import State, WrongKind

ROOT = Path(__file__).parents[2]
NAMES = [f"{lessons.notebook_name(number)}.ipynb" for number in lessons.LESSONS]
FIRST = NAMES[0]


@pytest.fixture(autouse=True)
def record(tmp_path, monkeypatch):
    """A record of attempts of the test's own."""
    monkeypatch.setenv("MOBILENET_LAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "attempts.jsonl"


def run(*arguments: object, input: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], input=input)


def words(text: str) -> str:
    """Without line breaks, which depend on the width."""
    return " ".join(text.split())


def contents(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.iterdir() if path.is_file()}


# notebooks


def test_the_whole_course_is_copied(tmp_path):
    folder = tmp_path / "a" / "course"
    result = run("notebooks", folder)
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert (folder / name).read_bytes() == (ROOT / "notebooks" / name).read_bytes()
        assert f"copied        {name}" in result.stdout
    assert "jupyter" in result.stdout.splitlines()[-1]
    assert str(folder) in result.stdout.splitlines()[-1]


def test_the_folder_has_a_name_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("notebooks", "--only", "1").exit_code == 0
    assert (tmp_path / copying.FOLDER / FIRST).is_file()


@pytest.mark.parametrize(
    ("only", "copied"),
    [
        (["1"], ["1"]),
        (["e", "02", " 1 "], ["1", "2", "E"]),
        (["1", "1"], ["1"]),
    ],
)
def test_single_lessons(tmp_path, only, copied):
    result = run("notebooks", tmp_path / "c", *(part for each in only for part in ("--only", each)))
    assert result.exit_code == 0
    names = {f"{lessons.notebook_name(number)}.ipynb" for number in copied}
    assert {path.name for path in (tmp_path / "c").iterdir()} == names


@pytest.mark.parametrize("number", ["0", "13", "x", "", "-1"])
def test_there_is_no_such_lesson(tmp_path, number):
    result = run("notebooks", tmp_path / "c", "--only", number)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "unknown lesson" in result.stderr
    assert not (tmp_path / "c").exists()


def test_what_is_there_is_kept(tmp_path):
    run("notebooks", tmp_path, "--only", "1", "--only", "2")
    (tmp_path / FIRST).write_text("mine")
    (tmp_path / "notes.txt").write_text("notes")
    result = run("notebooks", tmp_path, "--only", "1", "--only", "2", "--only", "3")
    assert result.exit_code == 0
    assert f"kept yours    {FIRST}" in result.stdout
    assert f"already there {NAMES[1]}" in result.stdout
    assert f"copied        {NAMES[2]}" in result.stdout
    assert "--force" in result.stdout
    assert (tmp_path / FIRST).read_text() == "mine"
    assert (tmp_path / "notes.txt").read_text() == "notes"


def test_force_puts_aside_and_loses_nothing(tmp_path):
    run("notebooks", tmp_path, "--only", "1")
    for text in ("mine", "mine again"):
        (tmp_path / FIRST).write_text(text)
        result = run("notebooks", tmp_path, "--only", "1", "--force")
        assert f"replaced      {FIRST}" in result.stdout
    stem = Path(FIRST).stem
    assert (tmp_path / f"{stem}.yours.ipynb").read_text() == "mine"
    assert (tmp_path / f"{stem}.yours-2.ipynb").read_text() == "mine again"
    assert f"{stem}.yours-2.ipynb" in result.stdout
    assert (tmp_path / FIRST).read_bytes() == (ROOT / "notebooks" / FIRST).read_bytes()
    assert "already there" in run("notebooks", tmp_path, "--only", "1", "--force").stdout


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["edit", "copy", "force", "delete"]), max_size=8))
def test_whatever_is_done_what_a_student_wrote_is_there(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("course")
    written = set()
    for number, step in enumerate(steps):
        target = folder / FIRST
        if step == "edit":
            if target.exists():
                written.discard(target.read_bytes())  # overwritten by the student
            target.write_text(f"edit {number}")
            written.add(target.read_bytes())
        elif step == "delete":
            if target.exists():
                written.discard(target.read_bytes())
                target.unlink()
        else:
            assert copying.copy(folder, ["1"], force=step == "force")
            assert target.exists()
        assert written <= contents(folder)


def test_nothing_is_put_aside_over_a_link_that_leads_nowhere(tmp_path):
    (tmp_path / FIRST).write_text("mine")
    aside = tmp_path / f"{Path(FIRST).stem}.yours.ipynb"
    aside.symlink_to(tmp_path / "elsewhere.ipynb")
    assert run("notebooks", tmp_path, "--only", "1", "--force").exit_code == 0
    assert aside.is_symlink()
    assert (tmp_path / f"{Path(FIRST).stem}.yours-2.ipynb").read_text() == "mine"


def test_a_name_that_no_folder_can_have_is_one_sentence(tmp_path):
    result = run("notebooks", tmp_path / ("x" * 300))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_a_link_that_leads_nowhere_is_no_free_place(tmp_path):
    (tmp_path / FIRST).symlink_to(tmp_path / "elsewhere.ipynb")
    result = run("notebooks", tmp_path, "--only", "1")
    assert result.exit_code == 2
    assert not (tmp_path / "elsewhere.ipynb").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("text")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        result = run("notebooks", place)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "text"


def test_a_folder_where_a_notebook_should_be(tmp_path):
    (tmp_path / FIRST).mkdir()
    result = run("notebooks", tmp_path, "--force")
    assert result.exit_code == 2
    assert FIRST in result.stderr
    assert (tmp_path / FIRST).is_dir()


def test_a_folder_that_nobody_may_write(tmp_path, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    result = run("notebooks", tmp_path / "c")
    assert result.exit_code == 2
    assert "Permission denied" in result.stderr


def full_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """A disk with room for so many files."""
    write = Path.write_bytes
    done = []

    def write_bytes(path: Path, data: bytes) -> int:
        if len(done) >= writes:
            write(path, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        done.append(path)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


def test_a_disk_that_gets_full_leaves_whole_notebooks_only(tmp_path, monkeypatch):
    full_after(monkeypatch, 2)
    result = run("notebooks", tmp_path)
    assert result.exit_code == 2
    assert f"No space left on device (2 of {len(NAMES)} notebooks are there)" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES[:2]
    monkeypatch.undo()
    assert "already there" in run("notebooks", tmp_path).stdout
    assert len(list(tmp_path.iterdir())) == len(NAMES)


def test_a_full_disk_and_force_leave_the_student_s_own(tmp_path, monkeypatch):
    (tmp_path / FIRST).write_text("mine")
    full_after(monkeypatch, 0)
    assert run("notebooks", tmp_path, "--only", "1", "--force").exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == [FIRST]
    assert (tmp_path / FIRST).read_text() == "mine"


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jupytext", None)
    result = run("notebooks", tmp_path / "c", "--only", "1", "--solutions")
    assert result.exit_code == 2
    assert "pip install 'mobilenet-lab[course]'" in result.stderr
    assert not (tmp_path / "c").exists()
    monkeypatch.setattr(copying, "find_spec", lambda name: None)
    result = run("notebooks", tmp_path / "c", "--only", "1")
    assert result.exit_code == 0
    assert "pip install 'mobilenet-lab[course]'" in result.stdout


def test_a_folder_with_blanks_is_quoted(tmp_path):
    last = run("notebooks", tmp_path / "my course", "--only", "1").stdout.splitlines()[-1]
    assert last.endswith(f"'{tmp_path / 'my course'}'")


def test_wheels_and_source_distributions_carry_the_notebooks():
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]
    assert targets["wheel"]["force-include"] == {"notebooks": "mobilenet_lab/course/notebooks"}
    assert "notebooks" in targets["sdist"]["include"]


# exercise


@pytest.mark.parametrize(
    ("id", "answer", "code", "said"),
    [
        ("1.1", "227", 0, "✓ 1.1 correct."),
        ("1.1", "(55 - 1) * 4 + 11", 0, "✓ 1.1 correct."),
        ("1.1", "224", 1, "224 is what the paper prints"),
        ("1.1", "220", 1, "outputs × stride"),
        ("1.1", "two", 1, "wrong kind of value. 'two' is not a whole number"),
        ("1.1", "", 1, "Nothing was answered"),
        ("1.1", "...", 1, "Nothing was answered"),
        ("1.2", "295168, 924844032, 1849688064", 0, "correct"),
        ("1.2", "(295168, 924844032, 1849688064)", 0, "correct"),
        ("1.2", "295,168, 924,844,032, 1,849,688,064", 0, "correct"),
        ("1.2", "295168; 924844032; 2*924844032", 0, "correct"),
        ("1.2", "macs = 924844032, flops = 1849688064, params = 295168", 0, "correct"),
        ("1.2", "295168, 924844032, 924844032", 1, "MACs twice"),
        ("1.2", "295168", 1, "that is one value"),
        ("1.2", "295168, x, 5", 1, "macs: 'x' is not a whole number"),
        ("1.3", "89.4%, 99.2%", 1, "without a percent sign"),
        ("E.1", "[418121728, 290675200, 186400768]", 0, "correct"),
        ("E.1", "418,121,728, 290,675,200, 186,400,768", 0, "correct"),
        ("E.4", "stem, 8128512", 0, "correct"),
        ("e.4", "'stem', 24*27*112^2", 0, "correct"),
        ("E.4", "steam, 8128512", 1, "did you mean 'stem'?"),
    ],
)
def test_an_answer_is_judged(id, answer, code, said, record):
    result = run("exercise", id, "--answer", answer)
    assert (result.exit_code, result.stderr) == (code, ""), result.output
    assert said in words(result.stdout)
    assert len(record.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["1.99"], "unknown exercise"),
        (["77.1"], "unknown lesson"),
        (["1"], "exercises have ids such as"),
        (["1.1 x"], "unknown exercise"),
        (["1.3", "--seed", "3"], "has no other numbers"),
        (["1.1", "--seed", "9" * 30], "a seed is an int of at most 18 digits"),
        (["1.4", "--answer", "nothing.py:conv_macs"], "nothing.py is no file"),
    ],
)
def test_what_cannot_be_worked_is_told(arguments, said, record):
    result = run("exercise", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not record.exists()


def test_a_conversation(record):
    typed_in = "224\n\nhint\nhint\nhint\nquestion\nnonsense\n227\nnever read\n"
    result = run("exercise", "1.1", input=typed_in)
    assert (result.exit_code, result.stderr) == (0, "")
    said = words(result.stdout)
    places = [
        said.index(part)
        for part in (
            *("Exercise 1.1 · Does 224 fit?", "The answer is a whole number."),
            *("✗ 1.1 not yet", "Hint 1 of 2", "Hint 2 of 2", "wrong kind", "✓ 1.1 correct"),
        )
    ]
    assert places == sorted(places)
    assert said.count("Hint 1 of 2") == 2, "after the last one, the first again"
    assert said.count("AlexNet's first convolution has 11×11 kernels") == 2
    states = [json.loads(line)["state"] for line in record.read_text().splitlines()]
    assert states == ["not yet", "wrong kind of value", "correct"]


@pytest.mark.parametrize("typed_in", ["", "quit\n", "1\nq\n", "solution\n", " EXIT \n"])
def test_leaving_without_the_answer(typed_in):
    assert run("exercise", "1.1", input=typed_in).exit_code == 1  # no terminal: a script asks


def test_in_a_terminal_one_may_leave(monkeypatch):
    monkeypatch.setattr(dialogue, "interactive", lambda: True)
    assert run("exercise", "1.1", input="quit\n").exit_code == 0


def test_what_is_no_text_is_told(monkeypatch):
    def unreadable(prompt):
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr("builtins.input", unreadable)
    result = run("exercise", "1.1")
    assert result.exit_code == 2
    assert "not text in this terminal's encoding" in result.stderr


def test_ctrl_c(monkeypatch):
    def stopped():
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(dialogue, "typed_lines", stopped)
    assert run("exercise", "1.1").exit_code == 130


def test_hints_and_solution_without_being_asked_back(record):
    first = run("exercise", "1.1", "--hint").stdout
    assert "Hint 1 of 2" in first
    assert "Hint 2" not in first
    both = run("exercise", "1.1", "--hint", "--hint", "--hint").stdout
    assert (both.count("Hint 1 of 2"), both.count("Hint 2 of 2")) == (1, 1)
    assert "227 pixels" in words(run("exercise", "1.1", "--solution").stdout)
    assert not record.exists()
    both = run("exercise", "1.1", "--answer", "5", "--hint")
    assert both.exit_code == 1
    assert "Hint 1 of 2" in both.stdout


def test_a_seed_deals_other_numbers(record):
    exercise = lessons.exercise("1.1")
    dealt = judging.given(exercise, 7)
    right = exercise.answer(dealt)
    assert run("exercise", "1.1", "--seed", "7", "--answer", right).exit_code == 0
    assert json.loads(record.read_text())["seed"] == 7
    asked = run("exercise", "1.1", "--seed", "7", input="quit\n").stdout
    assert f"{dealt.outputs}×{dealt.outputs} positions" in words(asked)
    assert "--seed 8" in run("exercise", "1.1", "--seed", "7", "--solution").stdout


FUNCTION = """
def conv_macs(kernel, c_in, c_out, size, stride, padding, groups):
    out = (size + 2 * padding - kernel) // stride + 1
    return kernel**2 * {c_in} * c_out * out**2

stub = lambda kernel, c_in, c_out, size, stride, padding, groups: ...
number = 5

def leaves(kernel, c_in, c_out, size, stride, padding, groups):
    raise SystemExit(0)
"""


@pytest.mark.parametrize(
    ("name", "c_in", "code", "said"),
    [
        ("conv_macs", "(c_in // groups)", 0, "correct"),
        ("conv_macs", "c_in", 1, "Right without groups"),
        ("stub", "c_in", 1, "Nothing was answered"),
        ("number", "c_in", 1, "5 is not a function conv_macs"),
        ("leaves", "c_in", 1, "raised SystemExit"),
        ("missing", "c_in", 2, "unknown name"),
    ],
)
def test_a_function_is_read_from_its_file(tmp_path, name, c_in, code, said):
    file = tmp_path / "mine.py"
    file.write_text(FUNCTION.format(c_in=c_in))
    result = run("exercise", "1.4", "--answer", f"{file}:{name}")
    assert result.exit_code == code, result.output
    assert said in words(result.output)


@pytest.mark.parametrize("text", ["conv_macs", "5", "mine.py", "mine.py:", "def f(): pass"])
def test_a_function_has_to_be_in_a_file(text):
    result = run("exercise", "1.4", "--answer", text)
    assert result.exit_code == 1
    assert "path/to/file.py:conv_macs" in words(result.stdout)


def test_a_file_that_does_not_run_is_told_and_one_may_go_on(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("1 / 0")
    result = run("exercise", "1.4", "--answer", f"{file}:conv_macs")
    assert result.exit_code == 2
    assert "ZeroDivisionError" in result.stderr
    result = run("exercise", "1.4", input=f"{file}:conv_macs\nhint\nquit\n")
    assert "ZeroDivisionError" in words(result.stdout)
    assert "Hint 1" in result.stdout


def test_a_record_that_cannot_be_written_does_not_lose_the_answer(record):
    record.parent.write_text("a file where the folder should be")
    result = run("exercise", "1.1", "--answer", "227")
    assert result.exit_code == 0
    assert "not recorded" in words(result.stdout)


@pytest.mark.parametrize("id", [f"{number}.1" for number in lessons.LESSONS])
def test_questions_are_plain_and_fit_the_width(id, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("exercise", id, input="quit\n").stdout
    assert "`" not in shown
    assert "**" not in shown.replace("**2", "").replace("**3", "")
    too_long = [line for line in shown.splitlines() if len(line) > 80 and "|" not in line]
    assert too_long == []


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("A `b * c` and **bold** and *so*.", "A b * c and bold and so."),
        ("9*c*d stays, and 2 * 3 * 4", "9*c*d stays, and 2 * 3 * 4"),
        ("one\ntwo\n\nthree", "one two\n\nthree"),
        ("- `a`\n- b", "- a\n- b"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("```\na  b\n\nc `d`\n```\n\nx y", "a  b\n\nc `d`\n\nx y"),
        ("```\na\n\nb  `c`\n\nd\n```", "a\n\nb  `c`\n\nd"),
        ("", ""),
    ],
)
def test_markdown_as_text(markdown, text):
    assert dialogue.plain(markdown) == text


# What is typed

COUNTS = Values({"params": Integer(), "macs": Integer()})


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("12", Integer(), 12),
        (" 1,234,567 ", Integer(), 1234567),
        ("1_000", Integer(), 1000),
        ("-3", Integer(), -3),
        ("3×3×64", Integer(), 576),
        ("3 · 3", Integer(), 9),
        ("2³ − 1", Integer(), 7),
        ("3*3*64 // 2", Integer(), 288),
        ("1/8", Number(), 0.125),
        ("1.5e6", Number(), 1.5e6),
        ("", Integer(), ...),
        ("...", COUNTS, ...),
        ("Stem", Choice(("stem",)), "Stem"),
        ("'stem'", Choice(("stem",)), "stem"),
        ("3x3 conv", Choice(("3x3 conv",)), "3x3 conv"),
        ("9*c*d", Expression(("c", "d")), "9*c*d"),
        ("1, 2", COUNTS, [1, 2]),
        ("(1; 2)", COUNTS, [1, 2]),
        ("1,234, 5,678", COUNTS, [1234, 5678]),
        ("1,234", COUNTS, [1, 234]),
        ("macs: 2, params: 1", COUNTS, {"params": 1, "macs": 2}),
        ("{'params': 1, 'macs': 2}", COUNTS, {"params": 1, "macs": 2}),
        ("(1 + 2) * 3, (4)", COUNTS, [9, 4]),
        ("1, ...", COUNTS, [1, ...]),
        ("1,2,3", Row(Integer()), [1, 2, 3]),
        ("[1,234, 5,678]", Row(Integer()), [1234, 5678]),
        ("5", Row(Integer()), [5]),
        ("conv, 1x1 conv", Row(Choice(("conv", "1x1 conv"))), ["conv", "1x1 conv"]),
        ("(1, 2), (3, 4)", Row(COUNTS), [[1, 2], [3, 4]]),
        ("'a, b', c", Row(Choice(("a, b", "c"))), ["a, b", "c"]),
    ],
)
def test_what_is_typed_is_read(text, kind, value):
    assert typed.answer(text, kind) == value


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("abc", Integer(), "'abc' is not a whole number"),
        ("3 M", Integer(), "without a unit"),
        ("300M", Number(), "without a unit"),
        ("50%", Number(), "percent sign"),
        ("1/0", Number(), "divides by zero"),
        ("2**999", Integer(), "out of all bounds"),
        ("((9**64)**64)**64", Integer(), "out of all bounds"),
        ("open('x')", Integer(), "is not a whole number"),
        ("__import__('os').system('true')", Integer(), "is not a whole number"),
        ("1" * 400, Integer(), "300 letters"),
        ("1, 2, 3", COUNTS, "that is 3 values"),
        ("1, two", COUNTS, "macs: 'two'"),
        ("params=1, params=2", COUNTS, "params: 'params=1'"),
        ("5", Function("f", lambda random: {"x": 1}, Integer()), "path/to/file.py:f"),
    ],
)
def test_what_cannot_be_read_is_told(text, kind, said):
    with pytest.raises(WrongKind) as told:
        typed.answer(text, kind)
    assert said in str(told.value)


KINDS = (
    *(Integer(), Number(), Choice(("stem", "stage1")), Expression(("c", "d")), COUNTS),
    *(Row(Integer()), Row(COUNTS), Values({"a": Row(Number()), "b": Choice(("x",))})),
    Function("f", lambda random: {"x": 1}, Integer()),
)
NEARLY = st.text(alphabet="0123456789.,;:=()[]{}+-*/^%_eEjcdxM '\"×²−#\\\n", max_size=40)


@settings(max_examples=400)
@given(st.text(max_size=60) | NEARLY, st.sampled_from(KINDS))
def test_reading_raises_wrong_kind_or_nothing(text, kind):
    with suppress(WrongKind):
        typed.answer(text, kind)


@settings(max_examples=150)
@given(st.text(max_size=40) | NEARLY, st.sampled_from(("1.1", "1.2", "1.3", "E.1", "E.4")))
def test_judging_what_is_typed_ends_in_one_of_the_states(text, id):
    verdict = dialogue.Task(id)._judged(text)
    assert verdict.state in State


@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), 1e308, float("nan"), float("inf")],
    ids=["large", "small", "float", "nan", "inf"],
)
def test_numbers_out_of_all_bounds_are_not_right_and_raise_nothing(value):
    for number in lessons.LESSONS:
        for exercise in lessons.lesson(number).exercises:
            if not isinstance(exercise.kind, Function):
                assert not judging.judge(exercise, value, judging.given(exercise)).correct


# progress


def rows(*arguments: object) -> list[dict[str, object]]:
    result = run("progress", *arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["rows"]


def test_nothing_is_done_yet(record):
    result = run("progress")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "exercise 1.1 begins" in words(result.stdout)
    assert not record.exists()
    everything = [lessons.lesson(number) for number in lessons.LESSONS]
    assert [(row["number"], row["exercises"], row["done"], row["last"]) for row in rows()] == [
        (lesson.number, len(lesson.exercises), 0, None) for lesson in everything
    ]


def test_what_is_done_is_counted():
    for answer in ("1", "224", "227", "..."):
        run("exercise", "1.1", "--answer", answer)
    right = lessons.exercise("1.1").answer(judging.given(lessons.exercise("1.1"), 4))
    run("exercise", "1.1", "--seed", "4", "--answer", right)
    run("exercise", "1.1", "--seed", "5", "--answer", "1")
    run("exercise", "1.2", "--answer", "x")
    run("exercise", "1.3", "--answer", "")
    log.record(log.Attempt("2.a", log.PREDICTED, value=5))
    first, second = rows()[:2]
    assert (first["done"], first["attempted"], first["tries"]) == (1, 1, 6)
    assert (second["done"], second["tries"], bool(second["last"])) == (0, 0, True)
    assert [(row["id"], row["state"], row["tries"], row["seeds"]) for row in rows("1")[:3]] == [
        ("1.1", "correct", 5, "4"),
        ("1.2", "not yet", 1, None),
        ("1.3", "not attempted", 0, None),
    ]
    assert "begins" not in run("progress").stdout


def test_damaged_lines_are_passed_over_and_said(record):
    run("exercise", "1.1", "--answer", "227")
    whole = record.read_bytes()
    bad = [
        *(b"{", b"[]", b"null", b"\xff\xfe", b'{"exercise": 5, "state": "correct"}'),
        b'{"exercise": "1.2", "state": "correct", "at": "yesterday"}',
        b'{"exercise": "1.2", "state": "correct", "at": "0001-01-01"}',
        b"[" * 100_000,
        b'{"exercise": "1.2", "state": "correct", "at": "2026-01-01", "seed": "x"}',
    ]
    record.write_bytes(b"\n".join(bad) + b"\n\n" + whole + b'{"exercise": "1.3", "sta')
    result = run("progress")
    assert result.exit_code == 0
    assert f"{len(bad) + 1} lines of" in words(result.stdout)
    assert json.loads(run("progress", "-f", "json").stdout)["damaged_lines"] == len(bad) + 1
    assert rows()[0]["done"] == 1
    run("exercise", "1.2", "--answer", "1, 2, 3")  # not glued to the line that was cut off
    assert rows()[0]["attempted"] == 1


def test_attempts_at_exercises_that_are_no_more_do_no_harm():
    log.record(log.Attempt("99.9", "correct"))
    log.record(log.Attempt("1.77", "correct"))
    assert rows()[0]["done"] == 0


def attempts(record: Path, *each: dict[str, object]) -> None:
    record.parent.mkdir(exist_ok=True)
    record.write_text("".join(f"{json.dumps(attempt)}\n" for attempt in each))


def test_lesson_11_is_not_lesson_1():
    log.record(log.Attempt("11.1", "correct"))
    assert [bool(row["last"]) for row in rows()[:11]] == [False] * 10 + [True]


def test_the_seed_0_and_the_last_of_several_tries_are_told(record):
    days = [f"2026-03-{day:02}T12:00:00+00:00" for day in (2, 9, 5)]
    tries = [{"exercise": "1.1", "state": "correct", "seed": 0, "at": day} for day in days]
    attempts(record, *tries)
    first = rows("1")[0]
    assert first["seeds"] == "0"
    assert str(first["last"]).startswith("2026-03-09")


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be set")
def test_days_are_those_of_the_student(record, monkeypatch):
    attempts(record, {"exercise": "1.1", "state": "correct", "at": "2026-03-01T23:30:00+00:00"})
    try:
        monkeypatch.setenv("TZ", "UTC-9")
        time.tzset()
        assert rows()[0]["last"] == "2026-03-02"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_home_that_is_not_there(monkeypatch):
    monkeypatch.setenv("MOBILENET_LAB_DATA", "~nobody-is-called-so/data")
    result = run("progress")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no home folder for ~nobody-is-called-so/data" in result.stderr


def test_a_record_that_cannot_be_read(record):
    record.mkdir(parents=True)
    result = run("progress")
    assert result.exit_code == 2
    assert "cannot read" in result.stderr
    assert log.guess("1.a") is None


@pytest.mark.parametrize("lesson", ["13", "x"])
def test_progress_of_no_lesson(lesson):
    result = run("progress", lesson)
    assert result.exit_code == 2
    assert "unknown lesson" in result.stderr


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html"])
@pytest.mark.parametrize("lesson", [(), ("E",)])
def test_progress_in_every_format(format, lesson, tmp_path):
    result = run("progress", *lesson, "--format", format)
    assert result.exit_code == 0
    assert result.stdout.strip()
    written = run("progress", *lesson, "--format", format, "--output", tmp_path / "progress.txt")
    assert written.exit_code == 0
    assert (tmp_path / "progress.txt").read_text("utf-8") == result.stdout

"""What becomes of an answer: kinds, verdicts, what a student sees, what is recorded."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from fractions import Fraction
from io import StringIO
from random import Random
from time import monotonic
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lab import exercises
from mobilenet_lab.errors import LabError
from mobilenet_lab.exercises import asking, exploring, judging, lessons, log
from mobilenet_lab.exercises.kinds import Choice, Expression, Function, Integer, Number, Row, Values
from mobilenet_lab.exercises.records import Exercise, Mistake, State, WrongKind
from mobilenet_lab.exercises.showing import Note


@pytest.fixture(autouse=True)
def record(tmp_path, monkeypatch):
    """A record of attempts of the test's own, and no hints given yet."""
    monkeypatch.setenv("MOBILENET_LAB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MOBILENET_LAB_STRICT", raising=False)
    monkeypatch.setattr(asking, "_hinted", {})
    return tmp_path / "data" / "attempts.jsonl"


def made(kind: Any, answer: Any, *mistakes: Mistake, **others: Any) -> Exercise:
    """An exercise of this kind with this answer."""
    function = answer if callable(answer) and not isinstance(kind, Function) else lambda g: answer
    return Exercise(
        id="0.1", title="", question="", kind=kind, unit="", answer=function, mistakes=mistakes,
        hints=("Think.",), solution="", outcome=1, minutes=1, difficulty=1, **others,
    )  # fmt: skip


def verdict(exercise: Exercise, answer: object, **numbers: Any) -> tuple[str, str]:
    found = judging.judge(exercise, answer, SimpleNamespace(**numbers))
    return found.state.value, found.message


@pytest.mark.parametrize(
    "answer",
    [
        1254400, 1254400.0, numpy.int64(1254400), numpy.float32(1254400), numpy.array([1254400]),
        sympy.Integer(1254400), Fraction(1254400), sympy.Integer(2) * 627200,
    ],
)  # fmt: skip
def test_a_count_may_come_from_any_library(answer):
    assert verdict(made(Integer(), 1254400), answer) == ("correct", "")


def test_a_large_count_of_sympy_is_exact():
    assert verdict(made(Integer(), 2**60 + 1), sympy.Integer(2**60 + 1))[0] == "correct"
    assert verdict(made(Integer(), 2**60 + 1), sympy.Integer(2**60))[0] == "not yet"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((1, 254, 400), "write 1_254_400"),
        ([1, 25, 4], "write 1_025_004"),
        ("1254400", "without quotation marks"),
        (True, "truth value"),
        (1254400.5, "has a fraction"),
        (1254400.0000000002, "1254400.0000000002 has a fraction"),
        (float("nan"), "nan cannot be the answer"),
        (float("inf"), "inf cannot be the answer"),
        (sympy.oo, "inf cannot be the answer"),
        pytest.param(10**5000, "so many digits cannot be the answer", id="5000 digits"),
        (b"1254400", "without quotation marks"),
        (numpy.array(["1254400"]), "without quotation marks"),
        (numpy.bool_(True), "truth value"),
        (numpy.array(None), "NoneType"),
        (numpy.array([1, 2]), "several values"),
        (len, "a function"),
        (None, "NoneType"),
        ({}, "dict"),
        ([], "list"),
        (sympy.Symbol("c"), "symbols"),
        (1j, "complex"),
        (object(), "object"),
    ],
)
def test_what_is_no_count_is_told_why(answer, said):
    state, message = verdict(made(Integer(), 1254400), answer)
    assert state == "wrong kind of value"
    assert said in message
    assert "1,254,400" not in message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (1254401, "too large"),
        (1254399, "too small"),
        (-1, "too small"),
        (0, "too small"),
        (1254, "in thousands"),
    ],
)
def test_a_wrong_count_without_a_named_mistake(answer, said):
    state, message = verdict(made(Integer(), 1254400), answer)
    assert (state, said in message) == ("not yet", True)


def test_millions_and_percent_are_recognised():
    assert "millions" in verdict(made(Number(), 300_774_272), 300.8)[1]
    assert "fraction" in verdict(made(Number(), 0.43), 43)[1]
    assert "percent" in verdict(made(Number(), 43), 0.43)[1]


def test_a_number_has_its_tolerance_and_no_more():
    ratio = made(Number(tolerance=1e-3), 8.0)
    assert verdict(ratio, 8.0079)[0] == "correct"
    assert verdict(ratio, 8.009)[0] == "not yet"
    assert verdict(ratio, float("nan"))[0] == "wrong kind of value"
    assert verdict(ratio, float("inf"))[0] == "wrong kind of value"
    assert verdict(made(Number(), 0.0), 1e-12)[0] == "not yet"
    assert verdict(made(Number(), 0.0), 1e-12)[1] == "It is too large."


def test_a_named_mistake_comes_before_the_general_word():
    flops = Mistake(lambda g: 2 * g.macs, "Exactly twice: {macs} are MACs.")
    exercise = made(Integer(), lambda g: g.macs, flops)
    assert verdict(exercise, 20, macs=10) == ("not yet", "Exactly twice: 10 are MACs.")
    assert verdict(exercise, 10, macs=10)[0] == "correct"
    praised = made(Integer(), lambda g: g.macs, flops, remark="So {macs} it is.")
    assert verdict(praised, 10, macs=10) == ("correct", "So 10 it is.")


def test_a_mistake_may_be_more_than_one_value():
    over = Mistake(lambda g: 99, "Over the budget.", applies=lambda g, value: value > 50)
    exercise = made(Integer(), 40, over, accepts=lambda g, value: value in (40, 41))
    assert [verdict(exercise, n)[0] for n in (40, 41)] == ["correct", "correct"]
    assert [verdict(exercise, n)[1] for n in (51, 1000)] == ["Over the budget."] * 2
    assert verdict(exercise, 39)[1] == "It is too small."


def test_names():
    kind = Choice(("stage1", "Stage2"))
    assert verdict(made(kind, "stage1"), " STAGE1 ")[0] == "correct"
    assert verdict(made(kind, "stage1"), "stage2")[0] == "not yet"
    assert verdict(made(kind, "stage1"), "stag1")[1].endswith("did you mean 'stage1'?")
    assert verdict(made(kind, "stage1"), 1)[0] == "wrong kind of value"


PAIR = made(Values({"params": Integer(), "macs": Integer()}), {"params": 10, "macs": 20})


@pytest.mark.parametrize(
    "answer", [(10, 20), [10, 20.0], {"macs": 20, "params": 10}, numpy.array([10, 20])]
)
def test_several_values_come_in_order_or_by_name(answer):
    assert verdict(PAIR, answer) == ("correct", "")


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ((10, 21), "not yet", "params is right. macs: It is too large."),
        ((11, 21), "not yet", "params: It is too large."),
        ((10, ...), "wrong kind of value", "macs is still to be filled in"),
        ((..., ...), "not attempted", ""),
        ({"params": ..., "macs": ...}, "not attempted", ""),
        ((10,), "wrong kind of value", "1 values"),
        ((10, 20, 30), "wrong kind of value", "3 values"),
        (10, "wrong kind of value", "(params, macs)"),
        ("ab", "wrong kind of value", "(params, macs)"),
        ({"params": 10}, "wrong kind of value", "the names are"),
        ({"params": 10, "macs": 20, "flops": 40}, "wrong kind of value", "the names are"),
        (b"ab", "wrong kind of value", "(params, macs)"),
        ((10, "20"), "wrong kind of value", "macs: that is text"),
        ((), "wrong kind of value", "0 values"),
    ],
)  # fmt: skip
def test_several_values_are_told_apart(answer, state, said):
    found = verdict(PAIR, answer)
    assert found[0] == state
    assert said in found[1]


def test_a_row_tells_its_first_wrong_entry():
    row = made(Row(Integer()), [3, 7, 15])
    assert verdict(row, (3, 7, 15))[0] == "correct"
    assert "entry 2" in verdict(row, [3, 8, 15])[1]
    assert "2 entries, where 3" in verdict(row, [3, 7])[1]
    assert "entry 1: that is text" in verdict(row, ["3", 7, 15])[1]
    assert verdict(row, [..., ..., ...])[0] == "not attempted"
    assert verdict(row, [])[0] == "not yet"


c, d = sympy.symbols("c d")
FORMULA = made(Expression(("c", "d")), lambda g: 9 * c * d + c)


@pytest.mark.parametrize(
    "answer",
    [
        9 * c * d + c, c * (9 * d + 1), "9*c*d + c", "c*(1 + 9*d)", "c*(1 + 3^2*d)",
        sympy.Symbol("c", positive=True) * (9 * sympy.Symbol("d", integer=True) + 1),
        c * (9.0 * d + 1), (c * c * 9 * d + c * c) / c, 9 * d * c + c,
        sympy.sqrt(c**2 * (81 * d**2 + 18 * d + 1)), "((c*(9*d + 1))**2)**0.5",
        sympy.Mul(c, 9 * d + 1, evaluate=False),
    ],
)  # fmt: skip
def test_formulas_are_compared_as_formulas(answer):
    assert verdict(FORMULA, answer) == ("correct", "")


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (9 * c * d, "not yet", "c = 2, d = 3 yours is 54, and it should be 56"),
        (81, "not yet", "yours is 81"),
        (56, "not yet", "at c = 3, d = 5 yours is 56, and it should be 138"),
        ("c/(c - 2)", "not yet", "at c = 2, d = 3 yours is no number"),
        ("c**0.5", "not yet", "yours is 1.41421"),
        ("c*(9.0001*d + 1)", "not yet", "yours is 56.0006, and it should be 56"),
        ("(c + d)**50", "not yet", "yours is a number of far too many digits"),
        ("d**d**d**d", "not yet", "yours is no number"),
        ("d**d**6.5", "not yet", "yours is no number"),
        (sympy.floor(c), "wrong kind of value", "+ - * / and powers only, not floor(c)"),
        (sympy.Piecewise((c, c > d), (d, True)), "wrong kind of value", "powers only"),
        (sympy.zoo, "wrong kind of value", "powers only, not zoo"),
        (sympy.Matrix([c]), "wrong kind of value", "powers only"),
        ("9*c*k", "wrong kind of value", "'k' is not a symbol"),
        (c * sympy.Symbol("k"), "wrong kind of value", "yours has k in it"),
        ("9c", "wrong kind of value", "is a * missing?"),
        ("__import__('os')", "wrong kind of value", "no arithmetic"),
        ("c.is_positive", "wrong kind of value", "no arithmetic"),
        ("c**c**99999", "wrong kind of value", "out of all bounds"),
        ("(" * 500, "wrong kind of value", "letters at most"),
        ("1/0", "wrong kind of value", "divides by zero"),
        ("True", "wrong kind of value", "truth value"),
        (None, "wrong kind of value", "a formula in c, d"),
        ([c], "wrong kind of value", "a formula in c, d"),
        (c > d, "wrong kind of value", "a formula in c, d"),
    ],
)
def test_what_is_another_formula_or_none(answer, state, said):
    found = verdict(FORMULA, answer)
    assert found[0] == state
    assert said in found[1]


def test_only_symbols_that_stand_in_a_formula_are_told():
    kind = Expression(("a", "c", "d", "k"))
    message = verdict(made(kind, lambda g: c * d), "2*c")[1]
    assert "at c = 3, d = 5 yours is 6, and it should be 15" in message


SLOW = (
    *("(c + d + 1)**40 * (c + d + 2)**40", "((c + d)**60)**60", "c**c**c**c**c", "2**2**2**2**c"),
    "1/(c + 1/(d + 1/(c + 1/(d + 1/(c + d + 1/(c + 2*d))))))**20",
    "((c + 1)**0.5 + (d + 1)**0.5 + (c + d)**0.5)**12",
)


@pytest.mark.parametrize("answer", SLOW)
def test_a_formula_that_takes_for_ever_to_expand_is_judged_at_once(answer):
    started = monotonic()
    assert verdict(FORMULA, answer)[0] == "not yet"
    assert monotonic() - started < 5


def test_without_sympy_a_formula_is_no_wrong_answer(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(LabError, match="pip install"):
        verdict(FORMULA, "c")


def cases(random: Random) -> Mapping[str, Any]:
    return {"sizes": [random.randint(1, 9) for _ in range(random.randint(1, 4))]}


def total(sizes: list[int]) -> int:
    return sum(sizes)


SUM = made(
    Function("total", cases, Integer()),
    total,
    Mistake(lambda g: lambda sizes: sum(sizes[:-1]), "You leave the last one out."),
)


def popping(sizes: list[int]) -> int:
    found = 0
    while sizes:
        found += sizes.pop()
    return found


def test_a_function_is_tried_beside_the_oracle():
    assert verdict(SUM, lambda sizes: sum(sizes))[0] == "correct"
    assert verdict(SUM, popping)[0] == "correct"  # may use up its own copy
    assert verdict(SUM, lambda sizes: sum(sizes[:-1]))[1] == "You leave the last one out."
    assert verdict(SUM, lambda sizes: ...) == ("not attempted", "")
    assert verdict(SUM, total([1]))[0] == "wrong kind of value"


def test_the_oracle_gets_its_own_copy_too():
    exercise = made(SUM.kind, popping)
    assert verdict(exercise, total)[0] == "correct"
    assert "and it should be 0" not in verdict(exercise, lambda sizes: 0)[1]


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_function_that_is_wrong_now_and_then_is_found_out(length):
    message = verdict(SUM, lambda sizes: sum(sizes) + (len(sizes) == length))[1]
    assert message.count(",") == length  # one before "and it should be"


def test_the_smallest_case_is_shown():
    assert verdict(SUM, lambda sizes: 0)[1].partition(" ")[0].count(",") == 0


def test_what_a_function_prints_is_not_shown(capsys):
    def talking(sizes):
        print(sizes)
        return sum(sizes)

    applied = Mistake(lambda g: len, "Wrong.", applies=lambda g, value: bool(value([1])))
    assert verdict(SUM, talking)[0] == "correct"
    assert verdict(made(SUM.kind, len, applied), talking)[0] == "not yet"
    assert capsys.readouterr().out == ""


def test_a_function_that_changes_its_mind():
    asked = []
    state, message = verdict(SUM, lambda sizes: asked.append(1) or sum(sizes) + (len(asked) < 4))
    assert (state, "not return the same" in message) == ("not yet", True)


def test_a_long_complaint_is_cut():
    def complaining(sizes):
        raise ValueError(f"first line {'x' * 9999}\nsecond line")

    message = verdict(SUM, complaining)[1]
    assert "first line" in message
    assert len(message) < 300


def test_of_a_long_complaint_the_first_line_is_told():
    def complaining(sizes):
        raise ValueError("first line\nsecond line")

    assert verdict(SUM, complaining)[1].endswith("raised ValueError: first line.")


def test_what_is_written_in_lines_is_not_quoted():
    assert verdict(made(Choice(("a",)), "a"), numpy.eye(2))[1] == "that is not one of 'a'."


def test_what_cannot_be_compared_is_not_right():
    def odd(g, value):
        raise KeyError("x")

    assert verdict(made(Integer(), 1, accepts=odd), 1)[1] == (
        "It cannot be compared with the answer: KeyError."
    )


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda sizes: sizes[99], "raised IndexError"),
        (lambda: 1, "raised TypeError"),
        (lambda sizes: None, "returned nothing; has it a `return`?"),
        (lambda sizes: "7", "that is text"),
        (lambda sizes: sum(sizes) + (len(sizes) > 3), "and it should be"),
        (sum, "raised TypeError"),
        (lambda sizes: exit(), "raised SystemExit"),
    ],
)  # fmt: skip
def test_a_function_that_is_wrong_is_shown_a_case(function, said):
    state, message = verdict(SUM, function)
    assert (state, said in message) == ("not yet", True), message
    assert message.startswith("total(sizes=[")


class Hostile:
    """An object that raises whenever it is looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_an_answer_that_cannot_be_looked_at_is_no_accident_of_ours():
    for exercise in (PAIR, FORMULA, SUM, made(Integer(), 1), made(Choice(("a",)), "a")):
        assert verdict(exercise, Hostile())[0] == "wrong kind of value"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.complex_numbers()
    | st.binary() | st.fractions() | st.just(...),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(ANYTHING)
def test_judging_never_raises(answer):
    row = made(Row(Values({"a": Number(), "b": Choice(("x", "y"))})), [{"a": 1, "b": "x"}])
    for exercise in (PAIR, FORMULA, SUM, row, made(Integer(), 1), made(Number(), 0.5)):
        found = judging.judge(exercise, answer, SimpleNamespace())
        assert found.state in State
        assert (found.state is State.not_attempted) <= (found.message == "")


@given(st.text())
def test_text_is_a_formula_or_is_told_why_not(text):
    try:
        found = Expression(("c", "d")).read(text)
    except WrongKind:
        return
    assert {s.name for s in found.free_symbols} <= {"c", "d"}


def test_dealt_numbers_are_the_same_for_one_seed_and_tell_mistakes_apart():
    first = lessons.exercise("1.1")
    dealt = [judging.given(first, seed) for seed in range(30)]
    assert dealt == [judging.given(first, seed) for seed in range(30)]
    assert len({tuple(vars(each).values()) for each in dealt}) > 20
    assert all(judging.distinct(first, each) for each in dealt)
    with pytest.raises(LabError, match="no other numbers"):
        judging.given(lessons.exercise("1.3"), 1)


def test_numbers_under_which_two_mistakes_are_one_are_not_dealt():
    more, twice = Mistake(lambda g: g.n + 1, "One more."), Mistake(lambda g: 2 * g.n, "Twice.")
    exercise = made(Integer(), lambda g: g.n, more, twice)
    assert not judging.distinct(exercise, SimpleNamespace(n=0))  # twice is right
    assert not judging.distinct(exercise, SimpleNamespace(n=1))  # both are 2
    assert judging.distinct(exercise, SimpleNamespace(n=2))


@pytest.mark.parametrize("seed", [["7"], [1.0], [True], [10**5000], [numpy.int64(3)], [Hostile()]])
def test_a_seed_is_an_int(capsys, record, seed):
    (seed,) = seed
    assert exercises.exercise("1.1", seed) is None
    exercises.check("1.1", 227, seed)
    exercises.solution("1.1", seed)
    assert capsys.readouterr().out == "✗ a seed is an int of at most 18 digits.\n" * 3
    assert not record.exists()


def test_ids_may_have_zeros_and_blanks(capsys):
    for id in ("01.1", " 1.1 ", "1 . 1", "e.1", "E.1"):
        exercises.solution(id)
    assert capsys.readouterr().out.count("= Solution") == 5


def test_numbers_that_never_tell_a_mistake_apart_are_a_fault_of_the_exercise():
    same = Mistake(lambda g: g.n, "Wrong.")
    broken = made(Integer(), lambda g: g.n, same, deal=lambda random: {"n": random.randint(1, 9)})
    with pytest.raises(AssertionError, match="tell its mistakes apart"):
        judging.given(broken, 1)


# what a student sees


def test_the_four_states_are_shown_and_recorded(capsys, record):
    for answer in (..., 227, 220, "227", 1000):
        exercises.check("1.1", answer)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:1] for line in lines] == ["…", "✓", "✗", "✗", "✗"]
    assert lines[0] == "… 1.1 not attempted. Put your answer in place of the dots."
    assert lines[2].startswith("✗ 1.1 not yet. That is outputs × stride.")
    recorded = [json.loads(line) for line in record.read_text().splitlines()]
    assert [each["state"] for each in recorded] == [
        "not attempted", "correct", "not yet", "wrong kind of value", "not yet",
    ]  # fmt: skip
    assert {each["exercise"] for each in recorded} == {"1.1"}


@pytest.mark.parametrize(
    "id", ["1.99", "99.1", "x", "", "1", None, 1.1, "1.1.1", "..", "E", ("1", 1)]
)
def test_an_id_that_does_not_exist_is_one_sentence(capsys, id):
    for ask in (exercises.check, exercises.hint, exercises.solution, exercises.exercise):
        assert ask(id) is None
    exercises.predict(id, 3)
    exercises.reveal(id)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("✗ ") for line in lines)


def test_strict_mode_raises_unless_the_answer_is_right(monkeypatch):
    monkeypatch.setenv("MOBILENET_LAB_STRICT", "1")
    exercises.check("1.1", 227)
    for answer in (..., 220, "227"):
        with pytest.raises(exercises.ExerciseFailed, match=r"1\.1"):
            exercises.check("1.1", answer)
    with pytest.raises(LabError):
        exercises.check("1.99", 1)


def test_hints_come_one_by_one_and_begin_again(capsys):
    for _ in range(3):
        exercises.hint("1.1")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:14] for line in lines] == ["? Hint 1 of 2.", "? Hint 2 of 2.", "? Hint 1 of 2."]
    assert "227" not in "".join(lines)


def test_a_hint_has_the_dealt_numbers(capsys):
    outputs = exercises.exercise("1.1", seed=7).given.outputs
    exercises.hint("1.1", seed=7)
    exercises.hint("1.1", seed="seven")
    first, second = capsys.readouterr().out.splitlines()
    assert f" {outputs} " in first
    assert first.startswith("? Hint 1")
    assert second.startswith("✗ ")  # and costs no hint
    exercises.hint("1.1")
    assert capsys.readouterr().out.startswith("? Hint 2")


def test_a_solution_is_the_answer_and_the_way(capsys):
    exercises.solution("1.1")
    exercises.solution("1.1", seed=7)
    first, dealt = capsys.readouterr().out.splitlines()
    assert first.startswith("= Solution 1.1. 227 pixels. The first window starts at 0")
    assert dealt != first


def test_an_exercise_with_other_numbers(capsys, record):
    task = exercises.exercise("1.1", seed=7)
    assert task.given.outputs != 55 or task.given.kernel != 11
    assert str(task.given.outputs) in str(task)
    assert "dealt by seed 7" in task._repr_markdown_()
    task.check((task.given.outputs - 1) * task.given.stride + task.given.kernel)
    assert "correct" in capsys.readouterr().out
    assert json.loads(record.read_text())["seed"] == 7
    assert exercises.exercise("1.3", seed=7) is None


def test_a_prediction_is_kept_until_it_is_revealed(capsys):
    exercises.reveal("1.a")
    assert "138" not in capsys.readouterr().out  # nothing before there is a guess
    exercises.predict("1.a", ...)
    exercises.predict("1.a", "many")
    exercises.reveal("1.a")
    assert "138" not in capsys.readouterr().out
    exercises.predict("1.a", 1000)
    exercises.predict("1.a", 276_715_088)
    exercises.reveal("1.a")
    last = capsys.readouterr().out.splitlines()[-1]
    assert "It is 138,357,544 parameters; you predicted 276,715,088, 2 times that." in last
    exercises.predict("1.a", 138_357_544)
    exercises.reveal("1.a")
    assert "you predicted 138,357,544. " in capsys.readouterr().out


@pytest.mark.parametrize("guess", [[10**5000], [Hostile()], ["many"], [b"1"], [None], [[1, 2]]])
def test_a_guess_that_is_none_is_told_and_not_recorded(capsys, record, guess):
    (guess,) = guess
    exercises.predict("1.a", guess)
    exercises.reveal("1.a")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:1] for line in lines] == ["✗", "…"]
    assert not record.exists()


@pytest.mark.parametrize("value", ["many", 1e300, None, {}, [1, 2]])
def test_a_recorded_guess_of_another_kind_is_none(capsys, value):
    log.record(log.Attempt("1.a", log.PREDICTED, value=value))
    exercises.reveal("1.a")
    assert "no guess yet" in capsys.readouterr().out


def test_a_damaged_line_of_the_record_costs_that_line_only(record, capsys):
    exercises.predict("1.a", 1000)
    with record.open("a") as stream:
        stream.write('{"exercise": "1.a", "sta\n[]\n{"other": 1}\n\x00\n')
    exercises.predict("1.b", 2000)
    assert [attempt.exercise for attempt in log.attempts()] == ["1.a", "1.b"]
    assert log.guess("1.a") == 1000


def test_a_record_that_cannot_be_written_does_not_lose_the_answer(record, capsys):
    record.parent.parent.mkdir(exist_ok=True)
    record.parent.write_text("a file where the folder should be")
    exercises.check("1.1", 227)
    exercises.predict("1.a", 5)
    exercises.reveal("1.a")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("✓ 1.1 correct.")
    assert "not recorded" in lines[0]
    assert "not recorded" in lines[1]


def test_a_home_that_is_not_there_does_not_lose_the_answer(capsys, monkeypatch):
    monkeypatch.setenv("MOBILENET_LAB_DATA", "~nobody-is-called-so/data")
    exercises.check("1.1", 227)
    exercises.reveal("1.a")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("✓ 1.1 correct.")
    assert "not recorded: there is no home folder" in lines[0]
    assert "no guess yet" in lines[1]


def test_without_unicode_and_in_memory_there_are_notes_too():
    code = "from mobilenet_lab.exercises import check, hint; check('1.1', 227); hint('2.1')"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=True,
    )
    assert shown.stdout.startswith(b"+ 1.1 correct.")
    with redirect_stdout(StringIO()) as kept:
        exercises.check("1.1", 227)
    assert kept.getvalue().startswith("✓ 1.1 correct.")


def test_stars_in_code_are_no_bold_letters():
    html = Note("hint", "`c**2 * d**2` and **bold**")._repr_html_()
    assert "<code>c**2 * d**2</code> and <b>bold</b>" in html
    assert "c**2 * d**2 and bold" in str(Note("hint", "`c**2 * d**2` and **bold**"))


def test_notes_are_safe_html():
    html = Note("wrong", "`a<b` and **c** & <script>", "1.1 not yet")._repr_html_()
    assert "<script>" not in html
    assert "<code>a&lt;b</code> and <b>c</b> &amp; &lt;script&gt;" in html


def test_every_kind_shows_what_it_reads():
    assert Integer().show(1234567) == "1,234,567"
    assert Number(digits=3).show(0.12345) == "0.123"
    assert Row(Integer()).show([1, 2000]) == "1, 2,000"
    assert PAIR.kind.show({"params": 1000, "macs": 2}) == "params 1,000, macs 2"
    assert Expression(("c", "d")).show(9 * c**2 * d) == "9·c^2·d"


def test_sliders_are_one_call_where_nobody_can_move_them(capsys):
    called = []
    exercises.explore(
        lambda kernel, groups: called.append((kernel, groups)), kernel=(3, 5), groups=(1, 2)
    )
    assert called == [(3, 1)]
    exercises.explore(lambda kernel: kernel * 10, kernel=range(3, 9))
    assert capsys.readouterr().out == "30\n"


def test_pages_are_built_without_sliders(monkeypatch, capsys):
    monkeypatch.setattr(exploring, "shell", lambda: SimpleNamespace(kernel=1))
    monkeypatch.setenv("MOBILENET_LAB_STATIC", "1")
    exercises.explore(lambda kernel: kernel, kernel=(3, 5))
    assert capsys.readouterr().out == "3\n"


def test_every_lesson_is_in_its_place():
    for number in lessons.LESSONS:
        found = lessons.lesson(number)
        assert found.number == number
        assert [e.id for e in found.exercises] == [
            f"{number}.{place}" for place in range(1, len(found.exercises) + 1)
        ]
        assert [p.id for p in found.predictions] == [
            f"{number}.{'abcdefgh'[place]}" for place in range(len(found.predictions))
        ]
        assert lessons.exercise(found.exercises[-1].id.lower()) is found.exercises[-1]

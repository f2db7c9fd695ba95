"""The trajectory of a NetAdapt search: every network where it belongs, readable."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes

from drawings.layout import flaws, shown_texts
from mobilenet_lab.adaptation.plan import Plan
from mobilenet_lab.adaptation.proposals import Proposal
from mobilenet_lab.adaptation.selection import Trial
from mobilenet_lab.adaptation.trajectory import Iteration, Point, Trajectory
from mobilenet_lab.drawings.canvas import THEMES
from mobilenet_lab.drawings.netadapt_chart import PICTURE, save, trajectory

START = 300_774_272


def searched(
    iterations: int, proposals: int = 3, start: int = START, flat: bool = False, **plan: Any
) -> Trajectory:
    """Each iteration wins a twentieth; its middle proposal is kept."""
    options = {"network": "mobilenet_v2", "budget": "0.5", **plan}
    trained = options.get("proxy") is None
    found = []
    for number in range(1, iterations + 1):
        cost = start - start * number // 20
        value = Fraction(9, 10) - (0 if flat else Fraction(number, 100))
        trials = tuple(
            Trial(
                Proposal(
                    place, f"stage{place}.0.project.conv", 64, 32, cost - place * start // 200
                ),
                value - (0 if flat else Fraction(place, 300)),
            )
            for place in range(proposals)
        )
        accuracy = value - Fraction(1, 50) if trained else None
        found.append(Iteration(cost, trials, proposals // 2, accuracy))
    accuracy = Fraction(88, 100) if trained else None
    begun = Point(start, Fraction(9, 10) if trained else Fraction(0), accuracy)
    return Trajectory(Plan(**options), {}, start // 2, begun, tuple(found))


def found(ax: Axes, gid: str) -> Any:
    return next(each for each in ax.figure.findobj() if each.get_gid() == gid)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("iterations", [1, 2, 10])
def test_every_network_is_where_its_cost_and_its_accuracy_are(iterations: int, theme: str) -> None:
    search = searched(iterations)
    ax = trajectory(search, theme=theme)
    assert flaws(ax.figure) == []
    kept, validation, tried = (found(ax, gid) for gid in ("kept", "validation", "proposals"))
    assert list(kept.get_xdata()) == [point.cost for point in search.points]
    assert list(kept.get_ydata()) == [float(point.value) for point in search.points]
    assert list(validation.get_ydata()) == [float(point.accuracy) for point in search.points]
    assert list(zip(tried.get_xdata(), tried.get_ydata(), strict=True)) == [
        (trial.proposal.cost, float(trial.value))
        for each in search.iterations
        for trial in each.trials
    ]
    assert found(ax, "budget").get_xdata()[0] == search.budget
    left, right = ax.get_xlim()
    inside = [search.budget, search.start.cost, *tried.get_xdata()]
    assert left < min(inside)
    assert max(inside) < right
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("MACs", "accuracy")


def test_kept_and_validation_differ_not_by_colour_alone() -> None:
    ax = trajectory(searched(3))
    looks = [
        (found(ax, gid).get_marker(), found(ax, gid).get_linestyle())
        for gid in ("kept", "validation")
    ]
    assert looks[0][0] != looks[1][0]
    assert looks[0][1] != looks[1][1]
    legend = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert legend == ["budget", "proposals", "kept (choosing)", "kept (validation)"]


def test_by_cost_alone_no_accuracy_is_drawn() -> None:
    ax = trajectory(searched(4, proxy="channels"))
    assert flaws(ax.figure) == []
    words = " ".join(text.get_text() for text in shown_texts(ax.figure))
    assert "Cost only, nothing was trained" in words
    assert ax.get_ylabel() == "given up: channels (no accuracy)"
    assert not any(each.get_gid() == "validation" for each in ax.figure.findobj())
    assert "says nothing about accuracy" in ax.figure.alt


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({"cost": "latency", "times": "t.json", "start": 4_819_000}, "measured time, ms"),
        ({"cost": "params", "start": 61_706}, "parameters"),
        ({"cost": "bytes", "start": 10**13}, "bytes"),
        ({"start": 41}, "MACs"),
        ({"flat": True}, "MACs"),
        ({"network": "runs/" + "a_long_name_" * 20 + ".toml"}, "MACs"),
    ],
)
def test_other_costs_and_odd_searches_are_readable(options: dict[str, Any], label: str) -> None:
    ax = trajectory(searched(6, **options))
    assert flaws(ax.figure) == []
    assert ax.get_xlabel() == label


def test_the_description_says_what_came_of_it() -> None:
    alt = trajectory(searched(2)).figure.alt
    assert "From 300,774,272 MACs and a validation accuracy of 88.0% in 2 iterations" in alt
    assert "and 86.0%; the budget is 150,387,136 MACs" in alt
    assert "Narrowed first: stage1.0.project.conv" in alt


def test_the_picture_is_written_and_replaced(tmp_path: Path) -> None:
    for iterations in (1, 2):
        save(tmp_path, searched(iterations))
    assert (tmp_path / PICTURE).read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == [PICTURE]

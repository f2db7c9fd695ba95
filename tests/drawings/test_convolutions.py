"""Forms of a convolution, their ratio and their areas: as many cells and points as MACs say."""

from functools import cache
from itertools import pairwise, product
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex

from drawings.layout import flaws
from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.drawings.canvas import THEMES
from mobilenet_lab.drawings.convolution_costs import areas, example_marks, ratio
from mobilenet_lab.drawings.convolutions import compared, connections, convolution
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.families import COLOURS
from mobilenet_lab.verbs.convolution import conv

SIZES: list[dict[str, Any]] = [
    {},
    {"c_in": 64, "c_out": 128},
    {"c_in": 3, "c_out": 1024, "kernel": "5", "size": "56x112"},
    {"c_in": 16, "c_out": 16, "kernel": (3, 5), "groups": "2,4,8,16"},
    {"c_in": 64, "c_out": 128, "groups": [2, 4, 8, 16, 32]},
    {"c_in": 1, "c_out": 7},
    {"c_in": 100_000, "c_out": 100_000, "kernel": 31, "groups": 5},
]


def found(ax: Axes, gid: str) -> list[Any]:
    return [each for each in ax.findobj() if each.get_gid() == gid]


def area(corners: Any) -> float:
    """Of a polygon, by the shoelace formula."""
    points = [tuple(point) for point in corners]
    if points[0] != points[-1]:
        points.append(points[0])
    twice = [a * d - c * b for (a, b), (c, d) in pairwise(points)]
    return abs(sum(twice)) / 2


def cells(ax: Axes, form: str) -> float:
    """What is filled of a form's matrix."""
    (matrix,) = found(ax, f"matrix:{form}")
    assert isinstance(matrix, PolyCollection)
    return sum(area(path.vertices[:4]) for path in matrix.get_paths())


@cache
def drawn(number: int) -> tuple[Axes, dict[str, Any]]:
    """A case, drawn once, in one theme or the other."""
    given = SIZES[number]
    return convolution(**given, theme=list(THEMES)[number % 2]), given


@pytest.fixture(params=range(len(SIZES)))
def case(request: pytest.FixtureRequest) -> tuple[Axes, dict[str, Any]]:
    return drawn(request.param)


def test_every_form_is_drawn_in_proportion_to_its_weights(case: Any) -> None:
    ax, given = case
    table, forms = compared(**{"c_in": 8, "c_out": 8} | given)
    whole = {
        form.name: cells(ax, form.name) / form.counts.params * table.rows[0].params
        for form in forms
        if form.name.startswith(("standard", "grouped"))
    }
    standard = whole["standard"]
    assert list(whole.values()) == pytest.approx([standard] * len(whole))
    counts = [form.counts.params for form in forms]
    assert counts == [row.params for row in table.rows if row.name != "depthwise-separable"]
    assert [worked.value for form in forms for worked in form.worked] == [
        count for form in forms for count in (form.counts.params, form.counts.macs)
    ]


def test_every_count_is_written_once_in_each_form(case: Any) -> None:
    ax, given = case
    table, forms = compared(**{"c_in": 8, "c_out": 8} | given)
    for form in forms:
        results = " ".join(text.get_text() for text in found(ax, f"result:{form.name}"))
        assert results.count("= ") == 2
        assert f"= {form.counts.params:,}" in results
        assert f"= {form.counts.macs:,}" in results
        assert f"{form.name} {form.counts.params:,} parameters" in ax.figure.alt
        (matrix,) = found(ax, f"matrix:{form.name}")
        assert to_hex(matrix.get_facecolor()[0]) == COLOURS[form.family].lower()
    separable = table.rows[-3]
    texts = " ".join(text.get_text() for text in ax.texts)
    assert f"{separable.params:,} parameters, {separable.macs:,} MACs" in texts.replace("\n", " ")


def test_nothing_overlaps(case: Any) -> None:
    ax, _ = case
    assert flaws(ax.figure) == []
    edges = [
        text.get_window_extent() for text in ax.texts if (text.get_gid() or "")[:6] == "result"
    ]
    assert all(box.x1 < ax.bbox.x1 - 4 for box in edges)


@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(8, 8, 2), (6, 12, 3), (4, 4, 4), (3, 5, 1)])
def test_an_input_feeds_the_outputs_of_its_group(c_in: int, c_out: int, groups: int) -> None:
    pairs = connections(c_in, c_out, groups)
    assert len(pairs) * 9 == conv(c_in, c_out, groups=groups).rows[1].params
    assert all(i * groups // c_in == o * groups // c_out for i, o in pairs)
    ax = convolution(c_in, c_out, groups=groups)
    name = f"grouped, g = {groups}"
    (lines,) = found(ax, f"lines:{name}")
    assert isinstance(lines, LineCollection)
    assert len({tuple(map(tuple, line)) for line in lines.get_segments()}) == len(pairs)
    nodes = [each for each in ax.patches if (each.get_gid() or "").startswith(f"node:{name}:")]
    assert len(nodes) == c_in + c_out
    ends = {round(x, 6) for line in lines.get_segments() for x, _ in line}
    assert ends == {round(node.get_x() + node.get_width() / 2, 6) for node in nodes}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"groups": 3}, "do not divide"),
        ({"groups": "two"}, "groups"),
        ({"c_in": "8"}, "channels"),
        ({"kernel": "x"}, "kernel"),
        ({"size": 0}, "height"),
        ({"theme": "sepia"}, "unknown theme"),
    ],
)
def test_a_convolution_of_no_use_is_told(given: dict[str, Any], says: str) -> None:
    with pytest.raises(LabError, match=says):
        convolution(**{"c_in": 8, "c_out": 8} | given)


# The ratio


@pytest.mark.parametrize("theme", THEMES)
def test_the_ratio_is_that_of_conv(theme: str) -> None:
    ax = ratio("3,5", "16,64,512", theme=theme)
    assert flaws(ax.figure) == []
    for k in (3, 5):
        (curve,) = found(ax, f"k={k}")
        expected = [conv(8, d, k).rows[-3].macs_ratio for d in (16, 64, 512)]
        assert list(curve.get_xdata()) == [16, 64, 512]
        assert list(curve.get_ydata()) == pytest.approx(expected)
        (limit,) = found(ax, f"limit={k}")
        assert set(limit.get_ydata()) == {1 / k**2}
        assert f"k = {k}: to 1/{k * k}" in [text.get_text() for text in ax.texts]
        assert f"k = {k} falls to 1/{k * k}" in ax.figure.alt


def test_the_marks_are_the_layers_of_the_network() -> None:
    marks = example_marks()
    rows = [row for row in analyse(registry.trace("mobilenet_v1")).rows if row.op == "conv2d"]
    assert sum(mark.layers for mark in marks) == sum(row.role == "depthwise" for row in rows) == 13
    ax = ratio()
    (marked,) = found(ax, "marks")
    (curve,) = found(ax, "k=3")
    on_curve = dict(zip(curve.get_xdata(), curve.get_ydata(), strict=True))
    shown = dict(zip(marked.get_xdata(), marked.get_ydata(), strict=True))
    assert list(shown) == [64, 128, 256, 512, 1024]
    assert shown == pytest.approx({d: on_curve[d] for d in shown})


@pytest.mark.parametrize("kernel", [(1, 2, 3, 19, 20, 21, 22), 1, (3, 5, 7, 9)])
def test_labels_of_curves_stand_apart(kernel: Any) -> None:
    assert flaws(ratio(kernel).figure) == []


@pytest.mark.parametrize(
    "given", [("3x3",), (0,), (range(1, 9),), ([],), (3, []), (3, "0"), (3, 2.5)]
)
def test_a_ratio_of_no_use_is_told(given: tuple[Any, ...]) -> None:
    with pytest.raises(LabError, match=r"kernel|channels"):
        ratio(*given)


# Areas


@pytest.mark.parametrize(
    "given",
    [
        (64, 64),
        (64, 128),
        (3, 1024, 5, 7),
        (64, 64, 31, 7),
        (1, 1, 1, 1),
        (5, 5, 3, 1),
        (9999, 2, 9, 99),
    ],
)
def test_areas_have_one_scale(given: tuple[int, ...]) -> None:
    ax = areas(*given)
    c, d, k, size = (*given, 3, 3)[:4]
    assert flaws(ax.figure) == []
    one, all_of_them = 1, size * size
    standard = [k * k * c * d * n for n in (all_of_them, one, all_of_them)]
    depthwise = [k * k * c * n for n in (one, one, all_of_them)]
    pointwise = [c * d * n for n in (one, one, all_of_them)]
    if size == 1:
        standard, depthwise, pointwise = standard[:1], depthwise[:1], pointwise[:1]
    per_mac = []
    for name, counts in (
        ("standard", standard), ("depthwise", depthwise), ("pointwise", pointwise)
    ):  # fmt: skip
        boxes = found(ax, f"area:{name}")
        sizes = sum(box.get_width() * box.get_height() for box in boxes)
        per_mac.append(sizes / sum(counts))
    assert per_mac == pytest.approx([per_mac[0]] * 3)
    texts = [text.get_text() for text in ax.texts]
    for mine, other, more in zip(standard, depthwise, pointwise, strict=True):
        assert any(text.endswith(f" = {mine:,}") for text in texts)
        assert any(text.endswith(f" = {other + more:,}") for text in texts)
        assert f"{mine:,}" in ax.figure.alt


def test_the_fair_ratios_are_equal_and_the_mixed_one_is_not() -> None:
    texts = [text.get_text() for text in areas(64, 64, theme="dark").texts]
    assert [text for text in texts if text.endswith("x")] == ["71.0x", "7.89x", "7.89x"]
    for symbols in ("81cd = 331,776", "9c + cd = 4,672", "9cd = 36,864", "81c + 9cd = 42,048"):
        assert symbols in texts
    assert sum("different things" in text for text in texts) == 1


@pytest.mark.parametrize("what", ["c_in", "c_out", "kernel", "size"])
def test_areas_of_no_use_are_told(what: str) -> None:
    for value in (0, -1, 1.5, "x", [3], None):
        with pytest.raises(LabError, match=f"^{what} must be a whole number from 1"):
            areas(**{what: value})


def test_an_axes_given_is_drawn_on_and_themes_are_checked() -> None:
    from matplotlib import pyplot

    _, given = pyplot.subplots(1, 3)
    makers = (convolution, ratio, areas)
    assert [make(ax=ax) for make, ax in zip(makers, given, strict=True)] == list(given)
    for make, theme in product(makers, ("", "sepia")):
        with pytest.raises(UnknownNameError, match="unknown theme"):
            make(theme=theme)

"""summary, field, compare and conv: what they show against the numbers they show it of."""

import re
from fractions import Fraction

import pytest
from networks import CLASSIFIERS, fitting

from mobilenet_lab import registry
from mobilenet_lab.analysis import LEVELS, analyse, known_fields
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.verbs.compare import Compared, compare
from mobilenet_lab.verbs.convolution import conv
from mobilenet_lab.verbs.field import field
from mobilenet_lab.verbs.listing import list_networks
from mobilenet_lab.verbs.summary import COLUMN_KEYS, DEFAULT_COLUMNS, summary, summary_columns

networks = pytest.mark.parametrize("network", registry.NETWORKS)
settings = pytest.mark.parametrize(
    "options",
    [{}, {"width": 0.35, "resolution": (96, 160), "classes": 7}, {"resolution": (33, 481)}],
    ids=str,
)


# list


def test_list_has_every_network_with_its_totals() -> None:
    rows = list_networks().rows
    assert [row.name for row in rows] == list(registry.NETWORKS)
    for row in rows:
        total = analyse(registry.trace(row.name)).total
        assert (row.params, row.macs) == (total.params, total.macs)
        assert row.input_shape == registry.trace(row.name).input_shape
        assert row.paper == registry.paper(row.name)
    records = {record["name"]: record for record in list_networks().records()}
    assert records["mobilenet_v1"]["paper"] == "arXiv 1704.04861"
    assert records["mobilenet_v2"]["year"] == 2018


# summary


@networks
@settings
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_adds_up_to_the_same(
    network: str, options: dict[str, object], level: str
) -> None:
    table = summary(network, level=level, **fitting(network, options))
    for quantity in ("params", "macs", "activations", "memory"):
        total = getattr(table.total, quantity)
        assert sum(getattr(row, quantity) for row in table.rows) == total
    assert max(row.live for row in table.rows) == table.total.live
    assert [column.key for column in table.columns] == list(DEFAULT_COLUMNS)


def test_a_stage_is_the_sum_of_its_blocks_and_layers() -> None:
    blocks = summary("mobilenet_v2", level="block").rows
    layers = summary("mobilenet_v2", level="layer").rows
    for stage in summary("mobilenet_v2").rows:
        for parts in (blocks, layers):
            inside = [row for row in parts if row.stage == stage.name]
            assert sum(row.macs for row in inside) == stage.macs
            assert inside[-1].out_shape == stage.out_shape
            assert inside[-1].field == stage.field


def test_the_default_summary_by_hand() -> None:
    rows = {row["name"]: row for row in summary("mobilenet_v2").records()}
    assert rows["stem"] == {
        "name": "stem",
        "output": (32, 112, 112),
        "params": 3 * 32 * 9 + 2 * 32,
        "macs": 3 * 32 * 9 * 112 * 112,
        "share": 10_838_016 / 300_774_272,
        "field": (3, 3),
    }
    assert rows["classifier"]["params"] == 1280 * 1000 + 1000
    assert rows["classifier"]["macs"] == 1280 * 1000
    assert rows["classifier"]["field"] == "image"
    assert rows["stage7"]["field"] == (491, 491)


def test_the_columns_that_can_be_asked_for_are_those_there_are() -> None:
    analysis = analyse(registry.trace("mobilenet_v2"))
    assert [column.key for column in summary_columns(analysis, "stage")] == list(COLUMN_KEYS)
    assert summary("mobilenet_v2", level="block").columns[0].title == "block"


def test_notes_speak_of_what_is_shown() -> None:
    def said(*columns: str) -> str:
        return " ".join(summary("mobilenet_v2", columns=columns, dtype="int8").notes)

    assert "receptive field" in said("name", "field")
    assert "receptive field" not in said("name", "macs")
    assert "bytes of int8" in said("name", "memory")
    assert "bytes of int8" not in said("name", "macs")
    assert "Not counted as MACs" in said("name")


def test_unknown_levels_and_columns() -> None:
    with pytest.raises(UnknownNameError, match="unknown level 'stages': did you mean stage"):
        summary("mobilenet_v2", level="stages")
    with pytest.raises(UnknownNameError, match="unknown column 'mac'"):
        summary("mobilenet_v2", sort="mac")


# field


@networks
@settings
def test_fields_are_those_of_receptive_field(network: str, options: dict[str, object]) -> None:
    trace = registry.trace(network, **fitting(network, options))
    rows = field(trace, all_layers=True).rows
    for row, layer, seen in zip(rows, trace.layers, known_fields(trace), strict=True):
        assert (row.name, row.out_shape) == (layer.name, layer.out_shape)
        if seen is None:
            assert (row.size, row.jump, row.start) == (None, None, None)
        elif seen.vertical is None or seen.horizontal is None:
            assert (row.size, row.jump, row.start) == ("image", None, None)
        else:
            assert row.size == seen.size == (seen.vertical.size, seen.horizontal.size)
            assert row.jump == (seen.vertical.jump, seen.horizontal.jump)
            assert row.start == (seen.vertical.start, seen.horizontal.start)


@pytest.mark.parametrize("network", [name for name in CLASSIFIERS if name != "lenet5"])
@settings
def test_what_sees_the_whole_image_by_counting_units(
    network: str, options: dict[str, object]
) -> None:
    trace = registry.trace(network, **fitting(network, options))
    table = field(trace, all_layers=True)
    image = trace.input_shape[1:]
    flags = []
    for row in table.rows:
        if row.size == "image":
            flags.append("all")
            continue
        units = covering = 1
        for pixels, count, size, jump, start in zip(
            image, row.out_shape[1:], row.size, row.jump, row.start, strict=True
        ):
            ends = [
                (start + i * jump - Fraction(size - 1, 2), start + i * jump + Fraction(size - 1, 2))
                for i in range(count)
            ]
            units *= count
            covering *= sum(first <= 0 and last >= pixels - 1 for first, last in ends)
        flags.append("all" if covering == units else "some" if covering else "")
    assert [row.sees.removesuffix("*") for row in table.rows] == flags
    assert "all" in flags


def test_the_short_field_table_leaves_out_only_what_changes_nothing() -> None:
    shown = {row.name for row in field("mobilenet_v2").rows}
    rows = field("mobilenet_v2", all_layers=True).rows
    trace = registry.trace("mobilenet_v2")
    for layer, row in zip(trace.layers, rows, strict=True):
        changed = any(rows[source].size != row.size for source in layer.inputs)
        assert not changed or layer.name in shown
    assert {"stem.norm", "stem.act", "input", "classifier.linear"} & shown == set()


def test_fields_of_the_paper_by_hand() -> None:
    """3 + 2 x 2 = 7, then 4 = 2 x the jump for a kernel of 3."""
    rows = {row.name: row for row in field("mobilenet_v2").rows}
    assert rows["stem.conv"].size == (3, 3)
    assert rows["stage1.0.depthwise.conv"].size == (7, 7)
    assert rows["stage2.0.depthwise.conv"].size == (11, 11)
    assert rows["stage2.0.depthwise.conv"].jump == (4, 4)
    assert rows["stage2.0.depthwise.conv"].window == "3×3 /2"
    assert rows["head.conv"].size == (491, 491)
    assert rows["head.conv"].jump == (32, 32)


# compare


def test_one_architecture_is_aligned_by_stage() -> None:
    widths = [1.0, 0.5, 1.4]
    table = compare("mobilenet_v2", "mobilenet_v2", "mobilenet_v2", width=widths)
    assert table.columns[0].title == "stage"
    analyses = [analyse(registry.trace("mobilenet_v2", width=width)) for width in widths]
    assert [row.name for row in table.rows] == [row.name for row in analyses[0].by("stage")]
    for index, analysis in enumerate(analyses):
        assert [row.rows[index] for row in table.rows] == list(analysis.by("stage"))
        assert table.total.rows[index] == analysis.total
        assert f"width {widths[index]:g}" in table.notes[index]


def test_different_architectures_are_aligned_by_stride() -> None:
    table = compare("mobilenet_v1", "mobilenet_v2")
    assert table.columns[0].title == "stride"
    assert [row.name for row in table.rows] == ["/2", "/4", "/8", "/16", "/32", "pooled"]
    for index, network in enumerate(("mobilenet_v1", "mobilenet_v2")):
        stages = analyse(registry.trace(network)).by("stage")
        sides = {
            f"/{224 // row.out_shape[1]}" if len(row.out_shape or ()) == 3 else "pooled": 0
            for row in stages
        }
        for row in stages:
            assert row.out_shape is not None
            sides[f"/{224 // row.out_shape[1]}" if len(row.out_shape) == 3 else "pooled"] += (
                row.macs
            )
        assert {row.name: row.rows[index].macs for row in table.rows if row.rows[index]} == sides


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("mobilenet_v1", "mobilenet_v2"), {}),
        (("mobilenet_v2", "mobilenet_v1", "mobilenet_v1_full_conv"), {"width": 0.75}),
        (("mobilenet_v2", "mobilenet_v2"), {"width": [1.0, 0.5]}),
        (("mobilenet_v1", "mobilenet_v2"), {"resolution": [(64, 96), 224], "classes": [10]}),
    ],
    ids=str,
)
def test_columns_and_ratios_are_re_added(
    names: tuple[str, ...], options: dict[str, object]
) -> None:
    table = compare(*names, **options)
    for index, letter in enumerate("abc"[: len(names)]):
        for quantity in ("params", "macs"):
            key = f"{quantity}_{letter}"
            values = [record[key] for record in table.records()]
            total = table.record(table.total)[key]
            assert sum(value or 0 for value in values) == total
            if not index:
                continue
            if quantity == "params" and len(names) > 2:
                continue  # there is room for the ratios of the MACs only
            for record in [*table.records(), table.record(table.total)]:
                ratio = record[f"{quantity}_ratio_{letter}"]
                first, other = record[f"{quantity}_a"], record[key]
                assert ratio == (None if first is None or other is None else other / first)


def test_the_first_network_has_no_ratio_column() -> None:
    keys = [column.key for column in compare("mobilenet_v1", "mobilenet_v2").columns]
    assert keys == [
        "name", "params_a", "macs_a", "params_b", "params_ratio_b", "macs_b", "macs_ratio_b",
    ]  # fmt: skip


def test_a_stage_that_one_lacks_has_no_ratio() -> None:
    row = analyse(registry.trace("mobilenet_v2")).total
    assert Compared("x", (None, row)).ratio(1, "macs") is None
    assert Compared("x", (row, None)).ratio(1, "macs") is None
    assert Compared("x", (row._replace(macs=0), row)).ratio(1, "macs") is None


@pytest.mark.parametrize("count", [0, 1, 27])
def test_too_few_or_too_many_networks(count: int) -> None:
    with pytest.raises(LabError, match=f"2 to 26 networks, not {count}"):
        compare(*["mobilenet_v2"] * count)


# conv


def test_the_separable_convolution_by_hand() -> None:
    table = conv(64, 128, 3, 56)
    rows = {re.sub(r"^\W+", "", row.name): row for row in table.rows}
    assert (rows["standard"].params, rows["standard"].macs) == (73_728, 231_211_008)
    assert (rows["depthwise"].params, rows["depthwise"].macs) == (576, 1_806_336)
    assert (rows["pointwise"].params, rows["pointwise"].macs) == (8_192, 25_690_112)
    separable = rows["depthwise-separable"]
    assert (separable.params, separable.macs) == (8_768, 27_496_448)
    assert rows["grouped, g = 2"].macs == 231_211_008 // 2
    ratio = Fraction(separable.macs, rows["standard"].macs)
    assert ratio == Fraction(1, 128) + Fraction(1, 9) == Fraction(separable.params, 73_728)
    assert separable.macs_ratio == float(ratio)
    assert f"1 / 128 + 1 / 9 = {ratio} = 0.1189" in table.notes[-1]


def test_groups_may_be_several() -> None:
    rows = {row.name: row for row in conv(64, 128, groups=[2, 4, 64]).rows}
    for groups in (2, 4, 64):
        assert rows[f"grouped, g = {groups}"].macs == 231_211_008 // groups
        assert rows[f"grouped, g = {groups}"].params == 73_728 // groups
    assert conv(64, 128, groups=4).rows == conv(64, 128, groups=[4]).rows


def test_odd_channels_have_no_grouped_row_unless_asked() -> None:
    assert not [row for row in conv(3, 8).rows if "grouped" in row.name]


@pytest.mark.parametrize("stride", [1, 2, (1, 2)])
@pytest.mark.parametrize("kernel", [1, 3, 5, (1, 7)])
def test_same_padding_gives_size_over_stride(
    kernel: int | tuple[int, int], stride: int | tuple[int, int]
) -> None:
    down, across = (stride, stride) if isinstance(stride, int) else stride
    tall, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
    table = conv(4, 6, kernel, (15, 22), stride=stride, bias=True)
    area = -(-15 // down) * -(-22 // across)
    standard = table.rows[0]
    assert standard.out_shape == (6, -(-15 // down), -(-22 // across))
    assert standard.params == tall * wide * 4 * 6 + 6
    assert standard.macs == tall * wide * 4 * 6 * area
    separable = next(row for row in table.rows if row.name == "depthwise-separable")
    assert separable.macs == (tall * wide * 4 + 4 * 6) * area
    assert separable.params == tall * wide * 4 + 4 + 4 * 6 + 6


def test_conv_shows_its_formulas_with_symbols_and_numbers() -> None:
    notes = "\n".join(conv(64, 128, 3, 56).notes)
    assert "params = k_h × k_w × (C_in / g) × C_out\n" in notes
    assert "MACs = k_h × k_w × (C_in / g) × C_out × H_out × W_out\n" in notes
    assert "3 × 3 × (64 / 1) × 128 × 56 × 56 = 231,211,008" in notes
    assert "bias" in notes

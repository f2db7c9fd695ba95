"""Lesson 10: output stride and dilation, on LR-ASPP with MobileNetV3."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from random import Random
from typing import Any

from mobilenet_lab.analysis import Analysis, Row, analyse
from mobilenet_lab.exercises.kinds import Choice, Function, Integer, Number, Values
from mobilenet_lab.exercises.kinds import Row as Several
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.registry import trace

PRINTED = {16: "9.74 B", 32: "7.74 B"}
"""MAdds of LR-ASPP on V3-Large at 1024x2048, by output stride (Howard et al. 2019, Table 8)."""
NETWORK = "lraspp_mobilenet_v3_large"
STEP = 32


@cache
def analysed(stride: int, side: int) -> Analysis:
    """LR-ASPP's numbers at an output stride."""
    return analyse(trace(NETWORK, resolution=side, output_stride=stride))


def row(stride: int, side: int, name: str) -> Row:
    """One layer of it."""
    return next(row for row in analysed(stride, side).rows if row.name == name)


def side_of(row: Row) -> int:
    """The side of the map that a layer writes."""
    assert row.out_shape is not None
    return row.out_shape[1]


PARTS = ("stride_8", "stride_16", "stride_32", "ratio")


def map_sides(g: Given) -> dict[str, float]:
    """The sides of three maps in the traces, and the ratio of positions."""
    fine = side_of(row(16, g.side, "head.low"))
    at_16, at_32 = (side_of(row(stride, g.side, "backbone.head.conv")) for stride in (16, 32))
    return dict(zip(PARTS, (fine, at_16, at_32, at_16**2 / at_32**2), strict=True))


SIDES = Exercise(
    id="10.1",
    title="Four times the positions?",
    question=(
        "An image of {side}×{side} goes through a MobileNetV3. Each stride of 2 halves a map and "
        "rounds up. Which sides have the maps at stride 8, 16 and 32? And how many times as many "
        "*positions* has the map at stride 16 as the one at stride 32? Give `(stride_8, stride_16, "
        "stride_32, ratio)`; three digits of the ratio will do."
    ),
    kind=Values(
        {
            "stride_8": Integer(),
            "stride_16": Integer(),
            "stride_32": Integer(),
            "ratio": Number(tolerance=5e-3),
        }
    ),
    unit="",
    given={"side": 484},
    deal=lambda random: {"side": 32 * random.randint(9, 30) + random.choice((4, 8))},
    answer=map_sides,
    mistakes=(
        Mistake(
            lambda g: dict(
                zip(
                    PARTS,
                    (g.side // 8, g.side // 16, g.side // 32, (g.side // 16 / (g.side // 32)) ** 2),
                    strict=True,
                )
            ),
            "You round down. A padded convolution of stride 2 keeps the first of each pair, and a "
            "last pixel without a partner stays: half, rounded *up*.",
        ),
        Mistake(
            lambda g: map_sides(g) | {"ratio": 4.0},
            "The sides are right. With these sides the ratio is not exactly 4; divide the squares.",
        ),
        Mistake(
            lambda g: map_sides(g) | {"ratio": map_sides(g)["ratio"] ** 0.5},
            "The sides are right. That is the ratio of the sides; positions are their squares.",
        ),
        Mistake(
            lambda g: map_sides(g) | {"ratio": 1 / map_sides(g)["ratio"]},
            "The sides are right, and the ratio is upside down.",
        ),
        Mistake(
            lambda g: (
                map_sides(g)
                | {"ratio": (map_sides(g)["stride_8"] / map_sides(g)["stride_16"]) ** 2}
            ),
            "The sides are right. The ratio is asked between stride 16 and 32, not 8 and 16.",
        ),
    ),
    hints=(
        "Halve five times and round up each time; write down what stands at 8, 16 and 32.",
        "`-(-side // 16)` is side / 16, rounded up.",
    ),
    solution=lambda g: (
        f"{g.side} / 8, / 16 and / 32, rounded up: {g.answer['stride_8']}, "
        f"{g.answer['stride_16']}, {g.answer['stride_32']}. The ratio is "
        f"{g.answer['stride_16']}² / {g.answer['stride_32']}²."
    ),
    outcome=1,
    minutes=4,
    difficulty=1,
    config=(NETWORK,),
    remark="The factor of 4 is exact only where the side is a multiple of 32.",
)


class Pair(Values):
    """A stride and a dilation, shown as a student writes them."""

    def show(self, value: dict[str, Any]) -> str:
        """(1, 2)."""
        return f"({value['stride']}, {value['dilation']})"


def slow_dilate(strides: Sequence[int], target: int) -> list[tuple[int, int]]:
    """Keeps the pixel over which each unit stands, and lets every tap fall where it always fell."""
    before = list(range(2 * prod(strides)))
    now = list(before)
    layers = []
    for stride in strides:
        dilation = (before[1] - before[0]) // (now[1] - now[0])
        kept = now[::stride]
        if kept[1] - kept[0] > target:
            kept = now
        layers.append((len(now) // len(kept), dilation))
        before, now = before[::stride], kept
    return layers


def stride_cases(random: Random) -> Mapping[str, Any]:
    """A chain that halves its map two to five times."""
    halvings = random.randint(2, 5)
    strides = [2] * halvings + [1] * random.randint(1, 5)
    random.shuffle(strides)
    return {"strides": strides, "target": 2 ** random.randint(1, halvings)}


def mutant(change: str) -> Any:
    """`dilate` with one error in it."""

    def dilate(strides: Sequence[int], target: int) -> list[tuple[int, int]]:
        reached, dilation, layers = 1, 1, []
        for stride in strides:
            own = dilation
            limit = target // 2 if change == "too soon" else target
            removed = stride > 1 and reached * stride > limit
            if removed:
                dilation = 2 if change == "once" else dilation * stride
                own = dilation if change == "early" else own
            else:
                reached *= stride
            kept = stride if change == "left" or not removed else 1
            layers.append((kept, 1 if change == "no dilation" else own))
        return layers

    return dilate


DILATE = Exercise(
    id="10.2",
    title="Write dilate",
    question=(
        "Write `dilate(strides, target)`: `strides` are those of a chain of 3×3 convolutions, each "
        "1 or 2. Return a list of `(stride, dilation)`, so that the last map has stride `target` "
        "(a power of 2) at most. A layer keeps its stride as long as the product of all strides so "
        "far stays within `target`; later strides become 1. Dilations shall make every tap fall on "
        "the same pixels as before. So, as in DeepLab's code, a layer that loses its own stride is "
        "dilated only by the strides that were removed *in front of* it."
    ),
    kind=Function(
        "dilate",
        stride_cases,
        Several(Pair({"stride": Integer(), "dilation": Integer()})),
    ),
    unit="",
    answer=lambda g: slow_dilate,
    mistakes=(
        Mistake(
            lambda g: mutant("early"),
            "A layer that loses its stride gets the dilation for it at once in yours. That is "
            "torchvision's rule, and moves its taps apart. The map that it reads is as fine as "
            "before: only the layers behind need the dilation.",
        ),
        Mistake(
            lambda g: mutant("once"),
            "Right as long as one stride is removed. Behind two removed strides, taps have to be "
            "twice as far apart again: dilations multiply.",
        ),
        Mistake(
            lambda g: mutant("left"),
            "Your dilations are right, but the strides are still there: a stride that is replaced "
            "has to become 1.",
        ),
        Mistake(
            lambda g: mutant("no dilation"),
            "You remove strides without dilation. The weights stay, but their taps now fall on "
            "other pixels: the field shrinks.",
        ),
        Mistake(
            lambda g: mutant("too soon"),
            "You remove one stride too many: a product equal to `target` is still allowed.",
        ),
    ),
    hints=(
        "Keep two products: of the strides that stay, and of those that are removed.",
        "For each layer: its dilation is the product of the strides removed so far. Then decide "
        "about its own stride, and multiply one of the two products.",
    ),
    solution=(
        "Begin with `kept = removed = 1`. For each stride: note `removed` as the dilation. If "
        "`kept * stride <= target` the stride stays and `kept *= stride`; else it becomes 1 and "
        "`removed *= stride`."
    ),
    outcome=1,
    minutes=8,
    difficulty=3,
    remark="The checker followed each unit to its pixel; all taps of your layers fall in place.",
)


@cache
def finer(side: int) -> dict[str, int]:
    """Convolutions that do more at output stride 16, and how much more; from the two traces."""
    fine, coarse = (
        {row.name: row.macs for row in analysed(stride, side).rows} for stride in (16, 32)
    )
    more = [name for name in fine if fine[name] != coarse[name]]
    return {"layers": len(more), "macs": sum(fine[name] - coarse[name] for name in more)}


def weights(*names: str) -> int:
    """Weights of convolutions of LR-ASPP without their biases, by name."""
    found = 0
    for name in names:
        one = row(32, 512, name)
        assert one.out_shape is not None
        found += one.macs // (one.out_shape[1] * one.out_shape[2])
    return found


def positions(side: int) -> int:
    """How many positions more the map at stride 16 has than that at stride 32."""
    return (side // 16) ** 2 - (side // 32) ** 2


def with_more(g: Given, names: Sequence[str], sign: int = 1) -> dict[str, int]:
    """As if these convolutions, too, ran at more positions; with sign -1, as if they did not."""
    found = finer(g.side)
    more = weights(*names) * positions(g.side)
    return {"layers": found["layers"] + sign * len(names), "macs": found["macs"] + sign * more}


FINER = Exercise(
    id="10.3",
    title="The bill for the finer map",
    question=(
        "The last layers of LR-ASPP on MobileNetV3-Large, {classes} classes, image {side}×{side}. "
        "`C→D` is a 1×1 convolution and `5×5` a depthwise one:\n\n"
        "| | convolutions |\n|---|---|\n"
        "| stage 6, block 0 | 112→672, 5×5 of stride 2 (or 1), gate 672→168→672, 672→160 |\n"
        "| stage 6, blocks 1 and 2, each | 160→960, 5×5, gate 960→240→960, 960→160 |\n"
        "| backbone, last | 160→960 |\n"
        "| head | 960→128; gate 960→128; upsampled to stride 8, then 128→{classes}; "
        "40→{classes} on the map of stride 8 |\n\n"
        "With output stride 16 instead of 32 the 5×5 of block 0 has stride 1. How many "
        "convolutions then run at more positions, and how many more MACs is that in all? Give "
        "`(layers, macs)`."
    ),
    kind=Values({"layers": Integer(), "macs": Integer()}),
    unit="",
    given={"side": 512, "classes": 21},
    deal=lambda random: {"side": random.randrange(256, 1025, 32), "classes": 21},
    answer=lambda g: finer(g.side),
    mistakes=(
        Mistake(
            lambda g: with_more(g, ["backbone.stage6.0.expand.conv"]),
            "You count 112→672, too. It runs in front of the 5×5 that had the stride: at stride 16 "
            "in both networks.",
        ),
        Mistake(
            lambda g: with_more(g, ["head.high"]),
            "You count the 128→{classes}, too. It reads the map after it has been brought to the "
            "side of stride 8, in both networks.",
        ),
        Mistake(
            lambda g: {
                "layers": finer(g.side)["layers"],
                "macs": finer(g.side)["macs"] * (g.side // 16) ** 2 // positions(g.side),
            },
            "The layers are right. That is what they cost at stride 16; how much *more* is it than "
            "at stride 32?",
        ),
        Mistake(
            lambda g: {
                "layers": finer(g.side)["layers"] + 7,
                "macs": finer(g.side)["macs"]
                + positions(g.side) * (2 * 672 * 168 + 4 * 960 * 240 + 960 * 128),
            },
            "You count the gates. They read one value for each channel, the mean of the map, "
            "however many positions it has.",
        ),
        Mistake(
            lambda g: with_more(g, ["head.reduce.conv"], -1),
            "One is missing. On which map does the head begin?",
        ),
        Mistake(
            lambda g: with_more(g, ["backbone.stage6.0.depthwise.conv"], -1),
            "One is missing. The 5×5 of block 0 has another stride now: how large is the map that "
            "it *writes*?",
        ),
        Mistake(
            lambda g: finer(g.side) | {"macs": 2 * finer(g.side)["macs"]},
            "The layers are right. Those are FLOPs; the question asks for MACs.",
        ),
        Mistake(
            lambda g: (
                finer(g.side)
                | {"macs": finer(g.side)["macs"] * (g.side // 32) ** 2 // positions(g.side)}
            ),
            "The layers are right. That is what they cost at stride 32; at stride 16 they have "
            "four times the positions, and the difference is asked.",
        ),
    ),
    hints=(
        "Follow the coarse map: from the 5×5 of block 0 up to the upsampling in the head.",
        "Each such convolution costs its weights × positions. There are (side / 16)² positions "
        "now, and there were (side / 32)².",
        "Block 0 has two of them, blocks 1 and 2 have three each; then the backbone's last and "
        "the head's first.",
    ),
    solution=lambda g: (
        f"{g.answer['layers']} convolutions: two in block 0, three in each of blocks 1 and 2, the "
        f"backbone's last and the head's first. Together they have "
        f"{g.answer['macs'] // positions(g.side):,} weights, and each works at "
        f"{g.side // 16}² − {g.side // 32}² = {positions(g.side):,} positions more."
    ),
    outcome=2,
    minutes=7,
    difficulty=3,
    config=(NETWORK,),
    source="Howard et al. 2019, Table 1 and Figure 10; torchvision lraspp.py",
    remark=lambda g: (
        f"That is {finer(g.side)['macs'] / analysed(32, g.side).total.macs:.0%} on top of the "
        "network with output stride 32, for not one parameter more."
    ),
)

RULES = ("strided", "deeplab", "torchvision")


def field_of(row: Row) -> int:
    """What one unit of a layer sees, from top to bottom."""
    assert row.field is not None
    assert row.field.size is not None
    return row.field.size[0]


def seen_before() -> int:
    """The field in front of the last stage; neighbouring units are 16 pixels apart there."""
    return field_of(row(32, 512, "backbone.stage6.0.expand.conv"))


def marked(layers: Sequence[tuple[int, int, int]]) -> int:
    """The field behind (kernel, stride, dilation), by marking what one unit reads."""
    units = {0}
    for kernel, stride, dilation in reversed(layers):
        units = {unit * stride + dilation * tap for unit in units for tap in range(kernel)}
    return seen_before() + 16 * (max(units) - min(units))


@cache
def three_fields() -> dict[str, int]:
    """Two from traces, DeepLab's by marking."""
    found = {}
    for rule, stride in (("strided", 32), ("torchvision", 16)):
        found[rule] = field_of(row(stride, 512, "backbone.head.conv"))
    found["deeplab"] = marked([(5, 1, 1), (5, 1, 2), (5, 1, 2)])
    return {rule: found[rule] for rule in RULES}


FIELDS = Exercise(
    id="10.4",
    title="Where dilation begins",
    question=lambda g: (
        "Two builds of MobileNetV3-Large at output stride 16 have the same layers and "
        "weights, and see differently far. In front of the last stage a unit sees "
        f"{seen_before()} pixels, and units are 16 pixels apart. The stage has three 5×5 "
        "depthwise convolutions:\n\n"
        "| | first | second | third |\n|---|---|---|---|\n"
        "| `strided` (output stride 32) | stride 2 | stride 1 | stride 1 |\n"
        "| `deeplab` | dilation 1 | dilation 2 | dilation 2 |\n"
        "| `torchvision` | dilation 2 | dilation 2 | dilation 2 |\n\n"
        "How many pixels does a unit see behind the third? Give `(strided, deeplab, torchvision)`; "
        "gates are left out."
    ),
    kind=Values({rule: Integer() for rule in RULES}),
    unit="pixels",
    answer=lambda g: three_fields(),
    mistakes=(
        Mistake(
            lambda g: {rule: three_fields()["strided"] for rule in RULES},
            "Two of the three are right. In torchvision's build the first 5×5 is dilated, too: its "
            "taps are twice as far apart as in the strided network.",
        ),
        Mistake(
            lambda g: {
                "strided": three_fields()["torchvision"],
                "deeplab": three_fields()["deeplab"],
                "torchvision": three_fields()["torchvision"],
            },
            "In `strided` you let the first 5×5 profit from its own stride. Its taps stand on the "
            "map in front of it, 16 pixels apart.",
        ),
        Mistake(
            lambda g: {
                "strided": three_fields()["strided"],
                "deeplab": three_fields()["torchvision"],
                "torchvision": three_fields()["torchvision"],
            },
            "Two of the three are right. DeepLab's first 5×5 has dilation 1: no layer is dilated "
            "for a stride of its own.",
        ),
        Mistake(
            lambda g: (
                dict.fromkeys(RULES, marked([(5, 1, 1)] * 3))
                | {"strided": three_fields()["strided"]}
            ),
            "`strided` is right. In the other two you leave the dilation out: a dilation of 2 "
            "doubles the distance of the taps.",
        ),
        Mistake(
            lambda g: {
                "strided": three_fields()["strided"],
                "deeplab": marked([(5, 2, 1), (5, 1, 2), (5, 1, 2)]),
                "torchvision": marked([(5, 2, 2), (5, 1, 2), (5, 1, 2)]),
            },
            "`strided` is right. In the dilated builds the stride is gone: units stay 16 pixels "
            "apart through the whole stage.",
        ),
    ),
    hints=(
        "A 5×5 adds 4 × dilation × jump, the jump being that of the map which it reads.",
        "Strided: 4 × 16, then 4 × 32 twice. Dilated: the jump is always 16.",
    ),
    solution=lambda g: (
        f"Strided: {seen_before()} + 4·16 + 4·32 + 4·32. DeepLab: + 4·16 + 4·2·16 + 4·2·16, "
        "the same: every tap falls where it fell. torchvision: 4·2·16 three times, 64 pixels more."
    ),
    outcome=3,
    minutes=5,
    difficulty=3,
    config=(NETWORK,),
    source="TF-slim mobilenet.py (rate); torchvision mobilenetv3.py (dilated)",
    remark=(
        "No count can tell the two apart. Weights trained for one run in the other, and give "
        "something else."
    ),
)

SETTINGS = ("at_16", "at_32")


def macs(setting: str, side: int) -> int:
    """MACs of LR-ASPP on V3-Large, with 21 classes."""
    return analysed(int(setting.removeprefix("at_")), side).total.macs


@cache
def largest_side(setting: str, millions: int) -> int:
    """The largest multiple of 32 within a budget."""
    side = STEP
    while macs(setting, side + STEP) <= millions * 10**6:
        side += STEP
    return side


def both_sides(g: Given) -> dict[str, int]:
    """The largest side at each output stride."""
    return {setting: largest_side(setting, g.millions) for setting in SETTINGS}


def some_over(g: Given, value: Mapping[str, int]) -> bool:
    """Whether one of the sides costs more than the budget."""
    return any(value[setting] > largest_side(setting, g.millions) for setting in SETTINGS)


def some_under(g: Given, value: Mapping[str, int]) -> bool:
    """Whether one of the sides could be larger."""
    return any(value[setting] < largest_side(setting, g.millions) for setting in SETTINGS)


def coarse(side: int, stride: int) -> str:
    """The coarse map of a design."""
    return f"{side // stride}×{side // stride}"


DESIGN = Exercise(
    id="10.5",
    title="A larger image or a finer map?",
    question=(
        "You may spend {millions:,} million MACs for an image, on `lraspp_mobilenet_v3_large` with "
        "21 classes. Design it twice: with `output_stride=16` and with `output_stride=32`. What is "
        "the largest side of a square image that each can afford, in multiples of 32? Give "
        "`(at_16, at_32)`."
    ),
    kind=Values({setting: Integer() for setting in SETTINGS}),
    unit="pixels",
    given={"millions": 1500},
    deal=lambda random: {"millions": random.randrange(500, 3000, 50)},
    answer=both_sides,
    mistakes=(
        Mistake(
            lambda g: dict(zip(SETTINGS, reversed(both_sides(g).values()), strict=True)),
            "The other way round: the finer map costs more, so that less is left for the image.",
        ),
        Mistake(
            lambda g: {setting: side + 1 for setting, side in both_sides(g).items()},
            "Both sides have to be multiples of 32.",
            applies=lambda g, value: any(side % STEP or side < STEP for side in value.values()),
        ),
        Mistake(
            lambda g: {setting: side + STEP for setting, side in both_sides(g).items()},
            "At least one is over the budget. Did you round up, or scale with the side in place of "
            "its square?",
            applies=some_over,
        ),
        Mistake(
            lambda g: {setting: side - STEP for setting, side in both_sides(g).items()},
            "Both are within the budget, but at least one could be larger.",
            applies=some_under,
        ),
    ),
    hints=(
        '`lab.trace("lraspp_mobilenet_v3_large", resolution=side, output_stride=32)` is the '
        "network at any setting; `lab.analyse(...).total.macs` counts it.",
        "Go up in steps of 32 as long as the MACs stay within the budget; once for each setting.",
    ),
    solution=lambda g: (
        f"At stride 16: {g.answer['at_16']} pixels take {macs('at_16', g.answer['at_16']):,} MACs, "
        f"32 more would take {macs('at_16', g.answer['at_16'] + STEP):,}. At stride 32: "
        f"{g.answer['at_32']} take {macs('at_32', g.answer['at_32']):,}, 32 more "
        f"{macs('at_32', g.answer['at_32'] + STEP):,}."
    ),
    outcome=2,
    minutes=6,
    difficulty=4,
    config=(NETWORK,),
    remark=lambda g: (
        f"For the same MACs: an image of {both_sides(g)['at_16']} with a coarse map of "
        f"{coarse(both_sides(g)['at_16'], 16)}, or an image of {both_sides(g)['at_32']} with one "
        f"of {coarse(both_sides(g)['at_32'], 32)}. Which is better depends on what you look for: "
        "fine detail is in the image, fine outlines are in the map."
    ),
)

WAYS = ("shrinks", "stays", "grows")


def what_becomes_of_it() -> str:
    """What DeepLab's dilation does to the field of the strided network."""
    found = three_fields()
    change = found["deeplab"] - found["strided"]
    return WAYS[1 + (change > 0) - (change < 0)]


LESSON = Lesson(
    number="10",
    title="Segmentation",
    minutes=42,
    prerequisites=("lessons 1 and 8",),
    outcomes=(
        "write the rule that replaces strides by dilation, and compute the maps that it gives",
        "predict what a finer output stride costs, to the last MAC, and design within a budget",
        "explain why two dilated builds with the same weights see differently far",
    ),
    question="What does it cost to label every pixel, if the network shrinks the image first?",
    predictions=(
        Prediction(
            id="10.a",
            question=(
                "LR-ASPP on MobileNetV3-Large keeps its last map at stride 16, for an image of "
                "520×520. Let the last stage halve it as in the classifier, to stride 32: which "
                "share of all MACs does that save? A fraction between 0 and 1."
            ),
            kind=Number(),
            unit="of the MACs",
            answer=lambda: 1 - analysed(32, 520).total.macs / analysed(16, 520).total.macs,
            remark="One stage and what follows it, but on nearly four times the positions.",
        ),
        Prediction(
            id="10.b",
            question=(
                "The last stride becomes 1, and the layers behind it get dilation 2. What becomes "
                "of the receptive field of the last map: `shrinks`, `stays` or `grows`?"
            ),
            kind=Choice(WAYS),
            unit="",
            answer=what_becomes_of_it,
            remark="Every tap falls on the pixel on which it fell before; there are more units.",
        ),
    ),
    exercises=(SIDES, DILATE, FINER, FIELDS, DESIGN),
    misconceptions=(
        "Dilation adds weights: a dilated 3×3 has nine weights, and they stand further apart.",
        "Dilation costs MACs: it is the finer map that costs, for each weight works at more "
        "positions.",
        "Half the output stride costs four times the MACs: only the layers behind the stride do.",
        "Builds with equal parameters and MACs are equal: where dilation begins is in no count.",
    ),
    discussion=(
        "An output stride of 16 means one prediction for 16×16 pixels. How can outlines be sharper "
        "than that, and what does the map of stride 8 add in LR-ASPP's head?"
    ),
)

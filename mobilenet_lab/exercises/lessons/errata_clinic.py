"""The errata clinic: published claims, each settled by one count."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.architectures.mobilenet_v1 import TABLE_1
from mobilenet_lab.architectures.mobilenet_v2 import HEAD, STEM, TABLE_2, inverted_residual
from mobilenet_lab.blocks import classifier
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.exercises.kinds import Choice, Function, Integer, Number, Row, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.net import Net
from mobilenet_lab.registry import NETWORKS, trace

M = 10**6


@cache
def counted(network: str, **settings: Any) -> Analysis:
    """The rows of a registered network."""
    return analyse(trace(network, **settings))


def macs(network: str, **settings: Any) -> int:
    """MACs of convolutions and linear layers."""
    return counted(network, **settings).total.macs


def params(network: str, **settings: Any) -> int:
    """Learned parameters."""
    return counted(network, **settings).total.params


# One number for four sizes

KERAS_V1 = 529 * M
"""tf.keras, docstring of MobileNet: for 224, 192, 160 and 128 pixels alike."""
SIZES = (192, 160, 128)


def at_sizes(g: Given) -> list[int]:
    """MobileNetV1's MACs at each of SIZES."""
    return [macs("mobilenet_v1", width=g.width, resolution=side) for side in SIZES]


def squares(g: Given, fixed: int, scaled: int) -> list[int]:
    """`scaled` MACs at 224 that fall with the square of the side, and `fixed` ones."""
    return [fixed + scaled * side**2 // 224**2 for side in SIZES]


def classifier_macs(width: float) -> int:
    """The linear layer's, which sees one position at any size."""
    return counted("mobilenet_v1", width=width).by("stage")[-1].macs


def scaled_with_classifier(g: Given) -> list[int]:
    """All MACs at 224, times the square of the ratio of the sides."""
    return squares(g, 0, macs("mobilenet_v1", width=g.width))


def close(value: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two lists agree to one in ten thousand."""
    return len(value) == len(other) and all(
        abs(a - b) <= b / 10_000 for a, b in zip(value, other, strict=True)
    )


FOUR_SIZES = Exercise(
    id="E.1",
    title="One number for four sizes",
    question=lambda g: (
        f"A library's documentation gives MobileNetV1 at width 1 the same {KERAS_V1 // M} M "
        "multiply-adds for inputs of 224, 192, 160 and 128 pixels. How many MACs are there at "
        f"width {g.width:g} for 192, 160 and 128 pixels? Give `[at_192, at_160, at_128]`."
    ),
    kind=Row(Integer()),
    unit="MACs",
    given={"width": 1.0},
    deal=lambda random: {"width": random.randrange(25, 100, 5) / 100},
    answer=at_sizes,
    mistakes=(
        Mistake(
            lambda g: [KERAS_V1] * 3,
            "That is the claim. A smaller input has smaller maps, and each weight of a convolution "
            "works once for each position of them.",
        ),
        Mistake(
            scaled_with_classifier,
            "Nearly: you scale the classifier, too. It reads one position whatever the input, so "
            "it costs the same at each size.",
            lambda g, value: close(value, scaled_with_classifier(g)),
        ),
        Mistake(
            lambda g: [macs("mobilenet_v1", width=g.width) * side // 224 for side in SIZES],
            "You scale with the side. A map has height and width: positions fall with the square.",
            lambda g, value: close(
                value, [macs("mobilenet_v1", width=g.width) * side // 224 for side in SIZES]
            ),
        ),
        Mistake(
            lambda g: squares(g, 0, KERAS_V1),
            f"The squares are right, but you start from the {KERAS_V1 // M} M of the claim; check "
            "it at 224 first.",
            lambda g, value: close(value, squares(g, 0, KERAS_V1)),
        ),
        Mistake(
            lambda g: [macs("mobilenet_v1", width=g.width)] * 3,
            "That is the number at 224, three times. A smaller input has smaller maps.",
        ),
        Mistake(
            lambda g: [n - classifier_macs(g.width) for n in at_sizes(g)],
            "You leave the classifier out. It costs the same at each size, but it is there.",
        ),
        Mistake(
            lambda g: [2 * n for n in at_sizes(g)],
            "Exactly twice: those are FLOPs, and the question asks for MACs.",
        ),
        Mistake(
            lambda g: [n // M * M for n in at_sizes(g)],
            "As a table prints them, in whole millions. Give the exact counts.",
            lambda g, value: (
                len(value) == len(SIZES)
                and all(
                    n % M == 0 and abs(n - m) < M for n, m in zip(value, at_sizes(g), strict=True)
                )
            ),
        ),
    ),
    hints=(
        "Which layers work at every position of a map, and which one does not?",
        'Split the MACs at 224: `lab.analyse(lab.trace("mobilenet_v1")).by("stage")` has the '
        "classifier as its last row. All sides are multiples of 32, so the squares are exact.",
    ),
    solution=lambda g: (
        f"The classifier takes {classifier_macs(g.width):,} MACs at any size. The other "
        f"{macs('mobilenet_v1', width=g.width) - classifier_macs(g.width):,} (at 224) fall with "
        "(side / 224)², exactly, since 32 divides each side."
    ),
    outcome=3,
    minutes=4,
    difficulty=1,
    config=("mobilenet_v1",),
    source="tf.keras, documentation of applications.MobileNet; Howard et al. 2017, Table 7",
    remark=(
        "The paper's Table 7 has those of width 1, rounded or cut; the documentation has its first "
        "row four times, and with a wrong digit: 529 for 569. What is right there: the parameters, "
        "which do not change with the size."
    ),
)

# Rounded, cut, or neither

UNITS = {"k": 10**3, "M": 10**6, "G": 10**9}
WAYS = ("rounded", "cut", "neither")


def slow_printed_as(printed: str, count: int) -> str:
    """Counts in whole steps of the last printed digit; halves go up."""
    value, unit = printed.split()
    whole, _, decimals = value.partition(".")
    step = UNITS[unit] // 10 ** len(decimals)
    below = count // step  # steps that fit
    over = count - below * step
    nearest = below + 1 if 2 * over >= step else below
    last = int(whole + decimals)
    if last == nearest:
        return "rounded"
    return "cut" if last == below else "neither"


def printed_cases(random: Random) -> Mapping[str, Any]:
    """A number as papers print it, and a count that is it, nearly it, or not."""
    decimals, unit = random.choice((0, 1, 2)), random.choice(("k", "M", "G"))
    step = UNITS[unit] // 10**decimals
    last = random.randint(11, 999)
    count = last * step + random.choice(
        (random.randrange(-step, 2 * step), random.randrange(step // 2, step), step // 2)
    )
    digits = str(last).zfill(decimals + 1)
    value = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    return {"printed": f"{value} {unit}", "count": count}


def printed_mutant(change: str) -> Any:
    """`printed_as` with one error in it."""

    def printed_as(printed: str, count: int) -> str:
        value, unit = printed.split()
        decimals = 0 if change == "decimals" else len(value.partition(".")[2])
        step = UNITS[unit] / 10**decimals
        last = round(float(value) * 10**decimals)
        cut, nearest = last == count // step, last == (count + step / 2) // step
        if change == "percent":
            return "rounded" if abs(count / step / last - 1) < 0.01 else "neither"
        if change == "never cut":
            return "rounded" if nearest else "neither"
        if change == "cut first":
            return "cut" if cut else "rounded" if nearest else "neither"
        if change == "even":
            nearest = last == round(count / step)
        return "rounded" if nearest else "cut" if cut else "neither"

    return printed_as


AS_PRINTED = Exercise(
    id="E.2",
    title="Rounded, cut, or neither",
    question=(
        'Write `printed_as(printed, count)`. `printed` is a number as a paper prints it: `"569 M"`,'
        ' `"3.47 M"`, `"15.5 G"`; the units are k, M and G. Return `"rounded"` if `count`, rounded '
        'to as many decimals, is that number (halves go up); else `"cut"` if it is when the rest '
        'is cut off; else `"neither"`.'
    ),
    kind=Function("printed_as", printed_cases, Choice(WAYS)),
    unit="",
    answer=lambda g: slow_printed_as,
    mistakes=(
        Mistake(
            lambda g: printed_mutant("percent"),
            "A tolerance of one percent takes a wrong row of a table for a right one. Rounding is "
            "exact: half a unit of the last printed digit.",
        ),
        Mistake(
            lambda g: printed_mutant("never cut"),
            "You only round. Some tables cut off what follows, and such a number is no misprint.",
        ),
        Mistake(
            lambda g: printed_mutant("cut first"),
            "Where cutting and rounding give the same number, the answer is `rounded`; ask that "
            "first.",
        ),
        Mistake(
            lambda g: printed_mutant("decimals"),
            "You round to whole units. `3.47 M` has two decimals, so its last digit stands for "
            "ten thousand.",
        ),
        Mistake(
            lambda g: printed_mutant("even"),
            "All but the halves: Python's `round` takes a half to the even neighbour, and tables "
            "take it up.",
        ),
    ),
    hints=(
        "What does one step of the last printed digit stand for? In `3.47 M` it is 0.01 M.",
        "`count // step` steps fit into the count; `(2 * count + step) // (2 * step)` is the "
        "nearest number of steps, in integers alone.",
    ),
    solution=(
        "With `step` = unit / 10^decimals and the printed digits as a whole number `last`: rounded "
        "if `last == (2 * count + step) // (2 * step)`, cut if `last == count // step`."
    ),
    outcome=1,
    minutes=6,
    difficulty=2,
    remark="`lab.published` judges every printed number so, and widens nothing to make it fit.",
)

# Three quarters of a network

ZOO_V2 = 300
"""In millions: MACs of "MobileNetV2-width*0.75" in a table of a collection of models."""
ZOO_SOURCE = "mit-han-lab/amc-models, README, table of compressed MobileNets"


def v2(
    width: float = 1.0,
    channels: Callable[[float], int] = make_divisible,
    head: int = HEAD,
    strides: Mapping[int, int] | None = None,
    first: int | None = None,
) -> Analysis:
    """MobileNetV2 built anew from its table, with something done otherwise than there.

    `strides` puts others in the place of those of some rows, counted from 1. `first` is the t of
    the first row; it has its 1x1 expansion then, also where it is 1.
    """
    net = Net()
    x = net.conv(net.input(3, 224), channels(STEM * width), 3, stride=2, name="stem")
    for number, row in enumerate(TABLE_2, start=1):
        t = first or row.t if number == 1 else row.t
        with net.stage(f"stage{number}"):
            if number == 1 and first == 1:
                x = net.conv(x, x.channels, 1, name="expand")
            for i in range(row.n):
                stride = (strides or {}).get(number, row.s) if i == 0 else 1
                with net.block(str(i)):
                    x = inverted_residual(net, x, t, channels(row.c * width), stride)
    x = net.conv(x, head, 1, name="head")
    return analyse(net.trace(classifier(net, x, 1000)))


def by_squares(g: Given) -> int:
    """Width 1's MACs times the width's square."""
    width: float = g.width
    return round(macs("mobilenet_v2") * width**2)


def guessed(width: float) -> dict[str, Any]:
    """The numbers of the exercise at a width; the guess starts from the printed number."""
    return {"printed": ZOO_V2, "width": width, "guess": round(ZOO_V2 * width**2)}


THREE_QUARTERS = Exercise(
    id="E.3",
    title="Three quarters of a network",
    question=(
        "A collection of models gives the same {printed} M MACs for MobileNetV2 at width 0.75 as "
        "the paper gives for width 1. A reader objects: width squared, so about {guess} M at width "
        "{width:g}. Settle it: how many MACs are there at width {width:g} and 224 pixels? Channels "
        "are rounded by `make_divisible`, and the last convolution keeps its 1280."
    ),
    kind=Integer(),
    unit="MACs",
    given=guessed(0.75),
    deal=lambda random: guessed(random.choice((*range(30, 75, 5), *range(80, 100, 5))) / 100),
    answer=lambda g: macs("mobilenet_v2", width=g.width),
    mistakes=(
        Mistake(
            lambda g: ZOO_V2 * M,
            "That is the row's claim. It is width 1's number, cut.",
            lambda g, value: value in (ZOO_V2 * M, macs("mobilenet_v2")),
        ),
        Mistake(
            by_squares,
            "The reader's square holds only where input and output channels both scale. Which "
            "layers have one end that stays, and which have no product of two channel counts?",
            lambda g, value: abs(value - by_squares(g)) < M,
        ),
        Mistake(
            lambda g: v2(g.width, channels=int).total.macs,
            "You cut channels to whole numbers. The paper's code rounds them to multiples of 8.",
        ),
        Mistake(
            lambda g: v2(g.width, head=make_divisible(HEAD * g.width)).total.macs,
            "You scale the last convolution, too; below width 1 it keeps its 1280 channels.",
        ),
        Mistake(
            lambda g: macs("mobilenet_v2", width=g.width) // M * M,
            "Right, but rounded or cut; give the exact count.",
            lambda g, value: (
                value % 1000 == 0 and abs(value - macs("mobilenet_v2", width=g.width)) < M
            ),
        ),
        Mistake(
            lambda g: 2 * macs("mobilenet_v2", width=g.width),
            "Exactly twice: those are FLOPs, and the question asks for MACs.",
        ),
    ),
    hints=(
        "`channels.make_divisible(32 * width)` is the stem; go on through Table 2 so.",
        '`lab.trace("mobilenet_v2", width=...)` builds it, and `lab.analyse(...).total` counts.',
    ),
    solution=lambda g: (
        f"The square of the width would give {by_squares(g):,}. But the stem reads 3 channels at "
        "any width, depthwise convolutions scale with the width and not its square, channels are "
        "rounded to multiples of 8, and the last convolution and the classifier keep 1280."
    ),
    outcome=3,
    minutes=5,
    difficulty=2,
    config=("mobilenet_v2",),
    source=f"{ZOO_SOURCE}; Sandler et al. 2018, Table 4",
    remark=(
        "Both were wrong. What the row compares is sound all the same: its point is a network cut "
        "to 70 % of width 1, printed as 210 M, and that is as dear as width 0.75."
    ),
)


# The layer that was left out

SLIM_V1 = {224: 317, 192: 233, 160: 162, 128: 104}
"""In millions: MACs of width 0.75 by side, TF-slim's mobilenet_v1.md."""
STAGES = ("stem", *(f"stage{number}" for number in range(1, len(TABLE_1) + 1)), "classifier")


def stage_macs(g: Given, stage: str, width: float = 0.75) -> dict[str, Any]:
    """A stage of MobileNetV1 and its MACs."""
    rows = counted("mobilenet_v1", width=width, resolution=g.side).by("stage")
    return {"stage": stage, "macs": next(row.macs for row in rows if row.name == stage)}


def left_out(g: Given) -> dict[str, Any]:
    """The one stage without which all four printed numbers come out."""
    for stage in STAGES:
        kept = [
            macs("mobilenet_v1", width=0.75, resolution=side)
            - stage_macs(Given(side=side), stage)["macs"]
            for side in SLIM_V1
        ]
        if [slow_printed_as(f"{n} M", k) for n, k in zip(SLIM_V1.values(), kept, strict=True)] == [
            "rounded"
        ] * 4:
            return stage_macs(g, stage)
    raise AssertionError("no stage explains the table")


LEFT_OUT = Exercise(
    id="E.4",
    title="What was left out",
    question=lambda g: (
        "A table gives these MACs for MobileNetV1 at width 0.75: "
        + ", ".join(f"{number} M at {side} pixels" for side, number in SLIM_V1.items())
        + ". All four are too small, and by one and the same stage: which one, and how many MACs "
        f"has it at {g.side} pixels? Give `(stage, macs)`; stages are {', '.join(STAGES)}."
    ),
    kind=Values({"stage": Choice(STAGES), "macs": Integer()}),
    unit="",
    given={"side": 224},
    answer=left_out,
    mistakes=(
        Mistake(
            lambda g: stage_macs(g, "stem", width=1),
            "The right stage, but those are its MACs at width 1; at width 0.75 it has fewer "
            "channels.",
        ),
        Mistake(
            lambda g: stage_macs(g, "stem") | {"macs": 4 * stage_macs(g, "stem")["macs"]},
            "The right stage, but it has stride 2: count the positions of its output.",
        ),
        Mistake(
            lambda g: {"stage": "stem", "macs": difference(g)},
            "The right stage. That is the difference to the printed number, which is rounded to "
            "millions; count the stage itself.",
        ),
        Mistake(
            lambda g: stage_macs(g, "classifier"),
            "The classifier has the same MACs at each size; what is missing falls with the size.",
            lambda g, value: value["stage"] == "classifier",
        ),
        Mistake(
            lambda g: stage_macs(g, "stage1"),
            "Without stage1 the network would come out smaller still: subtract, and compare at all "
            "four sizes.",
            lambda g, value: value["stage"] == "stage1",
        ),
    ),
    hints=(
        "How much is missing at 224? Rows of "
        '`lab.analyse(lab.trace("mobilenet_v1", width=0.75)).by("stage")` have `.name`, `.macs`.',
        "Subtract each stage in turn, round to millions, and see which one gives all four.",
    ),
    solution=lambda g: (
        f"At {g.side} pixels the network has "
        f"{macs('mobilenet_v1', width=0.75, resolution=g.side):,} MACs. Only without the stem do "
        f"all four come out as printed. It has 24 kernels of 3 × 3 × 3 at {g.side // 2}² positions."
    ),
    outcome=2,
    minutes=5,
    difficulty=2,
    config=("mobilenet_v1",),
    source="TF-slim, mobilenet_v1.md",
    remark=(
        "The other widths of that table count it, and the paper's Table 6 does at 0.75, too. So a "
        "slip in four rows, not another convention."
    ),
)


def difference(g: Given) -> int:
    """What is missing by the printed number itself."""
    return macs("mobilenet_v1", width=0.75, resolution=g.side) - SLIM_V1[g.side] * M


# Two errors in one number

PORT_V2 = 429
"""In millions: MACs of an early port of MobileNetV2."""
TYPO = {4: 1, 5: 2}
"""Strides of the 64- and the 96-channel row in the first version of the paper."""

TWO_ERRORS = Exercise(
    id="E.5",
    title="Two errors in one number",
    question=(
        "In the first version of the MobileNetV2 paper, Table 2 gives the 64-channel maps the size "
        "28×28. That takes stride 1 in the 64-channel row and stride 2 in the 96-channel row; it "
        "should be 2 and 1. A port that followed it was measured at {port} M MACs. Edit the "
        "exported table so and count: how many MACs does the typo give? Not yet {port} M. The port "
        "also had lesson 5's error, an expansion in the block with t = 1 (a 1×1 convolution from "
        "32 to 32 channels). How many MACs do both together give? Give "
        "`(typo, both)`."
    ),
    kind=Values({"typo": Integer(), "both": Integer()}),
    unit="MACs",
    given={"port": PORT_V2},
    answer=lambda g: {
        "typo": v2(strides=TYPO).total.macs,
        "both": v2(strides=TYPO, first=1).total.macs,
    },
    mistakes=(
        Mistake(
            lambda g: {
                "typo": v2(strides={4: 1}).total.macs,
                "both": v2(strides={4: 1}, first=1).total.macs,
            },
            "You took the stride out of the 64-channel row and put it nowhere: all later maps are "
            "twice as wide. The 96-channel row halves the map instead.",
            lambda g, value: value["typo"] == v2(strides={4: 1}).total.macs,
        ),
        Mistake(
            lambda g: {
                "typo": v2(strides={5: 2}).total.macs,
                "both": v2(strides={5: 2}, first=1).total.macs,
            },
            "There are two strides too many now: the 64-channel row still has its 2.",
            lambda g, value: value["typo"] == v2(strides={5: 2}).total.macs,
        ),
        Mistake(
            lambda g: {"typo": v2(strides=TYPO).total.macs, "both": v2(first=1).total.macs},
            "The typo is right. The second number has the expansion alone, on the right table.",
        ),
        Mistake(
            lambda g: {
                "typo": v2(strides=TYPO).total.macs,
                "both": v2(strides=TYPO, first=6).total.macs,
            },
            "The typo is right. The expansion in question has t = 1: from 32 channels to 32, and "
            "the depthwise convolution stays as it is.",
        ),
        Mistake(
            lambda g: {
                "typo": v2(strides=TYPO).total.macs,
                "both": v2(strides=TYPO).total.macs + 32 * 32 * 56 * 56,
            },
            "The typo is right. The extra convolution stands behind the stem: how large is the map "
            "there?",
        ),
    ),
    hints=(
        'In the text of `lab.export("mobilenet_v2")`, the blocks that take the strides are '
        '`"stage4", 0` and `"stage5", 0`; the column behind `expand` is the stride.',
        "Write the text to edited.toml; "
        '`lab.analyse(lab.trace("edited.toml")).total.macs` counts it. The extra convolution has '
        "32 × 32 weights and works at 112 × 112 positions.",
    ),
    solution=(
        'With `["stage4", 0, 192, 1, ...]` and `["stage5", 0, 384, 2, ...]` the 64-channel blocks '
        "have four times the positions. The expansion adds 112² × 32 × 32, and only both together "
        "round to {port} M."
    ),
    outcome=2,
    minutes=6,
    difficulty=3,
    config=("mobilenet_v2",),
    source=(
        "arXiv 1801.04381, versions 1 and 2, Table 2; "
        "shicai/MobileNet-Caffe, issues 67 and 69 (the measured number)"
    ),
    remark=(
        "Whoever stops at the first error that fits roughly has explained too little: a claim is "
        "settled when the number comes out as printed."
    ),
)

# The last hidden layer

V3_POOLED = 576
"""Channels of MobileNetV3-Small before the pool."""


def hidden_layer(g: Given) -> dict[str, int]:
    """What `draft` features behind the pool cost more than `last`."""
    drafted, printed = (
        counted("mobilenet_v3_small", hidden=hidden, classes=g.classes).total
        for hidden in (g.draft, g.last)
    )
    return {"params": drafted.params - printed.params, "macs": drafted.macs - printed.macs}


HIDDEN = Exercise(
    id="E.6",
    title="A layer that was changed between versions",
    question=(
        "Early versions of the MobileNetV3 paper print 2.9 M parameters and 66 M MACs for Small, "
        "its fifth 2.5 M and 56 M. In the code, {last} features stand behind the pool of 576 "
        "channels; Large has 1280, and the early Small may have had as many. With {classes} "
        "classes, how many parameters and how many MACs do {draft} features take more than {last}? "
        "Both layers have biases. Give `(params, macs)`."
    ),
    kind=Values({"params": Integer(), "macs": Integer()}),
    unit="",
    given={"classes": 1000, "draft": 1280, "last": 1024},
    deal=lambda random: {
        "classes": random.randrange(100, 2000, 10),
        "draft": random.randrange(1088, 2048, 64),
        "last": 1024,
    },
    answer=hidden_layer,
    mistakes=(
        Mistake(
            lambda g: hidden_layer(g) | {"params": hidden_layer(g)["macs"]},
            "The MACs are right. Each feature has a bias as well, which is a parameter and no MAC.",
        ),
        Mistake(
            lambda g: {
                "params": (g.draft - g.last) * (V3_POOLED + 1),
                "macs": (g.draft - g.last) * V3_POOLED,
            },
            "You count the layer that makes the features. The classifier behind it reads them.",
        ),
        Mistake(
            lambda g: {
                "params": (g.draft - g.last) * g.classes,
                "macs": (g.draft - g.last) * g.classes,
            },
            "You count the classifier, which reads the features. The layer before it makes them.",
        ),
        Mistake(
            lambda g: (
                hidden_layer(g) | {"macs": (g.draft - g.last) * (V3_POOLED * 7 * 7 + g.classes)}
            ),
            "The parameters are right. These layers stand behind the pool: one position, not 7×7.",
        ),
        Mistake(
            lambda g: hidden_layer(g) | {"macs": 2 * hidden_layer(g)["macs"]},
            "The parameters are right. Those are FLOPs; the question asks for MACs.",
        ),
        Mistake(
            lambda g: {
                "params": (g.draft - g.last) * (V3_POOLED + g.classes + 2),
                "macs": hidden_layer(g)["macs"],
            },
            "The MACs are right. A feature more has one bias; the classes' biases are as many as "
            "before.",
        ),
    ),
    hints=(
        "One feature more: how many weights lead to it, and how many lead away from it?",
        "576 weights and a bias lead to it, and one weight to each class leads away.",
    ),
    solution=lambda g: (
        f"{g.draft - g.last} features × ({V3_POOLED} + 1 + {g.classes}) parameters; without the "
        "bias for MACs."
    ),
    outcome=3,
    minutes=4,
    difficulty=2,
    config=("mobilenet_v3_small",),
    source="Howard et al., arXiv 1905.02244, version 1 and version 5, Table 3",
    remark=lambda g: (
        f"So 1280 features make {params('mobilenet_v3_small', hidden=1280) / M:.2f} M parameters, "
        "and the printed 2.9 M is explained. The 66 M MACs are not: those features cost less than "
        "half a million. One settled, one open; say both."
    ),
)

# Right for the wrong reason

PAPER_OPS, PORT_OPS = "1.5 billion", "1.498 G"
GOOGLENET, PORT = "googlenet", "googlenet_torchvision"


def branch_weights(network: str) -> int:
    """Weights of the third branch's large convolutions."""
    return sum(
        layer.kernel[0] ** 2 * layer.in_shapes[0][0] * layer.out_shape[0]
        for layer in trace(network).layers
        if layer.op == "conv2d" and layer.role == "conv5x5" and layer.kernel
    )


def branch_macs(network: str) -> int:
    """MACs of the third branch's large convolutions."""
    return next(row.macs for row in counted(network).by("role") if row.name == "conv5x5")


def stem_macs(**settings: Any) -> int:
    """MACs of GoogLeNet's first convolution."""
    return counted(GOOGLENET, **settings).by("stage")[0].macs


def savings(g: Given) -> dict[str, int]:
    """What the port's kernel and the authors' first layer save of the printed table."""
    return {
        "slip": macs(GOOGLENET) - macs(PORT),
        "stem": macs(GOOGLENET) - macs(GOOGLENET, separable_stem=True),
    }


SAVINGS = Exercise(
    id="E.7",
    title="Right for the wrong reason",
    question=(
        f"GoogLeNet's paper says {PAPER_OPS} multiply-adds, and a popular port, {PORT_OPS}. They "
        "agree, and neither network is the one that the paper's Table 1 prints. The port has 3×3 "
        "kernels in all nine branches that should have 5×5. The authors' first layer was not a 7×7 "
        "convolution from 3 to 64 channels but a separable one: 8 depthwise 7×7 filters for each "
        "channel, then 1×1 from 24 to 64, at 112×112 positions. How many MACs does each save "
        "against the printed table? Give `(slip, stem)`."
    ),
    kind=Values({"slip": Integer(), "stem": Integer()}),
    unit="MACs",
    answer=savings,
    mistakes=(
        Mistake(
            lambda g: {"slip": savings(g)["stem"], "stem": savings(g)["slip"]},
            "Both are right, the other way round: the slip is in the nine branches, the stem is "
            "the first layer.",
        ),
        Mistake(
            lambda g: savings(g) | {"slip": branch_weights(GOOGLENET) - branch_weights(PORT)},
            "The stem is right. For the slip you count weights; each works at every position of "
            "its map.",
        ),
        Mistake(
            lambda g: savings(g) | {"slip": branch_macs(PORT) * 16 // 25},
            "The stem is right. A 3×3 kernel has 9/25 of the products of a 5×5, so what is saved "
            "is 16/25 of the *printed* branches, not of the port's.",
        ),
        Mistake(
            lambda g: savings(g) | {"slip": branch_macs(PORT)},
            "The stem is right. That is what the port's 3×3 take; what do they *save*?",
        ),
        Mistake(
            lambda g: savings(g) | {"slip": branch_macs(GOOGLENET)},
            "The stem is right. That is what the printed 5×5 take; a 3×3 takes 9/25 of it.",
        ),
        Mistake(
            lambda g: savings(g) | {"stem": stem_macs() - (49 * 3 + 3 * 64) * 112 * 112},
            "The slip is right. The depthwise half has 8 filters for each of the 3 channels, so "
            "the 1×1 reads 24.",
        ),
        Mistake(
            lambda g: savings(g) | {"stem": stem_macs(separable_stem=True)},
            "The slip is right. That is what the separable layer takes; what does it *save*?",
        ),
    ),
    hints=(
        'Both networks are here: `lab.trace("googlenet")` is the printed table and '
        '`lab.trace("googlenet_torchvision")` the port; do they differ in MACs anywhere else?',
        'For the stem, `lab.trace("googlenet", separable_stem=True)`, or by hand: 7² × 24 + 24 × '
        "64 products at each position, in place of 7² × 3 × 64.",
    ),
    solution=(
        "The slip: 16/25 of the MACs of the nine 5×5 convolutions. The stem: 112² × (7² × 3 × 64 − "
        "7² × 24 − 24 × 64)."
    ),
    outcome=2,
    minutes=5,
    difficulty=3,
    config=("googlenet", "googlenet_torchvision"),
    source="Szegedy et al. 2014, section 1 and Table 1; torchvision, GoogLeNet_Weights",
    remark=(
        "Two different savings that happen to be of one size. Table 1 itself tells of the second: "
        "beside its 7×7 it prints 2.7 K parameters and 34 M operations, which only the separable "
        "layer has. A number that agrees is evidence, not proof: look at where it comes from."
    ),
)

# Two tools, one network


def through_norms(g: Given) -> dict[str, int]:
    """Elements that batch norm reads, and MACs, off the trace."""
    made = trace("mobilenet_v2", width=g.width, resolution=g.side)
    elements = 0
    for layer in made.layers:
        if layer.op == "batch_norm":
            channels, height, width = layer.in_shapes[0]
            elements += channels * height * width
    return {
        "elements": elements,
        "macs": macs("mobilenet_v2", width=g.width, resolution=g.side),
    }


def pooled(g: Given) -> tuple[int, int]:
    """Channels and side of the map that is pooled at the end."""
    made = trace("mobilenet_v2", width=g.width, resolution=g.side)
    shape = next(layer for layer in made.layers if layer.op == "adaptive_avg_pool").in_shapes[0]
    return shape[0], shape[1]


def tool(name: str, g: Given) -> int:
    """What a counter prints for the network."""
    made = trace("mobilenet_v2", width=g.width, resolution=g.side)
    return CONVENTIONS[name].total(made.layers)


def without_pools(g: Given) -> dict[str, int]:
    """Both numbers, as if no tool counted the pool."""
    elements = (tool("thop", g) - tool("fvcore", g)) // 2
    return {"elements": elements, "macs": tool("fvcore", g) - 2 * elements}


TOOLS = Exercise(
    id="E.8",
    title="Two tools, one network",
    question=lambda g: (
        f"For MobileNetV2 at width {g.width:g} and {g.side} pixels fvcore prints "
        f"{tool('fvcore', g):,} “flops” and thop {tool('thop', g):,} “MACs”. Both count 1 for each "
        "multiply-accumulate of convolutions and the linear layer. To this fvcore adds 2 for each "
        "element that batch norm reads and 1 for each that the last average pool reads; thop adds "
        "4 for each element of batch norm and 1 for each that the pool reads or writes. The pool "
        f"reads {pooled(g)[0]}×{pooled(g)[1]}×{pooled(g)[1]} and writes {pooled(g)[0]}. From the "
        "two numbers alone: how many elements does batch norm read, and how many MACs has the "
        "network? Give `(elements, macs)`."
    ),
    kind=Values({"elements": Integer(), "macs": Integer()}),
    unit="",
    given={"width": 1.0, "side": 224},
    deal=lambda random: {
        "width": random.choice((0.35, 0.5, 0.75, 1.4)),
        "side": random.choice((96, 128, 160, 192)),
    },
    answer=through_norms,
    mistakes=(
        Mistake(
            without_pools,
            "Nearly: you leave out the pool. It is small, but these are exact numbers.",
        ),
        Mistake(
            lambda g: (
                through_norms(g) | {"macs": tool("fvcore", g) - 2 * through_norms(g)["elements"]}
            ),
            "The elements are right. There is still something of the pool in your MACs.",
        ),
        Mistake(
            lambda g: {
                "elements": 2 * through_norms(g)["elements"],
                "macs": through_norms(g)["macs"] - 2 * through_norms(g)["elements"],
            },
            "The tools differ by 4 − 2 for each element, so half of the difference is the number "
            "of elements.",
            lambda g, value: (
                value["elements"]
                in (2 * through_norms(g)["elements"], tool("thop", g) - tool("fvcore", g))
            ),
        ),
        Mistake(
            lambda g: through_norms(g) | {"macs": tool("fvcore", g) // 2},
            "The elements are right. fvcore calls them flops, and counts 1 for a MAC, not 2.",
        ),
    ),
    hints=(
        "Two unknowns, two equations. What is left when you subtract one tool's number from the "
        "other's?",
        "thop − fvcore = 2 × elements + what the pool writes.",
    ),
    solution=lambda g: (
        f"thop − fvcore = 2 × elements + {pooled(g)[0]}; so the elements. Then MACs = fvcore − 2 × "
        f"elements − {pooled(g)[0]}×{pooled(g)[1]}×{pooled(g)[1]}."
    ),
    outcome=2,
    minutes=6,
    difficulty=4,
    config=("mobilenet_v2",),
    source="fvcore 0.1.5.post20221221 and thop 0.1.1, in eval mode (docs/conventions.md)",
    remark=lambda g: (
        "Neither tool is wrong; they count different things under one name. And 314 M has two "
        f"sources at width 1: fvcore's number, and the {v2(first=1).total.macs:,} MACs of lesson "
        "5's extra expansion. Three digits do not tell them apart."
    ),
)


# Claims that are told, not asked


class Claim(NamedTuple):
    """A published claim, what the lab counts, and what follows."""

    printed: str
    source: str
    found: Callable[[], str]
    verdict: str


FIRES = (
    *((16, 64), (16, 64), (32, 128), (32, 128)),
    *((48, 192), (48, 192), (64, 256), (64, 256)),
)
"""SqueezeNet's fire modules, arXiv 1602.07360, Table 1: squeezed, and each half of the expanded."""


PLACES = 10
"""In millions: weights of the last layer of arXiv 1704.04861, section 4.4."""


@cache
def squeezenet(side: int) -> Analysis:
    """SqueezeNet 1.0 over shapes."""
    net = Net()
    x = net.conv2d(net.input(3, side), 96, 7, 2, padding=0, bias=True, name="conv1")
    x = net.max_pool(x, 3, 2, ceil_mode=True, name="pool1")
    for number, (squeezed, half) in enumerate(FIRES, start=2):
        with net.scope(f"fire{number}"):
            h = net.conv2d(x, squeezed, 1, bias=True, name="squeeze")
            one = net.conv2d(h, half, 1, bias=True, name="expand1x1")
            three = net.conv2d(h, half, 3, bias=True, name="expand3x3")
            x = net.concat(one, three)
        if number in (4, 8):
            x = net.max_pool(x, 3, 2, ceil_mode=True, name=f"pool{number}")
    x = net.conv2d(x, 1000, 1, bias=True, name="conv10")
    return analyse(net.trace(net.flatten(net.adaptive_avg_pool(x))))


def millions(count: int, digits: int = 0) -> str:
    """`12.3 M`."""
    return f"{count / M:,.{digits}f} M"


def tick() -> int:
    """Parameters of a gate on MobileNetV3-Small's last 576 channels, squeezed to a quarter."""
    inside = V3_POOLED // 4
    return 2 * V3_POOLED * inside + inside + V3_POOLED


def third_vectors() -> int:
    """MobileNetV1's parameters for 1001 classes, batch norm's running means counted."""
    layers = trace("mobilenet_v1").layers
    means = sum(layer.out_shape[0] for layer in layers if layer.op == "batch_norm")
    return params("mobilenet_v1", classes=1001) + means


CLAIMS = (
    Claim(
        "SqueezeNet: 1700 M mult-adds (MobileNetV1's Table 9), 833 M (ShuffleNet's Table 6)",
        "arXiv 1704.04861; arXiv 1707.01083",
        lambda: (
            f"{squeezenet(227).total.macs:,} at 227 pixels, {squeezenet(224).total.macs:,} at 224"
        ),
        "833 is right at 227 pixels; 1700 is about twice as much, as FLOPs would be",
    ),
    Claim(
        "VGG-16's accuracy at two orders of magnitude less",
        "summaries of MobileNetV1",
        lambda: (
            f"{params('vgg16') / params('mobilenet_v1'):.0f} times fewer parameters, "
            f"{macs('vgg16') / macs('mobilenet_v1'):.0f} times fewer MACs"
        ),
        "one and a half; the paper itself says 32 and 27 (lesson 3)",
    ),
    Claim(
        "MobileNetV1 has 575 M",
        "arXiv 1801.04381, Table 4",
        lambda: f"{macs('mobilenet_v1'):,}",
        "not reproducible; the V1 paper's 569 M is",
    ),
    Claim(
        "MobileNetV1 for telling places: 0.58 million mult-adds",
        "arXiv 1704.04861, section 4.4",
        lambda: (
            f"{(macs('mobilenet_v1') - classifier_macs(1) + PLACES * M) / 10**9:.2f} billion with "
            f"the {PLACES} M weights that it gives the last layer"
        ),
        "the number is right, the word is not",
    ),
    Claim(
        "MobileNetV1, width 0.75 at 128 pixels: 166 M",
        "arXiv 1704.04861, Table 14, row 4",
        lambda: (
            f"{millions(macs('mobilenet_v1', width=0.75, resolution=128))} at 128, "
            f"{millions(macs('mobilenet_v1', width=0.75, resolution=160))} at 160"
        ),
        "the row is 160's",
    ),
    Claim(
        "MobileNetV1, width 0.25 at 192 pixels: 34 M",
        "TF-slim, mobilenet_v1.md",
        lambda: f"{macs('mobilenet_v1', width=0.25, resolution=192):,}",
        "a misprint",
    ),
    Claim(
        "MobileNetV1: 4.24 M parameters",
        "TF-slim, mobilenet_v1.md",
        lambda: (
            f"{params('mobilenet_v1'):,}; {third_vectors():,} with 1001 classes and a third "
            "vector of each batch norm"
        ),
        "explained by another convention",
    ),
    Claim(
        "MobileNetV2: 19 residual bottlenecks",
        "arXiv 1801.04381, section 4",
        lambda: f"{sum(row.n for row in TABLE_2)} in its Table 2",
        "the table is what everyone built (lesson 5)",
    ),
    Claim(
        "MobileNetV2 at width 1.4: 6.9 M parameters, 585 M",
        "arXiv 1801.04381, Table 4",
        lambda: (
            f"{millions(params('mobilenet_v2', width=1.4), 2)}, "
            f"{millions(macs('mobilenet_v2', width=1.4))}"
        ),
        "**not reproducible** so far",
    ),
    Claim(
        "MobileNetV3-Small: squeeze-and-excitation at the last convolution",
        "arXiv 1905.02244v5, Table 2",
        lambda: (
            f"{tick():,} parameters more, "
            f"{millions(params('mobilenet_v3_small') + tick(), 2)} in all"
        ),
        "the same paper's 2.5 M are without it",
    ),
    Claim(
        "MobileNetV3-Small: 66 M",
        "arXiv 1905.02244v1, Table 3",
        lambda: f"{millions(macs('mobilenet_v3_small', hidden=1280), 1)} with 1280 features",
        "**not reproducible**: misprinted strides of that version would give it at width 1, and "
        "then width 0.75 does not come out",
    ),
    Claim(
        "MixNet-S, M, L: 256, 360, 565 M",
        "arXiv 1907.09595, Table 2",
        lambda: ", ".join(millions(macs(f"mixnet_{size}")) for size in "sml"),
        "**not reproducible** so far; the parameters agree (lesson 7)",
    ),
    Claim(
        "MobileNetV4-Conv-M: 9.2 M parameters",
        "arXiv 2404.10518, Table 6",
        lambda: f"{params('mobilenet_v4_conv_medium'):,} by the paper's own Table 12",
        "two tables of one paper differ",
    ),
)


def claims() -> str:
    """The claims as a Markdown table."""
    head = "| printed | where | the lab counts | verdict |\n|---|---|---|---|"
    rows = (f"| {c.printed} | {c.source} | {c.found()} | {c.verdict} |" for c in CLAIMS)
    return "\n".join((head, *rows))


@cache
def unreproduced() -> tuple[int, int]:
    """Printed numbers that no count gives, of all that the lab records."""
    from mobilenet_lab.verbs.published import published

    rows = [row for name in NETWORKS for row in published(name).rows]
    return sum(row.verdict == "not reproducible" for row in rows), len(rows)


def spread() -> float:
    """How far the largest count of MobileNetV2 at 1 per MAC is above the smallest, in percent."""
    layers = trace("mobilenet_v2").layers
    counts = [each.total(layers) for each in CONVENTIONS.values() if each.per_mac == 1]
    return 100 * (max(counts) / min(counts) - 1)


LESSON = Lesson(
    number="E",
    title="Errata clinic",
    minutes=45,
    prerequisites=("lessons 1 to 3", "MobileNetV2 and V3 in outline (lessons 5 and 6)"),
    outcomes=(
        "test whether a printed number is a count, rounded or cut",
        "find the layer, the row or the convention that a wrong number comes from",
        "settle a published claim by one count, and say what is right about it",
    ),
    question="When two numbers for one network differ, who is right, and how do you know?",
    predictions=(
        Prediction(
            id="E.a",
            question=(
                "Of a hundred printed parameter and MAC counts of well-known networks, how many "
                "can no known way of counting reproduce?"
            ),
            kind=Integer(),
            unit="of a hundred",
            answer=lambda: round(100 * unreproduced()[0] / unreproduced()[1]),
            remark=(
                "Some are known misprints. Of most of them nobody has found out what was counted, "
                "and that is a verdict, too."
            ),
        ),
        Prediction(
            id="E.b",
            question=(
                "Several tools count 1 for each multiply-accumulate of MobileNetV2. By how many "
                "percent is the largest of their numbers above the smallest?"
            ),
            kind=Number(tolerance=0.05, digits=2),
            unit="percent",
            answer=spread,
            remark="All of it is batch norm, pools, activations and biases: conventions.",
        ),
    ),
    exercises=(
        *(FOUR_SIZES, AS_PRINTED, THREE_QUARTERS, LEFT_OUT),
        *(TWO_ERRORS, HIDDEN, SAVINGS, TOOLS),
    ),
    misconceptions=(
        "What is printed in a paper was computed from its network: tables have misprints, and text "
        "and tables of one paper disagree.",
        "A number that agrees to three digits proves that the network is the same: 1.5 billion and "
        "314 M each have two sources.",
        "FLOPs are FLOPs: tools differ by what they count under one name, and none is wrong.",
        "A wrong number makes the whole claim worthless: most of these papers' conclusions do not "
        "hang on it.",
    ),
    discussion=(
        "You find a misprint in a paper with thousands of citations. Whom do you tell, and what do "
        "you have to show so that they believe you?"
    ),
)

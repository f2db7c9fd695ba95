"""Lesson 5: the inverted residual's work and memory, and a convolution that should not be there."""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.architectures import mobilenet_v2
from mobilenet_lab.blocks import classifier
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.exercises.kinds import Choice, Expression, Function, Integer, Number, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.formulas import conv2d_macs
from mobilenet_lab.layers import Feature
from mobilenet_lab.net import Net
from mobilenet_lab.registry import trace

SAID = 19
"""Residual bottleneck layers, as section 4 of arXiv 1801.04381 says."""
FLOAT = 4
"""Bytes of a float32."""
KIB = 2**10


@cache
def v2(width: float = 1.0, resolution: int = 224) -> Analysis:
    """MobileNetV2's numbers, in float32."""
    return analyse(trace("mobilenet_v2", width=width, resolution=resolution))


# 5.1


def blocks(_: Given) -> dict[str, int]:
    """The blocks of the trace, and those that add."""
    rows = [row for row in v2().rows if row.block != row.stage]
    adding = {row.block for row in rows if row.op == "add"}
    return {"blocks": len({row.block for row in rows}), "residuals": len(adding)}


def unstrided() -> int:
    """The blocks whose depthwise convolution has stride 1."""
    layers = v2().trace.layers
    depthwise = [layer for layer in layers if layer.role == "depthwise" and layer.kernel]
    return sum(layer.stride == (1, 1) for layer in depthwise)


COUNT = Exercise(
    id="5.1",
    title="Nineteen, or how many?",
    question=(
        "The paper's text speaks of {said} residual bottleneck layers. Count in the network of its "
        "Table 2: how many blocks are there, and how many of them add their input to their output? "
        "Give `(blocks, residuals)`."
    ),
    kind=Values({"blocks": Integer(), "residuals": Integer()}),
    unit="",
    given={"said": SAID},
    answer=blocks,
    mistakes=(
        Mistake(
            lambda g: {"blocks": SAID, "residuals": blocks(g)["residuals"]},
            "{said} is what the text says. Count the blocks that the table makes: its column n "
            "says how often each row is repeated.",
            lambda g, value: value["blocks"] == SAID,
        ),
        Mistake(
            lambda g: {
                "blocks": len(mobilenet_v2.TABLE_2),
                "residuals": blocks(g)["residuals"],
            },
            "Those are the rows of the table. A row with n = 3 makes three blocks.",
            lambda g, value: value["blocks"] == len(mobilenet_v2.TABLE_2),
        ),
        Mistake(
            lambda g: {
                "blocks": len(v2().by("block")),
                "residuals": blocks(g)["residuals"],
            },
            "You count the stem, the last convolution and the classifier as blocks: none of the "
            "three is a bottleneck.",
            lambda g, value: value["blocks"] == len(v2().by("block")),
        ),
        Mistake(
            lambda g: {"blocks": blocks(g)["residuals"], "residuals": blocks(g)["blocks"]},
            "The right numbers, the other way round: the blocks first.",
        ),
        Mistake(
            lambda g: {"blocks": blocks(g)["blocks"], "residuals": blocks(g)["blocks"]},
            "Not every block adds: input and output must have the same shape.",
        ),
        Mistake(
            lambda g: {"blocks": blocks(g)["blocks"], "residuals": unstrided()},
            "You count every block with stride 1. Two maps can be added only if they have the same "
            "number of channels, too.",
        ),
    ),
    hints=(
        '`lab.analyse(lab.trace("mobilenet_v2")).rows` has a row for each layer, with `.block` and '
        "`.op`.",
        'The name of a bottleneck has a dot in it, such as "stage3.1". A residual shows as a row '
        'whose `.op` is "add".',
    ),
    solution=lambda g: (
        f"The column n of Table 2 sums to {g.answer['blocks']}. Only the first block of a row "
        "changes the channels or the size of the map; the others add. That gives n − 1 in each row."
    ),
    outcome=1,
    minutes=4,
    difficulty=1,
    config=("mobilenet_v2",),
    source="Sandler et al. 2018, section 4 (text) and Table 2",
    remark=(
        "With the first and the last convolution it would be {said}; neither is a bottleneck. "
        "The authors' code has the blocks of the table."
    ),
)


# 5.2


def summed_layers(_: Given) -> Any:
    """The three convolutions over symbols, each by the formula of any convolution."""
    import sympy

    t, c, k, d = sympy.symbols("t c k d", positive=True)
    wide = t * c
    return (
        conv2d_macs(1, c, wide, 1, 1)
        + conv2d_macs(k, wide, wide, 1, 1, groups=wide)
        + conv2d_macs(1, wide, d, 1, 1)
    )


FORMULA = Exercise(
    id="5.2",
    title="The cost of one position",
    question=(
        "An inverted residual reads `c` channels, expands them `t` times, filters them with "
        "`k`×`k` depthwise kernels at stride 1, and projects to `d` channels. How many MACs does "
        "it take per position? Give a formula in `t`, `c`, `k`, `d`."
    ),
    kind=Expression(("t", "c", "k", "d")),
    unit="MACs per position",
    answer=summed_layers,
    mistakes=(
        Mistake(
            lambda g: "t*c*c + t*c*k**2*t*c + t*c*d",
            "Your middle convolution is a dense one. A depthwise kernel reads one channel only, "
            "its own.",
        ),
        Mistake(
            lambda g: "t*c*c + c*k**2 + t*c*d",
            "Your depthwise convolution has as many channels as the block's input. It runs where "
            "the block is wide.",
        ),
        Mistake(
            lambda g: "t*c*c + t*c*k**2 + c*d",
            "Your projection reads as many channels as the block. It reads what the depthwise "
            "convolution writes.",
        ),
        Mistake(
            lambda g: "t*c*(c + k**2)",
            "The projection is missing: a 1×1 convolution, too.",
        ),
        Mistake(
            lambda g: "t*c*(k**2 + d)",
            "The expansion is missing: the first 1×1 convolution, which makes the t·c channels.",
        ),
        Mistake(
            lambda g: "t*c*(c + k + d)",
            "A kernel of side k has k² weights.",
        ),
        Mistake(
            lambda g: "t*c*(c + 9 + d)",
            "Right for 3×3 kernels only; the formula should have k in it.",
        ),
        Mistake(
            lambda g: "2*t*c*(c + k**2 + d)",
            "Exactly twice: those are FLOPs, and the question asks for MACs.",
        ),
    ),
    hints=(
        "Three convolutions. Between them there are t·c channels.",
        "At one position a 1×1 convolution from a to b channels takes a·b MACs; a depthwise one on "
        "a channels takes k² for each of them.",
    ),
    solution=(
        "Expansion: c · tc. Depthwise: k² for each of the tc channels. Projection: tc · d. The sum "
        "has t·c in all three."
    ),
    outcome=2,
    minutes=5,
    difficulty=2,
    source="Sandler et al. 2018, section 3.3 and Table 1, for h·w positions",
    remark=(
        "The depthwise convolution's share is k² / (c + k² + d). In the tiny block above that is "
        "most of the work; with the channels of a real block the two 1×1 take most."
    ),
)


# 5.3


def inverted_residual(
    net: Net, x: Feature, c_out: int, t: int, kernel: int, stride: int, always: bool = False
) -> Feature:
    """MobileNetV2's block with any kernel; `always` expands where t is 1, too."""
    h = x
    if t != 1 or always:
        h = net.conv(h, x.channels * t, 1, act="relu6", name="expand")
    h = net.conv(h, h.channels, kernel, stride, groups=h.channels, act="relu6", name="depthwise")
    h = net.conv(h, c_out, 1, act=None, name="project")
    return net.add(x, h) if stride == 1 and x.channels == c_out else h


def traced_macs(h: int, w: int, c_in: int, c_out: int, t: int, kernel: int, stride: int) -> int:
    """Records the block layer by layer and sums the rows."""
    net = Net()
    x = net.input(c_in, (h, w))
    return analyse(net.trace(inverted_residual(net, x, c_out, t, kernel, stride))).total.macs


def block_cases(random: Random) -> Mapping[str, Any]:
    """A block with odd and even sides, with and without a stride and an expansion."""
    return {
        "h": random.randint(3, 15),
        "w": random.randint(3, 15),
        "c_in": random.randint(2, 9),
        "c_out": random.randint(2, 9),
        "t": random.choice((1, 1, 2, 3, 4, 6)),
        "kernel": random.choice((3, 3, 5)),
        "stride": random.choice((1, 2, 2)),
    }


def mutant(change: str) -> Any:
    """`inverted_residual_macs` with one error in it."""

    def inverted_residual_macs(
        h: int, w: int, c_in: int, c_out: int, t: int, kernel: int, stride: int
    ) -> int:
        before, after = h * w, -(-h // stride) * -(-w // stride)
        if change == "floor":
            after = (h // stride) * (w // stride)
        if change == "late":
            after = before
        wide = t * c_in
        expand = before * c_in * wide
        if change == "early":
            expand = after * c_in * wide
        if t == 1 and change != "t = 1":
            expand = 0
        depthwise = after * kernel**2 * wide * (wide if change == "dense" else 1)
        return expand + depthwise + after * (c_in if change == "thin" else wide) * c_out

    return inverted_residual_macs


MACS = Exercise(
    id="5.3",
    title="Write inverted_residual_macs",
    question=(
        "Write `inverted_residual_macs(h, w, c_in, c_out, t, kernel, stride)`: the MACs of a whole "
        "block on a map of `h`×`w`. The depthwise convolution takes the stride and is padded by "
        "`kernel // 2` (the kernels are odd), so it leaves ⌈h / stride⌉ × ⌈w / stride⌉ positions. "
        "With t = 1 there is no expansion convolution."
    ),
    kind=Function("inverted_residual_macs", block_cases, Integer()),
    unit="MACs",
    answer=lambda g: traced_macs,
    mistakes=(
        Mistake(
            lambda g: mutant("early"),
            "Right without a stride. The expansion comes *before* the stride: it runs at the "
            "positions of the input map.",
        ),
        Mistake(
            lambda g: mutant("late"),
            "Right without a stride. From the depthwise convolution on the map is smaller.",
        ),
        Mistake(
            lambda g: mutant("t = 1"),
            "Right except for t = 1: that block has no expansion convolution at all.",
        ),
        Mistake(
            lambda g: mutant("dense"),
            "You count the middle convolution as a dense one; it is depthwise.",
        ),
        Mistake(
            lambda g: mutant("thin"),
            "Your projection reads `c_in` channels; it reads the expanded ones, `t * c_in`.",
        ),
        Mistake(
            lambda g: mutant("floor"),
            "Right on even sides. A stride of 2 leaves 4 positions of 7, not 3: round up.",
        ),
    ),
    hints=(
        "Two numbers of positions: h · w before the stride, and ⌈h / stride⌉ · ⌈w / stride⌉ after "
        "it. In Python ⌈a / b⌉ is `-(-a // b)`.",
        "Expansion (if t ≠ 1): positions before × c_in × t·c_in. Depthwise and projection: "
        "positions after × t·c_in × (…).",
    ),
    solution=(
        "`before * c_in * t * c_in`, unless t is 1, plus `after * t * c_in * (kernel**2 + c_out)`."
    ),
    outcome=2,
    minutes=8,
    difficulty=3,
    remark="The checker recorded each block layer by layer, and your function agrees.",
)


# 5.4


@cache
def port(width: float, resolution: int) -> Analysis:
    """MobileNetV2 as several ports had it: with an expansion convolution in every block."""
    net = Net()
    x = net.input(3, resolution)
    x = net.conv(x, make_divisible(mobilenet_v2.STEM * width), 3, stride=2, name="stem")
    for number, row in enumerate(mobilenet_v2.TABLE_2, start=1):
        with net.stage(f"stage{number}"):
            for repeat in range(row.n):
                with net.block(str(repeat)):
                    stride = row.s if repeat == 0 else 1
                    c_out = make_divisible(row.c * width)
                    x = inverted_residual(net, x, c_out, row.t, 3, stride, always=True)
    x = mobilenet_v2.last_conv(net, x, width)
    return analyse(net.trace(classifier(net, x, 1000)))


def surplus(g: Given) -> dict[str, Any]:
    """The convolution that only the port has."""
    mine = {row.name for row in v2(g.width, g.resolution).rows}
    (row,) = (
        row
        for row in port(g.width, g.resolution).rows
        if row.op == "conv2d" and row.name not in mine
    )
    assert row.in_shape
    assert row.out_shape
    return {
        "block": row.block,
        "side": row.out_shape[-1],
        "c_in": row.in_shape[0],
        "c_out": row.out_shape[0],
    }


def difference(g: Given) -> int:
    """By how many MACs the port is above the network."""
    return port(g.width, g.resolution).total.macs - v2(g.width, g.resolution).total.macs


def channels(g: Given, row: int) -> int:
    """The channels that a row of Table 2 makes."""
    return make_divisible(mobilenet_v2.TABLE_2[row].c * g.width)


BLOCKS = tuple(
    f"stage{number}.{repeat}"
    for number, row in enumerate(mobilenet_v2.TABLE_2, start=1)
    for repeat in range(row.n)
)

SURPLUS = Exercise(
    id="5.4",
    title="One convolution too many",
    question=lambda g: (
        f"A port of MobileNetV2, at width {g.width:g} and {g.resolution}×{g.resolution} pixels, "
        f"takes {port(g.width, g.resolution).total.macs:,} MACs. The paper's network takes "
        f"{v2(g.width, g.resolution).total.macs:,}. The port has one convolution that should not "
        "be there; all its others are right. Which is it? Give `(block, side, c_in, c_out)`: the "
        'block\'s name, such as `"stage3.1"`, the side of the map on which it runs, and its '
        "channels. The four must explain the difference to the last MAC."
    ),
    kind=Values(
        {"block": Choice(BLOCKS), "side": Integer(), "c_in": Integer(), "c_out": Integer()}
    ),
    unit="",
    given={"width": 1.0, "resolution": 224},
    deal=lambda random: {
        "width": random.choice((0.35, 0.5, 0.75, 1.0, 1.3, 1.4)),
        "resolution": random.choice((96, 128, 160, 192, 224, 256)),
    },
    answer=surplus,
    mistakes=(
        Mistake(
            lambda g: surplus(g) | {"c_out": channels(g, 0)},
            lambda g: (
                f"The block is the right one. But its convolution to {channels(g, 0)} channels, "
                "the projection, belongs there; and it does not have as many MACs as the "
                "difference."
            ),
        ),
        Mistake(
            lambda g: {
                "block": "stage2.0",
                "side": surplus(g)["side"],
                "c_in": channels(g, 0),
                "c_out": 6 * channels(g, 0),
            },
            "That expansion belongs there: with t = 6 a block widens. For which t would a 1×1 "
            "convolution widen nothing?",
            lambda g, value: value["block"] == "stage2.0",
        ),
        Mistake(
            lambda g: surplus(g) | {"side": g.resolution},
            "The block is the right one; but the stem has already halved the image.",
        ),
        Mistake(
            lambda g: surplus(g) | {"side": surplus(g)["side"] ** 2},
            "The block is the right one; give the side of the map, not the number of positions.",
        ),
        Mistake(
            lambda g: surplus(g) | {"c_out": 6 * surplus(g)["c_in"]},
            "The block is the right one; but its expansion factor is not 6. Look at Table 2.",
        ),
        Mistake(
            lambda g: {"block": "stage3.0", "side": 28, "c_in": 24, "c_out": 144},
            "In that block every convolution that the port has belongs to the network. Which block "
            "of Table 2 has a t of its own?",
            lambda g, value: value["block"] != surplus(g)["block"],
        ),
    ),
    hints=(
        "Subtract. The surplus is side² × c_in × c_out of a 1×1 convolution.",
        "Which block of the network has one convolution less than the others? Why?",
        '`lab.summary("mobilenet_v2", level="block", columns="name,input,output")` has the sizes.',
    ),
    solution=lambda g: (
        f"The first block has t = 1: an expansion would make as many channels as there are, and "
        f"the network has none. The port has it: {surplus(g)['side']}² × {surplus(g)['c_in']} × "
        f"{surplus(g)['c_out']} = {difference(g):,} MACs, which is the difference."
    ),
    outcome=3,
    minutes=5,
    difficulty=3,
    config=("mobilenet_v2",),
    source=(
        "GluonCV had this convolution, 313.62 million MACs in all, until pull request 773 of "
        "dmlc/gluon-cv (2019) took it out"
    ),
    remark=(
        "Table 2 does not say it; the authors' code does. Several ports had this layer, and a "
        "count finds it."
    ),
)


# 5.5


def fits(g: Given, t: int) -> bool:
    """Whether the block, recorded layer by layer, stays within the MACs."""
    return bool(traced_macs(g.side, g.side, g.c_in, g.c_out, t, 3, g.stride) <= g.macs)


def largest_t(g: Given) -> int:
    """The largest t within the MACs, tried one after the other."""
    t = 2
    while fits(g, t + 1):
        t += 1
    return t


def bytes_held(g: Given, t: int, parts: int) -> int:
    """The block's input and output, and what one part makes before and after its depthwise."""
    channels, rest = divmod(t * g.c_in, parts)
    assert not rest
    after = -(-g.side // g.stride)
    held = [
        (g.c_in, g.side),
        (g.c_out, after),
        (channels, g.side),
        (channels, after),
    ]
    return int(sum(depth * side * side * FLOAT for depth, side in held))


def fewest_parts(g: Given, t: int, share: float = 1.0, more: int = 0) -> int:
    """The fewest equal parts in which the block fits; `share` and `more` bend the memory."""
    wide: int = t * g.c_in
    for parts in range(1, wide + 1):
        if wide % parts == 0 and share * bytes_held(g, t, parts) <= g.kib * KIB + more:
            return parts
    return wide


def design(g: Given) -> dict[str, int]:
    """t, then the parts."""
    return {"t": largest_t(g), "parts": fewest_parts(g, largest_t(g))}


def t_within(g: Given, macs_of_one: int) -> int:
    """The largest t if every unit of it takes so many MACs."""
    return int(g.macs // macs_of_one)


def positions(g: Given) -> tuple[int, int]:
    """Before and after the stride."""
    return g.side**2, (-(-g.side // g.stride)) ** 2


def unprojected_t(g: Given) -> int:
    """The largest t, if the projection were free."""
    before, after = positions(g)
    return t_within(g, before * g.c_in**2 + after * g.c_in * 9)


def uneven(g: Given) -> int:
    """The first number of parts from 2 that leaves a rest."""
    return next(parts for parts in range(2, 99) if largest_t(g) * g.c_in % parts)


def inner_only(g: Given) -> int:
    """The parts, if the block's input and output were free."""
    before, after = positions(g)
    ends = FLOAT * (before * g.c_in + after * g.c_out)
    return fewest_parts(g, largest_t(g), more=ends)


def expanded_only(g: Given) -> int:
    """The parts, if a part made one map only, the expanded one."""
    before, after = positions(g)
    ends = before * g.c_in + after * g.c_out
    wide = largest_t(g) * g.c_in
    return next(
        parts
        for parts in range(1, wide + 1)
        if wide % parts == 0 and FLOAT * (ends + wide // parts * before) <= g.kib * KIB
    )


def deal_design(random: Random) -> Mapping[str, Any]:
    """A block, and budgets that some t and some number of parts just keep."""
    numbers = {
        "side": random.choice((14, 20, 28, 40, 56)),
        "c_in": random.choice((24, 36, 40, 48, 60, 72)),
        "c_out": random.choice((24, 32, 40, 48, 64, 80)),
        "stride": 2,
    }
    t = random.randint(3, 9)
    side, c_in, c_out = numbers["side"], numbers["c_in"], numbers["c_out"]
    macs = traced_macs(side, side, c_in, c_out, t, 3, 2)
    spare = random.randint(1, 9) * macs // t // 10
    parts = random.choice([n for n in range(3, 16) if t * c_in % n == 0])
    held = bytes_held(Given(**numbers), t, parts)
    return numbers | {"macs": (macs + spare) // 10_000 * 10_000, "kib": -(-held // KIB)}


DESIGN = Exercise(
    id="5.5",
    title="Within two budgets",
    question=(
        "A block reads {c_in} channels of {side}×{side}, filters with 3×3 kernels at stride "
        "{stride}, and writes {c_out} channels. It may take {macs:,} MACs. What is the largest "
        "whole expansion factor t?\n\n"
        "Then memory, with this t. The t · {c_in} expanded channels need not exist at once: they "
        "can be computed in equal *parts*, one after the other; each part is expanded, filtered, "
        "projected, and added to the output. While a part runs, four maps are in memory, in "
        "float32: the block's whole input, its whole output, and the part's channels before and "
        "after the depthwise convolution. What is the smallest number of parts for which these "
        "take at most {kib} KiB (1 KiB = 2¹⁰ bytes)? Give `(t, parts)`."
    ),
    kind=Values({"t": Integer(), "parts": Integer()}),
    unit="",
    given={"side": 28, "c_in": 32, "c_out": 64, "stride": 2, "macs": 8_000_000, "kib": 380},
    deal=deal_design,
    answer=design,
    mistakes=(
        Mistake(
            lambda g: {
                "t": t_within(g, positions(g)[1] * g.c_in * (g.c_in + 9 + g.c_out)),
                "parts": design(g)["parts"],
            },
            "t is too large. You count all three convolutions at the positions of the output; the "
            "expansion runs before the stride.",
            lambda g, value: (
                value["t"] == t_within(g, positions(g)[1] * g.c_in * (g.c_in + 9 + g.c_out))
            ),
        ),
        Mistake(
            lambda g: {
                "t": t_within(g, positions(g)[0] * g.c_in * (g.c_in + 9 + g.c_out)),
                "parts": design(g)["parts"],
            },
            "t is too small. You count all three convolutions at the positions of the input; after "
            "the stride there are fewer.",
            lambda g, value: (
                value["t"] == t_within(g, positions(g)[0] * g.c_in * (g.c_in + 9 + g.c_out))
            ),
        ),
        Mistake(
            lambda g: {"t": unprojected_t(g), "parts": design(g)["parts"]},
            "t is too large. The projection costs, too, and the wider the block, the more.",
            lambda g, value: value["t"] == unprojected_t(g),
        ),
        Mistake(
            lambda g: {"t": largest_t(g) + 1, "parts": design(g)["parts"]},
            lambda g: (
                f"t = {largest_t(g) + 1} takes "
                f"{traced_macs(g.side, g.side, g.c_in, g.c_out, largest_t(g) + 1, 3, g.stride):,} "
                "MACs, more than the budget: round down."
            ),
            lambda g, value: value["t"] == largest_t(g) + 1,
        ),
        Mistake(
            lambda g: design(g) | {"parts": fewest_parts(g, largest_t(g), share=1 / FLOAT)},
            "t is right. For the parts you count elements, not bytes: a float32 has 4.",
        ),
        Mistake(
            lambda g: design(g) | {"parts": inner_only(g)},
            "t is right. For the parts: the whole input and the whole output of the block are in "
            "memory, too.",
        ),
        Mistake(
            lambda g: design(g) | {"parts": expanded_only(g)},
            "t is right. For the parts: while the depthwise convolution runs, what it reads and "
            "what it writes are both there.",
        ),
        Mistake(
            lambda g: design(g) | {"parts": uneven(g)},
            lambda g: (
                f"t is right. But {largest_t(g) * g.c_in} channels cannot be shared out to so many "
                "equal parts."
            ),
            lambda g, value: (
                value["t"] == largest_t(g)
                and (value["parts"] < 1 or largest_t(g) * g.c_in % value["parts"] > 0)
            ),
        ),
    ),
    hints=(
        "Each step of t adds the same number of MACs: {side}² · {c_in} · {c_in} for the expansion, "
        "and after the stride {c_in} · (9 + {c_out}) at each position.",
        "Subtract the bytes of the input and the output from {kib} KiB. What is left, divided by "
        "the bytes that one expanded channel takes before and after the stride, is how many "
        "channels a part can have.",
        "Which numbers divide t · {c_in} without a rest, and make parts that small?",
    ),
    solution=lambda g: (
        f"One step of t takes {positions(g)[0]} · {g.c_in} · {g.c_in} + {positions(g)[1]} · "
        f"{g.c_in} · (9 + {g.c_out}) MACs, which fits {largest_t(g)} times. The {largest_t(g)} · "
        f"{g.c_in} = {largest_t(g) * g.c_in} channels in {fewest_parts(g, largest_t(g))} parts "
        f"take {bytes_held(g, largest_t(g), fewest_parts(g, largest_t(g))):,} of "
        f"{g.kib * KIB:,} bytes; in fewer parts they do not fit."
    ),
    outcome=3,
    minutes=8,
    difficulty=4,
    config=("mobilenet_v2",),
    source="The splitting: Sandler et al. 2018, section 5.1",
    remark=lambda g: (
        f"In one part it would be {bytes_held(g, largest_t(g), 1) // KIB} KiB. The MACs are the "
        "same. ResNet's bottleneck cannot do this: its wide maps are its input and its output."
    ),
)


def block_macs(network: str, block: str) -> int:
    """The MACs of one block."""
    return sum(row.macs for row in analyse(trace(network)).rows if row.block == block)


LESSON = Lesson(
    number="5",
    title="The inverted residual against ResNet's bottleneck",
    minutes=44,
    prerequisites=("lessons 2 and 4", "SymPy installed"),
    outcomes=(
        "count a network's blocks and residuals in its trace, and settle what a paper says of them",
        "derive the MACs of an inverted residual and write them as a function",
        "design a block within budgets of work and memory, and explain a measured discrepancy to "
        "the last MAC",
    ),
    question="Why is MobileNetV2's block wide in its middle and thin at its ends?",
    predictions=(
        Prediction(
            id="5.a",
            question=(
                "The second block at 56×56 of MobileNetV2 goes 24 → 144 → 24 channels, that of "
                "ResNet-50 256 → 64 → 256. How many times the MACs of the first does the second "
                "take?"
            ),
            kind=Number(),
            unit="times",
            answer=lambda: (
                block_macs("resnet50", "stage2.1") / block_macs("mobilenet_v2", "stage2.1")
            ),
            remark="Although MobileNetV2's is more than twice as wide where it filters.",
        ),
        Prediction(
            id="5.b",
            question=(
                "Run layer by layer, one image of 224×224 in float32: ResNet-50 has more than "
                "seven times the parameters of MobileNetV2. How many times its peak of live "
                "activations does it need?"
            ),
            kind=Number(),
            unit="times",
            answer=lambda: analyse(trace("resnet50")).total.live / v2().total.live,
            remark=(
                "The same to the byte: two expanded maps at 112×112 are as large as three wide "
                "maps at 56×56. But MobileNetV2 can make its expanded maps in parts."
            ),
        ),
    ),
    exercises=(COUNT, FORMULA, MACS, SURPLUS, DESIGN),
    misconceptions=(
        "The depthwise convolution does most of the work since it runs where the block is wide: "
        "with real numbers of channels the two 1×1 convolutions take most MACs.",
        "Every block has a residual: only those do whose input and output have the same shape.",
        "The stride acts on the whole block: the expansion runs before it, on the large map.",
        "Few parameters mean little memory: activations decide, and the expanded map is large.",
    ),
    discussion=(
        "Text and table of one paper disagree about the number of blocks, and neither mentions the "
        "missing expansion. Which of your own project's numbers could a reader check?"
    ),
)

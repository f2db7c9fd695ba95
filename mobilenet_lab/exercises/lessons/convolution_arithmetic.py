"""Lesson 1: sizes, parameters, MACs and memory of convolutions, on AlexNet and VGG-16."""

from collections.abc import Mapping
from functools import cache
from math import isqrt
from random import Random
from typing import Any

from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.architectures.alexnet import SECTION_3_5
from mobilenet_lab.exercises.kinds import Function, Integer, Number, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.formulas import conv2d_macs, conv2d_params, output_size
from mobilenet_lab.registry import trace

PRINTED_INPUT = 224
"""The side of AlexNet's input images, as its section 3.5 prints it."""
FIRST = SECTION_3_5[0]
"""AlexNet's first convolution."""
MIB = 2**20


@cache
def vgg(resolution: int = 224) -> Analysis:
    """VGG-16 at a resolution, in float32."""
    return analyse(trace("vgg16", resolution=resolution))


@cache
def alexnet() -> Analysis:
    """AlexNet as its paper has it, in two halves."""
    return analyse(trace("alexnet"))


def share(of: str, *ops: str, first: int | None = None) -> float:
    """The share of AlexNet's `of` (params, macs) in its first layers of these operations."""
    rows = [row for row in alexnet().rows if row.op in ops][:first]
    return float(sum(getattr(row, of) for row in rows) / getattr(alexnet().total, of))


def smallest_input(g: Given) -> int:
    """The smallest side that gives `outputs` positions without padding."""
    side = 1
    while output_size(side, g.kernel, g.stride) < g.outputs:
        side += 1
    return side


OUTPUT_SIZE = Exercise(
    id="1.1",
    title="Does 224 fit?",
    question=(
        "{layer} has {kernel}×{kernel} kernels and moves by {stride} pixels; there is no padding, "
        "and only windows that lie within the image count. Its output has {outputs}×{outputs} "
        "positions. What is the smallest side of an input image that gives so many?"
    ),
    kind=Integer(),
    unit="pixels",
    given={
        "layer": "AlexNet's first convolution",
        "kernel": FIRST.k,
        "stride": FIRST.s,
        "outputs": 55,
    },
    deal=lambda random: {
        "layer": "A convolution",
        "kernel": random.choice((5, 7, 9, 11)),
        "stride": random.choice((2, 3, 4)),
        "outputs": random.randint(20, 80),
    },
    answer=smallest_input,
    mistakes=(
        Mistake(
            lambda g: g.outputs * g.stride,
            "That is outputs × stride. The windows start every {stride} pixels, and the last one "
            "still has to fit: it reaches {kernel} pixels, not {stride}.",
        ),
        Mistake(
            lambda g: g.outputs * g.stride + g.kernel,
            "One stride too many: the first window starts at 0, so the last of {outputs} starts "
            "after one step less than {outputs}.",
        ),
        Mistake(
            lambda g: (g.outputs - 1) * g.stride + 1,
            "That is where the last window starts, counted from 1. It reaches {kernel} pixels.",
        ),
        Mistake(
            lambda g: smallest_input(g) + 1,
            "That side gives {outputs} positions, but so does a smaller one, which leaves no pixel "
            "over behind the last window.",
            lambda g, v: output_size(v, g.kernel, g.stride) == g.outputs,
        ),
        Mistake(
            lambda g: PRINTED_INPUT,
            lambda g: (
                f"{PRINTED_INPUT} is what the paper prints. Put it into the formula: it gives "
                f"{output_size(PRINTED_INPUT, g.kernel, g.stride)} positions, not {g.outputs}."
            ),
        ),
    ),
    hints=(
        "Where does the last of the {outputs} windows start, if the first one starts at 0?",
        "And which is the last pixel that it covers?",
    ),
    solution=(
        "The first window starts at 0 and the last one ({outputs} − 1) × {stride} pixels later; it "
        "covers {kernel} pixels: ({outputs} − 1) × {stride} + {kernel}."
    ),
    outcome=1,
    minutes=4,
    difficulty=1,
    config=("alexnet",),
    source="Krizhevsky et al. 2012, section 3.5 and Figure 2",
    remark=(
        f"AlexNet's paper prints {PRINTED_INPUT}, into which only "
        f"{output_size(PRINTED_INPUT, FIRST.k, FIRST.s)} windows fit. A misprint? Its author's "
        "program, cuda-convnet, rounds up and lets the last window hang over the edge: then "
        f"{PRINTED_INPUT} gives {output_size(PRINTED_INPUT, FIRST.k, FIRST.s, ceil_mode=True)}, "
        "too. Most libraries round down."
    ),
)


def counts(g: Given) -> dict[str, int]:
    """Parameters, MACs and FLOPs of a convolution with bias."""
    macs = conv2d_macs(g.kernel, g.c_in, g.c_out, g.size, g.size)
    params = conv2d_params(g.kernel, g.c_in, g.c_out, bias=True)
    return {"params": params, "macs": macs, "flops": 2 * macs}


ONE_CONVOLUTION = Exercise(
    id="1.2",
    title="One convolution, three numbers",
    question=(
        "A {kernel}×{kernel} convolution with bias takes {c_in} channels to {c_out}; its output "
        "map is {size}×{size}. Give `(params, macs, flops)`, where FLOPs are 2 × MACs and adding "
        "the bias is not a MAC."
    ),
    kind=Values({"params": Integer(), "macs": Integer(), "flops": Integer()}),
    unit="",
    given={"kernel": 3, "c_in": 128, "c_out": 256, "size": 56},
    deal=lambda random: {
        "kernel": random.choice((3, 5, 7)),
        "c_in": random.randrange(16, 200, 8),
        "c_out": random.randrange(16, 200, 8),
        "size": random.randint(7, 60),
    },
    answer=counts,
    mistakes=(
        Mistake(
            lambda g: counts(g) | {"params": conv2d_params(g.kernel, g.c_in, g.c_out)},
            "MACs and FLOPs are right; parameters lack the biases, one for each output channel.",
        ),
        Mistake(
            lambda g: (
                counts(g) | {"params": conv2d_params(g.kernel, g.c_in, g.c_out) + int(g.c_in)}
            ),
            "MACs and FLOPs are right. There is one bias for each *output* channel.",
        ),
        Mistake(
            lambda g: counts(g) | {"flops": counts(g)["macs"]},
            "You give MACs twice. One MAC is a multiplication and an addition: two FLOPs.",
        ),
        Mistake(
            lambda g: {
                "params": counts(g)["params"],
                "macs": conv2d_params(g.kernel, g.c_in, g.c_out),
                "flops": 2 * conv2d_params(g.kernel, g.c_in, g.c_out),
            },
            "You count the work at one position. Each weight is used once at every position of the "
            "output map.",
        ),
        Mistake(
            lambda g: counts(g) | {name: counts(g)[name] // g.size for name in ("macs", "flops")},
            "The parameters are right. The output map has {size} × {size} positions, not {size}.",
        ),
        Mistake(
            lambda g: {
                "params": counts(g)["params"],
                "macs": counts(g)["params"] * g.size**2,
                "flops": 2 * counts(g)["params"] * g.size**2,
            },
            "You count the biases as MACs; adding a bias multiplies nothing.",
        ),
    ),
    hints=(
        "One output value is a sum over a window: how many products has it?",
        "There are as many such sums as output values: channels × height × width.",
    ),
    solution=lambda g: (
        f"Weights: {g.kernel}² × {g.c_in} × {g.c_out} = "
        f"{conv2d_params(g.kernel, g.c_in, g.c_out):,}, and {g.c_out} biases. Each weight works at "
        f"{g.size}² = {g.size**2:,} positions, which gives the MACs; FLOPs are twice these."
    ),
    outcome=1,
    minutes=5,
    difficulty=1,
    config=("vgg16",),
)

WHERE = Exercise(
    id="1.3",
    title="Where the parameters are, and where the work is",
    question=(
        "The picture above is VGG-16's. Now AlexNet: which share of its parameters is in its three "
        "fully connected layers, and which share of its MACs is in its convolutions? Give "
        "`(params, macs)` as fractions between 0 and 1, to three digits."
    ),
    kind=Values({"params": Number(), "macs": Number()}),
    unit="",
    answer=lambda g: {"params": share("params", "linear"), "macs": share("macs", "conv2d")},
    mistakes=(
        Mistake(
            lambda g: {"params": share("params", "conv2d"), "macs": share("macs", "linear")},
            "Both the other way round: the question asks for the fully connected layers' "
            "parameters and the convolutions' MACs.",
        ),
        Mistake(
            lambda g: {"params": share("params", "linear"), "macs": share("macs", "linear")},
            "The parameters are right; but those MACs are the fully connected layers'.",
        ),
        Mistake(
            lambda g: {
                "params": share("params", "linear", first=1),
                "macs": share("macs", "conv2d"),
            },
            "The MACs are right. You have the first fully connected layer, which is the largest; "
            "there are two more.",
        ),
        Mistake(
            lambda g: {
                "params": sum(r.params for r in vgg().rows if r.op == "linear")
                / vgg().total.params,
                "macs": sum(r.macs for r in vgg().rows if r.op == "conv2d") / vgg().total.macs,
            },
            "That is VGG-16; the question is about AlexNet.",
        ),
    ),
    hints=(
        "`alexnet.rows` has one row for each layer, with `.op`, `.params` and `.macs`; "
        "`alexnet.total` has the sums.",
        'The operations that count are `"conv2d"` and `"linear"`.',
    ),
    solution=(
        "The first fully connected layer reads the whole last map, 256 × 6 × 6 values, into 4096 "
        "features and uses each weight once; a weight of a convolution is used at every position "
        "of its map, in the first layer at 55² of them."
    ),
    outcome=2,
    minutes=6,
    difficulty=2,
    config=("alexnet",),
    source="Krizhevsky et al. 2012, section 3.5",
    remark="Parameters sit where maps are small; work is done where they are large.",
)


def slow_conv_macs(
    kernel: int, c_in: int, c_out: int, size: int, stride: int, padding: int, groups: int
) -> int:
    """Counts the products of one convolution, output value by output value."""
    macs = 0
    for _row in range(-padding, size + padding - kernel + 1, stride):
        for _column in range(-padding, size + padding - kernel + 1, stride):
            for _channel in range(c_out):
                macs += kernel * kernel * (c_in // groups)
    return macs


def conv_cases(random: Random) -> Mapping[str, Any]:
    """A convolution that can be computed, of any stride, padding and groups."""
    groups, kernel = random.choice((1, 1, 2, 3, 4)), random.choice((1, 2, 3, 5))
    return {
        "kernel": kernel,
        "c_in": groups * random.randint(1, 4),
        "c_out": groups * random.randint(1, 4),
        "size": random.randint(kernel, 15),
        "stride": random.randint(1, 3),
        "padding": random.randint(0, kernel // 2),
        "groups": groups,
    }


def mutant(change: str) -> Any:
    """`conv_macs` with one error in it."""

    def conv_macs(
        kernel: int, c_in: int, c_out: int, size: int, stride: int, padding: int, groups: int
    ) -> int:
        out = {
            "input": size,
            "ceil": -(-(size + 2 * padding - kernel) // stride) + 1,
            "one side": (size + padding - kernel) // stride + 1,
            "one less": (size + 2 * padding - kernel) // stride,
        }.get(change, (size + 2 * padding - kernel) // stride + 1)
        macs = kernel**2 * c_in * c_out * out**2
        macs //= {"groups": 1, "groups twice": groups**2}.get(change, groups)
        return macs * (2 if change == "flops" else 1) + (c_out * out**2 if change == "bias" else 0)

    return conv_macs


CONV_MACS = Exercise(
    id="1.4",
    title="Write conv_macs",
    question=(
        "Write `conv_macs(kernel, c_in, c_out, size, stride, padding, groups)`: the MACs of a "
        "convolution with square kernels on a square map of side `size`. In `groups` groups, each "
        "kernel sees `c_in / groups` channels only."
    ),
    kind=Function("conv_macs", conv_cases, Integer()),
    unit="MACs",
    answer=lambda g: slow_conv_macs,
    mistakes=(
        Mistake(
            lambda g: mutant("groups"),
            "Right without groups. With groups, a kernel reads `c_in / groups` channels.",
        ),
        Mistake(
            lambda g: mutant("groups twice"),
            "You divide by the groups twice. Each kernel reads fewer channels, but there are still "
            "`c_out` kernels.",
        ),
        Mistake(
            lambda g: mutant("input"),
            "You multiply by the positions of the input map. Work is done once per position of the "
            "*output* map; with a stride that is fewer.",
        ),
        Mistake(
            lambda g: mutant("ceil"),
            "You round the output size up. A window that does not fit any more is not computed: "
            "round down (`//`).",
        ),
        Mistake(
            lambda g: mutant("one less"),
            "One position too few along each side: the first window takes no step, so add 1.",
        ),
        Mistake(
            lambda g: mutant("one side"),
            "The padding is added on both sides: size + 2 × padding.",
        ),
        Mistake(
            lambda g: mutant("bias"),
            "You count one more operation for each output value: the bias, which is no MAC.",
        ),
        Mistake(
            lambda g: mutant("flops"),
            "Exactly twice: those are FLOPs, and the question asks for MACs.",
        ),
    ),
    hints=(
        "First the side of the output map: `(size + 2 * padding - kernel) // stride + 1`.",
        "Then: weights of one kernel × kernels × positions.",
    ),
    solution=(
        "Output side `(size + 2 * padding - kernel) // stride + 1`; its square, times `c_out` "
        "kernels, times `kernel² · c_in / groups` products in each."
    ),
    outcome=1,
    minutes=8,
    difficulty=3,
    remark="The checker counted output value by output value, and your formula agrees.",
)

SIDES = range(32, 513, 32)


def largest_side(g: Given) -> int:
    """The largest side whose peak of live activations fits."""
    return max(side for side in SIDES if vgg(side).total.live <= g.mib * MIB)


def fits(g: Given, channels: int, size: int = 4) -> int:
    """The largest side for so many channels of full resolution, in elements of `size` bytes."""
    return max(s for s in range(32, 2049, 32) if channels * s * s * size <= g.mib * MIB)


MEMORY = Exercise(
    id="1.5",
    title="Within a memory budget",
    question=(
        "A camera has {mib} MiB for activations (1 MiB = 2²⁰ bytes). VGG-16 runs on it layer by "
        "layer in float32; while a layer runs, what it reads and what it writes must both be in "
        "memory. What is the largest square input it can take, if the side is a multiple of 32?"
    ),
    kind=Integer(),
    unit="pixels",
    given={"mib": 16},
    deal=lambda random: {"mib": random.randint(3, 120)},
    answer=largest_side,
    mistakes=(
        Mistake(
            lambda g: isqrt(g.mib * MIB // (4 * 2 * 64)) | 1,
            "The side must be a multiple of 32.",
            lambda g, v: v % 32 != 0,
        ),
        Mistake(
            lambda g: fits(g, 64),
            "You count one large map. The second convolution reads one of 64 channels and writes "
            "another: both must be there.",
            lambda g, v: v in (fits(g, 64), fits(g, 3 + 64)),
        ),
        Mistake(
            lambda g: fits(g, 2 * 64, size=1),
            "You count elements, not bytes: a float32 has 4 bytes.",
        ),
        Mistake(
            lambda g: max(
                (s for s in SIDES if 4 * vgg(s).total.activations <= g.mib * MIB),
                default=0,
            ),
            "You add up the activations of all layers. They are not needed at once: what no later "
            "layer reads can be forgotten.",
        ),
    ),
    hints=(
        "Which two neighbouring maps are the largest together?",
        'Both have 64 channels at full resolution. `lab.summary("vgg16", columns="name,live")` '
        "shows what is live, layer by layer.",
    ),
    solution=(
        "The second convolution reads 64 maps of full resolution and writes 64: 2 × 64 × side² × 4 "
        "bytes, more than any other layer. {answer} is the largest multiple of 32 for which that "
        "stays within {mib} MiB."
    ),
    outcome=3,
    minutes=7,
    difficulty=4,
    config=("vgg16",),
    remark="The first layers, which have hardly any parameters, decide how large an image fits.",
)

LESSON = Lesson(
    number="1",
    title="Convolution arithmetic",
    minutes=40,
    prerequisites=("what a convolution does", "a little Python"),
    outcomes=(
        "compute the output size, parameters, MACs and FLOPs of any convolution",
        "locate where a network keeps its parameters and where it does its work",
        "design an input size that fits a memory budget",
    ),
    question="What does a convolution cost, and which number is that cost?",
    predictions=(
        Prediction(
            id="1.a",
            question="How many parameters does VGG-16 have? Guess, to one digit.",
            kind=Integer(),
            unit="parameters",
            answer=lambda: vgg().total.params,
            remark="Most of them are in one layer that does less than one percent of the work.",
        ),
        Prediction(
            id="1.b",
            question="And how many MACs does it take for one image of 224×224?",
            kind=Integer(),
            unit="MACs",
            answer=lambda: vgg().total.macs,
            remark="Lesson 3 has a network that takes less than a twentieth of these.",
        ),
    ),
    exercises=(OUTPUT_SIZE, ONE_CONVOLUTION, WHERE, CONV_MACS, MEMORY),
    misconceptions=(
        "MACs and FLOPs are the same: one MAC is two FLOPs, and many papers print MACs as FLOPs.",
        "A layer with many parameters is slow: VGG-16's first fully connected layer has most of "
        "the parameters and hardly any of the MACs.",
        "Work is counted on the input map: it is done once for each position of the output map.",
    ),
    discussion=(
        "AlexNet's paper prints 224, and maps that 224 gives only if the last window may hang over "
        "the edge. Who would have noticed, and how would you check a paper's sizes before you "
        "build on it?"
    ),
)

"""Lesson 2: standard, grouped and depthwise-separable convolutions, and two printed examples."""

from collections.abc import Callable
from functools import cache
from math import ceil, gcd
from random import Random
from typing import Any

from mobilenet_lab.analysis import analyse
from mobilenet_lab.exercises.kinds import Expression, Integer, Number, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.formulas import conv2d_macs, output_size, separable_macs
from mobilenet_lab.net import Net

CIRCULATES = "a comparison that circulates in teaching material"
PRINTED_STANDARD = 81
"""Times cd: the printed cost of a standard 3x3 convolution. Source: CIRCULATES."""
PRINTED_DEPTHWISE = 9
"""Times c, and cd more: the printed cost of its replacement. Source: CIRCULATES."""
PRINTED_EXAMPLE = "a worked example of grouped convolution that circulates in teaching material"
PRINTED_PARAMS = 726
"""Source: PRINTED_EXAMPLE."""
PRINTED_OPERATIONS = 2_205_225
"""Source: PRINTED_EXAMPLE."""


@cache
def work(kernel: int, c: int, d: int, positions: int = 1) -> dict[str, int]:
    """MACs over positions x positions outputs, read off a trace of the layers."""
    net = Net()
    x = net.input(c, positions)
    net.conv2d(x, d, kernel, padding="same", name="standard")
    with net.stage("separable"):
        h = net.conv2d(x, c, kernel, padding="same", groups=c, name="depthwise")
        net.conv2d(h, d, 1, name="pointwise")
    return {row.name: row.macs for row in analyse(net.trace()).by("stage")}


def symbols(names: str) -> tuple[Any, ...]:
    """Positive SymPy symbols."""
    import sympy

    found = sympy.symbols(names, positive=True)
    return found if isinstance(found, tuple) else (found,)


def derived(g: Given) -> dict[str, Any]:
    """Both costs over n x n positions, from the lab's formulas on symbols."""
    k, c, d, n = symbols("k c d n")
    return {
        "standard": conv2d_macs(kernel=k, c_in=c, c_out=d, h_out=n, w_out=n),
        "separable": separable_macs(kernel=k, c_in=c, c_out=d, h_out=n, w_out=n),
    }


IN_SYMBOLS = Expression(("k", "c", "d", "n"))

DERIVE = Exercise(
    id="2.1",
    title="Both costs in symbols",
    question=(
        "A k×k convolution takes c channels to d; its output has n×n positions. Give the MACs of "
        "the standard convolution, and of the depthwise-separable one: a depthwise k×k on the c "
        "channels, then a pointwise 1×1 from c to d. Give `(standard, separable)` in k, c, d, n."
    ),
    kind=Values({"standard": IN_SYMBOLS, "separable": IN_SYMBOLS}),
    unit="",
    answer=derived,
    mistakes=(
        Mistake(
            lambda g: derived(g) | {"separable": "k**2*c*n**2 * c*d*n**2"},
            "The standard one is right. Depthwise and pointwise run one after the other: their "
            "costs are added, not multiplied.",
        ),
        Mistake(
            lambda g: derived(g) | {"separable": "k**2*c*c*n**2 + c*d*n**2"},
            "The standard one is right. In a depthwise convolution a kernel reads one channel "
            "only, not all c of them.",
        ),
        Mistake(
            lambda g: derived(g) | {"separable": "k**2*d*n**2 + c*d*n**2"},
            "The standard one is right. The depthwise step comes first: it works on the c channels "
            "that go in, not on the d that come out.",
        ),
        Mistake(
            lambda g: {"standard": "81*c*d", "separable": "9*c + c*d"},
            "Those hold for 3×3 kernels and some number of positions. Keep the letters k and n.",
        ),
        Mistake(
            lambda g: {"standard": "k**2*c*d", "separable": "k**2*c + c*d"},
            "Those are the weights, or the MACs at one position. There are n×n positions.",
        ),
        Mistake(
            lambda g: {"standard": "k**2*c*d*n", "separable": "k**2*c*n + c*d*n"},
            "The output has n×n positions, not n.",
        ),
        Mistake(
            lambda g: derived(g) | {"separable": "k**2*c*n**2 + c*d"},
            "The standard one is right. The pointwise convolution, too, works at every position.",
        ),
        Mistake(
            lambda g: derived(g) | {"separable": "k**2*c*n**2 + k**2*c*d*n**2"},
            "The standard one is right. The kernels of the pointwise convolution are 1×1.",
        ),
        Mistake(
            lambda g: derived(g) | {"separable": "k**2*c*n**2"},
            "The standard one is right. Of the other you have the depthwise step only; what makes "
            "d channels of the c?",
        ),
    ),
    hints=(
        "Take the weights by the formula for groups: once with g = 1, once with g = c and as many "
        "outputs as inputs, once with a 1×1 kernel.",
        "Every weight is used once at each of the n×n positions; the two steps are added.",
    ),
    solution=(
        "Standard: k²·c·d weights. Depthwise (g = c): k²·(c/c)·c = k²·c. Pointwise (k = 1): c·d. "
        "Each is used at n² positions."
    ),
    outcome=1,
    minutes=6,
    difficulty=2,
)


def compared(g: Given) -> dict[str, Any]:
    """Positions that each printed count stands for, and both ratios, from traced layers."""
    at_one = work(3, g.c, g.d)
    standard = PRINTED_STANDARD * g.c * g.d
    separable = PRINTED_DEPTHWISE * g.c + g.c * g.d
    return {
        "standard_positions": standard // at_one["standard"],
        "separable_positions": separable // at_one["separable"],
        "printed_ratio": standard / separable,
        "fair_ratio": at_one["standard"] / at_one["separable"],
    }


COMPARE = Exercise(
    id="2.2",
    title="What is compared with what?",
    question=(
        "In print: over a 3×3 map (padded, so that the output is 3×3, too)\n\n"
        "- a 3×3 convolution of c to d channels takes 3×3×c×d×3×3 = 81cd MACs,\n"
        "- its depthwise-separable replacement takes 9c + cd.\n\n"
        "At how many output positions does each of the two work? And at c = {c}, d = {d}, what is "
        "standard / separable: as printed, and when both work at equally many positions? Give "
        "`(standard_positions, separable_positions, printed_ratio, fair_ratio)`, the ratios to "
        "three digits."
    ),
    kind=Values(
        {
            "standard_positions": Integer(),
            "separable_positions": Integer(),
            "printed_ratio": Number(5e-3),
            "fair_ratio": Number(5e-3),
        }
    ),
    unit="",
    given={"c": 32, "d": 64},
    deal=lambda random: {
        "c": random.choice((12, 36, 60, 100)),
        "d": random.choice((16, 24, 32, 40, 48, 56, 72, 80, 96, 112, 128, 144, 160)),
    },
    answer=compared,
    mistakes=(
        Mistake(
            lambda g: (
                compared(g) | {"separable_positions": 9, "fair_ratio": compared(g)["printed_ratio"]}
            ),
            "Is it 9 for both? Put n = 3 and k = 3 into your second formula of 2.1 and compare "
            "with what is printed.",
            lambda g, v: v["standard_positions"] == v["separable_positions"] == 9,
        ),
        Mistake(
            lambda g: compared(g) | {"standard_positions": 3},
            "3×3 positions are not three positions.",
            lambda g, v: 3 in (v["standard_positions"], v["separable_positions"]),
        ),
        Mistake(
            lambda g: compared(g) | {"standard_positions": 81},
            "81 is 9 weights of a kernel at each of the positions. How many positions are that?",
            lambda g, v: v["standard_positions"] == 81,
        ),
        Mistake(
            lambda g: compared(g) | {"standard_positions": 1, "separable_positions": 9},
            "The other way round: which of the two has a factor that your formula does not have at "
            "one position?",
            lambda g, v: (v["standard_positions"], v["separable_positions"]) == (1, 9),
        ),
        Mistake(
            lambda g: (
                compared(g)
                | {name: 1 / compared(g)[name] for name in ("printed_ratio", "fair_ratio")}
            ),
            "The positions are right, the ratios are upside down: standard / separable.",
        ),
        Mistake(
            lambda g: (
                compared(g)
                | {
                    "printed_ratio": PRINTED_STANDARD * g.c / (PRINTED_DEPTHWISE + g.c),
                    "fair_ratio": compared(Given(c=g.d, d=g.c))["fair_ratio"],
                }
            ),
            "The positions are right. In both ratios c and d have changed places: c = {c} channels "
            "go in, d = {d} come out.",
        ),
        Mistake(
            lambda g: compared(g) | {"fair_ratio": compared(g)["printed_ratio"]},
            "You give the printed ratio twice. In the fair one, both work at equally many "
            "positions.",
        ),
        Mistake(
            lambda g: (
                compared(g) | {"fair_ratio": PRINTED_STANDARD * g.d / (PRINTED_STANDARD + g.d)}
            ),
            "Only the depthwise part of your fair ratio works at all nine positions; the pointwise "
            "part has to, as well.",
        ),
        Mistake(
            lambda g: compared(g) | {"fair_ratio": 9},
            "9 would be the limit for very many output channels. Here the pointwise part is not "
            "all of the cost.",
        ),
    ),
    hints=(
        "Put k = 3 into your formulas of 2.1. For which n does the first give 81cd, and for which "
        "n does the second give 9c + cd?",
        "Then put the same n into both, and divide: n drops out.",
    ),
    solution=lambda g: (
        f"k²·c·d·n² is 81cd at n = 3: nine positions. (k²·c + c·d)·n² is 9c + cd at n = 1: one. As "
        f"printed, {PRINTED_STANDARD * g.c * g.d:,} / {PRINTED_DEPTHWISE * g.c + g.c * g.d:,}; "
        f"fairly, at one position, {work(3, g.c, g.d)['standard']:,} / "
        f"{work(3, g.c, g.d)['separable']:,}."
    ),
    outcome=2,
    minutes=6,
    difficulty=2,
    source=CIRCULATES,
    remark=(
        "Each of the two numbers is right for what it counts, and the conclusion that separable "
        "convolutions are far cheaper stands. The factor between them does not: it is nine times "
        "too large."
    ),
)

IN_CHANNELS = Expression(("c", "d"))


def repaired(g: Given) -> dict[str, Any]:
    """Both repairs and the fraction, from the lab's formulas on symbols."""
    import sympy

    k, c, d = symbols("k c d")
    standard, separable = conv2d_macs(k, c, d, 1, 1), separable_macs(k, c, d, 1, 1)
    return {
        "standard": conv2d_macs(3, c, d, 1, 1),
        "separable": separable_macs(3, c, d, 3, 3),
        "fraction": sympy.expand(separable / standard),
    }


REPAIR = Exercise(
    id="2.3",
    title="Repair it in two ways",
    question=(
        "Repair the comparison. If 9c + cd stays, which cost of the standard convolution belongs "
        "beside it? If 81cd stays, which cost of the separable one? And which fraction of the "
        "standard convolution's MACs does the separable one take, for any k×k kernel? Give "
        "`(standard, separable, fraction)`: the first two for 3×3 kernels, in c and d; the "
        "fraction in as few of k, c and d as you can."
    ),
    kind=Values(
        {
            "standard": IN_CHANNELS,
            "separable": IN_CHANNELS,
            "fraction": Expression(("k", "c", "d")),
        }
    ),
    unit="",
    answer=repaired,
    mistakes=(
        Mistake(
            lambda g: repaired(g) | {"standard": "81*c*d", "separable": "9*c + c*d"},
            "Those are the two printed ones again. What belongs *beside* each of them?",
        ),
        Mistake(
            lambda g: repaired(g) | {"separable": "81*c + c*d"},
            "Standard and fraction are right. Over nine positions the pointwise part, too, works "
            "nine times.",
        ),
        Mistake(
            lambda g: repaired(g) | {"fraction": 1 / repaired(g)["fraction"]},
            "The two repairs are right. The fraction is upside down: it must be below 1.",
        ),
        Mistake(
            lambda g: repaired(g) | {"fraction": "1/c + 1/k**2"},
            "The two repairs are right. Divide again: (k²·c + c·d) / (k²·c·d). Which letter is "
            "left under the first 1?",
        ),
        Mistake(
            lambda g: repaired(g) | {"fraction": "(9 + d)/(9*d)"},
            "All right for 3×3 kernels. The question asks for any k×k.",
        ),
        Mistake(
            lambda g: repaired(g) | {"fraction": "1/d + 1/k"},
            "The two repairs are right. A k×k kernel has how many weights?",
        ),
    ),
    hints=(
        "First repair: one position for both. Second repair: nine positions for both.",
        "For the fraction, divide each of the two terms of the separable cost by k²·c·d.",
    ),
    solution=(
        "At one position 9cd stands beside 9c + cd; over nine positions 81cd beside 81c + 9cd. "
        "Either way (k²·c + c·d) / (k²·c·d) = 1/d + 1/k²: c has dropped out, and so have the "
        "positions."
    ),
    outcome=2,
    minutes=6,
    difficulty=3,
    source=CIRCULATES,
    remark=(
        "That is the ratio in section 3.1 of the MobileNet paper. The 1/d is the depthwise part, "
        "the 1/k² the pointwise one."
    ),
)


def example(g: Given) -> dict[str, int]:
    """Parameters and operations of the printed example, read off a trace of the layer."""
    net = Net()
    x = net.input(g.c_in, g.size)
    net.conv2d(x, g.c_out, g.kernel, g.stride, padding=0, groups=g.groups)
    row = analyse(net.trace()).rows[0]
    operations = row.flops + row.activations  # and one for the bias of each output value
    return {
        "params": row.params,
        "operations": operations,
        "factor": operations // PRINTED_OPERATIONS,
    }


def per_position(g: Given) -> int:
    """The operations of one output value, by the printed formula."""
    return int(2 * g.kernel**2 * g.c_in // g.groups + 1)


def other_operations(operations: Callable[[Given], int]) -> Callable[[Given], Any]:
    """The value of an answer whose operations are `operations(g)`, with parameters right."""
    return lambda g: {
        "params": example(g)["params"],
        "operations": operations(g),
        "factor": max(1, round(operations(g) / PRINTED_OPERATIONS)),
    }


def has(operations: Callable[[Given], int]) -> Callable[[Given, Any], bool]:
    """Whether an answer has these operations."""
    return lambda g, v: v["operations"] == operations(g)


def at_input(g: Given) -> int:
    """The operations, if every pixel of the input were an output position."""
    return per_position(g) * int(g.size**2 * g.c_out)


def only_macs(g: Given) -> int:
    """The MACs."""
    return example(g)["params"] * int(output_size(g.size, g.kernel, g.stride)) ** 2


def no_bias(g: Given) -> int:
    """Two operations for each MAC, and none for the bias."""
    return 2 * only_macs(g)


def one_group(g: Given) -> int:
    """The operations of one group."""
    return example(g)["operations"] // int(g.groups)


def no_groups(g: Given) -> int:
    """The operations without groups."""
    positions = output_size(g.size, g.kernel, g.stride) ** 2
    return int((2 * g.kernel**2 * g.c_in + 1) * positions * g.c_out)


EXAMPLE = Exercise(
    id="2.4",
    title="A printed example against its own formula",
    question=(
        "A worked example in print: input {size}×{size}×{c_in}, {c_out} filters of "
        "{kernel}×{kernel} with stride {stride}, {groups} groups, output {out}×{out}. Its "
        "formulas, with C₀ channels in, C₁ out, and H×W *output* positions:\n\n"
        "- parameters (no bias): K²·(C₀/g)·(C₁/g)·g, printed as {printed_params};\n"
        "- operations: [(2·K²·C₀/g + 1)·H·W·C₁/g]·g, printed as {printed_operations:,}. It counts "
        "a multiplication and an addition for each weight, and one more for the bias.\n\n"
        "Work out both, and how many times too small the printed operations are (a whole number). "
        "Give `(params, operations, factor)`."
    ),
    kind=Values({"params": Integer(), "operations": Integer(), "factor": Integer()}),
    unit="",
    given={
        "size": 227,
        "c_in": 3,
        "c_out": 6,
        "kernel": 11,
        "stride": 4,
        "groups": 3,
        "out": 55,
        "printed_params": PRINTED_PARAMS,
        "printed_operations": PRINTED_OPERATIONS,
    },
    answer=example,
    mistakes=(
        Mistake(
            other_operations(lambda g: PRINTED_OPERATIONS),
            "That is what is printed. Put the numbers into the formula, factor by factor.",
            has(lambda g: PRINTED_OPERATIONS),
        ),
        Mistake(
            other_operations(at_input),
            "H and W are those of the output: work is done once at each output position.",
            has(at_input),
        ),
        Mistake(
            other_operations(only_macs),
            "Those are MACs: parameters × positions. The printed formula counts two operations for "
            "each of them, and one for the bias of each output value.",
            has(only_macs),
        ),
        Mistake(
            other_operations(no_bias),
            "The one operation for the bias of each output value is missing: (2·K²·C₀/g + 1).",
            has(no_bias),
        ),
        Mistake(
            other_operations(one_group),
            "That is one group of {groups}; the last factor g is missing.",
            has(one_group),
        ),
        Mistake(
            other_operations(no_groups),
            "Your kernels read all {c_in} channels. In {groups} groups each reads C₀/g of them.",
            has(no_groups),
        ),
        Mistake(
            lambda g: example(g) | {"params": g.kernel**2 * g.c_in * g.c_out},
            "The operations are right; but the parameters are those of a convolution without "
            "groups.",
        ),
        Mistake(
            lambda g: example(g) | {"factor": g.groups},
            "Parameters and operations are right. The factor is not the number of groups: divide "
            "your operations by the printed ones.",
        ),
    ),
    hints=(
        "C₀/g = {c_in}/{groups} and C₁/g = {c_out}/{groups}. Work out the square bracket first: it "
        "is one group.",
        "One output value takes 2·K²·C₀/g + 1 operations; a group has {out}×{out}×C₁/g of them; "
        "there are g groups.",
    ),
    solution=lambda g: (
        f"Parameters: {g.kernel}²·1·{g.c_out // g.groups}·{g.groups} = "
        f"{example(g)['params']}, as printed. One output value: 2·{g.kernel}²·1 + 1 = "
        f"{per_position(g)} operations; a group has {g.out}²·{g.c_out // g.groups} of them, so "
        f"{one_group(g):,}; {g.groups} groups. The printed number is "
        f"{per_position(g)}·{g.out}²·{g.groups}: the factor C₁/g = {g.c_out // g.groups} got lost."
    ),
    outcome=2,
    minutes=6,
    difficulty=4,
    source=PRINTED_EXAMPLE,
    remark=lambda g: (
        "The lost factor is C₁/g, the filters of one group. And beware of rough checks: the MACs "
        f"are {only_macs(g):,}, by accident within "
        f"{abs(only_macs(g) - PRINTED_OPERATIONS) / only_macs(g):.1%} of the printed operations, "
        "which are no count of this layer."
    ),
)


def grouped_weights(kernel: int, c: int, d: int, groups: int) -> int:
    """Counts the kernels of a grouped convolution, channel pair by channel pair."""
    weights = 0
    for output in range(d):
        group = output // (d // groups)
        for channel in range(c):
            if channel // (c // groups) == group:
                weights += kernel * kernel
    return weights


def within(kernel: int, c: int, d: int) -> float:
    """Standard over separable weights: at least so many groups are needed."""
    at_one = work(kernel, c, d)
    return at_one["standard"] / at_one["separable"]


@cache
def smallest_groups(kernel: int, c: int, d: int) -> int:
    """The fewest groups whose weights are no more than the separable convolution's."""
    allowed = work(kernel, c, d)["separable"]  # at one position, a MAC for each weight
    shared = [g for g in range(1, gcd(c, d) + 1) if c % g == d % g == 0]
    return next(g for g in shared if grouped_weights(kernel, c, d, g) <= allowed)


def seen(g: Given, groups: int) -> dict[str, int]:
    """An answer with `groups`."""
    return {"groups": groups, "inputs": int(g.c) // groups}


def best(g: Given) -> int:
    """The fewest groups, with the numbers of an exercise."""
    return smallest_groups(g.kernel, g.c, g.d)


def of_one_side(g: Given) -> int:
    """The fewest groups that divide the input channels alone."""
    least = within(g.kernel, g.c, g.d)
    return next((n for n in range(1, g.c + 1) if n >= least and g.c % n == 0), int(g.c))


def one_too_few(g: Given) -> int:
    """The largest number of groups that costs more."""
    shared = [n for n in range(1, best(g)) if g.c % n == g.d % n == 0]
    return shared[-1]


def grouped_deal(random: Random) -> dict[str, int]:
    """Channels with a few common divisors, of which rounding alone finds none."""
    common = random.choice((24, 28, 32, 48, 64))
    return {
        "kernel": random.choice((3, 3, 3, 5)),
        "c": common * random.choice((3, 5, 6, 7)),
        "d": common * random.choice((4, 5, 8)),
    }


GROUPS = Exercise(
    id="2.5",
    title="Cheap by groups alone",
    question=(
        "A {kernel}×{kernel} convolution of {c} to {d} channels can be made cheap by groups alone. "
        "What is the smallest number of groups with which it has no more weights than the "
        "depthwise-separable convolution of the same size (no biases)? Groups must divide both "
        "channel counts. And how many of the {c} input channels does one output channel then see? "
        "Give `(groups, inputs)`."
    ),
    kind=Values({"groups": Integer(), "inputs": Integer()}),
    unit="",
    given={"kernel": 3, "c": 96, "d": 160},
    deal=grouped_deal,
    answer=lambda g: seen(g, best(g)),
    mistakes=(
        Mistake(
            lambda g: seen(g, of_one_side(g)),
            lambda g: (
                f"{of_one_side(g)} divides {g.c}, but not {g.d}: the output channels are split "
                "into groups, too."
            ),
            lambda g, v: v["groups"] == of_one_side(g) != best(g),
        ),
        Mistake(
            lambda g: seen(g, ceil(within(g.kernel, g.c, g.d))),
            "Groups are equally large: their number must divide {c} and {d}.",
            lambda g, v: v["groups"] < 1 or g.c % v["groups"] != 0 or g.d % v["groups"] != 0,
        ),
        Mistake(
            lambda g: seen(g, one_too_few(g)),
            lambda g: (
                f"With {one_too_few(g)} groups it still has more weights: count again, and compare "
                "with k²·c + c·d."
            ),
            lambda g, v: v["groups"] == one_too_few(g),
        ),
        Mistake(
            lambda g: seen(g, gcd(g.c, g.d)),
            "That is the largest possible number of groups; fewer are cheap enough.",
            lambda g, v: v["groups"] == gcd(g.c, g.d) != best(g),
        ),
        Mistake(
            lambda g: {"groups": best(g), "inputs": g.d // best(g)},
            "The groups are right. You give the outputs of a group; how many inputs has it?",
        ),
        Mistake(
            lambda g: {"groups": best(g), "inputs": g.c},
            "The groups are right. But an output channel sees its own group only: look at the "
            "blocks in the picture.",
        ),
    ),
    hints=(
        "Weights with g groups: k²·(c/g)·d. Weights of the separable convolution: k²·c + c·d.",
        "So g must be at least k²·d / (k² + d). Which common divisor of {c} and {d} comes next?",
    ),
    solution=lambda g: (
        f"The separable convolution has {work(g.kernel, g.c, g.d)['separable']:,} weights, the "
        f"standard one {work(g.kernel, g.c, g.d)['standard']:,}: "
        f"{within(g.kernel, g.c, g.d):.2f} times as many. The next common divisor of {g.c} and "
        f"{g.d} is {best(g)}, which leaves "
        f"{grouped_weights(g.kernel, g.c, g.d, best(g)):,} weights and {g.c}/{best(g)} = "
        f"{g.c // best(g)} inputs to each output."
    ),
    outcome=3,
    minutes=6,
    difficulty=4,
    remark=lambda g: (
        f"So groups alone are as cheap. But each output then sees {g.c // best(g)} of {g.c} "
        "channels; after depthwise and pointwise it sees all of them. The pointwise convolution "
        "pays for mixing."
    ),
)

LESSON = Lesson(
    number="2",
    title="Standard, grouped, depthwise-separable",
    minutes=40,
    prerequisites=("lesson 1", "SymPy installed (the extra `course` has it)"),
    outcomes=(
        "derive the MACs of a standard and of a depthwise-separable convolution in symbols",
        "find where a printed comparison leaves its own formula, and repair it",
        "design a grouped convolution within a budget of weights, and count what an output sees",
    ),
    question="How much does a depthwise-separable convolution save, and what does it give up?",
    predictions=(
        Prediction(
            id="2.a",
            question=(
                "A standard 3×3 convolution of 256 to 256 channels becomes depthwise-separable. "
                "How many times fewer MACs does it take? Guess one number."
            ),
            kind=Number(),
            unit="times fewer",
            answer=lambda: within(3, 256, 256),
            remark="With 3×3 kernels it never comes to 9, however many channels there are.",
        ),
        Prediction(
            id="2.b",
            question=(
                "And which share of the MACs of that depthwise-separable convolution is in its "
                "depthwise 3×3 step? Guess, in percent."
            ),
            kind=Number(),
            unit="percent",
            answer=lambda: 100 * (1 - 256 * 256 / work(3, 256, 256)["separable"]),
            remark="The step that looks at neighbours is nearly free; mixing channels costs.",
        ),
    ),
    exercises=(DERIVE, COMPARE, REPAIR, EXAMPLE, GROUPS),
    misconceptions=(
        "Depthwise-separable 3×3 convolutions are 70 times cheaper: the two counts behind this "
        "were taken at nine positions and at one. The limit is 9.",
        "The depthwise step is the expensive one, since its kernels are larger: with many channels "
        "nearly all MACs are in the pointwise step.",
        "Groups only change the cost: they also cut the connections between channels.",
    ),
    discussion=(
        "81cd against 9c + cd: each number is right for what it counts, and the conclusion points "
        "the right way. What makes such a slip hard to see, and which habit would have caught it?"
    ),
)

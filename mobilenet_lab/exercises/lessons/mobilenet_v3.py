"""Lesson 6: MobileNetV3: gates, h-swish, the cheaper last stage, make_divisible and NetAdapt."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from random import Random
from typing import Any, NamedTuple

from mobilenet_lab.adaptation.proposals import Proposal
from mobilenet_lab.adaptation.selection import Trial, chosen
from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.architectures.mobilenet_v3 import TABLES, features
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.exercises.kinds import Choice, Function, Integer, Number, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.net import Net
from mobilenet_lab.registry import trace

PAPER = "Howard et al. 2019, arXiv 1905.02244"
PRINTED_SAVING = 30_000_000
"""MAdds that the redesigned last stage saves, as section 5.1 of arXiv 1905.02244v5 prints it."""


@cache
def large() -> Analysis:
    """MobileNetV3-Large at 224x224."""
    return analyse(trace("mobilenet_v3_large"))


def gates(of: str) -> float:
    """The gates' share of V3-Large's parameters or MACs, in percent."""
    row = next(row for row in large().by("role") if row.name == "se")
    return float(100 * getattr(row, of) / getattr(large().total, of))


# 6.1, the last stage


def tail_macs(g: Given, redesigned: bool) -> int:
    """MACs from the expanded map to the features behind the pool, of a network built for this."""
    net = Net()
    x = net.input(g.wide, g.side)
    if not redesigned:
        x = net.conv2d(x, g.wide, 3, groups=g.wide, name="depthwise")
        x = net.conv2d(x, g.thin, 1, name="project")
        x = net.conv2d(x, g.features, 1, name="head")
    x = net.adaptive_avg_pool(x)
    if redesigned:
        x = net.conv2d(x, g.features, 1, name="head")
    return analyse(net.trace(x)).total.macs


LAST_STAGE = Exercise(
    id="6.1",
    title="The redesigned last stage",
    question=(
        "A network ends as MobileNetV2 does: an expanded map of {wide} channels, {side}×{side}, "
        "goes through a 3×3 depthwise convolution, a 1×1 projection to {thin} channels and a 1×1 "
        "convolution to {features} features, and then the pool.\n\nMobileNetV3 pools the "
        "{wide} channels at once, drops the depthwise convolution and the projection, and makes "
        "the {features} features by a 1×1 convolution *behind* the pool. How many MACs does that "
        "save?"
    ),
    kind=Integer(),
    unit="MACs",
    given={"wide": 960, "thin": 320, "features": 1280, "side": 7},
    deal=lambda random: {
        "wide": random.randrange(384, 1153, 32),
        "thin": random.randrange(128, 449, 16),
        "features": random.randrange(640, 1601, 64),
        "side": random.randint(6, 10),
    },
    answer=lambda g: tail_macs(g, False) - tail_macs(g, True),
    mistakes=(
        Mistake(
            lambda g: tail_macs(g, False),
            "That is what the old stage costs from the depthwise convolution on. The new one is "
            "not free: its 1×1 convolution behind the pool still works, once.",
        ),
        Mistake(
            lambda g: g.thin * g.features * (g.side**2 - 1),
            "You move the last 1×1 convolution behind the pool and change nothing else. The "
            "depthwise convolution and the projection go, too; what is pooled then has {wide} "
            "channels.",
        ),
        Mistake(
            lambda g: tail_macs(g, False) - g.wide * g.features * g.side**2,
            "You let the new 1×1 convolution work at {side}×{side} positions. How many are left "
            "behind the pool?",
        ),
        Mistake(
            lambda g: tail_macs(g, False) - tail_macs(g, True) - 9 * g.wide * g.side**2,
            "The depthwise convolution is missing: it is dropped as well.",
        ),
        Mistake(
            lambda g: (
                tail_macs(g, False) - tail_macs(g, True) + 9 * g.wide * (g.wide - 1) * g.side**2
            ),
            "You count the depthwise convolution as a dense one. Each of its kernels reads one "
            "channel.",
        ),
        Mistake(
            lambda g: 2 * (tail_macs(g, False) - tail_macs(g, True)),
            "Exactly twice: those are FLOPs, and the question asks for MACs.",
        ),
    ),
    hints=(
        "Three layers go. Write down weights × positions for each.",
        "One layer comes: it reads {wide} channels at one position.",
    ),
    solution=lambda g: (
        f"What goes, at {g.side**2} positions each: 9 × {g.wide}, {g.wide} × {g.thin} and "
        f"{g.thin} × {g.features}, together {tail_macs(g, False):,}. What comes, at one position: "
        f"{g.wide} × {g.features} = {tail_macs(g, True):,}."
    ),
    outcome=1,
    minutes=6,
    difficulty=2,
    config=("mobilenet_v2", "mobilenet_v3_large"),
    source=f"{PAPER}, section 5.1",
    remark=(
        "For its own last stage, with the numbers of the notebook, the paper's text prints "
        f"{PRINTED_SAVING // 10**6} millions."
    ),
)

# 6.2, h-swish


def in_three_pieces(x: float) -> float:
    """h-swish without min and max: zero, a parabola, the identity."""
    if x <= -3:
        return 0.0
    return x if x >= 3 else x * (x + 3) / 6


def clamped(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def activation_mutant(change: str) -> Callable[[float], float]:
    """`h_swish` with one error in it."""
    functions: dict[str, Callable[[float], float]] = {
        "no shift": lambda x: x * clamped(x, 0, 6) / 6,
        "third": lambda x: x * clamped(x + 3, 0, 6) / 3,
        "clamp at 3": lambda x: x * clamped(x + 3, 0, 3) / 6,
        "gate alone": lambda x: clamped(x + 3, 0, 6) / 6,
        "no clamp": lambda x: x * max(x + 3, 0) / 6,
        "no floor": lambda x: x * min(x + 3, 6) / 6,
        "not divided": lambda x: x * clamped(x + 3, 0, 6),
        "swish": lambda x: x / (1 + math.exp(-x)),
    }
    return functions[change]


H_SWISH = Exercise(
    id="6.2",
    title="Write h_swish",
    question="Write `h_swish(x)` for one number, in plain Python: x · ReLU6(x + 3) / 6.",
    kind=Function("h_swish", lambda random: {"x": random.randint(-64, 64) / 8}, Number()),
    unit="",
    answer=lambda g: in_three_pieces,
    mistakes=(
        Mistake(
            lambda g: activation_mutant("no shift"),
            "The + 3 is missing: at x = 0 the gate is to be half open, not shut.",
        ),
        Mistake(
            lambda g: activation_mutant("third"),
            "You divide by 3. ReLU6 goes up to 6, and the gate up to 1: for large x, h-swish is x.",
        ),
        Mistake(
            lambda g: activation_mutant("clamp at 3"),
            "You cut at 3. ReLU6 cuts at 6; with 3 the gate never opens more than half.",
        ),
        Mistake(
            lambda g: activation_mutant("gate alone"),
            "That is the gate, ReLU6(x + 3) / 6, which is called hard sigmoid. h-swish is x times "
            "that.",
        ),
        Mistake(
            lambda g: activation_mutant("no clamp"),
            "Nothing cuts the gate at the top: that is ReLU where ReLU6 is asked for.",
        ),
        Mistake(
            lambda g: activation_mutant("no floor"),
            "Nothing cuts the gate at the bottom: ReLU6 of a number below 0 is 0.",
        ),
        Mistake(
            lambda g: activation_mutant("not divided"),
            "The division by 6 is missing: the gate goes up to 1.",
        ),
        Mistake(
            lambda g: activation_mutant("swish"),
            "That is swish itself, with an exponential in it. h-swish has none.",
        ),
    ),
    hints=(
        "ReLU6 of a number: `min(max(number, 0), 6)`.",
        "Try three numbers by hand: at −3 it is 0, at 0 it is 0, and at 3 it is 3.",
    ),
    solution="`x * min(max(x + 3, 0), 6) / 6`: 0 up to −3, x from 3 on, a parabola in between.",
    outcome=2,
    minutes=4,
    difficulty=2,
    source=f"{PAPER}, section 5.2",
    remark="The checker has no min and no max in it, but three pieces; both are the same function.",
)

# 6.3, make_divisible


def nearest_multiple(value: float, divisor: int) -> int:
    """The rule by trying multiples, in exact fractions."""
    exact = Fraction(value)
    best = divisor
    for multiple in range(divisor, int(exact) + 2 * divisor, divisor):
        if abs(multiple - exact) <= abs(best - exact):  # on a tie the larger
            best = multiple
    while 10 * best < 9 * exact:
        best += divisor
    return best


def value_cases(random: Random) -> Mapping[str, Any]:
    """A value in quarters: halfway between two multiples, little above one, or any."""
    divisor = random.choice((4, 8, 8, 8, 16))
    match random.choice(("tie", "little more", "any")):
        case "tie":
            value = divisor * (random.randint(0, 14) + 0.5)
        case "little more":
            value = divisor * random.randint(1, 3) + random.randint(1, 2 * divisor) / 4
        case _:
            value = random.randint(4, 640) / 4
    return {"value": value, "divisor": divisor}


def rounding_mutant(change: str) -> Callable[[float, int], int]:
    """`make_divisible` with one error in it."""

    def rounded(value: float, divisor: int) -> int:
        if change == "none":
            return int(value)
        if change == "up":
            return math.ceil(value / divisor) * divisor
        down = int(value + divisor / 2) // divisor * divisor
        if change == "floor":
            down = int(value) // divisor * divisor
        if change == "python":
            down = round(value / divisor) * divisor
        found = max(divisor, down)
        if change == "python" and found < 0.9 * value:
            found += divisor
        return found

    return rounded


MAKE_DIVISIBLE = Exercise(
    id="6.3",
    title="Write make_divisible",
    question=(
        "Write `make_divisible(value, divisor)`. It gives the multiple of `divisor` nearest to "
        "`value`, the larger one on a tie, and at least `divisor` itself. If that is less than "
        "90 % of `value`, it takes the next multiple instead."
    ),
    kind=Function("make_divisible", value_cases, Integer()),
    unit="channels",
    answer=lambda g: nearest_multiple,
    mistakes=(
        Mistake(
            lambda g: rounding_mutant("nearest"),
            "Right but for the 90 % rule. For 18 and divisor 8 the nearest multiple is 16, and "
            "that is more than a tenth too small.",
        ),
        Mistake(
            lambda g: rounding_mutant("floor"),
            "You round down. The *nearest* multiple may lie above.",
        ),
        Mistake(
            lambda g: rounding_mutant("up"),
            "You always round up (as YOLOv5 does, by the way). The nearest multiple may lie below.",
        ),
        Mistake(
            lambda g: rounding_mutant("python"),
            "Nearly: Python's `round` takes the *even* neighbour on a tie, so that `round(6.5)` "
            "is 6. Here a tie goes up.",
        ),
        Mistake(
            lambda g: rounding_mutant("none"),
            "You cut the fraction off; the result is to be a multiple of `divisor`.",
        ),
    ),
    hints=(
        "Add half a divisor and cut down to a multiple: that rounds to the nearest, ties up.",
        "`max` with the divisor; then compare with `0.9 * value` and add a divisor if need be.",
    ),
    solution=(
        "`nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)`, and one "
        "`divisor` more if that is below `0.9 * value`."
    ),
    outcome=2,
    minutes=7,
    difficulty=3,
    config=("mobilenet_v3_large",),
    remark="Every width of MobileNetV2 and V3 goes through this rule, and so do V3's gates.",
)

# 6.4, a step of NetAdapt


class Offer(NamedTuple):
    """A narrower network: which layer, and what it then does."""

    layer: str
    accuracy: int
    """hundredths of a percent"""
    latency: int
    """microseconds"""


LAYERS = ("stage2.1", "stage3.0", "stage4.0", "stage5.1", "stage6.1")
"""Blocks of V3-Large whose expansion may become narrower."""
NOW = (7400, 51000)
STEP = 500
OFFERS = ((7380, 50550), (7340, 50480), (7270, 49000), (7330, 49900), (7220, 50200))


def offers(g: Given) -> list[Offer]:
    """The rows of the table."""
    return [Offer(layer, *numbers) for layer, numbers in zip(LAYERS, g.offers, strict=True)]


def large_enough(g: Given) -> list[Offer]:
    """Those that save a step."""
    return [each for each in offers(g) if g.now[1] - each.latency >= g.step]


def per_millisecond(g: Given, offer: Offer) -> float:
    """Percentage points per millisecond saved."""
    lost = Fraction(g.now[0] - offer.accuracy, 100)
    return float(-lost / Fraction(g.now[1] - offer.latency, 1000))


def with_ratio(g: Given, offer: Offer) -> dict[str, Any]:
    return {"layer": offer.layer, "ratio": per_millisecond(g, offer)}


def kept(g: Given) -> Offer:
    """What the search of the lab takes, in exact fractions."""
    trials = [
        Trial(Proposal(place, each.layer, 0, 0, each.latency), Fraction(each.accuracy, 100))
        for place, each in enumerate(large_enough(g))
    ]
    return large_enough(g)[chosen(trials, g.now[1], Fraction(g.now[0], 100), "ratio")]


def tempting(g: Given, error: str) -> Offer:
    """What another rule would take."""
    if error == "small":
        return max(offers(g), key=lambda each: per_millisecond(g, each))
    if error == "accuracy":
        return max(large_enough(g), key=lambda each: each.accuracy)
    if error == "latency":
        return min(large_enough(g), key=lambda each: each.latency)
    return min(large_enough(g), key=lambda each: per_millisecond(g, each))


def takes(error: str) -> dict[str, Callable[..., Any]]:
    """Value and test of the mistake that takes another rule's layer."""
    return {
        "value": lambda g: with_ratio(g, tempting(g, error)),
        "applies": lambda g, value: value["layer"] == tempting(g, error).layer,
    }


def deal_offers(random: Random) -> Mapping[str, Any]:
    """Savings and losses for each layer; what cannot be told apart is dealt again."""
    accuracy, latency = random.randrange(7200, 7600, 10), random.randrange(40000, 60000, 100)
    savings = [random.randrange(300, 480, 10)]
    savings += [random.randrange(520, 2000, 20) for _ in LAYERS[1:]]
    rates = [random.randrange(30, 50)] + [random.randrange(60, 300) for _ in LAYERS[1:]]
    pairs = [
        (accuracy - max(1, saved * rate // 1000), latency - saved)
        for saved, rate in zip(savings, rates, strict=True)
    ]
    random.shuffle(pairs)
    return {"now": (accuracy, latency), "step": STEP, "offers": tuple(pairs)}


def table_of_offers(g: Given) -> str:
    """The question with its table."""
    rows = [
        f"| {each.layer} | {each.accuracy / 100:.2f} % | {each.latency / 1000:.2f} ms |"
        for each in offers(g)
    ]
    return (
        f"A network has {g.now[0] / 100:.2f} % accuracy and takes {g.now[1] / 1000:.2f} ms. "
        "One block at a time was made narrower, and the network trained for a short while:\n\n"
        "| narrower | accuracy | latency |\n|---|---:|---:|\n" + "\n".join(rows) + "\n\n"
        f"One step has to save at least {g.step / 1000:.2f} ms. Which row does NetAdapt keep by "
        "MobileNetV3's rule, the highest change of accuracy per millisecond saved? Give "
        "`(layer, ratio)`: the name, and that ratio in percentage points per millisecond, below 0 "
        "for a loss, to two digits behind the point."
    )


NETADAPT = Exercise(
    id="6.4",
    title="Choose a step of NetAdapt",
    question=table_of_offers,
    kind=Values({"layer": Choice(LAYERS), "ratio": Number(tolerance=0.01, digits=3)}),
    unit="",
    given={"now": NOW, "step": STEP, "offers": OFFERS},
    deal=deal_offers,
    answer=lambda g: with_ratio(g, kept(g)),
    mistakes=(
        Mistake(
            lambda g: with_ratio(g, kept(g)) | {"ratio": -per_millisecond(g, kept(g))},
            "The right row, with the wrong sign: accuracy goes down, so the change is below 0.",
        ),
        Mistake(
            lambda g: with_ratio(g, kept(g)) | {"ratio": 1 / per_millisecond(g, kept(g))},
            "The right row, but you give milliseconds per percentage point; the ratio is the other "
            "way up.",
        ),
        Mistake(
            **takes("small"),
            message=lambda g: (
                "Its ratio is the best of all, but it is no step: it saves less than "
                f"{g.step / 1000:.2f} ms."
            ),
        ),
        Mistake(
            **takes("accuracy"),
            message="It loses the least accuracy, and saves little for it. That was the rule of "
            "the first NetAdapt paper; MobileNetV3 divides by the milliseconds saved.",
        ),
        Mistake(
            **takes("latency"),
            message="It saves the most milliseconds. What does each of them cost?",
        ),
        Mistake(
            **takes("worst"),
            message="Its ratio has the largest size, and all ratios are losses: that is the "
            "dearest row of all.",
        ),
    ),
    hints=(
        "Cross out the rows that save too little. For each of the others: accuracy lost, "
        "milliseconds saved.",
        "Divide the one by the other. All are below 0; the highest is the one closest to 0.",
    ),
    solution=lambda g: (
        "Of the rows that save enough: "
        + ", ".join(f"{o.layer} {per_millisecond(g, o):.2f}" for o in large_enough(g))
        + " percentage points per millisecond. The highest is kept."
    ),
    outcome=3,
    minutes=6,
    difficulty=3,
    source=f"{PAPER}, section 4.2, for the rule; the numbers of the table are made up",
    remark="`lab.netadapt` repeats this step until a budget is met.",
)

# 6.5, two ports


def trunk_params(size: str, width: float, squeeze_divisor: int) -> int:
    """Parameters of V3's stem and blocks, of a network that is built for this."""
    net = Net()
    x = features(net, net.input(3, 224), width, size, squeeze_divisor=squeeze_divisor)
    return analyse(net.trace(x)).total.params


def expansions(g: Given) -> list[int]:
    """The expanded channels of the blocks that have a gate."""
    return [make_divisible(row.exp * g.width) for row in TABLES[g.size].rows if row.se]


def dearer(g: Given, per_squeezed: Callable[[int], int], ten_percent: bool = True) -> int:
    """Parameters that the rounding costs, if one squeezed channel has so many."""
    rounded = make_divisible if ten_percent else rounding_mutant("nearest")
    return sum((rounded(exp / 4, 8) - exp // 4) * per_squeezed(exp) for exp in expansions(g))


def ports(g: Given) -> dict[str, int]:
    """What a count, and a run, see."""
    missing = trunk_params(g.size, g.width, 8) - trunk_params(g.size, g.width, 1)
    return {
        "missing_a": missing,
        "missing_b": 0,
        "changed": sum(in_three_pieces(x) != x for x in g.values),
    }


def lacks(missing: Callable[[Given], int]) -> dict[str, Callable[..., Any]]:
    """Value and test of a mistake in port A's parameters, whatever else is given."""
    return {
        "value": lambda g: ports(g) | {"missing_a": missing(g)},
        "applies": lambda g, value: value["missing_a"] == missing(g),
    }


def deal_ports(random: Random) -> Mapping[str, Any]:
    """Another size and width, and other values."""
    values = [random.randint(-40, 40) / 8 for _ in range(10)] + [0.0, 3.0]
    random.shuffle(values)
    return {
        "size": random.choice(tuple(TABLES)),
        "width": random.choice((0.5, 0.75, 1.0)),
        "values": tuple(values),
    }


TWO_PORTS = Exercise(
    id="6.5",
    title="Two ports: one fails the count, one passes",
    question=lambda g: (
        f"Two programmers port MobileNetV3-{g.size.title()}, width {g.width:g}, and compare its "
        "parameters with the published network. **Port A** squeezes each gate to `exp // 4` "
        "channels where the published one has `make_divisible(exp / 4, 8)`; the blocks with gates "
        f"have {', '.join(map(str, expansions(g)))} expanded channels. **Port B** puts an h-swish "
        "behind each projection, where the published one has no activation. In a run, a "
        f"projection gives these {len(g.values)} values:\n\n"
        f"`{list(g.values)}`\n\n"
        "Give `(missing_a, missing_b, changed)`: how many parameters port A lacks, how many port B "
        "lacks, and how many of these values port B's h-swish changes."
    ),
    kind=Values({"missing_a": Integer(), "missing_b": Integer(), "changed": Integer()}),
    unit="",
    given={
        "size": "large",
        "width": 1.0,
        "values": (-4.0, -3.0, -1.5, -0.5, 0.0, 0.25, 1.0, 2.5, 3.0, 4.5, -0.25, 5.0),
    },
    deal=deal_ports,
    answer=ports,
    mistakes=(
        Mistake(
            lambda g: ports(g) | {"missing_b": len(TABLES[g.size].rows)},
            "`missing_b`: which parameters has an h-swish, and which does the network lose by it?",
            lambda g, value: value["missing_b"] != 0,
        ),
        Mistake(
            **lacks(lambda g: dearer(g, lambda exp: exp)),
            message="`missing_a` is too small: a gate has two convolutions, to the squeezed "
            "channels and back. And look at the biases, too.",
        ),
        Mistake(
            **lacks(lambda g: dearer(g, lambda exp: 2 * exp)),
            message="`missing_a` has the weights of both convolutions. What else has the one that "
            "makes the squeezed channels, for each of them?",
        ),
        Mistake(
            **lacks(lambda g: dearer(g, lambda exp: 2 * exp + 1, False)),
            message="`missing_a` is off by a rounding: where the nearest multiple of 8 is less "
            "than 90 % of `exp / 4`, the next one is taken.",
        ),
        Mistake(
            lambda g: ports(g) | {"changed": sum(x < 0 for x in g.values)},
            "The counts are right. h-swish is not ReLU: it changes some positive values, too.",
        ),
        Mistake(
            lambda g: ports(g) | {"changed": sum(x <= -3 for x in g.values)},
            "The counts are right. You count the values that become 0; h-swish changes more than "
            "those.",
        ),
        Mistake(
            lambda g: ports(g) | {"changed": len(g.values)},
            "The counts are right, but some values do come out as they went in: which x have "
            "h-swish(x) = x?",
        ),
    ),
    hints=(
        "One squeezed channel more has `exp` weights in, `exp` weights out and one bias.",
        "An activation has no weights. Run your `h_swish` over the values and compare.",
    ),
    solution=lambda g: (
        "Each squeezed channel has 2 × exp weights and one bias: "
        + " + ".join(
            f"{make_divisible(exp / 4) - exp // 4} × {2 * exp + 1}"
            for exp in expansions(g)
            if make_divisible(exp / 4) != exp // 4
        )
        + f" = {ports(g)['missing_a']:,}. An activation has no parameters and no MACs, so no count "
        "sees port B. h-swish(x) = x only for x = 0 and x ≥ 3."
    ),
    outcome=3,
    minutes=7,
    difficulty=4,
    config=("mobilenet_v3_large",),
    remark=(
        "Neither port can use published weights: A refuses to load them, and B loads them and "
        "computes something else. Equal counts are necessary, and not enough."
    ),
)

LESSON = Lesson(
    number="6",
    title="MobileNetV3",
    minutes=45,
    prerequisites=("lessons 1, 2 and 5", "a little Python"),
    outcomes=(
        "compute what a gate and a last stage cost, from their shapes",
        "write h-swish and make_divisible so that they agree with the published networks",
        "choose a step of NetAdapt from a table, and diagnose a port by what a count cannot see",
    ),
    question="Which of MobileNetV3's changes cost parameters, which cost time, and which neither?",
    predictions=(
        Prediction(
            id="6.a",
            question=(
                "MobileNetV3-Large has squeeze-and-excitation gates in 8 of its 15 blocks. What "
                "share of the network's parameters is in them? Guess, in percent."
            ),
            kind=Number(),
            unit="percent",
            answer=lambda: gates("params"),
            remark="After the classifier no other part has as many.",
        ),
        Prediction(
            id="6.b",
            question="And what share of its MACs, in percent?",
            kind=Number(),
            unit="percent",
            answer=lambda: gates("macs"),
            remark="A gate's weights work once for each image, behind a pool.",
        ),
    ),
    exercises=(LAST_STAGE, H_SWISH, MAKE_DIVISIBLE, NETADAPT, TWO_PORTS),
    misconceptions=(
        "Gates are cheap: in MACs they are, in parameters they are the second largest part.",
        "h-swish costs nothing because no count shows it: counts of MACs leave out all "
        "activations.",
        "Equal parameters and MACs mean an equal network: an activation too many, or a residual "
        "too few, changes neither.",
        "make_divisible rounds to the nearest multiple: not where that takes away more than a "
        "tenth.",
    ),
    discussion=(
        "Port B passes every count test. Which test would have found it, what does that test need, "
        "and who has it?"
    ),
)

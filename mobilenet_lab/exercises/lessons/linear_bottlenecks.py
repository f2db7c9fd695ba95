"""Lesson 4: what ReLU loses in few channels and keeps in many, and units that never fire.

The model is the experiment of MobileNetV2's Figure 1: a point goes through random directions and a
ReLU. It is lost when fewer units are on than it has dimensions. The share of lost points is our
derivation, not the paper's; the exercises hold it against enumeration and simulation.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product
from math import cos, pi
from random import Random
from typing import Any

from mobilenet_lab.exercises.kinds import Expression, Function, Integer, Number, Row
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction

PLANE = 2
ERRORS = 4
"""Standard errors by which a simulated share may be off: one honest run in 16,000 is further."""


def on(direction: tuple[int, int], point: tuple[int, int]) -> bool:
    """Whether the ReLU of a direction passes a point on."""
    return direction[0] * point[0] + direction[1] * point[1] > 0


PAIRS = [(x, y) for x in range(-3, 4) for y in range(-3, 4) if (x, y) != (0, 0)]
"""Small whole numbers, to be computed by hand."""


def some_directions(random: Random, count: int) -> list[tuple[int, int]]:
    """Directions of which no two are parallel."""
    chosen: list[tuple[int, int]] = []
    for a, b in random.sample(PAIRS, len(PAIRS)):
        if len(chosen) < count and all(a * d != b * c for c, d in chosen):
            chosen.append((a, b))
    return chosen


ACTIVE = Exercise(
    id="4.1",
    title="Which units are on?",
    question=(
        "Four directions `{directions}`, each followed by a ReLU, read four points `{points}` of "
        "the plane. For each point in turn: how many of the four ReLUs pass on a number above 0? "
        "Give a list of four counts."
    ),
    kind=Row(Integer()),
    unit="units",
    given={
        "directions": [(3, 1), (0, -1), (-1, -3), (2, -1)],
        "points": [(2, 2), (-2, 0), (1, -3), (-1, 1)],
    },
    deal=lambda random: {
        "directions": some_directions(random, 4),
        "points": random.sample(PAIRS, 4),
    },
    answer=lambda g: [sum(on(d, p) for d in g.directions) for p in g.points],
    mistakes=(
        Mistake(
            lambda g: [sum(not on((-d[0], -d[1]), p) for d in g.directions) for p in g.points],
            "You count a product of exactly 0 as on. ReLU(0) is 0: nothing is passed on.",
        ),
        Mistake(
            lambda g: [sum(on((-d[0], -d[1]), p) for d in g.directions) for p in g.points],
            "You count the products below 0: those are the units that are off.",
        ),
        Mistake(
            lambda g: [sum(on(d, p) for p in g.points) for d in g.directions],
            "You count, for each direction, the points that it passes on. The question goes the "
            "other way: for each point, the directions.",
        ),
        Mistake(
            lambda g: [sum(d[0] * p[0] + d[1] * p[1] != 0 for d in g.directions) for p in g.points],
            "You count all products that are not 0. ReLU sets those below 0 to 0.",
        ),
    ),
    hints=(
        "A unit computes direction · point = d₁p₁ + d₂p₂, and then ReLU.",
        "Only products above 0 come through. In NumPy: `points @ directions.T` has all of them.",
    ),
    solution=lambda g: (
        "The products are "
        + "; ".join(
            f"{p}: {', '.join(str(d[0] * p[0] + d[1] * p[1]) for d in g.directions)}"
            for p in g.points
        )
        + ". Count those above 0."
    ),
    outcome=1,
    minutes=4,
    difficulty=1,
    remark=lambda g: (
        "A point with fewer than two is lost. Here that happens to "
        f"{sum(sum(on(d, p) for d in g.directions) < PLANE for p in g.points)} of "
        f"{len(g.points)} points."
    ),
)


def listed_share(_: Given) -> Any:
    """Lists every pattern of on and off for a few n, counts, and finds the count as a formula."""
    import sympy

    n = sympy.Symbol("n", positive=True)
    counted = [
        (units, sum(sum(pattern) < PLANE for pattern in product((0, 1), repeat=units)))
        for units in range(1, 8)
    ]
    return sympy.interpolate(counted, n) / 2**n


LOST = Exercise(
    id="4.2",
    title="The share of lost points",
    question=(
        "A point of the plane (not 0) meets n directions. Each is drawn at random, so that each "
        "angle is as likely as any other, and independently. The point is *lost* when at most one "
        "of the n ReLUs is on. What is the probability of that? Give a formula in `n`."
    ),
    kind=Expression(("n",)),
    unit="",
    answer=listed_share,
    mistakes=(
        Mistake(
            lambda g: "1 / 2**n",
            "That is the chance that *all* units are off. With one unit on, one number is known "
            "of the two that a point has: that point is lost, too.",
        ),
        Mistake(
            lambda g: "n / 2**n",
            "That is the chance that exactly one unit is on. *At most* one: which case is missing?",
        ),
        Mistake(
            lambda g: "1 - (n + 1) / 2**n",
            "That is the share that is kept; the question asks for the other part.",
        ),
        Mistake(
            lambda g: "(1 + n + n * (n - 1) / 2) / 2**n",
            "You count the patterns with two units on as lost. Two directions, not parallel, give "
            "two equations: enough for a point of the plane.",
        ),
        Mistake(
            lambda g: "2 / 2**n",
            "You count two patterns, whatever n is. For n = 3 the list above has more that are "
            "lost: the one unit that is on can be any of them.",
        ),
    ),
    hints=(
        "For a given point, a random direction is on with probability 1/2: the point is either in "
        "its half-plane or not. So all patterns of on and off are equally likely. How many are "
        "there?",
        "In how many of them is no unit on? In how many exactly one?",
    ),
    solution=(
        "A direction is on if it points into the half-plane around the point: probability 1/2, "
        "independently of the others. So the 2ⁿ patterns are equally likely. One has no unit on, "
        "and n have exactly one."
    ),
    outcome=2,
    minutes=6,
    difficulty=2,
    remark="The lab listed all patterns for n up to 7; your formula counts the same.",
)


def active_counts(units: int) -> list[int]:
    """Of the 2^units patterns, how many have 0, 1, 2 ... units on; one unit is added at a time."""
    counts = [1]
    for _ in range(units):
        off, one_more = [*counts, 0], [0, *counts]
        counts = [a + b for a, b in zip(off, one_more, strict=True)]
    return counts


def lost_share(units: int, dimensions: int = PLANE) -> Fraction:
    """The exact share of points with fewer than `dimensions` of `units` on."""
    return Fraction(sum(active_counts(units)[:dimensions]), 2**units)


def standard_error(share: float, trials: int) -> float:
    """Of a share counted in so many independent trials: sqrt(p (1 - p) / trials)."""
    return float((share * (1 - share) / trials) ** 0.5)


def within(g: Given, value: float, share: float | Fraction) -> bool:
    """Whether a simulated value is as near to `share` as one of the right share would be."""
    return abs(value - share) <= ERRORS * standard_error(float(lost_share(g.n)), g.trials)


def near(share: Callable[[int], float | Fraction]) -> Callable[[Given, Any], bool]:
    """Whether a simulation has counted another share."""
    return lambda g, value: within(g, value, share(g.n))


SIMULATE = Exercise(
    id="4.3",
    title="Throw the dice",
    question=(
        "Check the formula. Draw {n} random directions (`rng.standard_normal`), {trials:,} times "
        "over, for a point of your choice, and count in which share of the trials the point is "
        "lost. Fix the seed. A share that you count is never quite the probability p: its standard "
        "error is √(p (1 − p) / {trials:,}), and the check accepts four of these."
    ),
    kind=Number(),
    unit="",
    given={"n": 6, "trials": 100_000},
    answer=lambda g: lost_share(g.n),
    accepts=lambda g, value: within(g, value, lost_share(g.n)),
    mistakes=(
        Mistake(
            lambda g: 0,
            "No point is lost at all. Are your directions on all sides? `rng.random` gives numbers "
            "from 0 to 1 only; `rng.standard_normal` gives every angle.",
        ),
        Mistake(
            lambda g: Fraction(1, 2**g.n),
            "You count the trials in which all units are off; one that is on does not save a "
            "point.",
            near(lambda n: Fraction(1, 2**n)),
        ),
        Mistake(
            lambda g: Fraction(g.n, 2**g.n),
            "You count the trials with exactly one unit on, and leave out those with none.",
            near(lambda n: Fraction(n, 2**n)),
        ),
        Mistake(
            lambda g: 1 - lost_share(g.n),
            "That is the share of points that are kept.",
            near(lambda n: 1 - lost_share(n)),
        ),
        Mistake(
            lambda g: lost_share(g.n, PLANE + 1),
            "You count the points with two units on as lost (`<=` for `<`?).",
            near(lambda n: lost_share(n, PLANE + 1)),
        ),
        Mistake(
            lambda g: 1,
            "Every point is lost. Is your point (0, 0)? No direction can tell anything about it.",
        ),
        Mistake(
            lambda g: 100 * lost_share(g.n),
            "It looks like the share in percent; give the fraction.",
            lambda g, value: within(g, value / 100, lost_share(g.n)),
        ),
        Mistake(
            lambda g: lost_share(g.n) * g.trials,
            "It looks like a number of trials; divide by {trials:,}.",
            lambda g, value: value > 1,
        ),
        Mistake(
            lambda g: lost_share(g.n) + 9 * standard_error(float(lost_share(g.n)), g.trials),
            "Near, but further off than four standard errors. Are these {trials:,} trials, and a "
            "new draw of all {n} directions in each?",
            lambda g, value: (
                abs(value - lost_share(g.n))
                <= 5 * ERRORS * standard_error(float(lost_share(g.n)), g.trials)
            ),
        ),
    ),
    hints=(
        "`rng.standard_normal((trials, n, 2))` draws all directions at once; `@ point` gives "
        "`trials` × `n` products.",
        "`(products > 0).sum(axis=1)` is the number of units that are on, trial by trial. Which of "
        "these numbers mean lost? The mean of true and false is a share.",
    ),
    solution=lambda g: (
        f"Count the trials with fewer than two products above 0. Your share lies within ± "
        f"{ERRORS * standard_error(float(lost_share(g.n)), g.trials):.2g} of this one in all but "
        "one run of about 16,000."
    ),
    outcome=2,
    minutes=6,
    difficulty=2,
    remark=lambda g: (
        f"The exact share is {lost_share(g.n)} = {float(lost_share(g.n)):.5f}; one standard error "
        f"is {standard_error(float(lost_share(g.n)), g.trials):.2g}."
    ),
)


def smallest(enough: Callable[[int], bool]) -> int:
    """The smallest number from 1 that is enough."""
    number = 1
    while not enough(number):
        number += 1
    return number


def smallest_width(g: Given) -> int:
    """The smallest number of directions at which fewer than one point in `many` is lost."""
    counts, units = [1], 0
    while sum(counts[: g.d]) * g.many >= 2**units:
        counts = [a + b for a, b in zip([*counts, 0], [0, *counts], strict=True)]
        units += 1
    return units


WIDTH = Exercise(
    id="4.4",
    title="How wide is wide enough?",
    question=(
        "A thin layer has {d} channels, so its values at one position are a point of {d} "
        "dimensions. To find it again takes {d} equations: it is lost when *fewer than {d}* of the "
        "n random directions are on. Design the width: what is the smallest n for which fewer than "
        "one point in {many:,} is lost?"
    ),
    kind=Integer(),
    unit="directions",
    given={"d": 16, "many": 1_000},
    deal=lambda random: {
        "d": random.choice((8, 12, 16, 20, 24, 32, 40)),
        "many": random.choice((100, 200, 500, 2_000, 5_000, 10_000)),
    },
    answer=smallest_width,
    mistakes=(
        Mistake(
            lambda g: smallest_width(Given(d=PLANE, many=g.many)),
            "So many are enough for a point of the *plane*. This one has {d} dimensions, and is "
            "lost whenever fewer than {d} units are on.",
        ),
        Mistake(
            lambda g: smallest_width(Given(d=g.d + 1, many=g.many)),
            "You count exactly {d} units on as lost; {d} equations are enough.",
        ),
        Mistake(
            lambda g: 2 * g.d,
            "With 2 × {d} directions {d} are on *on average*. Then nearly every second point has "
            "fewer.",
        ),
        Mistake(
            lambda g: g.d,
            "{d} directions are enough only if *all* of them are on, and each is off for half of "
            "the points.",
        ),
        Mistake(
            lambda g: smallest_width(g) - 1,
            "One less than needed: at this width it is still one in {many:,} or more.",
        ),
        Mistake(
            lambda g: smallest(lambda n: g.many < 2**n),
            "You count only the case that all units are off.",
        ),
    ),
    hints=(
        "Of the 2ⁿ patterns, how many have exactly j units on? `math.comb(n, j)`.",
        "Sum that for j = 0 ... {d} − 1, divide by 2ⁿ, and try n = {d}, {d} + 1, ... until it is "
        "below 1 / {many:,}.",
    ),
    solution=(
        "Lost: the sum of `comb(n, j)` for j = 0 ... {d} − 1, over 2ⁿ. It falls with n; the first "
        "n that brings it below 1 / {many:,} is {answer}."
    ),
    outcome=3,
    minutes=7,
    difficulty=3,
    remark=lambda g: (
        f"That is {smallest_width(g) / g.d:.1f} times the {g.d} channels. MobileNetV2 expands six "
        "times."
    ),
)


def slow_dead_channels(kernels: list[list[int]], biases: list[int], largest: int) -> int:
    """Tries every corner of the inputs: a sum of products is largest at one of them."""
    dead = 0
    for kernel, bias in zip(kernels, biases, strict=True):
        fires = False
        for window in product((0, largest), repeat=len(kernel)):
            if bias + sum(w * x for w, x in zip(kernel, window, strict=True)) > 0:
                fires = True
        dead += not fires
    return dead


def channel_cases(random: Random) -> Mapping[str, Any]:
    """A few channels, of which some die and some are just at the edge."""
    largest, size = random.choice((1, 6, 6)), random.choice((4, 4, 9))
    kernels, biases = [], []
    for _ in range(random.randint(1, 4)):
        kernel = [random.randint(-3, 2) for _ in range(size)]
        edge = -largest * sum(w for w in kernel if w > 0)
        kernels.append(kernel)
        biases.append(random.choice((edge, edge - random.randint(1, 9), random.randint(-20, 9))))
    return {"kernels": kernels, "biases": biases, "largest": largest}


def dead_mutant(change: str) -> Any:
    """`dead_channels` with one error in it."""

    def dead_channels(kernels: list[list[int]], biases: list[int], largest: int) -> int:
        count = 0
        for kernel, bias in zip(kernels, biases, strict=True):
            kept = [w for w in kernel if w > 0]
            if change == "all":
                kept = kernel
            if change == "least":
                kept = [w for w in kernel if w < 0]
            top = (0 if change == "no bias" else bias) + sum(kept) * (
                {"no range": 1, "six": 6}.get(change, largest)
            )
            count += top < 0 if change == "edge" else top > 0 if change == "alive" else top <= 0
        return count

    return dead_channels


DEAD = Exercise(
    id="4.5",
    title="Channels that never fire",
    question=(
        "A depthwise convolution (its norm folded into weights and a bias) reads what a ReLU6 "
        "writes: each value of its window is from 0 to 6, and one channel never helps another. "
        "Write `dead_channels(kernels, biases, largest)`: for how many channels is the ReLU after "
        "it off for *every* window with values from 0 to `largest`? `kernels` has a flat list of "
        "weights for each channel, `biases` one number for each."
    ),
    kind=Function("dead_channels", channel_cases, Integer()),
    unit="channels",
    answer=lambda g: slow_dead_channels,
    mistakes=(
        Mistake(
            lambda g: dead_mutant("all"),
            "You try the window in which all values are as large as can be. A pixel under a "
            "negative weight had better be 0: the largest sum leaves those weights out.",
        ),
        Mistake(
            lambda g: dead_mutant("least"),
            "You try the window with the *smallest* sum. That tells whether a unit can be off; "
            "dead means that it cannot be on.",
        ),
        Mistake(
            lambda g: dead_mutant("no bias"),
            "You leave out the bias: it can lift a kernel without positive weights, and sink one "
            "that has some.",
        ),
        Mistake(
            lambda g: dead_mutant("no range"),
            "You take 1 for the largest value of a pixel; it is `largest`.",
        ),
        Mistake(
            lambda g: dead_mutant("six"),
            "Right for ReLU6. But the largest value of a pixel is `largest`, which need not be 6.",
        ),
        Mistake(
            lambda g: dead_mutant("edge"),
            "Right but for the edge: a largest sum of exactly 0 gives ReLU(0) = 0, never above.",
        ),
        Mistake(
            lambda g: dead_mutant("alive"),
            "You count the channels that can fire; the question asks for the others.",
        ),
    ),
    hints=(
        "Which window makes the sum as large as possible? Decide pixel by pixel: what should it be "
        "under a positive weight, and what under a negative one?",
        "The largest sum is bias + largest × (sum of the positive weights). Dead means that even "
        "this is not above 0.",
    ),
    solution=(
        "The best window has `largest` under each positive weight and 0 under the others. So a "
        "channel is dead if bias + `largest` · Σ max(w, 0) ≤ 0; count these."
    ),
    outcome=3,
    minutes=7,
    difficulty=3,
    remark="The checker tried every corner of the range of inputs, and your rule agrees.",
)


def returned_length(angles: int = 3_600) -> float:
    """What the pseudo-inverse returns of a point of length 1, over directions at every angle.

    For directions W on all sides, W^+ relu(W x) is the sum of w relu(w x) over half their number.
    """
    turns = [2 * pi * (step + 0.5) / angles for step in range(angles)]
    return sum(max(cos(a), 0) * cos(a) for a in turns) / (angles / 2)


LESSON = Lesson(
    number="4",
    title="Why linear bottlenecks: ReLU loses information",
    minutes=42,
    prerequisites=(
        "lesson 3",
        "matrices times vectors, and what a probability is",
        "NumPy and SymPy installed",
    ),
    outcomes=(
        "compute which points a ReLU layer can no longer tell apart",
        "derive the share of points that is lost, and test it by simulation",
        "design a width at which hardly anything is lost, and find units that never fire",
    ),
    question="Why has the last convolution of a MobileNetV2 block no activation?",
    predictions=(
        Prediction(
            id="4.a",
            question=(
                "A point of the plane goes through 5 random directions, each with a ReLU. In which "
                "share of cases is so little left that the point cannot be found again? Guess a "
                "fraction between 0 and 1."
            ),
            kind=Number(),
            unit="of the points",
            answer=lambda: lost_share(5),
            remark="Five numbers for a point that has two, and still that many are lost.",
        ),
        Prediction(
            id="4.b",
            question=(
                "A point of length 1 goes through 1,000 random directions with ReLU, and comes "
                "back by the pseudo-inverse of the directions: the matrix that would bring it back "
                "exactly if there were no ReLU. How long is what comes back?"
            ),
            kind=Number(),
            unit="times the length",
            answer=returned_length,
            remark=(
                "Nothing is lost here; but the pseudo-inverse takes the zeros of the units that "
                "are off for measurements. Half of them are."
            ),
        ),
    ),
    exercises=(ACTIVE, LOST, SIMULATE, WIDTH, DEAD),
    misconceptions=(
        "ReLU loses half of the information because it sets half of the values to 0: with enough "
        "directions, those that are on determine the point.",
        "A point is lost only if all units are off: with fewer units on than dimensions it is lost "
        "as well.",
        "What the pseudo-inverse does not bring back is gone: it is one way back, and not the "
        "best; the rows that are on give the point exactly where enough of them are.",
        "A unit with a negative bias or negative weights is dead: it is dead if even the best "
        "input cannot lift it above 0.",
    ),
    discussion=(
        "Trained weights are not random, and feature maps do not fill all their dimensions. Which "
        "of the two makes things better than our formula, and which could make them worse?"
    ),
)

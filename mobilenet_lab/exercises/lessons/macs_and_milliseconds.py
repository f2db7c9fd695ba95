"""Lesson 11: arithmetic intensity, the roofline, and what the counters count."""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from random import Random
from typing import Any

from mobilenet_lab.analysis import Analysis, Row, analyse
from mobilenet_lab.conventions import CONVENTIONS, Term
from mobilenet_lab.devices import DEVICES, device
from mobilenet_lab.exercises.kinds import Choice, Function, Integer, Number, Values
from mobilenet_lab.exercises.kinds import Row as Listed
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.reconciliation import bridge
from mobilenet_lab.registry import trace
from mobilenet_lab.rooflines import Machine, batched, told_rate

BOARD = "raspberry_pi_4"
"""The machine of the lesson's examples; its two numbers and their source are in devices.py."""
LAYERS = {
    "pointwise": "head.conv",
    "depthwise": "stage2.0.depthwise.conv",
    "norm": "stage2.0.expand.norm",
    "linear": "classifier.linear",
}
"""Four layers of MobileNetV2: what the lesson calls them, and their names in the trace."""
RECORDED_MS = {"vgg16": 333.1, "replknet_31b": 1812.5, "mobilenet_v1": 21.5, "mobilenet_v2": 19.9}
"""Measured milliseconds at 224 x 224, one thread: the run recorded in docs/latency.md."""
RECORDED_TAU = {"MACs": 0.600, "bytes": 0.886, "roofline": 0.867}
"""Kendall's tau-b with the measured times of 15 networks below 600 M MACs: the same run."""
RECORDED_SOURCE = (
    "docs/latency.md: two processors of an Intel Xeon, PyTorch 2.14.1, float32, batch 1"
)


@cache
def network(name: str = "mobilenet_v2") -> Analysis:
    """A network at its usual resolution, in float32."""
    return analyse(trace(name))


def board(name: str = BOARD) -> Machine:
    """A documented machine in float32."""
    return device(name).machine()


def four() -> dict[str, Row]:
    """The rows of the four layers."""
    rows = {row.name: row for row in network().rows}
    return {short: rows[name] for short, name in LAYERS.items()}


def ranked(key: Callable[[Row], Any]) -> list[str]:
    """The four layers, the largest first."""
    rows = four()
    return sorted(rows, key=lambda short: key(rows[short]), reverse=True)


def share_without_macs() -> float:
    """The share of MobileNetV2's least time on the board that is spent in layers without MACs."""
    times = [(row.macs, board().seconds(row)) for row in network().rows]
    return float(sum(t for macs, t in times if not macs) / sum(t for _, t in times))


def one_layer(channels: int, size: int, groups: int) -> Row:
    """A 3x3 convolution of as many channels in as out, in a network of its own."""
    net = Net()
    net.conv2d(net.input(channels, size), channels, 3, groups=groups)
    return analyse(net.trace()).rows[0]


def intensities(g: Given, change: Callable[[Row], float] | None = None) -> dict[str, float]:
    """FLOPs per byte of the depthwise layer and of the dense one, or another ratio of each."""
    measure = change or (lambda row: row.flops / row.memory)
    return {
        "depthwise": measure(one_layer(g.channels, g.size, g.channels)),
        "dense": measure(one_layer(g.channels, g.size, 1)),
    }


def told_intensity(g: Given) -> str:
    """The solution of 11.1, with its numbers."""
    depthwise, dense = (one_layer(g.channels, g.size, groups) for groups in (g.channels, 1))
    values = g.channels * g.size**2
    return (
        f"Each map has {g.channels} × {g.size}² = {values:,} values; both layers read one and "
        f"write one. Depthwise: {depthwise.macs:,} MACs and {depthwise.params:,} weights, so "
        f"2 × {depthwise.macs:,} / (4 × (2 × {values:,} + {depthwise.params:,})). Dense: "
        f"2 × {dense.macs:,} / (4 × (2 × {values:,} + {dense.params:,}))."
    )


INTENSITY = Exercise(
    id="11.1",
    title="Work per byte",
    question=(
        "A 3×3 convolution at stride 1 (padding 1, no bias) takes {channels} channels of "
        "{size}×{size} to {channels} channels of {size}×{size}, in float32. Its input, its weights "
        "and its output each travel once between memory and processor. How many FLOPs does it "
        "compute per byte that travels: as a depthwise convolution, and as a dense one? Give "
        "`(depthwise, dense)`; FLOPs are 2 × MACs."
    ),
    kind=Values({"depthwise": Number(), "dense": Number()}),
    unit="FLOPs per byte",
    given={"channels": 128, "size": 28},
    deal=lambda random: {
        "channels": random.randrange(32, 512, 16),
        "size": random.choice((7, 14, 28, 56)),
    },
    answer=intensities,
    mistakes=(
        Mistake(
            lambda g: intensities(g, lambda row: row.macs / row.memory),
            "Exactly half: those are MACs per byte. One MAC is two FLOPs.",
        ),
        Mistake(
            lambda g: intensities(g, lambda row: 4 * row.flops / row.memory),
            "You divide by values, not by bytes; a float32 is more than one byte.",
        ),
        Mistake(
            lambda g: intensities(g, lambda row: row.flops / (row.memory - 4 * row.params)),
            "You count both maps, but the weights travel, too. For the depthwise layer they hardly "
            "matter; look at the dense one.",
        ),
        Mistake(
            lambda g: intensities(g, lambda row: row.flops / (row.memory - 4 * row.activations)),
            "One of the two maps is missing: the layer reads a map and writes a map.",
        ),
        Mistake(
            lambda g: dict(
                zip(("depthwise", "dense"), reversed(intensities(g).values()), strict=True)
            ),
            "Both are there, but the other way round: the depthwise layer is the one that does "
            "little with each value.",
        ),
    ),
    hints=(
        "Four numbers for each layer: MACs, values read, weights, values written.",
        "MACs are 9 × {channels} × {size}² for the depthwise layer and {channels} times that for "
        "the dense one. How many weights has each?",
        "FLOPs / bytes = 2 × MACs / (4 × (read + weights + written)).",
    ),
    solution=told_intensity,
    outcome=1,
    minutes=6,
    difficulty=1,
    remark="A depthwise 3×3 layer stays below 2 × 9 / 8 = 2.25 FLOPs per byte, however large it "
    "is; a dense one grows with its channels.",
)


def least_time(macs: int, bytes_moved: int, peak: int, bandwidth: int) -> float:
    """Walks under the roof: the rate that is attainable at this intensity, then the time."""
    if not macs:
        return bytes_moved / bandwidth
    flops = macs + macs
    slope = flops / bytes_moved * bandwidth
    return flops / (slope if slope < peak else peak)


def layer_cases(random: Random) -> Mapping[str, Any]:
    """A layer on a machine; some layers have no MACs."""
    return {
        "macs": random.choice((0, 1, 1, 1)) * random.randint(1, 400) * 10**6,
        "bytes_moved": random.randint(1, 60) * 10**6,
        "peak": random.choice((20, 48, 150, 400)) * 10**9,
        "bandwidth": random.choice((5, 13, 17, 34)) * 10**9,
    }


def timing_mutant(change: str) -> Callable[..., float]:
    """`roofline_time` with one error in it."""

    def roofline_time(macs: int, bytes_moved: int, peak: int, bandwidth: int) -> float:
        computing = (1 if change == "macs" else 2) * macs / peak
        moving = (8 if change == "bits" else 1) * bytes_moved / bandwidth
        if change == "sum":
            return computing + moving
        if change == "min":
            return min(computing, moving)
        if change == "peak":
            return computing
        if change == "nothing" and not macs:
            return 0.0
        return max(computing, moving)

    return roofline_time


ROOFLINE_TIME = Exercise(
    id="11.2",
    title="Write roofline_time",
    question=(
        "Write `roofline_time(macs, bytes_moved, peak, bandwidth)`: the least time of a layer by "
        "the roofline, in seconds. `peak` is in FLOP/s (2 FLOPs for each MAC), `bandwidth` in "
        "bytes/s. Some layers have no MACs at all."
    ),
    kind=Function("roofline_time", layer_cases, Number()),
    unit="seconds",
    answer=lambda g: least_time,
    mistakes=(
        Mistake(
            lambda g: timing_mutant("sum"),
            "You add computing and moving. The roofline lets them overlap: only the longer of the "
            "two counts.",
        ),
        Mistake(
            lambda g: timing_mutant("min"),
            "You take the shorter of the two times. The layer is done when *both* are done. (The "
            "min stands in the formula of the rate; of the times it is the other one.)",
        ),
        Mistake(
            lambda g: timing_mutant("peak"),
            "You always compute at the peak. That is right only for layers with enough work per "
            "byte; where does `bytes_moved` come in?",
        ),
        Mistake(
            lambda g: timing_mutant("macs"),
            "The peak counts FLOPs and you divide MACs by it: compute-bound layers come out twice "
            "as fast as they can be.",
        ),
        Mistake(
            lambda g: timing_mutant("bits"),
            "Memory-bound layers come out eight times too slow: both numbers are in bytes, not in "
            "bits.",
        ),
        Mistake(
            lambda g: timing_mutant("nothing"),
            "Right for all layers with MACs. One without, a batch norm say, still moves bytes.",
        ),
    ),
    hints=(
        "How long does the arithmetic take at the peak, and how long do the bytes take at the "
        "bandwidth?",
        "Both go on at the same time, and the layer is done when the longer one is done.",
        "If you divide by the attainable rate instead: it is 0 for a layer without MACs.",
    ),
    solution=(
        "`max(2 * macs / peak, bytes_moved / bandwidth)`. The same by the rate: "
        "`2 * macs / min(peak, intensity * bandwidth)`, but this divides 0 by 0 without MACs."
    ),
    outcome=1,
    minutes=5,
    difficulty=2,
    source="the model: Williams, Waterman, Patterson 2009",
    remark="The checker went by the attainable rate, you by the two times, and they agree.",
)


def four_told(g: Given) -> str:
    """The question of 11.3, with a table."""
    rows = "\n".join(
        f"| `{short}` | {what} | {row.macs:,} | {row.memory:,} |"
        for (short, row), what in zip(
            four().items(),
            (
                "the last 1×1 convolution, 320 to 1280 channels at 7×7",
                "a 3×3 depthwise convolution of 96 channels, 112×112 to 56×56",
                "a batch norm of 96 channels at 112×112",
                "the classifier, 1280 to 1000",
            ),
            strict=True,
        )
    )
    on = board()
    return (
        "Four layers of MobileNetV2, float32, batch 1:\n\n"
        "| name | layer | MACs | bytes moved |\n| --- | --- | ---: | ---: |\n"
        f"{rows}\n\nThe machine is a Raspberry Pi 4: {told_rate(on.peak, 'FLOP/s')} and "
        f"{told_rate(on.bandwidth, 'B/s')}. Rank them by the roofline's least time, the slowest "
        "first: a list of the four names."
    )


def four_solved(g: Given) -> str:
    """The four least times."""
    on = board()
    told = "; ".join(
        f"{short} {float(1000 * on.seconds(row)):.3f} ms ({on.bound(row)})"
        for short, row in four().items()
    )
    return f"Each by its longer time, computing or moving: {told}."


RANK = Exercise(
    id="11.3",
    title="Rank four layers before you time them",
    question=four_told,
    kind=Listed(Choice(tuple(LAYERS))),
    unit="",
    answer=lambda g: ranked(board().seconds),
    mistakes=(
        Mistake(
            lambda g: ranked(lambda row: row.macs),
            "That is the order of the MACs. By it a batch norm is free; but the bytes of all four "
            "have to be moved.",
        ),
        Mistake(
            lambda g: ranked(lambda row: row.memory),
            "That is the order of the bytes. It is right where every layer waits for memory; one "
            "of the four has more FLOPs per byte than this machine's ridge.",
        ),
        Mistake(
            lambda g: ranked(board().seconds)[::-1],
            "Right, but the fastest first; the question asks for the slowest first.",
        ),
        Mistake(
            lambda g: ranked(lambda row: row.params),
            "That is the order of the parameters. They are only a part of the bytes, and for maps "
            "of this size a small one.",
        ),
    ),
    hints=(
        "Use your `roofline_time` with the numbers of the table.",
        "Which of the four have more FLOPs per byte than the ridge, {peak} / {bandwidth}?",
    ),
    solution=four_solved,
    given={
        "peak": told_rate(board().peak, "FLOP/s"),
        "bandwidth": told_rate(board().bandwidth, "B/s"),
    },
    outcome=2,
    minutes=6,
    difficulty=2,
    config=("mobilenet_v2",),
    source=DEVICES[BOARD].source,
    remark="The layer without a single MAC is not the fastest but the second slowest.",
)


@cache
def linear(f_in: int, f_out: int) -> Analysis:
    """One linear layer with bias, in a network of its own."""
    net = Net()
    net.linear(net.flatten(net.input(f_in, 1)), f_out)
    return analyse(net.trace())


def smallest_batch(g: Given) -> int:
    """The first batch at which the arithmetic takes as long as the memory."""
    on, alone = board(g.machine), linear(g.f_in, g.f_out)
    return next(b for b in count(1) if on.bound(batched(alone, b).rows[-1]) == "compute")


def batch_by(g: Given, flops: int = 2, size: int = 4, maps: bool = True) -> int:
    """A batch by the inequality, with other counts in it; 0 where none is large enough."""
    ridge, weights = board(g.machine).ridge, g.f_in * g.f_out + g.f_out
    gain = flops * g.f_in * g.f_out - (ridge * size * (g.f_in + g.f_out) if maps else 0)
    return -int(-ridge * size * weights // gain) if gain > 0 else 0


def dealt_layer(random: Random) -> Mapping[str, Any]:
    """A linear layer on a machine, for which some batch is large enough."""
    while True:
        name = random.choice(sorted(DEVICES))
        f_in, f_out = random.randrange(512, 4097, 64), random.randrange(512, 4097, 64)
        if board(name).ridge * 4 * (f_in + f_out) < 0.9 * f_in * f_out:
            return {"machine": name, "f_in": f_in, "f_out": f_out}


def batch_told(g: Given) -> str:
    """The question of 11.4."""
    known = device(g.machine)
    on = known.machine()
    return (
        f"A linear layer with bias, {g.f_in} to {g.f_out}, in float32, on a machine with "
        f"{told_rate(on.peak, 'FLOP/s')} and {told_rate(on.bandwidth, 'B/s')} ({known.title}; "
        f"{known.unit}). At batch 1 it waits for memory. Weights and bias are read once for the "
        "whole batch; inputs and outputs are moved for each image. What is the smallest batch at "
        "which the layer is compute-bound, so that its arithmetic takes at least as long as its "
        "bytes? (Adding the bias is no MAC.)"
    )


BATCH = Exercise(
    id="11.4",
    title="Design: the smallest batch that pays for the weights",
    question=batch_told,
    kind=Integer(),
    unit="images",
    given={"machine": "rtx_3090", "f_in": 1280, "f_out": 1000},
    deal=dealt_layer,
    answer=smallest_batch,
    mistakes=(
        Mistake(
            lambda g: batch_by(g, maps=False),
            "You share the weights among the images, but each image also brings its own input and "
            "output, and those grow with the batch.",
        ),
        Mistake(
            lambda g: batch_by(g, flops=1),
            "You compare MACs with a peak in FLOP/s.",
        ),
        Mistake(
            lambda g: batch_by(g, size=1),
            "You count values, not bytes: a float32 is more than one byte.",
        ),
        Mistake(
            lambda g: smallest_batch(g) - 1,
            "One image less than needed: at that batch the memory still takes longer. Round up.",
        ),
    ),
    hints=(
        "Write FLOPs and bytes of a batch of b images: which part of each grows with b?",
        "FLOPs: 2 · b · f_in · f_out. Bytes: 4 · (f_in · f_out + f_out + b · (f_in + f_out)).",
        "Try b = 1, 2, 3 ... in a loop with your `roofline_time`, or solve "
        "FLOPs / bytes ≥ peak / bandwidth for b.",
    ),
    solution=lambda g: (
        f"The ridge is at {float(board(g.machine).ridge):.4g} FLOPs per byte. FLOPs "
        f"2 · b · {g.f_in} · {g.f_out} against bytes 4 · ({g.f_in} · {g.f_out} + {g.f_out} + "
        f"b · ({g.f_in} + {g.f_out})): their ratio reaches the ridge first at b = {g.answer}."
    ),
    outcome=2,
    minutes=7,
    difficulty=3,
    config=("mobilenet_v2",),
    source="peaks and bandwidths: the makers' datasheets, named in mobilenet_lab/devices.py",
    remark="A batch shares the weights. A depthwise 3×3 layer has hardly any to share: no batch "
    "lifts it above 2.25 FLOPs per byte.",
)

COUNTED = ("mobilenet_v1", "mobilenet_v2", "mnasnet_b1", "resnet18", "resnet50", "shufflenet_v2")
"""Networks in which fvcore and thop count batch norms and the last pool beside the MACs."""


@cache
def counted(name: str) -> Trace:
    """A network's trace."""
    return trace(name)


def prints(tool: str, name: str) -> int:
    """What a tool prints for a network, by its closed form."""
    return CONVENTIONS[tool].total(counted(name).layers)


def pooled(tool: str, name: str) -> int:
    """What a tool counts for the pool."""
    terms = bridge(CONVENTIONS[tool], counted(name))
    return sum(term.total for term in terms if "pool" in term.name)


def normed(name: str, op: str = "batch_norm") -> int:
    """Values that enter the layers of a kind, counted along the trace."""
    total = 0
    for layer in counted(name).layers:
        if layer.op == op:
            channels, height, width = layer.in_shapes[0]
            total += channels * height * width
    return total


def activated(name: str) -> int:
    """Values that enter activations."""
    return normed(name, "relu6") + normed(name, "relu")


def each(tool: str, name: str) -> int:
    """What is left of a tool's number for one value of a batch norm."""
    macs = network(name).total.macs
    return (prints(tool, name) - macs - pooled(tool, name)) // normed(name)


def explained(g: Given, **changes: int) -> dict[str, int]:
    """The values that are normalised, and what the two tools count for each."""
    right = {"values": normed(g.network)}
    return right | {tool: each(tool, g.network) for tool in ("fvcore", "thop")} | changes


def norm_term(name: str, tool: str) -> Term:
    """The batch norms in a tool's count."""
    terms = bridge(CONVENTIONS[tool], counted(name))
    return next(term for term in terms if term.name.startswith("batch norm"))


EXPLAIN = Exercise(
    id="11.5",
    title="Explain two counters",
    question=lambda g: (
        f"The convolutions and linear layers of `{g.network}` have "
        f"{network(g.network).total.macs:,} MACs. fvcore prints {prints('fvcore', g.network):,} "
        f"and thop {prints('thop', g.network):,}; both count one for a MAC. Beside them they count "
        f"the last pool ({pooled('fvcore', g.network):,} in fvcore, {pooled('thop', g.network):,} "
        "in thop) and some operations for every value that enters a batch norm. How many values "
        "enter batch norms for one image, and how many operations does each tool count for one of "
        "them? Give `(values, fvcore, thop)`."
    ),
    kind=Values({"values": Integer(), "fvcore": Integer(), "thop": Integer()}),
    unit="",
    given={"network": "mobilenet_v2"},
    deal=lambda random: {"network": random.choice(COUNTED)},
    answer=explained,
    mistakes=(
        Mistake(
            lambda g: explained(g, values=sum(r.params for r in norms(g)) // 2),
            "You count the channels. A batch norm treats every value of its map: channels × height "
            "× width. (torchinfo does count like you.)",
            lambda g, found: found["values"] == sum(r.params for r in norms(g)) // 2,
        ),
        Mistake(
            lambda g: explained(g, values=sum(r.params for r in norms(g))),
            "Those are the parameters of the batch norms, and not the values that they normalise: "
            "channels × height × width of each map.",
            lambda g, found: found["values"] == sum(r.params for r in norms(g)),
        ),
        Mistake(
            lambda g: explained(g, fvcore=each("thop", g.network), thop=each("fvcore", g.network)),
            "The values are right; the two tools are swapped. Which one prints more?",
        ),
        Mistake(
            lambda g: explained(g, fvcore=1, thop=2),
            "The values are right; but twice as much is left over for each of them. You may have "
            "divided by FLOPs: here one MAC counts one, not two.",
        ),
        Mistake(
            lambda g: explained(g, values=activated(g.network)),
            "You count what enters the activations. In some networks that is the same; here some "
            "batch norms have none behind them.",
            lambda g, found: found["values"] == activated(g.network),
        ),
        Mistake(
            lambda g: explained(g, values=normed(g.network) * each("fvcore", g.network)),
            "That is everything fvcore counts for batch norms. Divide it by the operations for one "
            "value; the trace tells how many values there are.",
            lambda g, found: found["values"] == normed(g.network) * each("fvcore", g.network),
        ),
    ),
    hints=(
        "First take the MACs and the pool from each printed number. What is left over?",
        'The trace has every layer: `lab.trace("{network}").layers`; each has `.op` (here '
        '`"batch_norm"`) and `.in_shapes[0]`, channels × height × width.',
        "Add up channels × height × width over the batch norms; what is left over, divided by "
        "this, is a whole number for each tool.",
    ),
    solution=lambda g: (
        f"Along the trace {normed(g.network):,} values enter batch norms. Left over are "
        f"{norm_term(g.network, 'fvcore').total:,} in fvcore and "
        f"{norm_term(g.network, 'thop').total:,} in thop: {each('fvcore', g.network)} and "
        f"{each('thop', g.network)} for each value."
    ),
    outcome=3,
    minutes=6,
    difficulty=4,
    config=("mobilenet_v2",),
    source="closed forms of fvcore 0.1.5 and thop 0.1.1, held to the tools by the lab's tests",
    remark="Neither is wrong. Whoever prints a number has to say what it counts.",
)


def norms(g: Given) -> list[Row]:
    """The rows of a network's batch norms."""
    return [row for row in network(g.network).rows if row.op == "batch_norm"]


LESSON = Lesson(
    number="11",
    title="MACs are not milliseconds",
    minutes=45,
    prerequisites=(
        "lesson 1",
        "what memory bandwidth is",
        "PyTorch installed for the measured part (the rest runs without)",
    ),
    outcomes=(
        "compute a layer's arithmetic intensity and its least time on a machine",
        "rank layers by the roofline, and design a batch that is not bound by memory",
        "explain the number that a counter prints, operation by operation",
    ),
    question="Why does a layer with a tenth of the MACs not take a tenth of the time?",
    predictions=(
        Prediction(
            id="11.a",
            question=(
                "On a Raspberry Pi 4, which share of MobileNetV2's time goes to layers without a "
                "single MAC (batch norms, activations, additions, the pool), if each layer takes "
                "the least time that the machine's peak and bandwidth allow? A fraction between 0 "
                "and 1."
            ),
            kind=Number(),
            unit="",
            answer=share_without_macs,
            remark="No count of MACs shows it. (Inference engines fold norms and activations into "
            "the convolutions, for this reason.)",
        ),
        Prediction(
            id="11.b",
            question=(
                "Four layers of MobileNetV2: the last 1×1 convolution (`pointwise`), a `depthwise` "
                "convolution of 96 channels at 112×112 with stride 2, the batch `norm` of the same "
                "96×112×112 map, and the `linear` classifier. Which takes longest there, and which "
                "is the fastest? A list of the four names, the slowest first."
            ),
            kind=Listed(Choice(tuple(LAYERS))),
            unit="",
            answer=lambda: ranked(board().seconds),
            remark="By MACs the norm would be last, by far.",
        ),
    ),
    exercises=(INTENSITY, ROOFLINE_TIME, RANK, BATCH, EXPLAIN),
    misconceptions=(
        "A layer with half the MACs takes half the time: only if both are bound by compute, on "
        "kernels that are equally good.",
        "Layers without MACs are free: a batch norm at full resolution moves more bytes than the "
        "convolution behind it.",
        "A larger batch makes every layer more efficient: it shares weights, and a depthwise layer "
        "has hardly any.",
        "There is one true number of FLOPs of a network: each tool counts other operations, and "
        "some count a MAC as two.",
    ),
    discussion=(
        "Which single number would you print beside a new network for phones, so that it cannot "
        "mislead? Who could game it, and how?"
    ),
)

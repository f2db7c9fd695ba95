"""Lesson 7: MixNet: several kernel sizes side by side, what they see and what they cost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from itertools import combinations_with_replacement
from random import Random
from typing import Any

from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.architectures.mixnet import mix_conv
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.exercises.kinds import Function, Integer, Number, Row
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.layers import Layer, Trace
from mobilenet_lab.net import Net
from mobilenet_lab.receptive_field import Axis, receptive_fields
from mobilenet_lab.registry import trace

PAPER = "Tan and Le 2019, arXiv 1907.09595"
LARGE = 13
"""The least of RepLKNet-31B's large kernels."""


@cache
def network(name: str) -> Trace:
    """A network at 224x224."""
    return trace(name)


@cache
def counted(name: str) -> Analysis:
    """Its rows."""
    return analyse(network(name))


def depthwise_share() -> float:
    """The depthwise convolutions' share of MixNet-S's MACs, in percent."""
    row = next(row for row in counted("mixnet_s").by("role") if row.name == "depthwise")
    return 100 * row.macs / counted("mixnet_s").total.macs


def dense_replknet() -> float:
    """RepLKNet-31B with dense large kernels, over RepLKNet-31B, in MACs."""
    found = counted("replknet_31b")
    macs = {row.name: row.macs for row in found.rows}
    more = 0
    for layer in network("replknet_31b").layers:
        if layer.groups > 1 and layer.kernel is not None and layer.kernel[0] >= LARGE:
            more += macs[layer.name] * (layer.groups - 1)
    return (found.total.macs + more) / found.total.macs


# 7.1, what each part sees


def mixed_blocks() -> Iterator[tuple[str, str]]:
    """(network, block) of each mixed depthwise convolution in MixNet-S and M."""
    for name in ("mixnet_s", "mixnet_m"):
        for layer in network(name).layers:
            if layer.name.endswith(".depthwise.conv.1"):
                yield name, layer.block


def parts(g: Given) -> list[Layer]:
    """The block's depthwise convolutions, one for each part."""
    start = f"{g.block}.depthwise.conv."
    return [layer for layer in network(g.network).layers if layer.name.startswith(start)]


def kernels(g: Given) -> list[int]:
    """Their kernels."""
    return [layer.kernel[0] for layer in parts(g) if layer.kernel is not None]


@cache
def axes(name: str) -> dict[str, Axis]:
    """What a unit of each layer sees along one axis."""
    fields = receptive_fields(network(name))
    return {
        layer.name: field.axes[0]
        for layer, field in zip(network(name).layers, fields, strict=True)
        if field.axes[0] is not None
    }


def before(g: Given) -> Axis:
    """The same of the map that the parts are taken from."""
    return axes(g.network)[network(g.network).layers[parts(g)[0].inputs[0]].name]


def seen(g: Given) -> list[int]:
    """What a unit of each part sees, from the walk through the whole network."""
    return [axes(g.network)[layer.name].size for layer in parts(g)]


def ask_fields(g: Given) -> str:
    """The question about one block."""
    return (
        f"In block {g.block} of {g.network}, the map before the depthwise convolution has units "
        f"that see {before(g).size} pixels of the image, {before(g).jump} pixels apart. It is "
        f"split into {len(kernels(g))} parts, with kernels {', '.join(map(str, kernels(g)))}; the "
        f"stride is {parts(g)[0].stride[0]}. How many pixels does a unit of each part see "
        "afterwards? Give a list, in the order of the kernels."
    )


FIELDS = Exercise(
    id="7.1",
    title="One map, several fields",
    question=ask_fields,
    kind=Row(Integer()),
    unit="pixels",
    given={"network": "mixnet_s", "block": "stage5.1"},
    deal=lambda random: dict(
        zip(("network", "block"), random.choice(list(mixed_blocks())), strict=True)
    ),
    answer=seen,
    mistakes=(
        Mistake(
            lambda g: [before(g).size + k * before(g).jump for k in kernels(g)],
            "One step too many: the first and the last of k units are only k − 1 steps apart.",
        ),
        Mistake(
            lambda g: [before(g).size + k - 1 for k in kernels(g)],
            lambda g: (
                "You add k − 1 pixels. The kernel lies over units of the map, and these are "
                f"{before(g).jump} pixels of the image apart."
            ),
        ),
        Mistake(
            lambda g: [before(g).size + k // 2 * before(g).jump for k in kernels(g)],
            "You widen the field on one side only; a kernel reaches to both sides of its middle.",
        ),
        Mistake(
            lambda g: [max(seen(g))] * len(seen(g)),
            "That is the field of the whole map, the largest one. Each part has its own.",
        ),
        Mistake(
            lambda g: [k * before(g).jump for k in kernels(g)],
            lambda g: (
                f"You leave out that a single unit already sees {before(g).size} pixels: begin "
                "with these, and add what k − 1 steps bring."
            ),
        ),
    ),
    hints=(
        "A 1×1 kernel would change nothing. What does a 3×3 add on its left and on its right?",
        "The field grows by (kernel − 1) × distance of the units.",
    ),
    solution=lambda g: (
        "; ".join(
            f"{before(g).size} + ({k} − 1) × {before(g).jump} = {size}"
            for k, size in zip(kernels(g), seen(g), strict=True)
        )
        + "."
    ),
    outcome=1,
    minutes=5,
    difficulty=2,
    config=("mixnet_s",),
    remark="So the next layer can choose between fine and coarse, channel by channel.",
)

# 7.2, one large kernel or several small ones


@cache
def separable_macs(kernel: int, channels: int, blocks: int) -> int:
    """MACs at one position of `blocks` separable convolutions, of a network built for this."""
    net = Net()
    x = net.input(channels, 1)
    for number in range(blocks):
        x = net.conv2d(x, channels, kernel, groups=channels, name=f"depthwise.{number}")
        x = net.conv2d(x, channels, 1, name=f"pointwise.{number}")
    return analyse(net.trace(x)).total.macs


def large_kernel(g: Given) -> int:
    """The kernel that sees as far as `n` of `k`."""
    reach: int = sum(g.k // 2 for _ in range(g.n))
    return 2 * reach + 1


COUNTS = {2: "Two", 3: "Three", 4: "Four"}


def crossover(g: Given) -> int:
    """The least number of channels at which the small ones cost more, by trying."""
    channels = 1
    while separable_macs(g.k, channels, g.n) <= separable_macs(large_kernel(g), channels, 1):
        channels += 1
    return channels


CROSSOVER = Exercise(
    id="7.2",
    title="One large kernel, or several small ones",
    question=lambda g: (
        f"{COUNTS[g.n]} depthwise-separable convolutions of {g.k}×{g.k} in a row (each a depthwise "
        "and a 1×1 convolution, c channels to c channels, stride 1) see as far as a single one "
        "with a larger kernel. What is the smallest number of channels c at which the "
        f"{COUNTS[g.n].lower()} small ones take *more* MACs than the single large one?"
    ),
    kind=Integer(),
    unit="channels",
    given={"n": 2, "k": 3},
    deal=lambda random: {"n": random.choice((2, 3, 4)), "k": random.choice((3, 5, 7, 9))},
    answer=crossover,
    mistakes=(
        Mistake(
            lambda g: crossover(g) - 1,
            "With one channel more they take *more*; with so many they do not.",
        ),
        Mistake(
            lambda g: ((g.n * g.k) ** 2 - g.n * g.k**2) // (g.n - 1) + 1,
            lambda g: (
                f"You compare with a kernel of {g.n * g.k}. {g.n} kernels of {g.k} in a row see "
                "less: each adds k − 1."
            ),
        ),
        Mistake(
            lambda g: (large_kernel(g) ** 2 - g.k**2) // (g.n - 1) + 1,
            "You count one small depthwise convolution; there are {n} of them.",
        ),
        Mistake(
            lambda g: (large_kernel(g) ** 2 - g.n * g.k**2) // g.n + 1,
            "You leave out the large one's 1×1 convolution; it has one, too.",
        ),
    ),
    hints=(
        "First the large kernel: what do {n} kernels of {k} see together?",
        "At one position: {n} × ({k}² c + c²) for the small ones. And for the large one?",
    ),
    solution=lambda g: (
        f"The large kernel is {g.n} × ({g.k} − 1) + 1 = {large_kernel(g)}. At one position "
        f"{g.n} ({g.k}² c + c²) > {large_kernel(g)}² c + c², which is "
        f"{f'{g.n - 1} ' if g.n > 2 else ''}c > "
        f"{large_kernel(g) ** 2} − {g.n} × {g.k**2} = {large_kernel(g) ** 2 - g.n * g.k**2}."
    ),
    outcome=2,
    minutes=6,
    difficulty=2,
    remark=lambda g: (
        f"From {crossover(g)} channels on the large one is cheaper. The rule for dense "
        "convolutions, to stack small kernels, turns round: each small one brings a 1×1 "
        "convolution along."
    ),
)

# 7.3, the MACs of a mixed convolution


def one_by_one(channels: int, kernels: Sequence[int], size: int, stride: int) -> int:
    """Hands out the channels one by one, and counts products position by position."""
    members, left = [0] * len(kernels), channels
    while left >= len(kernels):
        members = [count + 1 for count in members]
        left -= len(kernels)
    members[0] += left
    macs = 0
    for _row in range(0, size, stride):
        for _column in range(0, size, stride):
            for kernel, count in zip(kernels, members, strict=True):
                macs += kernel * kernel * count
    return macs


def mix_cases(random: Random) -> Mapping[str, Any]:
    """Neighbouring odd kernels and any number of channels that is enough for them."""
    first, count = random.choice((1, 3, 3, 5)), random.randint(1, 5)
    return {
        "channels": random.randint(2 * count, 40),
        "kernels": [first + 2 * place for place in range(count)],
        "size": random.randint(3, 15),
        "stride": random.choice((1, 1, 2)),
    }


def mix_mutant(change: str) -> Callable[[int, Sequence[int], int, int], int]:
    """`mix_macs` with one error in it."""

    def mix_macs(channels: int, kernels: Sequence[int], size: int, stride: int) -> int:
        share, rest = divmod(channels, len(kernels))
        counts = [share + rest] + [share] * (len(kernels) - 1)
        positions = (-(-size // stride)) ** 2
        if change == "input":
            positions = size**2
        if change == "floor":
            positions = (size // stride) ** 2
        if change == "mean":
            return channels * (sum(kernels) // len(kernels)) ** 2 * positions
        if change == "largest":
            return channels * max(kernels) ** 2 * positions
        if change == "every":
            return channels * sum(k**2 for k in kernels) * positions
        if change == "no remainder":
            counts[0] = share
        if change == "last":
            counts.reverse()
        if change == "spread":
            counts = [share + (part < rest) for part in range(len(kernels))]
        if change == "dense":
            counts = [count**2 for count in counts]
        return sum(k**2 * count for k, count in zip(kernels, counts, strict=True)) * positions

    return mix_macs


MIX_MACS = Exercise(
    id="7.3",
    title="Write mix_macs",
    question=(
        "Write `mix_macs(channels, kernels, size, stride)`: the MACs of a mixed *depthwise* "
        "convolution on a square map of side `size`. `kernels` is a list, one kernel for each "
        "part. The parts are equal; what is left over goes to the first. The padding is half the "
        "kernel on all sides, so the output has side size / stride, rounded up."
    ),
    kind=Function("mix_macs", mix_cases, Integer()),
    unit="MACs",
    answer=lambda g: one_by_one,
    mistakes=(
        Mistake(
            lambda g: mix_mutant("mean"),
            "You take the mean kernel. A kernel costs its *square*, and the mean of the squares is "
            "more than the square of the mean.",
        ),
        Mistake(
            lambda g: mix_mutant("largest"),
            "You give every channel the largest kernel; each part has its own.",
        ),
        Mistake(
            lambda g: mix_mutant("every"),
            "You give every kernel all channels. A channel is in one part only.",
        ),
        Mistake(
            lambda g: mix_mutant("no remainder"),
            "Right where the parts divide the channels. Otherwise some channels are lost: what is "
            "left over goes to the first part.",
        ),
        Mistake(
            lambda g: mix_mutant("last"),
            "Right where the parts divide the channels. What is left over goes to the *first* "
            "part.",
        ),
        Mistake(
            lambda g: mix_mutant("spread"),
            "You deal what is left over to several parts, one channel each. MixNet gives all of it "
            "to the first.",
        ),
        Mistake(
            lambda g: mix_mutant("dense"),
            "Your parts are dense: each kernel reads all channels of its part. Depthwise, it reads "
            "one.",
        ),
        Mistake(
            lambda g: mix_mutant("input"),
            "You multiply by the positions of the input; with a stride the output has fewer.",
        ),
        Mistake(
            lambda g: mix_mutant("floor"),
            "You round the output side down. With this padding a map of 7 at stride 2 gives 4.",
        ),
    ),
    hints=(
        "`share, rest = divmod(channels, len(kernels))`: the first part has `share + rest`.",
        "Sum kernel² × channels of the part, then multiply by the positions: "
        "`-(-size // stride)` squared.",
    ),
    solution=(
        "The first part has `share + rest` channels, the others `share`; the sum of kernel² × "
        "channels over the parts, times the output side squared."
    ),
    outcome=1,
    minutes=8,
    difficulty=3,
    config=("mixnet_s",),
    remark="The checker handed the channels out one by one, and your formula agrees.",
)

# 7.4, a design

WIDEST = 99


def mixed_macs(g: Given, kernels: Sequence[int]) -> int:
    """MACs of MixConv with these kernels, of a network that is built for this.

    A kernel above WIDEST, which no budget allows, counts as WIDEST.
    """
    return _mixed_macs(g.channels, g.size, tuple(min(kernel, WIDEST) for kernel in kernels))


@cache
def _mixed_macs(channels: int, size: int, kernels: tuple[int, ...]) -> int:
    net = Net()
    x = net.input(channels, size)
    x = mix_conv(net, x, channels, kernels, depthwise=True, act=None, name="depthwise")
    return analyse(net.trace(x)).total.macs


def lists(most: int) -> Iterator[tuple[int, ...]]:
    """Every list of up to so many odd kernels, in rising order."""
    for count in range(1, most + 1):
        yield from combinations_with_replacement(range(3, 16, 2), count)


def reaches(g: Given, kernels: Sequence[int]) -> bool:
    """Whether the field is wide enough."""
    return bool(g.field + (max(kernels, default=1) - 1) * g.jump >= g.reach)


def well_formed(g: Given, value: Sequence[int]) -> bool:
    """Odd kernels from 3 on, in no more parts than are allowed."""
    return 1 <= len(value) <= g.most and all(k >= 3 and k % 2 for k in value)


def fits(g: Given, value: list[int]) -> bool:
    """Whether a design keeps to everything."""
    return well_formed(g, value) and reaches(g, value) and bool(mixed_macs(g, value) <= g.budget)


def cheapest(g: Given) -> list[int]:
    """The design of the fewest MACs, by trying all."""
    enough = [list(each) for each in lists(g.most) if reaches(g, each)]
    return min(enough, key=lambda each: (mixed_macs(g, each), len(each)))


def deal_design(random: Random) -> Mapping[str, Any]:
    """A map somewhere in a network, and a budget that one kernel for all exceeds."""
    jump = random.choice((8, 16, 32))
    needed, field = random.choice((7, 9, 11, 13, 15)), random.randrange(99, 400, 4)
    numbers = {
        "channels": random.randrange(96, 721, 12),
        "size": 224 // jump,
        "field": field,
        "jump": jump,
        "most": random.choice((2, 3, 4)),
        "reach": field + (needed - 2) * jump + random.randrange(2, jump),
    }
    g = Given(**numbers)
    low, high = mixed_macs(g, cheapest(g)), mixed_macs(g, [3, needed] if g.most > 2 else [needed])
    budget = low + (high - low) * random.randint(20, 90) // 100
    return {**numbers, "budget": budget // 1000 * 1000}


DESIGN = Exercise(
    id="7.4",
    title="Far sight within a budget",
    question=(
        "A mixed depthwise convolution, stride 1, works on {channels} channels of a {size}×{size} "
        "map, whose units see {field} pixels of the image, {jump} pixels apart. Choose its "
        "kernels: a list of odd numbers from 3 on, one for each of at most {most} parts, split as "
        "in 7.3. Some channels must see at least {reach} pixels, and the whole may take at most "
        "{budget:,} MACs. Any list that keeps to both is right."
    ),
    kind=Row(Integer()),
    unit="",
    given={
        "channels": 360,
        "size": 14,
        "field": 411,
        "jump": 16,
        "most": 4,
        "reach": 530,
        "budget": 3_000_000,
    },
    deal=deal_design,
    answer=cheapest,
    accepts=fits,
    mistakes=(
        Mistake(
            lambda g: [3, max(cheapest(g)) - 1],
            "A kernel is odd and 3 or larger here, so that it has a middle.",
            lambda g, value: any(k < 3 or k % 2 == 0 for k in value),
        ),
        Mistake(
            lambda g: [3] * g.most + [max(cheapest(g))],
            "Too many parts, or none: 1 to {most} kernels.",
            lambda g, value: not 1 <= len(value) <= g.most,
        ),
        Mistake(
            lambda g: [3, max(cheapest(g)) - 2],
            "No channel sees {reach} pixels. Which kernel does, by field + (kernel − 1) × distance "
            "of the units?",
            lambda g, value: not reaches(g, value),
        ),
        Mistake(
            lambda g: [max(cheapest(g))],
            "It sees far enough, and takes more than {budget:,} MACs. How many channels need the "
            "large kernel?",
            lambda g, value: reaches(g, value) and mixed_macs(g, value) > g.budget,
        ),
    ),
    hints=(
        "The field asks for one large kernel only. Which is the smallest that does?",
        "The more parts, the fewer channels have it. Your `mix_macs` tells what a list costs.",
    ),
    solution=lambda g: (
        f"The smallest kernel that sees {g.reach} pixels is {max(cheapest(g))}. In the last of "
        f"{g.most} parts it serves 1/{g.most} of the channels; with 3×3 for the others that takes "
        f"{mixed_macs(g, cheapest(g)):,} MACs, the fewest. For all channels it would take "
        f"{mixed_macs(g, [max(cheapest(g))]):,}."
    ),
    outcome=2,
    minutes=6,
    difficulty=4,
    config=("mixnet_s",),
    remark=lambda g: (
        "The largest kernel decides what is seen, and the mix what it costs. MixNet-S has 3, 5, 7 "
        f"and 9 in such a place: {mixed_macs(g, [3, 5, 7, 9]):,} MACs here."
    ),
)

# 7.5, a configuration that is changed by reading it

Table = list[list[int]]


def builds_from_text(table: Table, multipliers: Sequence[float]) -> list[list[int]]:
    """Each network from a table that is written out and read anew, so that nothing is shared."""
    text = ";".join(f"{channels},{repeats}" for channels, repeats in table)
    built = []
    for multiplier in multipliers:
        rows = [line.split(",") for line in text.split(";")]
        built.append([make_divisible(int(channels) * multiplier) for channels, _ in rows])
    return built


def builder_cases(random: Random) -> Mapping[str, Any]:
    """A table of [channels, repeats] and a few networks that are built from it in turn."""
    table = [[8 * random.randint(2, 30), random.randint(1, 4)] for _ in range(random.randint(1, 4))]
    return {"table": table, "multipliers": random.choices((1.0, 1.3, 0.75, 1.5), k=4)}


def builder_mutant(change: str) -> Callable[[Table, Sequence[float]], list[list[int]]]:
    """`channels_of` with one error in it."""

    def channels_of(table: Table, multipliers: Sequence[float]) -> list[list[int]]:
        built: list[Any] = []
        rows = deepcopy(table)
        for multiplier in multipliers:
            if change == "unrounded":
                built.append([int(channels * multiplier) for channels, _ in table])
                continue
            if change == "first table":
                built.append([make_divisible(c * multipliers[0]) for c, _ in table])
                continue
            for row in rows:
                row[0] = make_divisible(row[0] * multiplier)
            built.append(rows if change == "one list" else [row[0] for row in rows])
            if change == "undone":
                for row in rows:
                    row[0] = round(row[0] / multiplier)
        if change == "one list":
            return [[row[0] for row in each] for each in built]
        return built

    return channels_of


BUILDER = Exercise(
    id="7.5",
    title="Repair the builder",
    question=(
        "Write `channels_of(table, multipliers)` anew, so that each network is as if it were the "
        "only one: for each multiplier in turn, the list of the channels of its rows, times the "
        "multiplier and rounded by `make_divisible`. A row of `table` is `[channels, repeats]`."
    ),
    kind=Function("channels_of", builder_cases, Row(Row(Integer()))),
    unit="channels",
    answer=lambda g: builds_from_text,
    mistakes=(
        Mistake(
            lambda g: builder_mutant("in place"),
            "The second network still starts from what the first one left. `list(table)`, or a "
            "copy made once before the loop, does not help: the rows are the same objects for all.",
        ),
        Mistake(
            lambda g: builder_mutant("one list"),
            "All your networks are one and the same list; it shows what the last one made of it.",
        ),
        Mistake(
            lambda g: builder_mutant("undone"),
            "You scale back by dividing. Channels were rounded on the way, and the rounding does "
            "not divide away.",
        ),
        Mistake(
            lambda g: builder_mutant("unrounded"),
            "The networks are independent now; the channels still have to go through "
            "`make_divisible`.",
        ),
        Mistake(
            lambda g: builder_mutant("first table"),
            "Every network has the first multiplier.",
        ),
    ),
    hints=(
        "Do not repair the copy: do without changing anything. A new list of channels is enough.",
        "`[make_divisible(channels * multiplier) for channels, repeats in table]` is one network.",
    ),
    solution=(
        "Nothing is assigned into a row: for each multiplier a new list is made from the channels "
        "in `table`, which stay as they are. A tuple of tuples would have raised an error at once."
    ),
    outcome=3,
    minutes=5,
    difficulty=3,
    config=("mixnet_m", "mixnet_l"),
    source="romulus0914/MixNet-PyTorch: mixnet.py scales a list of its class in place",
    remark=(
        "A test that builds one network never sees this. Build two in one process, in both orders."
    ),
)

LESSON = Lesson(
    number="7",
    title="MixNet",
    minutes=45,
    prerequisites=("lessons 1, 2 and 6", "a little Python"),
    outcomes=(
        "compute the fields and the MACs of a mixed convolution, part by part",
        "compare one large kernel with several small ones, and choose kernels within a budget",
        "repair a builder that changes its own configuration",
    ),
    question="How large may a kernel be, if it is depthwise, and who has to pay for it?",
    predictions=(
        Prediction(
            id="7.a",
            question=(
                "MixNet-S has depthwise kernels up to 11×11. What share of its MACs is in its "
                "depthwise convolutions? Guess, in percent."
            ),
            kind=Number(),
            unit="percent",
            answer=depthwise_share,
            remark="Most of the work is still in the 1×1 convolutions.",
        ),
        Prediction(
            id="7.b",
            question=(
                "RepLKNet-31B has depthwise kernels of 31×31, 29×29, 27×27 and 13×13. If just "
                "these were dense, how many times its MACs would it take?"
            ),
            kind=Number(),
            unit="times its MACs",
            answer=dense_replknet,
            remark="A dense kernel multiplies its cost by the channels, here by 128 to 1024.",
        ),
    ),
    exercises=(FIELDS, CROSSOVER, MIX_MACS, DESIGN, BUILDER),
    misconceptions=(
        "Large kernels are too expensive: dense ones are; a depthwise one costs k² for a channel, "
        "and the 1×1 beside it costs c.",
        "Two 3×3 are always cheaper than one 5×5: not as separable convolutions.",
        "The mean kernel tells the cost of a mix: the cost goes with the mean of the squares.",
        "`list(table)` protects a table: the rows inside are the same objects.",
    ),
    discussion=(
        "MixNet's paper prints more MACs than its networks have by any count that we know, and the "
        "right parameters. What would you write to the authors, and what would you do until they "
        "answer?"
    ),
)

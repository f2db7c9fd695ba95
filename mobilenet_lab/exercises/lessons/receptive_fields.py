"""Lesson 8: how far a unit sees, on MobileNetV1, VGG-16, ResNet-50 and MobileNetV3."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from math import prod
from random import Random
from typing import Any, NamedTuple

from mobilenet_lab.analysis import known_fields
from mobilenet_lab.exercises.kinds import Choice, Function, Integer, Row, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.registry import trace

PRINTED_RESNET_50 = 483
"""The field of TF-slim's ResNet-50 v1 behind block4, as google-research/receptive_field has it."""
V1_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
"""Of MobileNetV1's 3x3 convolutions, the stem first (Table 1, the last one read as 1)."""
SHARE = 95
"""Percent of a profile that an effective width holds."""


class Window(NamedTuple):
    """A layer along one axis."""

    kernel: int
    stride: int = 1
    dilation: int = 1


Chain = Sequence[tuple[int, int, int]]


def pixels(layers: Chain, unit: int = 0) -> set[int]:
    """Every input pixel that one output unit reads, found by walking back from it."""
    reached = {unit}
    for kernel, stride, dilation in reversed(layers):
        reached = {u * stride + dilation * tap for u in reached for tap in range(kernel)}
    return reached


def seen(layers: Chain) -> int:
    """From the first to the last input pixel that one unit reads."""
    reached = pixels(layers)
    return max(reached) - min(reached) + 1


def fields_along(layers: Sequence[Window]) -> list[int]:
    """The field behind each layer."""
    return [seen(layers[: number + 1]) for number in range(len(layers))]


def threes(strides: Iterable[int]) -> list[Window]:
    """3x3 convolutions of these strides."""
    return [Window(3, stride) for stride in strides]


def mutant(change: str) -> Any:
    """`receptive_field` with one error in it."""

    def receptive_field(layers: Chain) -> int:
        field, jump = 1, 1
        for kernel, stride, dilation in reversed(layers) if change == "far end" else layers:
            if change == "early":
                jump *= stride
            taps = kernel if change == "kernel" else kernel - 1
            field += (1 if change == "dilation" else dilation) * taps * jump
            if change == "last":
                jump = stride
            elif change not in ("early", "no strides"):
                jump *= stride
        if change == "all strides":
            return 1 + jump * sum(d * (k - 1) for k, _, d in layers)
        return len(pixels(layers)) if change == "gaps" else field

    return receptive_field


def mutants_along(change: str) -> Any:
    """The fields along a row of strides with one error in them."""
    find = mutant(change)
    return lambda g: [find(threes(g.strides[: n + 1])) for n in range(len(g.strides))]


def some_strides(random: Random) -> dict[str, Any]:
    """As many strides as MobileNetV1 has, of 1 and 2."""
    strides = [2] * random.randint(3, 5)
    strides += [1] * (len(V1_STRIDES) - len(strides))
    random.shuffle(strides)
    return {"name": "A relative of MobileNetV1", "strides": tuple(strides)}


ALONG = Exercise(
    id="8.1",
    title="Layer by layer",
    question=(
        "{name} begins with a 3×3 convolution. Then come 13 blocks, each a 3×3 depthwise and a 1×1 "
        "convolution. The strides of the 3×3 convolutions, in order:\n\n"
        "`{strides}`\n\n"
        "Give the receptive field behind each of them, as a list of 14 numbers."
    ),
    kind=Row(Integer()),
    unit="pixels",
    given={"name": "MobileNetV1", "strides": V1_STRIDES},
    deal=some_strides,
    answer=lambda g: fields_along(threes(g.strides)),
    mistakes=(
        Mistake(
            mutants_along("early"),
            "You multiply the jump by a layer's stride before you add that layer. Its taps still "
            "stand on the map that it reads: field first, jump afterwards.",
        ),
        Mistake(
            mutants_along("kernel"),
            "You add kernel × jump for each layer. Of 3 taps one is the pixel that you stand on "
            "already; only the other two reach further.",
        ),
        Mistake(
            mutants_along("no strides"),
            "Each layer adds 2 pixels in your list, whatever lies in front of it. Behind strides, "
            "neighbouring units are several pixels of the image apart.",
        ),
        Mistake(
            mutants_along("last"),
            "Your jump is the stride of the layer before only. Strides multiply: behind two "
            "strides of 2, neighbours are 4 pixels apart.",
        ),
        Mistake(
            lambda g: [prod(g.strides[: n + 1]) for n in range(len(g.strides))],
            "Those are the jumps, how far neighbouring units are apart. The field is how far one "
            "unit sees.",
        ),
        Mistake(
            lambda g: [field - 1 for field in fields_along(threes(g.strides))],
            "Each is one too small: before the first layer the field is 1, the pixel itself.",
        ),
        Mistake(
            lambda g: [1, *fields_along(threes(g.strides))],
            "You begin with the image itself. The first of the numbers is the field behind the "
            "first convolution.",
            applies=lambda g, fields: len(fields) == len(g.strides) + 1 and fields[0] == 1,
        ),
    ),
    hints=(
        "Keep two numbers, `field = 1` and `jump = 1`. A 1×1 convolution changes neither.",
        "For each layer `field += 2 * jump`, and only then `jump *= stride`.",
    ),
    solution=(
        "Start with field 1 and jump 1. Each 3×3 layer adds 2 × jump, and then multiplies the jump "
        "by its stride. The 1×1 convolutions add nothing."
    ),
    outcome=1,
    minutes=5,
    difficulty=1,
    config=("mobilenet_v1",),
    source="Howard et al. 2017, Table 1 (its last depthwise stride, printed 2, has to be 1)",
    remark="Most of the field comes from the last few layers, whose taps stand furthest apart.",
)


def chains(random: Random) -> Mapping[str, Any]:
    """One to six layers with strides and dilations."""
    layers = []
    for _ in range(random.randint(1, 6)):
        kernel = random.choice((1, 2, 3, 3, 5, 7))
        dilation = random.choice((1, 1, 2, 3)) if kernel > 1 else 1
        layers.append((kernel, random.choice((1, 1, 2, 3)), dilation))
    return {"layers": layers}


RECEPTIVE_FIELD = Exercise(
    id="8.2",
    title="Write receptive_field",
    question=(
        "Write `receptive_field(layers)`. Each layer is a tuple `(kernel, stride, dilation)`, the "
        "one next to the image first; a pool counts as a layer. Taps of a kernel stand `dilation` "
        "units apart. The field reaches from the first to the last pixel that one unit of the last "
        "layer reads, gaps included."
    ),
    kind=Function("receptive_field", chains, Integer()),
    unit="pixels",
    answer=lambda g: seen,
    mistakes=(
        Mistake(
            lambda g: mutant("early"),
            "A layer's own stride does not spread its own taps. Multiply the jump after the field "
            "has grown.",
        ),
        Mistake(
            lambda g: mutant("kernel"),
            "A kernel of 1 adds nothing to a field; yours does. How far is it from its first tap "
            "to its last one?",
        ),
        Mistake(
            lambda g: mutant("dilation"),
            "Right where the dilation is 1. A dilation of 2 doubles the way from tap to tap.",
        ),
        Mistake(
            lambda g: mutant("all strides"),
            "You spread every layer by the strides of all layers. Only those in front of a layer, "
            "on the side of the image, spread its taps.",
        ),
        Mistake(
            lambda g: mutant("last"),
            "You use the stride of one layer before; the jump is the product of all of them.",
        ),
        Mistake(
            lambda g: mutant("no strides"),
            "Your strides do nothing. Behind a stride of 2, taps stand on every second unit of the "
            "map before it.",
        ),
        Mistake(
            lambda g: mutant("far end"),
            "You go through the chain from its far end. The layer next to the image comes first in "
            "`layers`, and its stride spreads all others.",
        ),
        Mistake(
            lambda g: mutant("gaps"),
            "You count the pixels that are read. With dilation or large strides there are gaps "
            "between them, and the field includes these.",
        ),
    ),
    hints=(
        "How many pixels lie between the first and the last tap of a kernel? One less tap than "
        "there are, times the dilation, times the distance of neighbouring units.",
        "`field += dilation * (kernel - 1) * jump`, then `jump *= stride`, for each layer.",
    ),
    solution=(
        "Begin with `field, jump = 1, 1`. For each layer add `dilation * (kernel - 1) * jump` to "
        "the field, then multiply the jump by the stride."
    ),
    outcome=1,
    minutes=7,
    difficulty=2,
    source="Araujo, Norris and Sim 2019 (the recurrence)",
    remark="The checker walked back from one unit and marked every pixel; your formula agrees.",
)

PLACES = ("first_1x1", "first_3x3", "last_3x3")
UNITS = (3, 4, 6, 3)
"""Units in the four stages of ResNet-50."""


def resnet_50(place: str, stem: Sequence[Window] = (Window(7, 2), Window(3, 2))) -> list[Window]:
    """ResNet-50 to its last unit, with the stride of stages at one of PLACES."""
    layers = list(stem)
    for stage, units in enumerate(UNITS):
        for unit in range(units):
            last = place == "last_3x3"
            halves = unit == units - 1 and stage < 3 if last else unit == 0 and stage > 0
            in_1x1 = 2 if halves and place == "first_1x1" else 1
            in_3x3 = 2 if halves and place != "first_1x1" else 1
            layers += [Window(1, in_1x1), Window(3, in_3x3), Window(1)]
    return layers


@cache
def traced_field(network: str, layer: str) -> int:
    """The vertical field of one layer of a registered network."""
    found = trace(network)
    for each, field in zip(found.layers, known_fields(found), strict=True):
        if each.name == layer and field is not None and field.size is not None:
            return field.size[0]
    raise AssertionError(f"{network} has no field at {layer}")


@cache
def resnet_fields() -> dict[str, int]:
    """By place of the stride; two from the traces of the networks, TF-slim's by marking pixels."""
    return {
        "first_1x1": traced_field("resnet50_v1", "stage5.2.add"),
        "first_3x3": traced_field("resnet50", "stage5.2.add"),
        "last_3x3": seen(resnet_50("last_3x3")),
    }


def resnet_mistake(change: str) -> dict[str, int]:
    """The three fields with one error in them."""
    return {place: mutant(change)(resnet_50(place)) for place in PLACES}


RESNET = Exercise(
    id="8.3",
    title="One name, three networks",
    question=(
        "ResNet-50 is a 7×7 convolution and a 3×3 max pool, both of stride 2, then four stages of "
        f"{', '.join(map(str, UNITS))} units; a unit is a 1×1, a 3×3 and a 1×1 convolution in a "
        "row (its shortcut sees less). Three times between stages the map is halved, and "
        "builds differ in *where*:\n\n"
        "- `first_1x1`: in the first 1×1 of the first unit of the next stage (its authors),\n"
        "- `first_3x3`: in the 3×3 of that same unit (torchvision),\n"
        "- `last_3x3`: in the 3×3 of the last unit of the stage before (TF-slim).\n\n"
        "Which field has a unit behind the last stage? Give `(first_1x1, first_3x3, last_3x3)`."
    ),
    kind=Values({place: Integer() for place in PLACES}),
    unit="pixels",
    answer=lambda g: resnet_fields(),
    mistakes=(
        Mistake(
            lambda g: {place: resnet_fields()["first_1x1"] for place in PLACES},
            "You give one number for all three. In the 3×3 of a first unit, taps still stand on "
            "the fine map if the stride is its own; they stand on the halved one if the 1×1 before "
            "has taken it.",
        ),
        Mistake(
            lambda g: {place: seen(resnet_50(place, [Window(7, 2)])) for place in PLACES},
            "It looks as if the max pool were missing. It is a window like any other: 3 taps, and "
            "a stride that everything behind it inherits.",
        ),
        Mistake(
            lambda g: resnet_mistake("early"),
            "You let each stride act on the taps of its own layer. First the field grows, with the "
            "old jump; then the jump does.",
        ),
        Mistake(
            lambda g: {
                "first_1x1": resnet_fields()["first_1x1"],
                "first_3x3": resnet_fields()["first_3x3"],
                "last_3x3": resnet_fields()["first_3x3"],
            },
            "The first two are right. In TF-slim the stride comes one unit *earlier* than in "
            "torchvision: which jump do the 3×3 of the next stage have then, the first one too?",
        ),
        Mistake(
            lambda g: {
                "first_1x1": resnet_fields()["first_3x3"],
                "first_3x3": resnet_fields()["first_1x1"],
                "last_3x3": resnet_fields()["last_3x3"],
            },
            "You have the first two the other way round. Whose 3×3 stand on the "
            "halved map already?",
        ),
        Mistake(
            lambda g: {place: 2 * sum(UNITS) + 1 for place in PLACES},
            "You add 2 pixels for each 3×3 convolution, as if there were no strides.",
        ),
    ),
    hints=(
        "The 1×1 convolutions add nothing to the field; but a stride in one of them doubles the "
        "jump for the 3×3 behind it.",
        "Behind the stem the field is 11 and the jump 4. Every 3×3 adds 2 × jump. How many of them "
        "run at jump 4, 8, 16 and 32 in each build?",
        "In the first build they are 3, 4, 6 and 3. In the second, the first 3×3 of each of the "
        "last three stages still has the jump of the stage before.",
    ),
    solution=lambda g: (
        "Behind the stem: field 11, jump 4. `first_1x1` and `last_3x3` both have 3, 4, 6 and 3 "
        "convolutions of 3×3 at jumps 4, 8, 16 and 32: 11 + 2 × (3·4 + 4·8 + 6·16 + 3·32). In "
        "`first_3x3` three of them run at half that jump, which takes away 2 × (4 + 8 + 16) = "
        f"{2 * (4 + 8 + 16)} pixels."
    ),
    outcome=2,
    minutes=7,
    difficulty=3,
    config=("resnet50", "resnet50_v1"),
    source=(
        "He et al. 2015, Table 1, and the networks released with it; torchvision resnet.py; "
        "TF-slim resnet_v1.py"
    ),
    remark=(
        f"The published {PRINTED_RESNET_50} was computed on TF-slim's network, and the authors' "
        "gives the same; torchvision's does not. Parameters are equal in all three."
    ),
)


@cache
def central_width(layers: int) -> int:
    """Central pixels that hold 95 % of all ways through a chain of 3-tap layers, in integers."""
    ways = {0: 1}
    for _ in range(layers):
        further: dict[int, int] = {}
        for place, count in ways.items():
            for step in (-1, 0, 1):
                further[place + step] = further.get(place + step, 0) + count
        ways = further
    for radius in range(layers + 1):
        inside = sum(count for place, count in ways.items() if abs(place) <= radius)
        if 100 * inside >= SHARE * 3**layers:
            return 2 * radius + 1
    raise AssertionError("a chain has all of its ways")


def from_the_left(layers: int) -> int:
    """Pixels from the left end on that hold 95 %."""
    ways = [1]
    for _ in range(layers):
        ways = [sum(ways[max(i - 2, 0) : i + 1]) for i in range(len(ways) + 2)]
    return next(i + 1 for i in range(len(ways)) if 100 * sum(ways[: i + 1]) >= SHARE * 3**layers)


EFFECTIVE = Exercise(
    id="8.4",
    title="Seen, and hardly seen",
    question=(
        "A chain of {layers} layers of 3×3 and stride 1, all weights equal. Along one axis each "
        "layer is the kernel (1/3, 1/3, 1/3), and the influence of the pixels on one output is "
        "{layers} such kernels, convolved. What is the smallest number of *central* pixels that "
        f"hold at least {SHARE} % of the influence? Count the one in the middle, and as many on "
        "its left as on its right."
    ),
    kind=Integer(),
    unit="pixels",
    given={"layers": 16},
    deal=lambda random: {"layers": random.randint(5, 100)},
    answer=lambda g: central_width(g.layers),
    mistakes=(
        Mistake(
            lambda g: 2 * g.layers + 1,
            "That is the whole receptive field. Its outer pixels have some influence, but next to "
            "none.",
        ),
        Mistake(
            lambda g: central_width(g.layers) // 2,
            "That is how far it reaches on one side. Count both sides and the middle.",
        ),
        Mistake(
            lambda g: round(0.95 * (2 * g.layers + 1)),
            "That is 95 % of the pixels, as if all had the same influence. Add up the influence.",
        ),
        Mistake(
            lambda g: from_the_left(g.layers),
            "You count from the left end until 95 % are reached. Take pixels symmetrically around "
            "the middle instead.",
        ),
        Mistake(
            lambda g: central_width(g.layers) - 1,
            "The number is odd: as many on the left as on the right, and the one in the middle.",
            applies=lambda g, width: width % 2 == 0,
        ),
        Mistake(
            lambda g: central_width(g.layers) - 2,
            f"Those hold less than {SHARE} %; take one more on each side, and add up again.",
            applies=lambda g, width: width == central_width(g.layers) - 2,
        ),
    ),
    hints=(
        "The cell above has `profile(n)`. Its middle is at index n.",
        "`sum(p[n - r : n + r + 1])` is the influence of the middle and r pixels on each side. Try "
        "r = 0, 1, 2 ... until it reaches 0.95.",
    ),
    solution=lambda g: (
        f"The profile has {2 * g.layers + 1} values and looks like a bell. Adding pixels on both "
        f"sides of the middle passes 0.95 at {g.answer // 2} on each side. Its spread follows from "
        f"adding variances: each layer has 2/3, so σ = √(2 · {g.layers} / 3) = "
        f"{(2 * g.layers / 3) ** 0.5:.2f} pixels, and about ±2σ hold 95 %."
    ),
    outcome=2,
    minutes=5,
    difficulty=3,
    source="Luo, Li, Urtasun and Zemel 2016, section 2",
    remark=lambda g: (
        f"{central_width(g.layers)} of {2 * g.layers + 1} pixels. The field grows like n, the part "
        f"that matters like √n: four times the layers, {4 * g.layers}, give "
        f"{central_width(4 * g.layers)} of {8 * g.layers + 1}."
    ),
)


@cache
def shortest(stride: int, pixels: int) -> tuple[int, ...]:
    """Of all chains of strides 1 and 2, tried by length, the first that sees enough."""
    length = 1
    while True:
        for strides in product((2, 1), repeat=length):
            if prod(strides) <= stride and seen(threes(strides)) >= pixels:
                return strides
        length += 1


def good_design(g: Given, strides: Sequence[int]) -> bool:
    """As short as can be, fine enough, and it sees enough."""
    return (
        set(strides) <= {1, 2}
        and prod(strides) <= g.stride
        and len(strides) == len(shortest(g.stride, g.pixels))
        and seen(threes(strides)) >= g.pixels
    )


def too_long(g: Given) -> list[int]:
    """Strides at the end: as many layers as it then takes."""
    halvings = [s for s in shortest(g.stride, g.pixels) if s == 2]
    strides = halvings
    while seen(threes(strides)) < g.pixels:
        strides = [1, *strides]
    return list(strides)


DESIGN = Exercise(
    id="8.5",
    title="The shortest chain",
    question=(
        "Design a chain of 3×3 convolutions, each of stride 1 or 2. A unit of the last layer shall "
        "see at least {pixels} pixels of the image, and the last map shall not be coarser than "
        "stride {stride} (the product of all strides). Use as few layers as possible. Give the "
        "strides in order, as a list."
    ),
    kind=Row(Integer()),
    unit="",
    given={"stride": 8, "pixels": 120},
    deal=lambda random: random.choice(
        (
            {"stride": 2, "pixels": random.randint(12, 40)},
            {"stride": 4, "pixels": random.randint(20, 60)},
            {"stride": 8, "pixels": random.randint(40, 120)},
        )
    ),
    answer=lambda g: list(shortest(g.stride, g.pixels)),
    accepts=good_design,
    mistakes=(
        Mistake(
            lambda g: [4, *shortest(g.stride, g.pixels)],
            "Each stride is 1 or 2.",
            applies=lambda g, strides: not set(strides) <= {1, 2},
        ),
        Mistake(
            lambda g: [2] * (g.stride.bit_length() + 1),
            "The last map is too coarse: multiply your strides, the product may be {stride} at "
            "most.",
            applies=lambda g, strides: prod(strides) > g.stride,
        ),
        Mistake(
            lambda g: list(shortest(g.stride, g.pixels))[:-1],
            "The last map is fine enough, but its units do not see {pixels} pixels yet.",
            applies=lambda g, strides: seen(threes(strides)) < g.pixels,
        ),
        Mistake(
            too_long,
            "It sees enough and is fine enough, but fewer layers can do it. Does it still see "
            "enough with one left out? And which layers profit from a stride, those in front of it "
            "or those behind it?",
            applies=lambda g, strides: len(strides) > len(shortest(g.stride, g.pixels)),
        ),
    ),
    hints=(
        "Each layer adds 2 × jump. When do you want the jump to be large: early or late?",
        "Take all strides that you may at the very beginning. How far does the chain see then, and "
        "how much does each further layer add?",
    ),
    solution=lambda g: (
        f"The strides come first: {g.stride.bit_length() - 1} layers of stride 2 see "
        f"{2 * g.stride - 1} pixels, and then each layer of stride 1 adds 2 × {g.stride}. "
        f"`{g.answer}` sees {seen(threes(g.answer))}."
    ),
    outcome=3,
    minutes=6,
    difficulty=4,
    remark=(
        "Early strides also make every later layer cheaper. That is why mobile networks halve "
        "their image at once, and what it costs is detail."
    ),
)

STAGES = ("stem", *(f"stage{number}" for number in range(1, 7)), "head", "classifier")


@cache
def first_gated(network: str = "mobilenet_v3_large") -> str:
    """The stage that holds the first layer behind a gate that has seen the whole image."""
    found = trace(network)
    for layer, field in zip(found.layers, known_fields(found), strict=True):
        if field is not None and field.gated:
            return layer.stage
    raise AssertionError(f"{network} has no gate")


LESSON = Lesson(
    number="8",
    title="Receptive fields",
    minutes=40,
    prerequisites=("lesson 1", "strides and dilation of a convolution"),
    outcomes=(
        "compute the receptive field of any chain of convolutions and pools",
        "explain why one network has several receptive fields, and how little of one matters",
        "design the shortest chain of layers that sees far enough",
    ),
    question="How much of the image does one number deep inside a network depend on?",
    predictions=(
        Prediction(
            id="8.a",
            question=(
                "How many pixels of the image, from left to right, does one unit of MobileNetV1's "
                "last map see? Guess."
            ),
            kind=Integer(),
            unit="pixels",
            answer=lambda: traced_field("mobilenet_v1", "stage9.0.pointwise.conv"),
            remark="More than the 224 that an image has: a unit sees padding, too.",
        ),
        Prediction(
            id="8.b",
            question=(
                "Which is the first stage of MobileNetV3-Large whose output depends on *every* "
                f"pixel of a large image? One of {', '.join(f'`{stage}`' for stage in STAGES)}."
            ),
            kind=Choice(STAGES),
            unit="",
            answer=first_gated,
            remark="There sits the first squeeze-and-excitation gate: it averages the whole map.",
        ),
    ),
    exercises=(ALONG, RECEPTIVE_FIELD, RESNET, EFFECTIVE, DESIGN),
    misconceptions=(
        "A stride widens the field of its own layer: it spreads the taps of those behind only.",
        "All pixels of a field matter alike: most of the influence lies in its middle.",
        "A field larger than the image means that every unit sees all of it: one at the border "
        "has part of its field in the padding.",
        "A network's receptive field is one number: it depends on the layer that is asked, on "
        "where a build puts its strides, and on gates.",
    ),
    discussion=(
        "A gate makes every output depend on every pixel. In what sense does a unit behind it "
        "*see* the image, and what can it not learn from the gate that a wider kernel would tell?"
    ),
)

"""Lesson 9: boxes, heads and necks of detectors, on SSDLite, YOLOv4 and YOLOv5."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.architectures import yolov5
from mobilenet_lab.exercises.kinds import Function, Integer, Number, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.net import Net
from mobilenet_lab.registry import architecture, trace

PRINTED_SSD_300 = 8732
"""Default boxes of SSD300 (Liu et al. 2016, Table 7)."""
SSD_300 = ((38, 4), (19, 6), (10, 6), (5, 6), (3, 4), (1, 4))
"""Its maps: the side, and the boxes at each position (sections 2.2 and 3.1)."""
V2, V3 = "ssdlite300_mobilenet_v2", "ssdlite320_mobilenet_v3_large"
MAPS, EACH, OFFSETS = 6, 6, 4
"""Of SSDLite: maps, boxes at each position, and offsets of a box."""
SIDE = 32


@cache
def analysed(network: str, **options: Any) -> Analysis:
    """A detector's numbers."""
    return analyse(trace(network, **options))


@cache
def scored(network: str, resolution: int) -> int:
    """The boxes of a registered detector, counted in the list that it decodes."""
    boxes = architecture(network).priors(trace(network, resolution=resolution))
    return len(boxes)


def up(side: int) -> int:
    """Half of a side, rounded up."""
    return -(-side // 2)


def down(side: int) -> int:
    """Half of a side, rounded down."""
    return side // 2


def sides(side: int, stride: int, maps: int, half: Callable[[int], int] = up) -> list[int]:
    """The sides of maps that are halved from one to the next."""
    for _ in range(stride.bit_length() - 1):
        side = half(side)
    found = [side]
    while len(found) < maps:
        found.append(half(found[-1]))
    return found


DETECTORS = ("ssdlite_v2", "ssdlite_v3", "yolov5")


def three_counts(ssd: Callable[[int], int], yolo: Callable[[int], int]) -> Any:
    """What two ways of counting give for the three detectors."""
    return lambda g: {
        "ssdlite_v2": ssd(g.ssdlite_v2),
        "ssdlite_v3": ssd(g.ssdlite_v3),
        "yolov5": yolo(g.yolov5),
    }


BOXES = Exercise(
    id="9.1",
    title="Three detectors, one image",
    question=(
        "How many boxes does each detector score for one image?\n\n"
        "- `ssdlite_v2`: SSDLite on MobileNetV2, an image of {ssdlite_v2}×{ssdlite_v2}\n"
        "- `ssdlite_v3`: SSDLite on MobileNetV3-Large, {ssdlite_v3}×{ssdlite_v3}\n"
        "- `yolov5`: YOLOv5, {yolov5}×{yolov5}\n\n"
        "SSDLite has 6 maps: the first of stride 16, each further one of half the side, rounded "
        "up; 6 boxes at each position. YOLOv5 has maps of strides 8, 16 and 32, and 3 boxes at "
        "each position. Give `(ssdlite_v2, ssdlite_v3, yolov5)`."
    ),
    kind=Values({name: Integer() for name in DETECTORS}),
    unit="boxes",
    given={"ssdlite_v2": 300, "ssdlite_v3": 320, "yolov5": 640},
    deal=lambda random: {
        "ssdlite_v2": random.randint(240, 500),
        "ssdlite_v3": random.randint(240, 500),
        "yolov5": random.randrange(320, 1000, 32),
    },
    answer=lambda g: {
        "ssdlite_v2": scored(V2, g.ssdlite_v2),
        "ssdlite_v3": scored(V3, g.ssdlite_v3),
        "yolov5": scored("yolov5n", g.yolov5),
    },
    mistakes=(
        Mistake(
            three_counts(
                lambda side: EACH * sum(n * n for n in sides(side, 16, MAPS, down)),
                lambda side: 3 * sum(n * n for n in sides(side, 8, 3)),
            ),
            "YOLOv5 is right. You round SSDLite's sides down. A padded 3×3 of stride 2 makes 10 of "
            "19: half, rounded *up*.",
        ),
        Mistake(
            three_counts(
                lambda side: sum(n * n for n in sides(side, 16, MAPS)),
                lambda side: sum(n * n for n in sides(side, 8, 3)),
            ),
            "Those are the positions of all maps. At each of them stand several boxes.",
        ),
        Mistake(
            three_counts(
                lambda side: EACH * sum(sides(side, 16, MAPS)),
                lambda side: 3 * sum(sides(side, 8, 3)),
            ),
            "A map of side 19 has 19 × 19 positions, not 19.",
        ),
        Mistake(
            three_counts(
                lambda side: EACH * sum(n * n for n in sides(side, 16, MAPS - 1)),
                lambda side: 3 * sum(n * n for n in sides(side, 8, 3)),
            ),
            "YOLOv5 is right. Of SSDLite you count five maps; the coarsest is missing.",
        ),
        Mistake(
            three_counts(
                lambda side: sum(
                    n * n * boxes
                    for n, (_, boxes) in zip(sides(side, 16, MAPS), SSD_300, strict=True)
                ),
                lambda side: 3 * sum(n * n for n in sides(side, 8, 3)),
            ),
            "YOLOv5 is right. For SSDLite you took the boxes of SSD300's maps; SSDLite has 6 at "
            "each position of every map.",
        ),
        Mistake(
            three_counts(
                lambda side: EACH * sides(side, 16, 1)[0] ** 2,
                lambda side: 3 * sides(side, 8, 1)[0] ** 2,
            ),
            "Those are the boxes of the finest map alone. The others add about a third again.",
        ),
    ),
    hints=(
        "First the sides: divide by the stride and round up; then halve and round up.",
        "Then the squares of the sides, summed, times the boxes at each position.",
    ),
    solution=lambda g: (
        f"SSDLite at {g.ssdlite_v2}: sides {sides(g.ssdlite_v2, 16, MAPS)}, squares summed, times "
        f"6. At {g.ssdlite_v3}: {sides(g.ssdlite_v3, 16, MAPS)}. YOLOv5 at {g.yolov5}: "
        f"{sides(g.yolov5, 8, 3)}, times 3."
    ),
    outcome=1,
    minutes=5,
    difficulty=1,
    config=("ssdlite300_mobilenet_v2", "ssdlite320_mobilenet_v3_large", "yolov5n"),
    remark="Nearly all of these boxes show nothing; the network has to say so for each.",
)


def slow_boxes(side: int, stride: int, per_cell: Sequence[int]) -> int:
    """Halves a row of pixels by leaving out every second one, and counts box by box."""
    row = list(range(side))
    while stride > 1:
        row, stride = row[::2], stride // 2
    count = 0
    for boxes in per_cell:
        for _y in row:
            for _x in row:
                count += boxes
        row = row[::2]
    return count


def box_cases(random: Random) -> Mapping[str, Any]:
    """A detector of one to six maps."""
    maps = random.randint(1, 6)
    return {
        "side": random.randint(65, 400),
        "stride": random.choice((4, 8, 16)),
        "per_cell": [random.choice((1, 2, 3, 4, 6)) for _ in range(maps)],
    }


def mutant(change: str) -> Any:
    """`count_boxes` with one error in it."""

    def count_boxes(side: int, stride: int, per_cell: Sequence[int]) -> int:
        maps = len(per_cell)
        found = sides(side, stride, maps, down if change == "floor" else up)
        if change == "exact":
            found = [round(side / stride / 2**number) for number in range(maps)]
        if change == "same map":
            found = found[:1] * maps
        if change == "late":
            found = sides(side, 2 * stride, maps)
        if change == "floor first":
            found = sides(side // stride, 1, maps)
        if change == "first":
            per_cell = [per_cell[0]] * maps
        if change == "line":
            return sum(n * boxes for n, boxes in zip(found, per_cell, strict=True))
        return sum(n * n * boxes for n, boxes in zip(found, per_cell, strict=True))

    return count_boxes


COUNT_BOXES = Exercise(
    id="9.2",
    title="Write count_boxes",
    question=(
        "Write `count_boxes(side, stride, per_cell)`. The image has side × side pixels; the first "
        "map has stride `stride` (a power of 2), and each further map half the side of the one "
        "before. Every halving rounds up. `per_cell` lists the boxes at a position of each map: "
        "`[4, 6, 6]` means three maps."
    ),
    kind=Function("count_boxes", box_cases, Integer()),
    unit="boxes",
    answer=lambda g: slow_boxes,
    mistakes=(
        Mistake(
            lambda g: mutant("floor"),
            "You round down (`//`). Half of 19 is 10 here: `(19 + 1) // 2`, or `-(-19 // 2)`.",
        ),
        Mistake(
            lambda g: mutant("floor first"),
            "The halvings from map to map are right, but you round the first map down. Its side is "
            "side / stride, rounded *up*.",
        ),
        Mistake(
            lambda g: mutant("exact"),
            "You round to the nearest whole number. Every halving rounds up.",
        ),
        Mistake(
            lambda g: mutant("first"),
            "You give every map as many boxes as the first. Each has its own entry in `per_cell`.",
        ),
        Mistake(
            lambda g: mutant("line"),
            "You count one row of positions. A map has side × side of them.",
        ),
        Mistake(
            lambda g: mutant("same map"),
            "All your maps have the first one's side. Halve it from map to map.",
        ),
        Mistake(
            lambda g: mutant("late"),
            "One halving too many: the first map already counts, at `stride` itself.",
        ),
    ),
    hints=(
        "`-(-side // stride)` is side / stride, rounded up.",
        "Go through `per_cell`: add `n * n * boxes`, then `n = -(-n // 2)`.",
    ),
    solution=(
        "`n = -(-side // stride)`; for each entry of `per_cell` add `n * n * boxes` and replace n "
        "by its half, rounded up. (Rounding up at each halving or once at the end is the same.)"
    ),
    outcome=1,
    minutes=7,
    difficulty=2,
    remark="The checker left out every second pixel and counted box by box; you agree.",
)


@cache
def head_maps() -> tuple[tuple[int, int], ...]:
    """(channels, side) of the maps that SSDLite320's heads read."""
    rows = {row.name: row for row in analysed(V3).rows}
    shapes = [rows[f"class_heads.{i}.depthwise.conv"].in_shape or () for i in range(MAPS)]
    return tuple((shape[0], shape[1]) for shape in shapes)


@cache
def head_macs(number: int, classes: int) -> dict[str, int]:
    """Both heads of one map: SSDLite's in the trace of the detector, SSD's as two dense layers."""
    blocks = (f"class_heads.{number}", f"box_heads.{number}")
    rows = analysed(V3, classes=classes).rows
    lite = sum(row.macs for row in rows if row.block in blocks)
    channels, side = head_maps()[number]
    net = Net()
    x = net.input(channels, side)
    for name, values in (("class", classes), ("box", OFFSETS)):
        last = net.conv2d(x, EACH * values, 3, bias=True, name=name)
    return {"ssdlite": lite, "ssd": analyse(net.trace(last)).total.macs}


def heads(change: str) -> Any:
    """The two counts with one error in them."""

    def counted(g: Given) -> dict[str, int]:
        positions, c, values = g.side**2, g.channels, g.classes + OFFSETS
        depthwise = 9 * c * (1 if change == "one depthwise" else 2)
        if change == "no depthwise":
            depthwise = 0
        boxes = 1 if change == "one box" else EACH
        if change == "classes only":
            values, depthwise = g.classes, 9 * c
        if change == "in one":
            values = g.classes * OFFSETS
        times = 2 if change == "flops" else 1
        if change == "one position":
            positions = 1
        return {
            "ssdlite": times * positions * (depthwise + c * boxes * values),
            "ssd": times * positions * 9 * c * boxes * values,
        }

    return counted


def some_heads(random: Random) -> dict[str, int]:
    """One of the four finest maps, and classes of COCO or Pascal VOC."""
    number = random.randrange(4)
    return given_heads(number, random.choice((21, 81, 91)))


def given_heads(number: int, classes: int) -> dict[str, int]:
    """The numbers of one map."""
    channels, side = head_maps()[number]
    return {"number": number, "channels": channels, "side": side, "classes": classes}


HEADS = Exercise(
    id="9.3",
    title="Dense heads and light ones",
    question=(
        "SSDLite320 reads a map of {channels} channels and {side}×{side} positions, with 6 boxes "
        "at each. For every box there are {classes} class scores (the background is one of them) "
        "and 4 offsets. One head gives the scores and another one the offsets. In SSD each head is "
        "one dense 3×3 convolution; in SSDLite each is a 3×3 depthwise convolution of the map and "
        "then a 1×1. How many MACs have both heads together? Give `(ssdlite, ssd)`."
    ),
    kind=Values({"ssdlite": Integer(), "ssd": Integer()}),
    unit="MACs",
    given={"number": 0, "channels": 672, "side": 20, "classes": 91},
    deal=some_heads,
    answer=lambda g: head_macs(g.number, g.classes),
    mistakes=(
        Mistake(
            heads("one depthwise"),
            "SSD's is right. In SSDLite the two heads do not share their depthwise convolution: "
            "each has its own.",
        ),
        Mistake(
            heads("no depthwise"),
            "SSD's is right. Of SSDLite you count the 1×1 convolutions alone.",
        ),
        Mistake(
            heads("classes only"),
            "Those are the class heads alone. The offsets have a head of their own.",
        ),
        Mistake(
            heads("one box"),
            "You predict one box at each position. There are 6, each with its own scores and "
            "offsets.",
        ),
        Mistake(
            heads("in one"),
            "You multiply classes and offsets. A box has {classes} scores *and* 4 offsets, which "
            "are shared by all classes.",
        ),
        Mistake(
            heads("one position"),
            "That is the work at one position. The map has {side}×{side} of them.",
        ),
        Mistake(
            lambda g: dict(
                zip(("ssd", "ssdlite"), head_macs(g.number, g.classes).values(), strict=True)
            ),
            "Both are right, the other way round: SSDLite is the light one.",
        ),
        Mistake(
            heads("flops"),
            "Exactly twice: those are FLOPs, and the question asks for MACs.",
        ),
    ),
    hints=(
        "How many output channels has the class head: 6 × what? And the box head?",
        "Dense: 9 × channels × outputs at each position. Separable: 9 × channels for the depthwise "
        "of each head, and channels × outputs for its 1×1.",
    ),
    solution=lambda g: (
        f"Outputs: 6 × ({g.classes} + 4) = {6 * (g.classes + 4)}. At each position SSD has "
        f"9 × {g.channels} × {6 * (g.classes + 4)} MACs, SSDLite 2 × 9 × {g.channels} + "
        f"{g.channels} × {6 * (g.classes + 4)}; there are {g.side}² = {g.side**2} positions."
    ),
    outcome=2,
    minutes=6,
    difficulty=2,
    config=("ssdlite320_mobilenet_v3_large",),
    source="Sandler et al. 2018, section 6.2 (SSDLite); torchvision ssdlite.py",
    remark=lambda g: (
        f"{head_macs(g.number, g.classes)['ssd'] / head_macs(g.number, g.classes)['ssdlite']:.2f} "
        "times. With so many outputs the depthwise part hardly counts, and the ratio comes close "
        "to 9."
    ),
)

READS_5, READS_6 = "mobilenet_v3_large", "mobilenet_v3_large_stock"
"""YOLOv5's lists, by which row its row 18 reads."""


@cache
def row_18(size: str, side: int) -> dict[str, int]:
    """How much more the network that reads row 5 has than the one that reads row 6."""
    more, less = (
        analyse(yolov5.trace(resolution=side, config=config, size=size)).total
        for config in (READS_5, READS_6)
    )
    return {"params": more.params - less.params, "macs": more.macs - less.macs}


def given_rows(size: str, side: int) -> dict[str, Any]:
    """The channels of the rows at one of YOLOv5's sizes."""
    whole = yolov5.rounded_up(1024 * yolov5.SIZES[size].width)
    return {"size": size, "side": side, "cells": side // 32, "whole": whole, "half": whole // 2}


ONE_INDEX = Exercise(
    id="9.4",
    title="One index in a list",
    question=(
        "Two builds of YOLOv5{size} on MobileNetV3-Large differ in one number of the list that "
        "describes them. Row 18 puts two maps of stride 32 together: the {half} channels of row 17 "
        "and, in stock YOLOv5, the {half} channels of row 6. The other build reads row 5 instead, "
        "the map *before* a 1×1 convolution that halves its channels: {whole}. Row 19 is a C3 "
        "block: two 1×1 convolutions (no bias, each followed by batch norm) read the whole of row "
        "18, each makes {half} channels, and what follows reads only these.\n\n"
        "For an image of {side}×{side}, how many more parameters and MACs has the other build? "
        "Give `(params, macs)`."
    ),
    kind=Values({"params": Integer(), "macs": Integer()}),
    unit="",
    given={"size": "n", "side": 640, "cells": 20, "whole": 256, "half": 128},
    deal=lambda random: given_rows(random.choice("nsm"), random.randrange(320, 900, 32)),
    answer=lambda g: row_18(g.size, g.side),
    mistakes=(
        Mistake(
            lambda g: {"params": g.half**2, "macs": g.half**2 * g.cells**2},
            "That is one convolution. Which layers of the C3 block read row 18?",
        ),
        Mistake(
            lambda g: {"params": 2 * g.half**2, "macs": 2 * g.half**2 * (2 * g.cells) ** 2},
            "The parameters are right. Row 18 is of stride 32: how many positions is that?",
        ),
        Mistake(
            lambda g: {
                "params": 2 * (g.half + g.whole) * g.half,
                "macs": 2 * (g.half + g.whole) * g.half * g.cells**2,
            },
            "Those are all weights of the two convolutions. The stock build has most of them, too; "
            "how many *channels more* do they read?",
        ),
        Mistake(
            lambda g: {"params": 2 * g.half**2, "macs": 4 * g.half**2 * g.cells**2},
            "The parameters are right. Those are FLOPs; the question asks for MACs.",
        ),
        Mistake(
            lambda g: {"params": 2 * g.half**2, "macs": 2 * g.half**2},
            "The parameters are right. Each weight works at every position of its map.",
        ),
    ),
    hints=(
        "Row 18 has {half} channels more. Which convolutions read it, and how many channels do "
        "they make?",
        "Norms and the layers behind see the same channels as before. So it is two blocks of "
        "weights, additional inputs × outputs; and the map has {side} / 32 cells on a side.",
    ),
    solution=(
        "Row 18 is {whole} − {half} = {half} channels wider. Two 1×1 convolutions read it and make "
        "{half} channels each: 2 × {half} × {half} weights more. Each works at {cells} × {cells} "
        "positions. Batch norm counts outputs, and these stay."
    ),
    outcome=2,
    minutes=6,
    difficulty=3,
    config=("yolov5n_mobilenet_v3_large", "yolov5n_mobilenet_v3_stock"),
    source="ultralytics/yolov5, models/yolov5n.yaml (stock: the map behind the 1×1)",
    remark=(
        "Both builds run and both train. An exact count shows which row a build reads, and that "
        "numbers of rows are easily off by one when a list is renumbered."
    ),
)


def fits(g: Given, side: int) -> tuple[bool, bool]:
    """Whether an image of this side stays within the budget of MACs, and of boxes."""
    return ssd_macs(side) <= g.macs * 10**6, scored(V3, side) <= g.boxes


@cache
def ssd_macs(side: int) -> int:
    """MACs of SSDLite on V3-Large at a resolution."""
    return int(analysed(V3, resolution=side).total.macs)


def largest(fit: Callable[[int], bool]) -> int:
    """The largest multiple of 32 that fits."""
    side = SIDE
    while fit(side + SIDE):
        side += SIDE
    return side


def largest_side(g: Given) -> int:
    """Within both budgets."""
    return largest(lambda side: all(fits(g, side)))


def largest_of_one(g: Given) -> int:
    """Within one of the budgets."""
    return largest(lambda side: any(fits(g, side)))


def exceeded(g: Given) -> str:
    """Which of the budgets breaks first, without a number."""
    within_macs = largest(lambda side: fits(g, side)[0])
    within_boxes = largest(lambda side: fits(g, side)[1])
    kept, broken = ("boxes", "MACs") if within_macs < within_boxes else ("MACs", "boxes")
    return f"It keeps the budget of {kept}, but not that of {broken}. Both have to be kept."


DESIGN = Exercise(
    id="9.5",
    title="As sharp as it may be",
    question=(
        "A camera is to run SSDLite on MobileNetV3-Large (`ssdlite320_mobilenet_v3_large`, 91 "
        "classes). A frame may take at most {macs:,} million MACs, and what suppresses double "
        "detections can sort at most {boxes:,} boxes. What is the largest side of a square image, "
        "in multiples of 32?"
    ),
    kind=Integer(),
    unit="pixels",
    given={"macs": 1500, "boxes": 7000},
    deal=lambda random: {
        "macs": random.randrange(400, 4000, 100),
        "boxes": random.randrange(2000, 22000, 500),
    },
    answer=largest_side,
    mistakes=(
        Mistake(
            lambda g: largest_side(g) + 1,
            "The side has to be a multiple of 32.",
            applies=lambda g, side: side % SIDE != 0 or side < SIDE,
        ),
        Mistake(
            lambda g: largest_side(g) - SIDE,
            "It stays within both budgets, but so does a larger side.",
            applies=lambda g, side: side < largest_side(g),
        ),
        Mistake(
            largest_of_one,
            exceeded,
            applies=lambda g, side: side <= 4096 and any(fits(g, side)),
        ),
        Mistake(
            lambda g: largest_of_one(g) + SIDE,
            "It breaks both budgets. MACs and boxes both grow with the *square* of the side.",
            applies=lambda g, side: side > 4096 or not any(fits(g, side)),
        ),
    ),
    hints=(
        "`lab.counts_at(name, side).macs` gives the MACs at any side.",
        "Your function of exercise 9.2 gives the boxes: stride 16, `[6] * 6`. Go up in steps of 32 "
        "until one of the two is over.",
    ),
    solution=lambda g: (
        f"At {g.answer} pixels: {ssd_macs(g.answer):,} MACs and {scored(V3, g.answer):,} boxes. At "
        f"{g.answer + SIDE}: {ssd_macs(g.answer + SIDE):,} and {scored(V3, g.answer + SIDE):,}."
    ),
    outcome=3,
    minutes=6,
    difficulty=4,
    config=("ssdlite320_mobilenet_v3_large",),
    remark="Twice the side means about four times of both; small objects are paid for in squares.",
)

DENSE, LIGHT = "yolov4_mobilenet_v2_dense", "yolov4_mobilenet_v2"

LESSON = Lesson(
    number="9",
    title="Detection",
    minutes=42,
    prerequisites=("lessons 1 and 2", "roughly, what a detector gives out"),
    outcomes=(
        "compute how many boxes a detector scores, and how many channels its heads have",
        "explain what heads and necks cost, dense and separable, down to the last weight",
        "design an input size that stays within budgets of MACs and of boxes",
    ),
    question="What does it cost to find objects, beyond the backbone that looks at the image?",
    predictions=(
        Prediction(
            id="9.a",
            question=(
                "SSDLite on MobileNetV3-Large looks at one image of 320×320. How many boxes does "
                "it score? Guess."
            ),
            kind=Integer(),
            unit="boxes",
            answer=lambda: scored(V3, 320),
            remark="Of these, a photograph needs perhaps five.",
        ),
        Prediction(
            id="9.b",
            question=(
                "YOLOv4 on MobileNetV2 can be built with dense 3×3 convolutions in its neck and "
                "heads, or with depthwise-separable ones; the backbone is the same. How many times "
                "as many parameters has the whole network with the dense ones?"
            ),
            kind=Number(),
            unit="",
            answer=lambda: analysed(DENSE).total.params / analysed(LIGHT).total.params,
            remark="Behind a light backbone, a neck in the old style is most of the network.",
        ),
    ),
    exercises=(BOXES, COUNT_BOXES, HEADS, ONE_INDEX, DESIGN),
    misconceptions=(
        "A detector costs what its backbone costs: neck and heads are often more than half.",
        "A light backbone makes a light detector: on YOLOv5n, MobileNetV3-Large adds parameters.",
        "More classes cost nothing: each box has a score for each class, and heads grow with them.",
        "Halving rounds down: a padded 3×3 of stride 2 rounds up, and 19 becomes 10.",
    ),
    discussion=(
        "SSDLite scores thousands of boxes to find a handful. What would be lost with one box at "
        "each position, and which boxes could be left out for a camera that watches a road?"
    ),
)

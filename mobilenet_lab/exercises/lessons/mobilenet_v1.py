"""Lesson 3: MobileNetV1 by layer type, its two multipliers, and what accuracy they buy."""

from collections.abc import Callable, Mapping
from functools import cache
from math import isclose
from random import Random
from typing import Any

from mobilenet_lab.accuracies import V1_SLIM, accuracies
from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.exercises.kinds import Choice, Function, Integer, Number, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.registry import trace

TABLE_2 = {"pointwise": 94.86, "depthwise": 3.06, "stem": 1.19, "classifier": 0.18}
"""Mult-adds in percent by our names of the layer types. Source: arXiv 1704.04861, Table 2."""
TABLE_2_PARAMS = {"pointwise": 74.59, "depthwise": 1.06, "stem": 0.02, "classifier": 24.33}
"""Parameters in percent. Source: arXiv 1704.04861, Table 2."""
PAPER = "Howard et al. 2017 (arXiv 1704.04861)"
WIDTHS = (0.25, 0.5, 0.75, 1.0)
RESOLUTIONS = (128, 160, 192, 224)
M = 10**6


@cache
def network(width: float = 1.0, resolution: int = 224, name: str = "mobilenet_v1") -> Analysis:
    """A registered network at a width and a resolution."""
    options = {"width": width} if name.startswith("mobilenet") else {}
    return analyse(trace(name, resolution=resolution, **options))


def macs(width: float = 1.0, resolution: int = 224) -> int:
    """MobileNetV1's MACs."""
    return int(network(width, resolution).total.macs)


def by_role(width: float = 1.0, resolution: int = 224) -> dict[str, int]:
    """MobileNetV1's MACs by role: stem, depthwise, pointwise, classifier."""
    return {row.name: row.macs for row in network(width, resolution).by("role")}


def percent(layers: str) -> float:
    """The share of MobileNetV1's MACs that one of Table 2's layer types has."""
    return 100 * by_role()[layers] / macs()


def misprint(g: Given) -> dict[str, Any]:
    """The printed sum, the layer type that is furthest off, and its computed share."""
    layers = max(TABLE_2, key=lambda name: abs(TABLE_2[name] - percent(name)))
    return {"total": sum(TABLE_2.values()), "layers": layers, "share": percent(layers)}


SHARES = Exercise(
    id="3.1",
    title="A column that does not add up",
    question=lambda g: (
        "Table 2 of the MobileNet paper prints each layer type's share of the MACs (pointwise: "
        "1×1; stem: the one full 3×3 convolution; classifier: fully connected):\n\n"
        f"| {' | '.join(TABLE_2)} |\n{'|--' * len(TABLE_2)}|\n"
        f"| {' | '.join(f'{share} %' for share in TABLE_2.values())} |\n\n"
        "Add the shares up. Then compute all four yourself: which one is misprinted, and what is "
        "it really? Give `(total, layers, share)`: the sum of the printed shares, the name at the "
        "head of the column, and its share in percent to two decimals."
    ),
    kind=Values(
        {
            "total": Number(2e-4),
            "layers": Choice(tuple(TABLE_2)),
            "share": Number(4e-3),
        }
    ),
    unit="",
    answer=misprint,
    mistakes=(
        Mistake(
            lambda g: misprint(g) | {"share": TABLE_2["stem"]},
            "Sum and layer type are right, but that share is the printed one. Compute it: MACs of "
            "these layers over all MACs.",
        ),
        Mistake(
            lambda g: misprint(g) | {"share": misprint(g)["share"] / 100},
            "Sum and layer type are right. The share is asked in percent, as the table has it.",
        ),
        Mistake(
            lambda g: (
                misprint(g)
                | {"share": 100 * network().by("role")[0].params / network().total.params}
            ),
            "Sum and layer type are right, but that is the share of the parameters. The column is "
            "of MACs.",
        ),
        Mistake(
            lambda g: misprint(g) | {"layers": "pointwise", "share": percent("pointwise")},
            "Of these layers the printed share agrees with the computed one to its last digit. "
            "Of which does it not?",
            lambda g, v: v["layers"] in ("pointwise", "depthwise", "classifier"),
        ),
        Mistake(
            lambda g: misprint(g) | {"total": 100},
            "100 is what the column should add up to. What does it add up to in print?",
        ),
    ),
    hints=(
        'A table for this: `lab.analyse(lab.trace("mobilenet_v1")).by("role")`. The stem is the '
        "only full 3×3 convolution.",
        "Each row has `.macs`; divide by `.total.macs` and take 100 times that.",
    ),
    solution=lambda g: (
        f"The printed column adds up to {sum(TABLE_2.values()):.2f}. The stem takes "
        f"{by_role()['stem']:,} of {macs():,} MACs, {percent('stem'):.2f} %; printed is "
        f"{TABLE_2['stem']}. With the computed share the column adds up to 100, but for rounding."
    ),
    outcome=1,
    minutes=5,
    difficulty=2,
    config=("mobilenet_v1",),
    source=f"{PAPER}, Table 2",
    remark=(
        "It looks as if two digits had changed places. Adding up a printed column takes a minute, "
        "and finds what reading does not."
    ),
)

FULL, VGG = "mobilenet_v1_full_conv", "vgg16"
PRINTED_RATIOS = {
    "full_params": 29.3 / 4.2,
    "full_macs": 4866 / 569,
    "vgg_params": 138 / 4.2,
    "vgg_macs": 15300 / 569,
}
"""From numbers in millions, as printed. Source: arXiv 1704.04861, Tables 4 and 8."""


def ratios(g: Given) -> dict[str, float]:
    """What two larger networks have of MobileNetV1's parameters and MACs."""
    small = network().total
    full, vgg = network(name=FULL).total, network(name=VGG).total
    return {
        "full_params": full.params / small.params,
        "full_macs": full.macs / small.macs,
        "vgg_params": vgg.params / small.params,
        "vgg_macs": vgg.macs / small.macs,
    }


CLAIMS = Exercise(
    id="3.2",
    title="How many times smaller?",
    question=(
        "Two comparisons. The paper also trained the same table with full 3×3 convolutions "
        "(`mobilenet_v1_full_conv`). And it is often said that MobileNetV1 has VGG-16's accuracy "
        "with parameters and operations *two orders of magnitude* fewer (`vgg16`). How many times "
        "MobileNetV1's parameters and MACs does each of the two have? Give `(full_params, "
        "full_macs, vgg_params, vgg_macs)`, to three digits."
    ),
    kind=Values(
        {name: Number() for name in ("full_params", "full_macs", "vgg_params", "vgg_macs")}
    ),
    unit="",
    answer=ratios,
    mistakes=(
        Mistake(
            lambda g: {name: 1 / ratio for name, ratio in ratios(g).items()},
            "All four are upside down: divide the larger network by MobileNetV1.",
        ),
        Mistake(
            lambda g: {
                "full_params": ratios(g)["full_macs"],
                "full_macs": ratios(g)["full_params"],
                "vgg_params": ratios(g)["vgg_macs"],
                "vgg_macs": ratios(g)["vgg_params"],
            },
            "Parameters and MACs have changed places.",
        ),
        Mistake(
            lambda g: ratios(g) | {"vgg_params": 100, "vgg_macs": 100},
            "100 is the claim. Divide the counts.",
            lambda g, v: v["vgg_params"] == 100 or v["vgg_macs"] == 100,
        ),
        Mistake(
            lambda g: ratios(g) | {"full_params": 9, "full_macs": 9},
            "9 is the limit for one layer. Stem and classifier are the same in both networks, and "
            "no layer has infinitely many channels.",
            lambda g, v: v["full_params"] == 9 or v["full_macs"] == 9,
        ),
        Mistake(
            lambda g: PRINTED_RATIOS,
            "You divide the rounded numbers of the paper's tables. The lab has exact ones.",
        ),
        Mistake(
            lambda g: ratios(g) | {"vgg_macs": 2 * ratios(g)["vgg_macs"]},
            "Of VGG-16 you seem to have FLOPs, of MobileNetV1 MACs: exactly twice.",
        ),
    ),
    hints=(
        "`lab.analyse(lab.trace(name)).total` has `.params` and `.macs`.",
        "Four divisions: the totals of the larger network over MobileNetV1's.",
    ),
    solution=lambda g: (
        f"Full convolutions: {network(name=FULL).total.params:,} and "
        f"{network(name=FULL).total.macs:,}; VGG-16: {network(name=VGG).total.params:,} and "
        f"{network(name=VGG).total.macs:,}; MobileNetV1: {network().total.params:,} and "
        f"{macs():,}."
    ),
    outcome=1,
    minutes=5,
    difficulty=2,
    config=("mobilenet_v1", "mobilenet_v1_full_conv", "vgg16"),
    source=f"{PAPER}, Tables 4 and 8",
    remark=lambda g: (
        f"About {ratios(g)['vgg_params']:.0f} and {ratios(g)['vgg_macs']:.0f} times: one and a "
        "half orders of magnitude, not two. And for full convolutions the parameters fall less "
        "than the MACs, because the classifier stays."
    ),
)

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
"""The strides of the depthwise convolutions. Source: arXiv 1704.04861, Table 1, the last mended."""
CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


def counted(width: float, resolution: int, error: str = "") -> int:
    """MobileNetV1's MACs from a loop over its table, with one error in it."""
    strides = STRIDES[:-1] + ((2,) if error == "stride" else STRIDES[-1:])

    def halved(side: int) -> int:
        return side // 2 if error == "floor" else (side + 1) // 2

    side = halved(resolution)
    c = 32 if error == "stem" else int(32 * width)
    total = 9 * 3 * c * side * side
    for channels, stride in zip(CHANNELS, strides, strict=True):
        before, d = side, int(channels * width)
        side = halved(side) if stride == 2 else side
        area = before**2 if error == "input" else side**2
        total += 9 * area * (c * c if error == "groups" else d if error == "outputs" else c)
        total += c * d * side**2
        c = d
    classes = {"classes": int(1000 * width), "classifier": 0}.get(error, 1000)
    return total + c * classes


def mutant(error: str) -> Callable[..., int]:
    """`v1_macs` with one error in it."""

    def v1_macs(width: float, resolution: int) -> int:
        if error == "law":
            return round(macs() * width**2 * (resolution / 224) ** 2)
        factor = 2 if error == "flops" else 1
        return factor * counted(width, resolution, error)

    return v1_macs


def follows_law(v1_macs: Callable[..., Any]) -> bool:
    """Whether a function returns alpha^2 rho^2 of the count at width 1 and 224 pixels."""
    try:
        found = float(v1_macs(width=0.5, resolution=128))
        return isclose(found, macs() * 0.5**2 * (128 / 224) ** 2, rel_tol=1e-6)
    except Exception:  # whatever a student's function raises
        return False


def v1_cases(random: Random) -> Mapping[str, Any]:
    """A width of the paper and any resolution that is a multiple of 4."""
    return {"width": random.choice(WIDTHS), "resolution": random.randrange(96, 257, 4)}


V1_MACS = Exercise(
    id="3.3",
    title="Write v1_macs",
    question=(
        "Write `v1_macs(width, resolution)`: the MACs of MobileNetV1 (1000 classes, 3 input "
        "channels). The width multiplies every channel count but the input's and the classes', and "
        "gives whole numbers here. All 3×3 convolutions have padding 1. The cell below has Table 1 "
        "*as printed*; in print, the 1×1 convolution of the last block reads a map of 7×7. Check "
        "the strides by the sides of the maps before you use them: one cannot be right."
    ),
    kind=Function("v1_macs", v1_cases, Integer()),
    unit="MACs",
    answer=lambda g: macs,
    mistakes=(
        Mistake(
            lambda g: mutant("stride"),
            "You took the last stride as printed. It would make 4×4 of the 7×7 map, and the 1×1 "
            "convolution that follows reads 7×7.",
        ),
        Mistake(
            lambda g: mutant("law"),
            "That is the count at width 1 and 224 pixels, times α²ρ². Go through the layers: not "
            "all of them scale so (the next exercise).",
            lambda g, v: follows_law(v),
        ),
        Mistake(
            lambda g: mutant("stem"),
            "The stem, too, has `width` × its channels.",
        ),
        Mistake(
            lambda g: mutant("classes"),
            "There are 1000 classes at every width; only what the classifier reads is narrower.",
        ),
        Mistake(
            lambda g: mutant("classifier"),
            "The classifier is missing: channels × 1000, at one position.",
        ),
        Mistake(
            lambda g: mutant("groups"),
            "Your depthwise convolutions mix channels: 9·c² at each position. Each kernel reads "
            "one channel: 9·c.",
        ),
        Mistake(
            lambda g: mutant("outputs"),
            "The depthwise convolution comes first: it has the channels that the block reads, not "
            "those that it makes.",
        ),
        Mistake(
            lambda g: mutant("input"),
            "A depthwise convolution with stride 2 works at the positions of its *output*, a "
            "quarter of those of its input.",
        ),
        Mistake(
            lambda g: mutant("floor"),
            "Right where all sides are even. With padding 1 a 3×3 convolution with stride 2 makes "
            "4 of 7: (side + 2 − 3) // 2 + 1.",
        ),
        Mistake(
            lambda g: mutant("flops"),
            "Exactly twice: those are FLOPs, and the question asks for MACs.",
        ),
    ),
    hints=(
        "Keep two variables, the channels `c` and the `side` of the map, and go through the table; "
        "the stem comes before it, the classifier behind.",
        "In each block: first the new side, then `9 * c * side**2` for the depthwise convolution "
        "and `c * d * side**2` for the pointwise one, then `c = d`.",
    ),
    solution=(
        "Stem: 27·32α at the first side, (resolution + 2 − 3) // 2 + 1. Each block: 9·c·side² + "
        "c·d·side², with the side after its stride. Classifier: 1000·c. The last stride is 1."
    ),
    outcome=2,
    minutes=9,
    difficulty=3,
    config=("mobilenet_v1",),
    source=f"{PAPER}, Table 1",
    remark="Your loop agrees with the lab's trace of the whole network at every size tried.",
)


def law(g: Given) -> float:
    """What alpha^2 rho^2 makes of the MACs at width 1 and 224 pixels."""
    return float(macs() * g.width**2 * (g.resolution / 224) ** 2)


def gap(g: Given, law_says: float | None = None) -> dict[str, Any]:
    """By how much the law is too low, and the layers that contribute most."""
    scale = g.width**2 * (g.resolution / 224) ** 2
    whole, exact = by_role(), by_role(g.width, g.resolution)
    excess = {name: exact[name] - scale * whole[name] for name in exact}
    total = sum(exact.values())
    says = law(g) if law_says is None else law_says
    return {
        "percent": 100 * (total - says) / total,
        "layers": max(excess, key=lambda name: excess[name]),
    }


ALPHA_RHO = Exercise(
    id="3.4",
    title="Where α²ρ² fails",
    question=(
        "As a rule of thumb, width α and resolution ρ multiply the MACs by α²ρ². Take α = {width} "
        "and {resolution} pixels (ρ = {resolution}/224). By how many percent of the exact count is "
        "the rule's number too low? And which layer type contributes most to the difference: "
        '`"stem"`, `"depthwise"`, `"pointwise"` or `"classifier"`? Give `(percent, layers)`, the '
        "percentage to two decimals."
    ),
    kind=Values({"percent": Number(5e-3), "layers": Choice(tuple(TABLE_2))}),
    unit="",
    given={"width": 0.25, "resolution": 224},
    deal=lambda random: {
        "width": random.choice((0.25, 0.5, 0.75)),
        "resolution": random.choice(RESOLUTIONS),
    },
    answer=gap,
    mistakes=(
        Mistake(
            lambda g: gap(g) | {"percent": 100 * (macs(g.width, g.resolution) - law(g)) / law(g)},
            "That is in percent of the rule's number. The question asks for percent of the exact "
            "count.",
        ),
        Mistake(
            lambda g: gap(g) | {"percent": gap(g)["percent"] / 100},
            "That is a fraction; give percent.",
        ),
        Mistake(
            lambda g: gap(g) | {"percent": 100 - gap(g)["percent"]},
            "That is how many percent of the exact count the rule gives. By how many is that too "
            "low?",
        ),
        Mistake(
            lambda g: gap(g) | {"percent": -gap(g)["percent"]},
            "The size is right; the rule's number is too low, so give it without the minus.",
        ),
        Mistake(
            lambda g: gap(g, law(g) / g.width),
            "You multiply by α once; the rule has α².",
        ),
        Mistake(
            lambda g: gap(g) | {"layers": "pointwise"},
            "The percentage is right. But the 1×1 convolutions have width × channels on both "
            "sides: they follow α²ρ² exactly.",
        ),
        Mistake(
            lambda g: gap(g) | {"layers": "stem"},
            "The percentage is right. The stem does scale with α instead of α²; but another type "
            "does so, too, and has more MACs.",
        ),
        Mistake(
            lambda g: gap(g) | {"layers": "classifier"},
            "The percentage is right. The classifier scales with α, and not with ρ at all; but it "
            "is small.",
        ),
    ),
    hints=(
        'Exact counts: your `v1_macs`, or `lab.analyse(lab.trace("mobilenet_v1", width={width}, '
        "resolution={resolution})).total.macs`. (exact − rule) / exact.",
        'For the layers, do the same for each row of `.by("role")`: exact MACs minus α²ρ² times '
        "those at width 1 and 224 pixels. Which difference is largest?",
    ),
    solution=lambda g: (
        f"Rule: {law(g):,.0f}; exact: {macs(g.width, g.resolution):,}. The 1×1 convolutions follow "
        "the rule. Depthwise convolutions and stem scale with αρ², the classifier with α: of "
        f"these, the depthwise ones have the most MACs ({by_role()['depthwise']:,} at α = 1)."
    ),
    outcome=2,
    minutes=6,
    difficulty=3,
    config=("mobilenet_v1",),
    source=f"{PAPER}, sections 3.3 and 3.4",
    remark=(
        "ρ²·(α·(stem + depthwise) + α²·pointwise) + α·classifier is exact, as long as sides and "
        "channels stay whole. The paper says roughly α²; for wide networks that is nearly right."
    ),
)

PUBLISHED = tuple(row for row in accuracies("mobilenet_v1") if row.source == V1_SLIM)
"""Sixteen networks, trained by the same people in the same way."""


def design(width: float, resolution: int) -> dict[str, Any]:
    """An answer."""
    return {"width": width, "resolution": resolution}


def fitting(g: Given, flops: int = 1, work: bool = True) -> list[Any]:
    """The published networks within the budgets; of `flops` per MAC, or by parameters alone."""
    found = []
    for row in PUBLISHED:
        total = network(row.settings["width"], row.settings["resolution"]).total
        if work and flops * total.macs > g.mega_macs * M:
            continue
        if total.params > g.mega_params * M:
            continue
        found.append(row)
    return found


def chosen(rows: list[Any], by: Callable[[Any], Any] = lambda row: row.top1) -> dict[str, Any]:
    """The best of some networks."""
    best = max(rows, key=by)
    return design(best.settings["width"], best.settings["resolution"])


BUDGET = Exercise(
    id="3.5",
    title="The best within a budget",
    question=(
        "An app can afford {mega_macs} million MACs for an image and {mega_params} million "
        "parameters. TF-slim has published the accuracies of sixteen MobileNetV1, at widths 0.25, "
        "0.5, 0.75 and 1 and resolutions 128, 160, 192 and 224 (`published` in the cell below). "
        "Which of them is the most accurate within both budgets? Give `(width, resolution)`."
    ),
    kind=Values({"width": Number(), "resolution": Integer()}),
    unit="",
    given={"mega_macs": 120, "mega_params": 3},
    answer=lambda g: chosen(fitting(g)),
    mistakes=(
        Mistake(
            lambda g: chosen(fitting(g), lambda row: macs(**row.settings)),
            "That network has the most MACs within the budget, but not the highest accuracy. "
            "Compare the accuracies.",
        ),
        Mistake(
            lambda g: chosen(fitting(g, flops=2)),
            "That is the best within {mega_macs} million FLOPs; the budget is in MACs, and one MAC "
            "is two FLOPs.",
        ),
        Mistake(
            lambda g: chosen(fitting(g), lambda row: row.settings["resolution"]),
            "You kept the full resolution and made the network narrow. Is that the best way to "
            "spend the budget?",
        ),
        Mistake(
            lambda g: design(0.3, 224),
            "That is none of the sixteen: widths are 0.25, 0.5, 0.75 and 1, resolutions 128, 160, "
            "192 and 224.",
            lambda g, v: v["width"] not in WIDTHS or v["resolution"] not in RESOLUTIONS,
        ),
        Mistake(
            lambda g: chosen(fitting(g, work=False)),
            "That one is over a budget. Count its MACs and its parameters.",
            lambda g, v: v not in [row.settings for row in fitting(g)],
        ),
        Mistake(
            lambda g: design(0.25, 128),
            "That one fits, but another one that fits is more accurate.",
            lambda g, v: v in [row.settings for row in fitting(g)],
        ),
    ),
    hints=(
        "For each row of `published`: the exact MACs and parameters at `row.settings`, and "
        "`row.top1`.",
        "`lab.analyse(lab.trace(row.network, **row.settings)).total` has both counts. Keep the "
        "rows that fit, and take the highest `top1`.",
    ),
    solution=lambda g: (
        f"{len(fitting(g))} of the {len(PUBLISHED)} fit. "
        + "; ".join(
            f"α = {row.settings['width']} at {row.settings['resolution']}: {row.top1} % with "
            f"{macs(**row.settings) / M:.1f} million MACs"
            for row in sorted(fitting(g), key=lambda row: -row.top1)[:2]
        )
        + " are the best two."
    ),
    outcome=3,
    minutes=5,
    difficulty=4,
    config=("mobilenet_v1",),
    source=V1_SLIM,
    remark=lambda g: (
        "More MACs are not always more accurate: "
        + " beats ".join(
            f"α = {row['width']} at {row['resolution']} pixels"
            for row in (
                chosen(fitting(g)),
                chosen(fitting(g), lambda row: macs(**row.settings)),
            )
        )
        + ", with fewer MACs. The difference is small, though: another training could turn it."
    ),
)

LESSON = Lesson(
    number="3",
    title="MobileNetV1, alpha and rho",
    minutes=45,
    prerequisites=("lessons 1 and 2",),
    outcomes=(
        "compute MobileNetV1's cost by layer type and beside other networks, and settle claims",
        "write its MACs for any width and resolution, and explain where α²ρ² fails",
        "choose a width and a resolution within a budget by published accuracies",
    ),
    question="What do the two multipliers of MobileNetV1 cost, and what do they buy?",
    predictions=(
        Prediction(
            id="3.a",
            question=(
                "MobileNetV1 consists of 3×3 depthwise and 1×1 pointwise convolutions, a first "
                "full 3×3 convolution and a classifier. Which share of its MACs is in the 1×1 "
                "convolutions? Guess, in percent."
            ),
            kind=Number(),
            unit="percent",
            answer=lambda: percent("pointwise"),
            remark="Nearly a network of matrix products, which is what fast libraries are best at.",
        ),
        Prediction(
            id="3.b",
            question=(
                "All its layers get half as many channels (α = 0.5). Which fraction of the MACs is "
                "left? Guess a number between 0 and 1."
            ),
            kind=Number(),
            unit="of the MACs",
            answer=lambda: macs(0.5) / macs(),
            remark="A little more than a quarter: not every layer is scaled on both sides.",
        ),
    ),
    exercises=(SHARES, CLAIMS, V1_MACS, ALPHA_RHO, BUDGET),
    misconceptions=(
        "Half the width is half the cost: most of the cost falls to a quarter.",
        "A smaller input makes a smaller network: ρ leaves every parameter in place.",
        "MobileNetV1 is a hundred times smaller than VGG-16: about 33 times in parameters and 27 "
        "times in MACs.",
        "The larger of two networks within a budget is the better one.",
    ),
    discussion=(
        "The paper's Tables 1 and 2 have a misprint each. When you build a network from a paper, "
        "which sums and sizes would you check first?"
    ),
)

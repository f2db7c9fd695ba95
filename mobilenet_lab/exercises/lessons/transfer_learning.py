"""Lesson 12: freezing, a new head, and what a training run's numbers mean."""

from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.exercises.kinds import Function, Integer, Number, Row, Values
from mobilenet_lab.exercises.records import Exercise, Given, Lesson, Mistake, Prediction
from mobilenet_lab.registry import trace

SIDES = range(32, 513, 32)
"""Resolutions that 12.5 chooses from."""
FEW = 4
"""Classes that the notebook's new head tells apart."""


@cache
def network(classes: int = 1000, resolution: int = 224, width: float = 1.0) -> Analysis:
    """MobileNetV2."""
    return analyse(trace("mobilenet_v2", classes=classes, resolution=resolution, width=width))


def head(found: Analysis, of: str) -> int:
    """The classifier's parameters or MACs."""
    return int(next(getattr(row, of) for row in found.by("stage") if row.name == "classifier"))


def norms(found: Analysis) -> int:
    """Parameters of batch norms."""
    return sum(row.params for row in found.rows if row.op == "batch_norm")


def parameters(g: Given) -> dict[str, int]:
    """Of a network with a new head: trained, and all of them."""
    found = network(g.classes)
    return {"trained": head(found, "params"), "all": found.total.params}


PARAMETERS = Exercise(
    id="12.1",
    title="How many parameters are trained?",
    question=(
        "You take MobileNetV2 (width 1) with its weights for ImageNet's 1000 classes, replace the "
        "linear layer at its end (1280 inputs) by a new one for {classes} classes, with bias, and "
        "freeze everything else, batch norms included. How many parameters are trained, and how "
        "many has the network in all? Give `(trained, all)`."
    ),
    kind=Values({"trained": Integer(), "all": Integer()}),
    unit="parameters",
    given={"classes": 37},
    deal=lambda random: {"classes": random.randint(3, 300)},
    answer=parameters,
    mistakes=(
        Mistake(
            lambda g: parameters(g) | {"trained": head(network(g.classes), "params") - g.classes},
            "All is right; of the trained ones the biases are missing, one for each class.",
        ),
        Mistake(
            lambda g: parameters(g) | {"trained": parameters(g)["all"]},
            "All is right, but that is what full fine-tuning trains. Frozen layers train nothing.",
        ),
        Mistake(
            lambda g: (
                parameters(g) | {"trained": parameters(g)["trained"] + norms(network(g.classes))}
            ),
            "All is right. But you train the scales and shifts of the batch norms, too; here they "
            "are frozen.",
        ),
        Mistake(
            lambda g: {"trained": head(network(), "params"), "all": network().total.params},
            "That is the old head with its 1000 classes; it is thrown away.",
            lambda g, found: found["trained"] == head(network(), "params"),
        ),
        Mistake(
            lambda g: parameters(g) | {"all": network().total.params},
            "The trained ones are right; all is still the network with 1000 classes.",
        ),
        Mistake(
            lambda g: parameters(g) | {"all": network().total.params + parameters(g)["trained"]},
            "The trained ones are right; for all you added the new head and kept the old one.",
        ),
        Mistake(
            lambda g: (
                parameters(g) | {"all": parameters(g)["all"] - head(network(g.classes), "params")}
            ),
            "The trained ones are right; all is the features alone. The new head is a part of the "
            "network.",
        ),
    ),
    hints=(
        "A linear layer has a weight for each pair of input and output, and a bias for each "
        "output.",
        '`lab.analyse(lab.trace("mobilenet_v2", classes=10)).total.params` is all of them, for 10 '
        "classes.",
    ),
    solution=(
        "1280 × {classes} weights and {classes} biases are trained. All: those, and everything "
        "before the head, which has the same size whatever the classes are."
    ),
    outcome=1,
    minutes=5,
    difficulty=1,
    config=("mobilenet_v2",),
    remark="The features have two million parameters; the new head has a few thousand to learn "
    "from your images.",
)


def step(found: Analysis, frozen: bool, rule: str = "") -> int:
    """MACs of one image in a training step, gathered layer by layer; `rule` has an error in it."""
    layers = [row for row in found.rows if row.macs]
    total, trained_before = 0, False
    for row in layers:
        trained = not frozen or row.stage == "classifier"
        total += row.macs
        total += row.macs if trained else 0  # the gradient of its weights
        total += row.macs if trained_before else 0  # the gradient of its input
        trained_before = trained_before or trained
    first, last = layers[0].macs, layers[-1].macs
    changed = {
        "image": 0 if frozen else first,
        "input": last if frozen else 0,
        "forward": -last if frozen else 0,
        "twice": 0 if frozen else first - found.total.macs,
    }
    return total + changed.get(rule, 0)


def steps(g: Given, rule: str = "") -> dict[str, int]:
    """MACs of a step, with frozen features and without."""
    found = network(g.classes, g.resolution, g.width)
    return {name: g.batch * step(found, name == "frozen", rule) for name in ("frozen", "full")}


STEP = Exercise(
    id="12.2",
    title="What one training step costs",
    question=(
        "A step of training passes {batch} images of {resolution}×{resolution} through "
        "MobileNetV2 (width {width:g}, {classes} classes) forward, and gradients backward. Count "
        "the MACs of convolutions and linear layers by this rule: forward, every layer costs its "
        "MACs once. Backward, a layer that is trained costs them once more for the gradient of its "
        "weights; and a layer that has any trained layer *before* it costs them once more for the "
        "gradient of its input. How many MACs does a step take if all features are frozen and only "
        "the last linear layer is trained, and how many if everything is trained? Give "
        "`(frozen, full)`."
    ),
    kind=Values({"frozen": Integer(), "full": Integer()}),
    unit="MACs",
    given={"batch": 16, "resolution": 96, "width": 1.0, "classes": FEW},
    deal=lambda random: {
        "batch": random.choice((8, 16, 32, 64)),
        "resolution": random.choice((64, 96, 128, 160, 192, 224)),
        "width": random.choice((0.5, 0.75, 1.0)),
        "classes": random.randint(2, 200),
    },
    answer=steps,
    mistakes=(
        Mistake(
            lambda g: steps(g, "image"),
            "Frozen is right. Full: three times everything is one part too much. Which layer has "
            "no trained layer before it?",
        ),
        Mistake(
            lambda g: steps(g, "input"),
            "Full is right. Frozen: does the last layer need the gradient of its input? Nobody "
            "before it is trained.",
        ),
        Mistake(
            lambda g: steps(g, "forward"),
            "Full is right. Frozen: you have the forward pass alone; the last layer is trained.",
        ),
        Mistake(
            lambda g: steps(g, "twice"),
            "Frozen is right. Full: you count one backward part of each layer; there are two, for "
            "its weights and for its input.",
        ),
        Mistake(
            lambda g: {name: macs // g.batch for name, macs in steps(g).items()},
            "Right for one image; the step has a batch of them.",
        ),
    ),
    hints=(
        "M is all of a forward pass, F the first convolution, H the last linear layer: write both "
        "answers with these three.",
        "Frozen: forward, and one part more for the last layer. Full: forward and twice that, but "
        "the first layer's input is an image, and no layer is before it.",
        '`lab.analyse(lab.trace("mobilenet_v2", classes={classes}, resolution={resolution}, '
        "width={width:g}))` has `.total.macs` and the `.rows`, the first convolution first.",
    ),
    solution=lambda g: (
        f"One image: M = {of_step(g).total.macs:,} forward, F = {of_step(g).rows[0].macs:,} in the "
        f"first convolution, H = {head(of_step(g), 'macs'):,} in the last layer. Frozen: M + H. "
        f"Full: 3M − F. Both times {g.batch} images."
    ),
    outcome=1,
    minutes=7,
    difficulty=2,
    config=("mobilenet_v2",),
    remark="Training everything takes about three times a frozen step, and has to keep all "
    "activations for the way back.",
)


def of_step(g: Given) -> Analysis:
    """The network of 12.2."""
    return network(g.classes, g.resolution, g.width)


def per_image(g: Given) -> float:
    """Each image's loss as its batch's mean, one by one; then their mean."""
    losses: list[float] = []
    for loss, size in zip(g.losses, g.sizes, strict=True):
        losses += [loss] * size
    return sum(losses) / len(losses)


def dealt_batches(random: Random) -> Mapping[str, Any]:
    """Batches whose last one is smaller."""
    size, number = random.choice((16, 32, 64)), random.randint(3, 6)
    return {
        "sizes": [size] * (number - 1) + [random.randint(2, size // 3)],
        "losses": [round(random.uniform(0.2, 2.5), 2) for _ in range(number)],
    }


LOSS = Exercise(
    id="12.3",
    title="The loss of an epoch",
    question=(
        "An epoch had batches of {sizes} images. Their mean losses were {losses}. What is the mean "
        "loss per image of the epoch?"
    ),
    kind=Number(),
    unit="",
    given={"sizes": [32, 32, 32, 4], "losses": [1.2, 0.9, 0.6, 2.5]},
    deal=dealt_batches,
    answer=per_image,
    mistakes=(
        Mistake(
            lambda g: sum(g.losses) / len(g.losses),
            "That is the mean over batches: in it each image of the small last batch counts more "
            "than the others.",
        ),
        Mistake(
            lambda g: sum(g.losses) / (len(g.losses) - 1),
            "You divide by the index of the last batch. Counted from 0, it is one less than the "
            "number of batches. (And a mean over batches is not yet one over images.)",
        ),
        Mistake(
            lambda g: per_image(g) * sum(g.sizes) / (g.sizes[0] * len(g.sizes)),
            "The losses are weighted rightly, but you divide as if all batches were full.",
        ),
        Mistake(
            lambda g: sum(g.losses[:-1]) / (len(g.losses) - 1),
            "You left the last batch out. Its images count, too, though they are few.",
        ),
        Mistake(
            lambda g: per_image(g) * sum(g.sizes),
            "That is the sum over all images; divide it by their number.",
        ),
    ),
    hints=(
        "Mean loss × images of a batch is the sum over its images.",
        "Add up these sums, and the images; divide once, at the end.",
    ),
    solution=lambda g: (
        f"({' + '.join(f'{s} × {v:g}' for s, v in zip(g.sizes, g.losses, strict=True))}) / "
        f"{sum(g.sizes)}. The mean over batches would be {sum(g.losses) / len(g.losses):.4g}; "
        f"divided by the last index it is that times {len(g.losses)}/{len(g.losses) - 1}."
    ),
    outcome=2,
    minutes=4,
    difficulty=2,
    remark="Code that divides by the last index of a loop is off by n / (n − 1): much for few "
    "batches, and hard to see for many.",
)


def counted_scores(confusion: list[list[int]]) -> dict[str, Any]:
    """Hands out the images one by one, and looks at each."""
    pairs = [
        (true, given)
        for true, row in enumerate(confusion)
        for given, images in enumerate(row)
        for _ in range(images)
    ]
    recalls = []
    for number in range(len(confusion)):
        mine = [given == number for true, given in pairs if true == number]
        recalls.append(sum(mine) / len(mine))
    return {"accuracy": sum(t == g for t, g in pairs) / len(pairs), "recalls": recalls}


def matrices(random: Random) -> Mapping[str, Any]:
    """A confusion matrix with an image at least of each class, of unequal numbers."""
    classes = random.randint(2, 4)
    return {
        "confusion": [
            [
                random.randint(1, 20) if true == given else random.randint(0, 9)
                for given in range(classes)
            ]
            for true in range(classes)
        ]
    }


def scores_mutant(change: str) -> Callable[[list[list[int]]], tuple[float, list[float]]]:
    """`scores` with one error in it."""

    def scores(confusion: list[list[int]]) -> tuple[float, list[float]]:
        classes = range(len(confusion))
        total = sum(map(sum, confusion))
        right = [confusion[c][c] for c in classes]
        of = [sum(row) for row in confusion]
        if change == "columns":
            of = [sum(row[c] for row in confusion) for c in classes]
        if change == "total":
            of = [total] * len(confusion)
        recalls = [r / n for r, n in zip(right, of, strict=True)]
        accuracy = sum(right) / total
        if change == "mean":
            accuracy = sum(recalls) / len(recalls)
        if change == "percent":
            return 100 * accuracy, [100 * recall for recall in recalls]
        if change == "errors":
            return accuracy, [1 - recall for recall in recalls]
        return accuracy, recalls

    return scores


SCORES = Exercise(
    id="12.4",
    title="Read a confusion matrix",
    question=(
        "`confusion[i][j]` is the number of images of class i (row: the true class) that the "
        "network took for class j. Write `scores(confusion)`: it returns the accuracy over all "
        "images, and a list with the recall of each class, the share of its images that were "
        "recognised. Both as fractions between 0 and 1; each class has at least one image."
    ),
    kind=Function("scores", matrices, Values({"accuracy": Number(), "recalls": Row(Number())})),
    unit="",
    answer=lambda g: counted_scores,
    mistakes=(
        Mistake(
            lambda g: scores_mutant("columns"),
            "The accuracy is right. But you divide by the sum of a column, all images that were "
            "*taken for* the class: that is precision. Recall asks about a row.",
        ),
        Mistake(
            lambda g: scores_mutant("mean"),
            "The recalls are right, and their mean is the *balanced* accuracy. Over all images, a "
            "class with more images counts more.",
        ),
        Mistake(
            lambda g: scores_mutant("total"),
            "The accuracy is right. For the recall of one class, divide by the images of that "
            "class, not by all.",
        ),
        Mistake(
            lambda g: scores_mutant("percent"),
            "Right, but in percent; the question asks for fractions.",
        ),
        Mistake(
            lambda g: scores_mutant("errors"),
            "The accuracy is right; for each class you give the share that was missed.",
        ),
    ),
    hints=(
        "What is right stands on the diagonal: `confusion[i][i]`.",
        "The images of class i are a row: `sum(confusion[i])`. All images: the sum of these.",
    ),
    solution=(
        "Accuracy: the diagonal's sum over the sum of everything. Recall of class i: "
        "`confusion[i][i] / sum(confusion[i])`."
    ),
    outcome=2,
    minutes=7,
    difficulty=3,
    remark="The checker looked at every image by itself, and your function agrees.",
)


def training(g: Given, rule: str = "") -> dict[str, Callable[[int], int]]:
    """MACs of a whole training by resolution, for the three ways; `rule` has an error in it."""
    images: int = g.images
    epochs: int = 1 if rule == "epochs" else g.epochs

    def at(side: int) -> Analysis:
        return network(10, side)

    def full(side: int) -> int:
        if rule == "forward":
            return images * epochs * at(side).total.macs
        return images * epochs * step(at(side), frozen=False)

    def frozen(side: int) -> int:
        return images * epochs * step(at(side), frozen=True)

    def once(side: int) -> int:
        last = head(at(side), "macs")
        return images * (at(side).total.macs - last) + images * epochs * 2 * last

    return {
        "full": full,
        "frozen": full if rule == "same" else frozen,
        "once": frozen if rule == "again" else once,
    }


def largest(g: Given, rule: str = "") -> dict[str, int]:
    """The largest resolution within the budget, for each way; 0 if there is none."""
    return {
        way: max((side for side in SIDES if cost(side) <= g.budget * 10**9), default=0)
        for way, cost in training(g, rule).items()
    }


def linearly(g: Given) -> dict[str, int]:
    """As if MACs grew with the side and not with its square."""
    at = {way: cost(224) for way, cost in training(g).items()}
    return {
        way: max((s for s in SIDES if macs * s <= g.budget * 10**9 * 224), default=0)
        for way, macs in at.items()
    }


def dealt_budget(random: Random) -> Mapping[str, Any]:
    """A training that has a smallest and a largest resolution among those to choose from."""
    while True:
        g = Given(
            images=random.randrange(200, 5001, 100),
            epochs=random.randint(4, 15),
            budget=random.choice((200, 500, 1000, 2000, 5000)),
        )
        if training(g)["full"](SIDES[0]) <= g.budget * 10**9 < training(g)["once"](SIDES[-1]):
            return vars(g)


BUDGET = Exercise(
    id="12.5",
    title="Design: a training within a budget",
    question=(
        "You have {images} images, want {epochs} epochs, and can spend {budget} GMACs (1 GMAC is a "
        "billion MACs) on training MobileNetV2 (width 1, 10 classes), counted by the rule of 12.2; "
        "validation is not counted. What is the largest input side, a multiple of 32 up to 512, "
        "that stays within the budget, if you train everything (`full`); if you freeze the "
        "features (`frozen`); and if you freeze them, do not augment, and so compute each image's "
        "1280 features only `once`, and in each epoch run and train the last layer alone? Give "
        "`(full, frozen, once)`."
    ),
    kind=Values({"full": Integer(), "frozen": Integer(), "once": Integer()}),
    unit="pixels",
    given={"images": 1000, "epochs": 10, "budget": 1000},
    deal=dealt_budget,
    answer=largest,
    mistakes=(
        Mistake(
            lambda g: largest(g, "epochs"),
            "That is what one epoch may cost. The images pass through the network in every epoch.",
        ),
        Mistake(
            lambda g: largest(g, "same"),
            "Frozen layers need no way back: by the rule of 12.2 a frozen step is much cheaper.",
        ),
        Mistake(
            lambda g: largest(g, "again"),
            "full and frozen are right. For once you still run the features in every epoch; each "
            "image needs them a single time.",
        ),
        Mistake(
            lambda g: largest(g, "forward"),
            "For full you count the forward pass alone; backward costs about twice as much again.",
        ),
        Mistake(
            linearly,
            "It looks as if you scale MACs with the side of the image; they grow with its square.",
        ),
    ),
    hints=(
        "Divide the budget by images × epochs: what may one image cost in one epoch?",
        'For each side: `lab.analyse(lab.trace("mobilenet_v2", classes=10, resolution=side))`.',
        "full: 3M − F for each image and epoch; frozen: M + H; once: M − H a single time, and 2H "
        "for each epoch.",
    ),
    solution=lambda g: (
        f"One image may cost {g.budget * 10**9 // (g.images * g.epochs):,} MACs in each epoch. The "
        "largest sides that stay within: "
        + ", ".join(f"{way} {side}" for way, side in largest(g).items())
        + ". Computed once, the features may cost as much as all epochs together."
    ),
    outcome=3,
    minutes=7,
    difficulty=4,
    config=("mobilenet_v2",),
    remark="Frozen features are a function of the image: they need not be computed twice.",
)


LESSON = Lesson(
    number="12",
    title="Transfer learning",
    minutes=45,
    prerequisites=(
        "lessons 1 and 5",
        "what a gradient step does",
        "PyTorch installed (the extra `course` has it)",
    ),
    outcomes=(
        "compute how many parameters a fine-tuning trains, and what one of its steps costs",
        "read a run: its loss per image, its accuracy, the recall of each class",
        "design a training that fits a budget of MACs",
    ),
    question="What can one learn from a few images, and what has to be known already?",
    predictions=(
        Prediction(
            id="12.a",
            question=(
                f"MobileNetV2 gets a new last layer for {FEW} classes, and nothing else is "
                "trained. Which share of its parameters is that? A fraction between 0 and 1."
            ),
            kind=Number(),
            unit="",
            answer=lambda: head(network(FEW), "params") / network(FEW).total.params,
            remark="All the rest was learned on other images, by somebody else.",
        ),
        Prediction(
            id="12.b",
            question=(
                "How many times as many MACs does a training step take if everything is trained, "
                "compared to one in which only that layer is?"
            ),
            kind=Number(),
            unit="times",
            answer=lambda: step(network(FEW), False) / step(network(FEW), True),
            remark="Few parameters are trained, but every image still goes forward through all "
            "layers.",
        ),
    ),
    exercises=(PARAMETERS, STEP, LOSS, SCORES, BUDGET),
    misconceptions=(
        "Training 0.2% of the parameters costs 0.2% of the work: the forward pass stays.",
        "Freezing the weights freezes the network: batch norm's running statistics go on changing "
        "unless the frozen layers are in eval mode.",
        "The mean of the batches' losses is the loss: the last batch is smaller.",
        "An accuracy says how good a network is: on unequal classes one has to look at recalls.",
    ),
    discussion=(
        "The best epoch is chosen by the validation images, and its accuracy on these same images "
        "is reported. What is wrong with that, and what would you do with 200 images in all?"
    ),
)

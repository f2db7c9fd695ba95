"""Proposals made real: weights carried over, a short fine-tuning, accuracy on images held out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from fractions import Fraction
from itertools import chain, count, islice
from typing import Any

import torch
from torch import Tensor, nn

from mobilenet_lab.adaptation.carrying_torch import carried, dropped
from mobilenet_lab.adaptation.groups import search_space
from mobilenet_lab.adaptation.proposals import Proposal
from mobilenet_lab.errors import LabError
from mobilenet_lab.interpreter_torch import Interpreted
from mobilenet_lab.layers import Trace
from mobilenet_lab.training.checkpoint_torch import network_bytes
from mobilenet_lab.training.data_torch import Data, Images, Source, loader
from mobilenet_lab.training.loop_torch import Fitting, Network, check_batches, own_randomness
from mobilenet_lab.training.processes_torch import accelerator
from mobilenet_lab.training.randomness import seed_of
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.weights import load_weights, read_checkpoint

State = dict[str, Tensor]


class Tuner:
    """Judges proposals by their accuracy after a short fine-tuning.

    The training images are parted once: `holdout` of them choose between proposals, the others
    train. The validation images choose nothing.
    """

    def __init__(
        self,
        trace: Trace,
        state: State,
        recipe: Recipe,
        data: Data,
        images: int,
        holdout: int,
    ) -> None:
        self.space, self.state = search_space(trace), state
        self.recipe, self.data, self.images = recipe, data, images
        self.device = accelerator(recipe.precision).device
        self.choosing, self.training = parted(data, holdout, recipe.seed)
        if images < len(data.classes):
            raise LabError(
                f"images: {images} are fewer than the {len(data.classes)} classes to be learned"
            )
        part = self.part(1)
        check_batches(Network(module_of(trace, state), None, {}), part, recipe, 1)
        self._last = self._best = trace, state

    def part(self, number: int) -> Data:
        """What an iteration trains on, and is held against."""
        orders = (
            [
                self.training[place]
                for place in dealt(self._labels(), self.recipe.seed, number, turn)
            ]
            for turn in count()
        )
        chosen = [*islice(chain.from_iterable(orders), self.images)]
        train = part_of(self.data.train, chosen)
        return self.data._replace(train=train, val=part_of(self._plain(), self.choosing))

    def value(self, number: int, widths: Sequence[int], proposal: Proposal) -> Fraction:
        """Accuracy on the images that choose, after a fine-tuning."""
        gone = dropped(self.space, proposal.group, proposal.width, self.state)
        new = [*widths[: proposal.group], proposal.width, *widths[proposal.group + 1 :]]
        trace = self.space.narrowed(new)
        module = module_of(trace, carried(self.space, gone, self.state))
        network = Network(module, None, {})
        with own_randomness(self.device):
            # an accelerator keeps what it has prepared: each proposal has its own
            fresh = accelerator(self.recipe.precision)
            fitting = Fitting(self.recipe, self.part(number), network, fresh, None)
            _, confusion = fitting.epoch(number)
        state = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
        self._last = trace, state
        return Fraction(int(confusion.trace()), int(confusion.sum()))

    def prefer(self) -> None:
        """Remembers the network that was judged last."""
        self._best = self._last

    def keep(self) -> Fraction:
        """Goes on from the network that is remembered; its accuracy on the validation images."""
        trace, self.state = self._best
        self.space = search_space(trace)
        return self.accuracy(self.data)

    def start(self) -> tuple[Fraction, Fraction]:
        """Accuracy before anything is narrowed, on the images that choose and on validation's."""
        choosing = self.data._replace(val=part_of(self._plain(), self.choosing))
        return self.accuracy(choosing), self.accuracy(self.data)

    def accuracy(self, data: Data) -> Fraction:
        """Of the network as it stands, on all that is held out in `data`."""
        module = module_of(self.space.trace, self.state).to(self.device).eval()
        right = seen = 0
        with torch.no_grad():
            for batch in loader(data, self.recipe, 1, "val"):
                if batch.images is not None:
                    answers = module(batch.images.to(self.device)).argmax(1).cpu()
                    right += int((answers == batch.labels).sum())
                    seen += len(batch.labels)
        if not seen:
            raise LabError("no val image can be read")
        return Fraction(right, seen)

    def files(self) -> Mapping[str, bytes]:
        """The weights of the network that is kept."""
        return {MODEL: network_bytes(module_of(self.space.trace, self.state))}

    def _labels(self) -> list[int]:
        labels = self.data.train.source.labels
        return [labels[index] for index in self.training]

    def _plain(self) -> Images:
        """The training images without augmentation."""
        return Images(self.data.train.source, self.data.preprocessing)


MODEL = "net.safetensors"


class Part:
    """Some pictures of a source."""

    def __init__(self, source: Source, chosen: Sequence[int]) -> None:
        self._source, self._chosen = source, chosen
        self.labels = [source.labels[index] for index in chosen]

    def picture(self, index: int) -> Any:
        """As `Source`."""
        return self._source.picture(self._chosen[index])


def part_of(images: Images, chosen: Sequence[int]) -> Images:
    """Some of the images, seen as all of them are."""
    part = copy(images)
    part.source = Part(images.source, chosen)
    return part


def dealt(labels: Sequence[int], *seed: int) -> list[int]:
    """The places of labels, shuffled, so that classes take turns as long as they last."""
    lots = sorted(range(len(labels)), key=lambda place: seed_of("netadapt", *seed, place))
    turns, ranked = Counter[int](), []
    for lot, place in enumerate(lots):
        turns[labels[place]] += 1
        ranked.append((turns[labels[place]], lot, place))
    return [place for _, _, place in sorted(ranked)]


def parted(data: Data, holdout: int, seed: int) -> tuple[list[int], list[int]]:
    """The training images that choose, and those that train: of each class a half at least.

    Raises:
        LabError: a class has one image only, or fewer are held out than there are classes.
    """
    labels = data.train.source.labels
    size = Counter(labels)
    for label, name in enumerate(data.classes):
        if size[label] < 2:
            raise LabError(
                f"class {name!r} has one training image: to choose and to train takes two"
            )
    if holdout < len(data.classes):
        raise LabError(
            f"holdout: {holdout} images are fewer than the {len(data.classes)} classes they judge"
        )
    taken = Counter[int]()
    choosing: list[int] = []
    for place in dealt(labels, seed):
        label = labels[place]
        if len(choosing) < holdout and taken[label] < size[label] // 2:
            taken[label] += 1
            choosing.append(place)
    chosen = set(choosing)
    return sorted(choosing), [place for place in range(len(labels)) if place not in chosen]


def module_of(trace: Trace, state: Mapping[str, Tensor]) -> nn.Module:
    """The network with its weights."""
    with own_randomness(torch.device("cpu")):
        module = Interpreted(trace)
    module.load_state_dict(dict(state))
    return module


def check_fits(trace: Trace, state: Mapping[str, Tensor], network: str) -> None:
    """Makes sure that weights are of this network.

    Raises:
        LabError: they are of another.
    """
    try:
        module_of(trace, state)
    except RuntimeError:
        raise LabError(f"{network} is not as the search began with it: begin a new one") from None


def trained_state(trace: Trace, path: str) -> State:
    """The weights of a file, as the network takes them.

    Raises:
        LabError: they are of another network, or of other classes.
    """
    with own_randomness(torch.device("cpu")):
        module = Interpreted(trace)
    try:
        load_weights(module, read_checkpoint(path))
    except LabError as error:
        raise LabError(
            f"the weights of {path} are not of this network on these images: {error}; NetAdapt "
            "begins with a network that has learned the classes (mobilenet-lab train)"
        ) from None
    return {name: value.clone() for name, value in module.state_dict().items()}

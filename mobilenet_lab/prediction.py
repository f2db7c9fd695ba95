"""What a network with weights sees in images: classes and their probabilities, as a table."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilenet_lab import networks, registry
from mobilenet_lab.errors import LabError, MissingPackageError, UnknownNameError, quoted
from mobilenet_lab.layers import Trace
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.training import inputs, origins
from mobilenet_lab.training import labels as class_names
from mobilenet_lab.training.preprocessing import Preprocessing
from mobilenet_lab.training.recipe import ON_BAD_IMAGE

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGENET_CLASSES = 1000
WIDTHS = (1.0, 0.25, 0.35, 0.5, 0.75, 1.3, 1.4)
"""Where a checkpoint's network is looked for."""


class Guess(NamedTuple):
    """One class of one image."""

    image: str
    rank: int
    name: str
    probability: float


class Loaded(NamedTuple):
    """A network with its weights, in eval mode, and what it expects and tells."""

    network: str
    settings: dict[str, Any]
    module: "nn.Module"
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    named: bool
    """The classes have names; else they are called by their numbers."""
    source: str
    """How it is known what the images go through."""


COLUMNS = (
    Column("image", "image", "text", lambda guess: guess.image, "file"),
    Column("rank", "rank", "count", lambda guess: guess.rank, "1 is the most probable class"),
    Column("class", "class", "text", lambda guess: guess.name, "name, or number without names"),
    Column(
        "probability", "probability", "share", lambda guess: guess.probability,
        "softmax of the scores: a share of 1 over all classes",
    ),
)  # fmt: skip


def predict(
    *images: str | Path,
    weights: str | Path,
    model: str | None = None,
    labels: str | Path | Sequence[str] | None = None,
    top: int = 5,
    origin: str | None = None,
    on_bad_image: str = "stop",
    watch: Callable[[Sequence[Any], int], Iterable[Any]] = lambda items, total: items,
    resize: int | None = None,
    interpolation: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **options: Any,
) -> Table:
    """The `top` most probable classes of each image file.

    `weights` is a checkpoint of torchvision, timm or the lab; images are resized, cropped and
    normalised as it expects, unless `resize` (shorter side), `resolution` (side or (height, width)
    of the crop), `interpolation`, `mean` or `std` say otherwise. `model` is a registered
    classifier; a checkpoint of ours with its JSON needs none, and no `labels` either: a file
    (`labels.read_labels`) or the names. Whose it is (`origin`: mobilenet_lab, torchvision, timm or
    tensorflow) is told from its tensors' names if not given. `on_bad_image` "skip" goes on without
    an image that cannot be read. Further options are those of `registry.build`; classes and input
    channels are told by the weights. `watch` wraps the images, for a progress bar.

    Raises:
        LabError: a file that cannot be read, weights of another network, options of no use.
        UnknownNameError: no such network, origin, interpolation or option.
        MissingPackageError: a package of the train extra is not installed.
    """
    if not images:
        raise LabError("there is no image to look at")
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise LabError(f"top is a whole number from 1, not {quoted(top)}")
    if on_bad_image not in ON_BAD_IMAGE:
        raise UnknownNameError("on bad image", str(on_bad_image), ON_BAD_IMAGE)
    if origin is not None and origin not in origins.ORIGINS:
        raise UnknownNameError("origin", str(origin), origins.ORIGINS)
    try:
        from mobilenet_lab.training.predicting_torch import probabilities
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise MissingPackageError(error.name, "train", "prediction") from None
    loaded = load(Path(weights), model, origin, options)
    preprocessing = _changed(
        loaded.preprocessing, resize=resize, interpolation=interpolation, mean=mean, std=std
    )
    names = _names(labels, loaded.classes)
    skipped: list[str] = []

    def bad(error: LabError) -> None:
        if on_bad_image == "stop":
            raise error
        skipped.append(str(error))

    rows: list[Guess] = []
    watched = watch(images, len(images))
    for image, shares in probabilities(loaded.module, watched, preprocessing, bad):
        best = sorted(range(len(shares)), key=lambda number: -shares[number])[:top]
        rows += [
            Guess(image, rank, names[number], shares[number])
            for rank, number in enumerate(best, start=1)
        ]
    if not rows:
        raise LabError(f"none of the images can be read; the first: {skipped[0]}")
    source = loaded.source if preprocessing == loaded.preprocessing else "as asked for"
    notes = [f"{_told(preprocessing)}: {source}."]
    if not loaded.named and labels is None:
        notes.append("Classes are numbers: nothing names them (labels would).")
    return Table(
        title=f"{loaded.network} · weights {weights}",
        columns=COLUMNS,
        rows=tuple(rows),
        notes=(*notes, *(f"Skipped: {each}." for each in skipped)),
        facts={
            "network": loaded.network,
            "settings": loaded.settings,
            "weights": str(weights),
            "preprocessing": preprocessing.to_dict(),
            "skipped": skipped,
        },
        layout="sections",
        headings=(("image",),),
    )


def load(path: Path, model: str | None, origin: str | None, options: Mapping[str, Any]) -> Loaded:
    """The network of a checkpoint with its weights; arguments are those of `predict`.

    Raises:
        LabError: the file cannot be read, or its tensors do not fit the network.
        UnknownNameError: no such network, or no such option of it.
    """
    from mobilenet_lab.training import foreign_torch
    from mobilenet_lab.weights import load_weights, read_checkpoint

    tensors = foreign_torch.flattened(read_checkpoint(path))
    card, timm = origins.read_card(path), origins.timm_card(path)
    network = _network(model, card, tensors, path)
    origin = origin or (origins.LAB if card else origins.origin_of(tensors.keys(), path, timm))
    settings = {**(card.settings if card else origins.settings_of(origin, network)), **options}
    if "auxiliary" in inputs.options(network) and any(map(_is_auxiliary, tensors)):
        settings["auxiliary"] = True
    template = foreign_torch.without_values(lambda: networks.build(network, **settings))
    if tensors.keys() == template.state_dict().keys():
        origin = origins.LAB
    ordered = foreign_torch.in_order(tensors, template, network, path)
    classes, channels = foreign_torch.classes_and_channels(ordered, template)
    settings = {"classes": classes, "in_channels": channels, **settings}
    found = _preprocessing(origin, network, settings, options, card, timm, path)
    settings["resolution"] = found[0].crop
    module = networks.build(network, **settings)
    try:
        load_weights(module, ordered)
    except LabError as error:
        fits = _fitting(foreign_torch.weight_shapes(ordered), origin)
        raise LabError(f"{path} does not fit {network}: {error}{fits}") from None
    if origin == origins.TENSORFLOW:
        foreign_torch.as_tensorflow(module)
    names = card.classes if card else _usual_names(classes)
    if len(names) != classes:
        raise LabError(f"{path} has {classes:,} classes, its JSON names {len(names):,}")
    named = card is not None or classes == IMAGENET_CLASSES
    return Loaded(network, settings, module.eval(), found[0], names, named, found[1])


def _network(
    model: str | None, card: origins.Card | None, tensors: Mapping[str, "Tensor"], path: Path
) -> str:
    """The name of the checkpoint's network."""
    if card is not None and model not in (None, card.network) and not inputs.is_file(card.network):
        raise LabError(f"{path} holds {card.network}, not {model}")
    network = model or (_said(card, path) if card else None)
    if network is None:
        from mobilenet_lab.training.foreign_torch import weight_shapes

        fits = _fitting(weight_shapes(tensors), origins.origin_of(tensors.keys(), path))
        raise LabError(f"{path} does not say which network it is of: give its name as model{fits}")
    if inputs.is_file(network):
        return network
    if (task := registry.task(network)) != "classification":
        raise LabError(f"{network} is for {task}; predict takes classifiers")
    return network


def _said(card: origins.Card, path: Path) -> str:
    """What a checkpoint of ours calls its network; a file may stand beside the checkpoint."""
    beside = path.parent / card.network
    return str(beside) if inputs.is_file(card.network) and beside.exists() else card.network


def _preprocessing(
    origin: str,
    network: str,
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    card: origins.Card | None,
    timm: dict[str, Any] | None,
    path: Path,
) -> tuple[Preprocessing, str]:
    """What images go through, and how that is known."""
    from mobilenet_lab.training.foreign_torch import by_file_name

    channels, height, width = inputs.classifier(network, **settings).input_shape
    published = by_file_name(path) if origin == origins.TORCHVISION else None
    if card is not None:
        found, source = card.preprocessing, f"as {path.with_suffix('.json').name} says"
    elif timm is not None and (said := origins.of_timm_card(timm)) is not None:
        found, source = said, "as timm's config.json says"
    elif published is not None and (origin, network) not in origins.PARTICULAR:
        found, source = published[1], f"as {published[0]} of torchvision, by the file's name"
    else:
        found = origins.expected(origin, network, (channels, height, width))
        if origin in origins.THEIRS.get(network, {}):
            source = f"as the usual checkpoint of {origin} for this network"
        else:
            source = "assumed, as nothing tells what these weights expect"
    if len(found.mean) != channels:
        found = origins.expected(origin, network, (channels, *found.crop))
    return (found.at((height, width)) if "resolution" in options else found), source


def _changed(preprocessing: Preprocessing, **changes: Any) -> Preprocessing:
    """`preprocessing` with what was asked for in its place."""
    given: dict[str, Any] = {
        key: tuple(value) if key in ("mean", "std") else value
        for key, value in changes.items()
        if value is not None
    }
    changed = replace(preprocessing, **given)
    channels = len(preprocessing.mean)
    if len(changed.mean) != channels:
        raise LabError(f"mean and std are {channels} numbers each here, one for each channel")
    return changed


def _names(labels: str | Path | Sequence[str] | None, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the classes: those asked for, if they are as many."""
    if labels is None:
        return classes
    if isinstance(labels, str | Path):
        where, names = str(labels), class_names.read_labels(labels)
    else:
        where, names = "labels", tuple(labels)
    if len(names) != len(classes):
        raise LabError(f"{where} names {len(names):,} classes; the network has {len(classes):,}")
    return names


def _usual_names(classes: int) -> tuple[str, ...]:
    return class_names.imagenet_names() if classes == IMAGENET_CLASSES else _numbers(classes)


def _numbers(classes: int) -> tuple[str, ...]:
    return tuple(map(str, range(classes)))


def _told(preprocessing: Preprocessing) -> str:
    """In words what was done to the images."""
    height, width = preprocessing.crop
    mean, std = (
        " ".join(f"{value:.4g}" for value in each)
        for each in (preprocessing.mean, preprocessing.std)
    )
    return (
        f"Images: shorter side to {preprocessing.resize} ({preprocessing.interpolation}), centre "
        f"{height}×{width}, mean {mean}, std {std}"
    )


# Which network weights would fit


def _fitting(shapes: Sequence[tuple[int, ...]], origin: str) -> str:
    """The end of a sentence that says which networks have weights of these shapes."""
    if not shapes:
        return ""
    known = {"classes": shapes[-1][0], "in_channels": shapes[0][1]}
    fitting = []
    for name in registry.NETWORKS:
        if registry.task(name) != "classification":
            continue
        widths = WIDTHS if "width" in registry.options(name) else (None,)
        for width in widths:
            settings = known if width is None else {**known, "width": width}
            with suppress(LabError):
                trace = registry.attempt(name, **origins.settings_of(origin, name), **settings)
                if sorted(_weight_shapes(trace)) == sorted(shapes):
                    at = "" if width in (None, 1.0) else f" at width {width:g}"
                    fitting.append(f"{name}{at}")
    return f"; it fits {' or '.join(fitting)}" if fitting else ""


def _weight_shapes(trace: Trace) -> Iterator[tuple[int, ...]]:
    """Shapes of the weights of convolutions and linear layers; a 1x1 as a linear layer."""
    for layer in trace.layers:
        if layer.op == "linear":
            yield layer.out_shape[-1], layer.in_shapes[0][-1]
        elif layer.op == "conv2d":
            kernel = () if layer.kernel == (1, 1) else layer.kernel or ()
            yield layer.out_shape[0], layer.in_shapes[0][0] // layer.groups, *kernel


def _is_auxiliary(name: str) -> bool:
    return name.startswith("aux1.")

"""One unit of a network: what it can see, and how strongly each pixel of that moves it.

The second is the effective receptive field of Luo, Li, Urtasun and Zemel ("Understanding the
Effective Receptive Field in Deep Convolutional Neural Networks", NIPS 2016): the gradient of a unit
with respect to the input. It is 0 outside of the field that `receptive_field` tells, and most of it
lies in a small part of that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilenet_lab.analysis import known_fields
from mobilenet_lab.errors import LabError, MissingPackageError, quoted
from mobilenet_lab.layers import Layer, Pair, Trace
from mobilenet_lab.networks import Given, Network, given
from mobilenet_lab.receptive_field import Field
from mobilenet_lab.reports.table import write

if TYPE_CHECKING:
    import numpy
    from torch import nn

MOST_IMAGES = 10_000
SHARE = 0.95
"""Of the gradient: where so much of it lies is called the effective field."""


class Unit(NamedTuple):
    """One unit of a layer whose field has a limit; of a network that reads one image."""

    trace: Trace
    layer_index: int
    place: Pair
    """Row and column in the layer's map."""
    fields: list[Field | None]
    """Of all layers."""

    @property
    def layer(self) -> Layer:
        return self.trace.layers[self.layer_index]

    @property
    def field(self) -> Field:
        found = self.fields[self.layer_index]
        assert found is not None
        return found

    @property
    def units(self) -> Pair:
        """Rows and columns of the layer's map."""
        rows, columns = self.field.units(self.layer.out_shape)
        return rows, columns

    @property
    def image(self) -> Pair:
        """Height and width of the input."""
        _, height, width = self.trace.input_shape
        return height, width

    @property
    def spans(self) -> tuple[Pair, Pair]:
        """First and last pixel that it sees, vertical and horizontal; padding is outside."""
        return spans(self.field, self.place)

    @property
    def clipped(self) -> tuple[Pair, Pair]:
        """The part of `spans` that is image."""
        return clipped(self.spans, self.image)


def spans(field: Field, place: Pair) -> tuple[Pair, Pair]:
    """First and last pixel, vertical and horizontal, of the unit at `place`; both have a limit."""
    assert field.vertical is not None
    assert field.horizontal is not None
    return field.vertical.span(place[0]), field.horizontal.span(place[1])


def clipped(spans: tuple[Pair, Pair], image: Pair) -> tuple[Pair, Pair]:
    """The part of `spans` that is image (height, width)."""
    vertical, horizontal = [
        (max(lo, 0), min(hi, side - 1)) for (lo, hi), side in zip(spans, image, strict=True)
    ]
    return vertical, horizontal


def chosen(trace: Trace, layer: str | None = None, unit: Pair | str | None = None) -> Unit:
    """The unit (row, column) of a layer; (3, 4) is also "3,4", and None the one in the middle.

    Without a `layer`, it is the end of a block: the one with the largest field that is smaller than
    the image, if there is such a one.

    Raises:
        UnknownNameError: no such layer.
        LabError: the network does not read one image, the field is unknown or without limit, or
            there is no such unit.
    """
    name = trace.name or "the network"
    if len(trace.input_shapes) != 1 or len(trace.input_shape) != 3:
        reads = " and ".join(write(shape, "shape") for shape in trace.input_shapes)
        raise LabError(
            f"the field of a unit is drawn on one image (channels × height × width); {name} "
            f"reads {reads or 'nothing'}"
        )
    fields = known_fields(trace)
    index = _usual(trace, fields) if layer is None else trace.layers.index(trace.layer(layer))
    found = fields[index]
    where = trace.layers[index].name
    if found is None:
        raise LabError(
            f"{where}: branches are misaligned or values changed places, so that no one receptive "
            "field is true"
        )
    if found.size is None:
        raise LabError(f"{where}: its field has no limit, a unit sees the whole image")
    rows, columns = found.units(trace.layers[index].out_shape)
    place = (rows // 2, columns // 2) if unit is None else _place(unit)
    if place[0] >= rows or place[1] >= columns:
        raise LabError(
            f"unit {place[0]},{place[1]} is none of {where}: rows are 0 to {rows - 1}, columns "
            f"0 to {columns - 1}"
        )
    return Unit(trace, index, place, fields)


def _usual(trace: Trace, fields: list[Field | None]) -> int:
    limited = {
        index: field.size
        for index, field in enumerate(fields)
        if field is not None and field.size is not None and trace.layers[index].op != "input"
    }
    if not limited:
        raise LabError(f"{trace.name or 'the network'}: no layer has a field with a limit")
    ends = {layer.block: index for index, layer in enumerate(trace.layers)}.values()
    image = trace.input_shape[1:]
    inside = [
        index
        for index, size in limited.items()
        if index in ends and all(mine < side for mine, side in zip(size, image, strict=True))
    ]
    return max(inside, key=lambda index: (limited[index], index)) if inside else max(limited)


def _place(unit: Any) -> Pair:
    parts = unit.split(",") if isinstance(unit, str) else unit
    try:
        row, column = [int(part) for part in parts]
        whole = isinstance(unit, str) or (row, column) == tuple(parts)
    except (TypeError, ValueError):
        whole = False
    if not whole or row < 0 or column < 0:
        raise LabError(f"a unit is a row and a column like 3,4, counted from 0, not {quoted(unit)}")
    return row, column


class Effective(NamedTuple):
    """The effective receptive field of one unit."""

    unit: Unit
    gradient: "numpy.ndarray[Any, Any]"
    """Height x width: the mean absolute gradient at each pixel, as a share of all of it."""
    images: int
    seed: int
    weights: str
    """Which weights the network had."""

    def side(self, share: float = SHARE) -> int:
        """Side of the smallest square around the field's centre that holds `share` of the gradient.

        What of it lies outside of the image holds nothing.
        """
        import numpy

        held = numpy.bincount(self._twice_away().ravel(), self.gradient.ravel()).cumsum()
        return int(numpy.searchsorted(held, share * held[-1])) + 1

    def within(self, side: int) -> float:
        """The share of the gradient in the square of that side around the field's centre."""
        return float(self.gradient[self._twice_away() < side].sum())

    def _twice_away(self) -> "numpy.ndarray[Any, Any]":
        """How far each pixel is from the field's centre along the farther axis, times two."""
        import numpy

        (top, bottom), (left, right) = self.unit.spans
        rows, columns = numpy.indices(self.gradient.shape)
        far: numpy.ndarray[Any, Any] = numpy.maximum(
            abs(2 * rows - top - bottom), abs(2 * columns - left - right)
        )
        return far


def effective_field(
    network: Network,
    *,
    layer: str | None = None,
    unit: Pair | str | None = None,
    images: int = 16,
    weights: str | Path | None = None,
    seed: int = 0,
    **options: Any,
) -> Effective:
    """The gradient of a unit with respect to the input, measured on the network's module.

    That is the sum of the unit's channels, differentiated; absolute values are summed over the
    input's channels and averaged over `images` inputs of normal noise. The module is in eval mode,
    initialised from `seed` or with the `weights` of a file; one that was given has its own weights,
    and stays as it is. `layer` and `unit` are as in `chosen`, `options` those of `networks.trace`.

    Raises:
        LabError: as `chosen`, a count or a seed of no use, weights that do not fit, or a layer that
            cannot be run.
        MissingPackageError: torch is not installed.
    """
    _check("images", images, 1, MOST_IMAGES)
    _check("seed", seed, 0, 2**32 - 1)
    with _random_state(seed):
        found = given(network, **options)
        seen = chosen(found.trace, layer, unit)
        module = _fresh(found)
        if weights is not None:
            from mobilenet_lab.weights import load_weights, read_checkpoint

            load_weights(module, read_checkpoint(weights))
        gradient = _gradient(module, seen, images, seed)
    total = gradient.sum()
    if not 0 < total < float("inf"):
        raise LabError(f"{seen.layer.name}: no gradient comes through to the input")
    own = "its own weights" if found.is_read else f"untrained, seed {seed}"
    told = own if weights is None else f"weights of {Path(weights).name}"
    return Effective(seen, gradient / total, images, seed, told)


def _check(what: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise LabError(f"{what} is a whole number from {least} to {most:,}, not {quoted(value)}")


@contextmanager
def _random_state(seed: int) -> Iterator[None]:
    """While open, torch draws from `seed`; afterwards, as if nothing had been."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError("torch", "torch", "an effective receptive field") from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _fresh(found: Given) -> "nn.Module":
    """The module in eval mode; a copy, where it is somebody's."""
    from copy import deepcopy

    module = found.build()
    if found.is_read:
        try:
            module = deepcopy(module)
        except Exception as error:  # somebody else's code
            raise LabError(f"{found.trace.name} cannot be copied: {error}") from error
    return module.eval().requires_grad_(False)


def _gradient(module: "nn.Module", seen: Unit, images: int, seed: int) -> Any:
    from mobilenet_lab.effective_fields_torch import Watched, mean_gradient

    path, call = _module_of(module, seen)
    if path is None:
        module, path, call = _interpreted(module, seen), "", 1
    try:
        return mean_gradient(
            Watched(module, path, call),
            seen.trace.input_shape,
            seen.layer.out_shape,
            dict(zip(seen.field.places or (1, 2), seen.place, strict=False)),
            images,
            seed,
        )
    except LabError:
        raise
    except Exception as error:  # somebody else's code
        reason = str(error).strip().partition("\n")[0]
        raise LabError(f"{seen.layer.name}: the network does not run to it: {reason}") from error


def _module_of(module: "nn.Module", seen: Unit) -> tuple[str | None, int]:
    """The path of the module that gives what the layer does, and at which of its calls.

    That is the layer itself, or a part of the network from which nothing else comes out.
    """
    from torch import nn

    parts = {
        path
        for path, part in module.named_modules(remove_duplicate=False)
        if type(part).forward is not nn.Module.forward  # what only holds others is never called
    }
    path, _, number = seen.layer.name.partition(":")
    if path in parts:
        return path, int(number or 1)
    while path := path.rpartition(".")[0]:
        if path in parts:
            return (path, 1) if _comes_out(seen.trace, path) == {seen.layer_index} else (None, 1)
    return None, 1


def _comes_out(trace: Trace, path: str) -> set[int]:
    """The layers in `path` that others read, or that are answers."""
    inside = [layer.name.startswith(f"{path}.") for layer in trace.layers]
    read = {
        source
        for index, layer in enumerate(trace.layers)
        if not inside[index]
        for source in layer.inputs
    }
    return {index for index in (*read, *trace.outputs) if inside[index]}


def _interpreted(module: "nn.Module", seen: Unit) -> "nn.Module":
    """The trace as far as the layer, with the module's weights: for what no module stands for."""
    from mobilenet_lab.interpreter_torch import Interpreted

    runner = Interpreted(_up_to(seen.trace, seen.layer_index))
    state, needed = module.state_dict(), runner.state_dict()
    if missing := [name for name in needed if name not in state]:
        raise LabError(
            f"{seen.layer.name}: no module gives it, and the network has no {missing[0]}"
        )
    runner.load_state_dict({name: state[name] for name in needed})
    return runner.eval().requires_grad_(False)


def _up_to(trace: Trace, index: int) -> Trace:
    """The part of a network that one layer depends on."""
    needed = {index}
    for number in range(index, -1, -1):
        if number in needed:
            needed.update(trace.layers[number].inputs)
    kept = sorted(needed)
    moved = {number: place for place, number in enumerate(kept)}
    layers = [
        trace.layers[number]._replace(inputs=tuple(moved[s] for s in trace.layers[number].inputs))
        for number in kept
    ]
    return replace(trace, layers=tuple(layers), outputs=(moved[index],), taps={}, unused={})

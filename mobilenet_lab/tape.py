"""The tape on which a network is recorded: scopes, inputs, and the checks of what is recorded."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from operator import index
from typing import Any, Literal, NamedTuple, TypeAlias

from mobilenet_lab.errors import LabError, ShapeError, UnknownNameError, VanishedError, quoted
from mobilenet_lab.formulas import output_size, same_padding
from mobilenet_lab.layers import Feature, Layer, Op, Pair, Shape, Sizes, Trace

PaddingSpec: TypeAlias = int | Sizes | Literal["same"] | None
"""All axes, (vertical, horizontal), "same" (TensorFlow's rule) or None for k // 2 of an odd k."""
LARGEST = 10**9
"""No count or side is larger: what is, is a slip of the pen."""


class Tape:
    """A tape that records a forward pass over shapes.

    A layer's name is the path of the scopes open around it. `stage` and `block` open a scope and
    also say to which stage and block its layers belong; outside any, the outermost scope is both.
    A layer's role is that of the outermost scope that has one: `stage` and `block` have one only
    if told, every other scope is its own (`expand`, `depthwise`, `project` ...).
    """

    def __init__(self) -> None:
        self._layers: list[Layer] = []
        self._names: dict[str, int] = {}
        self._taps: dict[str, int] = {}
        self._open = _Scope("", "", "", "")

    # Scopes

    def part(self, name: str) -> AbstractContextManager[None]:
        """Layers recorded inside belong to a network within this one, a detector's backbone say.

        Its stages and blocks are its own; their names begin with the part's.
        """
        return _Opened(self, _Scope(f"{self._open.prefix}{name}.", "", "", ""))

    def stage(self, name: str, role: str = "") -> AbstractContextManager[None]:
        """Layers recorded inside belong to stage `name`."""
        prefix, _, _, outer_role = self._open
        path = prefix + name
        return _Opened(self, _Scope(f"{path}.", path, path, outer_role or role))

    def block(self, name: str, role: str = "") -> AbstractContextManager[None]:
        """Layers recorded inside belong to one block of the open stage."""
        prefix, stage, _, outer_role = self._open
        path = prefix + name
        return _Opened(self, _Scope(f"{path}.", stage or path, path, outer_role or role))

    def scope(self, name: str, role: str = "") -> AbstractContextManager[None]:
        """Layers recorded inside are parts of one leaf module, whose name is their role."""
        prefix, stage, block, outer_role = self._open
        path = prefix + name
        scope = _Scope(f"{path}.", stage or path, block or path, outer_role or role or name)
        return _Opened(self, scope)

    # Input and outputs

    def input(self, channels: int, resolution: int | Pair, name: str = "input") -> Feature:
        """The image that the network is given; `resolution` is its side or (height, width).

        Raises:
            ShapeError: one of the three is not a whole number from 1.
        """
        depth = self._count(name, "channels", channels)
        return self._record(
            "input", name, (), (depth, *self._pair(name, "height and width", resolution))
        )

    def tensor(self, shape: Sequence[int], name: str = "input") -> Feature:
        """An input of any shape: (channels, length) of a signal, (tokens,) of a text ...

        Raises:
            ShapeError: it has no extents, or one is not a whole number from 1.
        """
        extents = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        return self._record(
            "input", name, (), self._sizes(name, "shape", extents, max(len(extents), 1))
        )

    def parameter(self, shape: Sequence[int], name: str = "parameter") -> Feature:
        """Learned values that are no layer's weights: a class token, position embeddings ..."""
        extents = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        sizes = self._sizes(name, "shape", extents, max(len(extents), 1))
        return self._record("parameter", name, (), sizes)

    def tap(self, name: str, x: Feature) -> Feature:
        """Gives `x` a name that heads can ask for (C1 ... C5)."""
        self._taps[name] = x.layer
        return x

    def feature(self, name: str) -> Feature:
        """What the landmark or else the layer called `name` gave.

        Raises:
            UnknownNameError: there is neither; the message offers near names.
        """
        if name in self._taps:
            found = self._taps[name]
        elif name in self._names:
            found = self._names[name]
        else:
            raise UnknownNameError("layer", name, [*self._taps, *self._names])
        return Feature(found, self._layers[found].out_shape)

    def trace(self, *outputs: Feature) -> Trace:
        """The finished record; `outputs` are the network's answers, in order."""
        return Trace(tuple(self._layers), tuple(x.layer for x in outputs), dict(self._taps))

    # The record

    def _record(
        self,
        op: Op,
        name: str,
        features: Sequence[Feature],
        shape: Shape,
        *window: Any,
        **details: Any,
    ) -> Feature:
        prefix, stage, block, role = self._open
        path = prefix + name
        if path in self._names:
            raise LabError(f"two layers are called {path!r}")
        self._names[path] = len(self._layers)
        sources = tuple([x.layer for x in features])
        shapes = tuple([x.shape for x in features])
        where = (stage or path, block or path, role or name)
        self._layers.append(Layer(path, op, sources, shapes, shape, *where, *window, **details))
        return Feature(len(self._layers) - 1, shape)

    def _at(self, name: str) -> str:
        return self._open.prefix + name

    def _first(self, features: Sequence[Feature], name: str) -> Feature:
        if not features:
            raise ShapeError(f"{self._at(name)}: needs a feature at least")
        return features[0]

    def _check_map(self, x: Feature, name: str, dimensions: int = 2) -> None:
        """Refuses what has not channels and so many axes."""
        if len(x.shape) == dimensions + 1:
            return
        if len(x.shape) == 1:
            raise ShapeError(f"{self._at(name)}: needs a map, not a vector of {x.shape[0]}")
        axes = "one axis" if dimensions == 1 else f"{dimensions} axes"
        raise ShapeError(f"{self._at(name)}: needs channels and {axes}, not {_text(x.shape)}")

    def _space(self, x: Feature, name: str) -> int:
        """How many axes a map has beside its channels."""
        self._check_map(x, name, len(x.shape) - 1 if 2 <= len(x.shape) <= 4 else 2)
        return len(x.shape) - 1

    def _slide(
        self,
        x: Feature,
        name: str,
        kernel: int | Sizes,
        stride: int | Sizes,
        padding: PaddingSpec,
        dilation: int | Sizes,
        ceil_mode: bool = False,
        dimensions: int = 2,
    ) -> tuple["Window", Sizes]:
        """A window's walk over `x`: the window itself, and the sides that come out."""
        self._check_map(x, name, dimensions)
        window = self._window(x, name, kernel, stride, padding, dilation)
        ceil_modes = (ceil_mode,) * dimensions
        sides = tuple(map(output_size, x.shape[1:], *window, ceil_modes))
        self._check_left(x, name, window, sides)
        return window, sides

    def _window(
        self,
        x: Feature,
        name: str,
        kernel: int | Sizes,
        stride: int | Sizes,
        padding: PaddingSpec,
        dilation: int | Sizes,
    ) -> "Window":
        axes = len(x.shape) - 1
        kernel = self._sizes(name, "kernel", kernel, axes)
        stride = self._sizes(name, "stride", stride, axes)
        dilation = self._sizes(name, "dilation", dilation, axes)
        if padding is None:
            padding = tuple([d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)])
        if padding == "same":
            return Window(
                kernel,
                stride,
                tuple(map(same_padding, x.shape[1:], kernel, stride, dilation)),
                dilation,
            )
        if isinstance(padding, str):
            raise ShapeError(
                f'{self._at(name)}: padding is a number, a pair or "same", not {padding!r}'
            )
        around = self._sizes(name, "padding", padding, axes, least=0)
        return Window(kernel, stride, tuple([(each, each) for each in around]), dilation)

    def _check_left(self, x: Feature, name: str, window: "Window", sides: Sizes) -> None:
        if min(sides) < 1:
            raise VanishedError(
                f"{self._at(name)}: nothing is left of {_text(x.shape)} "
                f"under a kernel of {_text(window.kernel)}"
            )

    def _slide_pool(
        self,
        x: Feature,
        name: str,
        kernel: int | Sizes,
        stride: int | Sizes | None,
        padding: PaddingSpec,
        dilation: int | Sizes,
        ceil_mode: bool,
    ) -> tuple["Window", Shape]:
        """As `_slide`, with the stride of a pool, and windows that never see padding only."""
        step = kernel if stride is None else stride
        axes = self._space(x, name)
        window, sizes = self._slide(x, name, kernel, step, padding, dilation, ceil_mode, axes)
        if any(
            2 * before > k for (before, _), k in zip(window.padding, window.kernel, strict=True)
        ):
            raise ShapeError(f"{self._at(name)}: a pool is padded by half its kernel at most")
        return window, (x.channels, *sizes)

    def _count(self, name: str, what: str, value: Any) -> int:
        """`value` as an int, if it is a whole number from 1."""
        number = _whole(value)
        if not 1 <= number <= LARGEST:
            raise ShapeError(f"{self._at(name)}: {what} must be a whole number {_range(1, value)}")
        return number

    def _sizes(self, name: str, what: str, value: Any, axes: int = 2, least: int = 1) -> Sizes:
        """`value` for each of so many axes, as ints, if they are whole numbers from `least`."""
        if type(value) is int and least <= value <= LARGEST:
            return (value,) * axes
        given = value if isinstance(value, tuple | list) else (value,) * axes
        sizes = tuple(map(_whole, given))
        if len(sizes) == axes and all(least <= size <= LARGEST for size in sizes):
            return sizes
        raise ShapeError(f"{self._at(name)}: {what} must be whole numbers {_range(least, value)}")

    def _pair(self, name: str, what: str, value: Any, least: int = 1) -> Pair:
        vertical, horizontal = self._sizes(name, what, value, 2, least)
        return vertical, horizontal


class Window(NamedTuple):
    """What slides over a map; on an image pairs for the vertical and the horizontal axis."""

    kernel: Sizes
    stride: Sizes
    padding: tuple[Pair, ...]
    dilation: Sizes


class _Scope(NamedTuple):
    prefix: str
    stage: str
    block: str
    role: str


class _Opened:
    """A scope that is open while layers are recorded inside it."""

    def __init__(self, net: Tape, scope: _Scope) -> None:
        self._net, self._scope = net, scope

    def __enter__(self) -> None:
        self._outer, self._net._open = self._net._open, self._scope

    def __exit__(self, *_: object) -> None:
        self._net._open = self._outer


def _whole(value: Any) -> int:
    """`value` as an int if it is a whole number (also NumPy's), else one that no check passes."""
    if type(value) is int:
        return value
    try:
        return -1 if isinstance(value, bool) else index(value)
    except TypeError:
        return -1


def _range(least: int, value: Any) -> str:
    """The end of a sentence about `value`, which is out of range."""
    return f"from {least} to {LARGEST:,}, not {quoted(value)}"


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape))

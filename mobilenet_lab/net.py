"""The tape on which a network is played once, over shapes.

Each method of `Net` takes features, checks that the operation fits them, records one `Layer` and
returns the feature that comes out. Nothing is computed but shapes.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from operator import index
from typing import Any, Literal, NamedTuple, TypeAlias

from mobilenet_lab.errors import LabError, ShapeError, UnknownNameError, VanishedError, quoted
from mobilenet_lab.formulas import output_size, same_padding
from mobilenet_lab.layers import ACTIVATIONS, Feature, Layer, Op, Pair, Shape, Trace

PaddingSpec: TypeAlias = int | Pair | Literal["same"] | None
"""Both axes, (vertical, horizontal), "same" (TensorFlow's rule) or None for k // 2 of an odd k."""
LARGEST = 10**9
"""No count or side is larger: what is, is a slip of the pen."""
UPSAMPLE_MODES = ("nearest", "bilinear")


class Net:
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

    # Operations with weights

    def conv(
        self,
        x: Feature,
        channels: int,
        kernel: int | Pair = 3,
        stride: int | Pair = 1,
        *,
        padding: PaddingSpec = None,
        dilation: int | Pair = 1,
        groups: int = 1,
        act: str | None = "relu",
        eps: float = 1e-5,
        name: str = "conv",
        role: str = "",
    ) -> Feature:
        """The field's usual leaf: convolution without bias, batch norm and (unless None) `act`."""
        with self.scope(name, role):
            x = self.conv2d(
                x, channels, kernel, stride, padding=padding, dilation=dilation, groups=groups
            )
            x = self.batch_norm(x, eps)
            return self.act(x, act) if act else x

    def conv2d(
        self,
        x: Feature,
        channels: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        *,
        padding: PaddingSpec = None,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = False,
        name: str = "conv",
    ) -> Feature:
        """A convolution alone, to `channels` channels.

        Raises:
            ShapeError: `x` is no map, or the groups do not divide both channel counts.
            VanishedError: no pixel is left.
        """
        window, sizes = self._slide(x, name, kernel, stride, padding, dilation)
        channels = self._count(name, "channels", channels)
        groups = self._count(name, "groups", groups)
        if x.channels % groups or channels % groups:
            raise ShapeError(
                f"{self._at(name)}: {groups} groups do not divide {x.channels} input "
                f"and {channels} output channels"
            )
        return self._record(
            "conv2d",
            name,
            (x,),
            (channels, *sizes),
            *window,
            groups=groups,
            bias=bias,
            same=padding == "same",
        )

    def linear(self, x: Feature, features: int, bias: bool = True, name: str = "linear") -> Feature:
        """A fully connected layer on a vector.

        Raises:
            ShapeError: `x` is a map (flatten it first).
        """
        if len(x.shape) != 1:
            raise ShapeError(
                f"{self._at(name)}: a linear layer takes a vector, not {_text(x.shape)}"
            )
        features = self._count(name, "features", features)
        return self._record("linear", name, (x,), (features,), bias=bias)

    def batch_norm(self, x: Feature, eps: float = 1e-5, name: str = "norm") -> Feature:
        """Batch normalisation over the channels, with scale and shift."""
        return self._record("batch_norm", name, (x,), x.shape, eps=eps)

    # Operations without weights

    def act(self, x: Feature, kind: str, name: str = "act") -> Feature:
        """An activation, by its usual name (`ACTIVATIONS`)."""
        if kind not in ACTIVATIONS:
            raise UnknownNameError("activation", kind, ACTIVATIONS)
        return self._record(kind, name, (x,), x.shape)

    def local_response_norm(
        self,
        x: Feature,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        name: str = "lrn",
    ) -> Feature:
        """Normalisation by neighbouring channels (AlexNet, section 3.3)."""
        self._check_map(x, name)
        return self._record("local_response_norm", name, (x,), x.shape, lrn=(size, alpha, beta, k))

    def max_pool(
        self,
        x: Feature,
        kernel: int | Pair,
        stride: int | Pair | None = None,
        padding: PaddingSpec = 0,
        dilation: int | Pair = 1,
        ceil_mode: bool = False,
        name: str = "pool",
    ) -> Feature:
        """The largest value of each window; the stride is the kernel unless given."""
        window, shape = self._slide_pool(x, name, kernel, stride, padding, dilation, ceil_mode)
        same = padding == "same"
        return self._record("max_pool", name, (x,), shape, *window, ceil_mode=ceil_mode, same=same)

    def avg_pool(
        self,
        x: Feature,
        kernel: int | Pair,
        stride: int | Pair | None = None,
        padding: PaddingSpec = 0,
        ceil_mode: bool = False,
        include_pad: bool = True,
        name: str = "pool",
    ) -> Feature:
        """The mean of each window; the stride is the kernel unless given."""
        window, shape = self._slide_pool(x, name, kernel, stride, padding, 1, ceil_mode)
        return self._record(
            "avg_pool",
            name,
            (x,),
            shape,
            *window,
            ceil_mode=ceil_mode,
            include_pad=include_pad,
            same=padding == "same",
        )

    def adaptive_avg_pool(self, x: Feature, size: int | Pair = 1, name: str = "pool") -> Feature:
        """Means over as many windows as `size` asks for; 1 is global average pooling."""
        self._check_map(x, name)
        shape = (x.channels, *self._pair(name, "size", size))
        return self._record("adaptive_avg_pool", name, (x,), shape)

    def adaptive_max_pool(self, x: Feature, size: int | Pair = 1, name: str = "pool") -> Feature:
        """Largest values over as many windows as `size` asks for; 1 is global max pooling."""
        self._check_map(x, name)
        shape = (x.channels, *self._pair(name, "size", size))
        return self._record("adaptive_max_pool", name, (x,), shape)

    def upsample(
        self,
        x: Feature,
        scale: int | Pair | None = None,
        *,
        size: Pair | None = None,
        mode: str = "nearest",
        name: str = "upsample",
    ) -> Feature:
        """A larger map, by a whole `scale` or to a given `size` (height, width)."""
        self._check_map(x, name)
        if mode not in UPSAMPLE_MODES:
            raise UnknownNameError("upsampling mode", mode, UPSAMPLE_MODES)
        if (scale is None) == (size is None):
            raise ShapeError(f"{self._at(name)}: give a scale or a size")
        factors = None
        if size is None:
            factors = self._pair(name, "scale", scale)
            size = (x.height * factors[0], x.width * factors[1])
        shape = (x.channels, *self._pair(name, "size", size))
        return self._record("upsample", name, (x,), shape, mode=mode, scale=factors)

    def flatten(self, x: Feature, name: str = "flatten") -> Feature:
        """The same values as one vector."""
        features = 1
        for extent in x.shape:
            features *= extent
        return self._record("flatten", name, (x,), (features,))

    def dropout(self, x: Feature, rate: float = 0.5, name: str = "dropout") -> Feature:
        """Random zeros while training, nothing at all afterwards."""
        if not 0 <= rate <= 1:
            raise ShapeError(f"{self._at(name)}: a dropout rate is from 0 to 1, not {rate}")
        return self._record("dropout", name, (x,), x.shape, rate=rate)

    # Operations on several features

    def add(self, *features: Feature, name: str = "add") -> Feature:
        """The sum of features of one shape.

        Raises:
            ShapeError: the shapes differ.
        """
        first = self._first(features, name)
        for other in features[1:]:
            if other.shape != first.shape:
                raise ShapeError(
                    f"{self._at(name)}: cannot add {_text(other.shape)} to {_text(first.shape)}"
                )
        return self._record("add", name, features, first.shape)

    def mul(self, x: Feature, gate: Feature, name: str = "mul") -> Feature:
        """`x` times `gate`, which has its shape or one value per channel.

        Raises:
            ShapeError: neither is so.
        """
        per_channel = len(x.shape) == 3 and gate.shape == (x.channels, 1, 1)
        if gate.shape != x.shape and not per_channel:
            raise ShapeError(
                f"{self._at(name)}: a gate of {_text(gate.shape)} does not fit {_text(x.shape)}"
            )
        return self._record("mul", name, (x, gate), x.shape)

    def concat(self, *features: Feature, name: str = "concat") -> Feature:
        """Features one after another along the channels.

        Raises:
            ShapeError: their heights or widths differ.
        """
        first = self._first(features, name)
        for other in features[1:]:
            if other.shape[1:] != first.shape[1:]:
                raise ShapeError(
                    f"{self._at(name)}: cannot concatenate {_text(first.shape)} "
                    f"and {_text(other.shape)}, whose height or width differs"
                )
        channels = sum(x.channels for x in features)
        return self._record("concat", name, features, (channels, *first.shape[1:]))

    def split(self, x: Feature, sizes: Sequence[int], name: str = "split") -> list[Feature]:
        """Consecutive groups of channels; one layer for each part (`split.0`, `split.1` ...).

        Raises:
            ShapeError: the parts do not add up to the channels.
        """
        wholes = [_whole(part) for part in sizes]
        if sum(wholes) != x.channels or min(wholes, default=0) < 1:
            raise ShapeError(f"{self._at(name)}: {x.channels} channels do not split into {sizes}")
        parts, start = [], 0
        for number, part in enumerate(wholes):
            shape = (part, *x.shape[1:])
            parts.append(self._record("split", f"{name}.{number}", (x,), shape, start=start))
            start += part
        return parts

    def channel_shuffle(self, x: Feature, groups: int, name: str = "shuffle") -> Feature:
        """Channels dealt out in turn to `groups` groups (ShuffleNet, arXiv 1707.01083).

        Raises:
            ShapeError: the groups do not divide the channels.
        """
        self._check_map(x, name)
        groups = self._count(name, "groups", groups)
        if x.channels % groups:
            raise ShapeError(
                f"{self._at(name)}: {groups} groups do not divide {x.channels} channels"
            )
        return self._record("channel_shuffle", name, (x,), x.shape, groups=groups)

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

    def _check_map(self, x: Feature, name: str) -> None:
        if len(x.shape) != 3:
            raise ShapeError(f"{self._at(name)}: needs a map, not a vector of {x.shape[0]}")

    def _slide(
        self,
        x: Feature,
        name: str,
        kernel: int | Pair,
        stride: int | Pair,
        padding: PaddingSpec,
        dilation: int | Pair,
        ceil_mode: bool = False,
    ) -> tuple["Window", Pair]:
        """A window's walk over `x`: the window itself, and the height and width that come out."""
        self._check_map(x, name)
        kernel = self._pair(name, "kernel", kernel)
        stride = self._pair(name, "stride", stride)
        dilation = self._pair(name, "dilation", dilation)
        if padding is None:
            (k_h, k_w), (d_h, d_w) = kernel, dilation
            padding = (d_h * (k_h - 1) // 2, d_w * (k_w - 1) // 2)
        if padding == "same":
            rows, columns = map(same_padding, x.shape[1:], kernel, stride, dilation)
        elif isinstance(padding, str):
            raise ShapeError(
                f'{self._at(name)}: padding is a number, a pair or "same", not {padding!r}'
            )
        else:
            above, left = self._pair(name, "padding", padding, least=0)
            rows, columns = (above, above), (left, left)
        window = Window(kernel, stride, (rows, columns), dilation)
        height, width = map(output_size, x.shape[1:], *window, (ceil_mode, ceil_mode))
        if height < 1 or width < 1:
            raise VanishedError(
                f"{self._at(name)}: nothing is left of {_text(x.shape)} "
                f"under a kernel of {_text(kernel)}"
            )
        return window, (height, width)

    def _slide_pool(
        self,
        x: Feature,
        name: str,
        kernel: int | Pair,
        stride: int | Pair | None,
        padding: PaddingSpec,
        dilation: int | Pair,
        ceil_mode: bool,
    ) -> tuple["Window", Shape]:
        """As `_slide`, with the stride of a pool, and windows that never see padding only."""
        step = kernel if stride is None else stride
        window, sizes = self._slide(x, name, kernel, step, padding, dilation, ceil_mode)
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

    def _pair(self, name: str, what: str, value: Any, least: int = 1) -> Pair:
        """`value` for both axes, as ints, if they are whole numbers from `least`."""
        if type(value) is int and least <= value <= LARGEST:
            return value, value
        pair = value if isinstance(value, tuple | list) else (value, value)
        if len(pair) == 2:
            first, second = _whole(pair[0]), _whole(pair[1])
            if least <= first <= LARGEST and least <= second <= LARGEST:
                return first, second
        raise ShapeError(f"{self._at(name)}: {what} must be whole numbers {_range(least, value)}")


class Window(NamedTuple):
    """What slides over a map, as pairs for the vertical and the horizontal axis."""

    kernel: Pair
    stride: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair


class _Scope(NamedTuple):
    prefix: str
    stage: str
    block: str
    role: str


class _Opened:
    """A scope that is open while layers are recorded inside it."""

    def __init__(self, net: Net, scope: _Scope) -> None:
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

"""The tape on which a network is played once, over shapes.

Each method of `Net` takes features, checks that the operation fits them, records one `Layer` and
returns the feature that comes out. Nothing is computed but shapes.
"""

from collections.abc import Sequence
from math import prod
from operator import mul
from typing import Any

from mobilenet_lab.errors import ShapeError, UnknownNameError
from mobilenet_lab.formulas import transposed_size
from mobilenet_lab.layers import ACTIVATIONS, CONVS, TRANSPOSED, Feature, Pair, Sizes
from mobilenet_lab.tape import LARGEST as LARGEST
from mobilenet_lab.tape import PaddingSpec as PaddingSpec
from mobilenet_lab.tape import Tape, _text, _whole

UPSAMPLE_MODES = ("nearest", "bilinear")


class Net(Tape):
    """A tape with the operations of the field."""

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
        window = kernel, stride, padding, dilation
        return self._convolution("conv2d", x, channels, window, groups, bias, name)

    def conv1d(
        self,
        x: Feature,
        channels: int,
        kernel: int,
        stride: int = 1,
        *,
        padding: PaddingSpec = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        name: str = "conv",
    ) -> Feature:
        """As `conv2d`, on (channels, length)."""
        window = kernel, stride, padding, dilation
        return self._convolution("conv1d", x, channels, window, groups, bias, name)

    def conv3d(
        self,
        x: Feature,
        channels: int,
        kernel: int | Sizes,
        stride: int | Sizes = 1,
        *,
        padding: PaddingSpec = None,
        dilation: int | Sizes = 1,
        groups: int = 1,
        bias: bool = False,
        name: str = "conv",
    ) -> Feature:
        """As `conv2d`, on (channels, depth, height, width)."""
        window = kernel, stride, padding, dilation
        return self._convolution("conv3d", x, channels, window, groups, bias, name)

    def _convolution(
        self,
        op: str,
        x: Feature,
        channels: int,
        window: tuple[int | Sizes, int | Sizes, PaddingSpec, int | Sizes],
        groups: int,
        bias: bool,
        name: str,
    ) -> Feature:
        slid, sides = self._slide(x, name, *window, dimensions=CONVS.index(op) + 1)
        channels, groups = self._grouped(x, channels, groups, name)
        return self._record(
            op,
            name,
            (x,),
            (channels, *sides),
            *slid,
            groups=groups,
            bias=bias,
            same=window[2] == "same",
        )

    def _grouped(self, x: Feature, channels: int, groups: int, name: str) -> Pair:
        channels = self._count(name, "channels", channels)
        groups = self._count(name, "groups", groups)
        if x.channels % groups or channels % groups:
            raise ShapeError(
                f"{self._at(name)}: {groups} groups do not divide {x.channels} input "
                f"and {channels} output channels"
            )
        return channels, groups

    def conv_transpose(
        self,
        x: Feature,
        channels: int,
        kernel: int | Sizes,
        stride: int | Sizes = 1,
        *,
        padding: int | Sizes = 0,
        output_padding: int | Sizes = 0,
        dilation: int | Sizes = 1,
        groups: int = 1,
        bias: bool = False,
        name: str = "conv",
    ) -> Feature:
        """A transposed convolution in as many dimensions as `x` has beside its channels.

        Raises:
            ShapeError: `x` is no map, or the groups do not divide both channel counts.
            VanishedError: nothing is left.
        """
        axes = self._space(x, name)
        window = self._window(x, name, kernel, stride, padding, dilation)
        more = self._sizes(name, "output padding", output_padding, axes, least=0)
        if any(extra >= max(s, d) for extra, s, d in zip(more, window[1], window[3], strict=True)):
            raise ShapeError(
                f"{self._at(name)}: output padding is smaller than the stride or the dilation"
            )
        cut = zip(window.padding, more, strict=True)
        window = window._replace(padding=tuple([(left, left - extra) for (left, _), extra in cut]))
        sides = tuple(map(transposed_size, x.shape[1:], *window))
        self._check_left(x, name, window, sides)
        channels, groups = self._grouped(x, channels, groups, name)
        shape = (channels, *sides)
        op = TRANSPOSED[axes - 1]
        return self._record(op, name, (x,), shape, *window, groups=groups, bias=bias)

    def linear(self, x: Feature, features: int, bias: bool = True, name: str = "linear") -> Feature:
        """A fully connected layer on a vector, or on each of (tokens, features).

        Raises:
            ShapeError: `x` is a map (flatten it first).
        """
        if len(x.shape) > 2:
            raise ShapeError(
                f"{self._at(name)}: a linear layer takes a vector, not {_text(x.shape)}"
            )
        features = self._count(name, "features", features)
        return self._record("linear", name, (x,), (*x.shape[:-1], features), bias=bias)

    def embedding(
        self, x: Feature, entries: int, features: int, name: str = "embedding"
    ) -> Feature:
        """A row of a learned table for each of (tokens,)."""
        entries = self._count(name, "entries", entries)
        features = self._count(name, "features", features)
        return self._record("embedding", name, (x,), (*x.shape, features), entries=entries)

    def batch_norm(self, x: Feature, eps: float = 1e-5, name: str = "norm") -> Feature:
        """Batch normalisation over the channels, with scale and shift."""
        return self._record("batch_norm", name, (x,), x.shape, eps=eps)

    def layer_norm(
        self, x: Feature, axes: int = 1, vectors: int = 2, eps: float = 1e-5, name: str = "norm"
    ) -> Feature:
        """Normalises the last `axes` axes together; on (tokens, features) the features.

        Source: arXiv 1607.06450. `vectors` 2 learns a scale and a shift, 1 a scale, 0 nothing.
        """
        last = self._last(x, axes, name)
        return self._norm("layer_norm", x, vectors, eps, name, axes=last)

    def rms_norm(
        self, x: Feature, axes: int = 1, vectors: int = 1, eps: float = 1e-6, name: str = "norm"
    ) -> Feature:
        """As `layer_norm`, without the mean (arXiv 1910.07467)."""
        return self._norm("rms_norm", x, vectors, eps, name, axes=self._last(x, axes, name))

    def group_norm(
        self, x: Feature, groups: int, vectors: int = 2, eps: float = 1e-5, name: str = "norm"
    ) -> Feature:
        """Normalises each group of channels over the map (arXiv 1803.08494).

        Raises:
            ShapeError: the groups do not divide the channels.
        """
        _, groups = self._grouped(x, x.channels, groups, name)
        return self._norm("group_norm", x, vectors, eps, name, groups=groups)

    def instance_norm(
        self, x: Feature, vectors: int = 0, eps: float = 1e-5, name: str = "norm"
    ) -> Feature:
        """Normalises each channel over the map (arXiv 1607.08022)."""
        self._space(x, name)
        return self._norm("instance_norm", x, vectors, eps, name)

    def _norm(
        self, op: str, x: Feature, vectors: int, eps: float, name: str, **details: Any
    ) -> Feature:
        if vectors not in (0, 1, 2):
            raise ShapeError(f"{self._at(name)}: a norm learns 0, 1 or 2 vectors, not {vectors}")
        return self._record(op, name, (x,), x.shape, vectors=vectors, eps=eps, **details)

    def _last(self, x: Feature, axes: int, name: str) -> Sizes:
        axes = self._count(name, "axes", axes)
        if axes > len(x.shape):
            raise ShapeError(f"{self._at(name)}: {_text(x.shape)} has not {axes} axes")
        return tuple(range(len(x.shape) - axes, len(x.shape)))

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
        kernel: int | Sizes,
        stride: int | Sizes | None = None,
        padding: PaddingSpec = 0,
        dilation: int | Sizes = 1,
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
        kernel: int | Sizes,
        stride: int | Sizes | None = None,
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

    def adaptive_avg_pool(self, x: Feature, size: int | Sizes = 1, name: str = "pool") -> Feature:
        """Means over as many windows as `size` asks for; 1 is global average pooling."""
        shape = (x.channels, *self._sizes(name, "size", size, self._space(x, name)))
        return self._record("adaptive_avg_pool", name, (x,), shape)

    def adaptive_max_pool(self, x: Feature, size: int | Sizes = 1, name: str = "pool") -> Feature:
        """Largest values over as many windows as `size` asks for; 1 is global max pooling."""
        shape = (x.channels, *self._sizes(name, "size", size, self._space(x, name)))
        return self._record("adaptive_max_pool", name, (x,), shape)

    def upsample(
        self,
        x: Feature,
        scale: int | Sizes | None = None,
        *,
        size: Sizes | None = None,
        mode: str = "nearest",
        name: str = "upsample",
    ) -> Feature:
        """A larger map, by a whole `scale` or to a given `size` (height, width)."""
        axes = self._space(x, name)
        if mode not in UPSAMPLE_MODES:
            raise UnknownNameError("upsampling mode", mode, UPSAMPLE_MODES)
        if (scale is None) == (size is None):
            raise ShapeError(f"{self._at(name)}: give a scale or a size")
        factors = None
        if size is None:
            factors = self._sizes(name, "scale", scale, axes)
            size = tuple(map(mul, x.shape[1:], factors))
        shape = (x.channels, *self._sizes(name, "size", size, axes))
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

    def reshape(self, x: Feature, shape: Sequence[int], name: str = "reshape") -> Feature:
        """The same values in another shape; one extent may be -1, for what is left.

        Raises:
            ShapeError: the values do not fit.
        """
        extents = [_whole(extent) if extent != -1 else -1 for extent in shape]
        values, known = prod(x.shape), prod([extent for extent in extents if extent != -1])
        if extents.count(-1) == 1 and known > 0:
            extents[extents.index(-1)] = values // known
        if min(extents, default=0) < 1 or prod(extents) != values:
            raise ShapeError(f"{self._at(name)}: {_text(x.shape)} does not fit into {[*shape]}")
        return self._record("reshape", name, (x,), tuple(extents))

    def permute(self, x: Feature, axes: Sequence[int], name: str = "permute") -> Feature:
        """The axes in another order: (1, 0) makes (tokens, features) of (channels, length).

        Raises:
            ShapeError: not every axis is there once.
        """
        order = tuple(map(_whole, axes))
        if sorted(order) != [*range(len(x.shape))]:
            raise ShapeError(f"{self._at(name)}: {[*axes]} is no order of {len(x.shape)} axes")
        shape = tuple([x.shape[axis] for axis in order])
        return self._record("permute", name, (x,), shape, axes=order)

    def slice(
        self, x: Feature, start: int, stop: int, axis: int = 0, name: str = "slice"
    ) -> Feature:
        """The places from `start` to before `stop` along one axis.

        Raises:
            ShapeError: there are none, or no such axis.
        """
        axis = _whole(axis)
        if not 0 <= axis < len(x.shape) or not 0 <= _whole(start) < _whole(stop) <= x.shape[axis]:
            raise ShapeError(
                f"{self._at(name)}: {_text(x.shape)} has no {start}:{stop} along axis {axis}"
            )
        shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
        return self._record("slice", name, (x,), shape, stride=(1,), start=start, axes=(axis,))

    # Operations on several features

    def matmul(self, x: Feature, y: Feature, name: str = "matmul") -> Feature:
        """(..., n, k) times (..., k, m) to (..., n, m).

        Raises:
            ShapeError: the shapes do not fit.
        """
        fits = len(x.shape) == len(y.shape) >= 2 and x.shape[:-2] == y.shape[:-2]
        if not fits or x.shape[-1] != y.shape[-2]:
            raise ShapeError(
                f"{self._at(name)}: cannot multiply {_text(x.shape)} by {_text(y.shape)}"
            )
        return self._record("matmul", name, (x, y), (*x.shape[:-1], y.shape[-1]))

    def attention(
        self, query: Feature, key: Feature, value: Feature, name: str = "attention"
    ) -> Feature:
        """softmax(Q K^T / sqrt(d)) V for (heads, queries, d), (heads, keys, d), (heads, keys, d_v).

        The projections are linear layers of their own. Source: arXiv 1706.03762, section 3.2.1.

        Raises:
            ShapeError: the shapes do not fit.
        """
        q, k, v = query.shape, key.shape, value.shape
        fits = len(q) == len(k) == len(v) >= 2 and q[:-2] == k[:-2] == v[:-2]
        if not fits or q[-1] != k[-1] or k[-2] != v[-2]:
            raise ShapeError(
                f"{self._at(name)}: {_text(q)}, {_text(k)} and {_text(v)} are no query, key, value"
            )
        return self._record("attention", name, (query, key, value), (*q[:-1], v[-1]))

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
        per_channel = len(x.shape) > 1 and gate.shape == (x.channels, *[1] * (len(x.shape) - 1))
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

"""ATen's operators as layers: what each of them is called here, and how its arguments are read.

`FORMS` has a function for each operator that costs something, moves values or is worth a row; it
makes a `Draft` of a layer. `SILENT` operators hand on what they are given, `ELEMENTWISE` ones
compute values one by one, `REDUCING` ones take some axes together: none of them has a
multiply-accumulate of its own. An operator in none of the tables is taken apart if PyTorch can,
and is an unknown one otherwise.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from mobilenet_lab.layers import NORMS, Pair, Shape, Sizes


class Draft(NamedTuple):
    """A layer in the making: an operation, the tensors it reads, its weights and its details."""

    op: str
    inputs: tuple[Any, ...]
    weights: tuple[Any, ...] = ()
    """Tensors that are its own if they are parameters: kernel, bias, scale, shift."""
    details: Mapping[str, Any] = {}


Arguments = dict[str, Any]


def shape_of(tensor: Tensor) -> Shape:
    """The shape per image: without the batch of one in front."""
    shape = tuple(map(int, tensor.shape))
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def _axis(tensor: Tensor, axis: int) -> int:
    """An axis of a tensor as one of its shape per image; -1 is the batch."""
    axis %= max(tensor.dim(), 1)
    return axis - (tensor.dim() - len(shape_of(tensor)))


def _sizes(value: Any, axes: int) -> Sizes:
    """PyTorch's way of giving one number for all axes."""
    sizes = [value] if isinstance(value, int) else list(value)
    return tuple(map(int, sizes if len(sizes) == axes else sizes * axes))


def _even(value: Any, axes: int) -> tuple[Pair, ...]:
    return tuple((each, each) for each in _sizes(value, axes))


def _same(kernel: Sizes, dilation: Sizes) -> tuple[Pair, ...]:
    """Padding "same" at stride 1, which is all that PyTorch takes; the odd pixel goes after."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def _convolution(a: Arguments, transposed: bool = False, cut: Any = 0) -> Draft:
    kernel: Sizes = tuple(map(int, a["weight"].shape[2:]))
    axes = len(kernel)
    dilation = _sizes(a["dilation"], axes)
    if isinstance(a["padding"], str):
        padding = _same(kernel, dilation) if a["padding"] == "same" else _even(0, axes)
    else:
        padding = _even(a["padding"], axes)
    if transposed:
        more = _sizes(cut, axes)
        padding = tuple(
            (left, left - extra) for (left, _), extra in zip(padding, more, strict=True)
        )
    details = {
        "kernel": kernel,
        "stride": _sizes(a["stride"], axes),
        "padding": padding,
        "dilation": dilation,
        "groups": int(a["groups"]),
        "bias": a["bias"] is not None,
        "same": a["padding"] == "same",
        "mode": a["padding"] if isinstance(a["padding"], str) else "",
    }
    op = f"conv{'_transpose' if transposed else ''}{axes}d"
    return Draft(op, (a["input"],), (a["weight"], a["bias"]), details)


def _transposed(a: Arguments) -> Draft:
    return _convolution(a, transposed=True, cut=a["output_padding"])


def _any_convolution(a: Arguments) -> Draft:
    return _convolution(a, bool(a["transposed"]), a["output_padding"])


def _linear(a: Arguments) -> Draft:
    details = {"bias": a["bias"] is not None}
    return Draft("linear", (a["input"],), (a["weight"], a["bias"]), details)


def _embedding(a: Arguments) -> Draft:
    details = {"entries": int(a["weight"].shape[0])}
    return Draft("embedding", (a["indices"],), (a["weight"],), details)


def _norm(op: str) -> Callable[[Arguments], Draft]:
    def form(a: Arguments) -> Draft:
        weights = a["weight"], a.get("bias")
        vectors = sum(each is not None for each in weights)
        details: dict[str, Any] = {"vectors": vectors, "eps": a["eps"] or 0.0}
        if "normalized_shape" in a:
            axes = len(shape_of(a["input"]))
            details["axes"] = tuple(range(axes - len(a["normalized_shape"]), axes))
        elif (channels := _axis(a["input"], 1)) > 0:
            details["axes"] = (channels,)
        if op == "batch_norm" and a["training"]:
            details["mode"] = "batch statistics"
        if "num_groups" in a:
            details["groups"] = int(a["num_groups"])
        return Draft(op, (a["input"],), weights, details)

    return form


def _hardtanh(a: Arguments) -> Draft:
    if (a["min_val"], a["max_val"]) == (0, 6):
        return Draft("relu6", (a["self"],))
    return Draft("elementwise", (a["self"],), (), {"mode": "hardtanh"})


def _with_default(op: str, argument: str, default: float) -> Callable[[Arguments], Draft]:
    """An activation that is the field's usual one at its default only."""

    def form(a: Arguments) -> Draft:
        usual = a[argument] == default
        return Draft(
            op if usual else "elementwise", (a["self"],), (), {} if usual else {"mode": op}
        )

    return form


def _softmax(a: Arguments) -> Draft:
    axis = _axis(a["self"], a["dim"])
    return Draft("softmax", (a["self"],), (), {"axes": (axis,) if axis > 0 else ()})


def _pool(op: str, axes: int) -> Callable[[Arguments], Draft]:
    def form(a: Arguments) -> Draft:
        kernel = _sizes(a["kernel_size"], axes)
        details = {
            "kernel": kernel,
            "stride": _sizes(a["stride"], axes) if a["stride"] else kernel,
            "padding": _even(a["padding"], axes),
            "dilation": _sizes(a.get("dilation", 1), axes),
            "ceil_mode": bool(a["ceil_mode"]),
            "include_pad": bool(a.get("count_include_pad", True)),
        }
        return Draft(op, (a["self"],), (), details)

    return form


def _resize(mode: str) -> Callable[[Arguments], Draft]:
    def form(a: Arguments) -> Draft:
        aligned = " aligned" if a.get("align_corners") else ""
        factors = a.get("scale_factors") or ()
        whole = bool(factors) and all(float(factor).is_integer() for factor in factors)
        scale = tuple(int(factor) for factor in factors) if whole else None
        read = a["input"] if "input" in a else a["self"]
        return Draft("upsample", (read,), (), {"mode": mode + aligned, "scale": scale})

    return form


def _sum(a: Arguments) -> Draft:
    """A sum of two tensors; with a number, values one by one."""
    both = a["self"], a["other"]
    if all(isinstance(each, Tensor) for each in both) and a.get("alpha", 1) == 1:
        return Draft("add", both)
    return Draft("elementwise", both, (), {"mode": "add"})


def _product(a: Arguments) -> Draft:
    both = a["self"], a["other"]
    if all(isinstance(each, Tensor) for each in both):
        return Draft("mul", both)
    return Draft("elementwise", both, (), {"mode": "mul"})


def _matrices(first: str, second: str) -> Callable[[Arguments], Draft]:
    return lambda a: Draft("matmul", (a[first], a[second]))


def _attention(a: Arguments) -> Draft:
    """Attention; "apart" where PyTorch has no one kernel for it, and does matrix products."""
    query, mask = a["query"], a["attn_mask"]
    read = query, a["key"], a["value"]
    apart = (
        query.dim() not in (3, 4)
        or any(each.stride(-1) != 1 for each in read)
        or (mask is not None and (mask.dim() not in (2, query.dim()) or mask.requires_grad))
    )
    details = {"mode": "apart" if apart else ""}
    return Draft("attention", read if mask is None else (*read, mask), (), details)


def _concat(a: Arguments) -> Draft:
    tensors = tuple(each for each in a["tensors"] if each.numel() or each.dim() > 1)
    axis = _axis(tensors[0], a["dim"])
    return Draft("concat", tensors, (), {"axes": (axis,) if axis > 0 else ()})


def _stack(a: Arguments) -> Draft:
    return Draft("concat", tuple(a["tensors"]), (), {"mode": "stack", "axes": (a["dim"],)})


def _permutation(order: Callable[[Arguments, int], list[int]]) -> Callable[[Arguments], Draft]:
    def form(a: Arguments) -> Draft:
        read = a["self"]
        axes = [axis % max(read.dim(), 1) for axis in order(a, read.dim())]
        batch = read.dim() - len(shape_of(read))
        # a batch that moves leaves no order of what is behind it
        kept = tuple(axis - batch for axis in axes[batch:]) if axes[:batch] == [0] * batch else ()
        return Draft("permute", (read,), (), {"axes": kept})

    return form


def _swapped(a: Arguments, dimensions: int) -> list[int]:
    axes = [*range(dimensions)]
    first, second = a["dim0"], a["dim1"]
    axes[first], axes[second] = axes[second], axes[first]
    return axes


def _moved(a: Arguments, dimensions: int) -> list[int]:
    sources, targets = (
        [axis % dimensions for axis in ([given] if isinstance(given, int) else given)]
        for given in (a["source"], a["destination"])
    )
    left = [axis for axis in range(dimensions) if axis not in sources]
    for target, source in sorted(zip(targets, sources, strict=True)):
        left.insert(target, source)
    return left


def _slice(a: Arguments) -> Draft:
    read = a["self"]
    size = int(read.shape[a["dim"]])
    start = a.get("start") or 0
    start = max(start + size, 0) if start < 0 else min(start, size)
    return _part(read, a["dim"], start, int(a.get("step", 1)))


def _part(read: Tensor, axis: int, start: int, step: int = 1) -> Draft:
    place = _axis(read, axis)
    if place < 0:  # the one image of the batch
        return Draft("reshape", (read,))
    return Draft("slice", (read,), (), {"axes": (place,), "start": start, "stride": (step,)})


def _select(a: Arguments) -> Draft:
    index = int(a["index"])
    size = int(a["self"].shape[a["dim"]])
    return _part(a["self"], a["dim"], index + size if index < 0 else index)


def _pad(a: Arguments) -> Draft:
    read = a["self"]
    axes = len(shape_of(read))
    pads = [*map(int, a["pad"])]
    pairs = list(zip(pads[::2], pads[1::2], strict=True))[:axes]
    padding = tuple([(0, 0)] * (axes - len(pairs)) + pairs[::-1])
    kind = a.get("mode", "constant")
    details = {"padding": padding, "mode": kind, "rate": a.get("value") or 0.0}
    return Draft("pad", (read,), (), details)


def _of_itself(op: str) -> Callable[[Arguments], Draft]:
    """A layer that its input and its output say all about."""
    return lambda a: Draft(op, (a["self"],))


def _along(mode: str) -> Callable[[Arguments], Draft]:
    """Values one by one, but each with others along one axis."""

    def form(a: Arguments) -> Draft:
        axis = _axis(a["self"], a["dim"])
        details = {"mode": mode, "axes": (axis,) if axis > 0 else ()}
        return Draft("elementwise", (a["self"],), (), details)

    return form


def _shuffle(a: Arguments) -> Draft:
    read = a["input"] if "input" in a else a["self"]
    return Draft("channel_shuffle", (read,), (), {"groups": int(a["groups"])})


def _dropout(a: Arguments) -> Draft:
    read = a["input"] if "input" in a else a["self"]
    return Draft("dropout", (read,), (), {"rate": float(a["p"])})


_dims = ("1d", "2d", "3d")
PLAIN = (*("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "silu", "gelu", "tanh", "mish"),)
"""Activations without an argument that changes them."""
FORMS: dict[str, Callable[[Arguments], Draft]] = {
    **{f"conv{axes}": _convolution for axes in _dims},
    **{f"conv_transpose{axes}": _transposed for axes in _dims},
    "convolution": _any_convolution,
    "_convolution": _any_convolution,
    "linear": _linear,
    "embedding": _embedding,
    **{name: _norm(name) for name in NORMS},
    **{name: _of_itself(name) for name in PLAIN},
    "hardtanh": _hardtanh,
    "leaky_relu": _with_default("leaky_relu", "negative_slope", 0.01),
    "elu": _with_default("elu", "alpha", 1),
    "softmax": _softmax,
    "_softmax": _softmax,
    "log_softmax": _along("log_softmax"),
    "_log_softmax": _along("log_softmax"),
    **{name: _along(name) for name in ("cumsum", "cumprod", "glu")},
    **{f"max_pool{axes}": _pool("max_pool", n) for n, axes in enumerate(_dims, 1)},
    **{f"max_pool{axes}_with_indices": _pool("max_pool", n) for n, axes in enumerate(_dims, 1)},
    **{f"avg_pool{axes}": _pool("avg_pool", n) for n, axes in enumerate(_dims, 1)},
    **{f"adaptive_avg_pool{axes}": _of_itself("adaptive_avg_pool") for axes in _dims},
    **{f"adaptive_max_pool{axes}": _of_itself("adaptive_max_pool") for axes in _dims},
    **{f"upsample_nearest{axes}": _resize("nearest") for axes in _dims},
    **{f"_upsample_nearest_exact{axes}": _resize("nearest exact") for axes in _dims},
    "upsample_linear1d": _resize("bilinear"),
    "upsample_bilinear2d": _resize("bilinear"),
    "upsample_trilinear3d": _resize("bilinear"),
    "upsample_bicubic2d": _resize("bicubic"),
    "add": _sum,
    "mul": _product,
    "multiply": _product,
    "matmul": _matrices("self", "other"),
    "mm": _matrices("self", "mat2"),
    "bmm": _matrices("self", "mat2"),
    "mv": _matrices("self", "vec"),
    "addmm": _matrices("mat1", "mat2"),
    "baddbmm": _matrices("batch1", "batch2"),
    "scaled_dot_product_attention": _attention,
    "cat": _concat,
    "concat": _concat,
    "concatenate": _concat,
    "stack": _stack,
    "permute": _permutation(lambda a, _: list(a["dims"])),
    "transpose": _permutation(_swapped),
    "swapaxes": _permutation(lambda a, n: _swapped({"dim0": a["axis0"], "dim1": a["axis1"]}, n)),
    "t": _permutation(lambda a, n: [*range(n)][::-1]),
    "numpy_T": _permutation(lambda a, n: [*range(n)][::-1]),
    "mT": _permutation(lambda a, n: _swapped({"dim0": -2, "dim1": -1}, n)),
    "movedim": _permutation(_moved),
    "slice": _slice,
    "narrow": lambda a: _part(a["self"], a["dim"], int(a["start"])),
    "select": _select,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "roll": _of_itself("roll"),
    "flip": _of_itself("roll"),
    "channel_shuffle": _shuffle,
    "native_channel_shuffle": _shuffle,
    "pixel_shuffle": _of_itself("gather"),
    "pixel_unshuffle": _of_itself("gather"),
    "expand": _of_itself("expand"),
    "expand_as": _of_itself("expand"),
    "repeat": _of_itself("gather"),
    "tile": _of_itself("gather"),
    "repeat_interleave": _of_itself("gather"),
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "alpha_dropout": _dropout,
}
"""Name of an operator, in place or not -> the layer it makes."""

RESHAPING = (
    *("view", "reshape", "_unsafe_view", "_reshape_alias", "view_as", "reshape_as", "flatten"),
    *("unflatten", "squeeze", "unsqueeze", "as_strided", "ravel"),
)
"""The same values in another shape; where the shape per image stays, nothing at all."""
GATHERING = (
    *("index", "index_select", "gather", "take", "take_along_dim", "masked_select", "unfold"),
    *("im2col", "col2im", "tril", "triu", "diagonal", "topk", "sort", "argsort", "index_put"),
    *("scatter", "scatter_add", "slice_scatter", "select_scatter", "rot90"),
)
"""Values that are looked up, put elsewhere or ordered."""
SUMMED = ("addmm", "baddbmm")
"""A product of two matrices, and a sum with what is given first."""
PARTS = ("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk")
UNBINDING = ("unbind",)
PLACING = (
    *(*RESHAPING, "expand", "expand_as", "slice", "select", "narrow"),
    *(*PARTS, *UNBINDING),
)
"""They make nothing where what they give is all that they are given, in the same shape."""
SILENT = (
    *("contiguous", "clone", "alias", "detach", "to", "_to_copy", "type_as", "lift_fresh"),
    *("positive", "resolve_conj", "resolve_neg", "copy", "requires_grad", "lift"),
    *("_conj", "data", "fill", "zero", "pin_memory"),
)
"""They hand on what they are given."""
ELEMENTWISE = (
    *("sub", "subtract", "rsub", "div", "divide", "true_divide", "floor_divide", "remainder"),
    *("fmod", "pow", "square", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt"),
    *("rsqrt", "reciprocal", "neg", "negative", "abs", "absolute", "sign", "sin", "cos", "tan"),
    *("asin", "acos", "atan", "atan2", "sinh", "cosh", "erf", "erfc", "erfinv", "floor", "ceil"),
    *("round", "trunc", "frac", "clamp", "clip", "clamp_min", "clamp_max", "maximum", "minimum"),
    *("where", "masked_fill", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or"),
    *("logical_not", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_not", "isnan", "isinf"),
    *("isfinite", "nan_to_num", "lerp", "addcmul", "addcdiv", "softplus", "log_sigmoid"),
    *("selu", "celu", "prelu", "_prelu_kernel", "rrelu", "threshold", "softshrink"),
    *("hardshrink", "logaddexp", "one_hot", "bernoulli", "not_equal", "greater", "less"),
    *("greater_equal", "less_equal", "sigmoid_backward", "logit", "sinc", "deg2rad", "hypot"),
)
"""One value for each value."""
REDUCING = (
    *("mean", "sum", "prod", "amax", "amin", "max", "min", "std", "var", "norm", "var_mean"),
    *("linalg_vector_norm", "argmax", "argmin", "logsumexp", "any", "all", "median", "std_mean"),
    *("aminmax", "nansum", "nanmean", "count_nonzero", "dist"),
)
"""Some axes taken together."""

MAKING = (
    *("new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like"),
    *("full_like", "empty_like", "rand_like", "randn_like", "randint_like", "size", "numel"),
    *("is_floating_point", "is_complex", "is_nonzero", "item", "_local_scalar_dense", "equal"),
)
"""They take a shape or a type of what they are given, and no value that a layer made."""

KNOWN = {*FORMS}.union(
    *(MAKING, RESHAPING, GATHERING, PARTS, UNBINDING, SILENT, ELEMENTWISE, REDUCING)
)


def is_known(operator: Any) -> bool:
    """Whether an operator of ATen needs not be taken apart."""
    namespace, _, name = operator._schema.name.partition("::")
    return namespace == "aten" and (name in KNOWN or name.rstrip("_") in KNOWN)


def reduced_axes(arguments: Arguments, read: Tensor) -> Sizes:
    """The axes per image that a reduction takes together."""
    given = arguments.get("dim")
    axes = range(read.dim()) if given is None or given == [] else given
    axes = [axes] if isinstance(axes, int) else axes
    return tuple(sorted(axis for axis in {_axis(read, int(axis)) for axis in axes} if axis >= 0))


def parts(call_name: str, arguments: Arguments, outputs: tuple[Tensor, ...]) -> list[Draft]:
    """Each part of a split: consecutive channels, or places along another axis."""
    read = arguments["self"]
    axis = arguments["dim"]
    drafts, start = [], 0
    for output in outputs:
        draft = _part(read, axis, start)
        if _axis(read, axis) == 0 and call_name in PARTS:
            draft = Draft("split", (read,), (), {"start": start})
        drafts.append(draft)
        start += 1 if call_name in UNBINDING else int(output.shape[axis])
    return drafts


def is_same_shape(first: Tensor, second: Tensor) -> bool:
    return shape_of(first) == shape_of(second)


def is_all(first: Tensor, second: Tensor) -> bool:
    """Whether a part is the whole, in the same shape."""
    return is_same_shape(first, second) and first.numel() == second.numel()

"""The arithmetic of one operation, as plain functions on numbers.

Every function answers alike for `int`, for a NumPy array (a sweep) and for a SymPy symbol:
`conv2d_macs(kernel=3, c_in=c, c_out=d, h_out=3, w_out=3)` is `81*c*d`. The equation is the
docstring. Sizes are per image; k_h x k_w is the kernel, C channels, H x W a map, g groups.

MACs are multiply-accumulates. One output value of a convolution costs one per weight that touches
it; adding the bias is not a multiply-accumulate and is not counted.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any, TypeAlias

from mobilenet_lab.errors import LabError

Number: TypeAlias = Any
"""An int, a NumPy integer array, a SymPy expression or an `expression.Expression`."""


def output_size(
    size: Number,
    kernel: Number,
    stride: Number = 1,
    padding: Number | tuple[Number, Number] = 0,
    dilation: Number = 1,
    ceil_mode: bool = False,
) -> Number:
    """floor((n + p_before + p_after - dilation (k - 1) - 1) / stride) + 1, along one axis.

    `padding` is one number for both sides or (before, after). In ceil mode the division rounds
    up, but a last window that would start in the padding after the input is dropped (as PyTorch's
    pools do). A result below 1 means that nothing is left.
    """
    before, after = padding if isinstance(padding, tuple) else (padding, padding)
    room = size + before + after - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    return _smaller(-(-room // stride), (size + before - 1) // stride) + 1


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """(before, after) that give ceil(n / stride) outputs; the odd pixel goes after.

    TensorFlow's SAME; at stride 1 it is PyTorch's `padding="same"`.
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def field_size(size: Number, kernel: Number, dilation: Number, jump: Number) -> Number:
    """size + dilation (k - 1) jump: what a window adds to a receptive field, along one axis."""
    return size + dilation * (kernel - 1) * jump


def field_jump(jump: Number, stride: Number) -> Number:
    """jump x stride: input pixels between neighbouring units, along one axis."""
    return jump * stride


def transposed_size(
    size: Number,
    kernel: Number,
    stride: Number = 1,
    padding: Number | tuple[Number, Number] = 0,
    dilation: Number = 1,
) -> Number:
    """(n - 1) stride + dilation (k - 1) + 1 - p_before - p_after: a transposed convolution's.

    What PyTorch calls the output padding is a smaller `p_after`, below 0 at times.
    """
    before, after = padding if isinstance(padding, tuple) else (padding, padding)
    return (size - 1) * stride + dilation * (kernel - 1) + 1 - before - after


def conv_params(
    kernel: Sequence[Number],
    c_in: Number,
    c_out: Number,
    groups: Number = 1,
    bias: bool = False,
) -> Number:
    """k_1 ... k_n (C_in / g) C_out weights, and C_out more with a bias, of any dimension.

    A transposed convolution has as many.

    Raises:
        LabError: the groups do not divide both channel counts.
    """
    weights = elements(kernel) * _per_group(c_in, c_out, groups) * c_out
    return weights + c_out if bias else weights


def conv_macs(
    kernel: Sequence[Number],
    c_in: Number,
    c_out: Number,
    positions: Sequence[Number],
    groups: Number = 1,
) -> Number:
    """k_1 ... k_n (C_in / g) C_out x positions: each weight works once per position.

    The positions are those of the output; of a transposed convolution, those of the input.

    Raises:
        LabError: the groups do not divide both channel counts.
    """
    return elements(kernel) * _per_group(c_in, c_out, groups) * c_out * elements(positions)


def conv2d_params(
    kernel: Number, c_in: Number, c_out: Number, groups: Number = 1, bias: bool = False
) -> Number:
    """k_h k_w (C_in / g) C_out weights, and C_out more with a bias.

    Raises:
        LabError: the groups do not divide both channel counts.
    """
    return conv_params(_pair(kernel), c_in, c_out, groups, bias)


def conv2d_macs(
    kernel: Number, c_in: Number, c_out: Number, h_out: Number, w_out: Number, groups: Number = 1
) -> Number:
    """k_h k_w (C_in / g) C_out H_out W_out: each weight works once per output position.

    Raises:
        LabError: the groups do not divide both channel counts.
    """
    return conv_macs(_pair(kernel), c_in, c_out, (h_out, w_out), groups)


def separable_params(kernel: Number, c_in: Number, c_out: Number, bias: bool = False) -> Number:
    """k_h k_w C_in + C_in C_out: a depthwise convolution, then a pointwise one."""
    depthwise = conv2d_params(kernel, c_in, c_in, groups=c_in, bias=bias)
    return depthwise + conv2d_params(1, c_in, c_out, bias=bias)


def separable_macs(
    kernel: Number, c_in: Number, c_out: Number, h_out: Number, w_out: Number
) -> Number:
    """(k_h k_w C_in + C_in C_out) H_out W_out: a depthwise convolution, then a pointwise one."""
    depthwise = conv2d_macs(kernel, c_in, c_in, h_out, w_out, groups=c_in)
    return depthwise + conv2d_macs(1, c_in, c_out, h_out, w_out)


def separable_ratio(kernel: Number, c_out: Number) -> Number:
    """1 / C_out + 1 / (k_h k_w): depthwise-separable over standard, in MACs and in weights alike.

    Exact (a Fraction) for ints, floats for arrays. Source: arXiv 1704.04861, section 3.1.
    """
    k_h, k_w = _pair(kernel)
    if hasattr(c_out, "dtype"):
        return 1 / c_out + 1 / (k_h * k_w)
    return _inverse(c_out) + _inverse(k_h * k_w)


def linear_params(f_in: Number, f_out: Number, bias: bool = True) -> Number:
    """f_in f_out weights, and f_out more with a bias."""
    return f_in * f_out + f_out if bias else f_in * f_out


def linear_macs(f_in: Number, f_out: Number, rows: Number = 1) -> Number:
    """f_in f_out x rows: each weight works once for each vector (row, token)."""
    macs = f_in * f_out
    return macs if isinstance(rows, int) and rows == 1 else macs * rows


def matmul_macs(rows: Number, inner: Number, columns: Number, matrices: Number = 1) -> Number:
    """matrices x rows x inner x columns: (rows x inner) times (inner x columns), so many times."""
    return matrices * rows * inner * columns


def attention_macs(
    heads: Number, queries: Number, keys: Number, d_key: Number, d_value: Number
) -> Number:
    """heads x queries x keys x (d_key + d_value): Q K^T, and its softmax times V.

    The projections are linear layers of their own. Source: arXiv 1706.03762, section 3.2.1.
    """
    return heads * queries * keys * (d_key + d_value)


def embedding_params(entries: Number, features: Number) -> Number:
    """entries x features: a table. Looking a row up is no multiply-accumulate."""
    return entries * features


def batch_norm_params(channels: Number) -> Number:
    """2 C: a scale and a shift. The running mean and variance are buffers, not parameters."""
    return norm_params(channels, 2)


def norm_params(values: Number, vectors: Number) -> Number:
    """vectors x values: a scale and a shift (2), a scale (1) or nothing for each value.

    The values are the channels, or those that a layer norm normalises together.
    """
    return vectors * values


def elements(shape: Sequence[Number]) -> Number:
    """C H W: the values of a map (or of a vector, or of any shape; of none, 1)."""
    return prod(shape[1:], start=shape[0]) if shape else 1


def bytes_moved(read: Number, params: Number, written: Number, bytes_per_element: Number) -> Number:
    """(inputs read + parameters read + outputs written) x bytes per element.

    Each tensor travels once: no cache is modelled, nothing is fused.
    """
    return (read + params + written) * bytes_per_element


def _pair(kernel: Number) -> tuple[Number, Number]:
    first, second = kernel if isinstance(kernel, tuple | list) else (kernel, kernel)
    return first, second


def _per_group(c_in: Number, c_out: Number, groups: Number) -> Number:
    """C_in / g, refusing counts that the groups do not divide."""
    if isinstance(groups, int) and groups == 1:
        return c_in
    if isinstance(groups, int) and groups < 1:
        raise LabError(f"groups must be a whole number from 1, not {groups}")
    for count in (c_in, c_out):
        rest = count % groups
        uneven = False if hasattr(rest, "free_symbols") else rest != 0
        if uneven.any() if hasattr(uneven, "any") else uneven:
            raise LabError(
                f"{groups} groups do not divide {c_in} input and {c_out} output channels"
            )
    return c_in // groups if _is_whole(c_in) and _is_whole(groups) else c_in / groups


def _is_whole(number: Number) -> bool:
    """Whether it is an int or an array of them, which // divides exactly; / is for symbols."""
    return isinstance(number, int) or hasattr(number, "dtype")


def _inverse(number: Number) -> Number:
    return Fraction(1, number) if isinstance(number, int) else 1 / number


def _smaller(a: Number, b: Number) -> Number:
    """The smaller of two whole numbers, without the comparison that arrays and symbols refuse."""
    return (a + b - abs(a - b)) // 2

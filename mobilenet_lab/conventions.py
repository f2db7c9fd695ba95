"""What each public counter counts, as closed forms over the layers of a trace.

A convention takes a layer to its terms: each a name, a factor and a base, such as 2 per input
element of batch norm. Their sum over a network is the number that the tool prints for the network's
module in eval mode, per image; sorted by name they are the bridge from one tool's number to
another's. The forms hold for the releases named and for modules as the lab builds them:
activations, pools and norms are modules, sums and products are the operators + and *.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from mobilenet_lab.analysis import macs
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.formulas import elements
from mobilenet_lab.layers import Layer

PAPER_LEAVES_OUT = "biases, norms, activations, pools, sums, gates, upsampling"


class Term(NamedTuple):
    """One thing that a tool counts: `each` for every one of `base`."""

    name: str
    each: int
    base: int

    @property
    def total(self) -> int:
        return self.each * self.base


Terms: TypeAlias = tuple[Term, ...]


class Convention(NamedTuple):
    """How one tool counts; `terms` says it layer by layer, and its docstring in words."""

    name: str
    tool: str
    release: str
    """The releases that the closed form holds for; empty for the papers."""
    calls_it: str
    """The tool's own word for what it prints."""
    per_mac: int
    """1 or 2 for one multiply-accumulate."""
    terms: Callable[[Layer], Terms]

    def count(self, layer: Layer) -> int:
        """What the tool counts for this layer."""
        return sum(term.total for term in self.terms(layer))

    def total(self, layers: Iterable[Layer]) -> int:
        """What the tool counts for all of `layers`."""
        return sum(map(self.count, layers))

    @property
    def heading(self) -> str:
        """The convention in one line."""
        if not self.release:
            return f"{self.name}: multiply-accumulates of convolutions and linear layers"
        unit = "1 per MAC" if self.per_mac == 1 else f"{self.per_mac} per MAC"
        return f"{self.name}: “{self.calls_it}” of {self.tool} {self.release}, {unit}"


def inputs(layer: Layer) -> int:
    """Elements of the first input."""
    return int(elements(layer.in_shapes[0]))


def outputs(layer: Layer) -> int:
    """Elements of the output."""
    return int(elements(layer.out_shape))


def products(layer: Layer, each: int = 1) -> Terms:
    """The multiply-accumulates of a convolution or linear layer."""
    return (Term(MACS, each, int(macs(layer))),) if layer.op in ("conv2d", "linear") else ()


def bias_adds(layer: Layer) -> Terms:
    """One addition per output element of a convolution or linear layer with a bias."""
    return (Term("bias adds", 1, outputs(layer)),) if layer.bias else ()


MACS = "MACs of conv and linear"
NORM = "batch norm, per element"
NORM_CHANNELS = "batch norm, per channel"
ADAPTIVE = "input of adaptive average pools"
ADAPTIVE_OUT = "output of adaptive average pools"
AVERAGE_OUT = "output of average pools"
POOLS = "input of pools"
UPSAMPLED = "upsampled elements"
GATES = "products with gates"
LRN_INSIDE = "products and window sums of local response norm"


def paper(layer: Layer) -> Terms:
    """MACs of convolutions and linear layers, as the MobileNet papers print "Mult-Adds".

    Leaves out biases, norms, activations, pools, sums, gates and upsampling.
    """
    return products(layer)


def fvcore(layer: Layer) -> Terms:
    """fvcore's "flops": 1 per MAC.

    Beside the MACs, 2 per input element of batch norm (eval mode), 1 per input element of an
    adaptive average pool, and for an upsampling 1 (nearest) or 4 (bilinear) per output element.
    Biases, activations, other pools, sums, products and concatenations are 0.
    """
    if layer.op == "batch_norm":
        return (Term(NORM, 2, inputs(layer)),)
    if layer.op == "adaptive_avg_pool":
        return (Term(ADAPTIVE, 1, inputs(layer)),)
    if layer.op == "upsample":
        return (Term(UPSAMPLED, _taps(layer), outputs(layer)),)
    return products(layer)


def torchinfo(layer: Layer) -> Terms:
    """torchinfo's "mult-adds": parameters x output positions, 1 per MAC.

    Beside the MACs, 1 per output element of a layer with a bias, and for batch norm 2 per channel
    whatever the size of the map. All else is 0.
    """
    if layer.op == "batch_norm":
        return (Term(NORM_CHANNELS, 2, layer.in_shapes[0][0]),)
    return (*products(layer), *bias_adds(layer))


def flop_counter(layer: Layer) -> Terms:
    """torch.utils.flop_counter's FlopCounterMode: 2 per MAC of convolutions and linear layers.

    All else is 0, biases included.
    """
    return products(layer, 2)


def ptflops_pytorch(layer: Layer) -> Terms:
    """ptflops' backend "pytorch" (the default): 1 per MAC; hooks on modules and on functions.

    Beside the MACs, 1 per bias addition and 2 per element of batch norm. What is a module and calls
    a function is counted in both: ReLU, GELU, every pool and an upsampling by a factor, twice per
    element; ReLU6, SiLU and softmax have one hook and count once, as does an upsampling to a given
    size, which is a function only. Inside local response norm it sees three products and the
    padded input of a window sum. Hardswish, sigmoids, tanh, sums, products by * and
    concatenations are 0.
    """
    if layer.op == "batch_norm":
        return (Term(NORM, 2, inputs(layer)),)
    if layer.op in ("relu", "gelu"):
        return (Term(f"{layer.op}, module and function", 2, inputs(layer)),)
    if layer.op in ("relu6", "silu", "softmax"):
        return (Term(layer.op, 1, inputs(layer)),)
    if layer.op in ANY_POOL:
        return (Term(f"{POOLS}, module and function", 2, inputs(layer)),)
    if layer.op == "upsample":
        return (Term(UPSAMPLED, 2 if layer.scale else 1, outputs(layer)),)
    if layer.op == "local_response_norm":
        return _inside_lrn(layer)
    return (*products(layer), *bias_adds(layer))


def ptflops_aten(layer: Layer) -> Terms:
    """ptflops' backend "aten": 1 per MAC, and 1 per bias addition. All else is 0."""
    return (*products(layer), *bias_adds(layer))


def thop(layer: Layer) -> Terms:
    """thop's "MACs": 1 per MAC; hooks on modules, by exact type.

    Beside the MACs, 4 per element of batch norm; 1 per input and output element of an adaptive
    average pool, which it computes in floating point and cuts, at times to 1 less; 1 per output
    element of an average pool; for an upsampling by a factor 1 (nearest) or 11 (bilinear) per
    output element; for softmax over C values 3 C - 1. Biases, other activations, max pools, sums,
    products, and an upsampling to a given size (a function here) are 0.
    """
    match layer.op:
        case "batch_norm":
            return (Term(NORM, 4, inputs(layer)),)
        case "adaptive_avg_pool":
            return (
                Term(ADAPTIVE, 1, inputs(layer)),
                Term(ADAPTIVE_OUT, 1, outputs(layer)),
                Term("cut off in floating point", -1, _thop_cuts(layer)),
            )
        case "avg_pool":
            return (Term(AVERAGE_OUT, 1, outputs(layer)),)
        case "softmax":
            channels = layer.in_shapes[0][0]
            each = 3 * channels - 1
            return (Term("rows of softmax", each, inputs(layer) // channels),)
        case "upsample" if layer.scale:
            return (Term(UPSAMPLED, 1 if layer.mode == "nearest" else 11, outputs(layer)),)
    return products(layer)


def calflops(layer: Layer) -> Terms:
    """calflops' "FLOPs": 2 per MAC (its "MACs" are the papers').

    Beside the MACs, 1 per bias addition of a convolution (not of a linear layer), 2 per element of
    batch norm, and 1 per input element of ReLU, SiLU, GELU, softmax, every pool and an upsampling
    by a factor; for one to a given size only height x width. Inside local response norm it sees
    three products and the padded input of a window sum. ReLU6 (as a module), hardswish, sigmoids,
    tanh, sums, products and concatenations are 0.
    """
    match layer.op:
        case "conv2d":
            return (*products(layer, 2), *bias_adds(layer))
        case "linear":
            return products(layer, 2)
        case "batch_norm":
            return (Term(NORM, 2, inputs(layer)),)
        case "relu" | "silu" | "gelu" | "softmax":
            return (Term(layer.op, 1, inputs(layer)),)
        case "upsample" if layer.scale:
            return (Term("input of upsamplings", 1, inputs(layer)),)
        case "upsample":
            return (Term("positions upsampled to", 1, int(elements(layer.out_shape[1:]))),)
        case "local_response_norm":
            return _inside_lrn(layer)
        case op if op in ANY_POOL:
            return (Term(POOLS, 1, inputs(layer)),)
    return ()


def torchprofile(layer: Layer) -> Terms:
    """torchprofile's "MACs": 1 per MAC, over the traced graph.

    Beside the MACs, 1 per element of batch norm, 1 per output element of an average pool (adaptive
    or not) and of a product with a gate, 4 per output element of a bilinear upsampling, and 3 per
    element of local response norm. Biases, activations, max pools, sums, nearest upsampling and
    concatenations are 0.
    """
    match layer.op:
        case "batch_norm":
            return (Term(NORM, 1, inputs(layer)),)
        case "adaptive_avg_pool":
            return (Term(ADAPTIVE_OUT, 1, outputs(layer)),)
        case "avg_pool":
            return (Term(AVERAGE_OUT, 1, outputs(layer)),)
        case "mul":
            return (Term(GATES, 1, outputs(layer)),)
        case "upsample" if layer.mode == "bilinear":
            return (Term(UPSAMPLED, 4, outputs(layer)),)
        case "local_response_norm":
            return (Term("local response norm, per element", 3, inputs(layer)),)
    return products(layer)


ANY_POOL = ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool")


def _taps(layer: Layer) -> int:
    """Input elements that one upsampled element is made of."""
    return 1 if layer.mode == "nearest" else 4


def _thop_cuts(layer: Layer) -> int:
    """What int((H_in / H_out * W_in / W_out + 1) * outputs) loses of inputs + outputs."""
    (_, h_in, w_in), (_, h_out, w_out) = layer.in_shapes[0], layer.out_shape
    printed = int((h_in / h_out * (w_in / w_out) + 1) * outputs(layer))
    return inputs(layer) + outputs(layer) - printed


def _inside_lrn(layer: Layer) -> Terms:
    """Squares, scale and offset of every element; the window's sum over padded channels."""
    assert layer.lrn is not None
    channels, height, width = layer.in_shapes[0]
    padded = (channels + layer.lrn[0] - 1) * height * width
    return (Term(LRN_INSIDE, 1, 3 * inputs(layer) + padded),)


PAPER = Convention("paper", "the papers", "", "MACs", 1, paper)
CONVENTIONS: dict[str, Convention] = {
    convention.name: convention
    for convention in (
        PAPER,
        Convention("fvcore", "fvcore", "0.1.5.post20221221", "flops", 1, fvcore),
        Convention("torchinfo", "torchinfo", "1.8.0", "mult-adds", 1, torchinfo),
        Convention("flop_counter", "FlopCounterMode", "torch 2.14-2.15", "FLOPs", 2, flop_counter),
        Convention("ptflops_pytorch", "ptflops", "0.7.5", "MACs", 1, ptflops_pytorch),
        Convention("ptflops_aten", "ptflops", "0.7.5", "MACs", 1, ptflops_aten),
        Convention("thop", "thop", "0.1.1", "MACs", 1, thop),
        Convention("calflops", "calflops", "0.3.2", "FLOPs", 2, calflops),
        Convention("torchprofile", "torchprofile", "0.1.0", "MACs", 1, torchprofile),
    )
}


def convention(name: str) -> Convention:
    """The convention called `name`.

    Raises:
        UnknownNameError: there is none; the message offers near names.
    """
    if name not in CONVENTIONS:
        raise UnknownNameError("convention", name, CONVENTIONS)
    return CONVENTIONS[name]

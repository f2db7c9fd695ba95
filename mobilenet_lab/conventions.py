"""What each public counter counts, as closed forms over the layers of a trace.

A convention takes a layer to its terms: each a name, a factor and a base, such as 2 per input
element of batch norm. Their sum over a network is the number that the tool prints for the network's
module in eval mode, per image; sorted by name they are the bridge from one tool's number to
another's. The forms hold for the releases named and for modules as the lab builds them:
activations, pools and norms are modules, sums and products are the operators +, * and @.

An operation that is unknown to the lab has no terms: then every total is "at least" so much.

A layer that is read from somebody's module says in `mode` what changes a count: of a convolution
"same" or "valid", padding by a word; of batch norm "batch statistics"; of
attention "apart", that PyTorch makes matrix products of it whatever its shapes.
"""

from collections.abc import Callable, Iterable
from math import prod
from operator import truediv
from typing import NamedTuple, TypeAlias

from mobilenet_lab.analysis import channel_axis, macs, weights
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.formulas import elements, output_size
from mobilenet_lab.layers import CONVS, NORMS, TRANSPOSED, Layer

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
            return f"{self.name}: MACs of convolutions, linear layers, matrix products"
        unit = "1 per MAC" if self.per_mac == 1 else f"{self.per_mac} per MAC"
        return f"{self.name}: “{self.calls_it}” of {self.tool} {self.release}, {unit}"


def inputs(layer: Layer) -> int:
    """Elements of the first input."""
    return int(elements(layer.in_shapes[0]))


def outputs(layer: Layer) -> int:
    """Elements of the output."""
    return int(elements(layer.out_shape))


def products(layer: Layer, each: int = 1) -> Terms:
    """The multiply-accumulates of a convolution, linear layer or matrix product."""
    count = int(macs(layer))
    return (Term(PRODUCTS.get(layer.op, MACS), each, count),) if count else ()


def weighted(layer: Layer, each: int = 1) -> Terms:
    """Those of a convolution or linear layer alone."""
    return () if layer.op in PRODUCTS else products(layer, each)


def dispatched(layer: Layer, each: int = 1) -> Terms:
    """Those that PyTorch hands to an operator which the tools below it know.

    Attention is one operator on the CPU that none of them knows; where values are not as wide as
    keys it is two matrix products. A matrix times a vector is another that they do not know.
    """
    shapes = layer.in_shapes
    if layer.op == "attention" and layer.mode != "apart" and shapes[0][-1] == shapes[2][-1]:
        return ()
    if layer.op == "matmul" and len(shapes[1]) == 1:
        return ()
    return products(layer, each)


def bias_adds(layer: Layer) -> Terms:
    """One addition per output element of a convolution or linear layer with a bias."""
    return (Term("bias adds", 1, outputs(layer)),) if layer.bias else ()


def per_element(layer: Layer, learned: int, plain: int) -> Terms:
    """So many per element of a norm that has learned a scale, or has not."""
    each = learned if layer.vectors else plain
    return (Term(f"{_words(layer)}, per element", each, inputs(layer)),) if each else ()


def by_statistics(layer: Layer) -> Terms:
    """fvcore's and calflops' count of a norm: less where the mean and the variance are given."""
    if layer.op == "batch_norm" and layer.mode != "batch statistics":
        return per_element(layer, 2, 1)
    return per_element(layer, 5, 4)


MACS = "MACs of conv and linear"
PRODUCTS = {"matmul": "MACs of matrix products", "attention": "MACs of attention"}
SPREAD = "weights of transposed conv, at output positions"
ADAPTIVE = "input of adaptive average pools"
ADAPTIVE_OUT = "output of adaptive average pools"
AVERAGE_OUT = "output of average pools"
POOLS = "input of pools"
UPSAMPLED = "upsampled elements"
LRN_INSIDE = "products and window sums of local response norm"


def paper(layer: Layer) -> Terms:
    """MACs of convolutions, linear layers and matrix products ("Mult-Adds" in MobileNet papers).

    Attention is two matrix products. Leaves out biases, norms, activations, pools, sums, gates and
    upsampling.
    """
    return products(layer)


def fvcore(layer: Layer) -> Terms:
    """fvcore's "flops": 1 per MAC, over the traced graph.

    Beside the MACs, per input element 2 of batch norm (eval mode) and 5 of layer, group and
    instance norm, each 1 less where nothing is learned; on maps, 1 per input element of an adaptive
    average pool, and for an upsampling 1 (nearest) or 4 (bilinear) per output element. Attention as
    one operator is 0, as is a convolution whose padding is a word. Of a matrix product it reads the
    left shape, and counts too little where that is repeated. Biases, RMS norm, activations, other
    pools, sums, products and concatenations are 0.
    """
    on_map = len(layer.out_shape) == 3
    match layer.op:
        case "batch_norm" | "layer_norm" | "group_norm" | "instance_norm":
            return by_statistics(layer)
        case "adaptive_avg_pool" if on_map:
            return (Term(ADAPTIVE, 1, inputs(layer)),)
        case "upsample" if on_map and layer.mode == "nearest":
            return (Term(UPSAMPLED, 1, outputs(layer)),)
        case "upsample" if on_map and layer.mode in BILINEAR:
            return (Term(UPSAMPLED, 4, outputs(layer)),)
        case "matmul":
            return (Term(PRODUCTS["matmul"], 1, inputs(layer) * layer.in_shapes[1][-1]),)
    return () if _padded_by_word(layer) else weighted(layer)


def torchinfo(layer: Layer) -> Terms:
    """torchinfo's "mult-adds", 1 per MAC: what a module has learned, x positions of a convolution.

    So it counts the MACs of convolutions, and 1 per output element for their bias. A transposed one
    has output positions too, which is too many by its strides. All else counts each parameter once:
    a linear layer however many rows it has, a norm whatever the size of the map, the whole table of
    an embedding. What is no module, such as a matrix product, is 0.
    """
    match layer.op:
        case "linear" if inputs(layer) > layer.in_shapes[0][-1]:
            return (Term("parameters of linear layers over rows", 1, int(weights(layer))),)
        case "embedding":
            return (Term("parameters of embeddings", 1, int(weights(layer))),)
        case op if op in NORMS:
            values = int(weights(layer)) // max(layer.vectors, 1)
            name = f"{_words(layer)}, per {'value' if layer.axes else 'channel'}"
            return (Term(name, layer.vectors, values),) if layer.vectors else ()
        case op if op in TRANSPOSED:
            return (*_spread(layer), *bias_adds(layer))
    return (*weighted(layer), *bias_adds(layer))


def flop_counter(layer: Layer) -> Terms:
    """torch.utils.flop_counter's FlopCounterMode: 2 per MAC.

    It knows convolutions, linear layers and matrix products. Attention on the CPU is an operator
    that it does not know, and 0, unless values are not as wide as keys: then it is two matrix
    products. All else is 0, biases included.
    """
    return dispatched(layer, 2)


def ptflops_pytorch(layer: Layer) -> Terms:
    """ptflops' backend "pytorch" (the default): 1 per MAC; hooks on modules and on functions.

    Beside the MACs of convolutions and linear layers, 1 per bias addition; per element 2 of batch,
    group and instance norm (1 where nothing is learned), and 1 of layer norm. What is a module and
    calls a function is counted in both: ReLU, GELU, ELU, every pool and an upsampling by a factor,
    twice per element; ReLU6, SiLU, leaky ReLU and softmax have one hook and count once, as does an
    upsampling to a given size, which is a function only. Inside local response norm it sees three
    products and the padded input of a window sum. Other activations, RMS norm, matrix products by
    the operator @, attention, sums, products by * and concatenations are 0.
    """
    match layer.op:
        case "batch_norm" | "group_norm" | "instance_norm":
            return per_element(layer, 2, 1)
        case "layer_norm":
            return per_element(layer, 1, 1)
        case "relu" | "gelu" | "elu":
            return (Term(f"{layer.op}, module and function", 2, inputs(layer)),)
        case "relu6" | "silu" | "leaky_relu" | "softmax":
            return (Term(_words(layer), 1, inputs(layer)),)
        case "upsample":
            return (Term(UPSAMPLED, 2 if layer.scale else 1, outputs(layer)),)
        case "local_response_norm":
            return _inside_lrn(layer)
        case op if op in ANY_POOL:
            return (Term(f"{POOLS}, module and function", 2, inputs(layer)),)
    return (*weighted(layer), *bias_adds(layer))


def ptflops_aten(layer: Layer) -> Terms:
    """ptflops' backend "aten": 1 per MAC, and 1 per bias addition.

    As FlopCounterMode it does not know attention as one operator. All else is 0.
    """
    return (*dispatched(layer), *bias_adds(layer))


def thop(layer: Layer) -> Terms:
    """thop's "MACs": 1 per MAC; hooks on modules, by exact type.

    Beside the MACs (of a transposed convolution at output positions), 4 per element of batch, layer
    and instance norm, 2 where nothing is learned; 1 per input and output element of an adaptive
    average pool, which it computes in floating point and cuts, at times to 1 less; 1 per output
    element of an average pool; for an upsampling by a factor 1 (nearest), 5 (linear, one axis), 11
    (bilinear) or 259 (bicubic) per output element; for softmax over C values 3 C - 1. Biases, group
    and RMS norm, other activations, max pools, sums, all products that are no module, and an
    upsampling to a given size (a function here) are 0.
    """
    match layer.op:
        case "batch_norm" | "layer_norm" | "instance_norm":
            return per_element(layer, 4, 2)
        case "adaptive_avg_pool":
            return (
                Term(ADAPTIVE, 1, inputs(layer)),
                Term(ADAPTIVE_OUT, 1, outputs(layer)),
                Term("cut off in floating point", -1, _thop_cuts(layer)),
            )
        case "avg_pool":
            return (Term(AVERAGE_OUT, 1, outputs(layer)),)
        case "softmax":
            channels = layer.in_shapes[0][layer.axes[0] if layer.axes else 0]
            each = 3 * channels - 1
            return (Term("rows of softmax", each, inputs(layer) // channels),)
        case "upsample":
            each = _thop_upsampled(layer)
            return (Term(UPSAMPLED, each, outputs(layer)),) if each else ()
        case op if op in TRANSPOSED:
            return _spread(layer)
    return weighted(layer)


def calflops(layer: Layer) -> Terms:
    """calflops' "FLOPs": 2 per MAC (its "MACs" are the papers').

    Beside the MACs of convolutions and linear layers, 1 per bias addition of a convolution (not of
    a linear layer); per element 2 of batch norm and 5 of layer, group and instance norm, each 1
    less where nothing is learned; 1 per input element of ReLU, leaky ReLU, SiLU, GELU, ELU,
    softmax, every pool and an upsampling by a factor; for one to a given size only its positions.
    Inside local response norm it sees three products and the padded input of a window sum. Groups
    of a transposed convolution divide twice, and its bias is added where a plain convolution would
    have outputs. ReLU6 (as a module), other activations, RMS norm, matrix products by the operator
    @, attention, sums, products and concatenations are 0.
    """
    match layer.op:
        case "linear":
            return products(layer, 2)
        case "batch_norm" | "layer_norm" | "group_norm" | "instance_norm":
            return by_statistics(layer)
        case "relu" | "leaky_relu" | "silu" | "gelu" | "elu" | "softmax":
            return (Term(_words(layer), 1, inputs(layer)),)
        case "upsample" if layer.scale:
            return (Term("input of upsamplings", 1, inputs(layer)),)
        case "upsample":
            return (Term("positions upsampled to", 1, int(elements(layer.out_shape[1:]))),)
        case "local_response_norm":
            return _inside_lrn(layer)
        case op if op in ANY_POOL:
            return (Term(POOLS, 1, inputs(layer)),)
        case op if op in TRANSPOSED:
            return _calflops_transposed(layer)
    return (*weighted(layer, 2), *bias_adds(layer))


def torchprofile(layer: Layer) -> Terms:
    """torchprofile's "MACs": 1 per MAC, over the traced graph.

    Beside the MACs (of a transposed convolution at output positions, and of all channels whatever
    the groups), 1 per element of a norm that has learned a scale (not RMS norm), 1 per output
    element of an average pool (adaptive or not), a mean and a product with a gate or a number, 4
    per output element of a bilinear upsampling of a map, 3 per element of local response norm, 1 of
    leaky ReLU. Biases, a convolution whose padding is a word, other activations, max pools, sums,
    other upsampling and concatenations are 0.
    """
    match layer.op:
        case "batch_norm" | "layer_norm" | "group_norm" | "instance_norm":
            return per_element(layer, 1, 0)
        case "adaptive_avg_pool":
            return (Term(ADAPTIVE_OUT, 1, outputs(layer)),)
        case "avg_pool":
            return (Term(AVERAGE_OUT, 1, outputs(layer)),)
        case "reduce" if layer.mode == "mean":
            return (Term("means", 1, outputs(layer)),)
        case "mul":
            return (Term("products with gates", 1, outputs(layer)),)
        case "elementwise" if layer.mode == "mul":
            return (Term("products with numbers", 1, outputs(layer)),)
        case "upsample" if layer.mode in BILINEAR and len(layer.out_shape) == 3:
            return (Term(UPSAMPLED, 4, outputs(layer)),)
        case "local_response_norm":
            return (Term("local response norm, per element", 3, inputs(layer)),)
        case "leaky_relu":
            return (Term("leaky relu", 1, inputs(layer)),)
        case op if op in TRANSPOSED:
            return _torchprofile_transposed(layer)
    return () if _padded_by_word(layer) else products(layer)


ANY_POOL = ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool")
BILINEAR = ("bilinear", "bilinear aligned")


def _words(layer: Layer) -> str:
    """`layer_norm` as it is written in a sentence."""
    return layer.op.replace("_", " ")


def _padded_by_word(layer: Layer) -> bool:
    """Whether a read module's convolution has padding "same" or "valid", not numbers.

    In a traced graph it is an operator of its own, which the tools that read graphs do not know.
    """
    return layer.op in CONVS and layer.mode in ("same", "valid")


def _spread(layer: Layer, channels: int | None = None) -> Terms:
    """A transposed convolution as if each output element took all of the kernel."""
    assert layer.kernel is not None
    read = channels or layer.in_shapes[0][channel_axis(layer)] // layer.groups
    return (Term(SPREAD, 1, outputs(layer) * read * int(elements(layer.kernel))),)


def _torchprofile_transposed(layer: Layer) -> Terms:
    """It tells a transposed kernel by its shape, and reads the wrong axis of a square one."""
    axis = channel_axis(layer)
    c_in, c_out = layer.in_shapes[0][axis], layer.out_shape[axis]
    return _spread(layer, c_out // layer.groups if c_in == c_out else c_in)


def _calflops_transposed(layer: Layer) -> Terms:
    """Groups divide twice; the bias is added at as many positions as a plain convolution has."""
    assert layer.kernel is not None
    axis = channel_axis(layer)
    shape, per_group = layer.in_shapes[0], layer.out_shape[axis] // layer.groups
    positions = int(elements(shape[axis + 1 :]))
    products = int(elements(layer.kernel)) * shape[axis] * (per_group // layer.groups) * positions
    paddings = [(before, before) for before, _ in layer.padding]
    window = layer.kernel, layer.stride, paddings, layer.dilation
    sides = list(map(output_size, shape[axis + 1 :], *window))
    adds = (Term("bias adds", 1, per_group * int(elements(sides))),) if layer.bias else ()
    return (Term(MACS, 2, products), *adds)


def _thop_upsampled(layer: Layer) -> int:
    """What thop counts per element of nn.Upsample; a function has no hook."""
    if not layer.scale:
        return 0
    if layer.mode in BILINEAR:
        return {2: 5, 3: 11}.get(len(layer.out_shape), 0)
    return {"nearest": 1, "bicubic": 259}.get(layer.mode, 0)


def _thop_cuts(layer: Layer) -> int:
    """What int((H_in / H_out * W_in / W_out + 1) * outputs) loses of inputs + outputs."""
    ratio = prod(map(truediv, layer.in_shapes[0][1:], layer.out_shape[1:]))
    return inputs(layer) + outputs(layer) - int((ratio + 1) * outputs(layer))


def _inside_lrn(layer: Layer) -> Terms:
    """Squares, scale and offset of every element; the window's sum over padded channels."""
    assert layer.lrn is not None
    channels, *sides = layer.in_shapes[0]
    padded = (channels + layer.lrn[0] - 1) * int(elements(sides))
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

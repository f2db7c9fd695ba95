"""What a forward pass over shapes leaves behind: the network as a tuple of plain records.

A `Trace` is recorded by `net.Net`, in the order in which the network runs. Parameters, MACs,
receptive fields, tables and pictures are readings of it.

Shapes are per image: (channels, height, width) for a map, (features,) after flatten. Networks of
other kinds have (channels, length), (channels, depth, height, width) or (tokens, features); what a
network does to many windows of one image has their number in front.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from mobilenet_lab.errors import UnknownNameError

Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
Sizes: TypeAlias = tuple[int, ...]
"""One number for each axis along which a window moves: (vertical, horizontal) on a map."""

Op: TypeAlias = str
ACTIVATIONS = (
    "relu",
    "relu6",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "silu",
    "gelu",
    "tanh",
    "softmax",
    "leaky_relu",
    "elu",
    "mish",
)
CONVS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
NORMS = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")
LAYOUTS = ("reshape", "permute", "slice", "expand", "pad", "roll", "gather")
"""Operations that put values elsewhere and compute nothing."""
OPS = (
    "input",
    *CONVS,
    *TRANSPOSED,
    "linear",
    "matmul",
    "attention",
    "embedding",
    *NORMS,
    "local_response_norm",
    *ACTIVATIONS,
    "max_pool",
    "avg_pool",
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "add",
    "mul",
    "concat",
    "split",
    "channel_shuffle",
    "upsample",
    "flatten",
    "dropout",
    *LAYOUTS,
    "parameter",
    "constant",
    "elementwise",
    "reduce",
    "unknown",
)
"""`elementwise` and `reduce` say in `mode` what they do, `unknown` which operation it is."""


def parse_shape(text: str) -> Shape | None:
    """(3, 224, 224) from "3x224x224"; None of a text that is no shape."""
    sides = text.lower().replace("×", "x").split("x")
    if not all(side.isascii() and side.isdecimal() and len(side) < 20 for side in sides):
        return None
    return tuple(map(int, sides))


class Layer(NamedTuple):
    """One operation of a network, with everything that its numbers depend on.

    `inputs` are the indices of the layers that feed it, so a trace is a graph. What an operation
    does not have keeps its default: an activation has no kernel.
    """

    name: str
    """The path of the module that does it in the twin: `stage3.1.expand.conv`."""
    op: Op
    inputs: tuple[int, ...]
    in_shapes: tuple[Shape, ...]
    out_shape: Shape
    stage: str
    block: str
    role: str
    kernel: Sizes | None = None
    stride: Sizes = (1, 1)
    padding: tuple[Pair, ...] = ((0, 0), (0, 0))
    """((top, bottom), (left, right)); of `pad`, for each axis of the shape."""
    dilation: Sizes = (1, 1)
    groups: int = 1
    bias: bool = False
    ceil_mode: bool = False
    include_pad: bool = True
    """Average pooling divides by the whole window even where it covers padding."""
    start: int = 0
    """The first channel (of `slice`: place) that this part hands on."""
    mode: str = ""
    """How an upsampling fills in: nearest or bilinear (pixel centres, corners not aligned); what an
    `elementwise`, `reduce` or `unknown` operation does; "batch statistics" of a batch norm that
    does not use running ones, "same" or "valid" of a convolution that is padded by the word."""
    scale: Sizes | None = None
    """The whole factors of an upsampling by a scale; None of one to a given size."""
    eps: float = 0.0
    """What batch normalisation adds to the variance."""
    rate: float = 0.0
    """The share of values that dropout sets to zero while training."""
    lrn: tuple[int, float, float, float] | None = None
    """Local response normalisation: channels looked at, alpha, beta, k."""
    same: bool = False
    """The padding follows from the input's size ("same"): on another it may be another."""
    axes: Sizes = ()
    """Axes of the shape that it works along: the new order of `permute`, the one of `slice` or a
    softmax that is not over the channels, those that `reduce` and `layer_norm` take together, that
    of the channels for another norm whose input does not begin with them."""
    vectors: int = 2
    """What a norm learns for each channel: 2, a scale and a shift; 1, a scale; or 0."""
    entries: int = 0
    """Rows of the table of an embedding."""
    own: bool = True
    """Its weights are counted here: not where they are those of an earlier layer, nor computed."""


class Feature(NamedTuple):
    """What flows between layers: the index of the layer that made it, and its shape."""

    layer: int
    shape: Shape

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def height(self) -> int:
        return self.shape[1]

    @property
    def width(self) -> int:
        return self.shape[2]


@dataclass(frozen=True)
class Trace:
    """A whole network: its layers in running order, and where its answers come out."""

    layers: tuple[Layer, ...]
    outputs: tuple[int, ...]
    taps: Mapping[str, int] = field(default_factory=dict)
    """Landmarks that heads ask for by name (C1 ... C5): the layer that makes each."""
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The arguments that the network was traced with: width, resolution, classes ..."""
    unused: Mapping[str, int] = field(default_factory=dict)
    """Parameters of a module that its forward pass does not use: path -> elements."""

    @property
    def input_shape(self) -> Shape:
        return self.layers[0].out_shape

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Of a network with several inputs, all of them."""
        return tuple(layer.out_shape for layer in self.layers if layer.op == "input")

    @property
    def unknown(self) -> tuple[Layer, ...]:
        """Layers whose cost nobody here knows, so that every total is "at least"."""
        return tuple(layer for layer in self.layers if layer.op == "unknown")

    def layer(self, name: str) -> Layer:
        """The layer called `name`.

        Raises:
            UnknownNameError: there is none; the message offers near names.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise UnknownNameError("layer", name, names, "`summary --level layer` shows them all")

"""What a count of a network's work includes, as closed forms over the layers of a trace.

Each convention is a function from a layer to an integer, per image. The tools' forms hold for the
releases named; `verify` and the tests run the tools themselves.
"""

from mobilenet_lab.analysis import macs
from mobilenet_lab.formulas import elements
from mobilenet_lab.layers import Layer

PAPER_LEAVES_OUT = "biases, batch norm, activations, pools, additions, gates"


def paper(layer: Layer) -> int:
    """MACs of convolutions and linear layers, as the MobileNet papers print "Mult-Adds".

    Leaves out biases, batch norm, activations, pooling, additions and gates.
    """
    return int(macs(layer))


def fvcore(layer: Layer) -> int:
    """What fvcore 0.1.5.post20221221 counts for a module of this layer ("flops", 1 per MAC).

    MACs of convolutions and linear layers, 2 per input element of batch norm (eval mode), 1 per
    input element of an adaptive average pool, and for an upsampling 1 (nearest) or 4 (bilinear)
    per output element. Activations, other pools, additions, products and concatenations are 0.
    """
    if layer.op == "batch_norm":
        return 2 * int(elements(layer.in_shapes[0]))
    if layer.op == "adaptive_avg_pool":
        return int(elements(layer.in_shapes[0]))
    if layer.op == "upsample":
        return (1 if layer.mode == "nearest" else 4) * int(elements(layer.out_shape))
    return int(macs(layer))


def torchinfo(layer: Layer) -> int:
    """What torchinfo 1.8.0 counts for a module of this layer ("mult-adds", 1 per MAC).

    Parameters x output positions: the MACs of a convolution or linear layer and 1 per output
    element for its bias; for batch norm 2 per channel whatever the size of the map; else 0.
    """
    if layer.op == "batch_norm":
        return 2 * layer.in_shapes[0][0]
    return int(macs(layer)) + (int(elements(layer.out_shape)) if layer.bias else 0)


def flop_counter(layer: Layer) -> int:
    """What torch.utils.flop_counter (torch 2.14, 2.15) counts: 2 per MAC of conv and linear."""
    return 2 * int(macs(layer))

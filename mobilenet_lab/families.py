"""Which colour stands for what: the family of each layer and role, in every figure and table."""

from collections import Counter

from mobilenet_lab.analysis import channel_axis, macs
from mobilenet_lab.layers import CONVS, TRANSPOSED, Layer, Trace

FAMILIES = {
    "standard": "standard convolution",
    "expand": "1×1 expansion",
    "depthwise": "depthwise convolution",
    "pointwise": "1×1 convolution",
    "gate": "squeeze-and-excitation",
    "grouped": "grouped convolution",
    "linear": "linear layer",
    "product": "attention, matrix product",
    "other": "other operations",
}
"""Every family, as a legend calls it."""
COLOURS = {
    "standard": "#0072B2",
    "expand": "#E69F00",
    "depthwise": "#009E73",
    "pointwise": "#56B4E9",
    "gate": "#CC79A7",
    "grouped": "#F0E442",
    "linear": "#D55E00",
    "product": "#7F6BB3",
    "other": "#8C8C8C",
}
"""The palette of Okabe and Ito ("Color Universal Design", 2008), told apart by colour-blind eyes;
they have no seventh and eighth hue for matrix products and the rest."""
EXPANSIONS = ("expand", "restore")
"""Roles of 1x1 convolutions that widen."""


def family(layer: Layer) -> str:
    """The family of one layer: what its role says where that is more than its shapes do."""
    if layer.role == "se":
        return "gate"
    if layer.op == "linear":
        return "linear"
    if layer.op in ("matmul", "attention"):
        return "product"
    if layer.op not in (*CONVS, *TRANSPOSED):
        return "other"
    if layer.groups == layer.in_shapes[0][channel_axis(layer)] > 1:
        return "depthwise"
    if layer.groups > 1:
        return "grouped"
    if set(layer.kernel or ()) != {1}:
        return "standard"
    return "expand" if layer.role in EXPANSIONS else "pointwise"


def families(trace: Trace) -> dict[str, str]:
    """The family of each role of a network: the one in which it spends the most MACs."""
    spent: dict[str, Counter[str]] = {}
    for layer in trace.layers:
        if layer.op != "input":
            spent.setdefault(layer.role, Counter())[family(layer)] += int(macs(layer))
    return {role: kinds.most_common(1)[0][0] for role, kinds in spent.items()}

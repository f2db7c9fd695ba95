"""What is written under a step of a block."""

from collections.abc import Sequence

from mobilenet_lab.analysis import MACS, WEIGHTS, Row
from mobilenet_lab.layers import ACTIVATIONS, CONVS, LAYOUTS, NORMS, TRANSPOSED, Layer, Trace
from mobilenet_lab.reports.table import write

WINDOWED = (*CONVS, *TRANSPOSED)
WEIGHTED = (*WINDOWED, "linear")
WIRES = ("concat", "split", "channel_shuffle", "flatten", *LAYOUTS)
"""Operations that move channels and compute nothing."""
HANDS_ON = (*NORMS, *WIRES, "dropout", "flatten")
"""What stands between a layer and its activation without ending the search for one."""
TITLES = {
    "max_pool": "max pool",
    "avg_pool": "average pool",
    "mul": "multiply",
    "channel_shuffle": "shuffle",
    "adaptive_avg_pool": "average pool",
    "adaptive_max_pool": "max pool",
}


def lines(
    trace: Trace,
    block: str,
    step: Sequence[int],
    rows: dict[str, Row],
    readers: Sequence[Sequence[int]],
    channels: Sequence[int],
) -> tuple[str, ...]:
    layers = [trace.layers[index] for index in step]
    head = layers[0]
    if head.op == "split":
        sizes = [channels[index] for index in step]
        equal = len(set(sizes)) == 1
        return ("split", f"{len(sizes)} × {sizes[0]}" if equal else " + ".join(map(str, sizes)))
    follow = [_follower(layer) for layer in layers[1:]]
    if head.bias:
        follow.insert(0, "bias")
    if is_linear(trace, step, readers):
        follow.append("linear")
    lines = (*_title(head, block), _how(head), *_follow(follow), *_cost(layers, rows))
    return tuple(line for line in lines if line)


def _follow(words: Sequence[str]) -> tuple[str, ...]:
    """What follows the sums of a layer, in two lines if it is long."""
    text = " · ".join(words)
    return (text,) if len(text) <= 16 else (" · ".join(words[:-1]), words[-1])


def _follower(layer: Layer) -> str:
    return "norm" if layer.op in NORMS else layer.op.replace("_", " ")


def _title(layer: Layer, block: str) -> tuple[str, ...]:
    """What it is called: a layer of weights by its name in the block, in two lines if long."""
    if layer.op not in WEIGHTED:
        if _collapses(layer):
            return ("global", TITLES.get(layer.op, layer.op))
        title = layer.mode if layer.op in ("unknown", "elementwise", "reduce") else ""
        return (title or TITLES.get(layer.op, layer.op.replace("_", " ")),)
    path = layer.name.removeprefix(f"{block}.").split(".")
    name = ".".join(part for part in path if part not in ("conv", "linear"))
    if not name or layer.name == block:
        return ("convolution",) if layer.op in WINDOWED else ()
    if len(name) > 15 and "." in name:
        front, _, last = name.rpartition(".")
        return (front, last)
    return (name,)


def _how(layer: Layer) -> str:
    """Kernel, stride, dilation and groups."""
    if layer.op == "linear":
        return "fully connected"
    if layer.op == "upsample":
        scale = f"×{write(layer.scale, 'pair')} " if layer.scale else ""
        return f"{scale}{layer.mode}"
    words = [write(layer.kernel, "shape")] if layer.kernel else []
    if layer.kernel and len(layer.kernel) == 1:
        words.insert(0, "kernel")
    if layer.kernel and set(layer.stride) != {1}:
        words.append(f"/{write(layer.stride, 'pair')}")
    if set(layer.dilation) != {1}:
        words.append(f"d={write(layer.dilation, 'pair')}")
    if layer.groups > 1:
        words.append(f"g={layer.groups:,}")
    if layer.op in TRANSPOSED:
        words.append("transposed")
    return " ".join(words)


def _cost(layers: Sequence[Layer], rows: dict[str, Row]) -> tuple[str, ...]:
    mine = [rows[layer.name] for layer in layers]
    if layers[0].op == "unknown":
        return ("– params", "– MACs")
    lines = []
    if any(layer.op in WEIGHTS for layer in layers):
        lines.append(f"{sum(row.params for row in mine):,} params")
    if layers[0].op in MACS:
        lines.append(f"{sum(row.macs for row in mine):,} MACs")
    return tuple(lines)


def is_linear(trace: Trace, step: Sequence[int], readers: Sequence[Sequence[int]]) -> bool:
    """Whether a layer of weights has no activation before the next weights, sum or end."""
    if trace.layers[step[0]].op not in WEIGHTED:
        return False
    ahead = [step[0]]
    while ahead:
        for reader in readers[ahead.pop()]:
            if trace.layers[reader].op in ACTIVATIONS:
                return False
            if trace.layers[reader].op in HANDS_ON:
                ahead.append(reader)
    return True


def _collapses(layer: Layer) -> bool:
    """Whether it makes one number of each channel of a map."""
    if not layer.in_shapes or len(layer.out_shape) < 2:
        return False
    return set(layer.out_shape[1:]) == {1} != set(layer.in_shapes[0][1:])

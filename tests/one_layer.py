"""Networks of one layer, and what each convention counts for them."""

from mobilenet_lab.layers import Feature, Trace
from mobilenet_lab.net import Net

ORDER = (
    "paper", "fvcore", "torchinfo", "flop_counter", "ptflops_pytorch", "ptflops_aten", "thop",
    "calflops", "torchprofile",
)  # fmt: skip


def conv(net: Net, x: Feature, **how: object) -> Feature:
    return net.conv2d(x, 4, 3, padding=0, **how)


# On a map of 6 x 8 x 10 (480 elements): what each convention counts, in the order of ORDER.
# Measured with one-layer modules; `tests/twins/test_counters.py` runs the tools themselves.
ONE_LAYER = {
    # 3 * 3 * 6 * 4 * 6 * 8 = 10,368 MACs; 4 * 6 * 8 = 192 outputs
    "conv": (conv, (10368, 10368, 10368, 20736, 10368, 10368, 10368, 20736, 10368)),
    "conv with bias": (
        lambda n, x: conv(n, x, bias=True),
        (10368, 10368, 10560, 20736, 10560, 10560, 10368, 20928, 10368),
    ),
    "grouped": (
        lambda n, x: n.conv2d(x, 6, 3, padding=0, groups=6),
        (2592, 2592, 2592, 5184, 2592, 2592, 2592, 5184, 2592),
    ),
    "linear": (
        lambda n, x: n.linear(n.flatten(x), 7),
        (3360, 3360, 3367, 6720, 3367, 3367, 3360, 6720, 3360),
    ),
    "linear without bias": (
        lambda n, x: n.linear(n.flatten(x), 7, bias=False),
        (3360, 3360, 3360, 6720, 3360, 3360, 3360, 6720, 3360),
    ),
    "batch norm": (lambda n, x: n.batch_norm(x), (0, 960, 12, 0, 960, 0, 1920, 960, 480)),
    "relu": (lambda n, x: n.act(x, "relu"), (0, 0, 0, 0, 960, 0, 0, 480, 0)),
    "relu6": (lambda n, x: n.act(x, "relu6"), (0, 0, 0, 0, 480, 0, 0, 0, 0)),
    "silu": (lambda n, x: n.act(x, "silu"), (0, 0, 0, 0, 480, 0, 0, 480, 0)),
    "gelu": (lambda n, x: n.act(x, "gelu"), (0, 0, 0, 0, 960, 0, 0, 480, 0)),
    "hardswish": (lambda n, x: n.act(x, "hardswish"), (0,) * 9),
    "hardsigmoid": (lambda n, x: n.act(x, "hardsigmoid"), (0,) * 9),
    "sigmoid": (lambda n, x: n.act(x, "sigmoid"), (0,) * 9),
    "tanh": (lambda n, x: n.act(x, "tanh"), (0,) * 9),
    "softmax": (lambda n, x: n.act(x, "softmax"), (0, 0, 0, 0, 480, 0, 1360, 480, 0)),
    "max pool": (lambda n, x: n.max_pool(x, 3, 2, 1), (0, 0, 0, 0, 960, 0, 0, 480, 0)),
    "max pool, ceil": (
        lambda n, x: n.max_pool(x, 3, 2, ceil_mode=True),
        (0, 0, 0, 0, 960, 0, 0, 480, 0),
    ),
    "average pool": (lambda n, x: n.avg_pool(x, 2), (0, 0, 0, 0, 960, 0, 120, 480, 120)),
    "global pool": (
        lambda n, x: n.adaptive_avg_pool(x),
        (0, 480, 0, 0, 960, 0, 486, 480, 6),
    ),
    "adaptive pool": (
        lambda n, x: n.adaptive_avg_pool(x, (3, 4)),
        (0, 480, 0, 0, 960, 0, 552, 480, 72),
    ),
    "adaptive max pool": (
        lambda n, x: n.adaptive_max_pool(x),
        (0, 0, 0, 0, 960, 0, 0, 480, 0),
    ),
    "upsampling by 2": (
        lambda n, x: n.upsample(x, 2),
        (0, 1920, 0, 0, 3840, 0, 1920, 480, 0),
    ),
    "upsampling by 2, bilinear": (
        lambda n, x: n.upsample(x, 2, mode="bilinear"),
        (0, 7680, 0, 0, 3840, 0, 21120, 480, 7680),
    ),
    "upsampling to 16 x 30": (
        lambda n, x: n.upsample(x, size=(16, 30)),
        (0, 2880, 0, 0, 2880, 0, 0, 480, 0),
    ),
    "upsampling to 16 x 30, bilinear": (
        lambda n, x: n.upsample(x, size=(16, 30), mode="bilinear"),
        (0, 11520, 0, 0, 2880, 0, 0, 480, 11520),
    ),
    "local response norm": (
        lambda n, x: n.local_response_norm(x, 5),
        (0, 0, 0, 0, 2240, 0, 0, 2240, 1440),
    ),
    "sum": (lambda n, x: n.add(x, x), (0,) * 9),
    "product": (lambda n, x: n.mul(x, x), (0, 0, 0, 0, 0, 0, 0, 0, 480)),
    "concatenation": (lambda n, x: n.concat(x, x), (0,) * 9),
    "split": (lambda n, x: n.split(x, (3, 3))[0], (0,) * 9),
    "shuffle": (lambda n, x: n.channel_shuffle(x, 2), (0,) * 9),
    "dropout": (lambda n, x: n.dropout(x), (0,) * 9),
}  # fmt: skip


def one_layer(kind: str) -> Trace:
    net = Net()
    return net.trace(ONE_LAYER[kind][0](net, net.input(6, (8, 10))))

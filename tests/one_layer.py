"""Networks of one layer, and what each convention counts for them."""

from mobilenet_lab.layers import Feature, Layer, Shape, Trace
from mobilenet_lab.net import Net

ORDER = (
    "paper", "fvcore", "torchinfo", "flop_counter", "ptflops_pytorch", "ptflops_aten", "thop",
    "calflops", "torchprofile",
)  # fmt: skip


def conv(net: Net, x: Feature, **how: object) -> Feature:
    return net.conv2d(x, 4, 3, padding=0, **how)


def times(net: Net, x: Feature, axes: tuple[int, ...]) -> Feature:
    """`x` as a matrix (or several) times itself with its axes in another order."""
    return net.matmul(x, net.permute(x, axes))


def attention(net: Net, x: Feature, keys: int, width: int) -> Feature:
    *heads, _, depth = x.shape
    key = net.parameter((*heads, keys, depth), "key")
    return net.attention(x, key, net.parameter((*heads, keys, width), "value"))


MAP = (6, 8, 10)
SIGNAL = (6, 11)
VOLUME = (6, 4, 5, 7)
VECTOR = (10,)
TOKENS = (8, 10)
TEXT = (7,)

# On a map of 6 x 8 x 10 (480 elements) or the shape given behind: what each convention counts, in
# the order of ORDER. Measured with one-layer modules; `tests/twins/test_counters.py` runs the tools
# themselves.
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
    "signal: conv": (
        lambda n, x: n.conv1d(x, 4, 3, 2, bias=True),
        (432, 432, 456, 864, 456, 456, 432, 888, 432),
        SIGNAL,
    ),
    "volume: conv": (
        lambda n, x: n.conv3d(x, 4, 3, (1, 2, 2), bias=True),
        (31104, 31104, 31296, 62208, 31296, 31296, 31104, 62400, 31104),
        VOLUME,
    ),
    "volume: grouped": (
        lambda n, x: n.conv3d(x, 4, 2, padding=0, groups=2),
        (6912, 6912, 6912, 13824, 6912, 6912, 6912, 13824, 6912),
        VOLUME,
    ),
    "transposed": (
        lambda n, x: n.conv_transpose(x, 4, 3, 2, padding=1),
        (17280, 17280, 61560, 34560, 17280, 17280, 61560, 34560, 61560),
    ),
    "transposed with bias": (
        lambda n, x: n.conv_transpose(x, 4, (3, 2), (3, 2), padding=(1, 0), bias=True),
        (11520, 11520, 65120, 23040, 13280, 13280, 63360, 23100, 63360),
    ),
    "transposed, dilated": (
        lambda n, x: n.conv_transpose(x, 4, 3, 2, dilation=2, output_padding=1, bias=True),
        (17280, 17280, 105600, 34560, 19200, 19200, 103680, 34584, 103680),
    ),
    "transposed, grouped": (
        lambda n, x: n.conv_transpose(x, 8, 3, 2, padding=1, groups=2, bias=True),
        (17280, 17280, 63840, 34560, 19560, 19560, 61560, 17360, 123120),
    ),
    "transposed, depthwise": (
        lambda n, x: n.conv_transpose(x, 6, 2, 2, groups=6, bias=True),
        (1920, 1920, 9600, 3840, 3840, 3840, 7680, 20, 7680),
    ),
    "transposed, square": (
        lambda n, x: n.conv_transpose(x, 6, 2, 2),
        (11520, 11520, 46080, 23040, 11520, 11520, 46080, 23040, 46080),
    ),
    "signal: transposed": (
        lambda n, x: n.conv_transpose(x, 4, 3, 2, bias=True),
        (792, 792, 1748, 1584, 884, 884, 1656, 1604, 1656),
        SIGNAL,
    ),
    "volume: transposed": (
        lambda n, x: n.conv_transpose(x, 4, 3, 2, padding=1, bias=True),
        (90720, 90720, 533988, 181440, 93996, 93996, 530712, 181536, 530712),
        VOLUME,
    ),
    "tokens: linear": (
        lambda n, x: n.linear(x, 7),
        (560, 560, 77, 1120, 616, 616, 560, 1120, 560),
        TOKENS,
    ),
    "tokens: linear without bias": (
        lambda n, x: n.linear(x, 7, bias=False),
        (560, 560, 70, 1120, 560, 560, 560, 1120, 560),
        TOKENS,
    ),
    "text: embedding": (lambda n, x: n.embedding(x, 11, 5), (0, 0, 55, 0, 0, 0, 0, 0, 0), TEXT),
    "tokens: matrix product": (
        lambda n, x: times(n, x, (1, 0)),
        (640, 640, 0, 1280, 0, 640, 0, 0, 640),
        TOKENS,
    ),
    "matrix products": (
        lambda n, x: times(n, x, (0, 2, 1)),
        (3840, 3840, 0, 7680, 0, 3840, 0, 0, 3840),
    ),
    "attention": (lambda n, x: attention(n, x, 9, 10), (8640, 0, 0, 0, 0, 0, 0, 0, 8640)),
    "attention, values of another width": (
        lambda n, x: attention(n, x, 9, 5),
        (6480, 0, 0, 12960, 0, 6480, 0, 0, 6480),
    ),
    "tokens: attention": (
        lambda n, x: attention(n, x, 9, 10),
        (1440, 0, 0, 0, 0, 0, 0, 0, 1440),
        TOKENS,
    ),
    "vector: batch norm": (lambda n, x: n.batch_norm(x), (0, 20, 20, 0, 20, 0, 40, 20, 10), VECTOR),
    "signal: batch norm": (
        lambda n, x: n.batch_norm(x),
        (0, 132, 12, 0, 132, 0, 264, 132, 66),
        SIGNAL,
    ),
    "volume: batch norm": (
        lambda n, x: n.batch_norm(x),
        (0, 1680, 12, 0, 1680, 0, 3360, 1680, 840),
        VOLUME,
    ),
    "tokens: layer norm": (
        lambda n, x: n.layer_norm(x),
        (0, 400, 20, 0, 80, 0, 320, 400, 80),
        TOKENS,
    ),
    "layer norm of all": (
        lambda n, x: n.layer_norm(x, 3),
        (0, 2400, 960, 0, 480, 0, 1920, 2400, 480),
    ),
    "tokens: layer norm, scale": (
        lambda n, x: n.layer_norm(x, vectors=1),
        (0, 400, 10, 0, 80, 0, 320, 400, 80),
        TOKENS,
    ),
    "tokens: layer norm, plain": (
        lambda n, x: n.layer_norm(x, vectors=0),
        (0, 320, 0, 0, 80, 0, 160, 320, 0),
        TOKENS,
    ),
    "group norm": (lambda n, x: n.group_norm(x, 3), (0, 2400, 12, 0, 960, 0, 0, 2400, 480)),
    "group norm, plain": (
        lambda n, x: n.group_norm(x, 3, vectors=0),
        (0, 1920, 0, 0, 480, 0, 0, 1920, 0),
    ),
    "instance norm": (
        lambda n, x: n.instance_norm(x, vectors=2),
        (0, 2400, 12, 0, 960, 0, 1920, 2400, 480),
    ),
    "instance norm, plain": (
        lambda n, x: n.instance_norm(x),
        (0, 1920, 0, 0, 480, 0, 960, 1920, 0),
    ),
    "signal: instance norm": (
        lambda n, x: n.instance_norm(x, vectors=2),
        (0, 330, 12, 0, 132, 0, 264, 330, 66),
        SIGNAL,
    ),
    "tokens: rms norm": (lambda n, x: n.rms_norm(x), (0, 0, 10, 0, 0, 0, 0, 0, 0), TOKENS),
    "tokens: rms norm, plain": (lambda n, x: n.rms_norm(x, vectors=0), (0,) * 9, TOKENS),
    "leaky relu": (lambda n, x: n.act(x, "leaky_relu"), (0, 0, 0, 0, 480, 0, 0, 480, 480)),
    "elu": (lambda n, x: n.act(x, "elu"), (0, 0, 0, 0, 960, 0, 0, 480, 0)),
    "mish": (lambda n, x: n.act(x, "mish"), (0,) * 9),
    "signal: max pool": (
        lambda n, x: n.max_pool(x, 3, 2, 1),
        (0, 0, 0, 0, 132, 0, 0, 66, 0),
        SIGNAL,
    ),
    "volume: max pool": (lambda n, x: n.max_pool(x, 2), (0, 0, 0, 0, 1680, 0, 0, 840, 0), VOLUME),
    "signal: average pool": (
        lambda n, x: n.avg_pool(x, 2),
        (0, 0, 0, 0, 132, 0, 30, 66, 30),
        SIGNAL,
    ),
    "volume: average pool": (
        lambda n, x: n.avg_pool(x, 2),
        (0, 0, 0, 0, 1680, 0, 72, 840, 72),
        VOLUME,
    ),
    "signal: global pool": (
        lambda n, x: n.adaptive_avg_pool(x),
        (0, 0, 0, 0, 132, 0, 72, 66, 6),
        SIGNAL,
    ),
    "volume: adaptive pool": (
        lambda n, x: n.adaptive_avg_pool(x, 3),
        (0, 0, 0, 0, 1680, 0, 1002, 840, 162),
        VOLUME,
    ),
    "signal: adaptive max pool": (
        lambda n, x: n.adaptive_max_pool(x, 3),
        (0, 0, 0, 0, 132, 0, 0, 66, 0),
        SIGNAL,
    ),
    "signal: upsampling": (lambda n, x: n.upsample(x, 2), (0, 0, 0, 0, 264, 0, 132, 66, 0), SIGNAL),
    "signal: upsampling, linear": (
        lambda n, x: n.upsample(x, 2, mode="bilinear"),
        (0, 0, 0, 0, 264, 0, 660, 66, 0),
        SIGNAL,
    ),
    "signal: upsampling to 23": (
        lambda n, x: n.upsample(x, size=(23,)),
        (0, 0, 0, 0, 138, 0, 0, 23, 0),
        SIGNAL,
    ),
    "volume: upsampling": (
        lambda n, x: n.upsample(x, 2),
        (0, 0, 0, 0, 13440, 0, 6720, 840, 0),
        VOLUME,
    ),
    "volume: upsampling, trilinear": (
        lambda n, x: n.upsample(x, 2, mode="bilinear"),
        (0, 0, 0, 0, 13440, 0, 0, 840, 0),
        VOLUME,
    ),
    "volume: upsampling to a size": (
        lambda n, x: n.upsample(x, size=(9, 11, 8)),
        (0, 0, 0, 0, 4752, 0, 0, 792, 0),
        VOLUME,
    ),
    "reshaped": (lambda n, x: n.reshape(x, (48, -1)), (0,) * 9),
    "permuted": (lambda n, x: n.permute(x, (1, 2, 0)), (0,) * 9),
    "sliced": (lambda n, x: n.slice(x, 1, 4, 2), (0,) * 9),
    "with a parameter": (lambda n, x: n.concat(n.parameter((2, *x.shape[1:])), x), (0,) * 9),
}  # fmt: skip


ANOTHER = {
    MAP: (6, 9, 8),
    SIGNAL: (6, 14),
    VOLUME: (6, 5, 7, 4),
    VECTOR: (7,),
    TOKENS: (5, 12),
    TEXT: (4,),
}


def one_layer(kind: str, another: bool = False) -> Trace:
    """The network of one layer, on its shape in the table or on another."""
    make, _, *given = ONE_LAYER[kind]
    shape = given[0] if given else MAP
    net = Net()
    return net.trace(make(net, net.tensor(ANOTHER[shape] if another else shape)))


def foreign(op: str, out: Shape, **details: object) -> Layer:
    """A layer of a read module that `Net` does not record, on a map."""
    return Layer("x", op, (0,), (MAP,), out, "x", "x", "x")._replace(**details)


# As above; the modules are in `tests/twins/test_counters.py`.
FOREIGN = {
    "mean": (foreign("reduce", (6,), mode="mean"), (0, 0, 0, 0, 0, 0, 0, 0, 6)),
    "sum": (foreign("reduce", (6,), mode="sum"), (0,) * 9),
    "largest": (foreign("reduce", (8, 10), mode="amax"), (0,) * 9),
    "times a number": (foreign("elementwise", MAP, mode="mul"), (0, 0, 0, 0, 0, 0, 0, 0, 480)),
    "plus a number": (foreign("elementwise", MAP, mode="add"), (0,) * 9),
    "quotient": (foreign("elementwise", MAP, mode="div"), (0,) * 9),
    "exponential": (foreign("elementwise", MAP, mode="exp"), (0,) * 9),
    "hardtanh": (foreign("elementwise", MAP, mode="hardtanh"), (0,) * 9),
    "softplus": (foreign("elementwise", MAP, mode="softplus"), (0,) * 9),
    "log softmax": (foreign("elementwise", MAP, mode="log_softmax"), (0,) * 9),
    "softmax along the rows": (
        foreign("softmax", MAP, axes=(2,)),
        (0, 0, 0, 0, 480, 0, 1392, 480, 0),
    ),
    "padding": (foreign("pad", (6, 10, 12)), (0,) * 9),
    "expansion": (foreign("expand", (2, 6, 8, 10)), (0,) * 9),
    "roll": (foreign("roll", MAP), (0,) * 9),
    "gathering": (foreign("gather", (2, 8, 10)), (0,) * 9),
    "batch norm, plain": (
        foreign("batch_norm", MAP, vectors=0),
        (0, 480, 0, 0, 480, 0, 960, 480, 0),
    ),
    "batch norm of the image": (
        foreign("batch_norm", MAP, mode="batch statistics"),
        (0, 2400, 12, 0, 960, 0, 1920, 2400, 480),
    ),
    "batch norm of the image, plain": (
        foreign("batch_norm", MAP, mode="batch statistics", vectors=0),
        (0, 1920, 0, 0, 480, 0, 960, 1920, 0),
    ),
    "attention, taken apart": (
        foreign("attention", MAP, mode="apart", in_shapes=(MAP, MAP, MAP, (8, 8))),
        (7680, 0, 0, 15360, 0, 7680, 0, 0, 7680),
    ),
    "padding same": (
        foreign("conv2d", (4, 8, 10), kernel=(3, 3), bias=True, mode="same"),
        (17280, 0, 17600, 34560, 17600, 17600, 17280, 34880, 0),
    ),
    "padding valid": (
        foreign("conv2d", (4, 6, 8), kernel=(3, 3), bias=True, mode="valid"),
        (10368, 0, 10560, 20736, 10560, 10560, 10368, 20928, 0),
    ),
    "nearest exact": (
        foreign("upsample", (6, 16, 20), mode="nearest exact", scale=(2, 2)),
        (0, 0, 0, 0, 3840, 0, 0, 480, 0),
    ),
    "bicubic": (
        foreign("upsample", (6, 16, 20), mode="bicubic", scale=(2, 2)),
        (0, 0, 0, 0, 3840, 0, 497280, 480, 0),
    ),
    "corners aligned": (
        foreign("upsample", (6, 16, 20), mode="bilinear aligned", scale=(2, 2)),
        (0, 7680, 0, 0, 3840, 0, 21120, 480, 7680),
    ),
    "a matrix on the right": (
        foreign("matmul", (6, 8, 7), in_shapes=(MAP, (10, 7))),
        (3360, 3360, 0, 6720, 0, 3360, 0, 0, 3360),
    ),
    "a matrix on the left": (
        foreign("matmul", (6, 7, 10), in_shapes=((7, 8), MAP)),
        (3360, 560, 0, 6720, 0, 3360, 0, 0, 3360),
    ),
}  # fmt: skip

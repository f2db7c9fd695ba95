"""Bare networks of other papers (windows, pools and shortcuts), one channel wide."""

from mobilenet_lab.layers import Feature, Trace
from mobilenet_lab.net import Net


def alexnet_v2() -> Trace:
    """The one-tower AlexNet (arXiv 1404.5997) as TF-slim has it, up to pool5."""
    net = Net()
    x = net.input(1, 224)
    x = net.conv2d(x, 1, 11, 4, padding=0, name="conv1")
    x = net.max_pool(x, 3, 2, name="pool1")
    x = net.conv2d(x, 1, 5, padding="same", name="conv2")
    x = net.max_pool(x, 3, 2, name="pool2")
    for name in ("conv3", "conv4", "conv5"):
        x = net.conv2d(x, 1, 3, padding="same", name=name)
    return net.trace(net.max_pool(x, 3, 2, name="pool5"))


def vgg_16() -> Trace:
    """VGG-16 (arXiv 1409.1556), up to pool5."""
    net = Net()
    x = net.input(1, 224)
    for stage, convs in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(convs):
            x = net.conv2d(x, 1, 3, padding="same", name=f"conv{stage}_{number}")
        x = net.max_pool(x, 2, name=f"pool{stage}")
    return net.trace(x)


def mobilenet_v1(resolution: int) -> Trace:
    """MobileNetV1 (arXiv 1704.04861) with TensorFlow's padding, up to its last pointwise."""
    net = Net()
    x = net.conv2d(net.input(1, resolution), 1, 3, 2, padding="same", name="stem")
    for number, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), start=1):
        x = net.conv2d(x, 1, 3, stride, padding="same", name=f"depthwise{number}")
        x = net.conv2d(x, 1, 1, name=f"pointwise{number}")
    return net.trace(x)


def resnet_v1(*units: int) -> Trace:
    """ResNet v1 (arXiv 1512.03385) as TF-slim has it: a stage's stride is in its last unit.

    The 3x3 of stride 2 is padded alike on both sides; only the first pool has TensorFlow's padding.
    """
    net = Net()
    x = net.conv2d(net.input(1, 224), 1, 7, 2, padding=3, name="conv1")
    x = net.max_pool(x, 3, 2, padding="same", name="pool1")
    for number, count in enumerate(units, start=1):
        for unit in range(1, count + 1):
            stride = 2 if unit == count and number < len(units) else 1
            with net.block(f"block{number}.{unit}"):
                x = _bottleneck(net, x, stride, projected=unit == 1)
    return net.trace(x)


def _bottleneck(net: Net, x: Feature, stride: int, projected: bool) -> Feature:
    h = net.conv2d(x, 1, 1, name="conv1")
    h = net.conv2d(h, 1, 3, stride, padding=1, name="conv2")
    h = net.conv2d(h, 1, 1, name="conv3")
    if projected:
        skip = net.conv2d(x, 1, 1, stride, name="shortcut")
    else:
        skip = net.max_pool(x, 1, stride, name="shortcut")
    return net.add(h, skip)

"""Leaf idioms over shapes that three papers or more share; a block lives with its paper."""

from mobilenet_lab.layers import Feature
from mobilenet_lab.net import Net


def squeeze_excite(
    net: Net,
    x: Feature,
    squeeze: int,
    act: str = "relu",
    gate: str = "sigmoid",
    name: str = "se",
) -> Feature:
    """Gates each channel by what the whole map holds (arXiv 1709.01507).

    Global average pooling, 1x1 to `squeeze` channels with `act`, 1x1 back with `gate`, times `x`;
    both convolutions have a bias.
    """
    with net.scope(name):
        h = net.adaptive_avg_pool(x)
        h = net.conv2d(h, squeeze, 1, bias=True, name="reduce")
        h = net.act(h, act)
        h = net.conv2d(h, x.channels, 1, bias=True, name="expand")
        h = net.act(h, gate, name="gate")
        return net.mul(x, h)


def classifier(net: Net, x: Feature, classes: int, dropout: float = 0.0) -> Feature:
    """Global average pooling, dropout where its rate is not zero, and one linear layer."""
    with net.stage("classifier", role="classifier"):
        x = net.adaptive_avg_pool(x)
        x = net.flatten(x)
        if dropout:
            x = net.dropout(x, dropout)
        return net.linear(x, classes)

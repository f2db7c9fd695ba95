"""Figures drawn from the same traces and rows as the tables: `lab.draw`.

Each function draws on the matplotlib Axes given as `ax`, or on a figure of its own, and returns the
Axes. `ax.figure.alt` says in words what is shown.
"""

from collections.abc import Callable

from matplotlib.axes import Axes

from mobilenet_lab.drawings.accuracy_chart import accuracy as accuracy
from mobilenet_lab.drawings.blocks import block as block
from mobilenet_lab.drawings.convolution_costs import areas as areas
from mobilenet_lab.drawings.convolution_costs import ratio as ratio
from mobilenet_lab.drawings.convolutions import convolution as convolution
from mobilenet_lab.drawings.cost_bars import costs as costs
from mobilenet_lab.drawings.effective_chart import effective as effective
from mobilenet_lab.drawings.fields import field as field
from mobilenet_lab.drawings.fields import growth as growth
from mobilenet_lab.drawings.latency_chart import latency as latency
from mobilenet_lab.drawings.memory_chart import memory as memory
from mobilenet_lab.drawings.network_diagram import network as network
from mobilenet_lab.drawings.planes import grid as grid
from mobilenet_lab.drawings.roofline_chart import roofline as roofline

KINDS: dict[str, Callable[..., Axes]] = {
    make.__name__: make
    for make in (
        *(block, network, costs, memory, roofline, latency, grid, accuracy),
        *(growth, field, effective, convolution, ratio, areas),
    )
}
"""Every kind of figure, by the name that the command line has for it."""

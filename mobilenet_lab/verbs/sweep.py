"""`sweep`: a network's totals at every combination of some settings."""

from typing import Any

from mobilenet_lab.analysis import DTYPES
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.reports.table import Column, Table
from mobilenet_lab.verbs.common import CONVENTION, NOT_COUNTED
from mobilenet_lab.verbs.settings import (
    Network,
    Watch,
    after_the_layers,
    counted,
    facts,
    heading,
    problems,
    setting_columns,
)


def sweep(
    network: Network, *, dtype: str = "float32", watch: Watch | None = None, **options: Any
) -> Table:
    """Parameters, MACs, activations and peak live memory at every combination of settings.

    Each option is one value or a list of values; the resolution runs fastest. A `network` that is
    a function is called with every combination and gives a trace, so that tables of your own can
    be searched:

        from mobilenet_lab.architectures.mobilenet_v2 import inverted_residual

        def network(t, depth, resolution):
            net = lab.Net()
            x = net.conv(net.input(3, resolution), 16, stride=2, name="stem")
            for number in range(depth):
                with net.block(f"block{number}"):
                    x = inverted_residual(net, x, t, c=24, stride=2)
            return net.trace(x)

        lab.sweep(network, t=[3, 6], depth=[2, 4], resolution=[96, 128])

    Memory is in bytes of `dtype`. Combinations at which maps vanish or do not meet are rows without
    numbers. `watch` is given the combinations and how many there are, and hands them on.

    Raises:
        UnknownNameError: no such network, option or dtype.
        LabError: an option's value is of no use, there is nothing to go through or too much, or no
            combination works.
    """
    if dtype not in DTYPES:
        raise UnknownNameError("dtype", dtype, DTYPES)
    swept = counted(network, options, watch)

    def memory(row: Any) -> int | None:
        return None if row.live is None else row.live * DTYPES[dtype]

    return Table(
        heading(swept),
        (
            *setting_columns(swept),
            Column("params", "params", "count", lambda row: row.params, "learned parameters"),
            Column("macs", "MACs", "count", lambda row: row.macs, CONVENTION),
            Column(
                "activations",
                "activations",
                "count",
                lambda row: row.activations,
                "elements written",
            ),
            Column("live", "live memory", "count", memory, f"bytes of {dtype}, at the peak"),
        ),
        swept.rows,
        subtitle=f"MACs by convention {CONVENTION}",
        notes=(
            NOT_COUNTED,
            f"Live memory: bytes of {dtype} activations held at once, at the peak.",
            *after_the_layers(swept),
            *problems(swept),
        ),
        facts=facts(swept) | {"dtype": dtype},
    )

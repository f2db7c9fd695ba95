"""Published ImageNet accuracies: top-1 in percent as printed, by whom, and of which network.

Each row is of one registered network at settings that `registry.trace` takes. Left out are
quantised networks, other datasets, numbers that a paper quotes from another, and networks whose
printed parameters are not ours (`published` says why): theirs is another network's accuracy, or
nobody knows. Where a network has several, its own paper's comes first; how long and how each was
trained differs.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mobilenet_lab import registry
from mobilenet_lab.layers import Trace


class Accuracy(NamedTuple):
    """One printed accuracy of one registered network."""

    network: str
    top1: float
    """ImageNet top-1, one crop, in percent, as printed."""
    source: str
    settings: Mapping[str, Any]
    """The arguments to trace the network with: width, resolution ..."""


def accuracies(network: str) -> tuple[Accuracy, ...]:
    """What has been printed of network `network`; of many nothing is known here.

    Raises:
        UnknownNameError: no network is called so.
    """
    registry.task(network)
    return tuple(row for row in ACCURACIES if row.network == network)


def accuracies_of(trace: Trace) -> tuple[Accuracy, ...]:
    """What has been printed of exactly this network: the same layers on the same input."""
    return tuple(
        row
        for row in ACCURACIES
        if row.network == trace.name
        and {row.settings["resolution"]} == {*trace.input_shape[1:]}
        and registry.trace(row.network, **row.settings).layers == trace.layers
    )


def _printed(
    network: str, source: str, rows: Iterable[tuple[float, int, float]], **settings: Any
) -> tuple[Accuracy, ...]:
    """Rows of (width, resolution, top-1); `settings` is what all of them share."""
    return tuple(
        Accuracy(network, top1, source, {"width": width, "resolution": resolution, **settings})
        for width, resolution, top1 in rows
    )


V1, V2 = "mobilenet_v1", "mobilenet_v2"
LARGE, SMALL = "mobilenet_v3_large", "mobilenet_v3_small"
V1_SLIM = "TF-slim, mobilenet_v1.md (with ReLU6)"
SLIM = "TF-slim, nets/mobilenet/README.md"
V3_TABLE_3, V3_TABLE_9 = "arXiv 1905.02244v5, Table 3", "arXiv 1905.02244v5, Table 9"
MIXNET = "arXiv 1907.09595, Table 2"
V4_TABLE_6 = "arXiv 2404.10518, Table 6"
AGAIN = f"{V4_TABLE_6} (trained anew, resolution not printed)"

# fmt: off
ACCURACIES = (
    *_printed(V1, "arXiv 1704.04861, Table 6",
              [(1.0, 224, 70.6), (0.75, 224, 68.4), (0.5, 224, 63.7), (0.25, 224, 50.6)]),
    *_printed(V1, "arXiv 1704.04861, Table 7",
              [(1.0, 192, 69.1), (1.0, 160, 67.2), (1.0, 128, 64.4)]),
    *_printed(V1, "arXiv 1704.04861, Table 9", [(0.5, 160, 60.2)]),
    *_printed(V1, V1_SLIM,
              [(1.0, 224, 70.9), (1.0, 192, 70.0), (1.0, 160, 68.0), (1.0, 128, 65.2),
               (0.75, 224, 68.4), (0.75, 192, 67.2), (0.75, 160, 65.3), (0.75, 128, 62.1),
               (0.5, 224, 63.3), (0.5, 192, 61.7), (0.5, 160, 59.1), (0.5, 128, 56.3),
               (0.25, 224, 49.8), (0.25, 192, 47.7), (0.25, 160, 45.5), (0.25, 128, 41.5)]),
    *_printed(V1, AGAIN, [(1.0, 224, 74.0)]),
    *_printed(f"{V1}_full_conv", "arXiv 1704.04861, Table 4", [(1.0, 224, 71.7)]),
    *_printed(V2, "arXiv 1801.04381, Table 4", [(1.0, 224, 72.0)]),
    *_printed(V2, SLIM,
              [(1.4, 224, 75.0), (1.3, 224, 74.4),
               (1.0, 224, 71.8), (1.0, 192, 70.7), (1.0, 160, 68.8), (1.0, 128, 65.3),
               (1.0, 96, 60.3),
               (0.75, 224, 69.8), (0.75, 192, 68.7), (0.75, 160, 66.4), (0.75, 128, 63.2),
               (0.75, 96, 58.8),
               (0.5, 224, 65.4), (0.5, 192, 63.9), (0.5, 160, 61.0), (0.5, 128, 57.7),
               (0.5, 96, 51.2),
               (0.35, 224, 60.3), (0.35, 192, 58.2), (0.35, 160, 55.7), (0.35, 128, 50.8),
               (0.35, 96, 45.5)]),
    *_printed(V2, V3_TABLE_3, [(0.35, 224, 60.8)]),
    *_printed(V2, AGAIN, [(0.5, 224, 66), (1.0, 224, 73.4), (1.5, 224, 76.8), (2.0, 224, 78.4)]),
    *_printed(LARGE, V3_TABLE_9,
              [(1.0, 256, 76.0), (1.0, 224, 75.2), (1.0, 192, 73.7), (1.0, 160, 71.7),
               (1.0, 128, 68.4), (1.0, 96, 63.3)]),
    *_printed(LARGE, V3_TABLE_9, [(1.25, 224, 76.6)], scaling="slim", hidden=1280),
    *_printed(LARGE, V3_TABLE_9, [(0.75, 224, 73.3), (0.5, 224, 68.8)], scaling="slim"),
    *_printed(LARGE, AGAIN, [(0.5, 224, 69.2)], scaling="slim"),
    *_printed(SMALL, V3_TABLE_9,
              [(1.0, 256, 68.5), (1.0, 224, 67.5), (1.0, 160, 62.8), (1.0, 128, 57.3),
               (1.0, 96, 51.7)]),
    *_printed(SMALL, V3_TABLE_9,
              [(1.25, 224, 70.4), (0.75, 224, 65.4), (0.5, 224, 58.0), (0.35, 224, 49.8)],
              scaling="slim"),
    *_printed(SMALL, V3_TABLE_3, [(1.0, 224, 67.4)]),
    *_printed(f"{LARGE}_minimal", SLIM, [(1.0, 224, 72.3)]),
    *_printed(f"{SMALL}_minimal", SLIM, [(1.0, 224, 61.9)]),
    *_printed("mnasnet_a1", V3_TABLE_3, [(1.0, 224, 75.2)]),
    *_printed("mixnet_s", MIXNET, [(1.0, 224, 75.8)]),
    *_printed("mixnet_m", MIXNET, [(1.0, 224, 77.0)]),
    *_printed("mixnet_l", MIXNET, [(1.0, 224, 78.9)]),
    *_printed("mobilenet_v4_conv_small", V4_TABLE_6, [(1.0, 224, 73.8)]),
    *_printed("vgg16", "arXiv 1704.04861, Table 8", [(1.0, 224, 71.5)]),
    *_printed("alexnet", "arXiv 1704.04861, Table 9 (resolution not printed)", [(1.0, 227, 57.2)]),
)
# fmt: on

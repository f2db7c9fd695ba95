"""mobilenet_lab: exact parameters, MACs and receptive fields of lightweight CNNs, explained.

    import mobilenet_lab as lab
    lab.summary("mobilenet_v2", width=0.5)      # a table that prints itself
    lab.trace("mobilenet_v2").layers            # the network over shapes
    lab.build("mobilenet_v2")                   # the same network as an nn.Module (torch)
    lab.verify("mobilenet_v2").ok               # each row against fvcore and torchinfo (torch)
    lab.draw.block("mobilenet_v2", "resnet50")  # a figure: matplotlib Axes

Importing this imports nothing heavy; each name loads its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import mobilenet_lab.drawings as draw  # noqa: F401
    from mobilenet_lab.analysis import analyse as analyse
    from mobilenet_lab.errors import LabError as LabError
    from mobilenet_lab.fine_tuning import train as train
    from mobilenet_lab.latency import bench as bench
    from mobilenet_lab.layers import Trace as Trace
    from mobilenet_lab.narrowing import netadapt as netadapt
    from mobilenet_lab.net import Net as Net
    from mobilenet_lab.networks import build as build
    from mobilenet_lab.networks import inspect as inspect
    from mobilenet_lab.networks import trace as trace
    from mobilenet_lab.prediction import predict as predict
    from mobilenet_lab.receptive_field import receptive_fields as receptive_fields
    from mobilenet_lab.reconciliation import reconcile as reconcile
    from mobilenet_lab.resolutions import counts_at as counts_at
    from mobilenet_lab.verbs.budget import budget as budget
    from mobilenet_lab.verbs.compare import compare as compare
    from mobilenet_lab.verbs.convolution import conv as conv
    from mobilenet_lab.verbs.explain import explain as explain
    from mobilenet_lab.verbs.export import export as export
    from mobilenet_lab.verbs.field import field as field
    from mobilenet_lab.verbs.listing import list_networks as list
    from mobilenet_lab.verbs.published import published as published
    from mobilenet_lab.verbs.roofline import roofline as roofline
    from mobilenet_lab.verbs.summary import summary as summary
    from mobilenet_lab.verbs.sweep import sweep as sweep
    from mobilenet_lab.verification import verify as verify

__version__ = "0.1.0"

_HOME = {
    "LabError": "errors.LabError",
    "Net": "net.Net",
    "Trace": "layers.Trace",
    "analyse": "analysis.analyse",
    "bench": "latency.bench",
    "budget": "verbs.budget.budget",
    "build": "networks.build",
    "compare": "verbs.compare.compare",
    "conv": "verbs.convolution.conv",
    "counts_at": "resolutions.counts_at",
    "draw": "drawings",
    "explain": "verbs.explain.explain",
    "export": "verbs.export.export",
    "field": "verbs.field.field",
    "inspect": "networks.inspect",
    "list": "verbs.listing.list_networks",
    "netadapt": "narrowing.netadapt",
    "predict": "prediction.predict",
    "published": "verbs.published.published",
    "receptive_fields": "receptive_field.receptive_fields",
    "reconcile": "reconciliation.reconcile",
    "roofline": "verbs.roofline.roofline",
    "summary": "verbs.summary.summary",
    "sweep": "verbs.sweep.sweep",
    "trace": "networks.trace",
    "train": "fine_tuning.train",
    "verify": "verification.verify",
}
"""Public name -> where it lives."""

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOME[name].rpartition(".")
    if not module:
        return import_module(f"{__name__}.{attribute}")
    return getattr(import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> "list[str]":  # type: ignore[valid-type]
    return sorted({*globals(), *__all__})

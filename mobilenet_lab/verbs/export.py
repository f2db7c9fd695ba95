"""A network as a text file that can be edited and read back (docs/files.md)."""

from dataclasses import replace
from typing import Any

from mobilenet_lab.importers.writing import dumps
from mobilenet_lab.layers import Layer, Trace
from mobilenet_lab.networks import Network, given


def export(network: Network, **options: Any) -> str:
    """The text of a network's file; options are those of `networks.given`.

    Of a module that was read, stages and blocks are the first and the second part of the paths.

    Raises:
        UnknownNameError: no such network or option.
        LabError: a layer is of a kind that a file cannot say.
    """
    found = given(network, **options)
    return dumps(_by_paths(found.trace) if found.is_read else found.trace)


def _by_paths(trace: Trace) -> Trace:
    """A trace whose layers stand in the stages and blocks that their names say."""
    return replace(trace, layers=tuple(map(_by_path, trace.layers)), settings={}, unused={})


def _by_path(layer: Layer) -> Layer:
    stage, *rest = layer.name.split(".")
    block = f"{stage}.{rest[0]}" if len(rest) > 1 else stage
    role = layer.name.removeprefix(f"{block}.")
    return layer._replace(stage=stage, block=block, role=role, mode=_mode(layer))


def _mode(layer: Layer) -> str:
    """What a layer does, without how PyTorch writes it, which no file says."""
    return "" if layer.kernel is not None or layer.op in ("batch_norm", "attention") else layer.mode

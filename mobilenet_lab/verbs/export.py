"""A network as a text file that can be edited and read back (docs/files.md)."""

from typing import Any

from mobilenet_lab.importers.writing import dumps
from mobilenet_lab.networks import Network
from mobilenet_lab.networks import trace as traced


def export(network: Network, **options: Any) -> str:
    """The text of a network's file; options are those of `registry.trace`.

    Raises:
        UnknownNameError: no such network or option.
        LabError: a layer is of a kind that a file cannot say.
    """
    return dumps(traced(network, **options))

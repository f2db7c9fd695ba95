"""The trace, run with the twin's weights, gives the twin's outputs."""

from typing import Any

import pytest
import torch
from networks import NAMES, fitting

from mobilenet_lab import registry

from .cases import grid, images, label, outputs, twin
from .interpreter import run


@pytest.mark.parametrize(("name", "options"), grid(), ids=label)
def test_trace_runs_as_the_twin_does(name: str, options: dict[str, Any]) -> None:
    trace, module = registry.trace(name, **options), twin(name, **options)
    x = images(2, trace.input_shape)
    with torch.no_grad():
        ours = run(trace, module.get_submodule, x)
    for mine, theirs in zip(ours, outputs(module, x), strict=True):
        largest = float(theirs.abs().max())
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4 * largest)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resolution", [(64, 64), (63, 95)])
def test_and_to_the_last_digits_in_double_precision(name: str, resolution: Any) -> None:
    settings = fitting(name, {"resolution": resolution})
    trace = registry.trace(name, **settings)
    module = twin(name, **settings).double()
    for seed in range(3):
        x = images(2, trace.input_shape, seed).double()
        with torch.no_grad():
            ours = run(trace, module.get_submodule, x)
        for mine, theirs in zip(ours, outputs(module, x), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_depend_on_the_image(name: str) -> None:
    """Otherwise the agreement above would mean nothing."""
    settings = fitting(name, {"resolution": (64, 64)})
    trace, module = registry.trace(name, **settings), twin(name, **settings)
    for scores in outputs(module, images(2, trace.input_shape)):
        assert (scores[0] - scores[1]).abs().max() > 0.01 * scores.std()

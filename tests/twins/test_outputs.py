"""The trace, run with the twin's weights, gives the twin's output."""

from typing import Any

import pytest
import torch
from networks import NAMES

from mobilenet_lab import registry

from .cases import grid, images, label, twin
from .interpreter import run


@pytest.mark.parametrize(("name", "options"), grid(), ids=label)
def test_trace_runs_as_the_twin_does(name: str, options: dict[str, Any]) -> None:
    trace, module = registry.trace(name, **options), twin(name, **options)
    x = images(2, trace.input_shape)
    with torch.no_grad():
        theirs = module(x)
        (ours,) = run(trace, module.get_submodule, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resolution", [(64, 64), (63, 95)])
def test_and_to_the_last_digits_in_double_precision(name: str, resolution: Any) -> None:
    trace = registry.trace(name, resolution=resolution)
    module = twin(name).double()
    for seed in range(3):
        x = images(2, trace.input_shape, seed).double()
        with torch.no_grad():
            theirs = module(x)
            (ours,) = run(trace, module.get_submodule, x)
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_depend_on_the_image(name: str) -> None:
    """Otherwise the agreement above would mean nothing."""
    module = twin(name)
    with torch.no_grad():
        scores = module(images(2, (3, 64, 64)))
    assert (scores[0] - scores[1]).abs().max() > 0.01 * scores.std()

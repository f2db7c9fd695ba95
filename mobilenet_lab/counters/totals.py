"""What each public counter prints for a whole module, under one signature.

Each function runs its tool once on `image` (1 x C x H x W) and returns the tool's own number. The
module itself is left as it was: tools that write into a module get a copy. Put it in eval mode.
"""

import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module

import torch
from torch import Tensor, nn

from mobilenet_lab.counters import taken_apart

Tool = Callable[[nn.Module, Tensor], int]


def fvcore(module: nn.Module, image: Tensor) -> int:
    """FlopCountAnalysis' total."""
    counted = import_module("mobilenet_lab.counters.fvcore").count(module, image)
    return sum(counted[""].values())


def torchinfo(module: nn.Module, image: Tensor) -> int:
    """summary's total_mult_adds."""
    return int(
        import_module("torchinfo").summary(module, input_data=image, verbose=0).total_mult_adds
    )


def flop_counter(module: nn.Module, image: Tensor) -> int:
    """FlopCounterMode's total."""
    return int(import_module("mobilenet_lab.counters.flop_counter").count(module, image))


def ptflops_pytorch(module: nn.Module, image: Tensor) -> int:
    """get_model_complexity_info, backend "pytorch"."""
    return _ptflops(module, image, "pytorch")


def ptflops_aten(module: nn.Module, image: Tensor) -> int:
    """get_model_complexity_info, backend "aten"."""
    return _ptflops(module, image, "aten")


def _ptflops(module: nn.Module, image: Tensor, backend: str) -> int:
    macs, _ = import_module("ptflops").get_model_complexity_info(
        copy.deepcopy(module),
        tuple(image.shape[1:]),
        as_strings=False,
        print_per_layer_stat=False,
        backend=backend,
        input_constructor=lambda _: image,
    )
    if macs is None:
        raise RuntimeError("it gives no number")
    return int(macs)


def thop(module: nn.Module, image: Tensor) -> int:
    """profile's MACs."""
    macs, _ = import_module("thop").profile(copy.deepcopy(module), (image,), verbose=False)
    return int(macs)


def calflops(module: nn.Module, image: Tensor) -> int:
    """calculate_flops' FLOPs."""
    with _functions_restored():
        flops, _, _ = import_module("calflops").calculate_flops(
            copy.deepcopy(module), args=[image], print_results=False, output_as_string=False
        )
    return int(flops)


def torchprofile(module: nn.Module, image: Tensor) -> int:
    """profile_macs."""
    return int(import_module("torchprofile").profile_macs(module, image))


_ALL = fvcore, torchinfo, flop_counter, ptflops_pytorch, ptflops_aten, thop, calflops, torchprofile
TOOLS: dict[str, Tool] = {tool.__name__: tool for tool in _ALL}
"""By the name of the convention that says what it counts."""


def run(tool: str, module: nn.Module, image: Tensor) -> int:
    """What `tool`, a name in TOOLS, prints; its own printing and warnings are kept quiet.

    Raises:
        ModuleNotFoundError: the tool is not installed.
        Exception: whatever the tool raises.
    """
    silence = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
        torch.no_grad(),
        taken_apart(),
    ):
        warnings.simplefilter("ignore")
        return TOOLS[tool](module, image)


@contextlib.contextmanager
def _functions_restored() -> Iterator[None]:
    """calflops replaces functions of torch and, if the model fails, leaves them replaced."""
    places = (nn.functional, torch, torch.Tensor)
    before = [dict(vars(place)) for place in places]
    try:
        yield
    finally:
        for place, kept in zip(places, before, strict=True):
            for name, function in dict(vars(place)).items():
                if name not in kept:
                    delattr(place, name)
                elif function is not kept[name]:
                    setattr(place, name, kept[name])

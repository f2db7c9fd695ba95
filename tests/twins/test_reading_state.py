"""A module that was read comes back exactly as it was, whatever its forward pass did to it.

Here is each thing that a forward pass may disturb, one by one.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from networks import KINDS
from torch import Tensor, nn
from torch.nn.modules import module as hooks

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.errors import LabError

from .cases import build, thin
from .test_reading_features import Made

SHAPE = (3, 6, 5)


def attributes(module: nn.Module) -> dict[tuple[str, str], int]:
    """Which object each attribute of each part is."""
    return {
        (path, key): id(value)
        for path, part in module.named_modules()
        for key, value in vars(part).items()
    }


def hooked() -> dict[str, list[Any]]:
    """PyTorch's hooks of all modules."""
    return {
        name: list(value)
        for name, value in vars(hooks).items()
        if name.startswith("_global") and isinstance(value, dict)
    }


def read(module: nn.Module, shape: Any = SHAPE) -> None:
    """Reads a module, or fails to, and holds what is there before and after."""
    state = {key: value.clone() for key, value in module.state_dict().items()}
    objects = {key: id(value) for key, value in module.state_dict(keep_vars=True).items()}
    before, around = attributes(module), hooked()
    modes = [part.training for part in module.modules()]
    wanted = [each.requires_grad for each in module.parameters()]
    gradients = [each.grad for each in module.parameters()]
    try:
        lab.inspect(module, shape)
    finally:
        after = module.state_dict(keep_vars=True)
        assert list(after) == list(state)
        assert all(torch.equal(value, state[key]) for key, value in after.items())
        assert {key: id(value) for key, value in after.items()} == objects
        assert attributes(module) == before
        assert list(attributes(module)) == list(before)
        assert hooked() == around
        assert [part.training for part in module.modules()] == modes
        assert [each.requires_grad for each in module.parameters()] == wanted
        now = [each.grad for each in module.parameters()]
        assert all(one is other for one, other in zip(now, gradients, strict=True))


def conv() -> nn.Conv2d:
    return nn.Conv2d(3, 3, 1)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("training", [True, False])
def test_twins(name: str, training: bool) -> None:
    options = thin(name, resolution=(64, 64))
    module = build(name, **options).train(training)
    next(module.children()).train(not training)
    next(module.parameters()).requires_grad_(False)
    read(module, registry.trace(name, **options).input_shape)


def counts(m: Any, x: Tensor) -> None:
    m.calls.add_(1)
    m.calls = m.calls + 1
    m.number += 1


def scales(m: Any, x: Tensor) -> None:
    m.conv.weight.data.mul_(2)
    with torch.no_grad():
        m.conv.bias.add_(1)


def keeps(m: Any, x: Tensor) -> None:
    m.last = x
    m.seen.append(x)


def grows(m: Any, x: Tensor) -> None:
    m.more = conv()
    m.register_parameter("extra", nn.Parameter(torch.ones(1)))
    m.register_buffer("map", x)
    m.conv.new = nn.ReLU()


def shrinks(m: Any, x: Tensor) -> None:
    del m.calls
    m.conv.bias = None


def switches(m: Any, x: Tensor) -> None:
    m.train()
    m.conv.eval()
    m.conv.requires_grad_(False)


def hooks_itself(m: Any, x: Tensor) -> None:
    m.register_forward_hook(lambda *_: None)
    m.conv.register_forward_pre_hook(lambda *_: None)


HABITS: tuple[Callable[[Any, Tensor], None], ...] = (
    *(counts, scales, keeps, grows, shrinks, switches, hooks_itself),
)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("habit", HABITS)
def test_a_pass_that_changes_the_module(habit: Callable[[Any, Tensor], None], fails: bool) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        habit(m, x)
        if fails:
            raise ValueError("not today")
        return y

    parts = {"conv": conv(), "calls": nn.Buffer(torch.zeros(2)), "number": 0, "seen": [1]}
    module = Made(forward, **parts).train()
    nn.Sequential(module.conv)(torch.randn(1, *SHAPE)).sum().backward()
    if fails:
        with pytest.raises(LabError, match="not today"):
            read(module)
    else:
        read(module)
    assert module.seen == [1]


def test_containers_inside_of_containers() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        m.caches["keys"].append(x)
        m.caches["new"] = x
        m.steps[0].append(x)
        m.queue.append(x)
        m.names.add("x")
        m.pair[0].append(x)
        return m.conv(x)

    keys: list[Any] = []
    module = Made(
        forward,
        conv=conv(),
        caches={"keys": keys},
        steps=[[1], [2]],
        queue=deque([1], maxlen=2),
        names={"a"},
        pair=([], 3),
    )
    module.loop = module.steps
    module.steps.append(module.steps)
    read(module)
    assert module.caches == {"keys": []}
    assert module.caches["keys"] is keys
    assert module.steps[:2] == [[1], [2]]
    assert module.steps[2] is module.steps
    assert (module.queue, module.queue.maxlen) == (deque([1]), 2)
    assert (module.names, module.pair) == ({"a"}, ([], 3))


def test_norms_keep_their_statistics() -> None:
    module = nn.Sequential(
        conv(), nn.BatchNorm2d(3), nn.utils.parametrizations.spectral_norm(conv())
    ).train()
    read(module)
    assert module[1].num_batches_tracked == 0


def test_a_train_method_of_its_own_is_not_called_to_come_back() -> None:
    """The usual way to keep norms frozen must not be undone or repeated."""

    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3).eval()
            self.conv = conv()
            self.asked: list[bool] = []

        def train(self, mode: bool = True) -> "Frozen":
            self.asked.append(mode)
            super().train(mode)
            self.norm.eval()
            return self

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.norm(x))

    module = Frozen()
    read(module)
    assert (module.training, module.norm.training, module.conv.training) == (True, False, True)
    assert module.asked == []


def test_hooks_of_the_user_are_called_once_and_stay() -> None:
    called: list[Any] = []
    module = nn.Sequential(conv(), nn.ReLU())
    module[0].register_forward_hook(lambda _, __, out: called.append(tuple(out.shape)))
    module.register_full_backward_hook(lambda *_: None)
    everywhere = hooks.register_module_forward_hook(lambda part, *_: called.append(type(part)))
    try:
        read(module)
        assert called == [nn.Conv2d, (1, *SHAPE), nn.ReLU, nn.Sequential]
        assert hooked()["_global_forward_hooks"] == [everywhere.id]
    finally:
        everywhere.remove()


@pytest.mark.parametrize("fails", [False, True])
def test_random_states(fails: bool) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        random.seed(7)
        numpy.random.seed(7)
        torch.manual_seed(7)
        torch.rand(3)
        if fails:
            raise ValueError("not today")
        return m.conv(x + torch.randn_like(x))

    module = Made(forward, conv=conv())
    before = torch.get_rng_state(), random.getstate(), numpy.random.get_state()[1].copy()
    if fails:
        with pytest.raises(LabError):
            read(module)
    else:
        read(module)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (numpy.random.get_state()[1] == before[2]).all()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("fast", [True, False])
def test_modes_of_pytorch(fails: bool, fast: bool) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        assert torch.backends.mha.get_fastpath_enabled() is False
        if fails:
            raise ValueError("not today")
        return m.conv(x)

    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(fast)
    try:
        if fails:
            with pytest.raises(LabError, match="not today"):
                read(Made(forward, conv=conv()))
        else:
            read(Made(forward, conv=conv()))
        assert torch.backends.mha.get_fastpath_enabled() is fast
    finally:
        torch.backends.mha.set_fastpath_enabled(was)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.zeros(2).device.type == "cpu"
    assert torch.utils._python_dispatch._len_torch_dispatch_stack() == 0


def test_a_read_module_trains_on() -> None:
    torch.manual_seed(0)
    one, other = nn.Sequential(conv(), nn.BatchNorm2d(3)), nn.Sequential(conv(), nn.BatchNorm2d(3))
    other.load_state_dict(one.state_dict())
    read(other)
    image = torch.randn(2, *SHAPE)
    for module in (one, other):
        module(image).square().sum().backward()
        torch.optim.SGD(module.parameters(), 0.1).step()
    for mine, theirs in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)

"""The operators that a module's forward pass calls, each with the module it belongs to.

The pass runs on tensors of the `meta` device, which have shapes and no values, so that nothing is
computed and nothing of the module is touched. Autograd is off, so that an operator is seen before
PyTorch takes it apart: `conv2d`, `linear`, `scaled_dot_product_attention`. These are the operators
of `torch.export`'s graphs (tests hold the two together), in a fraction of its time; what export
cannot follow (a branch that depends on a value) ends here, too.
"""

import os
import random
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from mobilenet_lab.counters import taken_apart
from mobilenet_lab.errors import LabError


class Visit(NamedTuple):
    """One call of one module."""

    path: str
    module: nn.Module
    number: int
    """Of all calls of modules, in order."""


class Call(NamedTuple):
    """One operator as it was called. Tensors stand for themselves; none has values."""

    operator: Any
    arguments: dict[str, Any]
    """By the names of the operator's schema."""
    outputs: tuple[Tensor, ...]
    visits: tuple[Visit, ...]
    """The modules around it, from the outermost in."""

    @property
    def name(self) -> str:
        """`conv2d`; in place or not makes no difference."""
        return str(self.operator._schema.name).rpartition("::")[2].rstrip("_") or "_"

    @property
    def written(self) -> Tensor | None:
        """The tensor that the operator writes into, in place or as its `out`."""
        for each in self.operator._schema.arguments:
            if each.alias_info is not None and each.alias_info.is_write:
                found = self.arguments[each.name]
                return found if isinstance(found, Tensor) else None
        return None


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operator that is called while it is active.

    `keep` says which operators are taken as they are; any other that PyTorch can take apart is.
    """

    def __init__(self, module: nn.Module, keep: Callable[[Any], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self._keep = keep
        self._paths = {id(part): path for path, part in module.named_modules()}
        self._open: list[Visit] = []
        self._visited = 0
        self._stand_ins: dict[int, Tensor] = {}
        self._originals: dict[int, Tensor] = {}
        self._made: set[int] = set()
        self._alive: list[Any] = []
        """Nothing seen is let go, so that an id stays that of one tensor."""

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        arguments = tree_map_only(Tensor, self._stood_for, _bound(operator, args, kwargs))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        # what was made on the way from numbers alone (positions, say) has values
        if given and not all(id(tensor) in self._made for tensor in given):
            args, kwargs = tree_map_only(Tensor, self._stand_in, (args, kwargs))
        if not self._keep(operator):
            with self:
                answer = operator.decompose(*args, **kwargs)
            if answer is not NotImplemented:
                return answer
        answer = operator(*args, **kwargs)
        if not operator._schema.is_mutable and any(answer is each for each in given):
            answer = torch.ops.aten.alias(answer)  # dropout, in eval: a layer all the same
        leaves = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor)]
        outputs = tuple(map(self._stood_for, leaves))
        self._made.update(id(leaf) for leaf in leaves if leaf.device.type != "meta")
        self._alive += [*given, *leaves]
        self.calls.append(Call(operator, arguments, outputs, tuple(self._open)))
        return answer

    def _stand_in(self, tensor: Tensor) -> Tensor:
        """The tensor without values that stands for one of the module's."""
        if tensor.device.type == "meta":
            return tensor
        if id(tensor) not in self._stand_ins:
            with torch.inference_mode(False):  # so that views of it may be made
                made = torch.empty_strided(
                    tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta"
                )
            self._stand_ins[id(tensor)] = made
            self._originals[id(made)] = tensor
            self._alive += [tensor, made]
        return self._stand_ins[id(tensor)]

    def _stood_for(self, tensor: Tensor) -> Tensor:
        """The module's tensor, also inside of an operator that is taken apart."""
        return self._originals.get(id(tensor), tensor)

    @contextmanager
    def modules_watched(self) -> Iterator[None]:
        """While open, calls know which modules they are made in."""
        handles = [
            hooks.register_module_forward_pre_hook(self._enter),
            hooks.register_module_forward_hook(self._leave, always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, _: Any) -> None:
        path = self._paths.get(id(module), "")
        if self._open:  # a module with two parents goes by the one that called it
            parent = self._open[-1]
            for name, child in parent.module._modules.items():
                if child is module:
                    path = f"{parent.path}.{name}" if parent.path else name
                    break
        self._visited += 1
        self._open.append(Visit(path, module, self._visited))

    def _leave(self, module: nn.Module, *_: Any) -> None:
        if self._open and self._open[-1].module is module:
            self._open.pop()


def record(
    module: nn.Module,
    inputs: tuple[Sequence[Any], dict[str, Any]],
    keep: Callable[[Any], bool],
    name: str,
) -> tuple[Recorder, Any]:
    """The recorder of one forward pass in eval mode, and what the pass gave.

    `inputs` are positional and keyword arguments. The module comes back as it was.

    Raises:
        LabError: the pass fails, or depends on values; the sentence names the place.
    """
    recorder = Recorder(module, keep)
    args, kwargs = inputs
    with ExitStack() as stack:
        stack.enter_context(_unchanged(module))
        stack.enter_context(_same_random_state())
        stack.enter_context(taken_apart())
        stack.enter_context(torch.inference_mode())
        stack.enter_context(recorder.modules_watched())
        try:
            module.eval()
            with recorder:
                answer = module(*args, **kwargs)
        except (Exception, SystemExit) as error:  # a foreign module may fail in any way
            raise LabError(f"{name} cannot be read: {_place(error)}") from error
    return recorder, answer


def _bound(operator: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Every argument by its name, with the defaults of those that were not given."""
    schema = operator._schema.arguments
    bound = {each.name: each.default_value for each in schema if each.has_default_value()}
    positional = [each.name for each in schema if not each.kwarg_only]
    return bound | dict(zip(positional, args, strict=False)) | kwargs


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Gives every part of a module back what it had, and every weight whether it learns."""
    parts = list(module.modules())
    before = [dict(vars(part)) for part in parts]
    held: dict[int, tuple[Any, Any]] = {}
    for attributes in before:
        for value in attributes.values():
            _note(value, held)
    learned = [(each, each.requires_grad) for each in module.parameters()]
    try:
        yield
    finally:
        for part, attributes in zip(parts, before, strict=True):
            for key in [key for key in vars(part) if key not in attributes]:
                del vars(part)[key]
            vars(part).update(attributes)
        for container, contents in held.values():
            _refill(container, contents)
        for parameter, wanted in learned:
            if parameter.requires_grad != wanted:  # a `train` of its own may freeze some
                parameter.requires_grad_(wanted)


def _note(value: Any, held: dict[int, tuple[Any, Any]]) -> None:
    """Notes what a container holds, and those inside of it."""
    if isinstance(value, list | dict | set | deque) and id(value) not in held:
        held[id(value)] = value, value.copy()
    elif not isinstance(value, tuple):
        return
    for each in list(value.values() if isinstance(value, dict) else value):
        _note(each, held)


def _refill(container: Any, contents: Any) -> None:
    container.clear()
    if isinstance(container, list | deque):
        container.extend(contents)
    else:
        container.update(contents)


@contextmanager
def _same_random_state() -> Iterator[None]:
    """Gives torch and Python, and NumPy where it is in use, the random state that they had."""
    numpy = sys.modules.get("numpy")
    python, arrays = random.getstate(), numpy.random.get_state() if numpy else None
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        if numpy:
            numpy.random.set_state(arrays)


OWN_FILES = (f"{Path(torch.__file__).parent}{os.sep}", str(Path(__file__)))
ON_VALUES = ("meta tensor", "Meta", "_local_scalar_dense", "data-dependent", "nonzero")
"""What PyTorch's messages say where a value is asked for that is not there."""


def _place(error: BaseException) -> str:
    """Where a forward pass failed and why, as the end of a sentence."""
    if isinstance(error, LabError):
        return str(error)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(OWN_FILES) and not frame.filename.startswith("<")
    ]
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    if any(told in str(error) for told in ON_VALUES):
        reason = (
            "what runs next depends on values of the input (data-dependent control flow), "
            "so that no one trace is true"
        )
    if not frames:
        return reason
    last = frames[-1]
    line = f" ({last.line})" if last.line else ""
    return f"{Path(last.filename).name}, line {last.lineno}{line}: {reason}"

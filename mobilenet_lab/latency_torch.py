"""Timing on this machine: networks, their layers one after the other, and the machine itself.

A layer is timed in place. The trace is run layer by layer with the weights of the module
(`interpreter_torch`), and each step is timed where it runs, on what the layers before have just
written. So sums, concatenations and parts of a split, which no module stands for, have times of
their own, and caches hold what they hold while the network runs; a layer timed by itself again and
again would find its input always near.
"""

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.benchmark import Timer

from mobilenet_lab.errors import LabError
from mobilenet_lab.importers.inputs_torch import given_inputs
from mobilenet_lab.interpreter_torch import Interpreted
from mobilenet_lab.layers import Layer, Trace

Clock = Callable[[], float]
"""Seconds since some moment, when all that was asked for is done."""
BLOCK = 0.05
"""Seconds that a block of runs takes at least."""


class Setting(NamedTuple):
    """What networks are timed with."""

    batch: int
    threads: int
    dtype: str
    device: str
    channels_last: bool

    @property
    def torch_dtype(self) -> torch.dtype:
        found: torch.dtype = getattr(torch, self.dtype)
        return found

    @property
    def told(self) -> str:
        """In words."""
        last = ", channels last" if self.channels_last else ""
        return f"with batch {self.batch} in {self.dtype}{last} on {self.device}"

    def prepared(self, tensor: Tensor) -> Tensor:
        """On the device, of the dtype if it has fractions, in the memory format."""
        moved = tensor.to(self.device, self.torch_dtype if tensor.is_floating_point() else None)
        last = self.channels_last and moved.dim() == 4
        return moved.contiguous(memory_format=torch.channels_last) if last else moved


def is_available(device: str) -> bool:
    """Whether this machine has the device: cpu, cuda or mps."""
    if device == "cuda":
        return torch.cuda.is_available()
    return device != "mps" or torch.backends.mps.is_available()


def usual_threads() -> int:
    """How many threads torch uses when nobody says."""
    return torch.get_num_threads()


def clock_of(device: str, kind: str = "wall") -> Clock:
    """perf_counter; of a device that works beside, when it has done all that it was told.

    Of the kind "processor", the time that this thread has had a processor.
    """
    if kind == "processor":
        return thread_time
    waits = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}
    if device not in waits:
        return perf_counter
    wait = waits[device]

    def clock() -> float:
        wait()
        return perf_counter()

    return clock


@contextmanager
def with_threads(threads: int) -> Iterator[None]:
    """While open, torch has so many threads and keeps no gradients."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded() -> Iterator[None]:
    """While open, random numbers begin at the same place; afterwards, as if none had been."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Runnable(NamedTuple):
    """A network in eval mode with inputs; of a detector, its layers without what comes after."""

    module: nn.Module
    positional: tuple[Any, ...]
    named: dict[str, Any]
    tensors: tuple[Tensor, ...]
    """The inputs in the trace's order."""

    def timer(self, setting: Setting, clock: Clock) -> Timer:
        """What times blocks of runs."""
        return Timer(
            "module(*positional, **named)",
            globals=self._asdict(),
            timer=clock,
            num_threads=setting.threads,
        )


def runnable(module: nn.Module, trace: Trace, spec: Any, setting: Setting) -> Runnable:
    """`module`, which is changed, on noise of the trace's shapes, or of `spec` of a read one.

    Raises:
        LabError: it does not run so.
    """
    spec = [list(shape) for shape in trace.input_shapes] if spec is None else spec
    (positional, named), _ = given_inputs(module, spec, "cpu")
    tensors: list[Tensor] = []

    def filled(tensor: Tensor) -> Tensor:
        made = torch.zeros((setting.batch, *tensor.shape[1:]), dtype=tensor.dtype)
        noise = made.normal_() if made.is_floating_point() else made
        tensors.append(setting.prepared(noise))
        return tensors[-1]

    with _one_sentence(f"{trace.name or 'the network'} does not run {setting.told}"):
        positional, named = tree_map_only(Tensor, filled, (positional, named))
        _placed(module, setting)
        with torch.inference_mode():
            module(*positional, **named)
    return Runnable(module, tuple(positional), named, tuple(tensors))


def _placed(module: nn.Module, setting: Setting) -> None:
    """Makes a module ready to be timed; a detector's boxes are no layers."""
    module.eval().to(setting.device, setting.torch_dtype)
    if isinstance(getattr(module, "raw", None), bool):
        module.raw = True  # type: ignore[assignment]
    if setting.channels_last:
        module.to(memory_format=torch.channels_last)


@contextmanager
def _one_sentence(failure: str) -> Iterator[None]:
    """Tells what goes wrong: an operator that a dtype or device has not, somebody else's code."""
    try:
        yield
    except LabError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise LabError(f"{failure}: {reason}") from error


def runs_of_a_block(timer: Timer) -> int:
    """How many runs take BLOCK seconds, after some to warm up."""
    return max(1, round(BLOCK / max(timer.timeit(1).median, 1e-6)))


class Stepped(Interpreted):
    """A trace that notes how long each layer takes, the input aside; `spent` has the last run's."""

    def __init__(self, trace: Trace, clock: Clock) -> None:
        super().__init__(trace)
        self.clock = clock
        self.spent: list[float] = []
        # a path is looked up once, or small layers would seem to take that long
        self.get_submodule = cache(self.get_submodule)  # type: ignore[method-assign]

    def forward(self, *images: Tensor) -> Any:
        self.spent = []
        return super().forward(*images)

    def _step(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        begin = self.clock()
        value = super()._step(layer, inputs)
        self.spent.append(self.clock() - begin)
        return value


def stepped(network: Runnable, trace: Trace, setting: Setting, clock: Clock) -> Stepped:
    """The trace of a network with its weights, to be timed layer by layer.

    Raises:
        LabError: the trace does not say enough to run it, or it does not run.
    """
    steps = Stepped(trace, clock)
    with _one_sentence(f"{trace.name or 'the network'} does not run layer by layer"):
        steps.load_state_dict(network.module.state_dict(), strict=False)
        _placed(steps, setting)
        with torch.inference_mode():
            steps(*network.tensors)
    return steps


# The machine


LARGEST_MATRIX = 8192
ENOUGH = 0.02
"""Seconds of a product of matrices that are large enough."""
REPEATS = 8


def peak(setting: Setting, clock: Clock) -> float:
    """FLOP/s of the machine: the most that a product of two square matrices reaches."""
    side, best = 256, 0.0
    while True:
        left, right = (
            torch.rand(side, side).to(setting.device, setting.torch_dtype) for _ in range(2)
        )
        out = torch.empty_like(left)
        seconds = _fastest(lambda: torch.mm(left, right, out=out), clock)  # noqa: B023
        best = max(best, 2 * side**3 / seconds)
        if seconds >= ENOUGH or side >= LARGEST_MATRIX:
            return best
        side *= 2


def bandwidth(setting: Setting, clock: Clock) -> float:
    """Bytes/s of the machine's memory: the most that a sum of two long arrays reaches.

    Each of the three is as large as the largest cache, so that it does not hold them. As in STREAM,
    what is read and what is written counts, and no line that is read only to be written.
    """
    elements = array_bytes() // setting.torch_dtype.itemsize
    left, right = (
        torch.ones(elements, device=setting.device, dtype=setting.torch_dtype) for _ in range(2)
    )
    out = torch.empty_like(left)
    seconds = _fastest(lambda: torch.add(left, right, out=out), clock)
    return 3 * elements * setting.torch_dtype.itemsize / seconds


def _fastest(run: Callable[[], Any], clock: Clock) -> float:
    """Seconds of the fastest of some runs: what else the machine does only slows it."""
    run()
    seconds = []
    for _ in range(REPEATS):
        begin = clock()
        run()
        seconds.append(clock() - begin)
    return max(min(seconds), 1e-9)


CACHES = "/sys/devices/system/cpu/cpu0/cache"
LEAST_ARRAY, LARGEST_ARRAY = 64 * 2**20, 512 * 2**20


def array_bytes() -> int:
    """As large as the largest cache where the system tells, within limits."""
    sizes = [path.read_text().strip() for path in Path(CACHES).glob("index*/size")]
    largest = max([int(size[:-1]) * 2**10 for size in sizes if size.endswith("K")], default=0)
    return min(max(largest, LEAST_ARRAY), LARGEST_ARRAY)


def processor(device: str) -> str:
    """What the machine calls the device."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def library() -> str:
    """What computes."""
    mkldnn: Any = torch.backends.mkldnn
    helper = "with oneDNN" if mkldnn.is_available() else "without oneDNN"
    return f"PyTorch {torch.__version__} {helper}"

"""Training itself: epochs of steps, validation after each, and a checkpoint of both.

Every random decision follows from the seed and the epoch, so a run that is resumed after a whole
epoch goes on as if it had never stopped; on a CPU to the bit.
"""

import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mobilenet_lab.errors import LabError
from mobilenet_lab.training import checkpoint_torch, run_folder
from mobilenet_lab.training.data_torch import Batch, Data, Phase, loader
from mobilenet_lab.training.networks_torch import parameter_groups, trained, training_mode
from mobilenet_lab.training.processes_torch import added, all_of, share_statistics, together
from mobilenet_lab.training.randomness import seed_of
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.training.records import Epoch, Step
from mobilenet_lab.training.run_folder import Progress
from mobilenet_lab.training.schedules import share
from mobilenet_lab.training.tensorboard_torch import tensorboard

AUXILIARY = 0.3
"""What an auxiliary classifier counts in the gradient beside the network's own (GoogLeNet)."""
Watch = Callable[[Step | Epoch], None]


class Network(NamedTuple):
    """What is trained."""

    module: nn.Module
    head: str | None
    """The only part that is trained, if the others are frozen."""
    about: Mapping[str, Any]
    """What the JSON beside a checkpoint says of it."""


class Sums(NamedTuple):
    """Over images of all processes."""

    images: float = 0.0
    loss: float = 0.0
    correct: float = 0.0

    def plus(self, other: "Sums") -> "Sums":
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def mean_loss(self) -> float:
        return self.loss / self.images if self.images else 0.0

    @property
    def accuracy(self) -> float:
        return self.correct / self.images if self.images else 0.0


def fit(
    recipe: Recipe,
    data: Data,
    network: Network,
    folder: Path,
    accelerator: Accelerator,
    progress: Progress,
    watch: Watch | None = None,
) -> tuple[Epoch, ...]:
    """Trains from where `progress` stands to the last epoch; the history of all of it.

    The module is trained in place; of the main process alone, `watch` is told and files are
    written. The random state of torch and the handling of signals are afterwards as before.

    Raises:
        LabError: an image that cannot be read, a loss that is no number any more, or a full disk:
            the same on all processes. The folder keeps the last whole epoch.
        KeyboardInterrupt: of Ctrl-C or SIGTERM, and says so too.
    """
    main = accelerator.is_main_process
    with own_randomness(accelerator.device), _stoppable():
        history = list(progress.history)
        try:
            run = Fitting(recipe, data, network, accelerator, watch if main else None)
            if history:
                run.restore(progress)
            with tensorboard(folder if main else None, history) as note:

                def keep(epoch: Epoch, confusion: Tensor) -> Epoch:
                    content = run.checkpoint([*history, epoch], confusion)
                    run_folder.commit(folder, content)
                    note(epoch)
                    return epoch

                for number in range(len(history) + 1, recipe.epochs + 1):
                    epoch, confusion = run.epoch(number)
                    history.append(together(partial(keep, epoch, confusion)))
                    if run.watch is not None:
                        run.watch(history[-1])
        except KeyboardInterrupt:
            if main:
                run_folder.settle(folder)
            kept = f"{len(history)} of {recipe.epochs} epochs" if history else "no whole epoch yet"
            raise KeyboardInterrupt(
                f"stopped; {folder} holds {kept}: resume it to go on from there"
            ) from None
    return tuple(history)


class Fitting:
    """A run while it is under way."""

    def __init__(
        self,
        recipe: Recipe,
        data: Data,
        network: Network,
        accelerator: Accelerator,
        watch: Watch | None,
    ) -> None:
        self.recipe, self.data, self.network = recipe, data, network
        self.accelerator, self.watch = accelerator, watch
        self.module = network.module
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            convert = nn.SyncBatchNorm.convert_sync_batchnorm
            self.module = convert(self.module)  # type: ignore[no-untyped-call]
        parameters = trained(self.module)
        self.names = [*parameters]
        optimiser = _optimiser(recipe, parameter_groups(parameters, recipe.weight_decay))
        with warnings.catch_warnings():
            # the name in older versions of torch of what it now calls otherwise
            warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
            self.model, self.optimiser = accelerator.prepare(self.module, optimiser)
        self.steps = math.ceil(len(data.train) / recipe.batch_size)
        self.learning_rate = 0.0

    def restore(self, progress: Progress) -> None:
        """Puts back the state that a checkpoint holds."""
        memory = progress.files[run_folder.LAST_OPTIMISER]
        checkpoint_torch.restore(
            self.module,
            self.optimiser,
            self.names,
            progress.files[run_folder.LAST_MODEL],
            memory,
        )
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(progress.about["scaler"])

    def epoch(self, number: int) -> tuple[Epoch, Tensor]:
        """Trains and validates once; the confusions of validation, true class by given class."""
        begun = monotonic()
        training_mode(self.module, self.network.head)
        seen = self._pass(number, "train", self._learn)
        seconds = monotonic() - begun
        share_statistics(self.accelerator, self.module)
        self.module.eval()
        classes = len(self.data.classes)
        confusion = torch.zeros(classes * classes, dtype=torch.int64, device=self._device)

        def look(step: int, batch: Batch) -> Sums:
            sums, _, answers = self._forward(batch)
            pairs = batch.labels.to(self._device) * classes + answers
            confusion.add_(torch.bincount(pairs, minlength=classes * classes))
            return sums

        with torch.no_grad():
            held = self._pass(number, "val", look)
        epoch = Epoch(
            number,
            self.learning_rate,
            seen.mean_loss,
            seen.accuracy,
            held.mean_loss,
            held.accuracy,
            seen.images / seconds,
            monotonic() - begun,
        )
        return epoch, added(self.accelerator, confusion).view(classes, classes).cpu()

    def checkpoint(self, history: list[Epoch], confusion: Tensor) -> dict[str, bytes]:
        """The files of the run folder after an epoch."""
        about, now = self.network.about, history[-1]
        model = checkpoint_torch.network_bytes(self.module)
        memory = checkpoint_torch.optimiser_bytes(self.optimiser, self.names)
        scaler = self.accelerator.scaler
        files = {run_folder.LAST_MODEL: model, run_folder.LAST_OPTIMISER: memory}
        last = {
            **about,
            "epoch": now.epoch,
            "history": [epoch._asdict() for epoch in history],
            "scaler": scaler.state_dict() if scaler is not None else {},
            "files": {name: run_folder.digest(content) for name, content in files.items()},
        }
        found = {
            run_folder.RECIPE: self.recipe.to_json().encode(),  # a resumed run may change it
            run_folder.METRICS: run_folder.metrics_csv(history),
            **files,
            run_folder.LAST: run_folder.to_json(last),
        }
        if run_folder.best(history) is now:
            best = {**about, **now._asdict(), "confusion": confusion.tolist()}
            found[run_folder.BEST_MODEL] = model
            found[run_folder.BEST] = run_folder.to_json(best)
        return found

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.accelerator.device
        return device

    def _pass(self, number: int, phase: Phase, act: Callable[[int, Batch], Sums]) -> Sums:
        """One phase of an epoch: `act` on each batch, and the sum of what it gave."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        total = len(self.data.train if phase == "train" else self.data.val)
        batches = loader(self.data, self.recipe, number, phase, rank, world)
        torch.manual_seed(seed_of("dropout", self.recipe.seed, number, rank))
        sums, done, step = Sums(), 0, 0
        while True:
            batch, problem = _next(batches)
            self._agree(problem)
            if batch is None:
                break
            sums = sums.plus(act((number - 1) * self.steps + step, batch))
            done, step = done + batch.count, step + 1
            if not math.isfinite(sums.loss):
                raise LabError(
                    f"in epoch {number} the {phase} loss is {sums.loss}, no number any more: a "
                    "smaller learning rate or a warm-up may help"
                )
            if self.watch is not None:
                means = sums.mean_loss, sums.accuracy
                self.watch(Step(number, self.recipe.epochs, phase, done, total, *means))
        if not sums.images:
            raise LabError(f"no {phase} image can be read")
        return sums

    def _agree(self, problem: LabError | None) -> None:
        """Stops all processes if one cannot go on."""
        if self.accelerator.num_processes == 1:
            if problem is not None:
                raise problem
            return
        failed = torch.tensor(float(problem is not None), device=self._device)
        if added(self.accelerator, failed):
            texts = all_of([] if problem is None else [str(problem)])
            raise LabError(texts[0])

    def _learn(self, step: int, batch: Batch) -> Sums:
        """One step of the optimiser."""
        recipe = self.recipe
        warmup, total = recipe.warmup * self.steps, recipe.epochs * self.steps
        self.learning_rate = recipe.learning_rate * share(recipe.schedule, step, total, warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        sums, loss, _ = self._forward(batch)
        if sums.images and math.isfinite(sums.loss):
            # DDP takes the mean over processes of what is here a share of the sum
            self.accelerator.backward(loss * (self.accelerator.num_processes / sums.images))
            self.optimiser.step()
            self.optimiser.zero_grad()
        return sums

    def _forward(self, batch: Batch) -> tuple[Sums, Tensor, Tensor]:
        """Sums over all processes; the loss to learn from, summed over this one's images; answers.

        A process without images takes part with a batch of none, whose gradients are 0.
        """
        images = batch.images
        if images is None:
            images = torch.zeros(0, *self.data.image_shape)
        labels = batch.labels.to(self._device)
        scores, *auxiliary = _scores(self.model, images.to(self._device))
        smoothing = self.recipe.label_smoothing
        losses = [
            cross_entropy(each.float(), labels, reduction="sum", label_smoothing=smoothing)
            for each in (scores, *auxiliary)
        ]
        answers = scores.argmax(1)
        count = torch.tensor(float(len(labels)), device=self._device)
        local = torch.stack([count, losses[0].detach(), (answers == labels).sum().float()])
        sums = Sums(*added(self.accelerator, local).tolist())
        return sums, losses[0] + AUXILIARY * sum(losses[1:]), answers


def check_batches(network: Network, data: Data, recipe: Recipe, world: int) -> None:
    """Makes sure that no batch is too small for what the network does.

    Raises:
        LabError: batch norm would have one value for each channel: it has no statistics.
    """
    # a share is the batch by the number of processes, rounded down or up
    sizes = {recipe.batch_size, len(data.train) % recipe.batch_size or recipe.batch_size}
    if not any(1 in (size // world, -(-size // world)) for size in sizes):
        return
    kept = {name: value.clone() for name, value in network.module.state_dict().items()}
    training_mode(network.module, network.head)
    with torch.no_grad():
        _scores(network.module, torch.zeros(1, *data.image_shape))
    network.module.load_state_dict(kept)


def _scores(model: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """The network's scores, and those of its auxiliary classifiers.

    Raises:
        LabError: as `check_batches`.
    """
    try:
        found = model(images)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise LabError(
            "a batch of one image is left at the end of an epoch, and at this resolution batch "
            "norm has no statistics of one: choose another batch size"
        ) from None
    return found if isinstance(found, tuple) else (found,)


def _next(batches: Iterator[Batch]) -> tuple[Batch | None, LabError | None]:
    """The next batch, None at the end; or why there is none."""
    try:
        return next(batches, None), None
    except LabError as error:
        return None, error


def _optimiser(recipe: Recipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Leaves the caller's random state as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does; what comes after the first of them is not heard."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for each in kept:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    kept = {
        each: handler
        for each in (signal.SIGINT, signal.SIGTERM)
        if (handler := signal.getsignal(each)) is not None  # None: not Python's to put back
    }
    for each in kept:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)

"""The history of a run for TensorBoard, where the package is installed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.records import Epoch

FOLDER = "tensorboard"


@contextmanager
def tensorboard(folder: Path | None, history: Sequence[Epoch]) -> Iterator[Callable[[Epoch], None]]:
    """What takes note of an epoch, in a folder of the run's; of no folder, nothing is noted.

    A resumed run tells its history anew, and TensorBoard leaves out what stood there before.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        folder = None
    if folder is None:
        yield lambda epoch: None
        return
    try:
        writer = SummaryWriter(str(folder / FOLDER), purge_step=0 if history else None)
    except OSError as error:
        raise LabError(f"cannot write {folder / FOLDER}: {error.strerror}") from None

    def note(epoch: Epoch) -> None:
        numbers = epoch._asdict()
        at = numbers.pop("epoch")
        try:
            for name, value in numbers.items():
                phase, _, what = name.partition("_")
                tag = f"{what}/{phase}" if phase in ("train", "val") else name
                writer.add_scalar(tag, value, at)
            writer.flush()
        except OSError as error:
            raise LabError(f"cannot write {folder / FOLDER}: {error.strerror}") from None

    for epoch in history:
        note(epoch)
    try:
        yield note
    finally:
        writer.close()

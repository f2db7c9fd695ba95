"""What the parts of a training run hand to each other."""

from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """One image of a folder, and the number of its class."""

    path: Path
    label: int


class Splits(NamedTuple):
    """The images of a folder: those to train on, those held out."""

    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]


class Epoch(NamedTuple):
    """What one epoch gave; averages are over images, not over batches."""

    epoch: int
    """From 1."""
    learning_rate: float
    """Of its last step."""
    train_loss: float
    train_accuracy: float
    """Share from 0 to 1, in training mode with augmentation."""
    val_loss: float
    val_accuracy: float
    images_per_second: float
    """Of training."""
    seconds: float


class Step(NamedTuple):
    """How far a run has come, for whoever shows its progress."""

    epoch: int
    epochs: int
    """Of the whole run."""
    phase: str
    """train or val"""
    done: int
    """Images of this phase."""
    total: int
    loss: float
    """Mean over the images so far."""
    accuracy: float

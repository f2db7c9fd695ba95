"""Probabilities of classes for images in files."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn

from mobilenet_lab.errors import LabError
from mobilenet_lab.training.images_torch import BadImageError, load_image
from mobilenet_lab.training.preprocessing import Preprocessing

Watch: TypeAlias = Callable[[Iterable[str | Path], int], Iterable[str | Path]]


def probabilities(
    module: nn.Module,
    images: Iterable[str | Path],
    preprocessing: Preprocessing,
    bad: Callable[[BadImageError], None],
) -> Iterator[tuple[str, list[float]]]:
    """Path and softmax scores of each image; `bad` is told of those that cannot be read.

    One image at a time, so that none depends on the others.

    Raises:
        LabError: the network's scores are not finite; what `bad` raises.
    """
    module.eval()
    for path in images:
        try:
            image = load_image(path, preprocessing)
        except BadImageError as error:
            bad(error)
            continue
        with torch.inference_mode():
            scores = module(image[None])
        if isinstance(scores, tuple):  # auxiliary heads come after it
            scores = scores[0]
        if not scores.isfinite().all():
            raise LabError(f"{path}: the scores are not finite; the weights are damaged")
        yield str(path), torch.softmax(scores[0].float(), 0).tolist()

"""The twins against torchvision's and timm's models: the same weights, threads and memory format.

Each line has milliseconds of ours and theirs, and ours over theirs: the median of the pairs and,
in brackets, the middle half of them. One takes turns with the other, the first of a pair changes,
the garbage collector is off, and what counts is the time that the process had a processor, on one
thread: on a busy machine a clock on the wall measures the others. The process keeps its memory:
otherwise glibc gives some large maps back after each layer and not others, as the heap happens to
lie, and the pages fetched anew move a ratio anywhere from 0.8 to 1.15.
"""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from reference.foreign import images
from reference.test_lraspp import theirs as lraspp
from reference.test_ssdlite import pair
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from mobilenet_lab import registry
from mobilenet_lab.weights import in_running_order, load_weights

THREADS = 1
SECONDS, LEAST = 16.0, 11
"""How long pairs are timed (networks beyond the four: half as long), and how many at least."""
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MODES = ("forward", "forward of 8", "training step of 8")


def torchvision_s(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, **options)


def timm_s(name: str) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, pretrained=False)


FOUR: dict[str, Callable[[], nn.Module]] = {
    "mobilenet_v2": torchvision_s("mobilenet_v2"),
    "mobilenet_v3_large": torchvision_s("mobilenet_v3_large"),
    "mixnet_s": timm_s("mixnet_s"),
    "resnet50": torchvision_s("resnet50"),
}
"""At most 1.05 times as slow as these, in every mode and format."""
OTHERS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet_v1": timm_s("mobilenetv1_100"),
    "mobilenet_v3_small": torchvision_s("mobilenet_v3_small"),
    "mixnet_m": timm_s("mixnet_m"),
    "mixnet_l": timm_s("mixnet_l"),
    "mnasnet_a1": timm_s("semnasnet_100"),
    "mnasnet_b1": torchvision_s("mnasnet1_0"),
    "efficientnet_lite0": timm_s("efficientnet_lite0"),
    "mobilenet_v4_conv_small": timm_s("mobilenetv4_conv_small"),
    "mobilenet_v4_conv_medium": timm_s("mobilenetv4_conv_medium"),
    "resnet18": torchvision_s("resnet18"),
    "googlenet_torchvision": torchvision_s("googlenet", aux_logits=False, init_weights=False),
    "shufflenet_v2": torchvision_s("shufflenet_v2_x1_0"),
    "ghostnet": timm_s("ghostnet_100"),
    "alexnet_one_tower": torchvision_s("alexnet"),
    "vgg16": torchvision_s("vgg16"),
    "lraspp_mobilenet_v3_large": lambda: lraspp("lraspp_mobilenet_v3_large"),
}
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""As glibc's malloc.h has them."""
OPTIONS = {"mobilenet_v1": {"activation": "relu6"}}
"""What makes ours theirs."""


@pytest.fixture(scope="module", autouse=True)
def memory_is_kept() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_MMAP_MAX, 0)


def twins(name: str) -> tuple[nn.Module, nn.Module]:
    """Ours and theirs with the same weights."""
    theirs = (FOUR | OTHERS)[name]()
    ours = registry.build(name, **OPTIONS.get(name, {}))
    if hasattr(ours, "raw"):
        ours.raw = True  # type: ignore[assignment]
    return load_weights(ours, in_running_order(theirs, (3, 224, 224))), theirs


def scores(module: nn.Module, x: Tensor) -> Tensor:
    answer: Any = module(x)
    scores: Tensor = answer[0] if isinstance(answer, tuple) else answer
    return scores


def inference(module: nn.Module, x: Tensor) -> Callable[[], Any]:
    module.eval()

    def run() -> Tensor:
        with torch.inference_mode():
            return scores(module, x)

    return run


def step(module: nn.Module, x: Tensor) -> Callable[[], Any]:
    """A step of training; of segmentation, each pixel has a label."""
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)
    labels = (torch.arange(len(x)) % 8).reshape(-1, *[1] * (scores(module, x).dim() - 2))

    def run() -> None:
        optimizer.zero_grad()
        answer = scores(module, x)
        loss: Any = F.cross_entropy(answer, labels.expand(len(x), *answer.shape[2:]))
        loss.backward()
        optimizer.step()

    return run


def seconds(run: Callable[[], Any]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def compared(
    what: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    report: Any,
    limit: float = SECONDS,
) -> None:
    """A line of `report`: the two in turns for `limit` seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    for run in (ours, theirs) * 2:
        run()
    pairs: list[tuple[float, float]] = []
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    try:
        while len(pairs) < LEAST or time.perf_counter() - begin < limit:
            if len(pairs) % 2:
                peer, mine = seconds(theirs), seconds(ours)
            else:
                mine, peer = seconds(ours), seconds(theirs)
            pairs.append((mine, peer))
    finally:
        gc.enable()
        torch.set_num_threads(threads)
    mine, peer = map(statistics.median, zip(*pairs, strict=True))
    low, middle, high = statistics.quantiles([a / b for a, b in pairs], n=4)
    ratio = f"ours/theirs {middle:.3f} ({low:.2f} to {high:.2f}, {len(pairs)} pairs)"
    report.append((what, f"{mine * 1e3:.1f} ms", f"{peer * 1e3:.1f} ms", f"  {ratio}"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", FOUR | OTHERS)
def test_speed_of_twins(name: str, form: str, mode: str, report: list[Any]) -> None:
    torch.manual_seed(0)
    networks = twins(name)
    for network in networks:
        network.to(memory_format=FORMATS[form])
    x = images(8 if mode.endswith("8") else 1, 3, 224, 224).to(memory_format=FORMATS[form])
    ours, theirs = (inference(network, x) for network in networks)
    torch.testing.assert_close(ours(), theirs(), rtol=1e-4, atol=1e-4)
    if mode.startswith("training"):
        ours, theirs = (step(network, x) for network in networks)
    limit = SECONDS if name in FOUR else SECONDS / 2
    compared(f"{name}, {form}, {mode}", ours, theirs, report, limit)


@pytest.mark.parametrize("background", [0.0, 12.0, 16.0])
def test_speed_of_detection(background: float, report: list[Any]) -> None:
    """SSDLite from an image to its boxes; torchvision's resizing of the image is left out.

    The more the networks see of the background, the fewer boxes are above the threshold.
    """
    torch.manual_seed(0)
    theirs, ours = pair()
    x = images(1, 3, 320, 320)
    with torch.no_grad():
        for heads in (ours.class_heads, theirs.head.classification_head.module_list):
            for head in heads:
                head[-1].bias[:: ours.classes] += background
        above = int((ours.decode(ours.maps(x), (320, 320))[1] > ours.score_threshold).sum())

    def boxes() -> Any:
        with torch.inference_mode():
            return ours(x)

    def their_boxes() -> Any:
        with torch.inference_mode():
            features = list(theirs.backbone(x).values())
            anchors = theirs.anchor_generator(ImageList(x, [(320, 320)]), features)
            return theirs.postprocess_detections(theirs.head(features), anchors, [(320, 320)])

    assert boxes()[0].labels.tolist() == their_boxes()[0]["labels"].tolist()
    above -= 3234  # the background itself
    compared(f"ssdlite320, {above:,} above the threshold", boxes, their_boxes, report)

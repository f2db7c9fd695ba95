"""SSD's boxes and scores out of maps made by hand, against arithmetic on paper."""

from math import exp, log
from typing import Any

import pytest
import torch
from torch import Tensor

from mobilenet_lab import registry
from mobilenet_lab.architectures import ssdlite
from mobilenet_lab.detection.ssd_torch import MOST_GROWTH, SsdPredictor, corrected
from mobilenet_lab.verification import verify

from .cases import images, outputs, twin
from .interpreter import run

V2, V3 = "ssdlite300_mobilenet_v2", "ssdlite320_mobilenet_v3_large"
BACKGROUND, CERTAIN = 20.0, 40.0


def predictor(name: str, **options: Any) -> SsdPredictor:
    built = registry.build(name, width=0.1, **options).eval()
    assert isinstance(built, SsdPredictor)
    return built


@pytest.mark.parametrize("style", ssdlite.STYLES)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        (V2, {"width": 1.4}),
        (V3, {"reduced_tail": False, "width": 0.6}),
        ("ssdlite320_mobilenet_v3_small", {}),
        (V3, {"width": 0.01}),
    ],
)
def test_trace_and_twin_agree_in_every_style(
    name: str, style: str, options: dict[str, Any]
) -> None:
    settings = options | {"style": style, "resolution": (65, 97), "classes": 3}
    assert verify(name, **settings).differing == ()
    trace, module = registry.trace(name, **settings), twin(name, **settings).double()
    x = images(2, trace.input_shape).double()
    with torch.no_grad():
        ours = run(trace, module.get_submodule, x)
    for mine, theirs in zip(ours, outputs(module, x), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_a_box_is_a_corrected_prior() -> None:
    prior = torch.tensor([100.0, 50.0, 20.0, 40.0])
    offsets = torch.tensor([[1.0, -2.0, 0.0, 5 * log(2)], [0.0, 0.0, -5 * log(2), 0.0]])
    expected = torch.tensor([[92.0, 2.0, 112.0, 82.0], [95.0, 30.0, 105.0, 70.0]])
    torch.testing.assert_close(corrected(prior, offsets), expected)
    still = torch.tensor([[90.0, 30.0, 110.0, 70.0]])
    assert torch.equal(corrected(prior, torch.zeros(1, 4)), still)


def test_no_box_grows_without_limit() -> None:
    prior = torch.tensor([0.0, 0.0, 2.0, 4.0])
    box = corrected(prior, torch.tensor([0.0, 0.0, 1e6, 5 * MOST_GROWTH]))
    assert exp(MOST_GROWTH) == pytest.approx(62.5)
    torch.testing.assert_close(box, torch.tensor([-62.5, -125.0, 62.5, 125.0]))


@pytest.mark.parametrize("name", [V2, V3])
@pytest.mark.parametrize("style", ssdlite.STYLES)
@pytest.mark.parametrize("size", [(300, 300), (97, 161)])
def test_priors_are_those_of_the_trace(name: str, style: str, size: tuple[int, int]) -> None:
    settings = {"style": style, "classes": 3}
    module = predictor(name, **settings)
    with torch.no_grad():
        maps = module.maps(torch.zeros(1, 3, *size))
    trace = registry.trace(name, width=0.1, resolution=size, **settings)
    assert torch.equal(module.priors(maps[6:], size), torch.tensor(ssdlite.priors(trace)))


def nothing(count: int, classes: int, each: int = 6) -> list[Tensor]:
    """Maps of `count` images of 300 x 300 that show the background and correct no prior."""
    sides = (19, 10, 5, 3, 2, 1)
    boxes = (each, 6, 6, 6, 6, 6)
    scores = [torch.zeros(count, n * classes, s, s) for n, s in zip(boxes, sides, strict=True)]
    for part in scores:
        part[:, ::classes] = BACKGROUND
    return scores + [torch.zeros(count, n * 4, s, s) for n, s in zip(boxes, sides, strict=True)]


def test_a_prediction_is_found_where_it_was_made() -> None:
    """Class 2 by the fourth box of row 1, column 3 of the third map; the other image shows class 3
    by the first box of the last map."""
    module, maps = predictor(V2), nothing(2, classes=4)
    maps[2][0, 3 * 4 + 2, 1, 3] = CERTAIN
    maps[6 + 2][0, 3 * 4 : 3 * 4 + 4, 1, 3] = torch.tensor([1.0, 2.0, 0.0, 0.0])
    maps[5][1, 3, 0, 0] = CERTAIN
    first, second = module.answer(tuple(maps), torch.zeros(2, 3, 300, 300))

    priors = ssdlite.priors(registry.trace(V2))
    prior = priors[6 * (19**2 + 10**2 + 1 * 5 + 3) + 3]
    x, y = prior.x + 0.1 * prior.width, prior.y + 0.2 * prior.height
    half = prior.width / 2, prior.height / 2
    box = torch.tensor([[x - half[0], y - half[1], x + half[0], y + half[1]]])
    assert prior.height > prior.width
    assert first.labels.tolist() == [2]
    torch.testing.assert_close(first.boxes, box)
    torch.testing.assert_close(first.scores, torch.ones(1))
    assert second.labels.tolist() == [3]
    torch.testing.assert_close(second.boxes, torch.tensor([[7.5, 7.5, 292.5, 292.5]]))


def test_three_boxes_on_the_finest_map() -> None:
    module, maps = predictor(V2, style="tensorflow"), nothing(1, classes=4, each=3)
    maps[0][0, 2 * 4 + 1, 2, 7] = CERTAIN
    (found,) = module.answer(tuple(maps), torch.zeros(1, 3, 300, 300))
    prior = ssdlite.priors(registry.trace(V2, style="tensorflow"))[(2 * 19 + 7) * 3 + 2]
    assert found.labels.tolist() == [1]
    assert found.boxes[0].tolist() == [
        pytest.approx(prior.x - prior.width / 2),
        0.0,  # cut
        pytest.approx(prior.x + prior.width / 2),
        pytest.approx(prior.y + prior.height / 2),
    ]


def test_the_background_is_never_found() -> None:
    module, maps = predictor(V2), nothing(2, classes=4)
    for found in module.answer(tuple(maps), torch.zeros(2, 3, 300, 300)):
        assert found.boxes.shape == (0, 4)
        assert found.scores.shape == found.labels.shape == (0,)


def test_with_no_class_but_the_background_nothing_is_found() -> None:
    module = predictor(V2, classes=1)
    with torch.no_grad():
        (found,) = module(torch.rand(1, 3, 64, 64))
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == found.labels.shape == (0,)
    assert found.labels.dtype == torch.long


def test_a_score_is_softmax_over_all_classes() -> None:
    module, maps = predictor(V2), nothing(1, classes=4)
    maps[5][0, :4, 0, 0] = torch.tensor([0.0, log(2), log(3), log(4)])
    (found,) = module.answer(tuple(maps), torch.zeros(1, 3, 300, 300))
    assert found.labels.tolist() == [3, 2, 1]
    torch.testing.assert_close(found.scores, torch.tensor([0.4, 0.3, 0.2]))


@pytest.mark.parametrize(("name", "threshold"), [(V2, 0.01), (V3, 0.001)])
@pytest.mark.parametrize(("share", "count"), [(0.9, 0), (1.1, 1)])
def test_below_the_threshold_nothing_is_found(
    name: str, threshold: float, share: float, count: int
) -> None:
    module, maps = predictor(name, classes=2), nothing(1, classes=2)
    score = share * threshold
    maps[5][0, :2, 0, 0] = torch.tensor([log(1 - score), log(score)])
    (found,) = module.answer(tuple(maps), torch.zeros(1, 3, 300, 300))
    assert len(found.labels) == count


@pytest.mark.parametrize(("name", "most"), [(V2, 200), (V3, 300)])
def test_no_more_are_found_than_are_kept(name: str, most: int) -> None:
    """Small boxes far apart of many classes: suppression leaves them all."""
    module, maps = predictor(name, classes=9), nothing(1, classes=9)
    maps[0][0, 1:9] = CERTAIN  # all eight at the first box of each of 361 positions
    maps[6][0, 2:4] = -5 * log(60 / 4)
    (found,) = module.answer(tuple(maps), torch.zeros(1, 3, 300, 300))
    assert len(found.labels) == most


@pytest.mark.parametrize(("name", "overlap"), [(V2, 0.45), (V3, 0.55)])
@pytest.mark.parametrize(("more", "count"), [(-0.02, 2), (0.02, 1)])
def test_boxes_of_one_class_that_overlap_more_are_suppressed(
    name: str, overlap: float, more: float, count: int
) -> None:
    """Two boxes at one position, one inside the other: the overlap is the smaller's share."""
    module, maps = predictor(name, classes=2), nothing(1, classes=2)
    maps[2][0, 1, 2, 2] = CERTAIN
    maps[2][0, 3, 2, 2] = CERTAIN - BACKGROUND
    _, large = ssdlite.priors(registry.trace(name, resolution=300))[6 * 473 : 6 * 473 + 2]
    smaller = large.width * (overlap + more)  # of the larger one's width, of its height
    prior = ssdlite.priors(registry.trace(name, resolution=300))[6 * 473]
    maps[8][0, 2, 2, 2] = 5 * log(smaller / prior.width)
    maps[8][0, 3, 2, 2] = 5 * log(large.height / prior.height)
    (found,) = module.answer(tuple(maps), torch.zeros(1, 3, 300, 300))
    assert len(found.labels) == count


@pytest.mark.parametrize("name", [V2, V3])
@pytest.mark.parametrize("size", [(64, 64), (96, 160)])
def test_a_network_finds_boxes_on_each_of_several_images(name: str, size: tuple[int, int]) -> None:
    module = registry.build(name, width=0.35, classes=4).eval()
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        both, alone = module(images), module(images[1:])
    assert len(both) == 2
    torch.testing.assert_close(both[1].scores, alone[0].scores)
    for found in both:
        assert 0 < len(found.boxes) == len(found.scores) == len(found.labels)
        assert bool((found.boxes >= 0).all())
        assert bool((found.boxes <= torch.tensor([size[1], size[0], size[1], size[0]])).all())
        assert bool((found.boxes[:, 2:] >= found.boxes[:, :2]).all())
        assert set(found.labels.tolist()) <= {1, 2, 3}
        assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


@pytest.mark.parametrize("name", [V2, V3])
def test_maps_in_training_mode_and_when_raw(name: str) -> None:
    module: Any = predictor(name, classes=3)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = module.maps(x)
        module.raw = True
        raw = module(x)
        training = module.train()(x.expand(2, -1, -1, -1))
    assert len(raw) == len(training) == 12
    assert all(torch.equal(mine, other) for mine, other in zip(raw, expected, strict=True))
    assert [part.shape[1:] for part in training] == [part.shape[1:] for part in raw]

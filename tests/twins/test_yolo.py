"""From YOLO's maps to boxes: against arithmetic box by box in plain Python, and planted objects."""

from math import exp, log
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from mobilenet_lab import registry
from mobilenet_lab.architectures import yolov4, yolov5
from mobilenet_lab.detection.predictor_torch import Detections
from mobilenet_lab.detection.yolo_torch import YoloPredictor, cells
from mobilenet_lab.errors import ShapeError, VanishedError

from .cases import images

YOLO = [name for name in registry.NETWORKS if name.startswith("yolo")]
FEW = ["yolov4_mobilenet_v2", "yolov5n", "yolov5n_mobilenet_v3_large"]
"""One of each kind."""
STRIDES = (8, 16, 32)
ANCHORS = {
    "yolov4": [[12, 16, 19, 36, 40, 28], [36, 75, 76, 55, 72, 146], [142, 110, 192, 243, 459, 401]],
    "yolov5": [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]],
}


def family(name: str) -> str:
    return registry.NETWORKS[name].module


def module_of(name: str) -> ModuleType:
    return {"yolov4": yolov4, "yolov5": yolov5}[family(name)]


def predictor(name: str, **options: Any) -> YoloPredictor:
    """A small one, in eval mode and double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = registry.build(name, width=0.25, **options)
    assert isinstance(module, YoloPredictor)
    return module.eval().double()


def random_maps(classes: int, size: tuple[int, int], batch: int = 2) -> list[Tensor]:
    """Maps as the network gives them for an image of `size`, whatever is in them."""
    random = torch.Generator().manual_seed(5)
    shapes = [(3 * (5 + classes), size[0] // stride, size[1] // stride) for stride in STRIDES]
    return [
        2 * torch.randn(batch, *shape, generator=random, dtype=torch.float64) for shape in shapes
    ]


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def logit(p: float) -> float:
    return log(p / (1 - p))


def by_hand(name: str, maps: list[list[Any]]) -> tuple[list[list[float]], list[list[float]]]:
    """Boxes and scores of one image, one number after another."""
    boxes, scores = [], []
    for plane, stride, sizes in zip(maps, STRIDES, ANCHORS[family(name)], strict=True):
        values = len(plane) // 3
        for row in range(len(plane[0])):
            for column in range(len(plane[0][0])):
                for anchor in range(3):
                    x, y, w, h, there, *kinds = [
                        plane[anchor * values + value][row][column] for value in range(values)
                    ]
                    across, down = sizes[2 * anchor], sizes[2 * anchor + 1]
                    if family(name) == "yolov4":
                        x, y = (sigmoid(x) + column) * stride, (sigmoid(y) + row) * stride
                        w, h = exp(w) * across, exp(h) * down
                    else:
                        x = (2 * sigmoid(x) - 0.5 + column) * stride
                        y = (2 * sigmoid(y) - 0.5 + row) * stride
                        w, h = (2 * sigmoid(w)) ** 2 * across, (2 * sigmoid(h)) ** 2 * down
                    boxes.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
                    scores.append([sigmoid(there) * sigmoid(kind) for kind in kinds])
    return boxes, scores


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize(("size", "classes"), [((64, 64), 4), ((96, 64), 1), ((32, 160), 3)])
def test_decoding_is_the_arithmetic_of_each_box(
    name: str, size: tuple[int, int], classes: int
) -> None:
    maps = random_maps(classes, size)
    boxes, scores = predictor(name, classes=classes).decode(maps)
    for i in range(len(maps[0])):
        expected, likely = by_hand(name, [part[i].tolist() for part in maps])
        torch.testing.assert_close(boxes[i], boxes.new_tensor(expected), rtol=1e-12, atol=1e-9)
        torch.testing.assert_close(scores[i], scores.new_tensor(likely), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", YOLO)
@pytest.mark.parametrize("resolution", [(416, 416), (640, 640), (256, 352), (32, 96), (442, 410)])
def test_a_prior_for_each_prediction(name: str, resolution: tuple[int, int]) -> None:
    """Three at each cell; a side that is no multiple of 32 has cells beyond the edge."""
    trace = registry.trace(name, resolution=resolution)
    rows, columns = (-(-side // 32) for side in resolution)
    assert len(module_of(name).priors(trace)) == 3 * rows * columns * (1 + 4 + 16)


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("yolov4_mobilenet_v1", 10_647),
        ("yolov4_mobilenet_v3_dense", 10_647),
        ("yolov5n", 25_200),
        ("yolov5n_mobilenet_v3_large", 25_200),
    ],
)
def test_boxes_at_the_default_resolution(name: str, boxes: int) -> None:
    trace = registry.trace(name)
    assert len(module_of(name).priors(trace)) == boxes
    assert [trace.layers[i].out_shape[0] for i in trace.outputs] == [255, 255, 255]


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("resolution", [(416, 416), (128, 320), (58, 90)])
def test_the_module_has_the_trace_s_priors(name: str, resolution: tuple[int, int]) -> None:
    trace = registry.trace(name, width=0.25, classes=2, resolution=resolution)
    priors = module_of(name).priors(trace)
    maps = [torch.zeros(1, *trace.layers[i].out_shape) for i in trace.outputs]
    module = predictor(name, classes=2)
    at = cells(maps, module.strides, module.anchors)
    centres = (at.grid + 0.5) * at.stride
    expected = torch.tensor(priors)
    assert torch.equal(torch.cat((centres, at.anchor), 1), expected)
    # a network that says 0 everywhere means the priors, at even odds
    boxes, scores = module.decode(maps)
    corner = torch.cat(
        (expected[:, :2] - expected[:, 2:] / 2, expected[:, :2] + expected[:, 2:] / 2), 1
    )
    assert torch.equal(boxes[0], corner)
    assert (scores == 0.25).all()


def planted(classes: int, size: tuple[int, int], at: dict[tuple[int, ...], Any]) -> list[Tensor]:
    """Maps that say nothing is there but at (image, map, anchor, row, column): 5 + classes."""
    maps = [torch.full_like(part, -20.0) for part in random_maps(classes, size)]
    for (image, number, anchor, row, column), values in at.items():
        start = anchor * (5 + classes)
        maps[number][image, start : start + 5 + classes, row, column] = torch.tensor(
            values
        ).double()
    return maps


@pytest.mark.parametrize("name", FEW)
def test_what_is_planted_is_found(name: str) -> None:
    """One object on the first image, two classes of one box on the second."""
    maps = planted(
        3,
        (96, 160),
        {
            (0, 1, 0, 2, 4): [0.0, 0.0, 0.0, 0.0, logit(0.9), -20.0, logit(0.8), -20.0],
            (1, 0, 2, 5, 7): [0.0, 0.0, 0.0, 0.0, logit(0.8), logit(0.5), -20.0, logit(0.7)],
        },
    )
    first, second = predictor(name, classes=3).answer(tuple(maps), torch.zeros(2, 3, 96, 160))
    width, height = ANCHORS[family(name)][1][:2]
    x, y = 4.5 * 16, 2.5 * 16
    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    box = [min(max(side, 0), limit) for side, limit in zip(box, (160, 96, 160, 96), strict=True)]
    torch.testing.assert_close(first.boxes, first.boxes.new_tensor([box]))
    torch.testing.assert_close(first.scores, first.scores.new_tensor([0.72]))
    assert first.labels.tolist() == [1]
    torch.testing.assert_close(second.scores, second.scores.new_tensor([0.56, 0.4]))
    assert second.labels.tolist() == [2, 0]
    assert torch.equal(second.boxes[0], second.boxes[1])


CERTAIN = [0.0, 0.0, 0.0, 0.0, 20.0, 20.0]


@pytest.mark.parametrize("name", FEW)
def test_a_score_from_a_quarter_is_shown(name: str) -> None:
    weak = [0.0, 0.0, 0.0, 0.0, logit(0.5), logit(0.49)]
    maps = tuple(planted(1, (96, 160), {(0, 0, 1, 5, 4): CERTAIN, (0, 2, 1, 0, 4): weak}))
    module, image = predictor(name, classes=1), torch.zeros(2, 3, 96, 160)
    assert [len(found.boxes) for found in module.answer(maps, image)] == [1, 0]
    module.score_threshold = 0.24
    assert [len(found.boxes) for found in module.answer(maps, image)] == [2, 0]


@pytest.mark.parametrize("name", FEW)
def test_of_two_boxes_that_overlap_too_much_one_stays(name: str) -> None:
    """The same anchor at neighbouring cells, 32 pixels apart, and both far from the edge."""
    less = [*CERTAIN[:4], 20.0, logit(0.8)]
    maps = tuple(planted(1, (320, 320), {(0, 2, 0, 5, 4): less, (0, 2, 0, 5, 5): CERTAIN}))
    module, image = predictor(name, classes=1), torch.zeros(2, 3, 320, 320)
    width = ANCHORS[family(name)][2][0]
    overlap = (width - 32) / (width + 32)
    assert overlap > module.iou_threshold == 0.45
    kept = module.answer(maps, image)[0]
    assert [round(score, 6) for score in kept.scores.tolist()] == [1.0]
    for threshold, boxes in ((overlap - 1e-9, 1), (overlap + 1e-9, 2)):
        module.iou_threshold = threshold
        assert len(module.answer(maps, image)[0].boxes) == boxes


@pytest.mark.parametrize("name", FEW)
def test_so_many_boxes_at_most(name: str) -> None:
    """Something at every cell: 1,260 boxes."""
    module, image = predictor(name, classes=1), torch.zeros(2, 3, 128, 160)
    cell = torch.tensor(CERTAIN * 3).double().reshape(1, -1, 1, 1)
    maps = tuple(cell.expand(2, -1, 128 // stride, 160 // stride) for stride in STRIDES)
    module.iou_threshold = 1.0
    assert [len(found.boxes) for found in module.answer(maps, image)] == [300, 300]
    module.most = 7
    assert [len(found.boxes) for found in module.answer(maps, image)] == [7, 7]


@pytest.mark.parametrize("name", YOLO)
def test_detections_of_a_fresh_network(name: str) -> None:
    """One for each image, within the image, best first; the same alone and in a batch."""
    module = predictor(name, classes=5)
    x = images(2, (3, 64, 96)).double()
    with torch.no_grad():
        found = module(x)
        alone = module(x[1:])
    assert [type(each) for each in found] == [Detections, Detections]
    for boxes, scores, labels in found:
        assert boxes.shape == (len(scores), 4)
        assert len(boxes) <= 300
        assert (boxes >= 0).all()
        assert (boxes <= boxes.new_tensor((96, 64, 96, 64))).all()
        assert (boxes[:, :2] <= boxes[:, 2:]).all()
        assert (scores.diff() <= 0).all()
        assert (scores > 0.25).all()
        assert set(labels.tolist()) <= set(range(5))
    for mine, theirs in zip(found[1], alone[0], strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", FEW)
def test_maps_while_training_and_where_asked(name: str) -> None:
    module = predictor(name, classes=5)
    shapes = [(2, 30, 8, 12), (2, 30, 4, 6), (2, 30, 2, 3)]
    x = images(2, (3, 64, 96)).double()
    module.raw = True
    assert [tuple(each.shape) for each in module(x)] == shapes
    module.raw = False
    assert [tuple(each.shape) for each in module.train()(x)] == shapes


@pytest.mark.parametrize("name", YOLO)
@pytest.mark.parametrize(
    ("resolution", "works"), [((420, 416), "441x416"), (33, "57x57"), ((1000, 640), "1017x640")]
)
def test_sides_that_do_not_fit_are_refused(name: str, resolution: Any, works: str) -> None:
    """The maps meet again where all three have so many cells, not at multiples of 32 only."""
    if name == "yolov5n":  # its first window drops an odd pixel
        works = {"441x416": "442x416", "57x57": "33x33", "1017x640": "1018x640"}[works]
    if works == "33x33":
        assert registry.trace(name, resolution=resolution).input_shape == (3, 33, 33)
        return
    with pytest.raises(ShapeError) as caught:
        registry.trace(name, resolution=resolution)
    assert str(caught.value).startswith(f"{name}: ")
    assert "cannot concatenate" in str(caught.value)
    assert str(caught.value).endswith(f"; the next resolution that works is {works}")


def test_no_pixel_left() -> None:
    with pytest.raises(VanishedError, match=r"smallest resolution that works is 26x26$"):
        registry.trace("yolov5n", resolution=1)
    with pytest.raises(ShapeError, match=r"next resolution that works is 25x25$"):
        registry.trace("yolov4_mobilenet_v1", resolution=1)

"""Default boxes and anchors: how many, where and how large."""

from math import sqrt

import pytest

from mobilenet_lab.detection.priors import Prior, grid_anchors, ssd_priors
from mobilenet_lab.errors import LabError

SCALES = [0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0]


def test_six_boxes_at_each_position() -> None:
    maps = [(side, side) for side in (19, 10, 5, 3, 2, 1)]
    assert len(ssd_priors(maps, (300, 300), SCALES)) == 3_000
    maps[0] = (20, 20)
    assert len(ssd_priors(maps, (320, 320), SCALES)) == 3_234


def test_the_boxes_of_one_position() -> None:
    """A map of 2 x 3 on an image of 40 x 90: steps of 20 and 30 pixels."""
    priors = ssd_priors([(2, 3)], (40, 90), [0.25, 0.36], ratios=(4.0,))
    assert len(priors) == 2 * 3 * 4
    assert priors[4 * 5 :] == [
        Prior(75.0, 30.0, 0.25 * 90, 0.25 * 40),
        Prior(75.0, 30.0, pytest.approx(0.3 * 90), pytest.approx(0.3 * 40)),
        Prior(75.0, 30.0, 0.5 * 90, 0.125 * 40),
        Prior(75.0, 30.0, 0.125 * 90, 0.5 * 40),
    ]
    assert [(prior.x, prior.y) for prior in priors[::4]] == [
        (x, y) for y in (10.0, 30.0) for x in (15.0, 45.0, 75.0)
    ]


def test_no_box_is_larger_than_the_image() -> None:
    (_, _, lying, standing) = ssd_priors([(1, 1)], (10, 20), [0.9, 1.0], ratios=(2.0,))
    assert lying == Prior(10.0, 5.0, 20.0, pytest.approx(9 / sqrt(2)))
    assert standing == Prior(10.0, 5.0, pytest.approx(18 / sqrt(2)), 10.0)


def test_given_steps_may_leave_the_image() -> None:
    priors = ssd_priors([(5, 5)], (300, 300), [0.5, 0.6], ratios=(), steps=(64,))
    assert [prior.x for prior in priors[:10:2]] == [32.0, 96.0, 160.0, 224.0, 288.0]


def test_anchors_stand_at_the_centres_of_the_cells() -> None:
    anchors = grid_anchors([(2, 1), (1, 1)], (32, 16), [[(3, 4), (5, 6)], [(7, 8)]])
    assert anchors == [
        Prior(8.0, 8.0, 3, 4),
        Prior(8.0, 8.0, 5, 6),
        Prior(8.0, 24.0, 3, 4),
        Prior(8.0, 24.0, 5, 6),
        Prior(8.0, 16.0, 7, 8),
    ]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(LabError, match="2 maps need 3 scales and no steps or 2, not 2 and 0"):
        ssd_priors([(1, 1), (1, 1)], (8, 8), [0.1, 0.2])
    with pytest.raises(LabError, match="not 2 and 3"):
        ssd_priors([(1, 1)], (8, 8), [0.1, 0.2], steps=(1, 2, 3))
    with pytest.raises(LabError, match="1 maps need as many groups of anchors, not 0"):
        grid_anchors([(1, 1)], (8, 8), [])

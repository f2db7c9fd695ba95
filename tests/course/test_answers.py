"""The answers of the lessons against numbers typed from the papers or worked out by hand.

A lesson's answers are computed by the lab; a slip in both would go unseen without these.
"""

from typing import Any

import pytest

from mobilenet_lab.exercises import judging, lessons

CLOSE = 5e-4
"""Relative: numbers below are typed with four digits."""


def answer(id: str, **given: Any) -> Any:
    """The answer of an exercise, with its own numbers or with others."""
    exercise = lessons.exercise(id)
    numbers = judging.Given(**{**vars(judging.given(exercise)), **given})
    return exercise.kind.read(exercise.answer(numbers))


def test_lesson_1():
    assert answer("1.1") == 227
    assert answer("1.1", kernel=5, stride=2, outputs=3) == 9  # windows at 0, 2 and 4
    # 3 x 3 x 128 x 256 weights, 256 biases, 56 x 56 positions
    assert answer("1.2") == {"params": 295_168, "macs": 924_844_032, "flops": 1_849_688_064}
    # AlexNet by hand, layer by layer (NIPS 2012, section 3.5; conv 2, 4, 5 in two groups)
    conv = 34_944 + 307_456 + 885_120 + 663_936 + 442_624
    linear = 37_752_832 + 16_781_312 + 4_097_000
    conv_macs = 105_415_200 + 223_948_800 + 149_520_384 + 112_140_288 + 74_760_192
    linear_macs = 37_748_736 + 16_777_216 + 4_096_000
    assert answer("1.3") == {
        "params": pytest.approx(linear / (conv + linear)),
        "macs": pytest.approx(conv_macs / (conv_macs + linear_macs)),
    }
    macs = answer("1.4")
    assert macs(11, 3, 96, 227, 4, 0, 1) == 105_415_200
    assert macs(5, 96, 256, 27, 1, 2, 2) == 223_948_800
    assert macs(3, 8, 4, 6, 2, 0, 1) == 2 * 2 * 4 * 8 * 9  # the third window does not fit
    # 2 x 64 x 224 x 224 x 4 bytes are 24.5 MiB
    assert [answer("1.5", mib=mib) for mib in (16, 24, 25)] == [160, 192, 224]
    # arXiv 1409.1556, Table 2: 138 million parameters; arXiv 1704.04861, Table 8: 15300 million
    assert lessons.prediction("1.a").answer() == 138_357_544
    assert lessons.prediction("1.b").answer() == 15_470_264_320


def test_lesson_2():
    sympy = pytest.importorskip("sympy")
    same = lessons.exercise("2.1").kind.same
    read = lessons.exercise("2.1").kind.read
    assert same(answer("2.1"), read(("k**2*c*d*n**2", "k**2*c*n**2 + c*d*n**2")))
    assert answer("2.2", c=64, d=64) == {
        "standard_positions": 9,
        "separable_positions": 1,
        "printed_ratio": pytest.approx(71.01, rel=CLOSE),
        "fair_ratio": pytest.approx(7.890, rel=CLOSE),
    }
    repaired = answer("2.3")
    k, c, d = (sympy.Symbol(name, positive=True) for name in "kcd")
    assert repaired["standard"] == 9 * c * d
    assert sympy.expand(repaired["separable"] - 81 * c - 9 * c * d) == 0
    # arXiv 1704.04861, section 3.1: 1/N + 1/D_K^2
    assert sympy.simplify(repaired["fraction"] - 1 / d - 1 / k**2) == 0
    # (2 x 121 + 1) x 55 x 55 x 2 in each of three groups
    assert answer("2.4") == {"params": 726, "operations": 4_410_450, "factor": 2}
    # 16,224 weights separable; 8 groups leave 17,280, and 16 leave 8,640
    assert answer("2.5") == {"groups": 16, "inputs": 6}
    assert lessons.prediction("2.a").answer() == pytest.approx(9 * 256 / 265)
    assert lessons.prediction("2.b").answer() == pytest.approx(100 * 9 / 265)


def test_lesson_3():
    # arXiv 1704.04861, Table 2: 94.86, 3.06, 1.19, 0.18; the stem does 27 x 32 x 112 x 112 MACs
    found = answer("3.1")
    assert found["total"] == pytest.approx(99.29, rel=1e-9)
    assert found["layers"] == "stem"
    assert found["share"] == pytest.approx(100 * 10_838_016 / 568_740_352)
    # by a loop over Table 1, and the configuration D of arXiv 1409.1556
    assert answer("3.2") == {
        "full_params": pytest.approx(29_294_088 / 4_231_976),
        "full_macs": pytest.approx(4_867_293_184 / 568_740_352),
        "vgg_params": pytest.approx(138_357_544 / 4_231_976),
        "vgg_macs": pytest.approx(15_470_264_320 / 568_740_352),
    }
    macs = answer("3.3")
    # arXiv 1704.04861, Tables 6 and 7, in millions
    table_6 = [round(macs(width, 224) / 1e6) for width in (1.0, 0.75, 0.5, 0.25)]
    assert table_6 == [569, 325, 149, 41]
    assert [round(macs(1.0, side) / 1e6) for side in (224, 192, 160, 128)] == [569, 418, 291, 186]
    # a quarter wide: 10.8 M and 17.4 M by 1/4, 539.5 M by 1/16, 1.024 M by 1/4
    assert macs(0.25, 224) == 2_709_504 + 4_346_496 + 33_718_272 + 256_000
    rule = 568_740_352 / 16
    assert answer("3.4") == {
        "percent": pytest.approx(100 * (1 - rule / 41_030_272)),
        "layers": "depthwise",
    }
    # TF-slim, mobilenet_v1.md: 62.1 at 107 million MACs; the next is 61.7 at 110
    assert answer("3.5") == {"width": 0.75, "resolution": 128}
    assert lessons.prediction("3.a").answer() == pytest.approx(94.86, rel=CLOSE)
    assert lessons.prediction("3.b").answer() == pytest.approx(0.2629, rel=CLOSE)

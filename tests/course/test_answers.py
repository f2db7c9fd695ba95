"""The answers of the lessons against numbers typed from the papers or worked out by hand.

A lesson's answers are computed by the lab; a slip in both would go unseen without these.
"""

from math import comb
from typing import Any

import pytest
import sympy

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
    assert mistaken("1.1") == [220, 231, 217, 228, 224]
    weights, params, macs = 294_912, 295_168, 924_844_032
    assert mistaken("1.2") == [
        (weights, macs, 2 * macs),
        (weights + 128, macs, 2 * macs),
        (params, macs, macs),
        (params, weights, 2 * weights),
        (params, 16_515_072, 33_030_144),
        (params, 925_646_848, 1_851_293_696),
    ]
    # 25 x 2 x 3 weights at 5 x 5 positions; at 10 x 10, 6 x 6, 4 x 4
    found = [conv_macs(5, 6, 3, 10, 2, 2, 3) for conv_macs in mistaken("1.4")]
    assert found == [11_250, 1_250, 15_000, 5_400, 2_400, 2_400, 3_825, 7_500]
    assert mistaken("1.5") == [181, 256, 352, 64]


def test_lesson_2():
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
    k, c, d, n = (sympy.Symbol(name, positive=True) for name in "kcdn")
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
    # k = 3, c = 2, d = 5, n = 2: 360 standard; 18 depthwise and 10 pointwise at one position
    point = {k: 3, c: 2, d: 5, n: 2}
    found = [tuple(int(part.subs(point)) for part in pair) for pair in mistaken("2.1")]
    separable = [2880, 184, 220, 28, 28, 56, 82, 432, 72]
    standard = [360, 360, 360, 810, 90, 180, 360, 360, 360]
    assert found == list(zip(standard, separable, strict=True))
    ratios = [
        *((71.01, 71.01), (71.01, 7.890), (71.01, 7.890), (71.01, 7.890), (0.01408, 0.1267)),
        *((63.22, 7.024), (71.01, 71.01), (71.01, 35.75), (71.01, 9)),
    ]
    assert [found[2:] for found in mistaken("2.2")] == [
        pytest.approx(pair, rel=CLOSE) for pair in ratios
    ]
    assert mistaken("2.4") == [
        (726, 2_205_225, 1),
        (726, 75_129_282, 34),  # 243 x 227 x 227 x 6
        (726, 2_196_150, 1),
        (726, 4_392_300, 2),
        (726, 1_470_150, 1),
        (726, 13_195_050, 6),
        (2_178, 4_410_450, 2),
        (726, 4_410_450, 3),
    ]
    assert mistaken("2.5") == [(12, 8), (9, 10), (8, 12), (32, 3), (16, 10), (16, 96)]


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
    stem, depthwise, pointwise, classifier = 2_709_504, 4_346_496, 33_718_272, 256_000
    right = stem + depthwise + pointwise + classifier
    # the maps that the depthwise convolutions write have 12544, 3136 ... positions
    areas = [12_544, 3_136, 3_136, 784, 784, 196, *[196] * 5, 49, 49]
    read = [12_544, 12_544, 3_136, 3_136, 784, 784, *[196] * 5, 196, 49]
    c = [8, 16, 32, 32, 64, 64, *[128] * 5, 128, 256]
    d = [16, 32, 32, 64, 64, 128, *[128] * 5, 256, 256]
    assert [v1_macs(0.25, 224) for v1_macs in mistaken("3.3")] == [
        right - 33 * (9 * 256 + 256 * 256),
        568_740_352 // 16,
        right + 3 * (stem + 12_544 * (9 * 8 + 8 * 16)),
        right - 192_000,
        right - classifier,
        right - depthwise + 9 * sum(n * n * area for n, area in zip(c, areas, strict=True)),
        right - depthwise + 9 * sum(n * area for n, area in zip(d, areas, strict=True)),
        right - depthwise + 9 * sum(n * area for n, area in zip(c, read, strict=True)),
        right,  # all sides that are halved are even
        2 * right,
    ]
    percents = [15.428, 0.13366, 86.634, -13.366, -246.54, 13.366, 13.366, 13.366]
    assert [percent for percent, _ in mistaken("3.4")] == pytest.approx(percents, rel=CLOSE)
    assert mistaken("3.5") == [
        *((0.5, 192), (0.5, 128), (0.25, 224), (0.3, 224), (0.75, 224), (0.25, 128)),
    ]


def parts(id: str, **given: Any) -> tuple[Any, ...]:
    """The answer's values in order, without their names."""
    return tuple(answer(id, **given).values())


def mistaken(id: str) -> list[Any]:
    """What each declared mistake of an exercise gives, without names."""
    exercise = lessons.exercise(id)
    numbers = judging.given(exercise)
    values = [exercise.kind.read(mistake.value(numbers)) for mistake in exercise.mistakes]
    return [tuple(v.values()) if isinstance(v, dict) else v for v in values]


def test_lesson_4():
    # by hand: the products are 8 -2 -8 2, -6 0 2 -4, 0 3 8 5, -2 -1 -2 -3
    assert answer("4.1") == [2, 1, 3, 0]
    assert mistaken("4.1") == [[2, 2, 4, 0], [2, 2, 0, 4], [1, 1, 2, 2], [4, 3, 3, 4]]
    # lists of patterns: 2 of 2, 3 of 4, 4 of 8, 6 of 32
    share = answer("4.2")
    (n,) = share.free_symbols
    assert [float(share.subs(n, units)) for units in (1, 2, 3, 5)] == [1, 0.75, 0.5, 0.1875]
    assert answer("4.3") == 7 / 64
    assert mistaken("4.3")[:6] == [0, 1 / 64, 6 / 64, 57 / 64, 22 / 64, 1]
    # sums of math.comb: of 2^54 patterns fewer than one in 1,000 has at most 15 units on
    assert sum(comb(54, on) for on in range(16)) * 1_000 < 2**54
    assert sum(comb(53, on) for on in range(16)) * 1_000 >= 2**53
    assert answer("4.4") == 54
    assert mistaken("4.4") == [14, 56, 32, 16, 53, 10]
    # by hand: largest sums 18 - 18 = 0, 0 + 0 = 0, 6 - 5 = 1
    kernels = [[1, -1, 2, 0], [-1, -2, 0, 0], [1, 0, -9, 0]]
    assert answer("4.5")(kernels, [-18, 0, -5], 6) == 2
    assert lessons.prediction("4.a").answer() == 6 / 32
    assert lessons.prediction("4.b").answer() == pytest.approx(0.5, abs=1e-3)


def test_lesson_5():
    # Table 2 of arXiv 1801.04381: n = 1, 2, 3, 4, 3, 3, 1
    assert answer("5.1") == {"blocks": 17, "residuals": 10}
    assert mistaken("5.1") == [
        *((19, 10), (7, 10), (20, 10), (10, 17), (17, 17), (17, 13)),
    ]
    # by hand: 2 channels, 3 times as wide, 3x3, to 2: 12 + 54 + 12
    cost = answer("5.2")
    values = {"t": 3, "c": 2, "k": 3, "d": 2}
    assert cost.subs({symbol: values[symbol.name] for symbol in cost.free_symbols}) == 78
    # by hand, MobileNetV2's second and third block
    macs = answer("5.3")
    second = 112**2 * 16 * 96 + 56**2 * 96 * (9 + 24)
    assert macs(h=112, w=112, c_in=16, c_out=24, t=6, kernel=3, stride=2) == second
    third = 56**2 * 144 * (24 + 9 + 24)
    assert macs(h=56, w=56, c_in=24, c_out=24, t=6, kernel=3, stride=1) == third
    # without an expansion, 7x5 at stride 2 to 4x3
    assert macs(h=7, w=5, c_in=8, c_out=4, t=1, kernel=5, stride=2) == 4 * 3 * 8 * (25 + 4)
    # dmlc/gluon-cv pull request 773: 313.62 million, and 300.77 without the convolution
    assert parts("5.4") == ("stage1.0", 112, 32, 32)
    assert 112**2 * 32 * 32 == 12_845_056 == 313_619_328 - 300_774_272
    question = judging.asked(lessons.exercise("5.4"), judging.given(lessons.exercise("5.4")))
    assert "313,619,328" in question
    assert "300,774,272" in question
    # by hand: 8,000,000 / 1,260,672 = 6.3; 238,592 bytes are left, 3,920 a channel, so 60 of 192
    assert parts("5.5") == (6, 4)
    # 48 channels at a time take 338,688 bytes: 330.75 KiB
    assert [parts("5.5", kib=kib) for kib in (331, 330)] == [(6, 4), (6, 6)]
    assert mistaken("5.5") == [
        *((12, 4), (3, 4), (9, 4), (7, 4), (6, 1), (6, 2), (6, 3), (6, 5)),
    ]
    assert lessons.prediction("5.a").answer() == (56**2 * 64 * (256 + 9 * 64 + 256)) / third
    assert lessons.prediction("5.b").answer() == 1  # 2 x 96 x 112^2 floats, 3 x 256 x 56^2 floats


def test_lesson_6():
    # by hand: 423,360 + 15,052,800 + 20,070,400 - 1,228,800
    assert answer("6.1") == 34_317_760
    assert mistaken("6.1") == [
        *(35_546_560, 19_660_800, -24_664_640, 33_894_400, 440_320_000, 68_635_520),
    ]
    h_swish = answer("6.2")
    values = {-4: 0, -3: 0, -1.5: -0.375, 0: 0, 1: 2 / 3, 3: 3, 5: 5}
    assert {x: h_swish(x) for x in values} == pytest.approx(values)
    # the squeezed channels of torchvision's mobilenet_v3_large; a tie; the least
    rounded = {18: 24, 30: 32, 60: 64, 120: 120, 168: 168, 240: 240, 12: 16, 11: 16, 3: 8}
    assert {value: answer("6.3")(value, 8) for value in rounded} == rounded
    assert answer("6.4") == {"layer": "stage5.1", "ratio": pytest.approx(-0.70 / 1.10)}
    others = ("stage5.1", "stage5.1", "stage2.1", "stage3.0", "stage4.0", "stage6.1")
    assert tuple(layer for layer, _ in mistaken("6.4")) == others
    # torchvision has 5,483,032 parameters; with exp // 4 it has 5,481,198
    assert parts("6.5") == (5_483_032 - 5_481_198, 0, 8)
    counts = mistaken("6.5")
    assert counts[:4] == [(1_834, 15, 8), (912, 0, 8), (1_824, 0, 8), (674, 0, 8)]
    assert [changed for *_, changed in counts[4:]] == [5, 2, 12]
    assert lessons.prediction("6.a").answer() == pytest.approx(100 * 1_512_280 / 5_483_032)
    assert lessons.prediction("6.b").answer() == pytest.approx(100 * 1_507_200 / 216_589_760)


def test_lesson_7():
    # by hand, from the tables of MixNet-S: 3, 7, 11, 19, 43, 139, 187, 315, 411; then 16 (k - 1)
    assert answer("7.1") == [443, 475, 507, 539]
    assert mistaken("7.1") == [
        *([459, 491, 523, 555], [413, 415, 417, 419], [427, 443, 459, 475]),
        *([539, 539, 539, 539], [48, 80, 112, 144]),
    ]
    # by hand: c > 25 - 18
    assert answer("7.2") == 8
    assert mistaken("7.2") == [7, 19, 17, 4]
    # by hand: 25 channels in 9, 8 and 8, at 4 x 4 positions
    macs = answer("7.3")
    assert macs(25, [3, 5, 7], 7, 2) == (9 * 9 + 8 * 25 + 8 * 49) * 16
    assert macs(8, [3, 5], 5, 1) == 900 + 2_500
    # by hand: 14^2 x (270 x 9 + 90 x 81); 411 + 8 x 16 = 539 is the first from 530 on
    assert answer("7.4") == [3, 3, 3, 9]
    reaches = {507: 7, 508: 9, 523: 9, 539: 9, 540: 11}
    assert {reach: answer("7.4", reach=reach)[-1] for reach in reaches} == reaches
    design = lessons.exercise("7.4")
    found = judging.solved(design, judging.given(design))
    assert "1,905,120" in found
    for kernels, right in (
        *(([3, 5, 7, 9], True), ([9, 3, 3, 3], True), ([3, 5, 9], True), ([3, 3, 3, 11], True)),
        *(([3, 9], False), ([9], False), ([3, 5, 7], False), ([3, 3, 8], False)),
        *(([3, 3, 3, 3, 9], False), ([1, 1, 9], False), ([], False)),
    ):
        verdict = judging.judge(design, kernels, judging.given(design))
        assert verdict.correct is right, kernels
    # MixNet-L in tensorflow/tpu, mixnet_builder.py, is MixNet-M times 1.3
    table = [[24, 1], [32, 2], [40, 4], [80, 4], [120, 4], [200, 4]]
    large, medium = [32, 40, 56, 104, 160, 264], [24, 32, 40, 80, 120, 200]
    assert answer("7.5")(table, [1.3, 1.3, 1.0]) == [large, large, medium]
    # by hand, from the tables of MixNet-S: channels, kernels, side of the output
    mixed = [(16, [3], 112), (96, [3], 56), (72, [3], 56), (144, [3, 5, 7], 28)]
    mixed += [(240, [3, 5], 28)] * 3 + [(240, [3, 5, 7], 14)] + [(480, [3, 5], 14)] * 2
    mixed += [(480, [3, 5, 7], 14)] + [(360, [3, 5, 7, 9], 14)] * 2
    mixed += [(720, [3, 5, 7, 9, 11], 7)] + [(1200, [3, 5, 7, 9], 7)] * 2
    macs = sum(c // len(ks) * sum(k**2 for k in ks) * side**2 for c, ks, side in mixed)
    assert lessons.prediction("7.a").answer() == pytest.approx(100 * macs / 239_173_360)
    # arXiv 2203.06717: kernel, channels, side and blocks of RepLKNet-31B's stages
    stages = ((31, 128, 56, 2), (29, 256, 28, 2), (27, 512, 14, 18), (13, 1024, 7, 2))
    more = sum(k**2 * c * side**2 * n * (c - 1) for k, c, side, n in stages)
    assert lessons.prediction("7.b").answer() == pytest.approx(1 + more / 15_353_525_248)


def test_lesson_8():
    # google-research/receptive_field, README: 315 behind MobileNetV1's last convolution
    fields = [3, 7, 11, 19, 27, 43, 59, 91, 123, 155, 187, 219, 251, 315]
    assert answer("8.1") == fields
    assert lessons.prediction("8.a").answer() == 315
    # the same README: AlexNet's pool5 195, VGG-16's pool5 212; behind VGG-16's last convolution 196
    alexnet = [(11, 4, 1), (3, 2, 1), (5, 1, 1), (3, 2, 1), *[(3, 1, 1)] * 3, (3, 2, 1)]
    vgg16 = [w for convs in (2, 2, 3, 3, 3) for w in (*[(3, 1, 1)] * convs, (2, 2, 1))]
    field = answer("8.2")
    assert [field(alexnet), field(vgg16), field(vgg16[:-1])] == [195, 212, 196]
    assert field([(1, 3, 1), (3, 1, 2)]) == 13  # 2 taps further, 2 units apart, 3 pixels each
    # the same README: 483 for TF-slim's; torchvision's three 3x3 at half the jump: 56 less
    assert parts("8.3") == (483, 427, 483)
    # 1 1 1; 1 2 3 2 1; 1 3 6 7 6 3 1; 1 4 10 16 19 16 10 4 1
    assert [answer("8.4", layers=n) for n in (1, 2, 3, 4)] == [3, 5, 7, 7]
    assert answer("8.5") == [2, 2, 2, *[1] * 7]  # 15 + 7 x 16 = 127; 111 with one layer less
    # Howard et al. 2019, Table 1: the first gate is in the first block of 40 channels
    assert lessons.prediction("8.b").answer() == "stage3"
    ends = [fields[-1] for fields in mistaken("8.1")[:4]]
    assert ends == [377, 472, 29, 39]  # 1 + 2 x 188; 1 + 3 x 157; 1 + 2 x 14; 1 + 2 x 19
    assert mistaken("8.3")[1] == (243, 215, 243)  # without the pool: 7 + 2 x 118, 28 less
    assert mistaken("8.4")[:4] == [33, 6, 31, 22]


def test_lesson_9():
    # torchvision's ssdlite320: 3,234; yolov5 at 640: 25,200; qfgaohao's mb2-ssd-lite: 3,000
    assert parts("9.1") == (3000, 3234, 25200)
    assert answer("9.2")(side=416, stride=8, per_cell=[3, 3, 3]) == 10_647  # YOLOv3 and v4
    assert answer("9.2")(side=300, stride=16, per_cell=[4, 6]) == 4 * 19**2 + 6 * 10**2
    # hooks on torchvision's heads count the 158,054,400, too
    assert parts("9.3") == (158_054_400, 1_378_944_000)
    assert parts("9.3") == (400 * 672 * (2 * 9 + 6 * 95), 400 * 672 * 9 * 6 * 95)
    assert parts("9.4") == (2 * 128 * 128, 2 * 128 * 128 * 20 * 20)
    assert answer("9.5") == 448  # 6 x 1,050 boxes; at 480 they are 6 x 1,210
    assert mistaken("9.1")[:4] == [
        (6 * 426, 6 * 530, 25200),  # 18, 9, 4, 2, 1, 0 and 20, 10, 5, 2, 1, 0
        (500, 539, 8400),
        (240, 246, 420),
        (2994, 3228, 25200),
    ]
    assert mistaken("9.3")[0] == (400 * 672 * (9 + 6 * 95), 1_378_944_000)
    assert mistaken("9.3")[2] == (400 * 672 * (9 + 6 * 91), 400 * 672 * 9 * 6 * 91)
    assert mistaken("9.4")[2] == (2 * 384 * 128, 2 * 384 * 128 * 400)


def test_lesson_10():
    assert parts("10.1") == (61, 31, 16, 961 / 256)
    # ResNet's strides, as DeepLab gives them output strides 8 and 4
    strides = [2, 2, 1, 2, 1, 2, 1]
    assert answer("10.2")(strides, 8) == [(2, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1), (1, 2)]
    assert answer("10.2")(strides, 4) == [(2, 1), (2, 1), (1, 1), (1, 1), (1, 2), (1, 2), (1, 4)]
    # block 0, blocks 1 and 2, the backbone's last, the head's first; 32 x 32 - 16 x 16 positions
    weights = 672 * (25 + 160) + 2 * 960 * (160 + 25 + 160) + 960 * 160 + 960 * 128
    assert parts("10.3") == (10, 768 * weights)
    assert parts("10.3") == (10, 816_537_600)
    assert parts("10.4") == (595, 595, 659)  # 275 + 64 + 128 + 128; 275 + 3 x 128
    assert parts("10.5") == (416, 576)
    assert mistaken("10.3")[0] == (11, 768 * (weights + 112 * 672))
    assert mistaken("10.3")[2] == (10, 1024 * weights)
    assert mistaken("10.4")[3] == (595, 467, 467)  # 275 + 3 x 64


def test_lesson_E():
    # Howard et al. 2017, Table 7: 418, 290 and 186 M
    assert answer("E.1") == [418_121_728, 290_675_200, 186_400_768]
    printed_as = answer("E.2")
    for printed, count, verdict in (
        ("569 M", 568_740_352, "rounded"),  # Howard et al. 2017, Table 1
        ("32 M", 32_578_560, "cut"),  # TF-slim, V2 0.5 at 128
        ("3.47 M", 3_470_760, "rounded"),
        ("66 M", 56_913_856, "neither"),
        ("3 k", 2_500, "rounded"),
        ("2 k", 2_500, "cut"),
        ("2.4 k", 2_499, "cut"),
    ):
        assert printed_as(printed, count) == verdict
    assert answer("E.3") == 209_069_792  # TF-slim, mobilenet_v2.md: 209 M
    assert parts("E.4") == ("stem", 24 * 27 * 112 * 112)
    # 196,416 weights work at 28 x 28 instead of 14 x 14 positions
    typo = 300_774_272 + (28 * 28 - 14 * 14) * 196_416
    assert parts("E.5") == (typo, typo + 32 * 32 * 112 * 112)
    assert parts("E.6") == (256 * (576 + 1 + 1000), 256 * (576 + 1000))
    # Szegedy et al. 2014, Table 1: inputs x outputs of the nine 5x5, by side of the map
    places = 3584 * 28 * 28 + 9984 * 14 * 14 + 10240 * 7 * 7
    assert parts("E.7") == (16 * places, 112 * 112 * (49 * 3 * 64 - 49 * 24 - 24 * 64))
    # fvcore prints 314,193,216, thop 327,550,720
    assert parts("E.8") == ((327_550_720 - 314_193_216 - 1280) // 2, 300_774_272)
    assert mistaken("E.3")[3] == 204_986_592  # 320 fewer, each 240 x 7 x 7 + 1000
    assert mistaken("E.5")[2][1] == 300_774_272 + 12_845_056
    assert mistaken("E.7")[2:5] == [
        (9 * places * 16 // 25, parts("E.7")[1]),
        (9 * places, parts("E.7")[1]),
        (25 * places, parts("E.7")[1]),
    ]

"""YOLOv5 against what its own code prints: row by row, in total, and by its own counter."""

import warnings
from importlib import import_module
from itertools import pairwise

import pytest
import torch

from mobilenet_lab import registry
from mobilenet_lab.analysis import Analysis, analyse
from mobilenet_lab.architectures import yolov5, yolov5_torch

ON_LARGE, AS_STOCK = "yolov5n_mobilenet_v3_large", "yolov5n_mobilenet_v3_stock"

YOLOV5S = {
    0: 3_520, 1: 18_560, 2: 18_816, 3: 73_984, 4: 115_712, 5: 295_424, 6: 625_152, 7: 1_180_672,
    8: 1_182_720, 9: 656_896, 10: 131_584, 13: 361_984, 14: 33_024, 17: 90_880, 18: 147_712,
    20: 296_448, 21: 590_336, 23: 1_182_720, 24: 229_245,
}  # fmt: skip
"""Parameters of each row, as train.py prints them for yolov5s; the rows left out have none."""
YOLOV5N = {
    0: 1_760, 1: 4_672, 2: 4_800, 3: 18_560, 4: 29_184, 5: 73_984, 6: 156_928, 7: 295_424,
    8: 296_448,
}  # fmt: skip
"""The same for the backbone of yolov5n."""


def stock(size: str, resolution: int = 640) -> Analysis:
    return analyse(yolov5.trace(resolution=resolution, config="stock", size=size))


def by_row(analysis: Analysis) -> dict[int, int]:
    """Parameters by the number of the row, where there are any."""
    counted: dict[int, int] = {}
    for row in analysis.rows:
        _, part, *_ = row.name.split(".")
        number = yolov5.STOCK.detect.i if row.stage == "head" else int(part.partition("_")[0])
        counted[number] = counted.get(number, 0) + row.params
    return {number: params for number, params in counted.items() if params}


def test_every_row_has_the_printed_parameters() -> None:
    assert by_row(stock("s")) == YOLOV5S
    assert YOLOV5N.items() <= by_row(stock("n")).items()


@pytest.mark.parametrize(
    ("size", "params", "fused"),
    [
        ("n", 1_872_157, 1_867_405),
        ("s", 7_235_389, 7_225_885),
        ("m", 21_190_557, 21_172_173),
        ("l", 46_563_709, 46_533_693),
        ("x", 86_749_405, 86_705_005),
    ],
)
def test_the_five_sizes_have_the_printed_parameters(size: str, params: int, fused: int) -> None:
    """Fused, a batch norm's scale and shift become one bias of the convolution before it."""
    analysis = stock(size)
    norms = sum(row.params for row in analysis.rows if row.op == "batch_norm")
    assert analysis.total.params == params
    assert analysis.total.params - norms // 2 == fused


def elements(analysis: Analysis, op: str) -> int:
    return sum(row.activations for row in analysis.rows if row.op == op)


@pytest.mark.parametrize(
    ("size", "printed", "fused"),
    [
        ("n", "4.6", "4.5"),
        ("s", "16.6", "16.4"),
        ("m", None, "48.9"),
        ("l", None, "109.0"),
        ("x", None, "205.5"),
    ],
)
def test_and_the_printed_gflops(size: str, printed: str | None, fused: str) -> None:
    """Twice what thop counts: a MAC, an upsampled element, and 4 for each element of a norm."""
    analysis = stock(size)
    plain = 2 * (analysis.total.macs + elements(analysis, "upsample"))
    assert f"{plain / 1e9:.1f}" == fused
    if printed is not None:
        with_norms = plain + 2 * 4 * elements(analysis, "batch_norm")
        assert f"{with_norms / 1e9:.1f}" == printed


def test_the_readme_s_4_5_are_two_for_each_mac() -> None:
    assert stock("n").total.flops == 4_468_121_600


@pytest.mark.parametrize("name", ["yolov5n", ON_LARGE])
def test_its_own_counter_says_so_too(name: str) -> None:
    """YOLOv5 runs thop on 32 x 32 pixels and multiplies; the gates' pools count there as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thop's own
        profile = import_module("thop").profile
    module = registry.build(name).eval()
    operations, _ = profile(module, (torch.zeros(1, 3, 32, 32),), verbose=False)
    analysis = analyse(registry.trace(name, resolution=32))
    ours = analysis.total.macs + elements(analysis, "upsample")
    ours += 4 * elements(analysis, "batch_norm")
    for row in analysis.rows:
        if row.op == "adaptive_avg_pool":
            c, h, w = row.in_shape or (0, 0, 0)
            ours += c * h * w + c
    assert operations == ours
    if name == "yolov5n":
        assert f"{2 * operations * 400 / 1e9:.1f}" == "4.6"


# On MobileNetV3


def test_on_a_mobilenet_it_has_these_numbers() -> None:
    total = analyse(registry.trace(ON_LARGE)).total
    assert (total.params, total.macs) == (4_778_883, 2_968_980_576)
    total = analyse(registry.trace(AS_STOCK)).total
    assert (total.params, total.macs) == (4_746_115, 2_955_873_376)


def test_row_5_in_place_of_row_6_costs_two_wider_1x1() -> None:
    """Row 5 has 256 channels, row 6 has 128; the two 1x1 that read them give 128 each."""
    odd, plain = (analyse(registry.trace(name)) for name in (ON_LARGE, AS_STOCK))
    more = (256 - 128) * 128 * 2
    assert odd.total.params - plain.total.params == more == 32_768
    assert odd.total.macs - plain.total.macs == more * 20 * 20 == 13_107_200
    different = {
        mine.name
        for mine, theirs in zip(odd.rows, plain.rows, strict=True)
        if (mine.params, mine.macs) != (theirs.params, theirs.macs)
    }
    assert different == {"neck.19_c3.main.conv", "neck.19_c3.around.conv"}


def test_only_that_row_reads_another() -> None:
    odd, plain = (yolov5.CONFIGS[f"mobilenet_v3_large{end}"] for end in ("", "_stock"))
    (mine, theirs), *others = (
        pair for pair in zip(odd.neck, plain.neck, strict=True) if pair[0] != pair[1]
    )
    assert not others
    assert mine == theirs._replace(source=(-1, 5))
    assert theirs.source == (-1, 6)


def test_rows_after_the_backbone_are_the_stock_ones() -> None:
    """Four rows earlier, and with the stock wiring."""
    mine, theirs = yolov5.CONFIGS["mobilenet_v3_large_stock"], yolov5.STOCK
    taps = {4: 2, 6: 3}
    for ours, row in zip((*mine.neck, mine.detect), (*theirs.neck, theirs.detect), strict=True):
        source = tuple(i if i < 0 else taps.get(i, i - 4) for i in row.source)
        assert ours == row._replace(i=row.i - 4, source=source)


@pytest.mark.parametrize("config", yolov5.CONFIGS)
def test_rows_are_numbered_in_order_and_read_earlier_ones(config: str) -> None:
    rows = yolov5.CONFIGS[config]
    every = [*rows.backbone, *rows.neck, rows.detect]
    assert all(after.i == before.i + 1 for before, after in pairwise(every))
    assert all(i < row.i for row in every for i in row.source)


def test_the_backbone_is_mobilenet_v3_with_an_unrounded_squeeze() -> None:
    """72 and 120 channels squeeze to 18 and 30, where make_divisible gives 24 and 32."""
    trace = registry.trace(ON_LARGE)
    squeezed = [layer.out_shape[0] for layer in trace.layers if layer.name.endswith("se.reduce")]
    assert squeezed == [18, 30, 30, 120, 168, 168, 240, 240]
    classifier = analyse(registry.trace("mobilenet_v3_large"))
    own = sum(row.params for row in classifier.rows if row.stage != "classifier")
    backbone = sum(row.params for row in analyse(trace).rows if row.stage.startswith("backbone"))
    fewer = 6 * (2 * 72 + 1) + 2 * 2 * (2 * 120 + 1)
    assert own - backbone == fewer == 1_834


@pytest.mark.parametrize("name", ["yolov5n", ON_LARGE])
def test_batch_norms_are_as_in_the_source(name: str) -> None:
    for path, part in registry.build(name).named_modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            stock_part = name == "yolov5n" or path.startswith("neck")
            assert (part.eps, part.momentum) == ((1e-3, 0.03) if stock_part else (1e-5, 0.1)), path


@pytest.mark.parametrize("size", ["n", "s"])
def test_other_sizes_have_a_twin_as_well(size: str) -> None:
    module = yolov5_torch.build(classes=3, config="stock", size=size)
    trace = yolov5.trace(classes=3, config="stock", size=size)
    assert sum(map(torch.numel, module.parameters())) == analyse(trace).total.params

"""Any torchvision or timm model, read by `lab.inspect`, against fvcore and FlopCounterMode.

All are integers and compared with ==. Where a tool counts something else, `foreign_models` says how
much and why; the test fails as well when a difference is gone. Four networks and a one-dimensional
one are also derived by hand from their papers' hyper-parameters.
"""

import re
from collections import Counter
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from twins.test_fields import clipped, faint, make_positive, measured, predicted

import mobilenet_lab as lab
from mobilenet_lab.analysis import analyse, known_fields
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.counters import flop_counter, fvcore
from mobilenet_lab.errors import LabError, MisalignedError
from mobilenet_lab.layers import Trace
from mobilenet_lab.receptive_field import Field, receptive_fields
from mobilenet_lab.verification import OPERATORS, verify_read

from .foreign_models import (
    EINSUM,
    FLOP_COUNTER_FORM,
    FOREIGN,
    FVCORE_FORM,
    MACS_BY_FVCORE,
    TWICE_BY_FLOP_COUNTER,
    WHERE,
    Foreign,
)


class Counts(NamedTuple):
    """What the two tools count, fvcore by operator."""

    by_fvcore: Counter[str]
    flops: int


def counted(module: nn.Module, image: Tensor) -> Counts:
    with torch.no_grad():
        operators = fvcore.count(module, image)[""]
        return Counts(operators, flop_counter.count(module, image))


def differences(trace: Trace, counts: Counts) -> dict[str, int]:
    """What the tools count beyond what they are held against, where that is not nothing."""
    macs = analyse(trace).total.macs
    products = sum(counts.by_fvcore[operator] for operator in OPERATORS)
    form = {name: CONVENTIONS[name].total(trace.layers) for name in ("fvcore", "flop_counter")}
    found = {
        MACS_BY_FVCORE: products - macs,
        FVCORE_FORM: sum(counts.by_fvcore.values()) - form["fvcore"],
        TWICE_BY_FLOP_COUNTER: counts.flops - 2 * macs,
        FLOP_COUNTER_FORM: counts.flops - form["flop_counter"],
    }
    return {quantity: amount for quantity, amount in found.items() if amount != 0}


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def macs_where(trace: Trace, reason: str) -> int:
    """The MACs of the layers that a reason is about."""
    rows = {row.name: row for row in analyse(trace).rows}
    return sum(rows[layer.name].macs for layer in trace.layers if WHERE[reason](layer))


def test_the_table_is_broad() -> None:
    assert len({model.name for model in FOREIGN}) == len(FOREIGN) >= 85
    assert len([model for model in FOREIGN if model.source == "torchvision"]) >= 14


@pytest.mark.parametrize("model", FOREIGN, ids=lambda model: model.name)
def test_as_both_counters_but_for_what_is_explained(model: Foreign) -> None:
    module = model.build()
    trace = lab.inspect(module, (3, model.side, model.side), model.name)
    assert trace.unknown == ()
    assert sum(trace.unused.values()) == model.unused
    assert analyse(trace).total.params + model.unused == parameters(module)
    counts = counted(module, torch.zeros(1, 3, model.side, model.side))
    expected: Counter[str] = Counter()
    for difference in model.differences:
        expected[difference.quantity] += difference.amount
    assert differences(trace, counts) == dict(expected)
    for difference in model.differences:
        if difference.quantity != MACS_BY_FVCORE:
            continue
        if difference.reason == EINSUM:  # half a unit of the fourth digit, at most
            assert abs(difference.amount) * 2000 <= counts.by_fvcore["einsum"]
        else:
            assert -difference.amount == macs_where(trace, difference.reason)


@pytest.mark.parametrize(
    "name", ["swin_t", "vit_b_16", "regnet_y_400mf", "levit_128s", "mobilevit_xxs"]
)
def test_part_by_part(name: str) -> None:
    model = next(model for model in FOREIGN if model.name == name)
    shape = 3, model.side, model.side
    module = model.build()
    verified = verify_read(lab.inspect(module, shape), module, shape)
    assert verified.differing == ()
    assert len(verified.checks) > 100


def test_auxiliary_heads_are_told_as_unused() -> None:
    for name, aux in (("googlenet", ("aux1", "aux2")), ("inception_v3", ("AuxLogits",))):
        model = next(model for model in FOREIGN if model.name == name)
        trace = lab.inspect(model.build(), (3, model.side, model.side))
        assert {path.partition(".")[0] for path in trace.unused} == set(aux)


# Detectors


class Maps(nn.Module):
    """A torchvision detector without what depends on values: its backbone and its head."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = detector.backbone, detector.head

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        maps = self.head([*self.backbone(image).values()])
        assert isinstance(maps, dict)
        return maps


DETECTORS = ("fcos_resnet50_fpn", "retinanet_resnet50_fpn", "ssdlite320_mobilenet_v3_large")


def detector(name: str, side: int) -> nn.Module:
    """It takes images of `side` x `side` as they are."""
    sizes = {} if name.startswith("ssd") else {"min_size": side, "max_size": side}
    found: nn.Module = torchvision.models.get_model(name, weights_backbone=None, **sizes)
    return found.eval()


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_is_refused_with_the_place(name: str) -> None:
    """Which boxes are kept depends on their scores."""
    side = 320 if name.startswith("ssd") else 128
    with pytest.raises(LabError) as told:
        lab.inspect(detector(name, side), (3, side, side), name)
    file = name.partition("_")[0].replace("lite320", "")
    place = rf"{name} cannot be read: {file}\.py, line \d+ \(.*\[keep_idxs\]\): what runs next "
    assert re.match(place + r"depends on values of the input", str(told.value))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", DETECTORS)
def test_backbone_and_head_of_a_detector(name: str) -> None:
    """They are all of it that costs: the whole detector is as many FLOPs."""
    side = 320 if name.startswith("ssd") else 128
    whole = detector(name, side)
    maps = Maps(whole)
    trace = lab.inspect(maps, (3, side, side), name)
    assert trace.unused == {}
    assert analyse(trace).total.params == parameters(whole)
    assert differences(trace, counted(maps, torch.zeros(1, 3, side, side))) == {}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        whole([torch.zeros(3, side, side)])
    assert counter.get_total_flops() == 2 * analyse(trace).total.macs


# By hand


def vit_b_16() -> tuple[int, int]:
    """Parameters and MACs: Dosovitskiy et al. 2020, table 1 (L = 12, D = 768, MLP 3072)."""
    d, mlp, blocks, classes, patch = 768, 3072, 12, 1000, 3 * 16 * 16
    patches = (224 // 16) ** 2
    tokens = patches + 1
    weights = 3 * d * d + d * d + 2 * d * mlp
    biases = 3 * d + d + mlp + d
    params = (patch + 1) * d + d + tokens * d  # patches, class token, positions
    params += blocks * (weights + biases + 2 * 2 * d) + 2 * d + (d + 1) * classes
    attention = 2 * tokens * tokens * d
    macs = patches * patch * d + blocks * (tokens * weights + attention) + d * classes
    return params, macs


def convnext_tiny() -> tuple[int, int]:
    """Liu et al. 2022, section 3: C = 96, 192, 384, 768 and B = 3, 3, 9, 3."""
    channels, blocks, side = (96, 192, 384, 768), (3, 3, 9, 3), 224 // 4
    params, macs = (3 * 16 + 1) * 96 + 2 * 96, side**2 * 3 * 16 * 96
    for stage, (c, count) in enumerate(zip(channels, blocks, strict=True)):
        if stage:
            before, side = channels[stage - 1], side // 2
            params += 2 * before + 4 * before * c + c
            macs += side**2 * 4 * before * c
        weights = 7 * 7 * c + c * 4 * c + 4 * c * c
        rest = (c + 4 * c + c) + 2 * c + c  # biases, layer norm, layer scale
        params += count * (weights + rest)
        macs += count * side**2 * weights
    return params + 2 * 768 + 769 * 1000, macs + 768 * 1000


def swin_t() -> tuple[int, int]:
    """Liu et al. 2021, section 3.3: C = 96, layers 2, 2, 6, 2, windows of 7 x 7, d = 32."""
    c, side, window = 96, 224 // 4, 7 * 7
    params, macs = (3 * 16 + 1) * c + 2 * c, side**2 * 3 * 16 * c
    for stage, count in enumerate((2, 2, 6, 2)):
        if stage:  # four neighbours into one
            c, side = 2 * c, side // 2
            params += 2 * 2 * c + 2 * c * c
            macs += side**2 * 2 * c * c
        weights = 3 * c * c + c * c + 2 * c * 4 * c
        rest = (3 * c + c + 4 * c + c) + 2 * 2 * c + 13 * 13 * c // 32  # biases, norms, places
        params += count * (weights + rest)
        macs += count * side**2 * (weights + 2 * window * c)
    return params + 2 * c + (c + 1) * 1000, macs + c * 1000


NAMED = {
    "vit_b_16": (vit_b_16, 86_567_656, 17_563_828_224),
    "convnext_tiny": (convnext_tiny, 28_589_128, 4_455_531_264),
    "swin_t": (swin_t, 28_288_354, 4_490_566_656),
}


@pytest.mark.parametrize("name", NAMED)
def test_as_derived_from_the_paper(name: str) -> None:
    by_hand, params, macs = NAMED[name]
    assert by_hand() == (params, macs)
    total = analyse(lab.inspect(torchvision.models.get_model(name), (3, 224, 224))).total
    assert (total.params, total.macs) == (params, macs)


# One dimension


class WaveNet(nn.Module):
    """van den Oord et al. 2016, figure 4, small: gated causal convolutions, dilated 1, 2, 4 ..."""

    def __init__(self, levels: int, residual: int, skip: int) -> None:
        super().__init__()
        channels = 2 * residual
        self.first = nn.Conv1d(1, residual, 1)
        self.dilated = nn.ModuleList(
            nn.Conv1d(residual, channels, 2, dilation=2**level) for level in range(levels)
        )
        self.residual = nn.ModuleList(nn.Conv1d(residual, residual, 1) for _ in range(levels))
        self.skip = nn.ModuleList(nn.Conv1d(residual, skip, 1) for _ in range(levels))
        self.last = nn.Conv1d(skip, 256, 1)

    def forward(self, wave: Tensor) -> Tensor:
        x, total = self.first(wave), 0.0
        for dilated, residual, skip in zip(self.dilated, self.residual, self.skip, strict=True):
            seen, gate = dilated(F.pad(x, (dilated.dilation[0], 0))).chunk(2, dim=1)
            seen = seen.tanh() * gate.sigmoid()
            x, total = x + residual(seen), total + skip(seen)
        scores: Tensor = self.last(F.relu(total))
        return scores


def test_a_wavenet() -> None:
    levels, residual, skip, length = 6, 16, 24, 1000
    module = WaveNet(levels, residual, skip).eval()
    trace = lab.inspect(module, (1, length))
    each = 2 * residual * 2 * residual + residual * residual + residual * skip
    weights = residual + levels * each + skip * 256
    biases = residual + levels * (2 * residual + residual + skip) + 256
    assert trace.unused == {}
    total = analyse(trace).total
    assert (total.params, total.macs) == (weights + biases, length * weights)
    assert (total.params, total.macs) == (16_848, 16_144_000)
    # forward computes a last residual that nothing reads, and which fvcore's graph leaves out
    dead = -length * residual * residual
    expected = {MACS_BY_FVCORE: dead, FVCORE_FORM: dead}
    assert differences(trace, counted(module, torch.zeros(1, 1, length))) == expected
    # a residual is centred later than what it is added to, by half a dilation
    with pytest.raises(MisalignedError, match=r"^add: .* 0\.5 pixels apart"):
        receptive_fields(trace)


class Residual(nn.Module):
    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(c_in, c_out, 7, stride, 3, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm1d(c_out), nn.BatchNorm1d(c_out)
        self.conv2 = nn.Conv1d(c_out, c_out, 7, 1, 3, bias=False)
        self.down = nn.Conv1d(c_in, c_out, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.down(x) + self.bn2(self.conv2(y)))


def test_a_one_dimensional_resnet() -> None:
    """As for an electrocardiogram of twelve leads."""
    stem = [nn.Conv1d(12, 32, 15, 2, 7), nn.MaxPool1d(3, 2, 1)]
    blocks = [Residual(32, 32, 1), Residual(32, 64, 2), Residual(64, 128, 2)]
    head = [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(128, 5)]
    module = nn.Sequential(*stem, *blocks, *head).eval()
    trace = lab.inspect(module, (12, 1000))
    # length 500 after the stem, 250 after the pool, then 250, 125 and 63
    stem_weights = 12 * 32 * 15
    one, two, three = 2 * 32 * 32 * 7, (32 + 64) * 64 * 7, (64 + 128) * 128 * 7
    macs = 500 * stem_weights + 250 * one + 125 * (two + 32 * 64) + 63 * (three + 64 * 128)
    params = stem_weights + 32 + one + two + three + 32 * 64 + 64 + 64 * 128 + 128
    params += 2 * 2 * (32 + 64 + 128) + 128 * 5 + 5
    total = analyse(trace).total
    assert (total.params, total.macs) == (params, macs + 128 * 5)
    assert differences(trace, counted(module, torch.zeros(1, 12, 1000))) == {}
    field = fields(trace)["4.conv2"]
    assert field is not None
    assert field.size == (15 + 2 * 2 + (6 + 6) * 4 + 6 * 4 + (6 + 6) * 8 + 6 * 16,)


# Receptive fields


def fields(trace: Trace) -> dict[str, Field | None]:
    names = [layer.name for layer in trace.layers]
    return dict(zip(names, known_fields(trace), strict=True))


def test_fields_of_convnext_through_its_permutes() -> None:
    """Every map has one, whichever way round its axes are; sizes by the usual recurrence."""
    trace = lab.inspect(torchvision.models.convnext_tiny(), (3, 224, 224))
    seen = fields(trace)
    maps = [each for each in trace.layers if len(each.out_shape) == 3 and each.op != "parameter"]
    assert len(maps) > 150
    assert [layer.name for layer in maps if seen[layer.name] is None] == []
    size, jump = 1, 1
    for layer in trace.layers:
        if layer.op == "conv2d":
            assert layer.kernel is not None
            size, jump = size + (layer.kernel[0] - 1) * jump, jump * layer.stride[0]
            field = seen[layer.name]
            assert field is not None
            assert field.size == (size, size)
    assert (size, jump) == (4 + 6 * 3 * 4 + 4 + 6 * 3 * 8 + 8 + 6 * 9 * 16 + 16 + 6 * 3 * 32, 32)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        (
            "regnet_x_400mf",
            ("stem.0", "trunk_output.block1.block1-0.f.b.0", "trunk_output.block3.block3-2.f.b.0"),
        ),
        (
            "densenet121",
            ("features.denseblock1.denselayer6.conv2", "features.denseblock2.denselayer3.conv2"),
        ),
    ],
)
def test_fields_as_measured(name: str, layers: tuple[str, ...]) -> None:
    size = 161, 192
    module = torchvision.models.get_model(name).eval()
    trace = lab.inspect(module, (3, *size))
    seen, shapes = fields(trace), {layer.name: layer.out_shape for layer in trace.layers}
    values: dict[str, Tensor] = {}
    for path in layers:
        module.get_submodule(path).register_forward_hook(
            lambda _, __, out, path=path: values.__setitem__(path, out)
        )
    image = faint((3, *size))
    make_positive(module)(image)
    for path in layers:
        _, height, width = shapes[path]
        for unit in ((0, 0), (height // 2, width // 3), (height - 1, width - 1)):
            field = seen[path]
            assert field is not None
            assert measured(values[path], image, unit) == clipped(predicted(field, unit), size)

"""Networks that nobody here wrote, and what two counters say of them that we do not.

A difference is what the tool counts beyond what it is held against; its reason says why, and
`WHERE` picks the layers of the trace that it comes from. Every other number is equal. A side is the
network's own, or smaller where that changes nothing but the time it takes.
"""

from collections.abc import Callable
from typing import NamedTuple

import timm
import torchvision
from torch import nn

from mobilenet_lab.layers import CONVS, Layer

MACS_BY_FVCORE = "fvcore's conv, linear and matrix products, against MACs"
TWICE_BY_FLOP_COUNTER = "FlopCounterMode, against 2 x MACs"
FVCORE_FORM = "fvcore, against its closed form"
FLOP_COUNTER_FORM = "FlopCounterMode, against its closed form"

ATTENTION = "attention is one operator on the CPU, which neither tool knows"
APART = (
    "attention in more than four dimensions or with an odd mask is matrix products below the "
    "operator: FlopCounterMode sees them, fvcore's graph has the operator, which it does not know"
)
WORD = "a convolution padded by a word is an operator of its own in a graph, unknown to fvcore"
EINSUM = "fvcore reads the cost of an einsum from a text of four digits"
LSTM = "an LSTM is one operator on the CPU, which neither tool knows; we read its every step"


WHERE: dict[str, Callable[[Layer], bool]] = {
    ATTENTION: lambda layer: layer.op == "attention" and layer.mode == "",
    APART: lambda layer: layer.op == "attention" and layer.mode == "apart",
    WORD: lambda layer: layer.op in CONVS and layer.mode in ("same", "valid"),
    LSTM: lambda layer: layer.op == "linear" and ".weight_" in layer.name,
}
"""The layers whose MACs a difference is; of an einsum nothing is missing but digits."""


class Difference(NamedTuple):
    quantity: str
    amount: int
    reason: str


class Foreign(NamedTuple):
    """One network, and all that there is to explain about it."""

    source: str
    name: str
    side: int
    differences: tuple[Difference, ...]
    unused: int
    """Parameters that forward uses in training only, or never."""

    def build(self) -> nn.Module:
        """The network in eval mode, with fresh weights."""
        if self.source == "torchvision":
            return torchvision.models.get_model(self.name, **FRESH.get(self.name, {})).eval()
        try:  # a transformer is made for one size
            made: nn.Module = timm.create_model(self.name, img_size=self.side)
        except TypeError:
            made = timm.create_model(self.name)
        return made.eval()


FRESH = {
    "googlenet": {"init_weights": False},  # else a slow initialisation, and a warning of it
    "inception_v3": {"init_weights": False},
    "deeplabv3_mobilenet_v3_large": {"weights_backbone": None},
}


def _torchvision(name: str, side: int, *differences: Difference, unused: int = 0) -> Foreign:
    return Foreign("torchvision", name, side, differences, unused)


def _timm(name: str, side: int, *differences: Difference) -> Foreign:
    return Foreign("timm", name, side, differences, 0)


def _attention(macs: int) -> tuple[Difference, ...]:
    return (
        Difference(MACS_BY_FVCORE, -macs, ATTENTION),
        Difference(TWICE_BY_FLOP_COUNTER, -2 * macs, ATTENTION),
    )


def _lstm(macs: int) -> tuple[Difference, ...]:
    return (
        Difference(MACS_BY_FVCORE, -macs, LSTM),
        Difference(FVCORE_FORM, -macs, LSTM),
        Difference(TWICE_BY_FLOP_COUNTER, -2 * macs, LSTM),
        Difference(FLOP_COUNTER_FORM, -2 * macs, LSTM),
    )


def _einsum(digits: int) -> tuple[Difference, ...]:
    return Difference(MACS_BY_FVCORE, digits, EINSUM), Difference(FVCORE_FORM, digits, EINSUM)


def _apart(macs: int) -> Difference:
    return Difference(MACS_BY_FVCORE, -macs, APART)


def _by_word(macs: int) -> Difference:
    return Difference(MACS_BY_FVCORE, -macs, WORD)


FOREIGN = (
    _torchvision("convnext_tiny", 64),
    _torchvision("deeplabv3_mobilenet_v3_large", 64),
    _torchvision("densenet121", 64),
    _torchvision("efficientnet_v2_s", 64),
    _torchvision("googlenet", 64, unused=6_379_984),
    _torchvision("inception_v3", 96, unused=3_326_696),
    _torchvision("maxvit_t", 224, *_einsum(1_072)),
    _torchvision("regnet_x_400mf", 64),
    _torchvision("regnet_y_400mf", 64),
    _torchvision("resnext50_32x4d", 64),
    _torchvision("squeezenet1_1", 64),
    _torchvision("swin_t", 64),
    _torchvision("swin_v2_t", 64),
    _torchvision("vit_b_16", 224, *_attention(715_327_488)),
    _timm("beit_base_patch16_224", 64, *_attention(5_326_848)),
    _timm("botnet26t_256", 64),
    _timm("caformer_s18", 64, *_attention(1_523_712)),
    _timm("cait_xxs24_224", 64, *_attention(13_056)),
    _timm("coat_lite_tiny", 64),
    _timm("coatnet_nano_rw_224", 224, *_attention(114_326_016)),
    _timm("convformer_s18", 64),
    _timm("convit_tiny", 224),
    _timm("convmixer_768_32", 64, _by_word(97_542_144)),
    _timm("convnextv2_atto", 64),
    _timm("crossvit_tiny_240", 240, *_attention(271_453_248)),
    _timm("cspdarknet53", 64),
    _timm("davit_tiny", 64, *_attention(17_056_704)),
    _timm("deit_tiny_patch16_224", 64, *_attention(1_331_712)),
    _timm("dla34", 64),
    _timm("dpn48b", 64),
    _timm("edgenext_xx_small", 64),
    _timm("efficientformer_l1", 224),
    _timm("efficientvit_b0", 64),
    _timm("efficientvit_l1", 64),
    _timm("ese_vovnet19b_dw", 64),
    _timm("fasternet_t0", 64),
    _timm("fastvit_t8", 64),
    _timm("focalnet_tiny_srf", 64),
    _timm("gcresnext26ts", 64),
    _timm("ghostnet_100", 64),
    _timm("ghostnetv2_100", 64),
    _timm("gmlp_s16_224", 224),
    _timm("halonet26t", 256),
    _timm("hgnetv2_b0", 64),
    _timm("hiera_tiny_224", 224, *_attention(195_460_608), _apart(65_028_096)),
    _timm("hrnet_w18_small", 64),
    _timm("inception_next_atto", 64),
    _timm("lambda_resnet26t", 64),
    _timm("lcnet_050", 64),
    _timm("levit_128s", 224),
    _timm("mambaout_femto", 64),
    _timm("mixer_s32_224", 224),
    _timm("mobilenetv4_hybrid_medium", 64, *_attention(163_840)),
    _timm("mobileone_s0", 64),
    _timm("mobilevit_xxs", 256, *_attention(78_184_448)),
    _timm("mobilevitv2_050", 64),
    _timm("mvitv2_tiny", 224, *_einsum(-16)),
    _timm("nest_tiny", 224, _apart(590_069_760)),
    _timm("nextvit_small", 64, *_attention(221_184)),
    _timm("nf_resnet26", 64),
    _timm("pit_ti_224", 64, *_attention(1_135_104)),
    _timm("poolformer_s12", 64),
    _timm("pvt_v2_b0", 64, *_attention(253_952)),
    _timm("rdnet_tiny", 64),
    _timm("regnetz_b16", 64),
    _timm("repvgg_a0", 64),
    _timm("repvit_m0_9", 64),
    _timm("res2net50_14w_8s", 64),
    _timm("resmlp_12_224", 224),
    _timm("resnest14d", 64),
    _timm("resnetv2_50", 64),
    _timm("rexnet_100", 64),
    _timm("selecsls42", 64),
    _timm("sequencer2d_s", 64, *_lstm(224_870_400)),
    _timm("shvit_s1", 64),
    _timm("skresnet18", 64),
    _timm("starnet_s1", 64),
    _timm("swiftformer_xs", 64),
    _timm("swinv2_tiny_window8_256", 256),
    _timm("tiny_vit_5m_224", 64, _apart(81_749_248)),
    _timm("tresnet_m", 64),
    _timm("twins_svt_small", 224, *_attention(59_006_976), _apart(59_006_976)),
    _timm("visformer_tiny", 224),
    _timm("volo_d1_224", 64, *_attention(2_752_512)),
    _timm("xception41", 64),
    _timm("xcit_nano_12_p16_224", 64, *_attention(8_704)),
)

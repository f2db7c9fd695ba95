# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.exercises.lessons.segmentation import PRINTED

NAME = "lraspp_mobilenet_v3_large"
CITYSCAPES = {"resolution": (1024, 2048), "classes": 19, "rf2": True}
fine = lab.analyse(lab.trace(NAME))
coarse = lab.analyse(lab.trace(NAME, output_stride=32))
ours = {s: lab.analyse(lab.trace(NAME, output_stride=s, **CITYSCAPES)).total.macs for s in (16, 32)}
printed_step = float(PRINTED[16].split()[0]) - float(PRINTED[32].split()[0])


CALLED = {"backbone.head": "last 1×1 of the backbone", "head": "LR-ASPP's head"}


def stage_lines():
    before = {row.name: row for row in coarse.by("stage")}
    lines = []
    for row in fine.by("stage"):
        if row.macs:
            name, params = (
                CALLED.get(row.name, row.name.removeprefix("backbone.")),
                f"{row.params:,}",
            )
            costs = f"{before[row.name].macs / 1e6:,.1f} M | {row.macs / 1e6:,.1f} M"
            lines.append(f"| {name} | {params} | {costs} |")
    return "\n".join(lines)


head_row = next(row for row in fine.by("stage") if row.name == "head")

# %% [markdown]
"""
{{ head() }}
"""

# %%
import numpy as np

import mobilenet_lab as lab
from mobilenet_lab.exercises import check, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

{{ prediction("10.a") }}
"""

# %% tags=["exercise"]
predict("10.a", ...)

# %% tags=["solution"]
predict("10.a", 0.75)

# %% [markdown]
"""
{{ prediction("10.b") }}
"""

# %% tags=["exercise"]
predict("10.b", ...)

# %% tags=["solution"]
predict("10.b", "grows")

# %% [markdown]
r"""
## The idea

A classifier shrinks its image 32 times: 224 pixels become 7×7 units. That is enough to say *what* is in
it, and too coarse to say *where* it ends. How many pixels of the image one step of a map is, is called
its **output stride**. To halve it, leave out the last stride.

But then the layers behind it read other pixels than before. Take 12 pixels and two layers with three
taps, of which the first has stride 2:

| | units of layer 1 stand on the pixels | one unit of layer 2 reads units on |
|---|---|---|
| stride 2 | 0, 2, 4, 6, 8, 10 | 2, 4, 6 |
| stride 1 | 0, 1, 2, 3, 4, 5, 6, 7 ... | 3, 4, 5 |
| stride 1, and layer 2 has **dilation 2** | 0, 1, 2, 3, 4, 5, 6, 7 ... | 2, 4, 6 |

With dilation 2 its taps stand two units apart, and so on the same pixels as in the strided network. The
weights are the same, and so are the values where both have a unit; in between there are new ones. With
numbers (`[::2]` keeps every second value):
"""


# %%
def layer(row, weights, stride=1, dilation=1):
    reach = dilation * (len(weights) - 1)
    row = np.pad(row, dilation)
    return np.array(
        [row[i : i + reach + 1 : dilation] @ weights for i in range(0, len(row) - reach, stride)]
    )


row = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8])
first, second = np.array([1, 2, 1]), np.array([1, -1, 2])
strided = layer(layer(row, first, stride=2), second)
dilated = layer(layer(row, first), second, dilation=2)
print("strided", strided)
print("dilated", dilated)
assert (dilated[::2] == strided).all()

# %% [markdown]
r"""
So a stride can be traded for dilation without a change to the weights:

$$
\text{stride } s \rightarrow 1 \qquad\text{and}\qquad
\text{dilation of everything behind it} \times s
$$

The price is work: a map of half the stride has four times the positions, and every weight behind it is
used at each of them.

**LR-ASPP**, the head that MobileNetV3's paper proposes for segmentation, is as light as can be. On the
coarse map: a 1×1 convolution to 128 channels, multiplied by a gate that has averaged the whole map (so
that every unit *depends* on every pixel, whatever its field). This is brought to the map of stride 8,
and two 1×1 convolutions, one there and one on the backbone's own map of stride 8, give scores for each
class, which are added and enlarged 8 times to the size of the image.

## The picture
"""

# %% tags=["hero"]
ax = lab.draw.network("lraspp_mobilenet_v3_large")

# %% [markdown]
"""
What each part costs at {{ fine.trace.input_shape[1] }} pixels, with output stride 32 and 16:

| part | parameters | MACs, stride 32 | MACs, stride 16 |
|---|---|---|---|
{{ stage_lines() }}
| **together** | {{ fine.total.params:,}} | {{ coarse.total.macs / 1e6:,.1f}} M | {{ fine.total.macs / 1e6:,.1f}} M |

Not one parameter differs. The head is {{ head_row.params / fine.total.params:.0%}} of the parameters and
{{ head_row.macs / fine.total.macs:.0%}} of the MACs at stride 16. Nothing in front of the last stage
changes.

**And the paper?** It prints {{ PRINTED[16] }} for output stride 16 and {{ PRINTED[32] }} for 32, for images
of Cityscapes (twice as wide as high) and a last stage of half the width; convolutions alone are {{ ours[16] / 1e9:.2f}} G and
{{ ours[32] / 1e9:.2f}} G MACs. The lab does not get the printed numbers exactly, and what else they hold is
not known. But the step from 32 to 16 is {{ printed_step:.2f}} there and
{{ (ours[16] - ours[32]) / 1e9:.2f}} here: what output stride costs, both agree on to a few percent.
"""


# %%
def saved(side):
    macs = {}
    for stride in (16, 32):
        trace = lab.trace("lraspp_mobilenet_v3_small", resolution=side, output_stride=stride)
        macs[stride] = lab.analyse(trace).total.macs
        print(f"output stride {stride}: {macs[stride]:13,} MACs")
    print(f"At {side} pixels, stride 32 saves {1 - macs[32] / macs[16]:.1%} of MobileNetV3-Small.")


explore(saved, side=(520, 256, 384, 512, 513, 1024))

# %% [markdown]
"""
## Exercises

{{ exercise("10.1") }}
"""

# %% tags=["exercise"]
stride_8 = ...
stride_16 = ...
stride_32 = ...
ratio = ...
check("10.1", (stride_8, stride_16, stride_32, ratio))

# %% tags=["solution"]
stride_8, stride_16, stride_32 = (-(-484 // stride) for stride in (8, 16, 32))
ratio = stride_16**2 / stride_32**2
check("10.1", (stride_8, stride_16, stride_32, ratio))

# %% [markdown]
"""
{{ exercise("10.2") }}
"""


# %% tags=["exercise"]
def dilate(strides, target):
    return ...


check("10.2", dilate)


# %% tags=["solution"]
def dilate(strides, target):
    kept, removed, layers = 1, 1, []
    for stride in strides:
        if kept * stride <= target:
            layers.append((stride, removed))
            kept *= stride
        else:
            layers.append((1, removed))
            removed *= stride
    return layers


check("10.2", dilate)

# %% [markdown]
"""
{{ exercise("10.3") }}
"""

# %% tags=["exercise"]
layers = ...
macs = ...
check("10.3", (layers, macs))

# %% tags=["solution"]
weights = [
    *(25 * 672, 672 * 160),
    *(160 * 960, 25 * 960, 960 * 160),
    *(160 * 960, 25 * 960, 960 * 160),
    *(160 * 960, 960 * 128),
]
layers = len(weights)
macs = sum(weights) * (32**2 - 16**2)
check("10.3", (layers, macs))

# %% [markdown]
"""
{{ exercise("10.4") }}
"""

# %% tags=["exercise"]
strided = ...
deeplab = ...
torchvision = ...
check("10.4", (strided, deeplab, torchvision))

# %% tags=["solution"]
before = 275
strided = before + 4 * 16 + 4 * 32 + 4 * 32
deeplab = before + 4 * 16 + 4 * 2 * 16 + 4 * 2 * 16
torchvision = before + 3 * (4 * 2 * 16)
check("10.4", (strided, deeplab, torchvision))

# %% [markdown]
"""
{{ exercise("10.5") }}
"""

# %% tags=["exercise"]
at_16 = ...
at_32 = ...
check("10.5", (at_16, at_32))


# %% tags=["solution"]
def affordable(stride):
    name, side = "lraspp_mobilenet_v3_large", 32
    while True:
        larger = lab.trace(name, resolution=side + 32, output_stride=stride)
        if lab.analyse(larger).total.macs > 1500e6:
            return side
        side += 32


at_16, at_32 = affordable(16), affordable(32)
check("10.5", (at_16, at_32))

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("10.a")
reveal("10.b")

# %% [markdown]
"""
## What this does not tell you

MACs leave out the last step: enlarging the scores {{ 520 // 65 }} times, with {{ 21 * 520 * 520:,}} values
for 21 classes, is in none of these numbers, and it moves a lot of memory. Nor are MACs milliseconds
(lesson 11). And how accurate the outlines are is measured by
training (mean intersection over union), not by the output stride.

## Summary

- A stride that is removed becomes dilation of everything behind it: same weights, same taps, more units.
- The work behind it grows with the positions: four times, exactly so only for sides that divide.
- At {{ fine.trace.input_shape[1] }} pixels, output stride 32 takes {{ coarse.total.macs / 1e9:.2f}} G MACs
  and 16 takes {{ fine.total.macs / 1e9:.2f}} G, with the same {{ fine.total.params:,}} parameters.
- Where dilation begins changes the field, and no count shows it.

## Read on

- Howard, Sandler, Chu et al.: *Searching for MobileNetV3*, 2019
- Chen, Papandreou, Schroff, Adam: *Rethinking Atrous Convolution for Semantic Image Segmentation*, 2017
- Yu, Koltun: *Multi-Scale Context Aggregation by Dilated Convolutions*, 2016
"""

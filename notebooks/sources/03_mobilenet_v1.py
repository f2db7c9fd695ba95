# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.accuracies import accuracies
from mobilenet_lab.exercises.lessons.mobilenet_v1 import TABLE_2_PARAMS, WIDTHS, macs, network
from mobilenet_lab.formulas import conv2d_macs


def block(width, side):
    c = int(512 * width)
    return conv2d_macs(3, c, c, side, side, groups=c), conv2d_macs(1, c, c, side, side)


def paper(name, **settings):
    """The accuracy in the MobileNet paper."""
    return next(
        row.top1
        for row in accuracies(name)
        if "1704.04861" in row.source and settings.items() <= row.settings.items()
    )


depthwise, pointwise = block(1, 14)
narrow = block(0.5, 14)
small = block(1, 7)
full = conv2d_macs(3, 512, 512, 14, 14)
v1 = network().total
separable_top1 = paper("mobilenet_v1", width=1.0, resolution=224)
full_top1 = paper("mobilenet_v1_full_conv")
vgg_top1 = paper("vgg16")
full_ratio = network(name="mobilenet_v1_full_conv").total.macs / v1.macs

# %% [markdown]
"""
{{ head() }}
"""

# %%
import mobilenet_lab as lab
from mobilenet_lab.accuracies import accuracies
from mobilenet_lab.exercises import check, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

Before any formula, write down what you believe. A guess is never marked; it is compared at the end.

{{ prediction("3.a") }}
"""

# %% tags=["exercise"]
predict("3.a", ...)

# %% tags=["solution"]
predict("3.a", 60)

# %% [markdown]
"""
{{ prediction("3.b") }}
"""

# %% tags=["exercise"]
predict("3.b", ...)

# %% tags=["solution"]
predict("3.b", 0.5)

# %% [markdown]
r"""
## The idea

MobileNetV1 is a full 3×3 convolution (the *stem*), thirteen depthwise-separable blocks, a global average
pool and a classifier. Take one block in the middle: 512 channels to 512, on a map of 14×14.

- **Depthwise 3×3:** 9 × 512 × 14 × 14 = {{ depthwise:,}} MACs.
- **Pointwise 1×1:** 512 × 512 × 14 × 14 = {{ pointwise:,}} MACs.
- A full 3×3 convolution in their place would take {{ full:,}},
  {{ full / (depthwise + pointwise):.2f}} times as many.

Now two dials for the whole network, so that one design fits many devices.

- **Width α**: every layer has α times as many channels. At α = 0.5 the depthwise convolution of our block
  takes {{ narrow[0]:,}} MACs, *a half*, and the pointwise one {{ narrow[1]:,}}, *a quarter*: it has fewer
  inputs and fewer outputs.
- **Resolution ρ**: the image, and with it every map, has ρ times the side. At ρ = 0.5 our map is 7×7;
  the two take {{ small[0]:,}} and {{ small[1]:,}} MACs, both *a quarter*. The weights stay as they are.

With letters, a block of $M$ to $N$ channels on a map of side $D$ takes

$$
\underbrace{9 \cdot \alpha M \cdot \rho^2 D^2}_{\text{depthwise}} +
\underbrace{\alpha M \cdot \alpha N \cdot \rho^2 D^2}_{\text{pointwise}}
$$

MACs. The paper sums it up: the cost falls *roughly* with α², and with ρ². What is in that word is one
of the exercises.

## The picture

The MACs of MobileNetV1 at the paper's four widths and four resolutions, each counted layer by layer.
"""

# %% tags=["hero"]
lab.draw.grid("mobilenet_v1", of="macs")

# %% [markdown]
"""
Go one cell down, then one cell to the left: which of the two saves more? And which of them saves
parameters?

Move the sliders, and look at the classifier and at the depthwise convolutions.
"""


# %%
def by_role(width, resolution):
    options = {"width": width, "resolution": resolution}
    return lab.summary("mobilenet_v1", level="role", columns="name,params,macs", **options)


explore(by_role, width=(1.0, 0.75, 0.5, 0.25), resolution=(224, 192, 160, 128))

# %% [markdown]
"""
## Exercises

{{ exercise("3.1") }}
"""

# %% tags=["exercise"]
total = ...
layers = ...
share = ...
check("3.1", (total, layers, share))

# %% tags=["solution"]
v1 = lab.analyse(lab.trace("mobilenet_v1"))
shares = {row.name: 100 * row.macs / v1.total.macs for row in v1.by("role")}
printed = {"pointwise": 94.86, "depthwise": 3.06, "stem": 1.19, "classifier": 0.18}
layers = max(printed, key=lambda name: abs(printed[name] - shares[name]))
share = shares[layers]
total = sum(printed.values())
check("3.1", (total, layers, share))

# %% [markdown]
"""
The other column of that table, the parameters, does add up: {{ TABLE_2_PARAMS["pointwise"] }},
{{ TABLE_2_PARAMS["depthwise"] }}, {{ TABLE_2_PARAMS["stem"] }} and {{ TABLE_2_PARAMS["classifier"] }} percent
(without batch norm and biases). So the pointwise convolutions do nearly all of the work, and a quarter of the
parameters is in the classifier, which does hardly any.

{{ exercise("3.2") }}
"""

# %% tags=["exercise"]
full_params = ...
full_macs = ...
vgg_params = ...
vgg_macs = ...
check("3.2", (full_params, full_macs, vgg_params, vgg_macs))

# %% tags=["solution"]
names = ("mobilenet_v1", "mobilenet_v1_full_conv", "vgg16")
mobile, full, vgg = (lab.analyse(lab.trace(name)).total for name in names)
full_params = full.params / mobile.params
full_macs = full.macs / mobile.macs
vgg_params = vgg.params / mobile.params
vgg_macs = vgg.macs / mobile.macs
check("3.2", (full_params, full_macs, vgg_params, vgg_macs))

# %% [markdown]
"""
What the savings cost in accuracy, by the paper's own tables: {{ separable_top1 }} % of ImageNet's images
right (top-1) for MobileNetV1, {{ full_top1 }} % for the same table with full convolutions and
{{ vgg_top1 }} % for VGG-16. So "VGG-16's accuracy" is nearly right, and the paper itself states about the
factors that you found.

{{ exercise("3.3") }}
"""

# %%
# Table 1 as printed, a row for each block: the stride of its depthwise convolution,
# the side of the map that this reads (at 224 pixels), the channels of its 1x1 convolution.
# Before the blocks: the stem, 3x3 with stride 2 from 3 to 32 channels.
# Behind them: a global average pool, and the classifier to 1000 classes.
TABLE_1 = [
    (1, 112, 64),
    (2, 112, 128),
    (1, 56, 128),
    (2, 56, 256),
    (1, 28, 256),
    (2, 28, 512),
    (1, 14, 512),
    (1, 14, 512),
    (1, 14, 512),
    (1, 14, 512),
    (1, 14, 512),
    (2, 14, 1024),
    (2, 7, 1024),
]


# %% tags=["exercise"]
def v1_macs(width, resolution):
    return ...


check("3.3", v1_macs)


# %% tags=["solution"]
def v1_macs(width, resolution):
    strides = [stride for stride, _, _ in TABLE_1]
    strides[-1] = 1  # 7x7 in, 7x7 out
    side = (resolution + 2 - 3) // 2 + 1
    c = int(32 * width)
    macs = 9 * 3 * c * side**2
    for stride, (_, _, channels) in zip(strides, TABLE_1, strict=True):
        d = int(channels * width)
        side = (side + 2 - 3) // stride + 1
        macs += 9 * c * side**2 + c * d * side**2
        c = d
    return macs + c * 1000


check("3.3", v1_macs)

# %% [markdown]
"""
{{ exercise("3.4") }}
"""

# %% tags=["exercise"]
percent = ...
layers = ...
check("3.4", (percent, layers))

# %% tags=["solution"]
whole = lab.analyse(lab.trace("mobilenet_v1"))
narrow = lab.analyse(lab.trace("mobilenet_v1", width=0.25))
rule = 0.25**2 * whole.total.macs
percent = 100 * (narrow.total.macs - rule) / narrow.total.macs
pairs = zip(whole.by("role"), narrow.by("role"), strict=True)
excess = {before.name: after.macs - 0.25**2 * before.macs for before, after in pairs}
layers = max(excess, key=excess.get)
check("3.4", (percent, layers))

# %% [markdown]
"""
{{ exercise("3.5") }}
"""

# %%
published = [row for row in accuracies("mobilenet_v1") if row.source.startswith("TF-slim")]
print(len(published), "rows, such as")
for row in published[:4]:
    print(row.settings, row.top1)

# %% tags=["exercise"]
width = ...
resolution = ...
check("3.5", (width, resolution))

# %% tags=["solution"]
fitting = []
for row in published:
    cost = lab.analyse(lab.trace("mobilenet_v1", **row.settings)).total
    if cost.macs <= 120e6 and cost.params <= 3e6:
        fitting.append(row)
best = max(fitting, key=lambda row: row.top1)
width, resolution = best.settings["width"], best.settings["resolution"]
check("3.5", (width, resolution))

# %% [markdown]
"""
The whole plane: every published accuracy of MobileNetV1 over its exact MACs, with the network of full
convolutions and VGG-16. The black line joins those that no other point beats in both.
"""

# %%
lab.draw.accuracy("mobilenet_v1", "mobilenet_v1_full_conv", "vgg16")

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("3.a")
reveal("3.b")

# %% [markdown]
r"""
## What this does not tell you

- **Accuracy** is not computed here but looked up, and it belongs to one training: the same network
  gained about three points when others trained it anew, years later (the highest blue point above). Differences
  of half a point say little.
- **Time.** All of this is in MACs. On a real device the depthwise convolutions can take more than their share
  (lesson 11).
- **Between the points.** α = 0.6 can be counted; what it reaches, only training tells.

## Summary

- MobileNetV1 has {{ v1.params:,}} parameters and, at 224 pixels, {{ v1.macs:,}} MACs. Nearly all MACs are
  in pointwise convolutions.
- Full convolutions in the same table take {{ full_ratio:.1f}} times the MACs, for
  {{ full_top1 - separable_top1:.1f}} points of accuracy.
- ρ multiplies the MACs of all convolutions by ρ² and leaves the parameters. α multiplies the MACs of
  pointwise convolutions by α², and those of depthwise ones, stem and classifier by α.
- Printed tables have misprints. Sums, sizes and a second count find them.

## Read on

- Howard et al.: *MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications*, 2017
- Simonyan, Zisserman: *Very Deep Convolutional Networks for Large-Scale Image Recognition*, 2015
- Tan, Le: *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, 2019 (width,
  resolution and depth, scaled together)
"""

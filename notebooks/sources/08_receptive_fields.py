# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.analysis import known_fields


def at(network, layer):
    trace = lab.trace(network)
    names = [each.name for each in trace.layers]
    return known_fields(trace)[names.index(layer)].horizontal


vgg_conv = at("vgg16", "stage5.conv3.conv")
vgg_pool = at("vgg16", "stage5.pool")
corner = vgg_pool.span(0)
inside = sum(0 <= pixel < 224 for pixel in range(corner[0], corner[1] + 1))
v3 = at("mobilenet_v3_large", "head.conv")

# %% [markdown]
"""
{{ head() }}
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

import mobilenet_lab as lab
from mobilenet_lab.exercises import check, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

{{ prediction("8.a") }}
"""

# %% tags=["exercise"]
predict("8.a", ...)

# %% tags=["solution"]
predict("8.a", 224)

# %% [markdown]
"""
{{ prediction("8.b") }}
"""

# %% tags=["exercise"]
predict("8.b", ...)

# %% tags=["solution"]
predict("8.b", "classifier")

# %% [markdown]
r"""
## The idea

Put three 3×3 convolutions in a row; the second has stride 2. How far does one number of the last map
see? Look at one axis, and begin at the image:

| | reads taps that are | so the field grows by | field | neighbours are then |
|---|---|---|---|---|
| image | | | 1 | 1 pixel apart |
| 3×3, stride 1 | 1 pixel apart | 2 × 1 | 3 | 1 pixel apart |
| 3×3, stride 2 | 1 pixel apart | 2 × 1 | 5 | 2 pixels apart |
| 3×3, stride 1 | **2** pixels apart | 2 × **2** | 9 | 2 pixels apart |

A layer's own stride does nothing for its own field; it spreads out the taps of every layer *behind*
it. The distance of neighbouring units, in pixels of the image, is called the **jump** $j$. With kernel
$k$, stride $s$ and dilation $d$, each layer does two things, in this order:

$$
r \leftarrow r + d\,(k - 1)\,j \qquad\text{then}\qquad j \leftarrow s\,j
\qquad\text{beginning with } r = j = 1
$$

A pool is a window like any other. A 1×1 convolution adds nothing. Where branches meet (a shortcut and
a block), the largest field counts.
"""

# %%
three = lab.Net()
x = three.input(1, 32)
for name, stride in (("first", 1), ("second", 2), ("third", 1)):
    x = three.conv2d(x, 1, kernel=3, stride=stride, name=name)
lab.field(three.trace(x))

# %% [markdown]
"""
## The picture

The same rule on whole networks. Each line is the field behind so many convolutions and pools; a hollow
mark in the band at the top is a pool over the whole map. Where the jump doubles, the line gets steeper.
"""

# %% tags=["hero"]
ax = lab.draw.growth("mobilenet_v2", "vgg16", "mobilenet_v3_large")

# %% [markdown]
"""
**Which layer?** VGG-16 is quoted with {{ vgg_conv.size }} pixels and with {{ vgg_pool.size }}. Both are
right: the first is the field behind its last convolution, the second behind the 2×2 pool that follows,
which adds (2 − 1) × {{ vgg_conv.jump }}. A field without the name of its layer says little.

**At the border.** The unit in the upper left corner of that pool's map sees the pixels from
{{ corner[0] }} to {{ corner[1] }} on each axis, and an image has no pixels below 0. Only {{ inside }} of
{{ vgg_pool.size }} remain: of the area of its field, {{ 1 - (inside / vgg_pool.size) ** 2:.0%}} lies in
the padding.
"""

# %%
ax = lab.draw.field("vgg16", layer="stage5.pool", unit=(0, 0))

# %% [markdown]
"""
**Behind a gate.** A squeeze-and-excitation gate averages the whole map and multiplies every position by
what it finds. From there on, every unit depends on every pixel, and a field has no limit. When somebody says that
MobileNetV3-Large sees {{ v3.size }} pixels, that is the field of its maps, with the gates left out. The
lab leaves them out, too, and marks with a star what lies behind one:
"""

# %%
for row in lab.field("mobilenet_v3_large").rows:
    if row.name.startswith(("stage2.1", "stage3.0")):
        print(f"{row.name:24}{row.window:14}{row.size!s:12}{row.sees}")

# %% [markdown]
"""
**Seen, or hardly seen?** The middle of a field can be reached on many ways through the layers, its edge
on one only. If all weights are equal, the influence of the pixels along one axis is one kernel
(1/3, 1/3, 1/3) for each layer, all convolved with each other:
"""


# %%
def profile(layers):
    influence = np.ones(1)
    for _ in range(layers):
        influence = np.convolve(influence, [1 / 3, 1 / 3, 1 / 3])
    return influence


def draw_profile(layers):
    influence = profile(layers)
    _, ax = plt.subplots(figsize=(7, 2.4))
    ax.bar(range(-layers, layers + 1), influence, width=0.9)
    ax.set(xlabel="pixels from the middle", ylabel="influence")
    ax.set_title(f"{layers} layers: a field of {2 * layers + 1} pixels")
    ax.spines[["top", "right"]].set_visible(False)
    plt.show()


explore(draw_profile, layers=(30, 2, 5, 10, 20, 40, 80))

# %% [markdown]
"""
Real networks show the same in their gradients; with PyTorch installed, see
`lab.draw.effective("mobilenet_v2")`.

## Exercises

{{ exercise("8.1") }}
"""

# %% tags=["exercise"]
strides = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
fields = ...
check("8.1", fields)

# %% tags=["solution"]
strides = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
fields, field, jump = [], 1, 1
for stride in strides:
    field += 2 * jump
    jump *= stride
    fields.append(field)
check("8.1", fields)

# %% [markdown]
"""
{{ exercise("8.2") }}
"""


# %% tags=["exercise"]
def receptive_field(layers):
    return ...


check("8.2", receptive_field)


# %% tags=["solution"]
def receptive_field(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * jump
        jump *= stride
    return field


check("8.2", receptive_field)

# %% [markdown]
"""
{{ exercise("8.3") }}
"""

# %% tags=["exercise"]
first_1x1 = ...
first_3x3 = ...
last_3x3 = ...
check("8.3", (first_1x1, first_3x3, last_3x3))

# %% tags=["solution"]
stem, one = [(7, 2, 1), (3, 2, 1)], [(1, 2, 1)]
same, half = [(3, 1, 1)], [(3, 2, 1)]
first_1x1 = receptive_field(stem + 3 * same + one + 4 * same + one + 6 * same + one + 3 * same)
first_3x3 = receptive_field(stem + 3 * same + half + 3 * same + half + 5 * same + half + 2 * same)
last_3x3 = receptive_field(stem + 2 * same + half + 3 * same + half + 5 * same + half + 3 * same)
check("8.3", (first_1x1, first_3x3, last_3x3))

# %% [markdown]
"""
{{ exercise("8.4") }}
"""

# %% tags=["exercise"]
width = ...
check("8.4", width)

# %% tags=["solution"]
n = 16
influence = profile(n)
reach = next(r for r in range(n + 1) if sum(influence[n - r : n + r + 1]) >= 0.95)
width = 2 * reach + 1
check("8.4", width)

# %% [markdown]
"""
{{ exercise("8.5") }}
"""

# %% tags=["exercise"]
design = ...
check("8.5", design)

# %% tags=["solution"]
design = [2, 2, 2]
while receptive_field([(3, stride, 1) for stride in design]) < 120:
    design = [*design, 1]
check("8.5", design)

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("8.a")
reveal("8.b")

# %% [markdown]
r"""
## What this does not tell you

A field says what a unit *can* depend on, not what it does: weights decide, and training widens the
effective field. A larger field is not better by itself; a small object needs detail, which strides
take away. And a gate hands on one number for each channel, the same at every position: it tells that
something is in the image, not where.

## Summary

- For each layer $r \leftarrow r + d(k-1)j$, then $j \leftarrow s\,j$. Strides help the layers behind.
- A field belongs to a layer of a certain build: VGG-16 has {{ vgg_conv.size }} or {{ vgg_pool.size }},
  and ResNet-50 changes with the place of a stride.
- At the border, part of the field is padding; behind a gate the field has no limit.
- The field of a plain chain grows with its depth $n$, the part that matters with $\sqrt{n}$.

## Read on

- Araujo, Norris, Sim: *Computing Receptive Fields of Convolutional Neural Networks*, 2019
- Luo, Li, Urtasun, Zemel: *Understanding the Effective Receptive Field in Deep Convolutional Neural Networks*, 2016
- He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015
"""

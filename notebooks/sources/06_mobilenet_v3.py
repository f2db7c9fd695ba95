# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.formulas import conv2d_macs, conv2d_params

large = lab.analyse(lab.trace("mobilenet_v3_large"))
v2 = lab.analyse(lab.trace("mobilenet_v2"))
roles = {row.name: row for row in large.by("role")}
gate_params = conv2d_params(1, 8, 2, bias=True) + conv2d_params(1, 2, 8, bias=True)
gate_macs = conv2d_macs(1, 8, 2, 1, 1) + conv2d_macs(1, 2, 8, 1, 1)
pointwise = {"params": conv2d_params(1, 8, 8), "macs": conv2d_macs(1, 8, 8, 7, 7)}

# %% [markdown]
"""
{{ head() }}
"""

# %%
import math

import matplotlib.pyplot as plt

import mobilenet_lab as lab
from mobilenet_lab.exercises import check, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

{{ prediction("6.a") }}
"""

# %% tags=["exercise"]
predict("6.a", ...)

# %% tags=["solution"]
predict("6.a", 5)

# %% [markdown]
"""
{{ prediction("6.b") }}
"""

# %% tags=["exercise"]
predict("6.b", ...)

# %% tags=["solution"]
predict("6.b", 5)

# %% [markdown]
r"""
## The idea

MobileNetV3 keeps MobileNetV2's inverted residual and changes four things around it.

**Gates.** Squeeze-and-excitation pools a map to one number for each channel, squeezes these to a
quarter, goes back, and multiplies every channel by what comes out. Take 8 channels of 7×7, squeezed
to 2:

- weights 8 × 2 + 2 × 8, biases 2 + 8: {{ gate_params }} parameters;
- MACs: each weight once, since behind the pool there is *one* position: {{ gate_macs }}.

A 1×1 convolution from 8 to 8 channels of the same map has {{ pointwise["params"] }} parameters and
{{ pointwise["macs"]:,}} MACs. So a gate has parameters like a convolution, and MACs like a linear layer.

**h-swish.** Swish, $x \cdot \sigma(x)$, needs an exponential. V3 puts straight lines in place of the
sigmoid; here ReLU6 is $\min(\max(x, 0), 6)$:

$$\text{h-swish}(x) = x \cdot \frac{\text{ReLU6}(x + 3)}{6}$$

At $x = 1$ that is $1 \cdot 4 / 6 = {{ 4 / 6:.3f}}$, and swish is {{ 1 / (1 + 2.718281828 ** -1):.3f}}.

**A cheaper end.** What works at 49 positions of a 7×7 map works at one position behind the pool.

**Widths from a search.** NetAdapt makes one layer narrower at a time, and takes the step that loses
the least accuracy for each millisecond that it saves. Widths stay multiples of 8, by a rule that you
will write below.
"""

# %% [markdown]
"""
## The picture

One block with a gate, to scale: the height of a map is its number of channels. The gate is the detour
above; what comes out of it multiplies the channels of the map below.
"""

# %% tags=["hero"]
lab.draw.block("mobilenet_v3_large")

# %% [markdown]
"""
The whole network by role; `se` is all gates together. Compare the two halves of the picture.
"""

# %%
lab.draw.costs("mobilenet_v3_large", level="role")

# %% [markdown]
"""
An image of twice the side means about four times the MACs. Not in every row: which stay as they are
in the figure above, and why?
"""


# %%
def by_role(side):
    return lab.summary(
        "mobilenet_v3_large", level="role", columns="name,params,macs", resolution=side
    )


explore(by_role, side=(448, 224))

# %% [markdown]
"""
## Exercises

{{ exercise("6.1") }}
"""

# %% tags=["exercise"]
saved = ...
check("6.1", saved)

# %% tags=["solution"]
positions = 7 * 7
gone = (9 * 960 + 960 * 320 + 320 * 1280) * positions
new = 960 * 1280
saved = gone - new
check("6.1", saved)

# %% [markdown]
"""
{{ exercise("6.2") }}
"""


# %% tags=["exercise"]
def h_swish(x):
    return ...


check("6.2", h_swish)


# %% tags=["solution"]
def h_swish(x):
    return x * min(max(x + 3, 0), 6) / 6


check("6.2", h_swish)

# %% [markdown]
"""
Yours beside swish. Where are the two farthest apart? (Without a function of yours, the cell draws
swish alone.)
"""

# %%
grid = [i / 100 for i in range(-600, 601)]
swish = [x / (1 + math.exp(-x)) for x in grid]
mine = [h_swish(x) for x in grid]

figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(grid, swish, label="swish", color="#0072B2")
if all(isinstance(y, int | float) for y in mine):
    axes.plot(grid, mine, label="your h_swish", color="#D55E00", linestyle="--")
    gaps = {x: abs(a - b) for x, a, b in zip(grid, mine, swish, strict=True)}
    widest = max(gaps.values())
    places = [x for x, gap in gaps.items() if math.isclose(gap, widest)]
    print(f"farthest apart: {widest:.4f}, at x = {', '.join(f'{x:g}' for x in places)}")
axes.set_xlabel("x")
axes.legend()
plt.show()

# %% [markdown]
"""
{{ exercise("6.3") }}
"""


# %% tags=["exercise"]
def make_divisible(value, divisor):
    return ...


check("6.3", make_divisible)


# %% tags=["solution"]
def make_divisible(value, divisor):
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest


check("6.3", make_divisible)

# %% [markdown]
"""
The gates use it: 72, 120 and 240 expanded channels are squeezed to
{{ make_divisible(72 / 4) }}, {{ make_divisible(120 / 4) }} and {{ make_divisible(240 / 4) }}, where a
plain `// 4` gives {{ 72 // 4 }}, {{ 120 // 4 }} and {{ 240 // 4 }}. Does yours agree?

{{ exercise("6.4") }}
"""

# %% tags=["exercise"]
layer = ...
ratio = ...
check("6.4", (layer, ratio))

# %% tags=["solution"]
rows = {
    "stage2.1": (73.80, 50.55),
    "stage3.0": (73.40, 50.48),
    "stage4.0": (72.70, 49.00),
    "stage5.1": (73.30, 49.90),
    "stage6.1": (72.20, 50.20),
}
ratios = {
    name: (accuracy - 74.00) / (51.00 - latency)
    for name, (accuracy, latency) in rows.items()
    if 51.00 - latency >= 0.5
}
layer = max(ratios, key=ratios.get)
ratio = ratios[layer]
check("6.4", (layer, ratio))

# %% [markdown]
"""
{{ exercise("6.5") }}
"""

# %% tags=["exercise"]
missing_a = ...
missing_b = ...
changed = ...
check("6.5", (missing_a, missing_b, changed))

# %% tags=["solution"]
expanded = [72, 120, 120, 480, 672, 672, 960, 960]
missing_a = sum((make_divisible(exp / 4, 8) - exp // 4) * (2 * exp + 1) for exp in expanded)
missing_b = 0
values = [-4.0, -3.0, -1.5, -0.5, 0.0, 0.25, 1.0, 2.5, 3.0, 4.5, -0.25, 5.0]
changed = sum(h_swish(x) != x for x in values)
check("6.5", (missing_a, missing_b, changed))

# %% [markdown]
"""
Port B is quickly made: the lab writes any network as a text, one row for each block. Put an h-swish
behind each projection in that text, and count both.
"""

# %%
text = lab.export("mobilenet_v3_large")
lines = [
    line.replace('act = "none"', 'act = "hardswish"') if '"project"' in line else line
    for line in text.splitlines()
]
with open("port_b.toml", "w", encoding="utf-8") as file:
    file.write("\n".join(lines))

for network in ("mobilenet_v3_large", "port_b.toml"):
    counts = lab.analyse(lab.trace(network))
    activations = sum(row.op in ("relu", "hardswish") for row in counts.rows)
    print(f"{network}: {counts.total.params:,} parameters, {counts.total.macs:,} MACs,", end=" ")
    print(f"{activations} activations")

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("6.a")
reveal("6.b")

# %% [markdown]
r"""
## What this does not tell you

- Whether a gate is worth its parameters: that takes a training. Nor what it costs in time: its pool
  has to read the whole map, which no count of MACs shows (lesson 11).
- Whether h-swish is faster than swish on *your* machine. Behind the first convolution the paper uses it
  in the deeper half of the network only, where maps are small.
- NetAdapt's table is only as good as its short trainings; of two close rows, chance decides.
- The paper's text says that the squeeze is one quarter of the expansion. The networks whose weights
  are published round it; here the code decides, and the paper does not say so.

## Summary

- Gates have {{ roles["se"].params / large.total.params:.0%}} of V3-Large's parameters and
  {{ roles["se"].macs / large.total.macs:.1%}} of its MACs: they work behind a pool.
- The redesigned last stage drops two layers and moves a third behind the pool. V3-Large takes
  {{ large.total.macs:,}} MACs for an image, V2 {{ v2.total.macs:,}}.
- h-swish is swish with straight lines; make_divisible is rounding with a 90 % rule.
- Counts find a wrong width. They cannot find a wrong function: run the network, too.

## Read on

- Howard et al.: *Searching for MobileNetV3*, 2019
- Yang et al.: *NetAdapt: Platform-Aware Neural Network Adaptation for Mobile Applications*, 2018
- Hu, Shen, Sun: *Squeeze-and-Excitation Networks*, 2018
- Ramachandran, Zoph, Le: *Searching for Activation Functions*, 2017
"""

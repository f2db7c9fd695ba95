# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.formulas import conv2d_macs

BLOCK = "stage2.1"
v2 = lab.analyse(lab.trace("mobilenet_v2"))
resnet = lab.analyse(lab.trace("resnet50"))
half = lab.analyse(lab.trace("mobilenet_v2", width=0.5))
spindle = [row for row in v2.rows if row.block == BLOCK]
hourglass = [row for row in resnet.rows if row.block == BLOCK]
MIB = 2**20

c, t, d = 2, 3, 2
expand = conv2d_macs(1, c, t * c, 1, 1)
depthwise = conv2d_macs(3, t * c, t * c, 1, 1, groups=t * c)
project = conv2d_macs(1, t * c, d, 1, 1)


def kib(shape):
    return f"{shape[0] * shape[1] * shape[2] * 4 / 2**10:,.0f} KiB"


thin = spindle[0].in_shape
wide = spindle[0].out_shape
thick = hourglass[0].in_shape
waist = hourglass[0].out_shape
last = next(row for row in half.rows if row.stage == "head" and row.op == "conv2d")
in_blocks = [row for row in v2.rows if "." in row.block]
filtering = sum(row.macs for row in in_blocks if row.role == "depthwise")
filtering /= sum(row.macs for row in in_blocks)
end = sum(row.params for row in half.rows if row.stage in ("head", "classifier"))

# %% [markdown]
"""
{{ head() }}
"""

# %%
import mobilenet_lab as lab
from mobilenet_lab.exercises import check, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

{{ prediction("5.a") }}
"""

# %% tags=["exercise"]
predict("5.a", ...)

# %% tags=["solution"]
predict("5.a", 3)

# %% [markdown]
"""
{{ prediction("5.b") }}
"""

# %% tags=["exercise"]
predict("5.b", ...)

# %% tags=["solution"]
predict("5.b", 7)

# %% [markdown]
r"""
## The idea

ResNet's bottleneck is an hourglass: it reduces many channels to few, runs its dense 3×3 convolution
where there are few, and restores them. MobileNetV2's block is a spindle: it expands few channels to many,
runs a 3×3 *depthwise* convolution where there are many, and projects back. One is the other turned inside
out, hence *inverted residual*; in both the skip joins the ends.

**Work.** Take a tiny spindle: {{ c }} channels, expanded {{ t }} times, 3×3 kernels, back to {{ d }}. At
one position:

- the expansion makes {{ t * c }} values, each from {{ c }}: {{ expand }} MACs;
- the depthwise convolution has {{ t * c }} kernels of 9 weights: {{ depthwise }} MACs;
- the projection makes {{ d }} values, each from {{ t * c }}: {{ project }} MACs.

Together {{ expand + depthwise + project }}. A dense 3×3 convolution on {{ t * c }} channels alone would
take {{ conv2d_macs(3, t * c, t * c, 1, 1) }}. The formula is exercise 5.2.

**Memory.** What lies between two blocks must be kept; in a network of spindles that is thin. Inside the
block the map is wide, but nobody else needs it. And each of its channels is expanded, filtered and
projected without looking at the others: the wide map can be made part by part, each part added to the
output, and forgotten. An hourglass has its wide maps at its ends, where they must be kept whole.
"""

# %% [markdown]
"""
## The picture

Two blocks on the same {{ thin[1] }}×{{ thin[2] }} positions, on one scale: the height is the number of
channels.
"""

# %% tags=["hero"]
lab.draw.block("mobilenet_v2", "resnet50", block=["stage2.1", "stage2.1"])

# %% [markdown]
"""
In float32 the spindle's ends take {{ kib(thin) }} each, and its middle {{ kib(wide) }}; the hourglass's
ends {{ kib(thick) }}, and its middle {{ kib(waist) }}. Over the whole network, layer by layer:
"""

# %%
lab.draw.memory("mobilenet_v2")

# %% [markdown]
"""
The peak is where an expansion meets the largest map. Choose another network or another resolution:
"""


# %%
def peak(network, resolution):
    total = lab.analyse(lab.trace(network, resolution=resolution)).total
    print(f"{network} at {resolution}: {total.params:,} parameters, {total.macs:,} MACs,")
    print(f"at most {total.live:,} bytes of activations at once (float32)")


explore(peak, network=("mobilenet_v2", "mobilenet_v1", "vgg16"), resolution=(224, 192, 160, 128))

# %% [markdown]
"""
## Exercises

{{ exercise("5.1") }}
"""

# %% tags=["exercise"]
rows = lab.analyse(lab.trace("mobilenet_v2")).rows
blocks = ...
residuals = ...
check("5.1", (blocks, residuals))

# %% tags=["solution"]
rows = lab.analyse(lab.trace("mobilenet_v2")).rows
blocks = len({row.block for row in rows if "." in row.block})
residuals = sum(row.op == "add" for row in rows)
check("5.1", (blocks, residuals))

# %% [markdown]
"""
{{ exercise("5.2") }}

*Write it as text, such as `"t * c + 2 * k**2"`, or with SymPy.*
"""

# %% tags=["exercise"]
macs = ...
check("5.2", macs)

# %% tags=["solution"]
macs = "t*c * (c + k**2 + d)"
check("5.2", macs)

# %% [markdown]
"""
{{ exercise("5.3") }}
"""


# %% tags=["exercise"]
def inverted_residual_macs(h, w, c_in, c_out, t, kernel, stride):
    return ...


check("5.3", inverted_residual_macs)


# %% tags=["solution"]
def inverted_residual_macs(h, w, c_in, c_out, t, kernel, stride):
    before = h * w
    after = -(-h // stride) * -(-w // stride)
    expansion = before * c_in * t * c_in if t != 1 else 0
    return expansion + after * t * c_in * (kernel**2 + c_out)


check("5.3", inverted_residual_macs)

# %% [markdown]
"""
{{ exercise("5.4") }}
"""

# %% tags=["exercise"]
block = ...
side = ...
c_in = ...
c_out = ...
check("5.4", (block, side, c_in, c_out))

# %% tags=["solution"]
block = "stage1.0"  # t = 1
side = 224 // 2
c_in = 32
c_out = 1 * c_in
check("5.4", (block, side, c_in, c_out))

# %% [markdown]
"""
{{ exercise("5.5") }}
"""

# %% tags=["exercise"]
t = ...
parts = ...
check("5.5", (t, parts))

# %% tags=["solution"]
one_step = 28**2 * 32 * 32 + 14**2 * 32 * (9 + 64)
t = 8_000_000 // one_step

ends = 4 * (32 * 28**2 + 64 * 14**2)
one_channel = 4 * (28**2 + 14**2)
most = (380 * 1024 - ends) // one_channel
parts = min(n for n in range(1, 32 * t + 1) if 32 * t % n == 0 and 32 * t // n <= most)
check("5.5", (t, parts))

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("5.a")
reveal("5.b")

# %% [markdown]
r"""
## What this does not tell you

*The whole network is not one block.* Its last 1×1 convolution keeps {{ last.out_shape[0] }} channels even
at widths below 1: at width 0.5 it and the classifier have {{ end / half.total.params:.0%}} of all
{{ half.total.params:,}} parameters. Thin blocks alone do not make a small file.

*Parts cost time.* Split finely, the convolutions become many small ones, which run badly; the paper
advises a few parts. And the lab's peak counts each step of a layer (convolution, norm, activation) as
making a new map; software that fuses these needs less. Which block is more *accurate* no count tells.

## Summary

- A spindle works where it is wide, with cheap kernels, and is kept where it is thin. An hourglass works
  where it is thin, with dense kernels, and is kept where it is wide.
- In MobileNetV2's blocks the depthwise convolutions take {{ filtering:.0%}} of the MACs, the two 1×1 the
  others. The expansion runs before the stride.
- At {{ thin[1] }}×{{ thin[2] }} the spindle takes {{ sum(row.macs for row in spindle):,}} MACs, the
  hourglass {{ sum(row.macs for row in hourglass):,}}.
- MobileNetV2's peak of live activations is {{ v2.total.live:,}} bytes,
  {{ v2.total.live / MIB:.1f}} MiB. Making the wide maps in parts lowers it without one MAC more.
- A count that is off by a known product tells which layer is wrong.

## Read on

- Sandler, Howard, Zhu, Zhmoginov, Chen: *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, 2018
- He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015
- Zhou, Hou, Chen, Feng, Yan: *Rethinking Bottleneck Structure for Efficient Mobile Network Design*, 2020
"""

# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.formulas import conv2d_macs, conv2d_params, output_size

vgg = lab.analyse(lab.trace("vgg16"))
v1 = lab.analyse(lab.trace("mobilenet_v1"))
small = {"kernel": 3, "c_in": 2, "c_out": 4}

# %% [markdown]
"""
{{ head() }}
"""

# %%
import mobilenet_lab as lab
from mobilenet_lab.exercises import check, exercise, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

Before any formula, write down what you believe. A guess is never marked; it is compared at the end.

{{ prediction("1.a") }}
"""

# %% tags=["exercise"]
predict("1.a", ...)

# %% tags=["solution"]
predict("1.a", 20_000_000)

# %% [markdown]
"""
{{ prediction("1.b") }}
"""

# %% tags=["exercise"]
predict("1.b", ...)

# %% tags=["solution"]
predict("1.b", 1_000_000_000)

# %% [markdown]
r"""
## The idea

Take a map of {{ small["c_in"] }} channels, 5×5 pixels each, and a convolution with 3×3 kernels that makes
{{ small["c_out"] }} channels of it, one step at a time, without padding.

- **Size.** A window of 3 pixels fits into 5 at {{ output_size(5, 3) }} places. So the output is
  {{ output_size(5, 3) }}×{{ output_size(5, 3) }}.
- **Parameters.** One kernel has a weight for each pixel of the window in each input channel:
  3 × 3 × {{ small["c_in"] }} = {{ conv2d_params(3, 2, 1) }}. There are {{ small["c_out"] }} kernels:
  {{ conv2d_params(**small) }} weights, and {{ small["c_out"] }} more if each has a bias.
- **MACs.** One output value is a sum of {{ conv2d_params(3, 2, 1) }} products. There are
  {{ small["c_out"] }} × {{ output_size(5, 3) }} × {{ output_size(5, 3) }} output values, so
  {{ conv2d_macs(**small, h_out=3, w_out=3) }} multiply-accumulates.

Now with letters. Kernel $k$, stride $s$, padding $p$ on each side, $C_{in}$ and $C_{out}$ channels:

$$
n_{out} = \left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1 \qquad
\text{weights} = k^2\, C_{in}\, C_{out} \qquad
\text{MACs} = \text{weights} \times H_{out} W_{out}
$$

The half brackets round down: a window that does not fit any more is left out. Every weight is used
once at every *output* position. One MAC is a multiplication and an addition; those who count these
separately speak of FLOPs and get twice the number. Papers on small networks print MACs, and often
call them FLOPs.
"""

# %%
from mobilenet_lab.formulas import conv2d_macs, conv2d_params, output_size

side = output_size(5, kernel=3)
weights = conv2d_params(kernel=3, c_in=2, c_out=4)
macs = conv2d_macs(kernel=3, c_in=2, c_out=4, h_out=side, w_out=side)
print(f"{side}×{side} positions, {weights} weights, {macs} MACs")

# %% [markdown]
"""
## The picture

VGG-16, stage by stage: where its parameters are, and where its work is.
"""

# %% tags=["hero"]
lab.draw.costs("vgg16", of="params,macs")

# %% [markdown]
"""
Two different pictures of one network. Hold on to that: "how large" and "how much work" are two
questions.

Move the sliders: what does each of them change, and by how much?
"""


# %%
def one_layer(kernel, channels, side, stride):
    out = output_size(side, kernel, stride, padding=kernel // 2)
    weights = conv2d_params(kernel, channels, channels)
    macs = conv2d_macs(kernel, channels, channels, out, out)
    print(f"{channels} channels to {channels}, output {out}×{out}")
    print(f"{weights:13,} weights\n{macs:13,} MACs\n{2 * macs:13,} FLOPs (2 × MACs)")


explore(one_layer, kernel=(3, 5, 7), channels=(64, 128, 256), side=(56, 112, 224), stride=(1, 2))

# %% [markdown]
"""
## Exercises

Replace each `...` and run the cell. If an answer is wrong, you are told what is wrong with it, as far
as the lab can see; try again as often as you like. Python takes no commas inside a number: write
`{{ 10**6:_}}`, not `{{ 10**6:,}}`. For more practice, `task = exercise("1.1", seed=7)` deals other
numbers, and `task.check(...)` checks an answer to them.

{{ exercise("1.1") }}
"""

# %% tags=["exercise"]
side = ...
check("1.1", side)

# %% tags=["solution"]
side = (55 - 1) * 4 + 11
check("1.1", side)

# %% [markdown]
"""
{{ exercise("1.2") }}
"""

# %% tags=["exercise"]
params = ...
macs = ...
flops = ...
check("1.2", (params, macs, flops))

# %% tags=["solution"]
params = 3 * 3 * 128 * 256 + 256
macs = 3 * 3 * 128 * 256 * 56 * 56
flops = 2 * macs
check("1.2", (params, macs, flops))

# %% [markdown]
"""
{{ exercise("1.3") }}
"""

# %% tags=["exercise"]
alexnet = lab.analyse(lab.trace("alexnet"))
shares = ...
check("1.3", shares)

# %% tags=["solution"]
alexnet = lab.analyse(lab.trace("alexnet"))
linear = [row for row in alexnet.rows if row.op == "linear"]
convolutions = [row for row in alexnet.rows if row.op == "conv2d"]
shares = (
    sum(row.params for row in linear) / alexnet.total.params,
    sum(row.macs for row in convolutions) / alexnet.total.macs,
)
check("1.3", shares)

# %% [markdown]
"""
{{ exercise("1.4") }}
"""


# %% tags=["exercise"]
def conv_macs(kernel, c_in, c_out, size, stride, padding, groups):
    return ...


check("1.4", conv_macs)


# %% tags=["solution"]
def conv_macs(kernel, c_in, c_out, size, stride, padding, groups):
    out = (size + 2 * padding - kernel) // stride + 1
    return kernel**2 * (c_in // groups) * c_out * out**2


check("1.4", conv_macs)

# %% [markdown]
"""
{{ exercise("1.5") }}
"""

# %% tags=["exercise"]
largest = ...
check("1.5", largest)

# %% tags=["solution"]
budget = 16 * 2**20
largest = max(side for side in range(32, 513, 32) if 2 * 64 * side**2 * 4 <= budget)
check("1.5", largest)

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("1.a")
reveal("1.b")

# %% [markdown]
r"""
## What this does not tell you

Fewer MACs are not always faster (lesson 11), and more parameters are not always more accurate: the
network of lesson 3 comes close to VGG-16's accuracy with
{{ v1.total.params / vgg.total.params:.0%}} of its parameters. Training usually keeps the activations of
*all* layers in memory, not just the largest two.

## Summary

- Output size: $\lfloor (n + 2p - k) / s \rfloor + 1$.
- Weights: $k^2 C_{in} C_{out}$. MACs: weights × output positions. FLOPs: 2 × MACs.
- VGG-16 has {{ vgg.total.params:,}} parameters, mostly in its fully connected layers, and
  {{ vgg.total.macs:,}} MACs, nearly all in its convolutions.

## Read on

- Krizhevsky, Sutskever, Hinton: *ImageNet Classification with Deep Convolutional Neural Networks*, 2012
- Simonyan, Zisserman: *Very Deep Convolutional Networks for Large-Scale Image Recognition*, 2015
- Dumoulin, Visin: *A guide to convolution arithmetic for deep learning*, 2016
"""

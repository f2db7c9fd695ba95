# %% tags=["numbers"]
from mobilenet_lab.exercises.lessons.separable_convolutions import (
    PRINTED_DEPTHWISE,
    PRINTED_STANDARD,
    within,
)
from mobilenet_lab.formulas import conv2d_params, separable_params

c, d = 4, 6
whole = conv2d_params(3, c, d)
parts = separable_params(3, c, d)
halves = conv2d_params(3, c, d, groups=2)

# %% [markdown]
"""
{{ head() }}
"""

# %%
from sympy import symbols

import mobilenet_lab as lab
from mobilenet_lab.exercises import check, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

Before any formula, write down what you believe. A guess is never marked; it is compared at the end.

{{ prediction("2.a") }}
"""

# %% tags=["exercise"]
predict("2.a", ...)

# %% tags=["solution"]
predict("2.a", 50)

# %% [markdown]
"""
{{ prediction("2.b") }}
"""

# %% tags=["exercise"]
predict("2.b", ...)

# %% tags=["solution"]
predict("2.b", 50)

# %% [markdown]
r"""
## The idea

A standard convolution does two things at once: it looks at neighbouring *pixels*, and it mixes
*channels*. Take {{ c }} channels to {{ d }} with 3×3 kernels, and count the weights.

- **Standard.** Each of the {{ d }} outputs has a 3×3 kernel for each of the {{ c }} inputs:
  {{ d }} × {{ c }} × 9 = {{ whole }} weights.
- **Grouped, 2 groups.** Two convolutions side by side, each from {{ c // 2 }} channels to
  {{ d // 2 }}: 2 × ({{ d // 2 }} × {{ c // 2 }} × 9) = {{ halves }} weights. An output sees only the
  inputs of its own group.
- **Depthwise.** As many groups as channels: each channel is filtered by itself, with one kernel.
  {{ c }} × 9 = {{ conv2d_params(3, c, c, groups=c) }} weights. Pixels are looked at, nothing is mixed.
- **Pointwise.** 1×1 kernels: channels are mixed, no neighbour is looked at. {{ d }} × {{ c }} =
  {{ conv2d_params(1, c, d) }} weights.

*Depthwise-separable* means depthwise, then pointwise: {{ conv2d_params(3, c, c, groups=c) }} +
{{ conv2d_params(1, c, d) }} = {{ parts }} weights in place of {{ whole }}, and each output still depends
on all inputs.

One formula covers all of them. With $g$ groups a kernel reads $C_{in}/g$ channels:

$$
\text{weights} = k^2\, \frac{C_{in}}{g}\, C_{out} \qquad
\text{MACs} = \text{weights} \times H_{out} W_{out}
$$

Standard is $g = 1$; depthwise is $g = C_{in} = C_{out}$; pointwise is $k = 1$.

## The picture

Which input feeds which output? A filled cell is a kernel from one input (column) to one output (row).
Groups leave blocks on the diagonal, and the finest blocks are the depthwise convolution.
"""

# %% tags=["hero"]
lab.draw.convolution(c_in=6, c_out=6, kernel=3, groups=[2, 3])

# %% [markdown]
"""
Follow the lines: from which inputs can one get to the first output, in each of the five? And through
depthwise and pointwise together?

Move the sliders: what do groups save, and what do they cut?
"""


# %%
from mobilenet_lab.formulas import conv2d_macs, conv2d_params


def grouped(groups, kernel):
    weights = conv2d_params(kernel, 24, 48, groups)
    macs = conv2d_macs(kernel, 24, 48, 14, 14, groups)
    print(f"24 channels to 48 on 14×14: each output sees {24 // groups} of the 24 inputs")
    print(f"{weights:11,} weights\n{macs:11,} MACs")


explore(grouped, groups=(1, 2, 3, 4, 6, 8, 12, 24), kernel=(3, 5, 7))

# %% [markdown]
"""
## Exercises

The first three are one story. Write symbols as SymPy does, such as `5*c**2 + d`, or as text,
`"5*c**2 + d"`.

{{ exercise("2.1") }}
"""

# %% tags=["exercise"]
k, c, d, n = symbols("k c d n", positive=True)
standard = ...
separable = ...
check("2.1", (standard, separable))

# %% tags=["solution"]
k, c, d, n = symbols("k c d n", positive=True)
standard = k**2 * c * d * n**2
depthwise = k**2 * (c / c) * c * n**2
pointwise = c * d * n**2
separable = depthwise + pointwise
check("2.1", (standard, separable))

# %% [markdown]
"""
{{ exercise("2.2") }}
"""

# %% tags=["exercise"]
standard_positions = ...
separable_positions = ...
printed_ratio = ...
fair_ratio = ...
check("2.2", (standard_positions, separable_positions, printed_ratio, fair_ratio))

# %% tags=["solution"]
channels = {c: 32, d: 64, k: 3}
standard_positions = (81 * c * d / standard).subs(channels).subs(n, 1)
separable_positions = ((9 * c + c * d) / separable).subs(channels).subs(n, 1)
printed_ratio = (81 * c * d / (9 * c + c * d)).subs(channels)
fair_ratio = (standard / separable).subs(channels).simplify()
check("2.2", (standard_positions, separable_positions, printed_ratio, fair_ratio))

# %% [markdown]
"""
{{ exercise("2.3") }}
"""

# %% tags=["exercise"]
standard_repaired = ...
separable_repaired = ...
fraction = ...
check("2.3", (standard_repaired, separable_repaired, fraction))

# %% tags=["solution"]
standard_repaired = standard.subs({k: 3, n: 1})
separable_repaired = separable.subs({k: 3, n: 3})
fraction = (separable / standard).expand()
check("2.3", (standard_repaired, separable_repaired, fraction))

# %% [markdown]
"""
Now see it. Equal areas are equally many MACs: the first pair is the printed one, the other two are
the repairs.
"""

# %%
lab.draw.areas(c_in=64, c_out=128)

# %% [markdown]
"""
What is saved depends on the outputs d and the kernel k, and on nothing else. The circles are
MobileNetV1's own layers.
"""

# %%
lab.draw.ratio(kernel=(3, 5, 7))

# %% [markdown]
"""
Move the sliders. Which of them change the ratio, and which only the size of both numbers?
"""


# %%
def both(c_in, c_out, kernel, size):
    return lab.conv(c_in=c_in, c_out=c_out, kernel=kernel, size=size)


explore(both, c_in=(16, 64, 256), c_out=(16, 64, 256), kernel=(3, 5, 7), size=(14, 28, 56))

# %% [markdown]
"""
{{ exercise("2.4") }}
"""

# %% tags=["exercise"]
params = ...
operations = ...
factor = ...
check("2.4", (params, operations, factor))

# %% tags=["solution"]
groups, filters, inputs = 3, 6, 3
params = 11**2 * (inputs // groups) * (filters // groups) * groups
one_value = 2 * 11**2 * (inputs // groups) + 1
operations = one_value * 55 * 55 * (filters // groups) * groups
factor = operations // 2_205_225
check("2.4", (params, operations, factor))

# %% [markdown]
"""
{{ exercise("2.5") }}
"""

# %% tags=["exercise"]
groups = ...
inputs = ...
check("2.5", (groups, inputs))

# %% tags=["solution"]
budget = 9 * 96 + 96 * 160
divisors = [g for g in range(1, 97) if 96 % g == 0 and 160 % g == 0]
groups = next(g for g in divisors if 9 * (96 // g) * 160 <= budget)
inputs = 96 // groups
check("2.5", (groups, inputs))

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("2.a")
reveal("2.b")

# %% [markdown]
r"""
## What this does not tell you

- **What is given up.** Depthwise and pointwise in a row, without an activation between them, are a
  standard convolution whose kernels are not free: the kernel from input $i$ to output $o$ is the
  depthwise kernel of $i$ times one number. All outputs look at input $i$ through the same 3×3 pattern.
  Whether that costs accuracy, only training tells (lesson 3 has the published numbers).
- **Time.** A depthwise convolution does few MACs for each byte that it reads, so it can be slower than its
  MACs promise (lesson 11).
- **Networks.** The first layer of a network and its classifier are not separable, so a whole network
  saves less than its best layer.

## Summary

- Weights with $g$ groups: $k^2\,(C_{in}/g)\,C_{out}$. Groups cut connections, and that is why they save.
- Depthwise-separable over standard: $1/d + 1/k^2$, in MACs and in weights alike. For 3×3 kernels that is
  never less than a ninth; at {{ 256 }} output channels it is {{ within(3, 256, 256):.2f}} times fewer.
- Compare like with like: {{ PRINTED_STANDARD }}cd counts nine positions and {{ PRINTED_DEPTHWISE }}c + cd
  counts one.
- Check a printed number by the formula beside it, factor by factor; a rough check can agree by accident.

## Read on

- Howard et al.: *MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications*, 2017
- Chollet: *Xception: Deep Learning with Depthwise Separable Convolutions*, 2017
- Krizhevsky, Sutskever, Hinton: *ImageNet Classification with Deep Convolutional Neural Networks*, 2012
  (groups, because one network did not fit on one GPU)
- Xie et al.: *Aggregated Residual Transformations for Deep Neural Networks*, 2017 (groups for accuracy)
"""

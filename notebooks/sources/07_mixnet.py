# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.channels import even_split
from mobilenet_lab.formulas import conv2d_macs, field_size

small = lab.analyse(lab.trace("mixnet_s"))
roles = {row.name: row for row in small.by("role")}
large = {row.name: row for row in lab.analyse(lab.trace("replknet_31b")).by("role")}
replknet = lab.analyse(lab.trace("replknet_31b")).total
threes = conv2d_macs(3, 4, 4, 5, 5, groups=4)
fives = conv2d_macs(5, 4, 4, 5, 5, groups=4)
fours = conv2d_macs(4, 8, 8, 5, 5, groups=8)
printed = {row.quantity: row.printed for row in lab.published("mixnet_s").rows}

# %% [markdown]
"""
{{ head() }}
"""

# %%
import mobilenet_lab as lab
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.exercises import check, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

{{ prediction("7.a") }}
"""

# %% tags=["exercise"]
predict("7.a", ...)

# %% tags=["solution"]
predict("7.a", 50)

# %% [markdown]
"""
{{ prediction("7.b") }}
"""

# %% tags=["exercise"]
predict("7.b", ...)

# %% tags=["solution"]
predict("7.b", 10)

# %% [markdown]
r"""
## The idea

A depthwise convolution treats each channel by itself, so its channels need not have the same kernel.
MixConv splits them into equal parts, gives each part a kernel of its own, and puts the results side
by side again. What does not divide evenly goes to the first part: 25 channels in three parts are
{{ even_split(25, 3)[0] }}, {{ even_split(25, 3)[1] }} and {{ even_split(25, 3)[2] }}.

Take 8 channels of 5×5 pixels, with padding, in two parts with 3×3 and 5×5 kernels.

- **MACs.** Four channels at 3² × 25 positions: {{ threes }}. Four channels at 5² × 25: {{ fives:,}}.
  Together {{ threes + fives:,}}. With a mean kernel of 4 for all it would be {{ fours:,}}: that is not
  the same.
- **Fields.** If neighbouring units are 8 pixels of the image apart and each sees 19 pixels, the first
  part sees {{ field_size(19, 3, 1, 8) }} afterwards, and the second {{ field_size(19, 5, 1, 8) }}.

With letters: parts of $c_i$ channels with kernels $k_i$, and units that are $j$ pixels apart and see
$r$:

$$
\text{MACs} = H_{out} W_{out} \sum_i k_i^2\, c_i \qquad r_i = r + (k_i - 1)\, j
$$

**Large or many?** Two dense 3×3 convolutions see as far as one 5×5, and their weights are
$18 c^2$ against $25 c^2$: the small ones win, and VGG is built on that. Depthwise it is $18 c$ against
$25 c$. But a depthwise convolution mixes no channels. Each one needs a 1×1 convolution beside it, and
then the sum is another (exercise 7.2).
"""

# %% [markdown]
"""
## The picture

A block of MixNet-S, to scale. Four kernel sizes side by side between the two 1×1 convolutions; the
second of these has two groups.
"""

# %% tags=["hero"]
lab.draw.block("mixnet_s", block="stage6.1")

# %% [markdown]
"""
Make the kernel larger: what happens to the dense convolution, what to the depthwise one, and what to
the 1×1 convolution behind it?
"""


# %%
def kernels(kernel, channels):
    return lab.conv(c_in=channels, c_out=channels, kernel=kernel, size=14)


explore(kernels, kernel=(3, 5, 7, 9, 11, 31), channels=(64, 128, 512))

# %% [markdown]
"""
## Exercises

{{ exercise("7.1") }}
"""

# %% tags=["exercise"]
fields = ...
check("7.1", fields)

# %% tags=["solution"]
fields = [411 + (k - 1) * 16 for k in (3, 5, 7, 9)]
check("7.1", fields)

# %% [markdown]
"""
{{ exercise("7.2") }}
"""

# %% tags=["exercise"]
channels = ...
check("7.2", channels)

# %% tags=["solution"]
channels = 1
while 2 * (9 * channels + channels**2) <= 25 * channels + channels**2:
    channels += 1
check("7.2", channels)

# %% [markdown]
"""
RepLKNet takes this to the end: depthwise kernels up to 31×31. Look at what they have of the MACs.
"""

# %%
lab.summary("replknet_31b", level="role", columns="name,params,macs,share")

# %% [markdown]
"""
{{ exercise("7.3") }}
"""


# %% tags=["exercise"]
def mix_macs(channels, kernels, size, stride):
    return ...


check("7.3", mix_macs)


# %% tags=["solution"]
def mix_macs(channels, kernels, size, stride):
    share, rest = divmod(channels, len(kernels))
    products = sum(kernel**2 * share for kernel in kernels) + kernels[0] ** 2 * rest
    return products * (-(-size // stride)) ** 2


check("7.3", mix_macs)

# %% [markdown]
"""
{{ exercise("7.4") }}
"""

# %% tags=["exercise"]
design = ...
check("7.4", design)

# %% tags=["solution"]
design = [3, 5, 9]
assert 411 + (max(design) - 1) * 16 >= 530
assert mix_macs(360, design, 14, 1) <= 3_000_000
check("7.4", design)

# %% [markdown]
"""
### A builder that remembers

MixNet-L is MixNet-M with 1.3 times the channels. A published builder kept one table and scaled it in
place, as this one does.
"""

# %%
MIXNET_M = [[24, 1], [32, 2], [40, 4], [80, 4], [120, 4], [200, 4]]


def widen(rows, multiplier):
    for row in rows:
        row[0] = make_divisible(row[0] * multiplier)
    return rows


def broken_channels_of(table, multipliers):
    networks = []
    for multiplier in multipliers:
        rows = widen(list(table), multiplier)  # a copy, to be on the safe side
        networks.append([channels for channels, repeats in rows])
    return networks


for name, channels in zip("LLM", broken_channels_of(MIXNET_M, [1.3, 1.3, 1.0]), strict=True):
    print(f"MixNet-{name}:", channels)
print("and the table of MixNet-M is now", MIXNET_M)

# %% [markdown]
"""
The first network is right. The second has the same name and is wider; the third, which should be
MixNet-M, has the channels of the second. And the table is spoiled for whoever comes next.

{{ exercise("7.5") }}
"""


# %% tags=["exercise"]
def channels_of(table, multipliers):
    return ...


check("7.5", channels_of)


# %% tags=["solution"]
def channels_of(table, multipliers):
    return [
        [make_divisible(channels * multiplier) for channels, repeats in table]
        for multiplier in multipliers
    ]


check("7.5", channels_of)

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("7.a")
reveal("7.b")

# %% [markdown]
"""
## What this does not tell you

**A number that nobody can reproduce.** The paper prints {{ printed["MACs"] }} operations for MixNet-S.
"""

# %%
lab.published("mixnet_s")

# %% [markdown]
r"""
The parameters agree as printed, in all three sizes; the MACs of convolutions and linear layers are
fewer than printed, in all three, by no factor that they share. Other ways to count explain a part of
it at most. Why it is so is not known, and here it stays open: a number that we cannot derive is not
"about right".

Nor do these counts tell

- how long it takes: four small convolutions and a concatenation are more work for a runtime than one
  convolution of as many MACs (lesson 11);
- how much of a kernel falls on padding: of a 13×13 kernel on a 7×7 map most products are with zeros,
  and each is counted;
- how far a unit *effectively* looks: less far than its field (lesson 8);
- which kernels are best: MixNet's were found by a search that trained.

## Summary

- A mixed convolution costs the sum of $k_i^2 c_i$, not the mean kernel squared; its field is that of
  the largest kernel.
- MixNet-S has {{ roles["depthwise"].macs / small.total.macs:.0%}} of its MACs in depthwise
  convolutions, RepLKNet-31B with its 31×31 has {{ large["depthwise"].macs / replknet.macs:.0%}}. What a
  dense network cannot pay, a depthwise one can.
- Two separable convolutions of 3×3 cost more than one of 5×5, unless there are very few channels.
- A configuration is to be read and never written: tuples, or a new list for each network.

## Read on

- Tan, Le: *MixConv: Mixed Depthwise Convolutional Kernels*, 2019
- Ding et al.: *Scaling Up Your Kernels to 31x31: Revisiting Large Kernel Design in CNNs*, 2022
- Simonyan, Zisserman: *Very Deep Convolutional Networks for Large-Scale Image Recognition*, 2015
"""

# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.exercises.lessons import errata_clinic as clinic

v1 = lab.analyse(lab.trace("mobilenet_v1")).total.macs
half = lab.analyse(lab.trace("mobilenet_v2", width=0.5, resolution=128)).total.macs
printed_v1, printed_half = "569 M", "32 M"
separable = lab.analyse(lab.trace("googlenet", separable_stem=True)).total.macs
port = lab.analyse(lab.trace("googlenet_torchvision")).total.macs
open_, all_ = clinic.unreproduced()

# %% [markdown]
"""
{{ head() }}
"""

# %%
from collections import Counter
from pathlib import Path

import mobilenet_lab as lab
from mobilenet_lab.exercises import check, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

{{ prediction("E.a") }}
"""

# %% tags=["exercise"]
predict("E.a", ...)

# %% tags=["solution"]
predict("E.a", 5)

# %% [markdown]
"""
{{ prediction("E.b") }}
"""

# %% tags=["exercise"]
predict("E.b", ...)

# %% tags=["solution"]
predict("E.b", 2)

# %% [markdown]
r"""
## The idea

Each patient of this clinic is a number that somebody published. Four steps settle it.

1. **What does it count?** Parameters or MACs, of which network, at which size, with or without
   batch norm, classifier, bias?
2. **Count that**, with one formula or one trace.
3. **Compare as printed.** The MobileNetV1 paper prints {{ printed_v1 }}; the count is {{ v1:,}}, which
   rounds to it. TF-slim's table prints {{ printed_half }} for MobileNetV2 at width 0.5 and 128
   pixels; the count is {{ half:,}}. Rounded, that is {{ (half + 500_000) // 1_000_000 }} million:
   the table cuts off what follows. No misprint, but you have to know.
4. **If it differs, find the one cause that makes it equal**, to the last printed digit. A cause that
   nearly fits is not found yet. And if there is none, say so: *not reproducible* is a verdict, too.

In letters: a number printed with last digit worth $u$, as $n \cdot u$, is a count $N$

$$
\text{rounded, if } n = \left\lfloor \frac{2N + u}{2u} \right\rfloor, \qquad
\text{else cut, if } n = \left\lfloor \frac{N}{u} \right\rfloor, \qquad \text{else neither.}
$$

The lab keeps a record of {{ all_ }} printed numbers and judges each so:
"""

# %%
Counter(row.verdict for row in lab.published("mobilenet_v1").rows)

# %% [markdown]
"""
The causes come back again and again: a row copied down, a layer left out, a stride in the wrong line
of a table, a kernel of the wrong size, FLOPs for MACs. And always say what is right about a claim:
the network below any of these numbers works.

## The picture

Two networks that are both called GoogLeNet, and both said to take one and a half billion
multiply-adds. First the one that the authors counted:
"""

# %% tags=["hero"]
lab.draw.costs("googlenet", of="macs", separable_stem=True)

# %% [markdown]
"""
And a popular port of it:
"""

# %%
lab.draw.costs("googlenet_torchvision", of="macs")

# %% [markdown]
"""
The sums, {{ separable:,}} and {{ port:,}}, are the same to three digits. But of all bars, only conv2's and
the classifier's are the same. Exercise E.7 asks why.

## Exercises

Each of the eight stands alone. If time is short, take E.1, E.2 and any two others.

{{ exercise("E.1") }}
"""

# %% tags=["exercise"]
at_192, at_160, at_128 = ..., ..., ...
check("E.1", [at_192, at_160, at_128])

# %% tags=["solution"]
whole = lab.analyse(lab.trace("mobilenet_v1"))
linear = whole.by("stage")[-1].macs
at_192, at_160, at_128 = [
    linear + (whole.total.macs - linear) * side**2 // 224**2 for side in (192, 160, 128)
]
check("E.1", [at_192, at_160, at_128])

# %% [markdown]
"""
{{ exercise("E.2") }}
"""


# %% tags=["exercise"]
def printed_as(printed, count):
    return ...


check("E.2", printed_as)


# %% tags=["solution"]
def printed_as(printed, count):
    value, unit = printed.split()
    decimals = len(value.partition(".")[2])
    step = {"k": 10**3, "M": 10**6, "G": 10**9}[unit] // 10**decimals
    last = int(value.replace(".", ""))
    if last == (2 * count + step) // (2 * step):
        return "rounded"
    return "cut" if last == count // step else "neither"


check("E.2", printed_as)

# %% [markdown]
"""
{{ exercise("E.3") }}
"""

# %% tags=["exercise"]
width_075 = ...
check("E.3", width_075)


# %% tags=["solution"]
from mobilenet_lab.architectures.mobilenet_v2 import TABLE_2
from mobilenet_lab.channels import make_divisible


def v2_macs(width):
    channels, side = make_divisible(32 * width), 112
    macs = 9 * 3 * channels * side**2
    for row in TABLE_2:
        for i in range(row.n):
            wide, c = row.t * channels, make_divisible(row.c * width)
            if row.t != 1:
                macs += channels * wide * side**2
            side //= row.s if i == 0 else 1
            macs += (9 * wide + wide * c) * side**2
            channels = c
    return macs + channels * 1280 * side**2 + 1280 * 1000


width_075 = v2_macs(0.75)
check("E.3", width_075)

# %% [markdown]
"""
{{ exercise("E.4") }}
"""

# %% tags=["exercise"]
stage = ...
macs = ...
check("E.4", (stage, macs))

# %% tags=["solution"]
large = lab.analyse(lab.trace("mobilenet_v1", width=0.75, resolution=224))
small = lab.analyse(lab.trace("mobilenet_v1", width=0.75, resolution=128))
for row, row_128 in zip(large.by("stage"), small.by("stage"), strict=True):
    without = large.total.macs - row.macs, small.total.macs - row_128.macs
    if [round(n / 10**6) for n in without] == [317, 104]:
        stage, macs = row.name, row.macs
check("E.4", (stage, macs))

# %% [markdown]
"""
{{ exercise("E.5") }}

This is the text to edit:
"""

# %%
text = lab.export("mobilenet_v2")
print("\n".join(line for line in text.splitlines() if '"stage4"' in line or '"stage5"' in line))

# %% tags=["exercise"]
edited = text.replace("...", "...")  # replace a row of the table by what the typo makes of it
Path("edited.toml").write_text(edited)
print(lab.analyse(lab.trace("edited.toml")).total.macs)

typo = ...
both = ...
check("E.5", (typo, both))

# %% tags=["solution"]
edited = text.replace('["stage4", 0, 192, 2,', '["stage4", 0, 192, 1,')
edited = edited.replace('["stage5", 0, 384, 1,', '["stage5", 0, 384, 2,')
Path("edited.toml").write_text(edited)
typo = lab.analyse(lab.trace("edited.toml")).total.macs
both = typo + 32 * 32 * 112 * 112
check("E.5", (typo, both))

# %% [markdown]
"""
{{ exercise("E.6") }}
"""

# %% tags=["exercise"]
params = ...
macs = ...
check("E.6", (params, macs))

# %% tags=["solution"]
more = 1280 - 1024
params = more * (576 + 1 + 1000)
macs = more * (576 + 1000)
check("E.6", (params, macs))

# %% [markdown]
"""
{{ exercise("E.7") }}
"""

# %% tags=["exercise"]
slip = ...
stem = ...
check("E.7", (slip, stem))

# %% tags=["solution"]
roles = lab.analyse(lab.trace("googlenet")).by("role")
slip = next(row.macs for row in roles if row.name == "conv5x5") * 16 // 25
stem = (7 * 7 * 3 * 64 - 7 * 7 * 24 - 24 * 64) * 112**2
check("E.7", (slip, stem))

# %% [markdown]
"""
{{ exercise("E.8") }}
"""

# %% tags=["exercise"]
elements = ...
macs = ...
check("E.8", (elements, macs))

# %% tags=["solution"]
fvcore, thop = 314_193_216, 327_550_720
elements = (thop - fvcore - 1280) // 2
macs = fvcore - 2 * elements - 1280 * 7 * 7
check("E.8", (elements, macs))

# %% [markdown]
"""
### The waiting room

Other claims, settled by the lab. (What lessons 2, 3, 5, 6, 7 and 8 settle in full stands there: 81cd,
the grouped convolution, MobileNetV1's Tables 1 and 2, the extra expansion, squeeze widths, two
receptive fields of one ResNet-50.)

{{ clinic.claims() }}

And the whole record, network by network: how many numbers are printed, and how many of them no count
gives.
"""

# %%
for row in lab.list().rows:
    verdicts = Counter(each.verdict for each in lab.published(row.name).rows)
    open_cases = verdicts["not reproducible"]
    print(f"{row.name:32}{verdicts.total():4} printed{open_cases:4} not reproducible")

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("E.a")
reveal("E.b")

# %% [markdown]
"""
## What this does not tell you

A count that agrees does not prove that the network is right: an activation too many costs nothing
here (lesson 6), and one and a half billion can come about in two ways. Nor does a count that differs
prove anybody wrong: {{ open_ }} of the lab's {{ all_ }} printed numbers are not reproduced, and a way of
counting that nobody here thought of may give some of them. Accuracy is not settled by arithmetic at all.

## Summary

- Say what is counted, count it, compare as printed, find the one cause; then give the verdict, and
  what is right about the claim.
- Rounded and cut are both fine; "about" is not.
- Errors come in pairs, and hide each other. The number must come out to the last digit printed.
- *Not reproducible* is an honest verdict.

## Read on

- Howard and others: *MobileNets*, 2017; Sandler and others: *MobileNetV2*, 2018 (compare the versions)
- Szegedy and others: *Going Deeper with Convolutions*, 2014
- Chollet: *Xception: Deep Learning with Depthwise Separable Convolutions*, 2017 (section 2, on the
  first layer of GoogLeNet)
"""

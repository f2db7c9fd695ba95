# %% tags=["numbers"]
from itertools import product
from math import comb

import mobilenet_lab as lab

patterns = list(product((0, 1), repeat=3))
lost_patterns = [p for p in patterns if sum(p) < 2]
words = ["".join("on " if unit else "off " for unit in p).strip() for p in lost_patterns]

block = [row for row in lab.analyse(lab.trace("mobilenet_v2")).rows if row.block == "stage2.1"]
convolutions = [row for row in block if row.op == "conv2d"]
thin, wide = convolutions[0].in_shape[0], convolutions[0].out_shape[0]


def lost(n, d):
    return sum(comb(n, j) for j in range(d)) / 2**n


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

{{ prediction("4.a") }}
"""

# %% tags=["exercise"]
predict("4.a", ...)

# %% tags=["solution"]
predict("4.a", 0.03)

# %% [markdown]
"""
{{ prediction("4.b") }}
"""

# %% tags=["exercise"]
predict("4.b", ...)

# %% tags=["solution"]
predict("4.b", 1.0)

# %% [markdown]
r"""
## The idea

A point $x$ of the plane meets a direction $w$: the product $w \cdot x$, and then ReLU. If the product
is above 0, it comes through: one equation for the two coordinates of $x$. If not, all that comes
through is 0, and the only thing known is on which side of a line $x$ was.

With several directions, count the units that are **on**:

- two or more (and no two directions parallel): two equations, two unknowns. $x$ can be computed.
- exactly one: $x$ could be anywhere on a piece of a line.
- none: $x$ could be anywhere in a whole sector.

In the last two cases the point is **lost**: other points give exactly the same output, and no decoder,
however clever, can tell which of them it was.

How often does that happen? Take a fixed point and three directions, each at a random angle. A direction
is on if it lies within 90° of the point, which is half of all angles. So the {{ len(patterns) }} patterns
of on and off are equally likely. Lost are {{ len(lost_patterns) }} of them, *{{ "*, *".join(words) }}*:
a share of {{ len(lost_patterns) / len(patterns) }}, with three numbers for a point that has only two.
"""

# %% [markdown]
"""
## The picture

A block of MobileNetV2. It widens {{ thin }} channels to {{ wide }}, filters these, and projects back.
Where it is wide, an activation follows each convolution; the hatched one, which makes the few channels
again, is linear.
"""

# %% tags=["hero"]
lab.draw.block("mobilenet_v2")

# %% [markdown]
r"""
Why there? The paper shows a spiral (its Figure 1). It goes through $n$ random directions and ReLU,
and comes back by the pseudo-inverse of the directions. Below, that is the upper row. The lower row
is the best that anyone can do: it uses only the units that were on, and leaves out the points that
are lost.
"""


# %%
def spiral(points=400):
    angle = np.linspace(0.3, 4 * np.pi, points)
    return (angle / angle[-1])[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1)


def through_relu(x, n, seed):
    directions = np.random.default_rng(seed).standard_normal((n, 2))
    return directions, np.maximum(x @ directions.T, 0)


def recovered(directions, y):
    """Each point from the units that are on; nan if there are fewer than two."""
    found = np.full((len(y), 2), np.nan)
    for place, values in enumerate(y):
        on = values > 0
        if on.sum() >= 2:
            found[place] = np.linalg.lstsq(directions[on], values[on], rcond=None)[0]
    return found


def spirals(seed=1):
    x = spiral()
    pictures = [("the spiral", x, "", x)]
    for n in (2, 3, 5, 15, 30):
        directions, y = through_relu(x, n, seed)
        back, best = y @ np.linalg.pinv(directions).T, recovered(directions, y)
        pictures.append((f"n = {n}", back, f"lost: {np.isnan(best[:, 0]).mean():.0%}", best))
    axes = plt.subplots(2, 6, figsize=(10, 3.9), layout="constrained")[1]
    for column, (title, back, below, best) in zip(axes.T, pictures, strict=True):
        for ax, points, text in ((column[0], back, title), (column[1], best, below)):
            ax.scatter(*points.T, c=np.arange(len(x)), s=3)
            ax.set(title=text, aspect="equal", xticks=(), yticks=())
            ax.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    axes[0, 0].set_ylabel("pseudo-inverse")
    axes[1, 0].set_ylabel("units that are on")
    plt.show()


explore(spirals, seed=(1, 2, 3, 4, 5))

# %% [markdown]
"""
With few directions whole parts of the spiral fall onto a line or onto one point; how many depends on
the seed, since all its points meet the same directions. With many, nothing is lost, although the
pseudo-inverse still returns a spiral of another size and shape: it treats the zeros of the units that
are off as if they had been measured. What a *given* way back returns, and what *can* be
recovered, are two questions. From here on, lost means the second.

## Exercises

{{ exercise("4.1") }}
"""

# %% tags=["exercise"]
directions = np.array([(3, 1), (0, -1), (-1, -3), (2, -1)])
points = np.array([(2, 2), (-2, 0), (1, -3), (-1, 1)])
counts = ...
check("4.1", counts)

# %% tags=["solution"]
directions = np.array([(3, 1), (0, -1), (-1, -3), (2, -1)])
points = np.array([(2, 2), (-2, 0), (1, -3), (-1, 1)])
counts = (points @ directions.T > 0).sum(axis=1)
check("4.1", counts)

# %% [markdown]
"""
{{ exercise("4.2") }}

*Write it as text, such as `"3 * n / 4**n"`, or with SymPy.*
"""

# %% tags=["exercise"]
share = ...
check("4.2", share)

# %% tags=["solution"]
share = "(1 + n) / 2**n"
check("4.2", share)

# %% [markdown]
"""
{{ exercise("4.3") }}
"""

# %% tags=["exercise"]
rng = np.random.default_rng(0)
counted = ...
check("4.3", counted)

# %% tags=["solution"]
rng = np.random.default_rng(0)
products = rng.standard_normal((100_000, 6, 2)) @ np.array([1.0, 0.0])
counted = np.mean((products > 0).sum(axis=1) < 2)
check("4.3", counted)

# %% [markdown]
"""
{{ exercise("4.4") }}
"""

# %% tags=["exercise"]
width = ...
check("4.4", width)

# %% tags=["solution"]
from math import comb

width = 16
while 1_000 * sum(comb(width, on) for on in range(16)) >= 2**width:
    width += 1
check("4.4", width)

# %% [markdown]
"""
Information can also be lost for good, for every input: by a unit that never fires. In a depthwise
convolution no other channel can step in.

{{ exercise("4.5") }}
"""


# %% tags=["exercise"]
def dead_channels(kernels, biases, largest):
    return ...


check("4.5", dead_channels)


# %% tags=["solution"]
def dead_channels(kernels, biases, largest):
    best = [
        bias + largest * sum(max(weight, 0) for weight in kernel)
        for kernel, bias in zip(kernels, biases, strict=True)
    ]
    return sum(top <= 0 for top in best)


check("4.5", dead_channels)

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("4.a")
reveal("4.b")

# %% [markdown]
r"""
## What this does not tell you

The directions here are random; trained ones are not, and can keep what matters or throw away what does
not. Lost or not lost says nothing about noise: a point that two nearly parallel directions determine is
determined badly. Feature maps do not fill all their dimensions, so that fewer equations can do. And
ReLU6 cuts off at the top, too, which the spiral does not show. Whether a linear bottleneck is *more
accurate* is a question for an experiment; the paper made it (its Figure 6), and it is.

## Summary

- A point of $d$ dimensions is lost in a ReLU layer if fewer than $d$ of its units are on.
- ReLU in the thin place would be fatal in this model: {{ thin }} directions for a point of {{ thin }}
  dimensions keep it only if all are on, once in {{ 2**thin:,}} cases.
- ReLU in the wide place is nearly harmless: with {{ wide }} directions for {{ thin }} dimensions a share
  of {{ lost(wide, thin):.1e}} is lost. So: expand, activate where it is wide, project without an
  activation.
- A unit is dead if even the best input that can come leaves it at 0.

## Read on

- Sandler, Howard, Zhu, Zhmoginov, Chen: *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, 2018
- Han, Yun, Heo, Yoo: *Rethinking Channel Dimensions for Efficient Model Design*, 2021
- Glorot, Bordes, Bengio: *Deep Sparse Rectifier Neural Networks*, 2011
"""

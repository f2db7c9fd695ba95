# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.conventions import CONVENTIONS
from mobilenet_lab.devices import device
from mobilenet_lab.exercises.lessons import macs_and_milliseconds as lesson

on = device("raspberry_pi_4").machine()
peak, bandwidth, ridge = float(on.peak) / 1e9, float(on.bandwidth) / 1e9, float(on.ridge)
v2 = lab.analyse(lab.trace("mobilenet_v2"))
tools = {name: CONVENTIONS[name].total(v2.trace.layers) / 1e6 for name in CONVENTIONS}
depthwise = 2 * 9 / 8
pointwise = 2 * 128 * 128 / (4 * (128 + 128))
vgg, replknet = (lab.analyse(lab.trace(name)).total.macs for name in ("vgg16", "replknet_31b"))
ms, tau = lesson.RECORDED_MS, lesson.RECORDED_TAU
v1_macs = lab.analyse(lab.trace("mobilenet_v1")).total.macs
pool = 7 * 7 * 1280 + 1280

# %% [markdown]
"""
{{ head() }}
"""

# %%
import mobilenet_lab as lab
from mobilenet_lab.devices import device
from mobilenet_lab.exercises import check, explore, hint, predict, reveal, solution

# %% [markdown]
"""
## Predict

{{ prediction("11.a") }}
"""

# %% tags=["exercise"]
predict("11.a", ...)

# %% tags=["solution"]
predict("11.a", 0.05)

# %% [markdown]
"""
{{ prediction("11.b") }}
"""

# %% tags=["exercise"]
predict("11.b", ...)

# %% tags=["solution"]
predict("11.b", ["pointwise", "depthwise", "linear", "norm"])

# %% [markdown]
r"""
## The idea

A processor computes, and a memory delivers. Who waits for whom?

Take one position of a map, in float32 (4 bytes for each value), and leave the weights aside.

- **Depthwise 3×3.** For each value that it writes, it does 9 MACs, which are 18 FLOPs. It moves 8
  bytes: one value in, one out. That is 18 / 8 = {{ depthwise }} FLOPs per byte.
- **1×1, from 128 to 128 channels.** It does 128 × 128 MACs and moves 128 values in and 128 out:
  2 × 128 × 128 / (4 × 256) = {{ pointwise:g }} FLOPs per byte.

A Raspberry Pi 4 computes at most {{ peak:g }} GFLOP/s and moves at most {{ bandwidth:g }} GB/s. At
{{ depthwise }} FLOPs per byte the memory feeds {{ depthwise }} × {{ bandwidth:g }} =
{{ depthwise * bandwidth:g }} GFLOP/s: the processor waits. At {{ pointwise:g }} it could feed
{{ pointwise * bandwidth:.0f }} GFLOP/s, so here the memory waits. They break even at {{ peak:g }} /
{{ bandwidth:g }} = {{ ridge:g }} FLOPs per byte: the **ridge**.

With letters: work $W$ in FLOPs (2 for each MAC), traffic $Q$ in bytes (inputs, weights and outputs,
each once), **arithmetic intensity** $I = W / Q$, peak $P$, bandwidth $B$:

$$
\text{attainable rate} = \min(P,\; I \cdot B) \qquad
\text{least time} = \max\!\left(\frac{W}{P},\; \frac{Q}{B}\right) \qquad
\text{ridge} = \frac{P}{B}
$$

Left of the ridge a layer is **memory-bound**: fewer MACs do not make it faster, fewer bytes do.

## The picture

MobileNetV2 under the roof of that machine. Each mark is a layer with MACs; the slope is the memory,
the flat part is the peak. A larger mark takes a larger share of the time.
"""

# %% tags=["hero"]
pi = device("raspberry_pi_4").machine()
lab.draw.roofline("mobilenet_v2", peak=pi.peak, bandwidth=pi.bandwidth)

# %% [markdown]
"""
All depthwise layers hang on the slope, and all 1×1 convolutions are on the flat part: here, and at
batch 1, each computes enough for every byte. What has no MACs has no mark, but takes its time. Now choose a machine and a batch. Which roles of layers move to the other side?
"""


# %%
def machine_and_batch(machine, batch):
    return lab.roofline("mobilenet_v2", machine=machine, batch=batch, level="role")


explore(
    machine_and_batch,
    machine=("raspberry_pi_4", "raspberry_pi_5", "core_i7_6700", "rtx_3090", "h100_sxm"),
    batch=(1, 8, 64),
)

# %% [markdown]
"""
## Exercises

{{ exercise("11.1") }}
"""

# %% tags=["exercise"]
depthwise = ...
dense = ...
check("11.1", (depthwise, dense))

# %% tags=["solution"]
one_map = 128 * 28 * 28
depthwise = 2 * 9 * one_map / (4 * (one_map + 9 * 128 + one_map))
dense = 2 * 9 * 128 * one_map / (4 * (one_map + 9 * 128 * 128 + one_map))
check("11.1", (depthwise, dense))

# %% [markdown]
"""
{{ exercise("11.2") }}
"""


# %% tags=["exercise"]
def roofline_time(macs, bytes_moved, peak, bandwidth):
    return ...


check("11.2", roofline_time)


# %% tags=["solution"]
def roofline_time(macs, bytes_moved, peak, bandwidth):
    return max(2 * macs / peak, bytes_moved / bandwidth)


check("11.2", roofline_time)

# %% [markdown]
"""
{{ exercise("11.3") }}
"""

# %% tags=["exercise"]
order = [..., ..., ..., ...]
check("11.3", order)

# %% tags=["solution"]
by_name = {row.name: row for row in lab.analyse(lab.trace("mobilenet_v2")).rows}
candidates = {
    "pointwise": by_name["head.conv"],
    "depthwise": by_name["stage2.0.depthwise.conv"],
    "norm": by_name["stage2.0.expand.norm"],
    "linear": by_name["classifier.linear"],
}
seconds = {
    name: roofline_time(row.macs, row.memory, pi.peak, pi.bandwidth)
    for name, row in candidates.items()
}
order = sorted(seconds, key=seconds.get, reverse=True)
check("11.3", order)

# %% [markdown]
"""
**Now time them.** `lab.bench` runs MobileNetV2 layer by layer on *your* machine, with one thread; it
first measures the machine's own peak and bandwidth. So there are three columns of milliseconds: the
bound for the Raspberry Pi, the bound for your machine, and what was measured.
"""

# %%
names = {
    "pointwise": "head.conv",
    "depthwise": "stage2.0.depthwise.conv",
    "norm": "stage2.0.expand.norm",
    "linear": "classifier.linear",
}
try:
    bench = lab.bench("mobilenet_v2", level="layer", threads=1, rounds=5)
except lab.LabError as error:  # PyTorch is missing
    bench = None
    print(f"Nothing was timed: {error}.")

if bench is not None:
    rows = {row.name: row for row in bench.rows}
    timed = {name: rows[layer] for name, layer in names.items()}
    print(bench.notes[0], "\n")
    print("              MACs      bytes   Pi 4, bound   here, bound   here, measured")
    for name in sorted(timed, key=lambda name: timed[name].time.median, reverse=True):
        one = timed[name]
        bounds = float(pi.seconds(one.row)), float(one.bound)
        print(
            f"{name:9} {one.row.macs:>10,} {one.row.memory:>10,} {1e3 * bounds[0]:>10.3f} ms "
            f"{1e3 * bounds[1]:>10.3f} ms {1e3 * one.time.median:>13.3f} ms"
        )

# %% [markdown]
"""
The slowest measured stands first. Compare the orders, then the factors between bound and time. Where
yours differ from the bound's: was the map still in a cache (faster than memory allows), or is the
kernel far from the peak (slower)? On a busy machine run the cell twice before you believe a
difference.

{{ exercise("11.4") }}
"""

# %% tags=["exercise"]
batch = ...
check("11.4", batch)

# %% tags=["solution"]
gpu = device("rtx_3090").machine()
batch = 1
while 2 * batch * 1280 * 1000 / gpu.peak < (
    4 * (1280 * 1000 + 1000 + batch * (1280 + 1000)) / gpu.bandwidth
):
    batch += 1
check("11.4", batch)

# %% [markdown]
"""
**What a counter says.** Before anybody speaks of milliseconds: which MACs? For MobileNetV2 at 224×224
the papers' convention gives {{ tools["paper"]:.0f }} million MACs, and tools print
{{ tools["torchprofile"]:.0f }}, {{ tools["fvcore"]:.0f }}, {{ tools["ptflops_pytorch"]:.0f }},
{{ tools["thop"]:.0f }} or {{ tools["flop_counter"]:.0f }} million of something. The last one counts
two FLOPs for a MAC; the others count different operations.

{{ exercise("11.5") }}
"""

# %% tags=["exercise"]
values = ...
fvcore = ...
thop = ...
check("11.5", (values, fvcore, thop))

# %% tags=["solution"]
layers = lab.trace("mobilenet_v2").layers
values = sum(
    channels * height * width
    for channels, height, width in (x.in_shapes[0] for x in layers if x.op == "batch_norm")
)
macs = lab.analyse(lab.trace("mobilenet_v2")).total.macs
in_pool, out_pool = 1280 * 7 * 7, 1280
fvcore = (314_193_216 - macs - in_pool) / values
thop = (327_550_720 - macs - in_pool - out_pool) / values
check("11.5", (values, fvcore, thop))

# %% [markdown]
"""
And this is the whole bridge, for each tool. (thop sees modules only. torchvision's MobileNetV2 calls
its pool as a function, so for that one thop prints {{ pool:,}} less.)
"""

# %%
lab.reconcile("mobilenet_v2")

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("11.a")
reveal("11.b")

# %% [markdown]
r"""
## What this does not tell you

The roofline is a bound by two numbers of a machine. It knows no caches, so a small map can be faster
than it allows; no cost of starting a kernel, so many small layers are slower; and no bad kernels. In
the lab's recorded run (`docs/latency.md`, one thread of a server, busy at that time)

- RepLKNet-31B has {{ replknet / vgg:.2f }} times the MACs of VGG-16 and took
  {{ ms["replknet_31b"] / ms["vgg16"]:.1f }} times as long: its depthwise kernels of up to 31×31 have
  intensity enough, but PyTorch runs them far below the peak. No roofline shows that.
- MobileNetV1 has {{ v1_macs / v2.total.macs:.1f }} times the MACs of MobileNetV2 and took
  {{ ms["mobilenet_v1"] / ms["mobilenet_v2"]:.2f }} times as long, a difference within that run's
  noise.
- Over 15 networks below 600 million MACs, the order by MACs agreed with the order by time at a
  Kendall's $\tau$ of {{ tau["MACs"]:.2f }}, by bytes {{ tau["bytes"]:.2f }}, by the roofline
  {{ tau["roofline"]:.2f }} (1 is the same order, 0 is none).

Inference engines also fold batch norms into convolutions and fuse activations, which removes bytes
that are counted here.

## Summary

- Intensity is FLOPs per byte; a layer left of the ridge (peak / bandwidth) waits for memory.
- Least time: $\max(W/P,\; Q/B)$. A depthwise 3×3 layer in float32 never has more than
  {{ depthwise }} FLOPs per byte; a batch does not help it, it helps a linear layer.
- Layers without MACs take time.
- Every counter counts something else. Say which operations, and whether a MAC is one or two.

## Read on

- Williams, Waterman, Patterson: *Roofline: An Insightful Visual Performance Model for Multicore
  Architectures*, 2009
- Ma, Zhang, Zheng, Sun: *ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design*,
  2018
- Ding, Zhang, Zhou, Han, Ding, Sun: *Scaling Up Your Kernels to 31x31: Revisiting Large Kernel Design
  in CNNs*, 2022
"""

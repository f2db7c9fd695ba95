# %% tags=["numbers"]
import mobilenet_lab as lab
from mobilenet_lab.exercises.lessons.detection import PRINTED_SSD_300, SSD_300

ssd_300 = sum(side * side * boxes for side, boxes in SSD_300)
assert ssd_300 == PRINTED_SSD_300


def parts(network):
    found = {"backbone": [0, 0], "neck": [0, 0], "heads": [0, 0]}
    for row in lab.analyse(lab.trace(network)).rows:
        first = row.stage.split(".")[0]
        part = first if first in found else "heads" if "head" in first else "neck"
        found[part][0] += row.params
        found[part][1] += row.macs
    return found


def line(network):
    found = parts(network)
    cells = [f"{params / 1e6:.2f} M, {macs / 1e9:.2f} G" for params, macs in found.values()]
    total = lab.analyse(lab.trace(network)).total
    whole = f"{total.params / 1e6:.2f} M, {total.macs / 1e9:.2f} G"
    return f"| `{network}` | " + " | ".join([*cells, whole]) + " |"


light = lab.analyse(lab.trace("yolov4_mobilenet_v2")).total
dense = lab.analyse(lab.trace("yolov4_mobilenet_v2_dense")).total
heavy = parts("yolov4_mobilenet_v2_dense")
light_parts = parts("yolov4_mobilenet_v2")
swapped = lab.analyse(lab.trace("yolov5n_mobilenet_v3_large"))
gates = sum(row.params for row in swapped.rows if row.role == "se")
swapped_parts, stock_parts = parts("yolov5n_mobilenet_v3_large"), parts("yolov5n")

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

{{ prediction("9.a") }}
"""

# %% tags=["exercise"]
predict("9.a", ...)

# %% tags=["solution"]
predict("9.a", 100)

# %% [markdown]
"""
{{ prediction("9.b") }}
"""

# %% tags=["exercise"]
predict("9.b", ...)

# %% tags=["solution"]
predict("9.b", 2)

# %% [markdown]
r"""
## The idea

A detector in one shot does not search. It puts boxes of fixed places and sizes on the image, its
**priors** (default boxes, anchors), and answers two questions for each: *what is in it*, and *how would
it have to move to fit*.

Take a map of 3×3 positions with 2 boxes at each: 3 × 3 × 2 = {{ 3 * 3 * 2 }} boxes. For 4 classes and
the 4 numbers that move a box, the network gives out 2 × (4 + 4) = {{ 2 * (4 + 4) }} channels at each
position.

A detector does this on several maps, from fine to coarse; on coarse maps the boxes are large. The
original SSD has six, for an image of 300 pixels:

| side of the map | 38 | 19 | 10 | 5 | 3 | 1 |
|---|---|---|---|---|---|---|
| boxes at a position | 4 | 6 | 6 | 6 | 4 | 4 |
| boxes | {{ " | ".join(f"{side * side * boxes:,}" for side, boxes in SSD_300) }} |

Together {{ ssd_300:,}}, the number in its paper. With $n_i$ the side of map $i$, $b_i$ its boxes at a
position and $K$ classes:

$$
\text{boxes} = \sum_i n_i^2\, b_i \qquad
\text{channels of the heads on map } i = b_i\,(K + 4)
$$

- SSD counts the background as a class of its own: 20 classes of Pascal VOC make 21 scores. For COCO it
  is 81, or 91, since the numbers of COCO's classes go up to 90 with ten of them unused.
- YOLO has no background but one more number, whether there is anything: 3 × (5 + 80) =
  {{ 3 * (5 + 80) }} channels for 80 classes, and 3 × (5 + 20) = {{ 3 * (5 + 20) }} for 20.
- From map to map, a padded window of stride 2 halves the side and rounds *up*.
  (Only SSD's last two maps come from 3×3 convolutions without padding: 5, 3, 1.)
"""


# %%
def boxes_of_yolov4(side):
    maps = [side // stride for stride in (8, 16, 32)]
    for cells in maps:
        print(f"{cells:3} × {cells:3} cells, 3 boxes each: {3 * cells**2:7,}")
    print(f"YOLOv4 scores {sum(3 * cells**2 for cells in maps):,} boxes at {side} pixels.")


explore(boxes_of_yolov4, side=(416, 320, 512, 608, 832))

# %% [markdown]
"""
## The picture

YOLOv4 with MobileNetV2 as its backbone. The **backbone** gives maps of strides 8, 16 and 32; the
**neck** mixes them, from coarse to fine and back; the **heads** make the predictions.
"""

# %% tags=["hero"]
ax = lab.draw.network("yolov4_mobilenet_v2")

# %% [markdown]
"""
The same with each depthwise-separable 3×3 of neck and heads replaced by a dense one. Parameters and
MACs:

| | backbone | neck | heads | together |
|---|---|---|---|---|
{{ line("yolov4_mobilenet_v2") }}
{{ line("yolov4_mobilenet_v2_dense") }}

With the dense neck, the backbone is {{ heavy["backbone"][1] / dense.macs:.0%}} of the work. It makes
little sense to choose a light backbone and put that behind it; and even with the light neck, the
backbone is only {{ light_parts["backbone"][1] / light.macs:.0%}}.

**A lighter backbone?** MobileNetV3-Large in place of YOLOv5n's own makes the detector *heavier*:

| | backbone | neck | heads | together |
|---|---|---|---|---|
{{ line("yolov5n") }}
{{ line("yolov5n_mobilenet_v3_large") }}

"n" means that all channels of YOLOv5 are a quarter; MobileNetV3-Large comes in full width, with
{{ gates / 1e6:.2f}} M parameters in its gates alone. Ask what is being replaced before you call a
swap light.

## Exercises

{{ exercise("9.1") }}
"""

# %% tags=["exercise"]
ssdlite_v2 = ...
ssdlite_v3 = ...
yolov5 = ...
check("9.1", (ssdlite_v2, ssdlite_v3, yolov5))

# %% tags=["solution"]
ssdlite_v2 = 6 * (19**2 + 10**2 + 5**2 + 3**2 + 2**2 + 1**2)
ssdlite_v3 = 6 * (20**2 + 10**2 + 5**2 + 3**2 + 2**2 + 1**2)
yolov5 = 3 * (80**2 + 40**2 + 20**2)
check("9.1", (ssdlite_v2, ssdlite_v3, yolov5))

# %% [markdown]
"""
{{ exercise("9.2") }}
"""


# %% tags=["exercise"]
def count_boxes(side, stride, per_cell):
    return ...


check("9.2", count_boxes)


# %% tags=["solution"]
def count_boxes(side, stride, per_cell):
    n, count = -(-side // stride), 0
    for boxes in per_cell:
        count += n * n * boxes
        n = -(-n // 2)
    return count


check("9.2", count_boxes)

# %% [markdown]
"""
{{ exercise("9.3") }}
"""

# %% tags=["exercise"]
ssdlite = ...
ssd = ...
check("9.3", (ssdlite, ssd))

# %% tags=["solution"]
outputs = 6 * (91 + 4)
ssdlite = 20**2 * (2 * 9 * 672 + 672 * outputs)
ssd = 20**2 * 9 * 672 * outputs
check("9.3", (ssdlite, ssd))

# %% [markdown]
"""
{{ exercise("9.4") }}
"""

# %% tags=["exercise"]
more_params = ...
more_macs = ...
check("9.4", (more_params, more_macs))

# %% tags=["solution"]
more_params = 2 * (256 - 128) * 128
more_macs = more_params * (640 // 32) ** 2
check("9.4", (more_params, more_macs))

# %% [markdown]
"""
{{ exercise("9.5") }}
"""

# %% tags=["exercise"]
side = ...
check("9.5", side)

# %% tags=["solution"]
name = "ssdlite320_mobilenet_v3_large"
side = max(
    side
    for side in range(32, 1025, 32)
    if lab.counts_at(name, side).macs <= 1500e6 and count_boxes(side, 16, [6] * 6) <= 7000
)
check("9.5", side)

# %% [markdown]
"""
Now compare your guesses:
"""

# %%
reveal("9.a")
reveal("9.b")

# %% [markdown]
"""
## What this does not tell you

Counts do not tell how well a detector finds things: more boxes help with small and crowded objects only
if training can match them. Decoding the boxes and suppressing double ones (non-maximum suppression) is
in no MAC; on a phone it can take as long as a part of the network, and it grows with the boxes that
pass the threshold, so with the image. And how well it does on COCO (average precision, AP) depends on training as much as
on the layers.

## Summary

- Boxes: side² × boxes at a position, summed over the maps; sides are halved and rounded up.
- Heads: boxes × (classes + 4) channels in SSD, the background being a class; boxes × (5 + classes) in
  YOLO.
- Separable heads are nearly 9 times as cheap as dense ones, since their outputs are many.
- YOLOv4 on MobileNetV2 has {{ dense.params / 1e6:.1f}} M parameters with a dense neck and
  {{ light.params / 1e6:.1f}} M with a separable one.

## Read on

- Liu, Anguelov, Erhan, Szegedy, Reed, Fu, Berg: *SSD: Single Shot MultiBox Detector*, 2016
- Sandler, Howard, Zhu, Zhmoginov, Chen: *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, 2018
- Bochkovskiy, Wang, Liao: *YOLOv4: Optimal Speed and Accuracy of Object Detection*, 2020
"""

"""Records docs/latency: `python docs/record_latency.py` (needs the torch extra, some ten minutes).

All classifiers of photographs in the registry at their own inputs (224 × 224, AlexNet 227 × 227),
batch 1, one thread, in turns; then a few of them layer by layer, gathered by families of layers.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.drawings.canvas import rendered
from mobilenet_lab.families import FAMILIES, family
from mobilenet_lab.layers import ACTIVATIONS
from mobilenet_lab.output import progress

FOLDER = Path(__file__).parent / "latency"
CLASSIFIERS = [
    name
    for name in registry.NETWORKS
    if registry.task(name) == "classification" and registry.trace(name).input_shape[1] > 200
]
LAYERED = (
    *("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mixnet_s"),
    *("shufflenet_v2", "ghostnet", "resnet50"),
)
OTHERS = {
    "batch_norm": "batch norms",
    "concat": "concatenations",
    "split": "splits",
    "channel_shuffle": "channel shuffles",
    "add": "additions",
    "mul": "gates' products",
    "max_pool": "pools",
    "adaptive_avg_pool": "pools",
    "avg_pool": "pools",
}
"""What layers without MACs are gathered as; else activations or the rest."""


def main() -> None:
    """Times everything and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("wall", "processor"), default="processor")
    given = parser.parse_args()
    settings: dict[str, Any] = {
        "rounds": given.rounds,
        "threads": given.threads,
        "clock": given.clock,
        "watch": lambda items, total: progress(items, total, "timing", undisturbed=True),
    }
    FOLDER.mkdir(exist_ok=True)
    networks = lab.bench(*CLASSIFIERS, **settings)
    (FOLDER / "classifiers.json").write_text(networks.to("json"), encoding="utf-8")
    (FOLDER / "classifiers.md").write_text(networks.to("markdown"), encoding="utf-8")
    print(networks)
    for against in ("macs", "memory", "roofline"):
        figure: Any = lab.draw.latency(networks, against=against).figure
        (FOLDER / f"{against}.svg").write_bytes(rendered(figure, "svg"))
    parts = {name: by_family(name, settings) for name in LAYERED}
    text = json.dumps(parts, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "families.json").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def by_family(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """MACs, bytes and milliseconds of each family of a network's layers."""
    table = lab.bench(name, level="layer", **settings)
    kinds = {layer.name: kind(layer) for layer in lab.trace(name).layers}
    sums: dict[str, Counter[str]] = {}
    for row in table.rows:
        mine = sums.setdefault(kinds[row.name], Counter())
        mine["layers"] += 1
        mine["macs"] += row.row.macs
        mine["memory"] += row.row.memory
        mine["us"] += round(row.time.median * 1e6)  # type: ignore[operator]
        mine["roofline_us"] += round(float(row.bound) * 1e6)
    return {
        "layers_ms": table.total.time.median * 1000,
        "whole_ms": table.facts["whole_ms"],
        "load": [table.facts["load_before"], table.facts["load_after"]],
        "noise": median(row.time.noise for row in table.rows),
        "families": sums,
    }


def kind(layer: Any) -> str:
    """The family of a layer; of one without MACs, what it does."""
    found = family(layer)
    if layer.op in OTHERS:
        return OTHERS[layer.op]
    if found == "other" or (found == "gate" and layer.op != "conv2d"):
        return "activations" if layer.op in ACTIVATIONS else "the rest"
    return FAMILIES[found]


if __name__ == "__main__":
    main()

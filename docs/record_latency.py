"""Records docs/latency: `python docs/record_latency.py` (needs the torch extra, some ten minutes).

All classifiers of photographs in the registry at their own inputs, batch 1, one thread, in turns;
then a few of them layer by layer, gathered by families of layers. With `--tables` nothing is timed:
what docs/latency.md shows of the recorded runs is printed.
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
from mobilenet_lab.families import FAMILIES, family
from mobilenet_lab.layers import ACTIVATIONS
from mobilenet_lab.output import progress
from mobilenet_lab.ranks import kendall, spearman

FOLDER = Path(__file__).parent / "latency"
CLASSIFIERS = [
    name
    for name in registry.NETWORKS
    if registry.task(name) == "classification" and registry.trace(name).input_shape[1] > 200
]
LAYERED = (
    *("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mixnet_s"),
    *("shufflenet_v2", "ghostnet", "googlenet", "resnet50", "replknet_31b"),
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
    "local_response_norm": "response norms",
}
"""What layers without MACs are gathered as; else activations or the rest."""


def main() -> None:
    """Times everything and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("wall", "processor"), default="processor")
    parser.add_argument("--tables", action="store_true")
    given = parser.parse_args()
    if given.tables:
        print("\n\n".join(tables()))
        return
    settings: dict[str, Any] = {
        "rounds": given.rounds,
        "threads": given.threads,
        "clock": given.clock,
        "watch": lambda items, total: progress(items, total, "timing", undisturbed=True),
    }
    FOLDER.mkdir(exist_ok=True)
    networks = lab.bench(*CLASSIFIERS, **settings)
    (FOLDER / "classifiers.json").write_text(networks.to("json"), encoding="utf-8")
    print(networks)
    parts = {name: by_family(name, settings) for name in LAYERED}
    text = json.dumps(parts, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "families.json").write_text(text, encoding="utf-8")
    sys.stdout.write("Now python docs/build_gallery.py draws it, and --tables prints the page's.\n")


def by_family(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """MACs, bytes and microseconds of each family of a network's layers."""
    table = lab.bench(name, level="layer", **settings)
    kinds = {layer.name: kind(layer) for layer in lab.trace(name).layers}
    sums: dict[str, Counter[str]] = {}
    for row in table.rows:
        mine = sums.setdefault(kinds[row.name], Counter())
        mine["layers"] += 1
        mine["macs"] += row.row.macs
        mine["memory"] += row.row.memory
        mine["us"] += round(row.time.median * 1e6)
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


# What the page shows


def tables() -> tuple[str, ...]:
    """Every table of docs/latency.md."""
    return networks_table(), ranks_table(), families_table(), rates_table()


def networks_table() -> str:
    """The recorded networks, the fastest first."""
    rows = json.loads((FOLDER / "classifiers.json").read_text(encoding="utf-8"))["rows"]
    cells = [
        (
            row["name"],
            f"{row['macs'] / 1e6:,.0f}",
            f"{row['memory'] / 1e6:,.0f}",
            f"{row['roofline_ms']:,.1f}",
            f"{row['ms']:,.1f}",
            f"{row['iqr_ms']:,.1f}",
            f"{row['ratio']:.2f}",
            f"{row['gmacs']:.1f}",
        )
        for row in sorted(rows, key=lambda row: row["ms"])
    ]
    heads = ("network", "M MACs", "MB", "roofline ms", "ms", "IQR ms", "/ roofline", "GMAC/s")
    return piped(heads, cells)


SMALL = 600_000_000
"""MACs below which a network is for phones."""


def ranks_table() -> str:
    """Rank correlations with the measured time, of all networks and of the small ones."""
    rows = json.loads((FOLDER / "classifiers.json").read_text(encoding="utf-8"))["rows"]
    small = [row for row in rows if row["macs"] < SMALL]
    cells = []
    for told, some in (("all", rows), (f"below {SMALL // 10**6} M MACs", small)):
        ms = [row["ms"] for row in some]
        both = [
            f"{coefficient([row[quantity] for row in some], ms):.3f}"
            for quantity in ("macs", "memory", "roofline_ms")
            for coefficient in (kendall, spearman)
        ]
        cells.append((told, str(len(some)), *both))
    heads = ("networks", "number", "MACs τ", "ρ", "bytes τ", "ρ", "roofline τ", "ρ")
    return piped(heads, cells)


RATED = (
    *("standard convolution", "1×1 convolution", "depthwise convolution"),
    *("linear layer", "squeeze-and-excitation"),
)


def rates_table() -> str:
    """Microseconds per million MACs, over the networks timed by layer but RepLKNet."""
    runs = json.loads((FOLDER / "families.json").read_text(encoding="utf-8"))
    del runs["replknet_31b"]
    sums: dict[str, Counter[str]] = {name: Counter() for name in RATED}
    for run in runs.values():
        for name in RATED:
            sums[name].update(run["families"].get(name, {}))
    cells = tuple(f"{each['us'] / each['macs'] * 1e6:.0f}" for each in sums.values())
    return piped(RATED, [cells])


LEAST_SHARE = 0.03
"""Of a network's time: what takes less is left out of the table."""


def families_table() -> str:
    """The families of each network that was timed layer by layer, by time."""
    cells = []
    for name, run in json.loads((FOLDER / "families.json").read_text(encoding="utf-8")).items():
        families = run["families"]
        total = {key: sum(each[key] for each in families.values()) for key in ("macs", "us")}
        for family_name, each in sorted(families.items(), key=lambda item: -item[1]["us"]):
            if each["us"] < LEAST_SHARE * total["us"]:
                continue
            cells.append(
                (
                    name,
                    family_name,
                    str(each["layers"]),
                    f"{each['macs'] / total['macs']:.1%}",
                    f"{each['us'] / total['us']:.1%}",
                    f"{each['macs'] / each['us'] / 1e3:.1f}" if each["macs"] else "–",
                    f"{each['memory'] / each['us'] / 1e3:.1f}",
                )
            )
            name = ""
    heads = ("network", "layers", "number", "of MACs", "of time", "GMAC/s", "GB/s")
    return piped(heads, cells)


def piped(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    rule = ["---" if head in ("network", "networks", "layers") else "---:" for head in heads]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


if __name__ == "__main__":
    main()

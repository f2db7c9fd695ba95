"""docs/latency.md shows the recorded runs, digit for digit."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "latency.md").read_text(encoding="utf-8")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_latency", DOCS / "record_latency.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORD = script()
RUN = json.loads((DOCS / "latency" / "classifiers.json").read_text(encoding="utf-8"))
PARTS = json.loads((DOCS / "latency" / "families.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("table", RECORD.tables())
def test_every_table_is_the_recorded_one(table: str) -> None:
    assert f"\n\n{table}\n\n" in PAGE


def test_the_recorded_networks_are_the_registry_s() -> None:
    assert [row["name"] for row in RUN["rows"]] == RECORD.CLASSIFIERS
    for row in RUN["rows"]:
        total = analyse(registry.trace(row["name"])).total
        assert (row["macs"], row["memory"]) == (total.macs, total.memory)
    assert (RUN["level"], RUN["batch"], RUN["threads"]) == ("network", 1, 1)


def test_the_families_of_layers_add_up() -> None:
    assert [*PARTS] == [*RECORD.LAYERED]
    for name, run in PARTS.items():
        total = analyse(registry.trace(name)).total
        for quantity in ("macs", "memory"):
            assert sum(each[quantity] for each in run["families"].values()) == getattr(
                total, quantity
            )
        assert sum(each["us"] for each in run["families"].values()) / 1000 == pytest.approx(
            run["layers_ms"], rel=0.1
        )


def test_the_machine_is_told() -> None:
    said = " ".join(PAGE.split())
    for told in (
        f"peak {RUN['machine']['peak'] / 1e9:.1f} GFLOP/s",
        f"bandwidth {RUN['machine']['bandwidth'] / 1e9:.2f} GB/s",
        f"ridge at {RUN['machine']['ridge']:.1f} FLOPs/byte",
        f"load average {RUN['load_before']:.1f} before and {RUN['load_after']:.1f} after",
        f"{RUN['rounds']} rounds",
    ):
        assert told in said

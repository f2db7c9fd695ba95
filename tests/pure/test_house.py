"""How the house is built: levels, twins, and what an ordinary command leaves unimported."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import mobilenet_lab
from mobilenet_lab import registry
from mobilenet_lab.sources import Paper, Published

PACKAGE = Path(mobilenet_lab.__file__).parent
ROOT = PACKAGE.name

# The pure side: a file imports from the levels above its own. It is named by its path without .py;
# a name ending in / is every file of that folder. A file in no level fails a test: decide where it
# stands. The torch side is told by its names (is_torch_side).
LEVELS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("channels", "formulas", "expression", "sources", "ranks"),
    ("layers",),
    ("tape", "receptive_field"),
    ("net",),
    ("blocks", "detection/"),
    ("architectures/",),
    # detectors and segmenters stand on the others' features
    (
        "architectures/ssdlite",
        "architectures/yolov4",
        "architectures/yolov5",
        "architectures/lraspp",
    ),
    ("registry",),
    ("importers/",),
    ("networks",),
    ("training/",),
    ("analysis", "accuracies"),
    ("conventions", "resolutions", "families", "rooflines"),
    ("reports/", "devices"),
    ("output", "measured"),
    ("verbs/",),
    ("adaptation/",),
    ("verification", "reconciliation", "effective_fields", "prediction", "latency"),
    ("drawings/",),
    ("fine_tuning", "narrowing"),  # draw their curves
    ("exercises/records", "exercises/symbolic", "exercises/kinds", "exercises/typed"),
    ("exercises/lessons/",),
    ("exercises/",),
    ("course/",),
    ("cli/",),
    ("__init__", "__main__"),
)
AMONG_THEMSELVES = (
    *("reports/", "verbs/", "importers/", "drawings/", "training/", "adaptation/"),
    *("exercises/", "exercises/lessons/", "course/", "cli/"),
)
"""Levels whose files may import each other."""
LAZY = ("cli/", "__init__")
"""Rooms that name all others: beside ALWAYS_NEEDED, they import them inside functions only."""
ALWAYS_NEEDED = ("errors", "output")
MEET_TORCH = (
    *("networks", "verification", "reconciliation"),
    *("effective_fields", "prediction", "fine_tuning", "latency", "narrowing"),
)
"""Files of the pure side that call the torch side, inside their functions."""

HEAVY = (
    "torch", "torchvision", "timm", "fvcore", "torchinfo", "safetensors",
    "numpy", "pandas", "matplotlib",
)  # fmt: skip


class Import(NamedTuple):
    """One name that a file takes from a module."""

    module: str
    name: str
    deferred: bool
    """Inside a function, or for type checkers only."""


def imports(source: str) -> Iterator[Import]:
    """Every import of a file, wherever it stands."""

    def visit(node: ast.AST, deferred: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (Import(module, alias.name, deferred) for alias in node.names)
        for child in ast.iter_child_nodes(node):
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from visit(child, deferred or inside or _for_type_checkers(node, child))

    return visit(ast.parse(source), False)


def _for_type_checkers(node: ast.AST, child: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        and child in node.body
    )


def files() -> dict[str, str]:
    """Path without suffix -> source, of every file of the package."""
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix(): path.read_text("utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }


FILES = files()


def is_torch_side(file: str) -> bool:
    """Twins, torch leaves, counters (`verification` meets them, in its functions) and weights."""
    return file.endswith("_torch") or file.startswith("counters/") or file == "weights"


def room(file: str) -> str:
    """The entry of LEVELS that a file belongs to."""
    return file if "/" not in file else file.rsplit("/", 1)[0] + "/"


def level(file: str) -> int | None:
    """The number of a file's level, None if it is in none; its own name comes before its room."""
    for entry in (file, room(file)):
        for number, rooms in enumerate(LEVELS):
            if entry in rooms:
                return number
    return None


def targets(found: Import) -> list[str]:
    """The files of the package that an import runs."""
    assert not found.module.startswith("."), "imports within the package are written in full"
    parts = found.module.split(".")
    if parts[0] != ROOT:
        return []
    inside = [*parts[1:], found.name]
    for length in (len(inside), len(inside) - 1):
        path = "/".join(inside[:length])
        if path in FILES:
            return [path]
        if f"{path}/__init__" in FILES:
            return [f"{path}/__init__"]
    return ["__init__"]


def against_the_order(file: str, source: str) -> list[str]:
    """The imports of a pure file that do not go to a level above its own."""
    own = level(file)
    assert own is not None
    wrong = []
    for found in imports(source):
        for target in targets(found):
            if target == "__init__" and found.name == "__version__":
                continue
            if room(file) in LAZY and (found.deferred or target in ALWAYS_NEEDED):
                continue
            if room(file) in LAZY and room(target) != room(file):
                allowed = False
            elif is_torch_side(target):
                allowed = file in MEET_TORCH and found.deferred
            else:
                theirs = level(target)
                kin = room(target) == room(file) and room(file) in AMONG_THEMSELVES
                allowed = theirs is not None and (theirs < own or kin)
            if not allowed:
                wrong.append(f"{file} imports {found.module}.{found.name}")
    return wrong


PURE = [file for file in FILES if not is_torch_side(file)]
TORCH = [file for file in FILES if is_torch_side(file)]


def test_every_file_has_its_level() -> None:
    assert [file for file in PURE if level(file) is None] == []
    rooms = {entry for entries in LEVELS for entry in entries}
    assert {entry for entry in rooms if not any(entry in (f, room(f)) for f in PURE)} == set()


@pytest.mark.parametrize("file", PURE)
def test_arrows_run_one_way(file: str) -> None:
    assert against_the_order(file, FILES[file]) == []


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("formulas", "from mobilenet_lab.net import Net"),
        ("formulas", "from mobilenet_lab import channels"),
        ("channels", "import mobilenet_lab.analysis"),
        ("layers", "def f():\n    from mobilenet_lab.registry import trace"),
        ("architectures/mobilenet_v2", "from mobilenet_lab.architectures.mobilenet_v1 import STEM"),
        ("architectures/mobilenet_v2", "from mobilenet_lab.analysis import analyse"),
        ("architectures/mobilenet_v2", "import mobilenet_lab.architectures.mobilenet_v2_torch"),
        ("registry", "if TYPE_CHECKING:\n    from mobilenet_lab.analysis import Analysis"),
        ("analysis", "from mobilenet_lab import conventions"),
        ("reports/table", "from mobilenet_lab.verbs.common import heading"),
        ("verbs/field", "from mobilenet_lab.verification import verify"),
        ("verification", "from mobilenet_lab.counters import fvcore"),
        ("cli/counting", "from mobilenet_lab.verbs.field import field"),
        ("net", "from mobilenet_lab import summary"),
    ],
)
def test_a_planted_arrow_is_seen(file: str, planted: str) -> None:
    assert len(against_the_order(file, planted)) == 1


# The twin rule


FREE_FOR_TWINS = "channels", "make_divisible"


def against_the_twin_rule(source: str) -> list[str]:
    """What a file of the torch side takes from the pure side that is not data.

    Data are tables, constants and row types: no function, and no class but a NamedTuple.
    """
    wrong = []
    for found in imports(source):
        for target in targets(found):
            if target == "errors" or is_torch_side(target):
                continue
            if (target, found.name) == FREE_FOR_TWINS:
                continue
            module = import_module(f"{ROOT}.{target.replace('/', '.')}".removesuffix(".__init__"))
            value = getattr(module, found.name, module)
            row_type = isinstance(value, type) and hasattr(value, "_fields")
            # what can be called, or holds it, computes
            if value is module or (callable(value) and not row_type):
                wrong.append(f"{found.module}.{found.name}")
    return wrong


def beyond_torch(source: str) -> set[str]:
    """Third-party packages other than torch."""
    packages = {found.module.split(".")[0] for found in imports(source)}
    return packages - {ROOT, "torch"} - set(sys.stdlib_module_names)


LAYERS_IN_TORCH = [
    file for file in TORCH if file.startswith("architectures/") or file == "blocks_torch"
]


@pytest.mark.parametrize("file", LAYERS_IN_TORCH)
def test_a_twin_takes_only_data_from_the_pure_side(file: str) -> None:
    assert against_the_twin_rule(FILES[file]) == []
    assert beyond_torch(FILES[file]) == set()


@pytest.mark.parametrize(
    ("allowed", "planted"),
    [
        (False, "from mobilenet_lab.architectures.mobilenet_v2 import inverted_residual"),
        (False, "from mobilenet_lab.architectures.mobilenet_v2 import make_divisible"),
        (False, "from mobilenet_lab.architectures import mobilenet_v2"),
        (False, "import mobilenet_lab.architectures.mobilenet_v2"),
        (False, "def f():\n    from mobilenet_lab.formulas import conv2d_params"),
        (False, "from mobilenet_lab.channels import floor_channels"),
        (False, "from mobilenet_lab import channels"),
        (False, "from mobilenet_lab.net import Net"),
        (False, "from mobilenet_lab.registry import trace"),
        (False, "from mobilenet_lab import trace"),
        (True, "from mobilenet_lab.architectures.mobilenet_v2 import HEAD, TABLE_2, Row"),
        (True, "from mobilenet_lab.channels import make_divisible"),
        (True, "from mobilenet_lab.blocks_torch import ConvNormAct"),
    ],
)
def test_a_planted_breach_of_the_twin_rule_is_seen(allowed: bool, planted: str) -> None:
    assert (against_the_twin_rule(planted) == []) is allowed


@pytest.mark.parametrize("file", [file for file in TORCH if file not in LAYERS_IN_TORCH])
def test_what_is_around_the_layers_knows_no_architecture(file: str) -> None:
    known = {target for found in imports(FILES[file]) for target in targets(found)}
    allowed = {
        "weights": {"errors"},
        "counters/": {"counters/__init__"},
        "interpreter_torch": {"blocks_torch", "errors", "layers"},
        "latency_torch": {"errors", "layers", "interpreter_torch", "importers/inputs_torch"},
        "detection/": {"errors", "detection/priors", "detection/predictor_torch"},
        "training/": {
            *("errors", "weights"),
            *(file for file in FILES if file.startswith("training/")),
        },
        "adaptation/": {
            *("errors", "layers", "weights", "interpreter_torch"),
            *(file for file in FILES if file.startswith(("training/", "adaptation/"))),
        },
        "importers/": {
            *("errors", "layers", "tape", "importers/naming", "counters/__init__"),
            *(file for file in TORCH if file.startswith("importers/")),
        },
    }
    assert known <= allowed.get(file, allowed.get(room(file), set()))


def test_architectures_are_complete() -> None:
    """Each has a twin, a place in the registry, a paper and published numbers."""
    papers = {
        file.removeprefix("architectures/")
        for file in PURE
        if file.startswith("architectures/") and not file.endswith("__init__")
    }
    twins = {
        file.removeprefix("architectures/").removesuffix("_torch")
        for file in TORCH
        if file.startswith("architectures/")
    }
    assert papers == twins == {entry.module for entry in registry.NETWORKS.values()}
    for name in registry.NETWORKS:
        module = registry.architecture(name)
        assert isinstance(module.PAPER, Paper)
        assert module.PUBLISHED
        assert all(isinstance(row, Published) for row in module.PUBLISHED)
        assert {row.network for row in module.PUBLISHED} <= set(registry.NETWORKS)
        assert callable(module.trace)
        assert (
            f'"""{(module.__doc__ or "").splitlines()[0]}'
            in FILES[f"architectures/{registry.NETWORKS[name].module}"]
        )


# What is heavy


DRAWING = {"matplotlib", "numpy"}
"""What the files of drawings/ import; they themselves are imported when something is drawn."""


@pytest.mark.parametrize("file", PURE)
def test_heavy_packages_are_imported_inside_functions(file: str) -> None:
    at_module_level = {
        found.module.split(".")[0] for found in imports(FILES[file]) if not found.deferred
    }
    allowed = DRAWING if room(file) == "drawings/" else set()
    assert at_module_level & set(HEAVY) <= allowed


EXAMPLE = PACKAGE.parent / "docs" / "examples" / "mobilenet_v2.toml"
COMMANDS = {
    "list": ["list"],
    "summary": ["summary", "mobilenet_v2"],
    "explain": ["explain", "mobilenet_v2", "stem.conv"],
    "field": ["field", "mobilenet_v2"],
    "compare": ["compare", "mobilenet_v1", "mobilenet_v2"],
    "conv": ["conv", "--in", "64", "--out", "128"],
    "sweep": ["sweep", "mobilenet_v2", "--resolution", "96:320:32"],
    "budget": ["budget", "mobilenet_v2", "--macs", "150M"],
    "published": ["published", "mobilenet_v1"],
    "reconcile": ["reconcile", "mobilenet_v2"],
    "export": ["export", "mobilenet_v2"],
    "roofline": ["roofline", "mobilenet_v2", "--peak", "100GFLOPS", "--bandwidth", "20GB/s"],
    "netadapt": ["netadapt", "mobilenet_v2", "--budget", "0.9", "--cost-only"],
    "exercise": ["exercise", "1.1", "--hint"],
    "progress": ["progress", "1"],
    "a file": ["summary", str(EXAMPLE)],
}

SPY = """
import atexit, json, runpy, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv = ["mobilenet-lab", *sys.argv[1:]]
runpy.run_module("mobilenet_lab", run_name="__main__", alter_sys=True)
"""


def loaded(script: str, *arguments: str) -> tuple[str, set[str]]:
    """What a fresh process prints, and the modules that it had loaded at its end."""
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONPATH": str(PACKAGE.parent)},
        check=True,
    )
    return ran.stdout, set(json.loads(ran.stderr.splitlines()[-1]))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_leaves_the_heavy_packages_out(command: str) -> None:
    printed, modules = loaded(SPY, *COMMANDS[command])
    assert printed.strip()
    assert f"{ROOT}.cli" in modules
    assert modules & set(HEAVY) == set()


def test_drawing_leaves_torch_out(tmp_path: Path) -> None:
    path = tmp_path / "v2.svg"
    _, modules = loaded(SPY, "draw", "network", "mobilenet_v2", "--output", str(path))
    assert path.exists()
    assert modules & set(HEAVY) == DRAWING


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import json, sys, mobilenet_lab; print(json.dumps([*sys.modules]), file=sys.stderr)"
    _, modules = loaded(script)
    assert ROOT in modules
    assert {module for module in modules if module.startswith(f"{ROOT}.")} == set()
    assert modules & {*HEAVY, "rich", "typer"} == set()

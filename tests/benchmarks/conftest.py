"""Measurements, made only when asked for: `pytest tests/benchmarks --benchmark-enable`.

The ratios are printed at the end. Nothing is asserted of a time: a busy machine is no mistake.
"""

from pathlib import Path

import pytest

RATIOS = pytest.StashKey[list[tuple[str, str, str, str]]]()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = config.getoption("benchmark_enable") or config.getoption("benchmark_only")
    return None if asked else True


@pytest.fixture
def report(pytestconfig: pytest.Config) -> list[tuple[str, str, str, str]]:
    """Where a benchmark puts its line: what, ours, the peer's, the ratio."""
    return pytestconfig.stash.setdefault(RATIOS, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = config.stash.get(RATIOS, [])
    if lines:
        terminalreporter.section("ratios (peer / mobilenet_lab)")
    for what, ours, theirs, ratio in lines:
        terminalreporter.write_line(f"{what:<46}{ours:>12}{theirs:>12}{ratio:>10}")

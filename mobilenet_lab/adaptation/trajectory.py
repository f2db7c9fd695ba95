"""The record of a search: where it began, what was tried in each iteration, what was kept.

It is a JSON file, last.json, in the search's folder beside the network that was kept last
(net.toml, and its weights where it was trained). All are switched together (`run_folder.commit`),
so that a search that was killed goes on after its last whole iteration.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from mobilenet_lab.adaptation.plan import Plan
from mobilenet_lab.adaptation.proposals import Proposal
from mobilenet_lab.adaptation.selection import Trial, ratio
from mobilenet_lab.errors import LabError, quoted
from mobilenet_lab.training import run_folder

RECORD = run_folder.LAST
NETWORK = "net.toml"
MODEL, CARD = "net.safetensors", "net.json"
FREE = ("workers", "on_bad_image")
"""What a search that goes on may change: it does not touch the images that can be read."""


class Point(NamedTuple):
    """A network of the trajectory."""

    cost: int
    value: Fraction = Fraction(0)
    """Accuracy on the images that choose; 0 where nothing is trained."""
    accuracy: Fraction | None = None
    """On the validation images, which choose nothing."""


class Iteration(NamedTuple):
    """One step of the search."""

    target: int
    """What the network was to cost at most."""
    trials: tuple[Trial, ...]
    kept: int
    """Index of the trial that was kept."""
    accuracy: Fraction | None = None
    """Of the kept network, on the validation images."""

    @property
    def winner(self) -> Trial:
        return self.trials[self.kept]

    @property
    def point(self) -> Point:
        return Point(self.winner.proposal.cost, self.winner.value, self.accuracy)


@dataclass(frozen=True)
class Trajectory:
    """A search from its beginning to where it stands."""

    plan: Plan
    recipe: Mapping[str, Any]
    """How proposals are fine-tuned (`Recipe`); empty where nothing is trained."""
    budget: int
    start: Point
    iterations: tuple[Iteration, ...] = ()

    @property
    def last(self) -> Point:
        """The network that was kept last."""
        return self.iterations[-1].point if self.iterations else self.start

    @property
    def finished(self) -> bool:
        return self.last.cost <= self.budget

    @property
    def points(self) -> tuple[Point, ...]:
        """The networks that were kept, the first one before any iteration."""
        return (self.start, *(each.point for each in self.iterations))

    def ratio(self, number: int) -> Fraction:
        """The change of the value per cost won, of iteration 1, 2, 3 ..."""
        before = self.points[number - 1]
        return ratio(self.iterations[number - 1].winner, before.cost, before.value)

    def widths(self, widths: Sequence[int]) -> tuple[int, ...]:
        """The widths of the groups after the last iteration, from those of the whole network."""
        found = list(widths)
        for each in self.iterations:
            found[each.winner.proposal.group] = each.winner.proposal.width
        return tuple(found)

    def after(self, iteration: Iteration) -> "Trajectory":
        """The trajectory with one iteration more."""
        return replace(self, iterations=(*self.iterations, iteration))


def commit(folder: Path, trajectory: Trajectory, files: Mapping[str, bytes]) -> None:
    """Writes the record and the network that it stands for: all, or nothing of it.

    Raises:
        LabError: they cannot be written; those that were there are as they were.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"cannot write {folder}: {error.strerror}") from None
    record = {**_written(trajectory), "files": {n: run_folder.digest(c) for n, c in files.items()}}
    run_folder.commit(folder, {**files, RECORD: run_folder.to_json(record)})


def read(folder: Path) -> tuple[Trajectory, dict[str, bytes]]:
    """The record of a search, and the files that it stands for.

    Raises:
        LabError: there is no search in the folder, or its files are damaged.
    """
    if not folder.is_dir():
        raise LabError(f"there is no search in {folder} to resume")
    run_folder.settle(folder)
    if not (folder / RECORD).exists():
        raise LabError(f"there is no search in {folder} to resume")
    found = run_folder.read_json(folder / RECORD)
    if "plan" not in found:
        raise LabError(f"{folder} holds a run of another kind, no search of NetAdapt")
    try:
        trajectory = _read(found)
        digests = {str(name): str(digest) for name, digest in found["files"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError):
        raise LabError(f"{folder / RECORD} is damaged: no search goes on from it") from None
    files = {}
    for name, digest in digests.items():
        try:
            files[name] = (folder / name).read_bytes()
        except OSError as error:
            raise LabError(f"cannot read {folder / name}: {error.strerror}") from None
        if run_folder.digest(files[name]) != digest:
            raise LabError(f"{folder / name} was changed since {RECORD} was written, or is damaged")
    return trajectory, files


def agreed(kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Makes sure that a search goes on as it began; `asked` is what was given again.

    Raises:
        LabError: something else is asked for.
    """
    for key, wanted in asked.items():
        was = kept.get(key)
        if key in FREE or _plain(was) == _plain(wanted):
            continue
        if key == "settings" and all(_plain(was).get(k) == v for k, v in _plain(wanted).items()):
            continue
        raise LabError(
            f"the search has {key} {quoted(was)}, not {quoted(wanted)}; one that is resumed stays "
            "as it began"
        )


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(value))


def _written(trajectory: Trajectory) -> dict[str, Any]:
    return {
        "plan": trajectory.plan.to_dict(),
        "recipe": dict(trajectory.recipe),
        "budget": trajectory.budget,
        "start": _point(trajectory.start),
        "iterations": [
            {
                "target": each.target,
                "trials": [
                    {**trial.proposal._asdict(), "value": _pair(trial.value)}
                    for trial in each.trials
                ],
                "kept": each.kept,
                "accuracy": _pair(each.accuracy),
            }
            for each in trajectory.iterations
        ],
    }


def _point(point: Point) -> dict[str, Any]:
    return {"cost": point.cost, "value": _pair(point.value), "accuracy": _pair(point.accuracy)}


def _pair(value: Fraction | None) -> list[int] | None:
    """A fraction as JSON can say it, without rounding."""
    return None if value is None else [value.numerator, value.denominator]


def _read(found: Mapping[str, Any]) -> Trajectory:
    start = found["start"]
    return Trajectory(
        Plan.from_dict(found["plan"]),
        dict(found["recipe"]),
        int(found["budget"]),
        Point(int(start["cost"]), Fraction(*start["value"]), _fraction(start["accuracy"])),
        tuple(map(_iteration, found["iterations"])),
    )


def _iteration(found: Mapping[str, Any]) -> Iteration:
    trials = tuple(
        Trial(Proposal(**{key: each[key] for key in Proposal._fields}), Fraction(*each["value"]))
        for each in found["trials"]
    )
    kept = found["kept"]
    if not 0 <= kept < len(trials):
        raise IndexError
    return Iteration(int(found["target"]), trials, kept, _fraction(found["accuracy"]))


def _fraction(pair: Any) -> Fraction | None:
    return None if pair is None else Fraction(*pair)

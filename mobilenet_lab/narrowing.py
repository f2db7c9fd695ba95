"""NetAdapt: a trained network made cheaper, one narrower layer after another, down to a budget.

Yang et al., "NetAdapt: Platform-Aware Neural Network Adaptation for Mobile Applications", ECCV
2018, with the choice of MobileNetV3 (arXiv 1905.02244, section 4.2). In each iteration, every
group of channels that can be narrowed (adaptation/groups.py) makes a proposal: its largest width
that wins a step of the cost. Each proposal inherits the weights, is fine-tuned on a few images and
judged on others; the one with the least accuracy lost per cost won is kept.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilenet_lab.adaptation import trajectory as records
from mobilenet_lab.adaptation.groups import Space, search_space
from mobilenet_lab.adaptation.plan import Plan, allowed
from mobilenet_lab.adaptation.report import report
from mobilenet_lab.adaptation.search import Judge, Proxy, Watch, check_reach, search
from mobilenet_lab.adaptation.tables import Cost, cost_of, read_times, total
from mobilenet_lab.adaptation.trajectory import Point, Trajectory
from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.importers.writing import dumps
from mobilenet_lab.layers import Trace
from mobilenet_lab.output import progress, write_file
from mobilenet_lab.reports.table import Table
from mobilenet_lab.training import inputs, origins, run_folder
from mobilenet_lab.training.recipe import Recipe

if TYPE_CHECKING:
    pass

TUNING = (
    *("batch_size", "optimiser", "learning_rate", "momentum", "weight_decay", "label_smoothing"),
    *("augmentation", "precision", "seed", "workers", "validation", "on_bad_image"),
)
"""What may be said of the short fine-tuning: fields of a Recipe."""


@dataclass(frozen=True, repr=False)
class Narrowed(Table):
    """A finished search: a table of its iterations, and the network that it came to."""

    trajectory: Trajectory | None = None
    trace: Trace | None = None
    """The narrowed network."""
    folder: Path | None = None


def netadapt(
    network: str | Path,
    *,
    budget: float | str | None = None,
    data: str | Path | None = None,
    weights: str | Path | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    cost_only: bool = False,
    measure: bool = False,
    watch: Watch | None = None,
    **options: Any,
) -> Narrowed:
    """Narrows a trained classifier until it costs no more than `budget`.

    `network` is a registered classifier or a file (docs/files.md), `weights` a checkpoint of it
    that was trained on `data` (a folder, "fashion-mnist" or "digits"). The budget is a share of the
    network's cost (0.7, "70%") or an amount ("200M"; of latency "3.5ms"); `cost` is macs, params,
    bytes, or latency by a file of measured `times`, which `measure` makes first, on this machine.
    Further options are fields of a `Plan` (step, decay, rule, divisor, images, holdout), those of
    TUNING, and settings of the network; a checkpoint of ours says its settings itself.

    With `cost_only` nothing is trained and PyTorch is not needed: a `proxy` (channels or params)
    stands in for accuracy, of which nothing is then known.

    The folder `output` (else a new one in runs/; none with `cost_only`) holds the narrowed network
    as net.toml with its weights, and the record. With `resume`, a search that was stopped goes on
    there after its last whole iteration; its options need not be repeated. `watch` is called after
    each proposal and iteration.

    Raises:
        LabError: the network is no classifier or cannot be narrowed, the budget is of no use or out
            of reach, data or weights do not fit, the folder holds something, or other options than
            the search began with.
        KeyboardInterrupt: of Ctrl-C; says what can be resumed.
        MissingPackageError: a package of the extra `train` is not installed.
    """
    network = str(network) if isinstance(network, Path) else network
    given = _sorted(network, budget, data, weights, cost_only, options)
    folder = _folder(network, output, resume, cost_only)
    began, files = None, dict[str, bytes]()
    if resume:
        assert folder is not None
        began, files = records.read(folder)
        records.agreed(began.plan.to_dict(), given.plan)
        records.agreed(began.recipe, given.recipe)
    plan = began.plan if began else _plan(given.plan)
    if plan.proxy is None:
        free = {key: given.recipe[key] for key in records.FREE if key in given.recipe}
        recipe = {**began.recipe, **free} if began else given.recipe
        found = _with_images(plan, recipe, began, folder, files)
    else:
        found = _by_cost(plan, began)
    if measure:
        _measure(found.space, plan)
    cost = cost_of(plan.cost, read_times(plan.times) if plan.times is not None else None)
    if began:
        _check_same(found.space, cost, began, files)
    trajectory = _searched(plan, found, cost, began, folder, watch)
    if folder is not None:
        from mobilenet_lab.drawings import netadapt_chart

        netadapt_chart.save(folder, trajectory)
    trace = found.space.narrowed(trajectory.widths(found.space.widths))
    notes = ["The search was finished already: nothing was tried."]
    again = began is not None and began.finished
    table = report(trajectory, found.space, trace, folder, notes if again else [])
    return Narrowed(**vars(table), trajectory=trajectory, trace=trace, folder=folder)


class _Given(NamedTuple):
    """What was asked for: fields of a Plan, and of a Recipe."""

    plan: dict[str, Any]
    recipe: dict[str, Any]


class _Search(NamedTuple):
    """What is searched, and by whom."""

    space: Space
    judge: Judge
    recipe: Mapping[str, Any]
    card: Mapping[str, bytes]
    """What stands beside the weights."""
    start: Callable[[], Point]
    """How well the network does at the beginning."""


def _sorted(
    network: str,
    budget: float | str | None,
    data: str | Path | None,
    weights: str | Path | None,
    cost_only: bool,
    options: Mapping[str, Any],
) -> _Given:
    """The options by what they are for.

    Raises:
        LabError: some of them do not go together.
    """
    known = {each.name for each in fields(Plan)} - {"network", "budget", "settings"}
    plan = {key: options[key] for key in options if key in known}
    recipe = {key: options[key] for key in options if key in TUNING}
    settings = {key: options[key] for key in options if key not in (*known, *TUNING)}
    others = {each.name for each in fields(Recipe)} & settings.keys()
    if others:
        raise LabError(f"a short fine-tuning has no {', '.join(sorted(others))} of its own")
    if "classes" in settings and not cost_only:
        raise LabError("the images tell how many classes there are, the option classes does not")
    if cost_only:
        plan.setdefault("proxy", "channels")
        images = [key for key in ("images", "holdout") if key in plan]
        given = [key for key, value in (("data", data), ("weights", weights)) if value is not None]
        if pointless := [*given, *images, *recipe]:
            raise LabError(f"by cost alone nothing is trained: {', '.join(pointless)} mean nothing")
    elif plan.get("proxy") is not None:
        raise LabError("a proxy stands in for accuracy where nothing is trained: with cost_only")
    if settings:
        traced = inputs.classifier(network, **settings).settings
        plan["settings"] = {key: traced.get(key, settings[key]) for key in settings}
    if plan.get("times") is not None:
        plan["times"] = str(plan["times"])
    if budget is not None:
        plan["budget"] = str(budget)
    if data is not None:
        recipe["data"] = str(data)
    if weights is not None:
        recipe["weights"] = str(weights)
    return _Given({"network": network, **plan}, recipe)


def _searched(
    plan: Plan,
    found: "_Search",
    cost: Cost,
    began: Trajectory | None,
    folder: Path | None,
    watch: Watch | None,
) -> Trajectory:
    """The search from its beginning, or from where it stood, to its end."""
    space = found.space
    price = total(space, space.widths, cost)
    budget = allowed(plan, price)
    check_reach(space, cost, plan, budget)
    now = began or Trajectory(plan, found.recipe, budget, found.start()._replace(cost=price))

    def keep(trajectory: Trajectory) -> None:
        nonlocal now
        if folder is not None:
            text = dumps(space.narrowed(trajectory.widths(space.widths)))
            files = {records.NETWORK: text.encode(), **found.judge.files(), **found.card}
            records.commit(folder, trajectory, files)
        now = trajectory

    try:
        if began is None:
            keep(now)
        return search(space, cost, now, found.judge, keep, watch)
    except KeyboardInterrupt:
        count = len(now.iterations)
        done = f"{count} iteration{'s' * (count != 1)}"
        held = f"; {folder} holds {done}: resume it to go on from there" if folder else ""
        raise KeyboardInterrupt(f"stopped{held}") from None


def _check_same(space: Space, cost: Cost, began: Trajectory, files: Mapping[str, bytes]) -> None:
    """Makes sure that a search goes on with what it began with.

    Raises:
        LabError: a file that it reads is another one now.
    """
    text = dumps(space.narrowed(began.widths(space.widths)))
    same = files.get(records.NETWORK) == text.encode()
    if not same or total(space, space.widths, cost) != began.start.cost:
        names = " or ".join(filter(None, (began.plan.network, began.plan.times)))
        raise LabError(f"{names} is not as the search began with it: begin a new one")


def _plan(given: Mapping[str, Any]) -> Plan:
    if "budget" not in given:
        raise LabError("a search needs a budget: a share like 0.7, or an amount like 200M")
    return Plan(**given)


def _folder(network: str, output: str | Path | None, resume: bool, cost_only: bool) -> Path | None:
    """Where the search is kept: nowhere, if only costs are looked at and nobody says where.

    Raises:
        LabError: it holds something, or there is none to resume.
    """
    if output is None and cost_only:
        if resume:
            raise LabError("a search is resumed in its folder: say which (output)")
        return None
    name = f"{Path(network).stem if inputs.is_file(network) else network}-netadapt"
    if resume:
        return run_folder.latest_folder(name) if output is None else Path(output)
    folder = run_folder.free_folder(name) if output is None else Path(output)
    run_folder.check_free(folder)
    return folder


def _by_cost(plan: Plan, began: Trajectory | None) -> _Search:
    """The network, judged by what is given up."""
    assert plan.proxy is not None
    space = search_space(inputs.classifier(plan.network, **plan.settings))
    value = began.last.value if began else Point(0).value
    return _Search(space, Proxy(space, plan.proxy, value), {}, {}, lambda: Point(0))


def _measure(space: Space, plan: Plan) -> None:
    """Writes the table of times.

    Raises:
        LabError: the plan has none, or it exists already.
        MissingPackageError: torch is not installed.
    """
    if plan.times is None:
        raise LabError("what is measured is written to a file: say which (times)")
    path = Path(plan.times)
    if path.exists():
        raise LabError(f"{path} exists already: leave out measure to use it")
    try:
        from mobilenet_lab.adaptation import timing_torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError("torch", "torch", "measuring") from None
    times = timing_torch.measured(space, plan.divisor, progress)
    write_file(path, json.dumps({"milliseconds": times}, indent=1) + "\n", force=False)


def _with_images(
    plan: Plan,
    given: Mapping[str, Any],
    began: Trajectory | None,
    folder: Path | None,
    files: Mapping[str, bytes],
) -> _Search:
    """The network with its weights, and the images that judge.

    Raises:
        LabError: data or weights are missing, or do not fit the network.
        MissingPackageError: a package of the extra `train` is not installed.
    """
    for key in ("data", "weights"):
        if key not in given:
            raise LabError(
                f"NetAdapt needs {key}: a network that has learned, and the images it learned "
                "(mobilenet-lab train); by cost alone, without training, goes cost_only"
            )
    try:
        from safetensors.torch import load

        from mobilenet_lab.adaptation import tuning_torch
        from mobilenet_lab.training import processes_torch
        from mobilenet_lab.training.data_torch import open_data
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors", "accelerate"):
            raise
        raise MissingPackageError(error.name, "train", "NetAdapt") from None
    processes = processes_torch.start()
    if processes.num_processes > 1:
        raise LabError("NetAdapt runs in one process: proposals are tried one after another")
    recipe = Recipe.from_json(json.dumps(given)) if began else _recipe(plan, given)
    # a search that goes on does not ask for the weights that it began with
    weights = str(folder / records.MODEL) if began and folder else recipe.weights
    data = open_data(replace(recipe, weights=weights))
    channels, *sides = data.image_shape
    images = {"resolution": tuple(sides), "in_channels": channels, "classes": len(data.classes)}
    known = inputs.options(plan.network)
    settings = {**recipe.settings, **{key: images[key] for key in images if key in known}}
    trace = inputs.classifier(plan.network, **settings)
    space = search_space(trace)
    card = run_folder.to_json(
        {
            "network": records.NETWORK,
            "settings": {},
            "classes": data.classes,
            "preprocessing": data.preprocessing.to_dict(),
            "images": {"train": len(data.train), "val": len(data.val)},
        }
    )
    if began and files.get(records.CARD) != card:
        raise LabError("the data is not as the search began with it: begin a new one")
    if began:
        trace = space.narrowed(began.widths(space.widths))
        state = load(files[records.MODEL])
        tuning_torch.check_fits(trace, state, plan.network)
    else:
        assert recipe.weights is not None
        state = tuning_torch.trained_state(trace, recipe.weights)
    tuner = tuning_torch.Tuner(trace, state, recipe, data, plan.images, plan.holdout)
    return _Search(
        space,
        tuner,
        json.loads(recipe.to_json()),
        {records.CARD: card},
        lambda: Point(0, *tuner.start()),
    )


def _recipe(plan: Plan, given: Mapping[str, Any]) -> Recipe:
    """How proposals are fine-tuned; a checkpoint of ours says the settings of its network.

    Raises:
        LabError: the checkpoint is of another network, or an option is of no use.
    """
    card = origins.read_card(Path(given["weights"]))
    settings = dict(plan.settings)
    if card is not None:
        if plan.network != card.network and not inputs.is_file(card.network):
            raise LabError(f"{given['weights']} holds {card.network}, not {plan.network}")
        known = inputs.options(plan.network)
        said = {key: card.settings[key] for key in card.settings if key in known}
        settings = {**said, **settings}
        settings.pop("classes", None)
    return Recipe(model=plan.network, settings=settings, epochs=1, schedule="constant", **given)

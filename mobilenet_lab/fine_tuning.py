"""Training of a classifier on images: from nothing, or from somebody's weights.

The parts are in training/: the recipe, the data, the loop, the run's folder. Several processes that
accelerate or torchrun has started train together, as one would by itself.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenet_lab import networks
from mobilenet_lab.errors import LabError, MissingPackageError
from mobilenet_lab.reports.table import Table
from mobilenet_lab.training import inputs, run_folder
from mobilenet_lab.training.randomness import seed_of
from mobilenet_lab.training.recipe import Recipe
from mobilenet_lab.training.records import Epoch, Step
from mobilenet_lab.training.run_folder import Progress
from mobilenet_lab.verbs.training import epochs

if TYPE_CHECKING:
    from mobilenet_lab.training.data_torch import Data
    from mobilenet_lab.training.loop_torch import Network

Watch = Callable[[Step | Epoch], None]
LOCAL_STATISTICS = (
    "Batch norm saw the images of its own process in each step; the running statistics are means "
    "over processes."
)
FINISHED = "The run was finished already: nothing was trained."


@dataclass(frozen=True, repr=False)
class Run(Table):
    """A finished run: a table of its epochs, and what its folder holds."""

    folder: Path = Path()
    recipe: Recipe | None = None
    classes: tuple[str, ...] = ()
    history: tuple[Epoch, ...] = ()
    best: Epoch | None = None
    confusion: list[list[int]] = field(default_factory=list)
    """Validation images of each class (row) that the best epoch gave each class (column)."""
    params: tuple[int, int] = (0, 0)
    """Trained, and all of them."""
    skipped: tuple[str, ...] = ()
    """What was wrong with images that could not be read."""


def train(
    data: str | Path,
    *,
    model: str,
    output: str | Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    **options: Any,
) -> Run:
    """Trains `model` on `data` (a folder, "fashion-mnist" or "digits").

    `model` is a registered classifier, or one in a file (docs/files.md). `options` are fields
    of a `Recipe` and options of the network (width, resolution ...). The run's folder is `output`,
    or a new one in runs/. With `resume`, a run that was stopped goes on in its
    folder (the latest of the model, if none is given) after its last whole epoch; its options need
    not be repeated, and only `workers`, `on_bad_image` and, with a constant schedule, `epochs` may
    be others. A finished run is told again. `watch` is called after each step and epoch. Of several
    processes, the main one writes and watches; all return the same.

    Raises:
        LabError: data, weights, options or folder are of no use; the loss is no number any more; or
            the disk is full. What an earlier epoch left in the folder stays.
        KeyboardInterrupt: of Ctrl-C or SIGTERM; says what can be resumed.
        MissingPackageError: a package of the extra `train` is not installed.
    """
    given = _asked(str(data), model, options)
    try:
        from mobilenet_lab.training import loop_torch, networks_torch, processes_torch
        from mobilenet_lab.training.data_torch import open_data
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors", "accelerate"):
            raise
        raise MissingPackageError(error.name, "train", "training") from None
    if given.get("weights") is not None and not inputs.is_file(model):
        theirs = networks_torch.asked_by_weights(given["weights"], model)
        given["settings"] = {**theirs, **given.get("settings", {})}
    recipe = Recipe(**given)
    processes = processes_torch.start()
    folder, progress = processes_torch.together(lambda: _place(model, output, resume, recipe))
    if resume:
        recipe = run_folder.agreed(progress.recipe, given, len(progress.history))
    accelerator = processes_torch.accelerator(recipe.precision)
    opened = open_data(recipe)
    with loop_torch.own_randomness(accelerator.device):
        network = _network(recipe, opened, fresh=not progress.history)
        loop_torch.check_batches(network, opened, recipe, processes.num_processes)
    _check_same(progress.about, network.about)
    if not resume:
        processes_torch.together(lambda: run_folder.begin(folder, recipe))
    try:
        history = loop_torch.fit(recipe, opened, network, folder, accelerator, progress, watch)
    except (LabError, KeyboardInterrupt):
        with suppress(LabError):
            _draw(folder, processes.is_main_process)
        raise
    processes_torch.together(lambda: _draw(folder, True))
    skipped = processes_torch.all_of(opened.skipped)
    local = processes.num_processes > 1 and networks_torch.has_trained_statistics(network.module)
    notes = [LOCAL_STATISTICS] if local and accelerator.device.type == "cpu" else []
    if len(progress.history) == recipe.epochs:
        notes.append(FINISHED)
    confusion = processes_torch.together(lambda: run_folder.read_json(folder / run_folder.BEST))
    params = network.about["parameters"]
    table = epochs(
        history,
        network=model,
        classes=len(opened.classes),
        images=(len(opened.train), len(opened.val)),
        params=(params["trained"], params["all"]),
        augmented=recipe.augmentation != "none",
        output=folder,
        skipped=skipped,
        notes=notes,
        settings=network.about["settings"],
    )
    return Run(
        **vars(table),
        folder=folder,
        recipe=recipe,
        classes=opened.classes,
        history=history,
        best=run_folder.best(history),
        confusion=confusion["confusion"],
        params=(params["trained"], params["all"]),
        skipped=tuple(skipped),
    )


def _asked(data: str, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe that were given; settings as the registry writes them.

    Raises:
        LabError: the network is no classifier, or does not take such settings.
    """
    known = {each.name for each in fields(Recipe)}
    given = {key: value for key, value in options.items() if key in known and key != "settings"}
    settings = dict(options.get("settings", {}))
    settings |= {key: value for key, value in options.items() if key not in known}
    if "classes" in settings:
        raise LabError("the images tell how many classes there are, the option classes does not")
    if given.get("weights") is not None:
        given["weights"] = str(given["weights"])
    traced = inputs.classifier(model, **settings).settings
    if settings:
        given["settings"] = {key: traced[key] for key in settings}
    return {"data": data, "model": model, **given}


def _place(
    model: str, output: str | Path | None, resume: bool, recipe: Recipe
) -> tuple[Path, Progress]:
    """The run's folder, and how far the run has come."""
    name = Path(model).stem if inputs.is_file(model) else model
    if resume:
        folder = run_folder.latest_folder(name) if output is None else Path(output)
        return folder, run_folder.read_progress(folder)
    folder = run_folder.free_folder(name) if output is None else Path(output)
    run_folder.check_free(folder)
    return folder, Progress(recipe)


def _network(recipe: Recipe, data: "Data", *, fresh: bool) -> "Network":
    """The network of a run at its beginning; that of a resumed run gets its weights later."""
    import torch

    from mobilenet_lab.training import networks_torch
    from mobilenet_lab.training.loop_torch import Network

    channels, *sides = data.image_shape
    found = {"resolution": tuple(sides), "in_channels": channels, "classes": len(data.classes)}
    known = inputs.options(recipe.model)
    settings = {**recipe.settings, **{key: found[key] for key in found if key in known}}
    trace = inputs.classifier(recipe.model, **settings)

    def build(classes: int) -> Any:
        return networks.build(recipe.model, **{**settings, "classes": classes})

    torch.manual_seed(seed_of("weights", recipe.seed))
    if fresh and recipe.weights is not None:
        module = networks_torch.pretrained(build, len(data.classes), recipe.weights, recipe.model)
    else:
        module = build(len(data.classes))
    head = None
    if recipe.freeze == "features":
        head = trace.layers[trace.outputs[0]].stage
        networks_torch.freeze_all_but(module, head)
    trained = sum(value.numel() for value in networks_torch.trained(module).values())
    about = {
        "network": recipe.model,
        "settings": settings,
        "classes": data.classes,
        "preprocessing": data.preprocessing.to_dict(),
        "recipe": asdict(recipe),
        "images": {"train": len(data.train), "val": len(data.val)},
        "parameters": {
            "trained": trained,
            "all": sum(value.numel() for value in module.parameters()),
        },
    }
    return Network(module, head, about)


def _draw(folder: Path, main: bool) -> None:
    """The pictures in the run's folder."""
    if main:
        from mobilenet_lab.drawings import training_charts

        training_charts.save(folder)


def _check_same(kept: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Makes sure that a resumed run has the images that it began with.

    Raises:
        LabError: it has others.
    """
    for key in ("classes", "images", "preprocessing") if kept else ():
        now = list(found[key]) if key == "classes" else found[key]
        if kept.get(key) != now:
            raise LabError(
                f"the data is not as the run began with it, {key} differ: begin a new run"
            )

"""The verbs that run and train networks: `predict`, `train`, `netadapt`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from mobilenet_lab.cli.base import app
from mobilenet_lab.cli.options import (
    Force,
    FormatOption,
    Further,
    InChannels,
    OnBadImage,
    Output,
    Resolution,
    Width,
    complete_network,
    given,
    numbers,
)
from mobilenet_lab.output import answer, progress


class WithRecipe(TyperCommand):
    """A verb whose options make a recipe: its help tells the recipe's defaults and choices."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from mobilenet_lab.training.recipe import CHOICES, Recipe

        for option in self.params:
            name = option.name or ""
            if isinstance(option, TyperOption):
                option.default = getattr(Recipe, name, option.default)
                if name in CHOICES:
                    option.help = f"{option.help}: {', '.join(CHOICES[name])}."
        super().format_help(ctx, formatter)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Files of images.")],
    weights: Annotated[
        Path, typer.Option(help="A checkpoint: of torchvision or timm, or one of ours.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="The network's name; a checkpoint of ours says it itself.",
            autocompletion=complete_network,
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Names of the classes: one a line, or JSON.")
    ] = None,
    top: Annotated[int, typer.Option(help="So many classes of each image.")] = 5,
    width: Width = None,
    resolution: Resolution = None,
    further: Further = None,
    origin: Annotated[
        str | None,
        typer.Option(
            help="Whose weights these are, where it is not told rightly: torchvision, timm, "
            "tensorflow (converted) or mobilenet_lab."
        ),
    ] = None,
    resize: Annotated[int | None, typer.Option(help="Shorter side before the crop.")] = None,
    interpolation: Annotated[str | None, typer.Option(help="bilinear or bicubic.")] = None,
    mean: Annotated[str | None, typer.Option(help="Of each channel: 0.5,0.5,0.5.")] = None,
    std: Annotated[str | None, typer.Option(help="Of each channel: 0.5,0.5,0.5.")] = None,
    on_bad_image: Annotated[
        OnBadImage, typer.Option(help="What to do when an image cannot be read.")
    ] = OnBadImage.stop,
    format: FormatOption = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """The classes of images, with probabilities.

    By a classifier with weights; images are resized, cropped and normalised as these expect
    (needs the train extra).
    """
    from mobilenet_lab.prediction import predict as ask

    options = given(
        further,
        width=width,
        resolution=resolution,
        model=model,
        labels=labels,
        origin=origin,
        resize=resize,
        interpolation=interpolation,
        mean=numbers("--mean", mean),
        std=numbers("--std", std),
    )
    table = ask(
        *images,
        weights=weights,
        top=top,
        on_bad_image=on_bad_image.value,
        watch=progress,
        **options,
    )
    answer(table, format, output, force)


@app.command(cls=WithRecipe)
def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder with train/ and val/ of class folders, or of class folders alone to "
            "split; fashion-mnist; or digits.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(help="A classifier: a name, or net.toml.", autocompletion=complete_network),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the run; else a new one in runs/."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in that folder.")
    ] = False,
    width: Width = None,
    resolution: Resolution = None,
    in_channels: InChannels = None,
    further: Further = None,
    weights: Annotated[
        Path | None, typer.Option(help="Pretrained weights; a head of other classes is new.")
    ] = None,
    freeze: Annotated[str | None, typer.Option(help="What stays as it is")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images of a step, of all processes together.")
    ] = None,
    optimiser: Annotated[str | None, typer.Option(help="How weights change")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Of sgd.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Not of biases and norms.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the learning rate")] = None,
    warmup: Annotated[
        int | None, typer.Option(help="Epochs over which the learning rate rises.")
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="Share of the target given to all classes alike.")
    ] = None,
    augmentation: Annotated[str | None, typer.Option(help="Of training images")] = None,
    precision: Annotated[str | None, typer.Option(help="Numbers to compute with")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all that is random.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that load images.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share held out of a folder without train/ and val/.")
    ] = None,
    on_bad_image: Annotated[
        str | None, typer.Option(help="What to do about a damaged image")
    ] = None,
) -> None:
    """A classifier trained on a folder of images (needs the train extra).

    Ctrl-C loses the running epoch at most; --resume goes on to the same result. The exit code is
    then 130. docs/training.md has more, also on several processes.
    """
    from mobilenet_lab.fine_tuning import train as ask
    from mobilenet_lab.training.display import display, is_main

    options = given(
        further,
        width=width,
        resolution=resolution,
        in_channels=in_channels,
        weights=weights and str(weights),
        freeze=freeze,
        epochs=epochs,
        batch_size=batch_size,
        optimiser=optimiser,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        schedule=schedule,
        warmup=warmup,
        label_smoothing=label_smoothing,
        augmentation=augmentation,
        precision=precision,
        seed=seed,
        workers=workers,
        validation=validation,
        on_bad_image=on_bad_image,
    )
    with display() as watch:
        try:
            run = ask(data, model=model, output=output, resume=resume, watch=watch, **options)
        except KeyboardInterrupt as stopped:
            if is_main():
                typer.echo(str(stopped) or "stopped before training began", err=True)
            raise typer.Exit(130) from None
    if is_main():
        answer(run, None, None, False)


@app.command()
def netadapt(
    name: Annotated[
        str,
        typer.Argument(help="A classifier: a name, or net.toml.", autocompletion=complete_network),
    ],
    budget: Annotated[
        str | None,
        typer.Option(help="A share of the cost as 0.7 or 70%, or as 200M; of latency as 3.5ms."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="What the weights learned: as train takes it.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint of the network, trained on the data.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the search; else a new one in runs/."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in that folder.")
    ] = False,
    cost_only: Annotated[
        bool, typer.Option("--cost-only", help="Train nothing: know nothing about accuracy.")
    ] = False,
    cost: Annotated[
        str | None, typer.Option(help="macs (the default), params, bytes or latency.")
    ] = None,
    times: Annotated[
        Path | None, typer.Option(help="latency: JSON of measured times, by layer and width.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the times first, on this machine.")
    ] = False,
    step: Annotated[
        float | None, typer.Option(help="Share of the cost won by the first iteration: 0.05.")
    ] = None,
    decay: Annotated[float | None, typer.Option(help="Of the step, by iteration: 0.96.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="ratio (accuracy per cost; the default) or value.")
    ] = None,
    divisor: Annotated[int | None, typer.Option(help="Widths are multiples of it: 8.")] = None,
    proxy: Annotated[
        str | None, typer.Option(help="cost-only: channels (the default) or params.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Images that each proposal is fine-tuned on: 2048.")
    ] = None,
    holdout: Annotated[
        int | None, typer.Option(help="Training images that choose between proposals: 1000.")
    ] = None,
    width: Width = None,
    resolution: Resolution = None,
    in_channels: InChannels = None,
    further: Further = None,
    batch_size: Annotated[int | None, typer.Option(help="Of fine-tuning.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="Of fine-tuning: sgd or adamw.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of fine-tuning.")] = None,
    augmentation: Annotated[str | None, typer.Option(help="none, flip or crop.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all that is random.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that load images.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share held out of a folder without train/ and val/.")
    ] = None,
    on_bad_image: Annotated[str | None, typer.Option(help="stop or skip.")] = None,
    format: FormatOption = None,
) -> None:
    """A network made narrower, down to a budget.

    NetAdapt (needs the train extra): one layer after another, each chosen by the accuracy it costs
    after a short fine-tuning. --cost-only needs no PyTorch and looks at costs alone. Ctrl-C loses
    the running iteration at most; --resume goes on to the same result. docs/netadapt.md has more.
    """
    from mobilenet_lab.adaptation.display import display
    from mobilenet_lab.narrowing import netadapt as ask

    options = given(
        further,
        budget=budget,
        data=data,
        weights=weights,
        cost=cost,
        times=times,
        step=step,
        decay=decay,
        rule=rule,
        divisor=divisor,
        proxy=proxy,
        images=images,
        holdout=holdout,
        width=width,
        resolution=resolution,
        in_channels=in_channels,
        batch_size=batch_size,
        optimiser=optimiser,
        learning_rate=learning_rate,
        augmentation=augmentation,
        seed=seed,
        workers=workers,
        validation=validation,
        on_bad_image=on_bad_image,
    )
    with display() as watch:
        try:
            table = ask(
                name,
                output=output,
                resume=resume,
                cost_only=cost_only,
                measure=measure,
                watch=watch,
                **options,
            )
        except KeyboardInterrupt as stopped:
            typer.echo(str(stopped) or "stopped before the search began", err=True)
            raise typer.Exit(130) from None
    answer(table, format, None, False)

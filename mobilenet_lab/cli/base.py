"""The application that every verb is added to, and how errors of the lab are told."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mobilenet_lab import __version__
from mobilenet_lab.errors import LabError


class Verbs(TyperGroup):
    """The verbs, with the lab's own errors told in one sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LabError as error:
            from mobilenet_lab.training.display import is_main

            if is_main():  # of several processes that train, one says it
                typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=Verbs,
    help="Exact parameters, MACs and receptive fields of lightweight CNNs, explained.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Exact parameters, MACs and receptive fields of lightweight CNNs, explained."""
    if version:
        typer.echo(f"mobilenet-lab {__version__}")
        raise typer.Exit

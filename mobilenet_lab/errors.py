"""What the lab says when it cannot go on: one clear sentence, meant for the person who typed."""

from collections.abc import Iterable


class LabError(ValueError):
    """Base of every error that is the user's to mend; the command line prints it and exits 2."""


class UnknownNameError(LabError):
    """A name (network, layer, column ...) that does not exist; the message offers the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str = "") -> None:
        near = nearest(name, known)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        else:
            hint = listing or f"known: {', '.join(known)}"
        super().__init__(f"unknown {kind} {name!r}: {hint}")


class ShapeError(LabError):
    """A layer that its input does not fit."""


class VanishedError(ShapeError):
    """A layer whose output would have no pixel left."""


class MisalignedError(LabError):
    """Branches whose units look at different places of the input, so that no one field is true."""


class MissingPackageError(LabError):
    """A package of an extra that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed: "
            f"pip install 'mobilenet-lab[{extra}]'"
        )


def quoted(value: object, longest: int = 40) -> str:
    """`value` as a sentence quotes it; what is too long for one is only pointed at."""
    text = repr(value)
    return text if len(text) < longest and "\n" not in text else "that"


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Up to `most` known names that a typing slip of `name` may have meant, best first.

    Names that contain `name` count too, so that a half-remembered path still finds its layer.
    """
    import difflib

    names = list(known)
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.6)
    if name:
        close += [other for other in names if name in other and other not in close]
    return close[:most]

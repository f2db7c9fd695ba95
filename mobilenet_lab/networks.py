"""A network however it is given: a name, a file, a factory, a module or a trace.

mobilenet_v2                  a registered network
path/to/net.toml              a file (docs/files.md)
path/to/file.py:factory       a function or class that makes an nn.Module; runs the file
package.module:factory        the same, of a module that can be imported
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mobilenet_lab import registry
from mobilenet_lab.errors import LabError, MissingPackageError, UnknownNameError, quoted
from mobilenet_lab.layers import Trace, parse_shape

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

Network: TypeAlias = "str | Path | Trace | nn.Module | ExportedProgram"
Build: TypeAlias = Callable[[], "nn.Module"]
WITHOUT_INPUT = "{}: say what one input of it is: --input 3x224x224, in Python input=(3, 224, 224)"


class Given(NamedTuple):
    """A network that has been found."""

    trace: Trace
    build: Build
    """Makes its module, or hands out the one that was given (needs torch)."""
    input: Any = None
    """What its module is given; None of one image, as the trace says."""
    is_read: bool = False
    """The trace was read from the module."""


def given(network: Network, **options: Any) -> Given:
    """Finds a network.

    `input` is the shape of one input, (3, 224, 224) or "3x224x224"; of a module with several
    inputs a list or a dict of shapes (`lab.inspect`). Further options are those of `registry.trace`
    for a registered network, width, resolution, classes and in_channels for a file, and keyword
    arguments of a factory.

    Raises:
        UnknownNameError: no such network, option or factory.
        LabError: an option's value is of no use, or what is given cannot be read.
        MissingPackageError: a module without torch.
    """
    if isinstance(network, Trace):
        if options:
            raise LabError(f"a finished trace takes no options, got {', '.join(options)}")
        return Given(network, lambda: _interpreted(network))
    if isinstance(network, str | Path):
        return _named(str(network), options)
    if not _is_module(network):
        raise LabError(
            f"a network is a name, a path, a module or a Trace, not {type(network).__name__}"
        )
    return _read(network, type(network).__name__, options.pop("input", None), options)


def trace(network: Network, **options: Any) -> Trace:
    """The trace of a network, given as `given` takes it.

    Raises:
        LabError: as `given`.
    """
    return given(network, **options).trace


def inspect(
    module: "nn.Module | ExportedProgram", input_shape: Any = None, name: str = "", **settings: Any
) -> Trace:
    """The trace of any nn.Module in eval mode, per image.

    `input_shape` is the shape of one input without the batch, (3, 224, 224) or "3x224x224"; of
    several inputs a list of shapes (in forward's order) or a dict by forward's names, where tuples,
    lists and dicts may hold further ones. "77:int64" is a shape with a dtype; of a tensor (with a
    batch of one) both are taken. What `forward` returns may be nested, too. The settings are told
    in headings. An `ExportedProgram` of torch.export is read without an input.

    Layers are called by the paths of their modules; what a module does with functions is called by
    its path and the function: `layer1.0.add`. Where a name comes again, it is numbered:
    `layer1.0.relu:2`. Operations that cost nothing are known as such; one that nobody here knows is
    a layer `unknown`, and the totals are then "at least" what they say.

    The module comes back as it was: modes, buffers, hooks, gradients and random state.

    Raises:
        LabError: a shape of no use, or a forward pass that fails or depends on values of its
            input; the sentence names the place.
        MissingPackageError: torch is not installed.
    """
    try:
        from mobilenet_lab.importers.module_torch import read_module
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError("torch", "torch", "reading a module") from None
    opened, spec = _unpacked(module, input_shape)
    if spec is None:
        raise LabError(WITHOUT_INPUT.format(name or type(module).__name__))
    return read_module(opened, spec, name, **settings)


def build(network: Network, **options: Any) -> "nn.Module":
    """A network as an nn.Module, freshly initialised and in training mode.

    A registered network is its hand-written twin (`registry.build`); a file or a trace runs layer
    by layer (`interpreter_torch.Interpreted`).

    Raises:
        LabError: as `given`, or a layer of a trace that cannot be built.
        MissingPackageError: torch is not installed.
    """
    return given(network, **options).build()


def inputs(texts: Sequence[str]) -> Any:
    """What the command line's `--input` says: one shape, several in order, or by name."""
    named = [text.partition("=") for text in texts]
    if len(texts) == 1 and not named[0][1]:
        return texts[0]
    if all(equals for _, equals, _ in named):
        return {key: shape for key, _, shape in named}
    if any(equals for _, equals, _ in named):
        raise LabError("--input is given with names for all inputs, or for none")
    return list(texts)


# By name


def _named(name: str, options: dict[str, Any]) -> Given:
    if name in registry.NETWORKS:
        options = _with_image(options)
        trace = registry.trace(name, **options)
        return Given(trace, lambda: registry.build(name, **options))
    if Path(name).suffix == ".toml":
        from mobilenet_lab.importers import files

        trace = files.read(name, **_with_image(options))
        return Given(trace, lambda: _interpreted(trace))
    if ":" in name:
        return _factory(name, options)
    if Path(name).suffix == ".py":
        raise LabError(f"{name}: say which function makes the network: {name}:factory")
    if Path(name).is_file():
        raise LabError(f"{name} is no network's file: those end in .toml, or are file.py:factory")
    raise UnknownNameError("network", name, registry.NETWORKS, NAMES)


NAMES = (
    "`mobilenet-lab list` shows them all; your own is net.toml, file.py:factory or "
    "package.module:factory"
)


def _with_image(options: dict[str, Any]) -> dict[str, Any]:
    """`input` as the channels and resolution of an image."""
    if "input" not in options:
        return options
    shape = options["input"]
    if isinstance(shape, str):
        shape = parse_shape(shape)
    if not isinstance(shape, tuple | list) or len(shape) != 3 or 0 in shape:
        raise LabError(f"input is channels x height x width, not {quoted(options['input'])}")
    others = {key: value for key, value in options.items() if key != "input"}
    return {"in_channels": shape[0], "resolution": tuple(shape[1:])} | others


def _factory(name: str, options: dict[str, Any]) -> Given:
    """The module that `file.py:factory` or `package.module:factory` makes."""
    where, _, attribute = name.rpartition(":")
    spec = options.pop("input", None)
    if not where or not attribute:
        raise LabError(f"{name} is not file.py:factory or package.module:factory")
    if spec is None:  # before anything is run
        raise LabError(WITHOUT_INPUT.format(name))
    make = attribute_of(where, attribute)
    if not _is_module(make):
        make = _called(name, make, options)
    elif options:
        raise LabError(f"{name} is a finished module and takes no {', '.join(options)}")
    return _read(make, attribute, spec, options)


def attribute_of(where: str, attribute: str) -> Any:
    """What `file.py`, which is run, or a module that can be imported calls so.

    Raises:
        LabError: it does not run, or calls nothing so.
        MissingPackageError: it imports torch, which is not installed.
    """
    try:
        holder = _file(where) if where.endswith(".py") else _module(where)
    except LabError:
        raise
    except (Exception, SystemExit) as error:  # somebody else's code
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            raise MissingPackageError("torch", "torch", "reading a module") from None
        raise LabError(f"{where} does not run: {_reason(error)}") from error
    found = holder
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [key for key in dir(found) if not key.startswith("_")]
            raise UnknownNameError(f"name in {where}", attribute, known, f"{where} has none")
        found = getattr(found, part)
    return found


def _file(where: str) -> Any:
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    path = Path(where)
    if not path.is_file():
        raise LabError(f"{where} is no file")
    name = f"_network_{path.stem}"
    loader = SourceFileLoader(name, where)
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    with _importable(path.parent):
        sys.modules[name] = module  # what dataclasses and pickles look for
        # not by exec_module, whose cache takes a file for the one of a moment ago
        exec(loader.source_to_code(loader.get_data(where), where), vars(module))
    return module


def _module(where: str) -> Any:
    with _importable(Path.cwd()):
        try:
            return import_module(where)
        except ModuleNotFoundError as error:
            if error.name and (where == error.name or where.startswith(f"{error.name}.")):
                raise LabError(f"there is no module {where} to import") from None
            raise


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """While open, modules of `folder` can be imported, as `python file.py` can."""
    before = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path[:] = before


def _called(name: str, make: Any, options: Mapping[str, Any]) -> Any:
    if not callable(make):
        raise LabError(f"{name} is neither a module nor makes one")
    try:
        parameters = signature(make).parameters
    except (TypeError, ValueError):  # what is written in C may not say
        parameters = None
    if parameters is not None and not any(
        each.kind is each.VAR_KEYWORD for each in parameters.values()
    ):
        for key in options:
            if key not in parameters:
                raise UnknownNameError(f"argument of {name}", key, parameters, "it takes none")
    try:
        module = make(**options)
    except (Exception, SystemExit) as error:  # somebody else's code
        raise LabError(f"{name} does not make a network: {_reason(error)}") from error
    if not _is_module(module):
        raise LabError(f"{name} gives {type(module).__name__}, not an nn.Module")
    return module


def _reason(error: BaseException) -> str:
    """Type and first line of somebody else's error, with its place in the file that raised it."""
    text = str(error).strip().partition("\n")[0]
    frame = extract_tb(error.__traceback__)[-1:]
    theirs = [each for each in frame if each.filename != __file__ and each.filename[:1] != "<"]
    line = f" (line {theirs[0].lineno} of {Path(theirs[0].filename).name})" if theirs else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{line}"


# Modules


def _is_module(network: Any) -> bool:
    """Whether it is an nn.Module or an exported one; without torch nothing is."""
    torch = sys.modules.get("torch")
    is_module = torch is not None and isinstance(network, torch.nn.Module)
    return is_module or _is_exported(network)


def _is_exported(network: Any) -> bool:
    """Whether it is what torch.export gives."""
    exporting = sys.modules.get("torch.export")
    return exporting is not None and isinstance(network, exporting.ExportedProgram)


def _unpacked(module: Any, spec: Any) -> tuple["nn.Module", Any]:
    """A module and its input; of an exported program, the ones that it holds."""
    if not _is_exported(module):
        return module, spec
    from mobilenet_lab.importers.module_torch import unpacked

    return unpacked(module)


def _read(module: Any, name: str, spec: Any, settings: Mapping[str, Any]) -> Given:
    module, spec = _unpacked(module, spec)
    return Given(inspect(module, spec, name, **settings), lambda: module, spec, True)


def _interpreted(trace: Trace) -> "nn.Module":
    try:
        from mobilenet_lab.interpreter_torch import Interpreted
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError("torch", "torch", "building a network") from None
    return Interpreted(trace)

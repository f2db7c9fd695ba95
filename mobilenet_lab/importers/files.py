"""A network in a text file: TOML with a line for each layer or block (docs/files.md).

What a line can say is read off the methods of `Net` and the papers' blocks (`ops`), so whatever
`Net` learns, files can say at once. Every error names the file, the line and the reason.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mobilenet_lab import registry
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import LabError, UnknownNameError, quoted
from mobilenet_lab.importers.expressions import evaluate
from mobilenet_lab.importers.lines import Path as Place
from mobilenet_lab.importers.lines import line_numbers
from mobilenet_lab.importers.ops import (
    DEPTHWISE,
    KEYS,
    PLACES,
    REQUIRED,
    SHORT,
    Operation,
    checked,
    operations,
    shown,
)
from mobilenet_lab.layers import Feature, Trace
from mobilenet_lab.net import Net

FORMAT = 1
TOP = ("format", "name", "input", "width", "classes", "outputs", "layers", "blocks", "taps")
BLOCK = ("arguments", "channels", "layers")
OPTIONS = ("width", "resolution", "classes", "in_channels")
LARGEST_FILE = 1_000_000
"""Bytes; the largest network here takes a fiftieth."""
MOST_LINES = 100_000
"""Lines that are run, repeats and blocks included."""
MOST_PARTS = 50
"""Of a dotted key: tomllib takes the square of their number."""
TOML_ERROR = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")
NUMBER = re.compile(r"[0-9]{1,15}")
WORD = re.compile(r"[A-Za-z_]\w*")


def read(path: str | Path, **options: Any) -> Trace:
    """The network that a file describes; without a name of its own it has the file's.

    Options take the place of what the file says: `width`, `resolution` (side, (height, width) or
    "HxW"), `classes`, `in_channels`.

    Raises:
        UnknownNameError: no such option, or a name in the file that nothing has.
        ShapeError: a layer that its input does not fit.
        LabError: the file cannot be read or understood; the message has the line and the reason.
    """
    try:
        file = Path(path)
        if file.is_dir():
            raise LabError(f"{path} is a folder, not a file")
        if file.exists() and not file.is_file():
            raise LabError(f"{path} is no ordinary file")
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    except (TypeError, ValueError) as error:
        if isinstance(error, LabError):
            raise
        raise LabError(f"{quoted(path)} is no path of a file") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LabError(f"{path}, line {line}: not a text in UTF-8") from None
    return loads(text, str(path), **options)


def loads(text: str, where: str = "net.toml", **options: Any) -> Trace:
    """As `read`, of a text; errors say that it comes from `where`."""
    for key in options:
        if key not in OPTIONS:
            raise UnknownNameError("option of a file", key, OPTIONS)
    options = {key: registry.CHECKS[key](key, value) for key, value in options.items()}
    reader = _Reader(where, _parsed(text, where), text)
    try:
        return reader.trace(options)
    except RecursionError:
        raise LabError(f"{where}: blocks or layers are nested too deeply") from None


def _parsed(text: str, where: str) -> dict[str, Any]:
    if len(text) > LARGEST_FILE:
        raise LabError(f"{where}: a network's file has {LARGEST_FILE:,} bytes at most")
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line.partition("=")[0].count(".") > MOST_PARTS:
            raise LabError(f"{where}, line {number}: a key of more than {MOST_PARTS} parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(
            r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error)
        )
        reason, line, column = found.groups() if found else (str(error), None, None)
        at = f", column {column}" if column else ""
        raise LabError(f"{where}, line {line or max(len(lines), 1)}{at}: {reason}") from None
    except ValueError:
        raise LabError(f"{where}: a number of too many digits") from None
    except RecursionError:
        raise LabError(f"{where}: lists are nested too deeply") from None


class _Line(NamedTuple):
    """What one line of the file says, and where each of it stands."""

    values: Mapping[str, Any]
    at: Place
    cells: Mapping[str, Place] = {}
    """of what comes from a row of a table"""

    def place(self, key: str) -> Place:
        return self.cells.get(key, (*self.at, key))


class _Frame(NamedTuple):
    """The block that is being run: what its expressions know, what it is given, what is around."""

    names: Mapping[str, Any]
    input: Feature | None = None
    blocks: tuple[str, ...] = ()


class _Tape(Net):
    """A tape that knows which names are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Feature] = {}
        """What scopes and named operations gave, by their paths."""

    @property
    def prefix(self) -> str:
        return self._open.prefix

    @property
    def staged(self) -> bool:
        return bool(self._open.stage)

    def find(self, name: str) -> Feature | None:
        """What `name` gave, seen from the open scope: there, or else further out."""
        prefix = self.prefix
        while True:
            if prefix + name in self.made:
                return self.made[prefix + name]
            if prefix + name in self._names:
                index = self._names[prefix + name]
                return Feature(index, self._layers[index].out_shape)
            if not prefix:
                return self.feature(name) if name in self._taps else None
            outer, dot, _ = prefix[:-1].rpartition(".")
            prefix = outer + dot

    def known(self) -> list[str]:
        return list(dict.fromkeys([*self._taps, *self.made, *self._names]))


class _Reader:
    def __init__(self, where: str, document: dict[str, Any], text: str) -> None:
        self.where, self.document = where, document
        self.lines = line_numbers(text)
        self.net = _Tape()
        self.run = 0
        self.numbers: dict[str, int] = {}
        """Path of a scope -> the next number of a block in it; with "stage" behind, of a stage."""

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Errors raised inside are told with the line of `place`."""
        try:
            yield
        except LabError as error:
            start = f"{self.where}, line "
            if str(error).startswith(start):
                raise
            while place and place not in self.lines:
                place = place[:-1]
            found = type(error).__new__(type(error))
            found.args = (f"{start}{self.lines.get(place, 1)}: {error}",)
            raise found from None

    # The file

    def trace(self, options: Mapping[str, Any]) -> Trace:
        top = self.document
        with self.at(()):
            for key in top:
                self.expect(key, TOP, "key", (key,))
            if self.get(top, (), "format", int, FORMAT) != FORMAT:
                with self.at(("format",)):
                    raise LabError(f"this is format {FORMAT}, not {shown(top['format'])}")
            for key in ("input", "layers"):
                if key not in top:
                    raise LabError(f"no {key!r} is given")
            name = self.get(top, (), "name", str, Path(self.where).stem)
            settings = {key: self.setting(key, options) for key in ("width", "classes")}
            if settings["classes"] is None and "classes" in options:
                raise LabError("the file does not say what its classes are")
            self.width = settings["width"] or 1.0
            given = {"width": self.width, "classes": settings["classes"]}
            frame = _Frame({key: value for key, value in given.items() if value is not None})
            self.check_blocks()
            x = self.image(options)
            shape = x.shape
            x = self.layers(("layers",), top["layers"], x, frame)
            for tap, path in self.get(top, (), "taps", dict, {}).items():
                with self.at(("taps", tap)):
                    self.net.tap(tap, self.source(path, frame))
            outputs = [x]
            if "outputs" in top:
                with self.at(("outputs",)):
                    outputs = [self.source(path, frame) for path in self.texts(top, "outputs")]
            settings["resolution"] = tuple(shape[1:]) or None
            settings["in_channels"] = shape[0] if len(shape) > 1 else None
            kept = {key: settings[key] for key in registry.COMMON if settings[key] is not None}
            return replace(self.net.trace(*outputs), name=name, settings=kept)

    def setting(self, key: str, options: Mapping[str, Any]) -> Any:
        """What an option says, else the file, else None."""
        if key in options or key not in self.document:
            return options.get(key)
        with self.at((key,)):
            return registry.CHECKS[key](key, self.document[key])

    def image(self, options: Mapping[str, Any]) -> Feature:
        """Records the input, by the options or else the file."""
        with self.at(("input",)):
            given = self.document["input"]
            if isinstance(given, str):
                sides = given.lower().replace("×", "x").split("x")
                given = [
                    int(side) if re.fullmatch(r"[0-9]{1,15}", side) else side for side in sides
                ]
            if not isinstance(given, list) or not given or any(type(n) is not int for n in given):
                raise LabError(f'input is like "3x224x224", not {shown(self.document["input"])}')
            if "in_channels" in options:
                given = [options["in_channels"], *given[1:]]
            if "resolution" in options:
                if len(given) != 3:
                    raise LabError("only an image (channels, height, width) has a resolution")
                given = [given[0], *options["resolution"]]
            if len(given) == 3:
                return self.net.input(given[0], (given[1], given[2]))
            return self.net.tensor(given)

    def check_blocks(self) -> None:
        """Looks each definition over; what its lines say is seen when they are run."""
        self.blocks = self.get(self.document, (), "blocks", dict, {})
        for name, block in self.blocks.items():
            place = ("blocks", name)
            with self.at(place):
                if name in operations():
                    raise LabError(f"{name!r} is the name of an operation already")
                if not isinstance(block, dict):
                    raise LabError(f"block {name!r} is a table [blocks.{name}]")
                for key in block:
                    self.expect(key, BLOCK, "key of a block", (*place, key))
                if not isinstance(block.get("layers"), list):
                    raise LabError(f"block {name!r} has no list of 'layers'")
                used = set(WORD.findall(" ".join(_texts(block["layers"]))))
                for argument in self.texts(block, "arguments", place, []):
                    with self.at((*place, "arguments")):
                        if not WORD.fullmatch(argument):
                            raise LabError(f"{argument!r} is no name for an argument")
                        if argument in (*KEYS, "c_in", "width", "classes"):
                            raise LabError(f"{argument!r} means something else already")
                        if argument not in used:
                            raise LabError(f"argument {argument!r} is used nowhere in the block")
                for argument in self.texts(block, "channels", place, []):
                    with self.at((*place, "channels")):
                        self.expect(argument, block.get("arguments", []), "argument", ())

    # Lines

    def layers(self, at: Place, lines: Any, x: Feature, frame: _Frame) -> Feature:
        """Runs a list of lines one after another on `x`."""
        with self.at(at):
            if not isinstance(lines, list) or not lines:
                raise LabError("layers are a list of tables, one for each layer")
            for number, values in enumerate(lines):
                with self.at((*at, number)):
                    if not isinstance(values, dict):
                        raise LabError(f"a layer is a table {{ op = ... }}, not {shown(values)}")
                    x = self.line(_Line(values, (*at, number)), x, frame)
        return x

    def line(self, line: _Line, x: Feature, frame: _Frame) -> Feature:
        """Runs one line: a layer, a block, a group of lines, or a table of them."""
        self.run += 1
        if self.run > MOST_LINES:
            raise LabError(f"a network has {MOST_LINES:,} layers at most")
        with self.at(line.at):
            sources = self.sources(line, x, frame)
            frame = frame._replace(names={"c_in": (sources or [x])[0].channels, **frame.names})
            if not self.flag(line, "when", frame, True):
                return x
            with self.opened(line) as paths:
                if "rows" in line.values or "columns" in line.values:
                    x = self.table(line, self.single(sources), frame)
                elif "layers" in line.values:
                    allowed = ("layers", "from", "when", "tap", "role", *PLACES)
                    for key in line.values:
                        self.expect(key, allowed, "key beside layers", line.place(key))
                    place = line.place("layers")
                    x = self.layers(place, line.values["layers"], self.single(sources), frame)
                else:
                    x = self.operation(line, sources, frame)
            self.net.made |= dict.fromkeys(paths, x)
            for tap in self.texts(line.values, "tap", line.at, []):
                self.net.tap(tap, x)
            return x

    @contextmanager
    def opened(self, line: _Line) -> Iterator[list[str]]:
        """Opens the scopes that a line names, outermost first, and gives their paths."""
        kinds = [key for key in PLACES if key in line.values]
        role = {"role": self.text(line, "role")} if "role" in line.values else {}
        if role and kinds[:1] == ["part"]:
            raise LabError("a part has no role; its stages have")
        paths = []
        with ExitStack() as places:
            for kind in kinds:
                found = line.values[kind]
                name = str(found) if type(found) is int else self.text(line, kind)
                places.enter_context(getattr(self.net, kind)(name, **role))
                role = {}
                paths.append(self.net.prefix[:-1])
            yield paths

    def table(self, line: _Line, x: Feature, frame: _Frame) -> Feature:
        """Runs a table: each row is a line, whose cells stand under their keys."""
        columns = self.texts(line.values, "columns", line.at)
        rows = line.values.get("rows")
        if len(set(columns)) < len(columns):
            raise LabError("two columns have one name")
        if not isinstance(rows, list) or not rows:
            raise LabError("a table has columns and rows")
        beside = {"columns", "rows", "from", "when", "tap", *PLACES}
        beside |= {"role"} if any(key in PLACES for key in line.values) else set()
        common = {key: value for key, value in line.values.items() if key not in beside}
        for number, row in enumerate(rows):
            place = (*line.place("rows"), number)
            with self.at(place):
                if not isinstance(row, list) or len(row) != len(columns):
                    raise LabError(f"a row has {len(columns)} cells: {', '.join(columns)}")
                cells = {key: cell for key, cell in zip(columns, row, strict=True) if cell != ""}
                places = {key: (*place, column) for column, key in enumerate(columns)}
                values = {**common, **cells}
                repeats = "n" in columns or "repeat" in columns
                if repeats and not self.net.staged and not any(key in PLACES for key in values):
                    values["stage"] = f"stage{self.number(self.net.prefix + 'stage')}"
                x = self.line(_Line(values, place, places), x, frame)
        return x

    def number(self, path: str) -> int:
        """The next number of a block in the scope `path`, from 0, or of a stage, from 1."""
        found = self.numbers.get(path, int(path.endswith("stage")))
        self.numbers[path] = found + 1
        return found

    # Operations

    def operation(self, line: _Line, sources: list[Feature], frame: _Frame) -> Feature:
        """Runs an operation or a block, as often as the line says."""
        if "op" not in line.values:
            raise LabError("a line has an op, layers, or columns and rows")
        name = self.text(line, "op")
        found = operations().get(name)
        if found is None:
            with self.at(line.place("op")):
                self.expect(name, [*self.blocks, *operations()], "operation or block", ())
            parameters = self.texts(self.blocks[name], "arguments", ("blocks", name), [])
            channels = tuple(self.texts(self.blocks[name], "channels", ("blocks", name), []))
        else:
            parameters, channels = list(found.parameters), found.channels
        placed = any(key in PLACES for key in line.values)
        given = self.arguments(line, name, parameters, channels, found, frame, placed)
        times = next((key for key in ("repeat", "n") if key in line.values), None)
        if times == "n" and "n" in parameters:
            times = None
        count = self.count(line, times, frame) if times else 1
        numbered = found is None or found.numbered
        numbered = bool(times) or (numbered and not frame.blocks and not placed)
        for turn in range(count):
            if turn:
                self.run += 1
                given |= {key: 1 for key in ("stride", "s") if key in given}
            number = str(self.number(self.net.prefix)) if numbered else ""
            scope: AbstractContextManager[None] = (
                self.net.block(number) if numbered else nullcontext()
            )
            path = self.net.prefix + number
            with scope:
                if found is None:
                    x = self.block(name, given, self.single(sources), frame)
                else:
                    x = self.call(line, name, found, sources, dict(given))
            if numbered:
                self.net.made[path] = x
            sources = [x]
        return x

    def arguments(
        self,
        line: _Line,
        name: str,
        parameters: list[str],
        channels: tuple[str, ...],
        found: Operation | None,
        frame: _Frame,
        placed: bool,
    ) -> dict[str, Any]:
        """What the line gives the operation: numbers worked out, and widened where it counts."""
        fixed = self.flag(line, "fixed", frame, False)
        beside = {*KEYS, "n"} - ({"name"} if found is None or found.name is None else set())
        beside -= set() if channels else {"fixed"}
        beside -= set(parameters) - {"role"} if placed else {*parameters, "role"}
        given = {}
        for key, value in line.values.items():
            if key in beside:
                continue
            full = SHORT.get(key, key)
            full = full if key not in parameters and full in parameters else key
            with self.at(line.place(key)):
                self.expect(full, parameters, f"key of {name}", ())
                if full in given:
                    raise LabError(f"{full} is given twice")
                if found is None:
                    value = self.argument(value, frame)
                else:
                    value = self.value(full, value, found, frame)
                # what an expression gives is what it says; the width multiplies plain numbers
                plain = type(line.values[key]) is int
                if full in channels and plain and not fixed and self.width != 1:
                    value = make_divisible(value * self.width)
                given[full] = value
        with self.at(line.at):
            required = found.parameters if found else dict.fromkeys(parameters)
            for key, parameter in required.items():
                follows = key == "channels" and given.get("groups") == DEPTHWISE
                needed = parameter is None or parameter.default is REQUIRED
                if needed and key not in given and not follows:
                    raise LabError(f"{name} needs {key}")
        return given

    def argument(self, value: Any, frame: _Frame) -> Any:
        """What a block of the file is given: a name's value, an expression's, or as it stands."""
        if isinstance(value, str):
            if WORD.fullmatch(value):
                return frame.names.get(value, value)
            return evaluate(value, frame.names)
        if isinstance(value, dict) or (isinstance(value, list) and not _flat(value)):
            raise LabError(f"a block is given numbers, texts or lists of them, not {shown(value)}")
        return value

    def value(self, key: str, value: Any, found: Operation, frame: _Frame) -> Any:
        """What an operation is given, of the kind that it takes."""
        parameter = found.parameters[key]
        if key == "groups" and value == DEPTHWISE:
            return value
        if isinstance(value, str) and value in frame.names:
            value = frame.names[value]
        elif isinstance(value, list):
            value = [
                evaluate(each, frame.names) if isinstance(each, str) else each for each in value
            ]
        elif isinstance(value, str):
            try:
                return checked(key, value, parameter)
            except LabError:
                if WORD.fullmatch(value) and not frame.blocks:
                    raise  # a word that is out of place, rather than an expression
                value = evaluate(value, frame.names)
        return checked(key, value, parameter)

    def call(
        self,
        line: _Line,
        name: str,
        found: Operation,
        sources: list[Feature],
        given: dict[str, Any],
    ) -> Feature:
        """Records what a method of `Net` or a paper's block makes of its sources."""
        if found.most == 0 and "from" not in line.values:
            sources = []
        if len(sources) < found.least or (found.most is not None and len(sources) > found.most):
            raise LabError(f"{name} is fed from {found.least} layers, not {len(sources)}")
        if given.get("groups") == DEPTHWISE:
            given["groups"] = sources[0].channels
            given.setdefault("channels", sources[0].channels)
        path = ""
        if found.name is not None:
            given["name"] = self.text(line, "name", found.name)
            path = self.net.prefix + given["name"]
        made = found.make(self.net, *sources, **given)
        x: Feature = made[-1] if isinstance(made, list) else made
        if path and x is made:
            self.net.made[path] = x
        return x

    def block(self, name: str, given: Mapping[str, Any], x: Feature, frame: _Frame) -> Feature:
        """Runs a block of the file on `x`."""
        if name in frame.blocks:
            raise LabError(f"a block is inside itself: {' > '.join([*frame.blocks, name])}")
        top = {key: frame.names[key] for key in ("width", "classes") if key in frame.names}
        names = {**top, **given, "c_in": x.channels}
        inside = _Frame(names, x, (*frame.blocks, name))
        return self.layers(("blocks", name, "layers"), self.blocks[name]["layers"], x, inside)

    # Wiring

    def sources(self, line: _Line, x: Feature, frame: _Frame) -> list[Feature]:
        """What feeds a line: the layers that `from` names, or the one before."""
        if "from" not in line.values:
            return [x]
        with self.at(line.place("from")):
            return [self.source(path, frame) for path in self.texts(line.values, "from", line.at)]

    def source(self, path: Any, frame: _Frame) -> Feature:
        if not isinstance(path, str):
            raise LabError(f"a layer is told by its name, not {shown(path)}")
        if path == "input" and frame.input is not None:
            return frame.input
        found = self.net.find(path)
        if found is None:
            later = [name for name in _names(self.document) if f"{path}.".startswith(f"{name}.")]
            if later:
                raise LabError(f"layer {path!r} is not before this line, or in a block of its own")
            raise UnknownNameError("layer", path, self.net.known())
        return found

    def single(self, sources: list[Feature]) -> Feature:
        if len(sources) != 1:
            raise LabError(f"this is fed from one layer, not {len(sources)}")
        return sources[0]

    # Values of known kinds

    def expect(self, name: str, known: Any, what: str, place: Place) -> None:
        """Refuses a name that is not known, at `place` where it is not empty."""
        if name not in known:
            with self.at(place) if place else nullcontext():
                raise UnknownNameError(what, name, list(known))

    def get(self, values: Mapping[str, Any], at: Place, key: str, kind: type, default: Any) -> Any:
        found = values.get(key, default)
        if type(found) is not kind:
            nouns = {int: "a whole number", str: "a text", dict: "a table"}
            with self.at((*at, key)):
                raise LabError(f"{key} is {nouns[kind]}, not {shown(found)}")
        return found

    def text(self, line: _Line, key: str, default: str = "") -> str:
        found = line.values.get(key, default)
        if not isinstance(found, str) or not found.strip():
            with self.at(line.place(key)):
                raise LabError(f"{key} is a text that is not empty, not {shown(found)}")
        return found

    def texts(
        self, values: Mapping[str, Any], key: str, at: Place = (), default: Any = None
    ) -> list[str]:
        """A list of texts; one text is a list of one."""
        found = values.get(key, default)
        texts = [found] if isinstance(found, str) else found
        if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            with self.at((*at, key)):
                raise LabError(f"{key} is a list of texts, not {shown(found)}")
        return texts

    def flag(self, line: _Line, key: str, frame: _Frame, default: bool) -> bool:
        found = line.values.get(key, default)
        with self.at(line.place(key)):
            if isinstance(found, str):
                found = evaluate(found, frame.names)
            if not isinstance(found, bool):
                raise LabError(f"{key} is true, false or a comparison, not {shown(found)}")
        return found

    def count(self, line: _Line, key: str, frame: _Frame) -> int:
        found = line.values[key]
        with self.at(line.place(key)):
            if isinstance(found, str):
                found = evaluate(found, frame.names)
            if type(found) is not int or not 1 <= found <= MOST_LINES:
                raise LabError(f"{key} is from 1 to {MOST_LINES:,}, not {shown(found)}")
        return found


def _flat(values: list[Any]) -> bool:
    return not any(isinstance(each, list | dict) for each in values)


def _texts(value: Any) -> Iterator[str]:
    """Every text inside lists and tables."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _names(value: Any) -> Iterator[str]:
    """Every name that a line of the file gives."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            if key in ("name", *PLACES) and isinstance(each, str):
                yield each
            else:
                yield from _names(each)

"""A parsed file run line by line on a tape.

What a line can say is read off the methods of `Net` and the papers' blocks (`ops`), so whatever
`Net` learns, files can say at once.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from inspect import Parameter
from pathlib import Path
from typing import Any, NamedTuple

from mobilenet_lab import registry
from mobilenet_lab.channels import make_divisible
from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.importers.expressions import evaluate
from mobilenet_lab.importers.lines import Path as Place
from mobilenet_lab.importers.ops import (
    ANYTHING,
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
from mobilenet_lab.importers.telling import Line, Teller, every_name, every_text, too_large
from mobilenet_lab.layers import Feature, Trace, parse_shape
from mobilenet_lab.net import Net

FORMAT = 1
TOP = ("format", "name", "input", "width", "classes", "outputs", "layers", "blocks", "taps")
BLOCK = ("arguments", "channels", "layers")
GROUP = ("layers", "from", "when", "tap", "role", *PLACES)
"""Keys of a line with lines inside."""
MOST_LINES = 100_000
"""Layers, and lines that are run, repeats and blocks included."""
WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class _Frame(NamedTuple):
    """The block that is being run: what its expressions know, what it is given, what is around."""

    names: Mapping[str, Any]
    input: Feature | None = None
    blocks: tuple[str, ...] = ()


class _Tape(Net):
    """A tape that finds what has been made by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Feature] = {}
        """What scopes and named operations gave, by their paths."""

    @property
    def prefix(self) -> str:
        return self._open.prefix

    @property
    def recorded(self) -> int:
        return len(self._layers)

    @property
    def staged(self) -> bool:
        return bool(self._open.stage)

    def find(self, name: str) -> Feature | None:
        """What `name` gave, seen from the open scope: there, or else further out."""
        prefix = self.prefix
        while True:
            path = prefix + name
            if path in self._names:
                return Feature(self._names[path], self._layers[self._names[path]].out_shape)
            if path in self.made:
                return self.made[path]
            if not prefix:
                return self.feature(name) if name in self._taps else None
            prefix = "".join(prefix[:-1].rpartition(".")[:2])

    def known(self) -> list[str]:
        return list(dict.fromkeys([*self._taps, *self.made, *self._names]))


class Reader(Teller):
    """One file: where it is from, what tomllib made of it, and the line of each of its values."""

    def __init__(self, where: str, document: dict[str, Any], lines: Mapping[Place, int]) -> None:
        super().__init__(where, lines)
        self.document = document
        self.net = _Tape()
        self.run = 0
        self.blocks: dict[str, Operation] = {}
        self.inside: list[str] = []
        """The blocks of the file that are being run, outermost first."""
        self.numbers: dict[str, int] = {}
        """Path of a scope -> the next number of a block in it; with "stage" behind, of a stage."""

    # The file

    def trace(self, options: Mapping[str, Any]) -> Trace:
        """The network; `options` take the place of what the file says.

        Raises:
            LabError: the file says something that makes no network.
        """
        top = Line(self.document, ())
        for place in too_large(self.document, ()):
            with self.at(place):
                raise LabError("a whole number has 18 digits at most")
        with self.at(()):
            self.check_keys(top, TOP, "key")
            if self.told(top, "format", int, FORMAT) != FORMAT:
                with self.at(("format",)):
                    raise LabError(f"this is format {FORMAT}, not {shown(top.values['format'])}")
            for key in ("input", "layers"):
                if key not in top.values:
                    raise LabError(f"the file has no {key!r}")
            name = self.told(top, "name", str, Path(self.where).stem)
            settings = {key: self.setting(key, options) for key in ("width", "classes")}
            if "classes" in options and "classes" not in top.values:
                raise LabError("the file does not say which numbers its classes are")
            self.width = settings["width"] or 1.0
            known = {**settings, "width": self.width}
            self.frame = _Frame({key: value for key, value in known.items() if value})
            self.define(Line(self.told(top, "blocks", dict, {}), ("blocks",)))
            x = self.image(options)
            shape = x.shape
            x = self.layers(("layers",), top.values["layers"], x, self.frame)
            taps = Line(self.told(top, "taps", dict, {}), ("taps",))
            for tap in taps.values:
                self.net.tap(tap, self.fed(taps, tap, self.frame)[0])
            outputs = self.fed(top, "outputs", self.frame) if "outputs" in top.values else [x]
            if len(shape) == 3:
                settings |= {"resolution": shape[1:], "in_channels": shape[0]}
            kept = {key: settings[key] for key in registry.COMMON if settings.get(key)}
            return replace(self.net.trace(*outputs), name=name, settings=kept)

    def setting(self, key: str, options: Mapping[str, Any]) -> Any:
        """What an option says, else the file, else None."""
        if key in options or key not in self.document:
            return options.get(key)
        with self.at((key,)):
            return registry.CHECKS[key](key, self.document[key])

    def image(self, options: Mapping[str, Any]) -> Feature:
        """Records the input."""
        with self.at(("input",)):
            shape, name = self.document["input"], "input"
            if isinstance(shape, dict):
                said = Line(shape, ("input",))
                self.check_keys(said, ("name", "shape"), "key of input,")
                shape, name = shape.get("shape"), self.told(said, "name", str, name)
            if isinstance(shape, str):
                shape = list(parse_shape(shape) or ())
            if not isinstance(shape, list) or set(map(type, shape)) != {int}:
                raise LabError(f'input is like "3x224x224", not {shown(self.document["input"])}')
            if "resolution" in options and len(shape) != 3:
                raise LabError("only an image (channels, height, width) has a resolution")
            shape = [options.get("in_channels", shape[0]), *options.get("resolution", shape[1:])]
            if len(shape) == 3:
                return self.net.input(shape[0], (shape[1], shape[2]), name)
            return self.net.tensor(shape, name)

    def define(self, blocks: Line) -> None:
        """Makes operations of the file's blocks; what their lines say is seen when they are run."""
        for name in blocks.values:
            block = Line(self.told(blocks, name, dict), blocks.place(name))
            with self.at(block.at):
                if name in operations():
                    raise LabError(f"{name!r} is the name of an operation already")
                self.check_keys(block, BLOCK, f"key of block {name!r},")
                arguments = self.told(block, "arguments", list, [])
                channels = self.told(block, "channels", list, [])
                used = WORD.findall(" ".join(every_text(block.values.get("layers"))))
                with self.at(block.place("arguments")):
                    for argument in arguments:
                        if not WORD.fullmatch(argument):
                            raise LabError(f"{argument!r} is no name for an argument")
                        if argument in (*KEYS, "c_in", "width", "classes"):
                            raise LabError(f"{argument!r} means something else already")
                        if argument not in used:
                            raise LabError(f"argument {argument!r} is used nowhere in the block")
                with self.at(block.place("channels")):
                    for argument in channels:
                        if argument not in arguments:
                            raise UnknownNameError("argument", argument, arguments)
                make = partial(Parameter, kind=Parameter.KEYWORD_ONLY, annotation=ANYTHING)
                parameters = {key: make(key) for key in arguments}
                run = partial(self.block, block, name)
                self.blocks[name] = Operation(run, parameters, 1, 1, None, tuple(channels), True)

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
                    x = self.line(Line(values, (*at, number)), x, frame)
        return x

    def line(self, line: Line, x: Feature, frame: _Frame) -> Feature:
        """Runs one line: a layer, a block, a group of lines, or a table of them."""
        with self.at(line.at):
            self.step()
            sources = self.fed(line, "from", frame) if "from" in line.values else [x]
            frame = frame._replace(names={"c_in": sources[0].channels, **frame.names})
            if not self.told(line, "when", bool, True, frame.names):
                return x
            with self.opened(line) as paths:
                if "rows" in line.values or "columns" in line.values:
                    x = self.table(line, self.single(sources), frame)
                elif "layers" in line.values:
                    self.check_keys(line, GROUP, "key beside layers")
                    inside = line.values["layers"]
                    x = self.layers(line.place("layers"), inside, self.single(sources), frame)
                else:
                    x = self.operation(line, sources, frame)
            self.net.made |= dict.fromkeys(paths, x)
            for tap in self.told(line, "tap", list, []):
                self.net.tap(tap, x)
            return x

    def step(self) -> None:
        """Counts what is run, so that no file runs for ever."""
        self.run += 1
        if max(self.run, self.net.recorded) > MOST_LINES:
            raise LabError(f"a network has {MOST_LINES:,} layers at most")

    @contextmanager
    def opened(self, line: Line) -> Iterator[list[str]]:
        """Opens the scopes that a line names, outermost first, and gives their paths."""
        kinds = [key for key in PLACES if key in line.values]
        role = {"role": self.told(line, "role", str)} if "role" in line.values else {}
        if role and kinds[:1] == ["part"]:
            raise LabError("a part has no role; its stages have")
        paths = []
        with ExitStack() as scopes:
            for kind in kinds:
                number = line.values[kind]
                name = str(number) if type(number) is int else self.told(line, kind, str)
                scopes.enter_context(getattr(self.net, kind)(name, **role))
                paths.append(self.net.prefix[:-1])
            yield paths

    def table(self, line: Line, x: Feature, frame: _Frame) -> Feature:
        """Runs a table: each row is a line, whose cells stand under their keys."""
        columns = self.told(line, "columns", list)
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
                pairs = zip(columns, row, strict=True)
                values = common | {key: cell for key, cell in pairs if cell != ""}
                placed = self.net.staged or any(key in PLACES for key in values)
                if not placed and ("n" in columns or "repeat" in columns):
                    values["stage"] = f"stage{self.number(f'{self.net.prefix}stage', 1)}"
                cells = {key: (*place, column) for column, key in enumerate(columns)}
                x = self.line(Line(values, place, cells), x, frame)
        return x

    def number(self, path: str, first: int = 0) -> int:
        """The next number of what is counted under `path`."""
        found = self.numbers.get(path, first)
        self.numbers[path] = found + 1
        return found

    # Operations

    def operation(self, line: Line, sources: list[Feature], frame: _Frame) -> Feature:
        """Runs an operation or a block, as often as the line says."""
        if "op" not in line.values:
            raise LabError("a line has an op, layers, or columns and rows")
        op = self.told(line, "op", str)
        known = {**self.blocks, **operations()}
        if op not in known:
            with self.at(line.place("op")):
                raise UnknownNameError("operation or block", op, known)
        found = known[op]
        placed = any(key in PLACES for key in line.values)
        given = self.arguments(line, found, frame, placed)
        times = [key for key in ("repeat", "n") if key in line.values]
        times = [] if times == ["n"] and "n" in found.parameters else times
        numbered = bool(times) or (found.numbered and not frame.blocks and not placed)
        for turn in range(self.turns(line, times[0], frame) if times else 1):
            if turn:
                self.step()
                given |= {key: 1 for key in ("stride", "s") if key in given}
            number = str(self.number(self.net.prefix)) if numbered else ""
            path = self.net.prefix + number
            with self.net.block(number) if numbered else nullcontext():
                x = self.call(line, found, sources, dict(given))
            if numbered:
                self.net.made[path] = x
            sources = [x]
        return x

    def turns(self, line: Line, key: str, frame: _Frame) -> int:
        turns: int = self.told(line, key, int, 1, frame.names)
        if not 1 <= turns <= MOST_LINES:
            with self.at(line.place(key)):
                raise LabError(f"{key} is from 1 to {MOST_LINES:,}, not {shown(turns)}")
        return turns

    def arguments(
        self, line: Line, found: Operation, frame: _Frame, placed: bool
    ) -> dict[str, Any]:
        """What a line gives an operation: numbers worked out, and widened where they count."""
        op, parameters = line.values["op"], found.parameters
        fixed = self.told(line, "fixed", bool, False, frame.names)
        beside = {*KEYS, "n"} - (set(parameters) - ({"role"} if placed else set()))
        if found.name is None:
            beside.discard("name")
        if not found.channels:
            beside.discard("fixed")
        if not placed:
            beside.discard("role")
        given = {}
        for key, value in line.values.items():
            if key in beside:
                continue
            long = SHORT.get(key, key)
            full = long if key not in parameters and long in parameters else key
            with self.at(line.place(key)):
                if full not in parameters:
                    takes = f"it takes {', '.join(parameters) or 'nothing'}"
                    raise UnknownNameError(f"key of {op}", key, [*parameters, *KEYS], takes)
                if full in given:
                    raise LabError(f"{full} is given twice")
                given[full] = self.value(full, value, parameters[full], frame)
                # an expression is what it says; the width multiplies plain numbers
                if full in found.channels and type(value) is int and not fixed and self.width != 1:
                    given[full] = make_divisible(value * self.width)
        for key, parameter in parameters.items():
            follows = key == "channels" and given.get("groups") == DEPTHWISE
            if parameter.default is REQUIRED and key not in given and not follows:
                raise LabError(f"{op} needs {key}")
        return given

    def value(self, key: str, value: Any, parameter: Parameter, frame: _Frame) -> Any:
        """What an operation is given, of the kind that it takes; a file's block takes any."""
        anything = parameter.annotation is ANYTHING
        if isinstance(value, str) and value in frame.names:
            value = frame.names[value]
        elif isinstance(value, list):
            value = [evaluate(v, frame.names) if isinstance(v, str) else v for v in value]
        elif isinstance(value, str) and anything:
            value = value if WORD.fullmatch(value) else evaluate(value, frame.names)
        elif isinstance(value, str):
            try:
                return checked(key, value, parameter)
            except LabError:
                if WORD.fullmatch(value) and not frame.blocks:
                    raise  # a word out of place, rather than an expression
            value = evaluate(value, frame.names)
        return checked(key, value, parameter)

    def call(
        self, line: Line, found: Operation, sources: list[Feature], given: dict[str, Any]
    ) -> Feature:
        """Records what an operation makes of its sources."""
        if found.most == 0 and "from" not in line.values:
            sources = []
        if len(sources) < found.least or (found.most is not None and len(sources) > found.most):
            op, few = line.values["op"], f"{found.least} layer{'s' * (found.least != 1)}"
            raise LabError(f"{op} is fed from {few}, not {len(sources)}")
        if given.get("groups") == DEPTHWISE:
            given["groups"] = sources[0].channels
            given.setdefault("channels", sources[0].channels)
        if found.name is not None:
            given["name"] = self.told(line, "name", str, found.name)
        made = found.make(self.net, *sources, **given)
        x: Feature = made[-1] if isinstance(made, list) else made
        if found.name is not None and x is made:
            self.net.made[self.net.prefix + given["name"]] = x
        return x

    def block(self, block: Line, name: str, _: Net, x: Feature, /, **given: Any) -> Feature:
        """Runs a block of the file on `x`."""
        if name in self.inside:
            raise LabError(f"a block is inside itself: {' > '.join([*self.inside, name])}")
        self.inside.append(name)
        names = {**self.frame.names, **given, "c_in": x.channels}
        frame = _Frame(names, x, tuple(self.inside))
        x = self.layers(block.place("layers"), block.values.get("layers"), x, frame)
        self.inside.pop()
        return x

    # Wiring

    def fed(self, line: Line, key: str, frame: _Frame) -> list[Feature]:
        """The features of the layers that `key` names."""
        with self.at(line.place(key)):
            paths = self.told(line, key, list)
            if not paths:
                raise LabError(f"{key} names one layer at least")
            return [self.source(path, frame) for path in paths]

    def source(self, path: str, frame: _Frame) -> Feature:
        """What the layer, scope or landmark called `path` gave; `input` of a block is its own."""
        if path == "input" and frame.input is not None:
            return frame.input
        found = self.net.find(path)
        if found is None:
            if any(f"{path}.".startswith(f"{name}.") for name in every_name(self.document)):
                raise LabError(f"layer {path!r} is not before this line, or inside another block")
            raise UnknownNameError("layer", path, self.net.known(), "no line before this has it")
        return found

    def single(self, sources: list[Feature]) -> Feature:
        if len(sources) != 1:
            raise LabError(f"this is fed from one layer, not {len(sources)}")
        return sources[0]

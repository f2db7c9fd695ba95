"""Any nn.Module as a trace: the operators of its forward pass, read as layers.

Layers are called by the paths of their modules; what a module does with functions is called by its
path and the function: `layer1.0.add`. Where a name comes again, it is numbered: `layer1.0.relu:2`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from math import inf
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn
from torch.export import ExportedProgram, unflatten
from torch.nn.parameter import UninitializedParameter
from torch.utils._pytree import tree_leaves

from mobilenet_lab.errors import LabError
from mobilenet_lab.importers import aten_torch as aten
from mobilenet_lab.importers.aten_torch import Draft, shape_of
from mobilenet_lab.importers.inputs_torch import Spec, given_inputs
from mobilenet_lab.importers.naming import Place, arranged
from mobilenet_lab.importers.recorder_torch import Call, Visit, record
from mobilenet_lab.layers import Layer, Shape, Trace

COLLAPSED: dict[type[nn.Module], Callable[[Any], Draft]] = {
    nn.LocalResponseNorm: lambda module: Draft(
        "local_response_norm",
        (),
        (),
        {"lrn": (module.size, module.alpha, module.beta, module.k)},
    ),
}
"""Modules that are one layer here and several operators in PyTorch."""
SPEAKING = ("elementwise", "reduce", "unknown", "gather")
"""Operations that are called by what they do."""
FOLDING = {"conv1d": 0.0, "conv2d": 0.0, "conv3d": 0.0, "max_pool": -inf}
"""Operations that a padding with this value before them is the padding of."""
DEEPEST = 4
"""So many objects inside each other are looked into for tensors that a module gives."""
SINGLE = ("add", "mul")
"""Operations on two tensors; with a constant they work value by value."""


def unpacked(program: ExportedProgram) -> tuple[nn.Module, Spec]:
    """An exported program as a module with its parts by their paths, and the inputs it has.

    Raises:
        LabError: it was exported without inputs, or with some by keyword.
    """
    positional, named = program.example_inputs or ((), {})
    if not positional or named:
        raise LabError("an exported program is read if it was exported with positional inputs")
    return unflatten(program), list(positional)


def read_module(module: nn.Module, input_shape: Spec, name: str = "", **settings: Any) -> Trace:
    """As `networks.inspect`, which has the whole of it."""
    if not isinstance(module, nn.Module):
        raise LabError(f"inspect reads an nn.Module, not {type(module).__name__}")
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    if any(isinstance(each, UninitializedParameter) for each in module.parameters()):
        raise LabError(f"{type(module).__name__} has lazy layers: run it once before reading it")
    name = name or type(module).__name__
    inputs = given_inputs(module, input_shape)
    recorder, answer = record(module, inputs.arguments, aten.is_known, name)
    reader = Reader(module)
    for path, tensor in inputs.named.items():
        reader.input(path, tensor)
    for collapsed, calls in groupby(recorder.calls, _collapsed):
        if collapsed is None:
            for call in calls:
                reader.read(call)
        else:
            reader.read_as_one(collapsed, list(calls))
    return reader.trace(_tensors(answer), name, settings)


class Pad(NamedTuple):
    """A padding that may turn out to be that of the layer which reads it."""

    source: int
    draft: Draft
    shape: Shape
    visit: Visit | None


class Write(NamedTuple):
    """What was written in place into a part of a tensor: a layer once the whole is read."""

    sources: tuple[int, ...]
    shape: Shape
    visit: Visit | None


Source: TypeAlias = int | Pad | Write
"""What a tensor comes from: a layer, or what is no layer yet."""


class Reader:
    """Turns operators into layers, one after another."""

    def __init__(self, module: nn.Module) -> None:
        self.layers: list[Layer] = []
        self._marks: list[tuple[Visit | None, str, str]] = []
        """Of each layer: the call of a module that made it, its label, and a whole name or ""."""
        self._sources: dict[int, Source] = {}
        self._paths = {id(each): path for path, each in module.named_parameters()}
        self._sizes = {path: each.numel() for path, each in module.named_parameters()}
        self._aliases: dict[int, Tensor] = {}
        """id of a tensor that is a parameter by another name -> the parameter."""
        self._counted: set[str] = set()
        self._roots: dict[int, Tensor] = {}
        """Storage -> the first tensor that was seen on it."""

    # Reading

    def input(self, name: str, tensor: Tensor) -> None:
        self._sources[id(tensor)] = self._layer("input", (), shape_of(tensor), None, whole=name)
        self._root(tensor)

    def read(self, call: Call) -> None:
        """Adds the layers of one operator, if it makes any."""
        visit = call.visits[-1] if call.visits else None
        name, arguments, outputs = call.name, call.arguments, call.outputs
        tensors = [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)]
        if name in aten.MAKING or not outputs or not any(map(self._depends, tensors)):
            for output in outputs:
                self._constant(output)
            return
        first = tensors[0]
        if name == "copy" and aten.is_same_shape(arguments["src"], outputs[0]):
            self._silent(arguments["src"], outputs[0])
        elif name == "copy":
            self._add(Draft("expand", (arguments["src"],)), outputs[0], visit)
        elif name in aten.SILENT or (name in aten.PLACING and aten.is_all(first, outputs[0])):
            self._silent(first, outputs[0])
        elif name in (*aten.PARTS, *aten.UNBINDING):
            drafts = aten.parts(name, arguments, outputs)
            for number, (draft, output) in enumerate(zip(drafts, outputs, strict=True)):
                self._add(draft, output, visit, f"{draft.op}.{number}")
        else:
            self._add(self._draft(call, tensors), outputs[0], visit)
            if name in aten.SUMMED:
                self._add(Draft("add", (outputs[0], arguments["self"])), outputs[0], visit)
            for other in outputs[1:]:
                self._sources[id(other)] = self._sources[id(outputs[0])]
        if (written := call.written) is not None:
            self._sources[id(written)] = self._sources[id(outputs[0])]
            self._write(written, visit)
        for output in outputs:
            self._root(output)

    def read_as_one(self, collapsed: tuple[Draft, Visit], calls: list[Call]) -> None:
        """Adds the one layer that a module is, in place of its operators."""
        draft, visit = collapsed
        read = next(
            leaf
            for leaf in tree_leaves(calls[0].arguments)
            if isinstance(leaf, Tensor) and self._depends(leaf)
        )
        self._add(draft._replace(inputs=(read,)), calls[-1].outputs[0], visit)

    def _draft(self, call: Call, tensors: list[Tensor]) -> Draft:
        """The layer that an operator makes."""
        name, arguments = call.name, call.arguments
        if not aten.is_known(call.operator):
            mode = call.operator._schema.name.replace("::", ".")
            return Draft("unknown", tuple(tensors), (), {"mode": mode})
        if name in aten.RESHAPING:
            flat = len(shape_of(call.outputs[0])) == 1
            return Draft("flatten" if flat else "reshape", (tensors[0],))
        if name in aten.GATHERING:
            return Draft("gather", tuple(tensors), (), {"mode": name})
        if name in aten.REDUCING and len(tensors) == 1:
            axes = aten.reduced_axes(arguments, tensors[0])
            return Draft("reduce", (tensors[0],), (), {"mode": name, "axes": axes})
        if name in aten.FORMS:
            return aten.FORMS[name](arguments)
        return Draft("elementwise", tuple(tensors), (), {"mode": name})

    # What a tensor is

    def _parameter(self, tensor: Tensor) -> str | None:
        """The path of the parameter that a tensor is."""
        return self._paths.get(id(self._aliases.get(id(tensor), tensor)))

    def _depends(self, tensor: Tensor) -> bool:
        """Whether a tensor is made of inputs or parameters; any other is a constant."""
        return id(tensor) in self._sources or self._parameter(tensor) is not None

    def _silent(self, source: Tensor, output: Tensor) -> None:
        """`output` is `source` by another name."""
        if self._parameter(source) is not None:
            self._aliases[id(output)] = self._aliases.get(id(source), source)
        elif id(source) in self._sources:
            self._sources[id(output)] = self._sources[id(source)]

    def _source(self, tensor: Tensor, visit: Visit | None) -> int:
        """The layer that a tensor comes from; a parameter or a constant becomes one."""
        found = self._sources.get(id(tensor))
        if isinstance(found, Pad):
            found = self._layer("pad", (found.source,), found.shape, found.visit, found.draft)
        elif isinstance(found, Write):
            draft = Draft("gather", (), (), {"mode": "write"})
            found = self._layer("gather", found.sources, found.shape, found.visit, draft)
        path = self._parameter(tensor)
        if found is None and path is not None:
            own = path not in self._counted
            self._counted.add(path)
            shape = shape_of(tensor)
            found = self._layer("parameter", (), shape, visit, whole=path, own=own)
        if found is None:
            found = self._layer("constant", (), shape_of(tensor), visit)
        self._sources[id(tensor)] = found
        return found

    def _root(self, tensor: Tensor) -> None:
        self._roots.setdefault(tensor.untyped_storage()._cdata, tensor)

    def _constant(self, tensor: Tensor) -> None:
        """Something may be written into it; PyTorch hands out a fresh one by another name."""
        self._root(tensor)
        storage = tensor.untyped_storage()._cdata
        root = self._roots[storage]
        if aten.is_all(root, tensor) and not self._depends(root):
            self._roots[storage] = tensor

    def _write(self, written: Tensor, visit: Visit | None) -> None:
        """What was done in place to a part of a tensor was done to the whole of it."""
        root = self._roots.get(written.untyped_storage()._cdata, written)
        if root is written or self._parameter(root) is not None:
            return
        if not aten.is_same_shape(root, written):
            both = [each for each in (root, written) if self._depends(each)]
            read = tuple([self._source(each, visit) for each in both])
            self._sources[id(root)] = Write(read, shape_of(root), visit)
        else:
            self._sources[id(root)] = self._sources[id(written)]

    # Layers

    def _add(self, draft: Draft, output: Tensor, visit: Visit | None, label: str = "") -> None:
        """The layer of a draft, which gives `output`."""
        reads = draft.inputs
        if draft.op in SINGLE and not all(map(self._depends, reads)):
            draft = Draft("elementwise", reads, (), {"mode": draft.op})
        elif draft.op in SINGLE and not aten.is_same_shape(reads[0], output):
            reads = reads[::-1]  # the map first, what is spread over it second
        if draft.op in SPEAKING or draft.op == "pad":  # constants that go in make no difference
            reads = tuple(
                each for each in reads if isinstance(each, Tensor) and self._depends(each)
            )
        shape = shape_of(output)
        if draft.op == "pad" and _is_plain(draft):
            source = self._source(reads[0], visit)
            self._sources[id(output)] = Pad(source, draft, shape, visit)
            return
        draft, folded = self._folded(draft)
        first = [self._source(each, visit) for each in reads] if folded is None else [folded]
        own, computed, whole = self._weights(draft, visit)
        made = self._layer(
            draft.op, (*first, *computed), shape, visit, draft, label, whole=whole, own=own
        )
        self._sources[id(output)] = made

    def _folded(self, draft: Draft) -> tuple[Draft, int | None]:
        """A draft with the padding before it as its own, and the layer before the padding."""
        found = self._sources.get(id(draft.inputs[0])) if draft.op in FOLDING else None
        if not isinstance(found, Pad) or found.draft.details["rate"] != FOLDING[draft.op]:
            return draft, None
        axes = len(draft.details["kernel"])
        before, around = (
            found.draft.details["padding"][:-axes],
            found.draft.details["padding"][-axes:],
        )
        if any(pair != (0, 0) for pair in before):
            return draft, None
        padding = tuple(
            (top + more, bottom + less)
            for (top, bottom), (more, less) in zip(draft.details["padding"], around, strict=True)
        )
        return draft._replace(details={**draft.details, "padding": padding}), found.source

    def _weights(self, draft: Draft, visit: Visit | None) -> tuple[bool, list[int], str]:
        """Whether the weights are counted here, layers that compute some, and the layer's name.

        The name is that of the parameter, where it says more than the module that uses it.
        """
        given = [each for each in draft.weights if each is not None]
        paths = [self._parameter(each) for each in given]
        own = all(path is not None and path not in self._counted for path in paths)
        computed: list[int] = []
        if own:
            self._counted.update(filter(None, paths))
        else:
            computed = [
                self._source(each, visit)
                for each, path in zip(given, paths, strict=True)
                if self._depends(each) and path not in self._counted
            ]
        base = (paths[0] or "").removesuffix("weight").rstrip("._") if paths else ""
        here = visit.path if visit else ""
        return own, computed, "" if base == here else base

    def _layer(
        self,
        op: str,
        inputs: tuple[int, ...],
        shape: Shape,
        visit: Visit | None,
        draft: Draft | None = None,
        label: str = "",
        *,
        whole: str = "",
        own: bool = True,
    ) -> int:
        details = dict(draft.details) if draft else {}
        if op == "pad":
            details.pop("rate")
        shapes = tuple([self.layers[source].out_shape for source in inputs])
        self.layers.append(Layer("", op, inputs, shapes, shape, "", "", "", own=own, **details))
        spoken = details.get("mode", "").rpartition(".")[2] if op in SPEAKING else op
        self._marks.append((visit, label or spoken or op, whole))
        return len(self.layers) - 1

    # The whole

    def trace(self, outputs: Iterable[Tensor], name: str, settings: Mapping[str, Any]) -> Trace:
        answers = [self._source(tensor, None) for tensor in outputs if self._depends(tensor)]
        if not answers:
            raise LabError(f"{name} gives no tensor that depends on its input")
        places = self._places()
        named = [
            layer._replace(name=place.name)
            for layer, place in zip(self.layers, places, strict=True)
        ]
        unused = {path: size for path, size in self._sizes.items() if path not in self._counted}
        return Trace(arranged(named, places), tuple(answers), {}, name, dict(settings), unused)

    def _places(self) -> list[Place]:
        """The name of each layer, and the module that it belongs to.

        A module without parts that makes one layer gives it its name.
        """
        made = Counter(
            visit.number
            for layer, (visit, _, _) in zip(self.layers, self._marks, strict=True)
            if visit is not None and layer.op not in ("parameter", "constant")
        )
        places: list[Place] = []
        taken: Counter[str] = Counter()
        for layer, (visit, label, whole) in zip(self.layers, self._marks, strict=True):
            module = visit.path if visit else ""
            alone = visit is not None and made[visit.number] == 1 and not [*visit.module.children()]
            if whole:
                name = whole
                module = whole if layer.op not in ("parameter", "input") else module
            elif alone and module and layer.op != "constant":
                name = module
            else:
                name = f"{module}.{label}" if module else label
            taken[name] += 1
            if taken[name] > 1:
                name = f"{name}:{taken[name]}"
            places.append(Place(name, module))
        return places


def _is_plain(pad: Draft) -> bool:
    """Whether a padding is one value around the map, as a layer's own is."""
    widths = [each for pair in pad.details["padding"] for each in pair]
    return bool(pad.details["mode"] == "constant" and min(widths) >= 0)


def _collapsed(call: Call) -> tuple[Draft, Visit] | None:
    """The one layer that a module around an operator is, if it is one."""
    for visit in call.visits:
        make = COLLAPSED.get(type(visit.module))
        if make is not None:
            return make(visit.module), visit
    return None


def _tensors(answer: Any, inside: tuple[int, ...] = ()) -> list[Tensor]:
    """Every tensor in what a module returned, in order; also in dataclasses and the like."""
    found: list[Tensor] = []
    for leaf in tree_leaves(answer):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif hasattr(leaf, "__dict__") and id(leaf) not in inside and len(inside) < DEEPEST:
            found += _tensors(list(vars(leaf).values()), (*inside, id(leaf)))
    return found

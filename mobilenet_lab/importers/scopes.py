"""The layers of a trace put back into the scopes that their names tell: the tree of a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mobilenet_lab.errors import LabError
from mobilenet_lab.importers.ops import DEPTHWISE, PLACES, accepts, operations
from mobilenet_lab.layers import ACTIVATIONS, CONVS, TRANSPOSED, Layer, Trace

SQUEEZE_EXCITE = ("pool", "reduce", "act", "expand", "gate", "mul")


class Scope(NamedTuple):
    """What is open around a layer, as `Net` keeps it."""

    prefix: str = ""
    stage: str = ""
    block: str = ""
    role: str = ""


@dataclass
class Node:
    """A layer, or a scope with what is inside."""

    values: dict[str, Any]
    first: int
    last: int
    path: str
    sources: list[tuple[int, str]] | None = None
    """index and name of what feeds it, if that is not the layer before"""
    inside: list["Node"] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return next((key for key in PLACES if key in self.values), "")


class Scopes:
    """The tree of `trace`, and the names that its lines have for each other."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.made: dict[str, int] = {}
        self.names: dict[int, list[str]] = {}
        self.fixed = _answers(trace)

    def tree(self, flat: bool = False) -> list[Node]:
        """Every layer but the first, the input, in the scopes around it; or flat, each for itself.

        Raises:
            LabError: no operation of a file records a layer.
        """
        self._note(self.trace.layers[0].name, 0)
        if flat:
            return list(self._singles())
        return list(self._nodes(1, len(self.trace.layers), Scope()))

    def _singles(self) -> Iterator[Node]:
        """Each layer with all of its scopes on its own line, however they were opened."""
        at, layers = 1, self.trace.layers
        while at < len(layers):
            layer = layers[at]
            name, stage, block, role = layer.name, layer.stage, layer.block, layer.role
            if stage != name:
                places, prefix = {"stage": stage, "role": role}, f"{block}."
                if name == prefix + role:
                    del places["role"]
                if block != stage:
                    places["block"] = block[len(stage) + 1 :]
            else:
                prefix = name.removesuffix(role)
                places = {"part": prefix[:-1]} if prefix else {}
            node, stop = self._leaf(at, len(layers), Scope(prefix))
            if node.sources:
                node.sources = [(index, layers[index].name) for index, _ in node.sources]
            node.values = {**places, **node.values}
            yield node
            at = stop

    def _nodes(self, start: int, end: int, scope: Scope) -> Iterator[Node]:
        at = start
        while at < end:
            kind, path, stop = self._opens(at, end, scope)
            if kind:
                node = self._group(kind, path, at, stop, scope)
            else:
                node, stop = self._leaf(at, end, scope)
            yield node
            at = stop

    def _opens(self, at: int, end: int, scope: Scope) -> tuple[str, str, int]:
        """The scope that opens before a layer: its kind, its path and where it ends; or none."""
        layers = self.trace.layers
        layer = layers[at]
        rest = layer.name[len(scope.prefix) :]
        direct = (scope.stage or layer.name, scope.block or layer.name, scope.role or rest) == (
            layer.stage,
            layer.block,
            layer.role,
        )
        if layer.op == "split" and direct:
            return "", "", at
        head = f"{scope.prefix}{rest.partition('.')[0]}"
        stop = self._run(at, end, head)
        run = layers[at:stop]
        if run and not scope.stage and not direct and all(_under(each.stage, head) for each in run):
            return "part", head, stop
        if layer.stage != scope.stage and _under(layer.name, layer.stage):
            stop = self._run(at, end, layer.stage, stage=layer.stage)
            stop = self._of_one_role(at, stop, layer.stage, scope)
            leaf = (layer.stage, layer.stage[len(scope.prefix) :])
            if (
                stop - at < 4
                and not scope.stage
                and all((x.block, x.role) == leaf for x in layers[at:stop])
            ):
                return "scope", layer.stage, stop
            return "stage", layer.stage, stop
        if layer.block != scope.block and _under(layer.name, layer.block):
            stop = self._run(at, end, layer.block)
            return "block", layer.block, self._of_one_role(at, stop, layer.block, scope)
        if "." not in rest or (direct and len(run) == 1):
            return "", "", at
        while not scope.role and len({each.role for each in run}) > 1:
            more = layer.name[len(head) + 1 :].partition(".")
            if not more[1]:
                return "", "", at
            head = f"{head}.{more[0]}"
            run = layers[at : self._run(at, end, head)]
        return "scope", head, at + len(run)

    def _run(self, at: int, end: int, path: str, stage: str = "") -> int:
        layers = self.trace.layers
        while (
            at < end and _under(layers[at].name, path) and (not stage or layers[at].stage == stage)
        ):
            at += 1
        return at

    def _of_one_role(self, at: int, stop: int, path: str, scope: Scope) -> int:
        """Where a stage or block has to be closed because another role begins."""
        if scope.role or self._role(at, stop, path) is not None:
            return stop
        end = at + 1
        while self._role(at, end + 1, path) is not None:
            end += 1
        return end

    def _role(self, at: int, stop: int, path: str) -> str | None:
        """The role that a stage or block is told, empty for none; None if there is no such."""
        run = self.trace.layers[at:stop]
        if all(_natural(layer, path) for layer in run):
            return ""
        if len({layer.role for layer in run}) == 1:
            return run[0].role
        inner = [layer.name[len(path) + 1 :] for layer in run]
        sayable = [
            _natural(layer, path) or ("." in rest and layer.op != "split")
            for layer, rest in zip(run, inner, strict=True)
        ]
        return "" if all(sayable) else None

    def _group(self, kind: str, path: str, at: int, stop: int, scope: Scope) -> Node:
        name = path[len(scope.prefix) :]
        layer = self.trace.layers[at]
        role = "" if scope.role or kind == "part" else layer.role
        if kind in ("stage", "block"):
            role = role and (self._role(at, stop, path) or "")
        values = {kind: name}
        if role and not (kind == "scope" and role == name):
            values["role"] = role
        stage = {"part": "", "stage": path}.get(kind, scope.stage or path)
        block = {"part": "", "scope": scope.block or path}.get(kind, path)
        role = scope.role or role
        inner = Scope(f"{path}.", stage, block, "" if kind == "part" else role)
        node = Node(values, at, stop - 1, path, inside=list(self._nodes(at, stop, inner)))
        first = node.inside[0]
        if first.sources and len(first.sources) == 1:
            index = first.sources[0][0]
            node.sources, first.sources = [(index, self.name(index, scope.prefix))], None
        self._note(path, stop - 1)
        return self._shortened(node) if kind == "scope" else node

    def _shortened(self, node: Node) -> Node:
        """A convolution, norm and activation, or a gate, as the one line that they are."""
        plain = [child.values for child in node.inside]
        ops = [values.get("op", "") for values in plain]
        layers = [self.trace.layers[child.first] for child in node.inside]
        names = tuple([layer.name[len(node.path) + 1 :] for layer in layers])
        named = {"name": node.values["scope"]}
        role = {key: value for key, value in node.values.items() if key == "role"}
        *before, last = node.inside
        straight = not any(child.sources for child in before)
        if (
            straight
            and not last.sources
            and names in (("conv", "norm"), ("conv", "norm", "act"))
            and ops[:2] == ["conv2d", "batch_norm"]
            and set(ops[2:]) <= {*ACTIVATIONS}
            and "bias" not in plain[0]
        ):
            act = {} if ops[2:] == ["relu"] else {"act": ops[2] if ops[2:] else "none"}
            told = {**plain[0], **plain[1], **act, **role}
            del told["op"]
            told = {"op": "conv", **named, **told}
            return Node(told, node.first, node.last, node.path, node.sources)
        source = node.sources[0][0] if node.sources else node.first - 1
        gated = [index for index, _ in last.sources or ()] == [source, node.last - 1]
        if straight and gated and names == SQUEEZE_EXCITE and not role:
            told = {**named, "squeeze": plain[1].get("channels"), "act": ops[2], "gate": ops[4]}
            usual = {"name": "se", "act": "relu", "gate": "sigmoid"}
            told = {key: value for key, value in told.items() if usual.get(key) != value}
            told = {"op": "squeeze_excite", **told}
            return Node(told, node.first, node.last, node.path, node.sources)
        return node

    def _leaf(self, at: int, end: int, scope: Scope) -> tuple[Node, int]:
        layer, stop = self.trace.layers[at], at + 1
        name = layer.name[len(scope.prefix) :]
        values = _arguments(layer)
        if layer.op == "split":
            name = name.rpartition(".")[0]
            while stop < end and self.trace.layers[stop].name == layer.name[:-1] + str(stop - at):
                stop += 1
            values["sizes"] = [part.out_shape[0] for part in self.trace.layers[at:stop]]
        if name != operations()[values["op"]].name:
            values = {"op": values["op"], "name": name, **values}
        if at in self.fixed and operations()[values["op"]].channels:
            values["fixed"] = True
        if at in self.fixed and values.get("features") == self.trace.settings.get("classes", 0):
            values["features"] = "classes"
        node = Node(values, at, stop - 1, layer.name)
        if layer.inputs not in ((at - 1,), ()):
            node.sources = [(index, self.name(index, scope.prefix)) for index in layer.inputs]
        for index in range(at, stop):
            self._note(self.trace.layers[index].name, index)
        return node, stop

    def _note(self, path: str, index: int) -> None:
        self.made[path] = index
        self.names.setdefault(index, []).append(path)

    def name(self, index: int, prefix: str) -> str:
        """The shortest name of what a layer gave, seen from the scope `prefix`."""
        found = []
        for path in self.names.get(index, []):
            if self.made[path] != index:
                continue
            outer = prefix
            while not path.startswith(outer):
                outer = "".join(outer[:-1].rpartition(".")[:2])
            found.append(path[len(outer) :])
        return min(found, key=len, default=self.trace.layers[index].name)


def leaves(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from leaves(node.inside)


def _under(path: str, scope: str) -> bool:
    return path.startswith(f"{scope}.")


def _natural(layer: Layer, path: str) -> bool:
    """Whether a layer has its role from its name or a scope inside its block, and not from us."""
    inner = layer.block if _under(layer.block, path) and layer.block != layer.name else path
    rest = layer.name[len(inner) + 1 :]
    return f"{rest}.".startswith(f"{layer.role}.")


def _answers(trace: Trace) -> set[int]:
    """The layers that give the answers, whose channels the width leaves alone."""
    found, rest, seen = set(), list(trace.outputs), set()
    while rest:
        index = rest.pop()
        if index in seen:
            continue
        seen.add(index)
        layer = trace.layers[index]
        if layer.op == "linear" or layer.op.startswith("conv"):
            found.add(index)
        else:
            rest += layer.inputs
    return found


def _arguments(layer: Layer) -> dict[str, Any]:
    """The operation that records `layer`, and what it is told beside its defaults."""
    op = {"input": "tensor", **dict.fromkeys(TRANSPOSED, "conv_transpose")}.get(layer.op, layer.op)
    if op not in operations():
        raise LabError(f"{layer.name}: a file cannot say {layer.op!r}")
    values: dict[str, Any] = {"op": op}
    for key, parameter in operations()[op].parameters.items():
        value = _argument(layer, key)
        usual = parameter.default
        if usual is None and key == "stride":
            usual = layer.kernel
        elif usual is None and key == "padding" and layer.kernel:
            pairs = zip(layer.kernel, layer.dilation, strict=False)
            usual = tuple(d * (k - 1) // 2 for k, d in pairs)
        if isinstance(value, tuple) and int in accepts(parameter.annotation).kinds:
            value = value[0] if len(set(value)) == 1 else value
        if isinstance(usual, tuple) and len(set(usual)) == 1 and not isinstance(value, tuple):
            usual = usual[0]
        if value is not None and value != usual:
            values[key] = list(value) if isinstance(value, tuple) else value
    if layer.op in CONVS and 1 < layer.groups == layer.in_shapes[0][0]:
        values["groups"] = DEPTHWISE
        if values["channels"] == layer.groups:
            del values["channels"]
    return values


def _argument(layer: Layer, key: str) -> Any:
    """What `Net` was told of a layer, read off its record."""
    shape = layer.out_shape
    if layer.lrn and key in ("size", "alpha", "beta", "k"):
        return layer.lrn[("size", "alpha", "beta", "k").index(key)]
    match key:
        case "channels":
            return shape[0]
        case "features":
            return shape[-1]
        case "shape":
            return shape
        case "size":
            return None if layer.scale else shape[1:]
        case "padding":
            return "same" if layer.same else tuple(before for before, _ in layer.padding)
        case "output_padding":
            return tuple(before - after for before, after in layer.padding)
        case "axes" if layer.op != "permute":
            return len(layer.axes)
        case "axis":
            return layer.axes[0]
        case "stop":
            return layer.start + shape[layer.axes[0]]
    return getattr(layer, key, None)

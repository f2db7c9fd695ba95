"""Where the steps of a block stand: on one strip, in points, time from left to right.

A block is a chain of nodes and bundles; a bundle is what runs beside each other between two nodes,
branches that are chains again. Cut nodes, through which every path leads, make the chain. An edge
that would hide the chain (a residual's skip) is loose: it has a track above.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mobilenet_lab.drawings.blocks_steps import Edge, Graph
from mobilenet_lab.drawings.canvas import LINE, SMALL, text_height, text_width

START, END = -1, -2
FAN = 24.0
"""Length in which a ribbon bends from one height to another."""
GAP = 8.0
"""Between what stands one over another."""
TRACK = 10.0
"""Between lines one over another."""
SHAPE = SMALL * LINE
"""Height of the row of shapes under the maps."""
ROUND = 6.5
"""Radius of a sum's or product's circle."""

Point: TypeAlias = tuple[float, float]


class Path(NamedTuple):
    """How an edge runs: a ribbon as thick as its channels, or a line with an arrow."""

    edge: Edge
    points: tuple[Point, ...]
    thickness: float
    """0 of a line."""


class Place(NamedTuple):
    """Where a node stands: its map is at `right`."""

    left: float
    right: float
    y: float
    words: float
    """Where what is written under it begins: that of its whole chain."""


class Strip(NamedTuple):
    """A whole block, laid out."""

    graph: Graph
    scale: float
    """Points a channel."""
    places: tuple[Place, ...]
    paths: tuple[Path, ...]
    width: float


@dataclass
class Chain:
    """Nodes and bundles one after another."""

    items: "list[int | Bundle]"
    loose: list[Edge] = field(default_factory=list)
    up: float = 0.0
    down: float = 0.0
    half: float = 0.0
    """Half the height of its own widest map."""
    width: float = 0.0

    @property
    def nodes(self) -> list[int]:
        own = [[item] if isinstance(item, int) else item.nodes for item in self.items]
        return [node for each in own for node in each]


@dataclass
class Bundle:
    """What runs side by side from one node to another; a single edge, if they are neighbours."""

    fork: int
    join: int
    branches: list[Chain | Edge]
    offsets: list[float] = field(default_factory=list)
    up: float = 0.0
    down: float = 0.0
    before: float = 0.0
    after: float = 0.0
    """Room in which ribbons bend."""
    width: float = 0.0

    @property
    def nodes(self) -> list[int]:
        return [node for each in self.branches if isinstance(each, Chain) for node in each.nodes]


# Chains and bundles


def structure(graph: Graph) -> Bundle:
    """A block as a bundle from nowhere to nowhere."""
    loose = [edge for edge in graph.edges if _is_skip(graph, edge)]
    kept = [edge for edge in graph.edges if edge not in loose]
    nodes = range(len(graph.nodes))
    fed, read = {edge.target for edge in kept}, {edge.source for edge in kept}
    ends = [Edge(START, node, 0, 0, 0) for node in nodes if node not in fed]
    ends += [Edge(node, END, 0, 0, 0) for node in nodes if node not in read]
    whole = _bundle(START, END, nodes, [*kept, *ends], loose)
    for edge in loose:
        _attach(whole, edge)
    return whole


def _is_skip(graph: Graph, edge: Edge) -> bool:
    """Whether an edge leads past others to a sum that they reach, too."""
    if graph.nodes[edge.target].symbol != "+":
        return False
    reached = {edge.source}
    for other in graph.edges:  # in running order
        if other.source in reached and other.target < edge.target:
            reached.add(other.target)
    return any(
        other.target == edge.target and other.source in reached - {edge.source}
        for other in graph.edges
    )


def _bundle(
    fork: int, join: int, nodes: Sequence[int], edges: Sequence[Edge], loose: list[Edge]
) -> Bundle:
    branches: list[Chain | Edge] = [e for e in edges if (e.source, e.target) == (fork, join)]
    for part in _connected(nodes, edges):
        around = {fork, join, *part}
        own = [e for e in edges if e.source in around and e.target in around]
        own = [e for e in own if (e.source, e.target) != (fork, join)]
        branches.append(_chain(fork, join, part, own, loose))
    return Bundle(fork, join, branches)


def _connected(nodes: Sequence[int], edges: Sequence[Edge]) -> list[list[int]]:
    """The nodes in groups that no edge joins."""
    group = {node: {node} for node in nodes}
    for edge in edges:
        one, other = group.get(edge.source), group.get(edge.target)
        if one is not None and other is not None and one is not other:
            one |= other
            for node in other:
                group[node] = one
    return [sorted(each) for each in {id(each): each for each in group.values()}.values()]


def _chain(
    fork: int, join: int, nodes: Sequence[int], edges: Sequence[Edge], loose: list[Edge]
) -> Chain:
    cuts = _cuts(fork, join, nodes, edges)
    if not cuts:  # no such graph: every node in line, what leads past the next is loose
        cuts = list(nodes)
        order = [fork, *cuts, join]
        neighbours = set(zip(order, order[1:], strict=False))
        past = [e for e in edges if (e.source, e.target) not in neighbours]
        loose += [e for e in past if e.source != START and e.target != END]
        edges = [e for e in edges if (e.source, e.target) in neighbours]
    items: list[int | Bundle] = []
    for before, after in zip([fork, *cuts], [*cuts, join], strict=True):
        low = before if before in cuts else -1
        high = after if after in cuts else max(nodes) + 1
        between = [node for node in nodes if low < node < high and node not in cuts]
        items.append(_bundle(before, after, between, edges, loose))
        items += [after] if after in cuts else []
    return Chain(items)


def _cuts(fork: int, join: int, nodes: Sequence[int], edges: Sequence[Edge]) -> list[int]:
    """The nodes through which every path from fork to join leads."""
    order = [fork, *nodes, join]
    ahead, back = dict.fromkeys(order, 0), dict.fromkeys(order, 0)
    ahead[fork] = back[join] = 1
    for node in order[1:]:
        ahead[node] = sum(ahead[edge.source] for edge in edges if edge.target == node)
    for node in reversed(order[:-1]):
        back[node] = sum(back[edge.target] for edge in edges if edge.source == node)
    return [node for node in nodes if ahead[node] * back[node] == ahead[join]]


def _attach(bundle: Bundle, edge: Edge) -> None:
    """Gives a loose edge to the innermost chain that holds both its ends."""
    for branch in bundle.branches:
        if isinstance(branch, Chain) and {edge.source, edge.target} <= set(branch.nodes):
            for item in branch.items:
                if isinstance(item, Bundle) and {edge.source, edge.target} <= set(item.nodes):
                    return _attach(item, edge)
            branch.loose.append(edge)
            return None
    bundle.branches = [Chain([bundle_of(bundle)], [edge])]
    return None


def bundle_of(bundle: Bundle) -> Bundle:
    """The same branches, to stand inside a chain."""
    return Bundle(bundle.fork, bundle.join, bundle.branches)


# Measures and places


class Layout:
    """Measures a structure and places it, at a scale and with so much room added to columns."""

    def __init__(self, graph: Graph, scale: float, extra: float = 0.0) -> None:
        self.graph, self.scale, self.extra = graph, scale, extra
        self.places: dict[int, Place] = {}
        self.lanes: dict[Edge, float] = {}
        self.tracks: dict[Edge, float] = {}
        self.whole = structure(graph)
        self._measure_bundle(self.whole, False, False)
        self._place_bundle(self.whole, 0.0, 0.0)

    def strip(self) -> Strip:
        count = len(self.graph.nodes)
        return Strip(
            self.graph,
            self.scale,
            tuple(self.places[node] for node in range(count)),
            tuple(self._path(edge) for edge in self.graph.edges),
            self.whole.width,
        )

    def _node_width(self, node: int) -> float:
        it = self.graph.nodes[node]
        words = text_width("\n".join(it.lines), SMALL) if it.lines else 0.0
        shape = text_width(it.shape, SMALL) if it.shape else 0.0
        if it.kind == "outside":
            return max(words, shape) / 2
        read = [self.graph.nodes[e.source].shape for e in self.graph.edges if e.target == node]
        before = max((text_width(each, SMALL) for each in read if each), default=0.0)
        least = {"combine": 3 * ROUND, "wire": 16.0}.get(it.kind, 34.0)
        wide = max(words + 7, (before + shape) / 2 + 7 if shape else 0.0, least)
        return wide + (self.extra if it.kind == "op" else 0.0)

    def _measure_chain(self, chain: Chain) -> None:
        below = 0.0
        for place, item in enumerate(chain.items):
            if isinstance(item, Bundle):
                last = place == len(chain.items) - 1
                self._measure_bundle(item, place > 0, not last)
                chain.width += item.width
                continue
            it = self.graph.nodes[item]
            chain.width += self._node_width(item)
            chain.half = max(chain.half, max(it.reads, it.makes) * self.scale / 2)
            if it.kind == "combine":
                chain.half = max(chain.half, ROUND)
            below = max(below, SHAPE + text_height("\n".join(it.lines), SMALL) * bool(it.lines))
        bundles = [item for item in chain.items if isinstance(item, Bundle)]
        chain.up = max([chain.half, *(each.up for each in bundles)])
        chain.down = max([chain.half + 2 + below, *(each.down for each in bundles)])
        self._measure_tracks(chain)

    def _measure_tracks(self, chain: Chain) -> None:
        """Heights over the axis for loose edges, short ones lowest."""
        used: list[list[Edge]] = []
        for edge in sorted(chain.loose, key=lambda edge: edge.target - edge.source):
            for track in used:
                if all(e.target <= edge.source or edge.target <= e.source for e in track):
                    track.append(edge)
                    break
            else:
                used.append([edge])
        for number, track in enumerate(used):
            self.tracks |= dict.fromkeys(track, chain.up + GAP + number * TRACK)
        if used:
            chain.up += GAP + (len(used) - 1) * TRACK + 2

    def _measure_bundle(self, bundle: Bundle, fork: bool, join: bool) -> None:
        """`fork` and `join`: whether its ends are its chain's own, so that bends have room here."""
        for branch in bundle.branches:
            if isinstance(branch, Chain):
                self._measure_chain(branch)
        if not bundle.branches:
            bundle.width = FAN
            return
        widths = [each.width if isinstance(each, Chain) else 0.0 for each in bundle.branches]
        self._stack(bundle)
        if len(bundle.branches) > 1:
            combine = bundle.join >= 0 and self.graph.nodes[bundle.join].kind == "combine"
            hang = max(map(self._hang, self._into(bundle.join)), default=0.0)
            if fork:
                bundle.before = FAN + (0.0 if combine else self._hang(bundle.fork))
            if join:
                bundle.after = max(hang - ROUND, 4.0) if combine else hang + FAN
        bundle.width = bundle.before + max(widths) + bundle.after

    def _into(self, node: int) -> list[int]:
        return [edge.source for edge in self.graph.edges if edge.target == node]

    def _hang(self, node: int) -> float:
        """How far a map's shape reaches to either side of it."""
        shape = self.graph.nodes[node].shape
        return text_width(shape, SMALL) / 2 + 2 if shape else 2.0

    def _extents(self, branch: Chain | Edge) -> tuple[float, float]:
        if isinstance(branch, Chain):
            return branch.up, branch.down
        half = branch.channels * self.scale / 2
        return half, half

    def _stack(self, bundle: Bundle) -> None:
        """The branches' heights over the axis: equals about it, what is beside the main above."""
        join = self.graph.nodes[bundle.join] if bundle.join >= 0 else None
        extents = [self._extents(each) for each in bundle.branches]
        bundle.offsets = [0.0] * len(extents)
        if join is not None and join.kind == "combine":
            main = max(range(len(extents)), key=lambda i: self._weight(bundle.branches[i]))
            bundle.up, bundle.down = extents[main]
            for index, (up, down) in enumerate(extents):
                if index != main:
                    bundle.offsets[index] = bundle.up + GAP + down
                    bundle.up = bundle.offsets[index] + up
            return
        order = sorted(range(len(extents)), key=lambda i: self._rank(bundle, i))
        height = sum(map(sum, extents)) + GAP * (len(extents) - 1)
        top = bundle.up = bundle.down = height / 2
        if len(extents) == 1:
            top, bundle.down = extents[0]
            bundle.up = top
        for index in order:
            up, down = extents[index]
            bundle.offsets[index] = top - up
            top -= up + down + GAP

    def _weight(self, branch: Chain | Edge) -> tuple[bool, int]:
        """The main branch of a sum or product keeps the map's size and does the most."""
        nodes = branch.nodes if isinstance(branch, Chain) else []
        gate = bool(nodes) and any(self.graph.nodes[node].collapsed for node in nodes)
        return not gate, len(nodes)

    def _rank(self, bundle: Bundle, index: int) -> tuple[int, int]:
        """Branches in the order in which the join takes them, else the fork hands them out."""
        branch = bundle.branches[index]
        if isinstance(branch, Edge):
            return branch.slot, branch.part
        nodes = branch.nodes
        slots = [e.slot for e in self.graph.edges if e.source in nodes and e.target == bundle.join]
        return min(slots, default=0), min(nodes)

    def _place_chain(self, chain: Chain, x: float, y: float) -> None:
        for item in chain.items:
            if isinstance(item, Bundle):
                self._place_bundle(item, x, y)
                x += item.width
                continue
            width = self._node_width(item)
            self.places[item] = Place(x, x + width, y, y - chain.half - 2)
            x += width
        for edge in chain.loose:
            self.tracks[edge] += y

    def _place_bundle(self, bundle: Bundle, x: float, y: float) -> None:
        for branch, offset in zip(bundle.branches, bundle.offsets, strict=True):
            if isinstance(branch, Edge):
                self.lanes[branch] = y + offset
            else:
                self._place_chain(branch, x + bundle.before, y + offset)

    # Paths

    def _path(self, edge: Edge) -> Path:
        """From the map that is read to the node that reads it."""
        reader = self.graph.nodes[edge.target]
        start = self._port(edge)
        at = self.places[edge.target]
        if edge in self.tracks:
            return Path(edge, self._over(edge, self.tracks[edge]), 0.0)
        lane = self.lanes[edge]
        if reader.kind == "combine" and lane > at.y + 1:
            return Path(edge, self._into_circle(edge, lane), 0.0)
        points = [start]
        if start[1] != lane:
            hang = self._hang(edge.source) if lane < start[1] + 1 else 0.0
            points += [(start[0] + hang, start[1]), (start[0] + hang + FAN, lane)]
        slot = (at.left, self._slot(edge))
        if lane != slot[1]:
            points += [(max(at.left - FAN, points[-1][0]), lane)]
        points.append(slot)
        return Path(edge, tuple(points), edge.channels * self.scale)

    def _port(self, edge: Edge) -> Point:
        """The middle of the part of the source's map that is read."""
        place, parts = self.places[edge.source], self.graph.nodes[edge.source].parts
        top = place.y + sum(parts) * self.scale / 2
        return place.right, top - (sum(parts[: edge.part]) + parts[edge.part] / 2) * self.scale

    def _slot(self, edge: Edge) -> float:
        """The middle of what the target reads by this edge, on its left side."""
        node, y = self.graph.nodes[edge.target], self.places[edge.target].y
        if node.kind == "combine":
            return y
        before = sum(node.slots[: edge.slot])
        return y + (node.reads / 2 - before - edge.channels / 2) * self.scale

    def _over(self, edge: Edge, track: float) -> tuple[Point, ...]:
        """From the top of the map that is read, along its track, down to the reader."""
        source, target = self.places[edge.source], self.places[edge.target]
        node = self.graph.nodes[edge.target]
        x = source.right + 3.0
        top = source.y + self.graph.nodes[edge.source].makes * self.scale / 2 - 1
        if node.kind == "combine":
            end = ((target.left + target.right) / 2, target.y + ROUND)
        else:
            end = (target.left + 4.0 + 5.0 * edge.slot, target.y + node.reads * self.scale / 2)
        return ((x, min(top, track)), (x, track), (end[0], track), end)

    def _into_circle(self, edge: Edge, lane: float) -> tuple[Point, ...]:
        """Along its lane, then down into a sum or product."""
        at, start = self.places[edge.target], self._port(edge)
        middle = (at.left + at.right) / 2
        return (start, (middle, lane), (middle, at.y + ROUND))


# Bands


class Band(NamedTuple):
    """A piece of a strip, from one x to another, and how far it reaches up and down."""

    start: float
    stop: float
    low: float
    high: float


def folded(strip: Strip, room: float) -> list[Band]:
    """A strip in as few pieces as `room` allows, cut where the least crosses."""
    stops = [place.right for place in strip.places] + [place.left for place in strip.places]
    blocked = [(place.left, place.right) for place in strip.places]
    blocked += [bend for path in strip.paths for bend in _bends(path)]
    free = sorted(
        {x for x in stops if not any(a + 0.01 < x < b - 0.01 for a, b in blocked)}
        | {0.0, strip.width}
    )
    best: dict[float, tuple[tuple[float, ...], list[float]]] = {0.0: ((0, 0, 0.0), [0.0])}
    for x in free[1:]:
        tries = []
        for before in free:
            if before not in best or not 0 < x - before:
                continue
            if x - before > room and before != max(each for each in free if each < x):
                continue
            count, crossing, wide = best[before][0]
            cost = (count + 1, crossing + _crossings(strip, x), max(wide, x - before))
            tries.append((cost, [*best[before][1], x]))
        best[x] = min(tries)
    cuts = best[strip.width][1]
    return [_band(strip, a, b) for a, b in zip(cuts, cuts[1:], strict=False)]


def _bends(path: Path) -> list[tuple[float, float]]:
    pairs = zip(path.points, path.points[1:], strict=False)
    return [(a[0], b[0]) for a, b in pairs if a[1] != b[1] and a[0] != b[0]]


def _crossings(strip: Strip, x: float) -> int:
    return sum(path.points[0][0] < x < path.points[-1][0] for path in strip.paths)


def clipped(path: Path, band: Band) -> tuple[Point, ...]:
    """The points of a path that lie in a band; where it is cut it runs level."""
    start, stop = max(path.points[0][0], band.start), min(path.points[-1][0], band.stop)
    if start >= stop:
        return ()
    inner = [point for point in path.points if start <= point[0] <= stop]
    before = [point for point in path.points if point[0] < start]
    after = [point for point in path.points if point[0] > stop]
    head = [(start, before[-1][1])] if before else []
    tail = [(stop, after[0][1])] if after else []
    return (*head, *inner, *tail)


def _band(strip: Strip, start: float, stop: float) -> Band:
    band = Band(start, stop, 0.0, 0.0)
    lows, highs = [0.0], [0.0]
    for node, place in zip(strip.graph.nodes, strip.places, strict=True):
        if start <= place.left and place.right <= stop or place.right == start:
            half = max(node.reads, node.makes) * strip.scale / 2
            words = SHAPE + text_height("\n".join(node.lines), SMALL) * bool(node.lines)
            lows.append(min(place.y - half, place.words - words))
            highs.append(place.y + max(half, ROUND))
    for path in strip.paths:
        for _, y in clipped(path, band):
            lows.append(y - path.thickness / 2)
            highs.append(y + path.thickness / 2)
    return band._replace(low=min(lows), high=max(highs))


def held(strip: Strip, band: Band) -> list[int]:
    """The nodes that stand in a band."""
    return [
        number
        for number, place in enumerate(strip.places)
        if band.start <= place.left and place.right <= band.stop
    ]

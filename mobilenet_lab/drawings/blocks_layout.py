"""Where the steps of a block stand: on one strip, in points, time from left to right."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from mobilenet_lab.drawings.blocks_steps import Edge, Graph
from mobilenet_lab.drawings.blocks_structure import Bundle, Chain, structure
from mobilenet_lab.drawings.canvas import LINE, SMALL, text_height, text_width

FAN = 20.0
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

    @property
    def is_loose(self) -> bool:
        """Whether it runs on a track over everything between its ends."""
        return not self.thickness and len(self.points) == 4


class Place(NamedTuple):
    """Where a node stands: its map is at `right`."""

    left: float
    right: float
    y: float
    words: float
    """Where what is written under it begins: that of its whole chain."""
    hang: float
    """How far its shape reaches to the right of its map."""


class Strip(NamedTuple):
    """A whole block, laid out."""

    graph: Graph
    scale: float
    """Points a channel."""
    places: tuple[Place, ...]
    paths: tuple[Path, ...]
    width: float


class Layout:
    """Measures a structure and places it, at a scale and with so much room added to columns."""

    def __init__(self, graph: Graph, scale: float, extra: float = 0.0) -> None:
        self.graph, self.scale, self.extra = graph, scale, extra
        self.fan = FAN + extra / 2
        self.places: dict[int, Place] = {}
        self.lanes: dict[Edge, float] = {}
        self.tracks: dict[Edge, float] = {}
        self.whole = structure(graph)
        self.ends = set(self._ends(self.whole))
        self._measure_bundle(self.whole, False, False)
        self._place_bundle(self.whole, 0.0, 0.0)

    def strip(self) -> Strip:
        count = len(self.graph.nodes)
        return Strip(
            self.graph,
            self.scale,
            tuple(self.places[node] for node in range(count)),
            tuple(map(self._path, self.graph.edges)),
            max(place.right for place in self.places.values()),
        )

    def _node_width(self, node: int) -> float:
        it = self.graph.nodes[node]
        words = text_width("\n".join(it.lines), SMALL) if it.lines else 0.0
        shape = text_width(it.shape, SMALL) if it.shape else 0.0
        if it.kind == "outside":
            return max(words, shape / 2)
        before = max(
            (self._hang(e.source) for e in self.graph.edges if e.target == node), default=0.0
        )
        least = {"combine": 3 * ROUND, "wire": 16.0}.get(it.kind, 34.0)
        wide = max(words + 7, before + shape - self._hang(node) + 5 if shape else 0.0, least)
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
            chain.up += GAP + (len(used) - 1) * TRACK + TRACK / 2

    def _measure_bundle(self, bundle: Bundle, fork: bool, join: bool) -> None:
        """`fork` and `join`: whether its ends are its chain's own, so that bends have room here."""
        for branch in bundle.branches:
            if isinstance(branch, Chain):
                self._measure_chain(branch)
        if not bundle.branches:
            bundle.width = self.fan
            return
        widths = [each.width if isinstance(each, Chain) else 0.0 for each in bundle.branches]
        self._stack(bundle)
        if len(bundle.branches) > 1:
            combine = bundle.join >= 0 and self.graph.nodes[bundle.join].kind == "combine"
            if fork:
                hang = self._hang(bundle.fork)
                bundle.before = max(self.fan, hang + 4) if combine else self.fan + hang
            if join:
                bundle.after = 0.0 if combine else 4.0 + self.fan
        elif bundle.nodes:  # a chain in a chain: their words are not in one row
            bundle.before = self._hang(bundle.fork) + 4 if fork else 0.0
            bundle.after = max(map(self._hang, bundle.nodes)) + 4 if join else 0.0
        bundle.width = bundle.before + max(widths) + bundle.after

    def _ends(self, bundle: Bundle) -> Iterator[int]:
        """The nodes after which branches bend to their join: their shapes must not reach there."""
        nodes = bundle.nodes
        if len(bundle.branches) > 1:
            for edge in self.graph.edges:
                if edge.target == bundle.join and edge.source in nodes:
                    yield edge.source
        for branch in bundle.branches:
            if isinstance(branch, Chain):
                for item in branch.items:
                    if isinstance(item, Bundle):
                        yield from self._ends(item)

    def _hang(self, node: int) -> float:
        """How far a map's shape reaches to the right of it."""
        shape = self.graph.nodes[node].shape
        return text_width(shape, SMALL) / 2 if shape and node not in self.ends else 0.0

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
            main = max(range(len(extents)), key=lambda i: self._weight(bundle, i))
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

    def _weight(self, bundle: Bundle, index: int) -> tuple[bool, int]:
        """The main branch of a sum or product has the result's size and does the most."""
        branch = bundle.branches[index]
        nodes = branch.nodes if isinstance(branch, Chain) else []
        last = max(nodes, default=bundle.fork)
        size = self.graph.nodes[bundle.join].positions
        return self.graph.nodes[last].positions >= size, len(nodes)

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
            self.places[item] = Place(
                round(x, 2), round(x + width, 2), y, y - chain.half - 2, self._hang(item)
            )
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
        path = self._exactly(edge)
        return path._replace(points=tuple((round(x, 2), y) for x, y in path.points))

    def _exactly(self, edge: Edge) -> Path:
        reader = self.graph.nodes[edge.target]
        start = self._port(edge)
        at = self.places[edge.target]
        if edge in self.tracks:
            return Path(edge, self._over(edge, self.tracks[edge]), 0.0)
        lane = self.lanes[edge]
        if reader.kind == "combine" and lane > at.y + 1:
            level = start[1] == lane
            points = self._into_circle(edge, lane) if level else self._over(edge, lane)
            return Path(edge, points, 0.0)
        ribbon = [start]
        if start[1] != lane:
            hang = self._hang(edge.source) if lane < start[1] + 1 else 0.0
            ribbon += [(start[0] + hang, start[1]), (start[0] + hang + self.fan, lane)]
        slot = (at.left, self._slot(edge))
        if lane != slot[1]:
            ribbon += [(max(at.left - self.fan, ribbon[-1][0]), lane)]
        ribbon.append(slot)
        return Path(edge, tuple(ribbon), edge.channels * self.scale)

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

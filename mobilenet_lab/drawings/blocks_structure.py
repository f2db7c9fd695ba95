"""The structure of a block: chains of nodes, and bundles of what runs side by side.

A block is a chain of nodes and bundles; a bundle is what runs between two nodes, branches that are
chains again. Cut nodes, through which every path leads, make the chain. An edge that would hide the
chain (a residual's skip) is loose: it runs over it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mobilenet_lab.drawings.blocks_steps import Edge, Graph

START, END = -1, -2
"""Nodes before and after all others."""


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
    spare = None if cuts else _spare(fork, join, edges)
    if spare:
        loose.append(spare)
        kept = [edge for edge in edges if edge is not spare]
        return Chain([_bundle(fork, join, nodes, kept, loose)])
    if not cuts:  # every node in line, what leads past the next is loose
        cuts = list(nodes)
        order = [fork, *cuts, join]
        neighbours = set(pairwise(order))
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


def _spare(fork: int, join: int, edges: Sequence[Edge]) -> Edge | None:
    """The longest edge without which its source is still read and its target still reads."""
    sources, targets = Counter(e.source for e in edges), Counter(e.target for e in edges)
    spare = [
        edge
        for edge in edges
        if sources[edge.source] > 1 < targets[edge.target]
        and not {edge.source, edge.target} & {fork, join}
    ]
    return max(spare, key=lambda edge: edge.target - edge.source, default=None)


def _attach(bundle: Bundle, edge: Edge) -> None:
    """Gives a loose edge to the innermost chain that holds both its ends."""
    for branch in bundle.branches:
        if isinstance(branch, Chain) and {edge.source, edge.target} <= set(branch.nodes):
            for item in branch.items:
                if isinstance(item, Bundle) and {edge.source, edge.target} <= set(item.nodes):
                    return _attach(item, edge)
            branch.loose.append(edge)
            return None
    bundle.branches = [Chain([Bundle(bundle.fork, bundle.join, bundle.branches)], [edge])]
    return None

"""Lineage: what an artifact was made from, and what was made from it, read from the manifests."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable

from modelwright.store.artifact import Artifact
from modelwright.store.artifacts import Artifacts
from modelwright.store.catalog.records import Edge, Lineage, Node

ANNOTATIONS = "annotations"


class LineageGraph:
    """Answers from the artifacts' own manifests: it cannot disagree with them, and needs no upkeep.

    Parameters
    ----------
    count
        How many annotations there were at a given head of their log; the inputs named ``annotations`` are such heads.
    """

    def __init__(self, artifacts: Artifacts, count: Callable[[str], int]) -> None:
        self._artifacts = artifacts
        self._count = count

    def of(self, digest: str) -> Lineage:
        """Return everything upstream and downstream of an artifact.

        Parameters
        ----------
        digest
            Its digest, or the unique beginning of it.

        Raises
        ------
        InputError
            If there is no such artifact.
        """
        root = self._artifacts.open(digest)
        known = {each.digest: each for kind in self._artifacts.kinds() for each in self._artifacts.list(kind)}
        known[root.digest] = root
        edges = [Edge(source, made.digest, name) for made in known.values() for name, source in _sources(made).items()]
        made_from, made_into = defaultdict(list), defaultdict(list)
        for edge in edges:
            made_from[edge.made].append(edge.source)
            made_into[edge.source].append(edge.made)
        up, down = _reached(root.digest, made_from), _reached(root.digest, made_into)
        kept = [edge for edge in edges if {edge.source, edge.made} <= up or {edge.source, edge.made} <= down]
        names = {edge.source: edge.name for edge in kept}
        nodes = [self._node(each, known.get(each), names.get(each, "")) for each in up | down]
        nodes.sort(key=lambda node: (node.created or 0, node.kind, node.id))
        return Lineage(root.digest, tuple(nodes), tuple(sorted(kept, key=lambda e: (e.made, e.name, e.source))))

    def _node(self, digest: str, artifact: Artifact | None, name: str) -> Node:
        if artifact is not None:
            created = artifact.observed.get("created")
            return Node(digest, artifact.kind, created if isinstance(created, int) else None, artifact.meta)
        return Node(digest, name, None, {"count": self._count(digest)} if name == ANNOTATIONS else {})


def _sources(made: Artifact) -> dict[str, str]:
    """Return name → digest of what an artifact was made from, and of the dataset whose splits it kept."""
    parent = made.observed.get("parent")
    return {**made.inputs, "parent": parent} if isinstance(parent, str) else made.inputs


def _reached(start: str, neighbours: dict[str, list[str]]) -> set[str]:
    found, waiting = {start}, deque([start])
    while waiting:
        for each in neighbours.get(waiting.popleft(), ()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found

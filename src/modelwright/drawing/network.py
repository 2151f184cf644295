"""A directed graph in layers from left to right: lineage, from sources to a deployment.

Layers are longest paths from a source (Sugiyama, Tagawa and Toda 1981); nodes of a layer are ordered by the mean place
of their neighbours, a few sweeps back and forth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from modelwright.drawing.axes import colour, coordinate, empty, label, shorten, svg, text_width
from modelwright.drawing.page import Element, h

_HEIGHT = 44
_GAP = 18
_CORRIDOR = 56
_MOST_NODES = 400


def graph(
    nodes: Sequence[Mapping[str, Any]],
    edges: Sequence[Sequence[str]],
    *,
    title: str = "",
    highlight: str | None = None,
) -> Element:
    """Draw a graph in layers.

    Parameters
    ----------
    nodes
        ``{"id": …}`` and, where known, ``"kind"`` (colours it, written small), ``"label"`` (written large; the id
        otherwise), ``"note"`` (added to the tooltip).
    edges
        ``(from, to)`` or ``(from, to, words)``; those whose ends are not among the nodes are left out. Circles are
        drawn, with one edge going backwards.
    highlight
        The id of the node to frame.
    """
    drawn = {str(node["id"]): node for node in nodes[:_MOST_NODES]}
    if not drawn:
        return empty(title)
    links = [(str(e[0]), str(e[1]), str(e[2]) if len(e) > 2 else "") for e in edges]
    links = [link for link in dict.fromkeys(links) if link[0] in drawn and link[1] in drawn and link[0] != link[1]]
    layers, routes = _routed(_layers(list(drawn), links), links)
    steps = [(a, b, "") for route in routes for a, b in pairwise(route)]
    layers = _ordered(layers, steps)
    kinds = {kind: index for index, kind in enumerate(dict.fromkeys(str(n.get("kind", "")) for n in drawn.values()))}
    widths = [max(_node_width(drawn[name]) for name in layer if name in drawn) for layer in layers]
    tallest = max(len(layer) for layer in layers)
    height = tallest * (_HEIGHT + _GAP) - _GAP + 16
    places: dict[str, tuple[float, float, float]] = {}
    x = 8.0
    for layer, width in zip(layers, widths, strict=True):
        top = 8 + (height - 16 - (len(layer) * (_HEIGHT + _GAP) - _GAP)) / 2
        for index, name in enumerate(layer):
            places[name] = (x, top + index * (_HEIGHT + _GAP), width)
        x += width + _CORRIDOR
    total = x - _CORRIDOR + 8
    parts: list[Element] = []
    for (a, b, words), route in zip(links, routes, strict=True):
        tip = f"{_words(drawn[a])} → {_words(drawn[b])}" + (f": {words}" if words else "")
        parts.append(_edge([places[name] for name in route], tip))
    for name, node in drawn.items():
        parts.append(_node(node, places[name], colour(kinds[str(node.get("kind", ""))]), framed=name == highlight))
    if len(nodes) > _MOST_NODES:
        parts.append(label(f"and {len(nodes) - _MOST_NODES:,} more", 8, height + 12))
        height += 20
    return svg(total, height, title or f"Graph of {len(nodes)} nodes", parts)


def _layers(names: list[str], links: Sequence[tuple[str, str, str]]) -> list[list[str]]:
    """Give each node the length of the longest path to it; edges that close a circle are left out of the count."""
    following: dict[str, list[str]] = {name: [] for name in names}
    for a, b, _ in links:
        following[a].append(b)
    order: list[str] = []
    state: dict[str, int] = {}
    back: set[tuple[str, str]] = set()
    for root in names:
        stack = [(root, iter(following[root]))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            name, rest = stack[-1]
            child = next(rest, None)
            if child is None:
                state[name] = 2
                order.append(name)
                stack.pop()
            elif child not in state:
                state[child] = 1
                stack.append((child, iter(following[child])))
            elif state[child] == 1:
                back.add((name, child))
    depth = dict.fromkeys(names, 0)
    for name in reversed(order):
        for child in following[name]:
            if (name, child) not in back:
                depth[child] = max(depth[child], depth[name] + 1)
    # A source is drawn next to what first uses it, not at the far left of a long chain.
    incoming = {b for a, b, _ in links if (a, b) not in back}
    for name in names:
        children = [depth[child] for child in following[name] if (name, child) not in back]
        if name not in incoming and children:
            depth[name] = min(children) - 1
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    return [layer for layer in layers if layer]


def _routed(layers: list[list[str]], links: Sequence[tuple[str, str, str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Give an edge that passes over layers an empty place in each of them, so that it runs around nodes, not behind.

    Returns the layers with these places, and for each link the names along its way.
    """
    depth = {name: index for index, layer in enumerate(layers) for name in layer}
    filled = [list(layer) for layer in layers]
    routes = []
    for number, (a, b, _) in enumerate(links):
        between = [f"\0{number}:{layer}" for layer in range(depth[a] + 1, depth[b])]
        for name, layer in zip(between, range(depth[a] + 1, depth[b]), strict=True):
            filled[layer].append(name)
        routes.append([a, *between, b])
    return filled, routes


def _ordered(layers: list[list[str]], links: Sequence[tuple[str, str, str]]) -> list[list[str]]:
    """Order each layer by the mean place of its neighbours, four sweeps."""
    neighbours: dict[str, list[str]] = {name: [] for layer in layers for name in layer}
    for a, b, _ in links:
        neighbours[a].append(b)
        neighbours[b].append(a)
    place = {name: float(index) - len(layer) / 2 for layer in layers for index, name in enumerate(layer)}
    for sweep in range(4):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            weight = {
                name: sum(place[n] for n in neighbours[name]) / len(neighbours[name])
                if neighbours[name]
                else place[name]
                for name in layer
            }
            layer.sort(key=lambda name: (weight[name], name))
            for index, name in enumerate(layer):
                place[name] = float(index) - len(layer) / 2
    return layers


def _words(node: Mapping[str, Any]) -> str:
    return str(node.get("label") or node["id"])


def _node_width(node: Mapping[str, Any]) -> float:
    return max(92.0, min(190.0, max(text_width(_words(node)), text_width(str(node.get("kind", "")), 10)) + 28))


def _node(node: Mapping[str, Any], place: tuple[float, float, float], fill: str, *, framed: bool) -> Element:
    x, y, width = place
    kind, words = str(node.get("kind", "")), _words(node)
    tip = "\n".join(
        part
        for part in (kind, words, str(node["id"]) if str(node["id"]) != words else "", str(node.get("note") or ""))
        if part
    )
    box = h(
        "rect",
        x=coordinate(x),
        y=coordinate(y),
        width=coordinate(width),
        height=_HEIGHT,
        rx=8,
        fill="var(--paper,#fff)",
        stroke=fill if framed else "var(--soft,#5d646f)",
        stroke_width=2.5 if framed else 1,
        stroke_opacity=None if framed else "0.5",
    )
    tab = h("rect", x=coordinate(x + 7), y=coordinate(y + 8), width=4, height=_HEIGHT - 16, rx=2, fill=fill)
    return h(
        "g",
        h("title", tip),
        box,
        tab,
        label(kind, x + 18, y + 17, size=10, room=width - 28),
        h("text", shorten(words, width - 28), x=coordinate(x + 18), y=coordinate(y + 33), fill="currentColor"),
    )


_REACH = 200.0
"""How far a curve runs straight at most: one that goes back a long way would leave the picture."""


def _edge(route: Sequence[tuple[float, float, float]], tip: str) -> Element:
    """Draw a curve from the right of the first place to the left of the last, straight through those between."""
    middle = _HEIGHT / 2
    curve = ""
    for (x1, y1, width), (x2, y2, across) in pairwise(route):
        x1, y1, y2 = x1 + width, y1 + middle, y2 + middle
        reach = max(24.0, min(abs(x2 - x1) / 2, _REACH))
        if not curve:
            curve = "M{},{}".format(*map(coordinate, (x1, y1)))
        curve += "C{},{} {},{} {},{}".format(*map(coordinate, (x1 + reach, y1, x2 - reach, y2, x2, y2)))
        curve += f"H{coordinate(x2 + across)}" if (x2, y2 - middle) != route[-1][:2] else ""
    x, y = route[-1][0], route[-1][1] + middle
    head = "M{},{}L{},{}L{},{}Z".format(*map(coordinate, (x - 7, y - 4, x, y, x - 7, y + 4)))
    ink = "var(--soft,#5d646f)"
    return h(
        "g",
        h("title", tip),
        h("path", d=curve, fill="none", stroke=ink, stroke_width=1.5, stroke_opacity="0.7"),
        h("path", d=head, fill=ink),
    )

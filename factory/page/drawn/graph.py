"""The graph of what came from what: a column for each layer, origins at the left, an arrow for each use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from markupsafe import Markup

from factory.looking.lineage import Edge, Graph, Node
from factory.page.words import compact
from schemas.charts.svg import element, text
from schemas.visible import visible

BOX, TALL = 158.0, 46.0  # pixels of a node
ACROSS, DOWN = 44.0, 14.0  # between nodes
EDGE = 10.0
ON_A_SCREEN = 12  # nodes of a column
NAME_CHARS = 21
SERIES = {"dataset": 1, "checkpoint": 3, "file": 0, "model": 4}

Place = tuple[float, float]


def graph_svg(graph: Graph, href: Callable[[Node], str | None]) -> Markup:
    """`href`: where a node leads; None: nowhere."""
    nodes = {node.id: node for node in graph.nodes}
    places = _places(graph)
    wide = EDGE * 2 + len(graph.layers) * (BOX + ACROSS) - ACROSS
    tall = EDGE * 2 + max((len(layer) for layer in graph.layers), default=0) * (TALL + DOWN) - DOWN
    edges = [_edge(edge, places) for edge in graph.edges if edge.source in places and edge.to in places]
    boxes = [_node(nodes[id_], places[id_], id_ == graph.focus, href(nodes[id_])) for id_ in places]
    alt = f"A graph of {len(nodes)} things and {len(graph.edges)} uses. The table below has them all."
    return Markup(
        element(
            "svg",
            [_arrow(), *edges, *boxes],
            class_="graph",
            viewBox=f"0 0 {wide:g} {tall:g}",
            width=wide,
            height=tall,
            role="group",
            aria_label=visible(alt),
        )
    )


def _places(graph: Graph) -> dict[str, Place]:
    """The upper left corner of each node. In a layer a node stands about as high as what it was made from.

    A short layer is in the middle of a screen, not of one that is many screens tall: the origins are seen first.
    """
    sources: dict[str, list[str]] = {}
    for edge in graph.edges:
        sources.setdefault(edge.to, []).append(edge.source)
    most = max((len(layer) for layer in graph.layers), default=0)
    places: dict[str, Place] = {}
    for column, layer in enumerate(graph.layers):
        top = EDGE + max(0, min(most, ON_A_SCREEN) - len(layer)) * (TALL + DOWN) / 2
        for row, id_ in enumerate(_by_sources(layer, sources, places)):
            places[id_] = (EDGE + column * (BOX + ACROSS), top + row * (TALL + DOWN))
    return places


def _by_sources(layer: Sequence[str], sources: Mapping[str, list[str]], places: Mapping[str, Place]) -> list[str]:
    def middle(id_: str) -> float:
        heights = [places[source][1] for source in sources.get(id_, []) if source in places]
        return sum(heights) / len(heights) if heights else 0.0

    return sorted(layer, key=middle)


def _edge(edge: Edge, places: Mapping[str, Place]) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.to]
    x1, y1, x2, y2 = x1 + BOX, y1 + TALL / 2, x2 - 3, y2 + TALL / 2
    bend = max(ACROSS / 2, (x2 - x1) / 3)
    way = f"M{x1:.0f} {y1:.0f} C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return element(
        "path", [element("title", [escape(visible(edge.role))])], class_="edge", d=way, marker_end="url(#arrow)"
    )


def _node(node: Node, place: Place, is_here: bool, href: str | None) -> str:
    look = " ".join(["node", *(["here"] if is_here else []), *(["gone"] if node.is_missing else [])])
    parts = [*_box(node), element("title", [escape(visible(f"{node.name}: {_what(node)}"))])]
    inside = [element("a", parts, href=href)] if href else parts
    return element("g", inside, class_=look, transform=f"translate({place[0]:g} {place[1]:g})")


def _box(node: Node) -> Iterator[str]:
    yield element("rect", class_="box", width=BOX, height=TALL, rx=6)
    yield element("rect", class_=f"s{SERIES[node.kind]}", x=0, y=8, width=3, height=TALL - 16, rx=1.5)
    yield text(_short(node.name), x=13, y=20)
    yield text(_what(node), x=13, y=35, class_="small")


def _what(node: Node) -> str:
    if node.is_missing:
        return f"{node.what or node.kind}, not here"
    rows = f", {compact(node.rows)} rows" if node.rows is not None else ""
    return f"{node.what or node.kind}{rows}"


def _short(name: str) -> str:
    """The end of a path says more than its beginning."""
    if len(name) <= NAME_CHARS:
        return name
    return f"…{name[-(NAME_CHARS - 1) :]}" if "/" in name else f"{name[: NAME_CHARS - 1]}…"


def _arrow() -> str:
    tip = element("path", class_="edge", d="M1 1 L6 4 L1 7")
    marker = element(
        "marker",
        [tip],
        id="arrow",
        viewBox="0 0 8 8",
        refX="6",
        refY="4",
        markerWidth="7",
        markerHeight="7",
        orient="auto",
    )
    return element("defs", [marker])

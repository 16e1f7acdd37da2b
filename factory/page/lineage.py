"""The page of what came from what."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec

from factory.looking.lineage import Graph, Node
from factory.page.drawn.graph import graph_svg
from factory.page.frame import Frame, render_page
from factory.page.links import Links

MANY = 4  # files


class NodeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A node as a line of the table. `page`: where it is looked at; `around`: the graph with it in the middle."""

    node: Node
    page: str | None
    around: str
    made_from: list[tuple[str, str]]  # role and name


def lineage_page(frame: Frame, graph: Graph, asked: str | None) -> str:
    graph = with_bundles(graph)
    names = {node.id: node.name for node in graph.nodes}
    order = {id_: (column, row) for column, layer in enumerate(graph.layers) for row, id_ in enumerate(layer)}
    lines = [
        NodeLine(
            node=node,
            page=_page(node, frame.links),
            around=_around(node),
            made_from=[
                (edge.role, names[edge.source]) for edge in graph.edges if edge.to == node.id and edge.source in names
            ],
        )
        for node in sorted(graph.nodes, key=lambda node: order.get(node.id, (len(order), 0)))
    ]
    return render_page(
        "lineage.html",
        frame,
        "Lineage",
        f"Lineage of {asked}" if asked else "Lineage",
        graph=graph,
        asked=asked,
        svg=graph_svg(graph, lambda node: None if node.is_missing else _around(node)),
        lines=lines,
    )


def with_bundles(graph: Graph) -> Graph:
    """Files that went into the same things become one node, where they are many: a build reads dozens of them."""
    goes: dict[str, list[tuple[str, str]]] = {}
    for edge in graph.edges:
        goes.setdefault(edge.source, []).append((edge.to, edge.role))
    alike: dict[tuple[tuple[str, str], ...], list[Node]] = {}
    for node in graph.nodes:
        if node.kind == "file" and node.id in goes and node.id != graph.focus:
            alike.setdefault(tuple(sorted(goes[node.id])), []).append(node)
    bundles = [nodes for nodes in alike.values() if len(nodes) >= MANY]
    first = {nodes[0].id: msgspec.structs.replace(nodes[0], name=_bundle_name(nodes)) for nodes in bundles}
    gone = {node.id for nodes in bundles for node in nodes[1:]}
    return msgspec.structs.replace(
        graph,
        nodes=[first.get(node.id, node) for node in graph.nodes if node.id not in gone],
        edges=[edge for edge in graph.edges if edge.source not in gone],
        layers=[[id_ for id_ in layer if id_ not in gone] for layer in graph.layers],
    )


def _bundle_name(nodes: list[Node]) -> str:
    return f"{len(nodes)} sources: {nodes[0].name}, …"


def _around(node: Node) -> str:
    return f"/lineage?{urlencode([('of', node.id)])}"


def _page(node: Node, links: Links) -> str | None:
    """Datasets and trainings of the workspace have pages of their own."""
    if node.is_missing or node.where is None:
        return None
    if node.kind == "dataset":
        return links.version(node.name)
    return (
        f"/training/{quote(node.where)}" if node.kind == "checkpoint" and node.what in ("sft", "dpo", "rlvr") else None
    )

"""The graph of what came from what: prompts, traces, checkpoint, pairs, checkpoint.

Read from the manifests and from what trainer and merger leave beside a checkpoint. What is named and not there is a
node that says so.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from factory.looking.library import Library
from factory.looking.origins import Checkpoint, Made, Origins, read_origins
from factory.sampling.replay import ENGINE as REPLAY
from schemas.errors import DataError, NotFoundError
from schemas.manifest import InputRef, ModelRef

NodeKind = Literal["dataset", "checkpoint", "file", "model"]
MOST = 200
_HASH = re.compile("[0-9a-f]{64}")


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """`id`: "dataset:SHA256", "checkpoint:REVISION", "file:SHA256", "model:NAME@REVISION" (one that is served, or
    whose folder is not known). `name`: "pairs@v3", "ckpt/sft". `what`: the kind of a dataset, "sft", "dpo", "merge".
    `where`: below the workspace, to link to; None where it is missing or outside."""

    id: str
    kind: NodeKind
    name: str
    what: str
    where: str | None
    is_missing: bool = False
    rows: int | None = None
    created_at: str | None = None


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """`to` was made from `source`. `role`: "data", "policy", "judge", "model", "reference", "held-out", "parent"."""

    source: str
    to: str
    role: str


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """`focus`: the node that was asked for. `layers`: its nodes by the longest way from what has no origin, so that
    every edge goes to a later layer. `is_cut`: it is larger, and what is farthest was left out. `problems`: what could
    not be read."""

    nodes: list[Node]
    edges: list[Edge]
    focus: str | None
    layers: list[list[str]]
    is_cut: bool
    problems: list[str] = []


def lineage(library: Library, focus: str | None = None, *, most: int = MOST) -> Graph:
    """Ancestors and descendants of `focus` ("pairs@v3", "ckpt/sft", or a node's id); of the whole workspace without.

    Raises:
        NotFoundError: no such version or checkpoint.
    """
    origins = read_origins(library)
    whole = _Whole(origins)
    middle = None if focus is None else _find(library, whole, origins, focus)
    wanted = whole.newest() if middle is None else whole.around(middle)
    kept = set(wanted[:most])
    edges = [edge for edge in whole.edges.values() if edge.source in kept and edge.to in kept]
    return Graph(
        nodes=[node for name, node in whole.nodes.items() if name in kept],
        edges=edges,
        focus=middle,
        layers=to_layers([name for name in whole.nodes if name in kept], edges),
        is_cut=len(wanted) > len(kept),
        problems=origins.problems,
    )


class _Whole:
    """All of the workspace."""

    def __init__(self, origins: Origins) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str, str], Edge] = {}
        numbered = {(one.dataset, one.version): one for one in origins.versions}
        for made in origins.versions:
            self._add(_of_version(made))
        for checkpoint in origins.checkpoints:
            self._add(_of_checkpoint(checkpoint))
        for made in origins.versions:
            self._add_origins(made, numbered)
        for checkpoint in origins.checkpoints:
            self._add_training(checkpoint)

    def newest(self) -> list[str]:
        """All nodes: datasets from the newest on, then the rest."""
        return sorted(self.nodes, key=lambda name: self.nodes[name].created_at or "", reverse=True)

    def around(self, middle: str) -> list[str]:
        """Ancestors and descendants, the nearest first."""
        up: dict[str, list[str]] = {}
        down: dict[str, list[str]] = {}
        for edge in self.edges.values():
            up.setdefault(edge.to, []).append(edge.source)
            down.setdefault(edge.source, []).append(edge.to)
        far = _distances(middle, up) | _distances(middle, down)
        return sorted(far, key=lambda name: (far[name], name))

    def _add(self, node: Node) -> str:
        """The first one of an id stays: what is there comes before what is only named."""
        return self.nodes.setdefault(node.id, node).id

    def _join(self, source: str, to: str, role: str) -> None:
        if source != to:
            self.edges[source, to, role] = Edge(source=source, to=to, role=role)

    def _add_origins(self, made: Made, numbered: Mapping[tuple[str, int], Made]) -> None:
        to = f"dataset:{made.sha256}"
        for ref in made.inputs:
            self._join(self._add(_of_input(ref)), to, "data")
        for model in made.models:
            self._join(self._recorded(model) or self._add(_of_model(model)), to, model.role)
        before = numbered.get((made.dataset, made.parent or 0))
        if before is not None:
            self._join(f"dataset:{before.sha256}", to, "parent")

    def _recorded(self, model: ModelRef) -> str | None:
        """The version of this workspace whose answers were replayed."""
        version = f"dataset:{model.revision}"
        return version if model.engine == REPLAY and version in self.nodes else None

    def _add_training(self, checkpoint: Checkpoint) -> None:
        to = _of_checkpoint(checkpoint).id
        for role, sources in (("data", checkpoint.data), ("held-out", checkpoint.held_out)):
            for source in sources:
                self._join(self._add(_missing_version(source.name, source.sha256)), to, role)
        for role, revision, path in checkpoint.parents:
            self._join(self._add(_missing_checkpoint(revision, path)), to, role)


def to_layers(nodes: Iterable[str], edges: Iterable[Edge]) -> list[list[str]]:
    """Each node one layer behind its latest origin. Nodes of a circle, which no honest record makes, come last."""
    waits = dict.fromkeys(nodes, 0)
    made: dict[str, list[str]] = {}
    for edge in edges:
        waits[edge.to] += 1
        made.setdefault(edge.source, []).append(edge.to)
    layers, ready = [], [name for name, count in waits.items() if not count]
    while ready:
        layers.append(ready)
        for name in ready:
            del waits[name]
        for name in (to for done in ready for to in made.get(done, ())):
            waits[name] -= 1
        ready = [name for name in waits if not waits[name]]
    return [*layers, [*waits]] if waits else layers


def _distances(middle: str, ways: Mapping[str, list[str]]) -> dict[str, int]:
    far = {middle: 0}
    queue = deque([middle])
    while queue:
        name = queue.popleft()
        for other in ways.get(name, ()):
            if other not in far:
                far[other] = far[name] + 1
                queue.append(other)
    return far


def _find(library: Library, whole: _Whole, origins: Origins, focus: str) -> str:
    if focus in whole.nodes:
        return focus
    here = next((_of_checkpoint(one).id for one in origins.checkpoints if one.where == focus), None)
    if here is not None:
        return here
    try:
        name = f"dataset:{library.version(focus).manifest.sha256}"
    except DataError as err:
        raise NotFoundError(f"{focus!r}: neither a version nor a checkpoint of this workspace ({err})") from err
    if name not in whole.nodes:
        raise NotFoundError(f"{focus!r}: its dataset cannot be read whole; see `factory datasets verify`")
    return name


def _of_version(made: Made) -> Node:
    return Node(
        id=f"dataset:{made.sha256}",
        kind="dataset",
        name=made.where,
        what=made.kind,
        where=made.where,
        rows=made.rows,
        created_at=made.created_at,
    )


def _of_checkpoint(found: Checkpoint) -> Node:
    """By its folder, as long as its revision is not known."""
    name = found.revision or f"path/{found.where}"
    return Node(id=f"checkpoint:{name}", kind="checkpoint", name=found.where, what=found.what, where=found.where)


def _of_input(ref: InputRef) -> Node:
    if ref.version is not None:
        return _missing_version(f"{ref.name}@v{ref.version}", ref.sha256)
    return Node(id=f"file:{ref.sha256}", kind="file", name=ref.name, what="source", where=None)


def _of_model(model: ModelRef) -> Node:
    """A revision that is a hash is that of a checkpoint's files; a policy that learns says its version behind it.

    That of a recording is the hash of its file, or of the version's manifest.
    """
    if model.engine == REPLAY:
        return Node(id=f"file:{model.revision}", kind="file", name=model.model, what="recording", where=None)
    revision = model.revision.partition("+")[0]
    if _HASH.fullmatch(revision):
        return _missing_checkpoint(revision, model.model)
    return Node(id=f"model:{model.model}@{revision}", kind="model", name=model.model, what=model.engine, where=None)


def _missing_version(name: str, sha256: str) -> Node:
    return Node(id=f"dataset:{sha256}", kind="dataset", name=name, what="", where=None, is_missing=True)


def _missing_checkpoint(revision: str, path: str) -> Node:
    node = f"checkpoint:{revision}"
    return Node(id=node, kind="checkpoint", name=path or revision[:12], what="", where=None, is_missing=True)

"""What each version and each checkpoint of a workspace says that it was made of."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from factory.looking import folders
from factory.looking.library import Library
from factory.sampling.checkpoint import checkpoint_revision
from factory.sampling.errors import RunError
from schemas.canonical import canonical_json, sha256_hex
from schemas.datasets import MANIFESTS, manifest_path, read_manifest, versions
from schemas.errors import DataError
from schemas.local import LocalFolder
from schemas.manifest import InputRef, ModelRef

HASHED_AT_ONCE = 256 * 2**20  # bytes of a checkpoint that are hashed while somebody waits; more in the background
FACTS_BYTES = 4000
FRESH_S = 2.0


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A version. `where`: its reference in this workspace."""

    where: str
    sha256: str
    kind: str
    rows: int
    created_at: str
    parent: int | None
    dataset: str
    version: int
    inputs: list[InputRef]
    models: list[ModelRef]


class SourceRef(msgspec.Struct, frozen=True):
    """A version that a training read."""

    name: str
    sha256: str


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A folder with a model. `revision`: None while it is not known. `parents`: role and revision of models."""

    where: str
    what: str  # "sft", "dpo", "merge"; empty for one that nobody here made
    revision: str | None
    data: list[SourceRef]
    held_out: list[SourceRef]
    parents: list[tuple[str, str, str]]  # role, revision, and the path it had


class Origins(msgspec.Struct, frozen=True):
    """`problems`: what could not be read, and why."""

    versions: list[Made]
    checkpoints: list[Checkpoint]
    problems: list[str]


def read_origins(library: Library) -> Origins:
    """Of the whole workspace, its checkpoints as they were no longer than two seconds ago.

    What cannot be read is left out, and told.
    """
    key = ("origins", int(time.monotonic() / FRESH_S), *_changes(library))
    return library.memory.get(key, lambda: _read(library), lambda one: FACTS_BYTES * (1 + len(one.versions)))


def _changes(library: Library) -> Iterator[tuple[str, int]]:
    """When a version of each dataset last came or went."""
    for name in library.names():
        with suppress(FileNotFoundError):  # it is being removed
            yield name, os.stat(library.home / name / MANIFESTS).st_mtime_ns


def _read(library: Library) -> Origins:
    made: list[Made] = []
    found: list[Checkpoint] = []
    problems: list[str] = []
    for name in library.names():
        try:
            made += _versions_of(library, name)
        except (DataError, OSError) as err:
            problems.append(str(err))
    for path in folders.checkpoints(library):
        try:
            found.append(_checkpoint(library, path))
        except (DataError, OSError) as err:
            problems.append(str(err))
    return Origins(made, _named_by_others(library, made, found), problems)


def _versions_of(library: Library, name: str) -> Iterator[Made]:
    folder = library.folder(name)
    for number in versions(folder):
        state = folder.path(manifest_path(number)).stat()
        key = ("made", folder.location, number, state.st_ino, state.st_mtime_ns, state.st_size)
        yield library.memory.get(key, lambda n=number: _made(folder, name, n), lambda _: FACTS_BYTES)  # type: ignore[misc]


def _made(folder: LocalFolder, name: str, number: int) -> Made:
    manifest = read_manifest(folder, number)
    return Made(
        where=f"{name}@v{number}",
        sha256=manifest.sha256,
        kind=manifest.kind,
        rows=manifest.rows,
        created_at=manifest.created_at,
        parent=manifest.parent,
        dataset=name,
        version=number,
        inputs=manifest.inputs,
        models=manifest.models,
    )


def _checkpoint(library: Library, path: str) -> Checkpoint:
    place = library.home / path
    record = folders.read_json(place / folders.TRAINED) or {}
    merged = folders.read_json(place / folders.MERGED) or {}
    kind = _table(record, "recipe").get("kind", "trained" if record else "")
    return Checkpoint(
        where=path,
        what="merge" if merged else str(kind),
        revision=_revision(library, place),
        data=_sources(record, "data"),
        held_out=_sources(record, "held_out"),
        parents=_merged(merged) if merged else _begun_with(record),
    )


def _begun_with(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The model that the training began with, and the one that it was compared with, where that is another."""
    paths, model = _table(record, "paths"), record.get("model")
    found = [(role, record.get(role)) for role in ("model", "reference")]
    return [
        (role, revision, str(paths.get(role) or ""))
        for role, revision in found
        if isinstance(revision, str) and (role == "model" or revision != model)
    ]


def _merged(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    parents = record.get("parents")
    plain = [one for one in parents if isinstance(one, dict)] if isinstance(parents, list) else []
    return [("model", str(one.get("revision", "")), str(one.get("path", ""))) for one in plain]


def _revision(library: Library, place: Path) -> str | None:
    """The hash of its files, known by their sizes and times. None while a large one is being hashed."""
    files = sorted((file.name, file.stat()) for file in place.iterdir() if file.is_file())
    seen = [[str(place), name, state.st_size, state.st_mtime_ns, state.st_ino] for name, state in files]
    name = f"revisions/{sha256_hex(canonical_json(seen))}.json"
    known = library.kept.read_json(name, str)
    if known is not None:
        return known or None
    if sum(state.st_size for _, state in files) <= HASHED_AT_ONCE:
        return _hash(library, place, name)
    library.begun(name, lambda: None, lambda _: _hash_aside(library, place, name))
    return None


def _hash(library: Library, place: Path, name: str) -> str | None:
    """Of a folder that holds no whole checkpoint there is none, and that is kept, too."""
    try:
        revision = checkpoint_revision(place)
    except RunError:
        revision = ""
    library.kept.write_json(name, revision)
    return revision or None


def _hash_aside(library: Library, place: Path, name: str) -> None:
    _hash(library, place, name)
    library.ended(name)


def _named_by_others(library: Library, made: list[Made], found: list[Checkpoint]) -> list[Checkpoint]:
    """Checkpoints whose revision is not known yet take the one that others know them by, who used this path."""
    known = {(model.model, model.revision.partition("+")[0]) for one in made for model in one.models}
    known |= {(path, revision) for one in found for _, revision, path in one.parents}

    def named(one: Checkpoint) -> Checkpoint:
        place = str(library.home / one.where)
        revisions = {revision for path, revision in known if path and _is_same_place(path, place)}
        if one.revision is not None or len(revisions) != 1:
            return one
        return msgspec.structs.replace(one, revision=revisions.pop())

    return [named(one) for one in found]


def _is_same_place(path: str, place: str) -> bool:
    """A relative path may have been written in any folder above."""
    return path == place if path.startswith("/") else f"/{place}".endswith(f"/{path.removeprefix('./').rstrip('/')}")


def _sources(record: dict[str, Any], key: str) -> list[SourceRef]:
    try:
        return msgspec.convert(record.get(key) or [], list[SourceRef])
    except msgspec.ValidationError:
        return []


def _table(record: dict[str, Any], key: str) -> dict[str, Any]:
    found = record.get(key)
    return found if isinstance(found, dict) else {}

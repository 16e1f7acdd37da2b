"""Is every byte still the one that was committed? Finds each file that is not, and each that should not be there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from schemas.card import CARD, CardState, read_state, render_card
from schemas.datasets import (
    MANIFESTS,
    DatasetRef,
    first_missing,
    locate,
    manifest_path,
    parse_ref,
    read_manifest,
    versions,
)
from schemas.errors import CorruptError, DataError, NotFoundError
from schemas.folder import Folder
from schemas.manifest import Manifest, Shard
from schemas.reading import RESTORE, open_shard
from schemas.tags import SET_AGAIN, Tag, read_tag, tag_names, tag_path

CHUNK_BYTES = 2**20
_SHARD_NAME = re.compile(r"(data|rejections)/[0-9a-f]{20}\.parquet")


@dataclass(slots=True)
class Report:
    """What was looked at, and for each wrong file what is wrong and what to do."""

    location: str
    versions: list[int] = field(default_factory=list)
    shards: int = 0
    bytes: int = 0
    broken: dict[str, str] = field(default_factory=dict)  # file -> problem


def verify(ref: str, workspace: Path) -> Report:
    """Check the named version (all versions when none is named), and the folder's manifests, tags and card.

    Raises:
        NotFoundError: there is no such dataset, version or tag.
    """
    parsed = parse_ref(ref)
    folder = locate(parsed.location, workspace)
    numbers = versions(folder)
    if not numbers and not folder.list("data"):
        raise NotFoundError(f"no dataset at {folder.location}; `factory datasets ls` lists what there is")
    report = Report(folder.location)
    manifests = _check_manifests(folder, numbers, report)
    tags = _check_tags(folder, numbers, manifests, report)
    report.versions = [number for number in _wanted(folder, parsed, numbers, tags) if number in manifests]
    for shard in _distinct_shards(manifests[number] for number in report.versions):
        check_shard(folder, shard, report)
    _check_foreign(folder, manifests, report)
    check_card(folder, report)
    return report


def _check_manifests(folder: Folder, numbers: list[int], report: Report) -> dict[int, Manifest]:
    if gap := first_missing(numbers) if numbers else 1:
        report.broken[manifest_path(gap)] = "missing, though there is more of this dataset; restore it from a copy"
    manifests = {}
    for number in numbers:
        try:
            manifests[number] = read_manifest(folder, number)
        except CorruptError as err:
            report.broken[manifest_path(number)] = _problem(err, folder.where(manifest_path(number)))
    return manifests


def _check_tags(folder: Folder, numbers: list[int], manifests: dict[int, Manifest], report: Report) -> dict[str, Tag]:
    tags = {}
    for name in tag_names(folder):
        try:
            tags[name] = read_tag(folder, name)
        except CorruptError as err:
            report.broken[tag_path(name)] = _problem(err, folder.where(tag_path(name)))
            continue
        number = tags[name].version
        if number in manifests and manifests[number].sha256 != tags[name].manifest_sha256:
            report.broken[tag_path(name)] = f"names another v{number} than the one here; {SET_AGAIN}"
        elif number not in numbers and manifest_path(number) not in report.broken:
            report.broken[tag_path(name)] = f"names v{number}, which is not here; {SET_AGAIN}"
    return tags


def _wanted(folder: Folder, ref: DatasetRef, numbers: list[int], tags: dict[str, Tag]) -> list[int]:
    if ref.tag is not None:
        if ref.tag not in tag_names(folder):
            raise NotFoundError(f"{folder.location}: no tag {ref.tag!r}; there are: {', '.join(tags) or 'none'}")
        return [tags[ref.tag].version] if ref.tag in tags else []
    if ref.version is None:
        return numbers
    if ref.version > max(numbers, default=1):
        raise NotFoundError(f"{folder.location}: no version v{ref.version}; the latest is v{max(numbers, default=1)}")
    return [ref.version]


def _distinct_shards(manifests: Iterable[Manifest]) -> list[Shard]:
    found = {shard.path: shard for manifest in manifests for shard in [*manifest.shards, *manifest.rejections]}
    return [found[path] for path in sorted(found)]


def check_shard(folder: Folder, shard: Shard, report: Report) -> None:
    report.shards += 1
    report.bytes += shard.bytes
    try:
        sha256 = _hash(folder, shard.path)
        if sha256 != shard.sha256:
            size = folder.size(shard.path)
            raise CorruptError(
                f"changed: {size} bytes that hash to {sha256[:12]}..., not the {shard.bytes} committed; {RESTORE}"
            )
        with open_shard(folder, shard):  # the right bytes; as many rows as the manifest says?
            pass
    except FileNotFoundError:
        report.broken[shard.path] = f"missing; {RESTORE}"
    except CorruptError as err:
        report.broken[shard.path] = _problem(err, folder.where(shard.path))


def _hash(folder: Folder, path: str) -> str:
    sha256 = hashlib.sha256()
    with folder.open_input(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            sha256.update(chunk)
    return sha256.hexdigest()


def _check_foreign(folder: Folder, manifests: dict[int, Manifest], report: Report) -> None:
    """Files that nothing names. Where a manifest cannot be read, a shard may be one of its own."""
    named = {shard.path for shard in _distinct_shards(manifests.values())}
    named |= {CARD, *map(manifest_path, manifests), *map(tag_path, tag_names(folder)), *report.broken}
    unread = any(file.startswith(MANIFESTS) for file in report.broken)
    for path in folder.list():
        if path in named or path.startswith("_builds/") or (unread and _SHARD_NAME.fullmatch(path)):
            continue
        report.broken[path] = "foreign: no version names it; remove it (`factory datasets gc` removes stray shards)"


def check_card(folder: Folder, report: Report) -> None:
    """The card follows from manifests and tags, so it can be judged only when those are whole."""
    try:
        state = read_state(folder)
        problem = _card_problem(folder, state)
        if problem and (later := read_state(folder)) != state:  # a commit came in between
            problem = _card_problem(folder, later)
    except CorruptError:
        return  # reported already, with the file's name
    if problem:
        report.broken[CARD] = f"{problem}; `factory datasets gc` writes it again"


def _card_problem(folder: Folder, state: CardState) -> str:
    if not state.versions:
        return ""
    try:
        is_right = folder.read_bytes(CARD) == render_card(state).encode()
    except FileNotFoundError:
        return "missing"
    except CorruptError as err:
        return _problem(err, folder.where(CARD))
    return "" if is_right else "is not the card that the manifests and tags make"


def _problem(err: DataError, where: str) -> str:
    return str(err).removeprefix(f"{where}: ")

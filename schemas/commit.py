"""Commit a version: the one step after which a dataset has it, whole, or does not have it at all.

Everything before the manifest's create-if-absent can be repeated, everything after it is derived from manifests. So a
commit that was killed anywhere is finished by running it again: the same build is committed once.
"""

from __future__ import annotations

import random
import re
import time

from msgspec.structs import replace

from schemas.arrow import RECORD_KINDS
from schemas.card import write_card
from schemas.datasets import check_manifest, manifest_path, read_manifest, versions
from schemas.errors import ConflictError, CorruptError, DataError
from schemas.folder import Folder
from schemas.locks import commits_allowed
from schemas.manifest import Manifest, Shard, encode_manifest
from schemas.shards import schema_of, schema_sha256, shard_path

DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
BUILD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
ATTEMPTS = 1000  # each lost race means that somebody else got a version in
READ_AT_ONCE = 64  # manifests


def commit(folder: Folder, draft: Manifest, onto: int | None = None) -> Manifest:
    """Publish a draft as the folder's next version and return it, sealed.

    The draft's `version`, `parent` and `sha256` are replaced. Its shards may lie anywhere in the folder. If a version
    with the same `build_id` exists already, that one is returned and nothing is written but the card.

    Args:
        onto: the version that must be the latest (0: none), for a draft that holds the rows of that one.

    Raises:
        ConflictError: another version is the latest.
        DataError: the draft's books do not balance, its rows or schema are not its shards', or the store cannot
            create an object only if absent.
        CorruptError: a shard of the draft, or an earlier manifest, is missing or damaged.
    """
    check_draft(draft)
    folder.require_create()
    with commits_allowed(folder):
        numbers = versions(folder)
        committed = _find_among(folder, numbers, draft.build_id) or _commit_new(folder, draft, numbers, onto)
        write_card(folder)
    return committed


def find_build(folder: Folder, build_id: str) -> Manifest | None:
    """The version that this build was committed as, if it was. Raises CorruptError when a manifest is damaged."""
    return _find_among(folder, versions(folder), build_id)


def finish_commit(folder: Folder) -> None:
    """What a commit that was killed after its manifest may have left undone."""
    with commits_allowed(folder):
        write_card(folder)


def check_draft(draft: Manifest) -> None:
    """Raises DataError, saying which book, count or name is wrong."""
    problems = [*_naming_problems(draft), *_count_problems(draft), *_schema_problems(draft)]
    if problems:
        raise DataError(f"{draft.name}: not committed: {'; '.join(problems)}")


def _commit_new(folder: Folder, draft: Manifest, numbers: list[int], onto: int | None) -> Manifest:
    """`numbers`: the versions known not to be of this build."""
    published = _publish_shards(folder, draft)
    for attempt in range(ATTEMPTS):
        latest = numbers[-1] if numbers else 0
        if onto not in (None, latest):
            raise ConflictError(
                f"{folder.location}: v{latest} was committed meanwhile, and this build appends to v{onto}; "
                "run the same command again (answers that it paid for are kept)"
            )
        candidate = replace(published, version=latest + 1, parent=latest or None).sealed()
        _check_follows(folder, candidate)
        try:
            folder.create(manifest_path(candidate.version), encode_manifest(candidate))
        except FileExistsError:
            time.sleep(random.uniform(0, min(0.1, 0.001 * 2**attempt)))
        else:
            return candidate
        numbers = versions(folder)
        if found := _find_among(folder, [number for number in numbers if number > latest], draft.build_id):
            return found
    raise ConflictError(f"{folder.location}: {ATTEMPTS} other commits came first; run the same command again")


def _find_among(folder: Folder, numbers: list[int], build_id: str) -> Manifest | None:
    """Newest first, and by a search in the bytes before any decoding: a dataset may have thousands of versions."""
    newest_first = numbers[::-1]
    for start in range(0, len(newest_first), READ_AT_ONCE):
        part = newest_first[start : start + READ_AT_ONCE]
        for number, data in zip(part, folder.read_many([manifest_path(number) for number in part]), strict=True):
            if build_id.encode() in data:
                manifest = check_manifest(data, number, folder.where(manifest_path(number)))
                if manifest.build_id == build_id:
                    return manifest
    return None


def _publish_shards(folder: Folder, draft: Manifest) -> Manifest:
    """Move the shards to where a version's shards lie."""
    return replace(
        draft,
        shards=[_publish(folder, shard, "data") for shard in draft.shards],
        rejections=[_publish(folder, shard, "rejections") for shard in draft.rejections],
    )


def _publish(folder: Folder, shard: Shard, under: str) -> Shard:
    target = shard_path(under, shard.sha256)
    if shard.path != target and folder.exists(shard.path):
        folder.move(shard.path, target)
    try:
        size = folder.size(target)
    except FileNotFoundError as err:
        raise CorruptError(
            f"{folder.where(shard.path)}: this shard of the draft is missing; run the build again"
        ) from err
    if size != shard.bytes:
        raise CorruptError(
            f"{folder.where(target)}: {size} bytes where the draft says {shard.bytes}; run the build again"
        )
    return replace(shard, path=target)


def _check_follows(folder: Folder, candidate: Manifest) -> None:
    """One dataset holds one kind of record: a folder of two kinds would not load."""
    if candidate.parent is None:
        return
    parent = read_manifest(folder, candidate.parent)
    if parent.kind != candidate.kind:
        raise DataError(
            f"{folder.location}: holds {parent.kind!r}, and this build makes {candidate.kind!r}; use another --out"
        )


def _naming_problems(draft: Manifest) -> list[str]:
    problems = []
    if not DATASET_NAME.fullmatch(draft.name):
        problems.append(f"the name {draft.name!r} must match {DATASET_NAME.pattern}")
    if draft.kind not in RECORD_KINDS:
        problems.append(f"unknown kind {draft.kind!r}; known: {', '.join(RECORD_KINDS)}")
    if not BUILD_ID.fullmatch(draft.build_id):
        problems.append(f"the build_id {draft.build_id!r} must match {BUILD_ID.pattern}")
    return problems


def _count_problems(draft: Manifest) -> list[str]:
    counted = sum(shard.rows for shard in draft.shards)
    problems = [] if counted == draft.rows else [f"{draft.rows} rows stated, {counted} in its shards"]
    if not draft.rows:
        problems.append("it has no rows, and `datasets` cannot load a version without rows")
    if len({shard.sha256 for shard in draft.shards}) < len(draft.shards):
        problems.append("two of its shards hold the same rows")
    for count in draft.counters:
        if not count.balances():
            problems.append(
                f"stage {count.stage!r} does not balance: {count.rows_in} in, {count.rows_out} out, "
                f"{sum(count.dropped.values())} dropped, {sum(count.failed.values())} failed"
            )
    return problems


def _schema_problems(draft: Manifest) -> list[str]:
    record = RECORD_KINDS.get(draft.kind)
    if record is None or (draft.schema == schema_of(record) and draft.schema_sha256 == schema_sha256(record)):
        return []
    return [f"its schema is not that of {draft.kind!r}; take `schemas.shards.schema_of` and `schema_sha256`"]

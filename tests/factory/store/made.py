"""Small datasets for the tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schemas.arrow import RECORD_KINDS
from schemas.commit import commit
from schemas.folder import Folder
from schemas.manifest import Cost, Manifest, Shard, StageCount, Tokens
from schemas.records import Record
from schemas.shards import ShardWriter, schema_of, schema_sha256
from tests.schemas.rows import rejection, rows_of


def write(folder: Folder, under: str, rows: Sequence[Record], per_shard: int = 4) -> list[Shard]:
    writer = ShardWriter(folder, under, type(rows[0]), units=["u0"], rows_per_shard=per_shard)
    writer.write(rows)
    return writer.close()


def draft(
    folder: Folder, build_id: str, rows: Sequence[Record], rejected: int = 1, per_shard: int = 4, **changes
) -> Manifest:
    """A draft whose shards lie in the build's own folder, as a build leaves them."""
    record = type(rows[0])
    kind = next(kind for kind, known in RECORD_KINDS.items() if known is record)
    n, root = len(rows), f"_builds/{build_id}"
    rejections = [rejection(number, reason=build_id) for number in range(rejected)]
    fields = {
        "name": "ds",
        "version": 0,
        "kind": kind,
        "build_id": build_id,
        "created_at": "2026-01-02T03:04:05+00:00",
        "rows": n,
        "schema": schema_of(record),
        "schema_sha256": schema_sha256(record),
        "shards": write(folder, f"{root}/data", rows, per_shard),
        "rejections": write(folder, f"{root}/rejections", rejections) if rejections else [],
        "inputs": [],
        "models": [],
        "recipe": {"n": 2, "sampling": {"temperature": 1.0}},
        "recipe_sha256": "0" * 64,
        "counters": [
            StageCount(stage="read", rows_in=n + rejected, rows_out=n, dropped={"no_correct": rejected}, failed={})
        ],
        "tokens": Tokens(),
        "cost": Cost(usd=None),
        "licences": ["MIT"],
        "software": {},
    }
    return Manifest(**fields | changes)


def make_version(folder: Folder, number: int, count: int = 6, kind: str = "prompts", **changes) -> Manifest:
    """Commit a version whose rows no other number has."""
    rows = rows_of(RECORD_KINDS[kind], count, first=number * 1000)
    return commit(folder, draft(folder, f"build-{number}", rows, **changes))


def make_dataset(path: Path, versions: int = 1, **changes) -> Folder:
    folder = Folder.open(path)
    for number in range(versions):
        make_version(folder, number, **changes)
    return folder

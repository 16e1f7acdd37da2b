"""What changed between two versions: rows by their key, recipe keys, and the books of each stage.

A row is held as two 64-bit hashes, of its key and of all its columns, so that memory is 16 bytes a row and not the
rows themselves. Two different rows look equal once in 10^19 pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from schemas.columns import ROW_KEYS
from schemas.datasets import DatasetVersion
from schemas.errors import DataError
from schemas.manifest import Manifest
from schemas.reading import read_batches

if TYPE_CHECKING:
    import polars as pl

EXAMPLES = 5
MISSING = "(not set)"


@dataclass(frozen=True, slots=True)
class RowChanges:
    """Rows told apart by their key. Each count has up to five of the keys it counts."""

    unchanged: int
    added: int
    removed: int
    changed: int
    examples: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Diff:
    """From `before` to `after`. `recipe`: dotted key -> the two values. `counters`: stage.name -> the two counts."""

    before: str
    after: str
    rows: RowChanges
    recipe: dict[str, tuple[Any, Any]]
    counters: dict[str, tuple[int | None, int | None]]


def diff_versions(before: DatasetVersion, after: DatasetVersion) -> Diff:
    """Compare two versions, of one dataset or of two of the same kind.

    Raises:
        DataError: the kinds differ.
        CorruptError: a shard is damaged.
    """
    if before.manifest.kind != after.manifest.kind:
        raise DataError(
            f"{_label(before)} holds {before.manifest.kind!r} and {_label(after)} holds {after.manifest.kind!r}: "
            "rows of two kinds cannot be compared"
        )
    return Diff(
        before=_label(before),
        after=_label(after),
        rows=_row_changes(before, after),
        recipe=_unequal(_flat(before.manifest.recipe), _flat(after.manifest.recipe), MISSING),
        counters=_side_by_side(_counts(before.manifest), _counts(after.manifest)),
    )


def _label(version: DatasetVersion) -> str:
    return f"{version.name}@v{version.manifest.version}"


def _row_changes(before: DatasetVersion, after: DatasetVersion) -> RowChanges:
    import polars as pl

    pairs = _hashes(before).join(_hashes(after), on="key", how="full", suffix="_after", coalesce=True)
    is_in, was_in = pl.col("row_after").is_not_null(), pl.col("row").is_not_null()
    kinds = {
        "added": is_in & ~was_in,
        "removed": was_in & ~is_in,
        "changed": was_in & is_in & (pl.col("row") != pl.col("row_after")),
        "unchanged": was_in & is_in & (pl.col("row") == pl.col("row_after")),
    }
    keys = {kind: pairs.filter(condition)["key"] for kind, condition in kinds.items()}
    examples = {
        kind: _name_keys(before if kind == "removed" else after, keys[kind]) for kind in ("added", "removed", "changed")
    }
    return RowChanges(**{kind: len(found) for kind, found in keys.items()}, examples=examples)


def _hashes(version: DatasetVersion) -> pl.DataFrame:
    """One line a key: its hash, and the hash of its rows (their sum, should several rows share a key)."""
    import polars as pl

    parts = [
        pl.DataFrame({"key": batch.select(_key(version)).hash_rows(), "row": batch.hash_rows()})
        for batch in _frames(version)
    ]
    empty = pl.DataFrame(schema={"key": pl.UInt64, "row": pl.UInt64})
    return pl.concat([empty, *parts]).group_by("key").agg(pl.col("row").sum())


def _frames(version: DatasetVersion) -> Iterator[pl.DataFrame]:
    import polars as pl

    for batch in read_batches(version.folder, version.manifest.shards, version.record):
        yield pl.DataFrame(pl.from_arrow(batch))


def _name_keys(version: DatasetVersion, hashes: pl.Series) -> list[str]:
    """The keys behind the first few hashes, found by reading the key columns again."""
    wanted = set(hashes.head(EXAMPLES).to_list())
    found: list[str] = []
    columns = _key(version)
    for batch in (
        read_batches(version.folder, version.manifest.shards, version.record, columns=columns) if wanted else ()
    ):
        found.extend(_names_among(batch, wanted))
        if not wanted:
            break
    return found


def _names_among(batch: pa.RecordBatch, wanted: set[int]) -> list[str]:
    """Names of the keys in this batch whose hash is wanted; those are wanted no more."""
    import polars as pl

    keys = pl.DataFrame(pl.from_arrow(batch))
    names = []
    for row, key in zip(keys.rows(), keys.hash_rows(), strict=True):
        if key in wanted:
            wanted.remove(key)
            names.append(" ".join(row))
    return names


def _key(version: DatasetVersion) -> list[str]:
    return list(ROW_KEYS[version.record])


def _flat(recipe: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in recipe.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _unequal(before: dict[str, Any], after: dict[str, Any], missing: Any) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401
    both = _side_by_side(before, after, missing)
    return {key: (old, new) for key, (old, new) in both.items() if old != new}


def _side_by_side(before: dict[str, Any], after: dict[str, Any], missing: Any = None) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401
    return {key: (before.get(key, missing), after.get(key, missing)) for key in sorted({*before, *after})}


def _counts(manifest: Manifest) -> dict[str, int]:
    counts: dict[str, int] = {}
    for count in manifest.counters:
        named = {"in": count.rows_in, "out": count.rows_out}
        named |= {f"dropped.{kind}": rows for kind, rows in count.dropped.items()}
        named |= {f"failed.{kind}": rows for kind, rows in count.failed.items()}
        counts |= {f"{count.stage}.{name}": rows for name, rows in named.items()}
    return counts

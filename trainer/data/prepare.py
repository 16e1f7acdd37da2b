"""Rows of dataset versions to token ids, once: rendered, cut or dropped by one rule, kept in files named by it all."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import numpy as np
import pyarrow as pa

from schemas.canonical import short_hash
from schemas.errors import WriteError
from schemas.manifest import Shard
from schemas.reading import read_records
from schemas.records import Record
from trainer.data.micro import Document
from trainer.data.prepared import BATCH_ROWS, SCHEMA, PreparedRow, PreparedVersion, to_batch
from trainer.data.sources import Source, check_shard
from trainer.errors import RowsError
from trainer.files import replacing, write_durably
from trainer.rows.errors import UnusableRow
from trainer.rows.records import row_id, row_name

FORMAT = 1  # of the files; a new one makes all of them anew
EXAMPLES = 5  # dropped rows that a message names
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What helps against the commonest kinds of dropped rows.
REMEDIES = {
    "too_long": 'raise rows.max_length, or set rows.too_long = "truncate"',
    "nothing_trained": "raise rows.max_length: what is cut off is all that would be trained",
}

TooLong = Literal["drop", "truncate", "error"]
RenderRow = Callable[[Record, str], PreparedRow]  # the second: the version's name, for a message


class LengthRule(msgspec.Struct, frozen=True):
    """What is done with a document of more than `max_length` tokens. All documents of a row are treated alike."""

    max_length: int
    too_long: TooLong


class Dropped(msgspec.Struct, frozen=True):
    """A row that is not trained on, and why: `reason` names the row."""

    row_id: str
    kind: str
    reason: str


class Preparation(msgspec.Struct, frozen=True):
    """How the rows of one source become tokens. `identity` is whatever else changes them: tokenizer, template, mask."""

    source: Source
    render: RenderRow
    rule: LengthRule
    identity: str
    folder: Path  # below it all prepared versions lie

    @property
    def place(self) -> Path:
        rule = [self.rule.max_length, self.rule.too_long]
        return self.folder / short_hash([FORMAT, self.source.version.manifest.sha256, self.identity, rule])

    def file(self, shard: Shard) -> Path:
        return self.place / f"{shard.sha256[:20]}.arrow"

    def dropped_file(self, shard: Shard) -> Path:
        return self.place / f"{shard.sha256[:20]}.dropped.jsonl"


def prepare(preparation: Preparation, rank: int = 0, ranks: int = 1) -> None:
    """Make the files of this rank's shards that are not there yet; every shard's bytes are checked in any case.

    Raises:
        CorruptError: a shard is not the one that its manifest names.
        RowsError: a row cannot be rendered, for a reason that is not the row's own.
        WriteError: no space.
    """
    version = preparation.source.version
    for shard in version.manifest.shards[rank::ranks]:
        check_shard(version.folder, shard)
        if not preparation.file(shard).exists():
            _prepare_shard(preparation, shard)


def open_prepared(preparation: Preparation) -> PreparedVersion:
    """All rows of the source, once every rank has prepared its shards."""
    return PreparedVersion([preparation.file(shard) for shard in preparation.source.version.manifest.shards])


def dropped_rows(preparation: Preparation) -> Iterator[Dropped]:
    for shard in preparation.source.version.manifest.shards:
        lines = preparation.dropped_file(shard).read_bytes().splitlines()
        yield from (msgspec.json.decode(line, type=Dropped) for line in lines)


def check_dropped(preparation: Preparation, max_share: float) -> Counter[str]:
    """How many rows were dropped, by kind. Raises RowsError when it is all of them, or a larger share than allowed."""
    dropped = list(dropped_rows(preparation))
    counts = Counter(row.kind for row in dropped)
    rows = preparation.source.version.manifest.rows
    if dropped and (len(dropped) == rows or len(dropped) > max_share * rows):
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        few = "; ".join(row.reason for row in dropped[:EXAMPLES])
        remedy = REMEDIES.get(counts.most_common(1)[0][0], "filter these rows out, or raise rows.max_dropped_share")
        raise RowsError(
            f"{preparation.source.name}: {len(dropped)} of {rows} rows cannot be trained on ({kinds}), and "
            f"rows.max_dropped_share = {max_share}; {remedy}; for example {few}"
        )
    return counts


def _prepare_shard(preparation: Preparation, shard: Shard) -> None:
    """The list of dropped rows is there before the rows: where the rows are, so is the list."""
    place = preparation.file(shard)
    try:
        with replacing(place) as file:
            dropped = _write_rows(preparation, shard, file)
            lines = b"".join(msgspec.json.encode(row) + b"\n" for row in dropped)
            write_durably(preparation.dropped_file(shard), lines)
    except OSError as err:
        if err.errno not in NO_SPACE:
            raise
        raise WriteError(f"{place}: {err.strerror}; make room, and run the same command again") from err


def _write_rows(preparation: Preparation, shard: Shard, file: BinaryIO) -> list[Dropped]:
    """Gives those that were dropped."""
    version, dropped = preparation.source.version, list[Dropped]()
    records = read_records(version.folder, [shard], version.record)
    with pa.ipc.new_file(file, SCHEMA) as writer:
        for batch in _batches(_kept(preparation, records, dropped)):
            writer.write_batch(to_batch(batch))
    return dropped


def _kept(preparation: Preparation, records: Iterator[Record], dropped: list[Dropped]) -> Iterator[PreparedRow]:
    for record in records:
        found = _row(preparation, record)
        if isinstance(found, Dropped):
            dropped.append(found)
        else:
            yield found


def _row(preparation: Preparation, record: Record) -> PreparedRow | Dropped:
    source = preparation.source.name
    try:
        row = preparation.render(record, source)
    except UnusableRow as err:
        return Dropped(row_id(record), err.kind, str(err))
    return _within(row, preparation.rule, row_name(record, source))


def _within(row: PreparedRow, rule: LengthRule, name: str) -> PreparedRow | Dropped:
    """The row if it keeps to the rule, or what is left of it. Raises RowsError when the rule says so."""
    longest = max(len(document.ids) for document in row.documents)
    if longest > rule.max_length:
        reason = f"{name}: {longest} tokens, over rows.max_length = {rule.max_length}"
        if rule.too_long == "error":
            raise RowsError(f'{reason}; raise it, or set rows.too_long = "drop" or "truncate"')
        if rule.too_long == "drop":
            return Dropped(row.row_id, "too_long", reason)
        cut = tuple(_cut(document, rule.max_length) for document in row.documents)
        row = msgspec.structs.replace(row, documents=cut)
    if any(not document.trained[1:].any() for document in row.documents):
        return Dropped(row.row_id, "nothing_trained", f"{name}: no token is left that the loss counts")
    first, *others = row.documents
    if others and all(np.array_equal(first.ids, other.ids) for other in others):
        return Dropped(row.row_id, "same_answers", f"{name}: chosen and rejected are the same tokens")
    return row


def _cut(document: Document, size: int) -> Document:
    return Document(document.ids[:size], document.trained[:size])


def _batches(rows: Iterator[PreparedRow]) -> Iterator[Sequence[PreparedRow]]:
    batch: list[PreparedRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch

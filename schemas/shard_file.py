"""One shard while it is written: a Parquet file that is hashed on its way to the disk."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import ARROW_SCHEMAS, MESSAGES
from schemas.features import with_features
from schemas.folder import TEMPORARY
from schemas.records import Record

# Where a few words recur in every row a dictionary helps; elsewhere it is built only to be thrown away.
_RECURRING = {"stage", "outcome", "kind", "verifier", "finish_reason", "judge", "verdict", "engine", "source"}
_RECURRING |= {"licence", "model", "revision", "model_chosen", "revision_chosen", "model_rejected", "revision_rejected"}
# Pages are cut where the content says so (with the sizes of `datasets`): a hub stores a changed shard cheaply.
CHUNKING = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}


class ShardFile:
    """A new file in `folder`, with the schema of `record`."""

    def __init__(self, folder: Path, record: type[Record]) -> None:
        self.path = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
        self.rows = 0
        schema = with_features(ARROW_SCHEMAS[record])
        self._sink = _HashingFile(self.path.open("xb"))
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression="zstd",
            use_dictionary=dictionary_columns(schema),
            write_page_index=True,
            use_content_defined_chunking=CHUNKING,
        )
        self._writer.add_key_value_metadata({"content_defined_chunking": json.dumps(CHUNKING)})

    @property
    def bytes(self) -> int:
        return self._sink.written

    def write(self, table: pa.Table) -> None:
        """As one row group."""
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self.rows += table.num_rows

    def close(self) -> str:
        """Make it durable; returns the sha256 of its bytes."""
        self._writer.close()
        self._sink.sync_and_close()
        return self._sink.sha256.hexdigest()

    def abandon(self) -> None:
        self._sink.discard()
        self._writer.close()
        self._sink.close()
        self.path.unlink(missing_ok=True)


class _HashingFile(io.RawIOBase):
    """A new file that hashes what is written to it, so that a shard is never read again to be named."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file
        self._is_kept = True
        self.sha256 = hashlib.sha256()
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # pyarrow hands over bytes only
        if self._is_kept:
            self._file.write(data)
        self.sha256.update(data)
        self.written += len(data)
        return len(data)

    def tell(self) -> int:
        return self.written

    def discard(self) -> None:
        """Swallow what is still to come: a full disk must not keep the Parquet writer from closing."""
        self._is_kept = False

    def sync_and_close(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()

    def close(self) -> None:
        if not self._is_kept:
            self._file.raw.close()  # without writing what is buffered
        elif not self.closed:
            self._file.close()
        super().close()


def dictionary_columns(schema: pa.Schema) -> list[str]:
    roles = [f"{field.name}.list.element.role" for field in schema if field.type == MESSAGES]
    return [name for name in schema.names if name in _RECURRING] + roles

"""Rows in a file of small blocks, so that one of them costs what its block costs to read, wherever it stands.

The file: how many rows a block has; where each block begins, and where the last one ends, behind these numbers; then
the blocks, as Arrow writes record batches. Numbers are 8 bytes, little-endian.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

BLOCK_ROWS = 64
BLOCK_BYTES = 2**17
FORMAT = 1  # of the file
_NUMBER = 8


def write_blocks(place: Path, rows: pa.Table) -> None:
    whole = rows.combine_chunks()
    per_block = max(1, min(BLOCK_ROWS, BLOCK_BYTES * whole.num_rows // max(1, whole.nbytes)))
    blocks = [batch.serialize() for batch in whole.to_batches(per_block)]
    starts = [*accumulate((block.size for block in blocks), initial=0)]
    with place.open("wb") as file:
        file.write(struct.pack(f"<{1 + len(starts)}Q", per_block, *((1 + len(starts)) * _NUMBER + at for at in starts)))
        for block in blocks:
            file.write(block)


def read_blocks(
    place: Path, schema: pa.Schema, places: Sequence[int], columns: Sequence[str] | None
) -> Iterator[pa.RecordBatch]:
    """The rows at these places of the file, which ascend. Raises FileNotFoundError."""
    file = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        [per_block] = struct.unpack("<Q", os.pread(file, _NUMBER, 0))
        for number, inside in _by_block(places, per_block):
            start, end = struct.unpack("<2Q", os.pread(file, 2 * _NUMBER, (1 + number) * _NUMBER))
            block = pa.ipc.read_record_batch(pa.py_buffer(os.pread(file, end - start, start)), schema)
            yield pick(block if columns is None else block.select(columns), inside)
    finally:
        os.close(file)


def pick(batch: pa.RecordBatch, places: list[int]) -> pa.RecordBatch:
    """Its rows at these places, which ascend."""
    if places[-1] - places[0] == len(places) - 1:
        return batch.slice(places[0], len(places))
    return batch.take(pa.array(places))


def _by_block(places: Sequence[int], per_block: int) -> Iterator[tuple[int, list[int]]]:
    """Each block that has some of them, and where they are in it."""
    number, inside = -1, list[int]()
    for place in places:
        if place // per_block != number and inside:
            yield number, inside
            inside = []
        number = place // per_block
        inside.append(place - number * per_block)
    if inside:
        yield number, inside

"""What is trained on: dataset versions with weights, read by their manifests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from schemas.datasets import DatasetVersion, open_version
from schemas.errors import CorruptError, DataError
from schemas.folder import Folder
from schemas.manifest import Shard
from schemas.reading import RESTORE
from schemas.records import Record
from trainer.rows.records import INSTEAD

CHUNK_BYTES = 2**22
_WEIGHT = re.compile(r"(.+):([0-9]*\.?[0-9]+)")


class Source(msgspec.Struct, frozen=True):
    """One version and how much of it an epoch holds: 0.3 is a fixed random 30% of its rows, 2 is each row twice."""

    version: DatasetVersion
    weight: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.version.name}@v{self.version.manifest.version}"


def open_source(text: str, workspace: Path, kinds: Sequence[type[Record]]) -> Source:
    """A source as a person writes it: `NAME@v3` or `NAME@v3:0.3`.

    Raises:
        DataError: no such version, a weight that is not above 0, or a kind that this training does not read.
    """
    ref, weight = _parts(text)
    weight = 1.0 if weight is None else weight
    if weight <= 0:
        raise DataError(f"{text}: the weight must be above 0; leave the version out to train on none of it")
    version = open_version(ref, workspace)
    if version.record not in kinds:
        raise DataError(f"{text}: not for this training: {INSTEAD[version.record]}")
    if version.manifest.rows == 0:
        raise DataError(f"{text}: the version has no rows")
    return Source(version, weight)


def open_held_out(text: str, workspace: Path, kinds: Sequence[type[Record]]) -> Source:
    """A version that is evaluated, always all of it.

    Raises:
        DataError: as `open_source`, or a weight.
    """
    ref, weight = _parts(text)
    if weight is not None:
        raise DataError(
            f"--eval {text}: a held-out version is evaluated whole; write --eval {ref}, or make a smaller version with "
            "`factory mix`"
        )
    return open_source(ref, workspace, kinds)


def _parts(text: str) -> tuple[str, float | None]:
    """What names the version, and the weight where one is written."""
    found = _WEIGHT.fullmatch(text)
    return (found[1], float(found[2])) if found else (text, None)


def check_shard(folder: Folder, shard: Shard) -> None:
    """Read every byte of a shard and compare its hash with the manifest's. Raises CorruptError."""
    where, digest = folder.where(shard.path), hashlib.sha256()
    try:
        with folder.open_input(shard.path) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError as err:
        raise CorruptError(f"{where}: missing; {RESTORE}") from err
    if digest.hexdigest() != shard.sha256:
        raise CorruptError(f"{where}: its bytes are not those that its manifest names; {RESTORE}")

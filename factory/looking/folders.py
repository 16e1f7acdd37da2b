"""Folders below a workspace that are no datasets: checkpoints, and the runs that made them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from factory.looking.library import Library, is_place
from schemas.datasets import MANIFESTS
from schemas.errors import CorruptError

DEPTH = 4  # folders below the workspace
MOST = 5000  # folders that are looked into
MOST_BYTES = 16 * 2**20  # of one record
RUN = ".run"
CONFIG, TRAINED, MERGED = "config.json", "training.json", "merge.json"


def runs(library: Library) -> list[str]:
    """The folders of trainings, as paths below the workspace without ".run", sorted."""
    return sorted(path.removesuffix(RUN) for path in _walk(library) if path.endswith(RUN))


def checkpoints(library: Library) -> list[str]:
    """The folders with a model in them, as paths below the workspace, sorted."""
    found = (path for path in _walk(library) if not path.endswith(RUN))
    return sorted(path for path in found if os.path.isfile(library.home / path / CONFIG))


def read_json(path: Path) -> dict[str, Any] | None:
    """None when it is not there. Raises CorruptError: no JSON object, or a very large one."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CorruptError(f"{path}: larger than {MOST_BYTES:,} bytes; it is no record of a training")
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise CorruptError(f"{path}: not readable ({err}); restore it from a copy") from err


def _walk(library: Library) -> Iterator[str]:
    """Not into datasets, runs and checkpoints, and not along links; hidden folders are none."""
    if library.only is not None:
        return
    level = [""]
    looked_into = 0
    for _ in range(DEPTH):
        deeper = []
        for above in level:
            looked_into += 1
            if looked_into > MOST:
                return
            for path, is_open in _below(library.home, above):
                yield path
                deeper += [path] if is_open else []
        level = deeper


def _below(home: Path, above: str) -> list[tuple[str, bool]]:
    """The folders in a folder, and whether there may be more in each."""
    found = []
    with os.scandir(home / above) as entries:
        for entry in entries:
            if is_place(entry.name) and entry.is_dir(follow_symlinks=False):
                inside = set(os.listdir(entry.path))
                if MANIFESTS not in inside:
                    is_open = not entry.name.endswith(RUN) and CONFIG not in inside
                    found.append((f"{above}/{entry.name}".lstrip("/"), is_open))
    return found

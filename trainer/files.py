"""Files that are whole and durable, or not there; and what is left of those that a killed process was writing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from schemas.errors import WriteError

CHUNK_BYTES = 2**22
ASIDE = ".tmp-"  # in the name of a file that is being written


def sync_folder(folder: Path) -> None:
    """What was created in or renamed into the folder survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """All files below the folder, then the folders."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync_folder(path)  # fsync takes a file's handle as it takes a folder's
    sync_folder(folder)


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` at the end: durable, and whole or not there at all.

    Until then it lies beside `path`, locked: so `clear_left` knows whether its process lives, on whichever machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _open_aside(path)
    aside = Path(file.name)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            aside.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def _open_aside(path: Path) -> BinaryIO:
    while True:
        file = path.with_name(f".{path.name}{ASIDE}{secrets.token_hex(8)}").open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # cleared away before it was locked


def clear_left(folder: Path) -> None:
    """Remove what killed processes were writing below `folder`: files beside their places that nobody holds."""
    for aside in folder.rglob(f".*{ASIDE}*"):
        _clear(aside)


def clear_left_of(path: Path) -> None:
    """The same of one file or folder."""
    for aside in path.parent.glob(f".{path.name}{ASIDE}*"):
        _clear(aside)


def _clear(aside: Path) -> None:
    if aside.is_dir():
        return  # goes with its lock
    # Held; in place or removed by now; another person's.
    with suppress(BlockingIOError, FileNotFoundError, PermissionError), aside.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(_folder_of(aside), ignore_errors=True)
        aside.unlink()


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A folder to fill that gets the name `folder` at the end, which must not be taken: whole, or not there at all.

    Until then it lies beside `folder`, with a file that is locked as those of `replacing` are. What it holds is for the
    caller to sync.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = _open_aside(folder)
    aside = _folder_of(Path(lock.name))
    try:
        with lock:
            aside.mkdir()
            yield aside
            aside.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        Path(lock.name).unlink(missing_ok=True)


def _folder_of(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.d")


def write_durably(path: Path, data: bytes) -> None:
    """Whole, in place of what was there. Raises WriteError: no space, or the like."""
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as err:
        raise WriteError(
            f"{path}: not written ({err.strerror or err}); make room, and the same command goes on"
        ) from err

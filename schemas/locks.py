"""Locks on a local folder, held by a process and gone with it. In an object store the age of a file stands in."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from schemas.folder import Folder
from schemas.local import LocalFolder, make_folders

COMMIT_LOCK = "_builds/.lock"


@contextmanager
def commits_allowed(folder: Folder) -> Iterator[None]:
    """Held by every commit, with others, so that `gc` cannot remove a shard that is about to be named."""
    with _locked(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def commits_held_back(folder: Folder) -> Iterator[None]:
    """Held by `gc` alone: waits for the commits at work and holds back new ones."""
    with _locked(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def try_hold(path: Path) -> Iterator[bool]:
    """Hold this lock file alone, if nobody holds it and it exists; True as well when there is no such file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield True
        return
    with file:
        yield _try_lock(file)


def is_held(path: Path) -> bool:
    """Whether some process holds this lock file."""
    with try_hold(path) as is_free:
        return not is_free


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked(folder: Folder, how: int) -> Iterator[None]:
    if not isinstance(folder, LocalFolder):
        yield
        return
    path = folder.path(COMMIT_LOCK)
    make_folders(path.parent)
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield

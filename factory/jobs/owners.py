"""Runners, told apart by a lock that each holds as long as it lives. A process id would be given to another one day."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
from pathlib import Path
from typing import IO

from schemas.local import make_folders
from schemas.locks import is_held, try_hold

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Owner:
    """Alive until it is closed, or its process ends in whatever way."""

    def __init__(self, home: Path) -> None:
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:64]
        self.name = f"{host}.{os.getpid()}.{secrets.token_hex(4)}"
        self._path = _path(home, self.name)
        make_folders(self._path.parent)
        _forget_dead(self._path.parent)
        self._file = _locked(self._path)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()


def _locked(path: Path) -> IO[bytes]:
    """The file, held. Somebody who clears up may have found it in the moment in which nobody held it."""
    while True:
        file = path.open("ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return file
        file.close()


def is_alive(home: Path, name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and is_held(_path(home, name))


def any_alive(home: Path) -> bool:
    """Whether a runner is at work in this workspace."""
    folder = home / ".factory" / "runners"
    return folder.is_dir() and any(is_held(path) for path in folder.iterdir())


def _path(home: Path, name: str) -> Path:
    return home / ".factory" / "runners" / name


def _forget_dead(folder: Path) -> None:
    for path in folder.iterdir():
        with try_hold(path) as is_free:
            if is_free:
                path.unlink(missing_ok=True)

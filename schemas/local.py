"""A folder on a local disk: write aside, fsync, then link or rename into place, then fsync the folder."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from schemas.errors import CorruptError, DataError
from schemas.folder import TEMPORARY, Folder, Paths, inside

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


class LocalFolder(Folder):
    is_local = True

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root.expanduser()))
        self.location = str(self.root)

    def path(self, path: str) -> Path:
        """Where a file lies on the disk. Symbolic links are refused: they could lead out of the folder."""
        place = self.location
        for name in inside(path).split("/"):
            place = f"{place}/{name}"
            if os.path.islink(place):
                raise CorruptError(f"{place}: a symbolic link inside the dataset's folder; put the file itself here")
        return Path(place)

    def _entry(self, path: str) -> Path:
        """The file itself, or the symbolic link itself, never what a link points to."""
        folder, _, name = inside(path).rpartition("/")
        return (self.path(folder) if folder else self.root) / name

    def read_bytes(self, path: str) -> bytes:
        return self.path(path).read_bytes()

    def exists(self, path: str) -> bool:
        return self.path(path).is_file()

    def size(self, path: str) -> int:
        return self.path(path).stat().st_size

    def modified(self, path: str) -> float:
        return self._entry(path).lstat().st_mtime

    def list(self, prefix: str = "") -> Paths:
        top = self.path(prefix.rstrip("/")) if prefix else self.root
        return sorted(found[len(self.location) + 1 :] for found in _files(top))

    def create(self, path: str, data: bytes) -> None:
        target = self.path(path)
        with self._aside(target, data) as aside:
            try:
                os.link(aside, target)
            except OSError as err:
                if err.errno in _NO_LINKS:
                    raise DataError(f"{self.location}: this disk has no hard links, which a commit needs") from err
                raise
            sync_folder(target.parent)

    def require_create(self) -> None:
        """`os.link` never replaces a file."""

    def replace(self, path: str, data: bytes) -> None:
        target = self.path(path)
        with self._aside(target, data) as aside:
            aside.replace(target)
            sync_folder(target.parent)

    @contextmanager
    def scratch(self, under: str) -> Iterator[Path]:
        parent = self.path(under)
        make_folders(parent)
        yield parent

    def put(self, local_file: Path, path: str) -> None:
        target = self.path(path)
        make_folders(target.parent)
        aside = _aside_name(target)
        try:
            _link_or_copy(local_file, aside)
            _sync_file(aside)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)  # also there when both names were links to one file
        sync_folder(target.parent)

    def move(self, source: str, target: str) -> None:
        old, new = self.path(source), self.path(target)
        make_folders(new.parent)
        os.utime(old)  # before the rename: a young file is safe from `gc`, an old one is not
        old.replace(new)
        sync_folder(new.parent)
        sync_folder(old.parent)

    def delete(self, path: str) -> None:
        self._entry(path).unlink(missing_ok=True)

    def delete_tree(self, prefix: str) -> None:
        top = self.path(prefix)
        for path in self.list(prefix):
            self.delete(path)
        for parent, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):  # another process removes it too, or has just put a new file there
                os.rmdir(parent)
        if top.parent.is_dir():
            sync_folder(top.parent)

    def open_input(self, path: str) -> BinaryIO:
        return self.path(path).open("rb")

    @contextmanager
    def _aside(self, target: Path, data: bytes) -> Iterator[Path]:
        """The data in a finished file beside `target`, gone again afterwards."""
        make_folders(target.parent)
        aside = _aside_name(target)
        try:
            with aside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield aside
        finally:
            aside.unlink(missing_ok=True)


def make_folders(folder: Path) -> None:
    """Like mkdir -p, and durable: each new name is synced into its parent."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _aside_name(target: Path) -> Path:
    return target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


def _files(top: Path) -> Iterator[str]:
    try:
        entries = [*os.scandir(top)]
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield entry.path

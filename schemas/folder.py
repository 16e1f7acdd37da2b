"""A dataset's folder, on a local disk or in an object store, behind the few operations that a dataset needs.

Paths are relative to the folder, with forward slashes, and cannot leave it. Every write is durable when it returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from schemas.errors import CorruptError

Paths = list[str]
TEMPORARY = ".tmp-"  # what the name of an unfinished file begins with


class Folder(ABC):
    """Open one with `Folder.open`."""

    location: str
    is_local: bool

    @staticmethod
    def open(location: str | Path) -> Folder:
        """A local path or an fsspec URL (`s3://bucket/x`). Touches nothing: the folder need not exist yet.

        Raises:
            DataError: the package for this kind of URL is not installed.
        """
        text = str(location)
        if "://" in text and not text.startswith("file://"):
            from schemas.objects import ObjectFolder

            return ObjectFolder(text)
        from schemas.local import LocalFolder

        return LocalFolder(Path(text.removeprefix("file://")))

    def where(self, path: str) -> str:
        """The file's full name, for a person."""
        return f"{self.location}/{path}"

    @abstractmethod
    def read_bytes(self, path: str) -> bytes:
        """Raises FileNotFoundError."""

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes]:
        """The bytes of each file, in order. An object store answers them all at once."""
        return [self.read_bytes(path) for path in paths]

    @abstractmethod
    def exists(self, path: str) -> bool: ...

    @abstractmethod
    def size(self, path: str) -> int:
        """In bytes. Raises FileNotFoundError."""

    @abstractmethod
    def modified(self, path: str) -> float:
        """When the file was last written, moved or created, in seconds since 1970. Raises FileNotFoundError."""

    @abstractmethod
    def list(self, prefix: str = "") -> Paths:
        """All files below `prefix`, sorted, relative to the folder. Empty when there is no such folder."""

    @abstractmethod
    def create(self, path: str, data: bytes) -> None:
        """Write a file that must not exist yet; of several writers exactly one wins. Raises FileExistsError."""

    @abstractmethod
    def require_create(self) -> None:
        """Raises DataError where two writers could both `create` one path, so that nothing may be committed."""

    @abstractmethod
    def replace(self, path: str, data: bytes) -> None:
        """Write a file, whole, in place of what was there."""

    @abstractmethod
    def scratch(self, under: str) -> AbstractContextManager[Path]:
        """A local folder for unfinished files that will be `put` below `under`."""

    @abstractmethod
    def put(self, local_file: Path, path: str) -> None:
        """Publish a finished local file. Doing it twice is the same as doing it once; the local file stays."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Rename a file; its `modified` becomes now. Raises FileNotFoundError."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file. No error when it is already gone."""

    @abstractmethod
    def delete_tree(self, prefix: str) -> None:
        """Remove all files below `prefix`. No error when there are none."""

    @abstractmethod
    def open_input(self, path: str) -> BinaryIO:
        """A seekable file to read from. Raises FileNotFoundError."""


def inside(path: str) -> str:
    """The path, if it is relative and stays inside its folder.

    Raises:
        CorruptError: absolute, empty, or with a part such as "..".
    """
    parts = path.split("/")
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise CorruptError(f"{path!r}: not a path inside the dataset's folder; do not use this dataset")
    return path

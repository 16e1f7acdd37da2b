"""A folder in an object store, by fsspec. An object is written whole or not at all, and is durable once written."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from schemas.errors import DataError
from schemas.folder import Folder, Paths, inside

# What S3-like stores answer when the object is there already, or is being written by somebody else just now.
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


class ObjectFolder(Folder):
    is_local = False

    def __init__(self, location: str) -> None:
        from fsspec.core import url_to_fs

        self.location = location.rstrip("/")
        self._create_works = False
        try:
            self._fs, root = url_to_fs(self.location, use_listings_cache=False)
        except (ImportError, ValueError) as err:
            raise DataError(f"{location}: {err} (for s3: pip install 'synthetic-data-factory[s3]')") from err
        self._root = str(root).rstrip("/")

    def _key(self, path: str) -> str:
        return f"{self._root}/{inside(path)}"

    def read_bytes(self, path: str) -> bytes:
        return cast(bytes, self._fs.cat_file(self._key(path)))

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes]:
        found = self._fs.cat_ranges([self._key(path) for path in paths], None, None)
        for data in found:
            if isinstance(data, Exception):  # an error stands in the place of its file
                raise data
        return cast(Sequence[bytes], found)

    def exists(self, path: str) -> bool:
        return bool(self._fs.isfile(self._key(path)))

    def size(self, path: str) -> int:
        return int(self._fs.size(self._key(path)))

    def modified(self, path: str) -> float:
        return float(self._fs.modified(self._key(path)).timestamp())

    def list(self, prefix: str = "") -> Paths:
        top = self._key(prefix.rstrip("/")) if prefix else self._root
        try:
            found = self._fs.find(top)
        except FileNotFoundError:
            return []
        return sorted(str(key).removeprefix(f"{self._root}/") for key in found)

    def create(self, path: str, data: bytes) -> None:
        try:
            self._fs.pipe_file(self._key(path), data, mode="create")
        except OSError as err:
            if _says_taken(err):
                raise FileExistsError(path) from err
            raise

    def require_create(self) -> None:
        if self._create_works:
            return
        probe = f"_builds/.probe-{secrets.token_hex(8)}"
        self.create(probe, b"first")
        try:
            self.create(probe, b"second")
        except FileExistsError:
            self._create_works = True
        finally:
            self.delete(probe)
        if not self._create_works:
            raise DataError(
                f"{self.location}: this store overwrites an object that was to be created only if absent "
                "(If-None-Match): two writers could lose each other's versions; build into a local folder and copy it"
            )

    def replace(self, path: str, data: bytes) -> None:
        self._fs.pipe_file(self._key(path), data)

    @contextmanager
    def scratch(self, under: str) -> Iterator[Path]:
        inside(under)
        with tempfile.TemporaryDirectory(prefix="shards-") as folder:
            yield Path(folder)

    def put(self, local_file: Path, path: str) -> None:
        self._fs.put_file(str(local_file), self._key(path))

    def move(self, source: str, target: str) -> None:
        self._fs.cp_file(self._key(source), self._key(target))
        self.delete(source)

    def delete(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._key(path))

    def delete_tree(self, prefix: str) -> None:
        for path in self.list(prefix):
            self.delete(path)

    def open_input(self, path: str) -> BinaryIO:
        return cast(BinaryIO, self._fs.open(self._key(path), "rb"))


def _says_taken(err: OSError) -> bool:
    """s3fs knows only Amazon's way of saying it; other stores leave out the condition's name."""
    answer = getattr(err.__cause__, "response", None) or {}
    return isinstance(err, FileExistsError) or answer.get("Error", {}).get("Code") in _TAKEN

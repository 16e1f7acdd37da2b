"""A workspace, opened for looking at: which datasets there are, and what is kept between two looks."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from factory.looking.background import Background
from factory.looking.kept import Kept
from factory.looking.memory import Memory
from schemas.commit import DATASET_NAME
from schemas.datasets import MANIFESTS, DatasetVersion, manifest_path, parse_ref, read_manifest, versions
from schemas.errors import DataError, NotFoundError
from schemas.local import LocalFolder
from schemas.manifest import Manifest
from schemas.tags import read_tag, tag_names

T = TypeVar("T")
Ref = str | DatasetVersion  # "pairs@v3", or the version itself, for who has looked it up already
MEMORY_BYTES = 128 * 2**20
KEPT_BYTES = 2 * 2**30
MOST_WORKS = 1000
SMALL = 4096  # about the bytes of a manifest's struct, beside those of its shards
_PLACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")  # one part of the path of a run or a checkpoint


class Library:
    """Safe to use from many threads. What it keeps in memory is bounded, whatever is looked at.

    Args:
        home: the workspace.
        only: the one dataset of it that may be looked at (`factory view`).
        kept: where statistics are kept on disk; by default `.factory/looking` of the workspace.
        memory_bytes, kept_bytes: bounds on what is kept.
    """

    def __init__(
        self,
        home: Path,
        *,
        only: str | None = None,
        kept: Path | None = None,
        memory_bytes: int = MEMORY_BYTES,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.home, self.only = Path(os.path.realpath(home)), only
        self.kept = Kept(kept or self.home / ".factory" / "looking", kept_bytes)
        self.memory = Memory(memory_bytes)
        self._works: dict[str, Any] = {}  # in the background
        self._lock = threading.Lock()
        self.background = Background()

    def names(self) -> list[str]:
        """The datasets right below the workspace, sorted. Links and hidden folders are none."""
        if not self.home.is_dir():
            return []
        with os.scandir(self.home) as entries:
            found = [entry.name for entry in entries if self._may_look(entry.name) and _is_dataset(entry)]
        return sorted(found)

    def folder(self, name: str) -> LocalFolder:
        """Raises DataError: no plain name; NotFoundError: no dataset of that name."""
        if not DATASET_NAME.fullmatch(name):
            raise DataError(f"{name!r}: no name of a dataset; it must match {DATASET_NAME.pattern}")
        place = f"{self.home}/{name}"
        if not self._may_look(name) or os.path.islink(place) or not os.path.isdir(f"{place}/{MANIFESTS}"):
            raise NotFoundError(f"no dataset {name!r} in this workspace; `factory datasets ls` lists what there is")
        return self.memory.get(("folder", name), lambda: LocalFolder(Path(place)), lambda _: SMALL)

    def version(self, ref: Ref) -> DatasetVersion:
        """The version that `ref` names: "pairs", "pairs@v3", "pairs@best". What it names is looked up at each call.

        Raises:
            DataError: no plain name (a path, a URL, "..").
            NotFoundError: no such dataset, version or tag.
            CorruptError: its manifest or tag is damaged.
        """
        if isinstance(ref, DatasetVersion):
            return ref
        parsed = parse_ref(ref)
        folder = self.folder(parsed.location)
        number = parsed.version
        if parsed.tag is not None:
            number = read_tag(folder, parsed.tag).version
        if number is None:
            number = _latest(folder)
        return DatasetVersion(folder, self.manifest(folder, number), parsed.location)

    def manifest(self, folder: LocalFolder, number: int) -> Manifest:
        """Read once, as long as its file stays the same. Raises NotFoundError, CorruptError."""
        path = manifest_path(number)
        try:
            state = folder.path(path).stat()
        except (FileNotFoundError, OverflowError, OSError) as err:
            raise NotFoundError(f"{folder.location}: no version v{number}") from err
        key = ("manifest", folder.location, number, state.st_ino, state.st_mtime_ns, state.st_size)
        return self.memory.get(key, lambda: read_manifest(folder, number), lambda _: SMALL + 2 * state.st_size)

    def tags(self, folder: LocalFolder) -> dict[str, int]:
        """Tag -> version. Raises CorruptError."""
        return {tag: read_tag(folder, tag).version for tag in tag_names(folder)}

    def place(self, path: str) -> Path:
        """A folder below the workspace, such as "ckpt/sft". Raises DataError: a path that could lead elsewhere."""
        place = self.home
        for part in path.split("/"):
            if not is_place(part):
                raise DataError(f"{path!r}: no folder of this workspace")
            place = place / part
            if place.is_symlink():
                raise DataError(f"{path!r}: a symbolic link; put the folder itself here")
        return place

    def begun(self, name: str, start: Callable[[], T], work: Callable[[T], None]) -> T:
        """Work that goes on in the background, one piece at a time: begun once, and given what `start` made.

        It is remembered until `ended` says that its result is kept, so that what went wrong can be told.
        """
        with self._lock:
            if name in self._works:
                return cast(T, self._works[name])
            while len(self._works) >= MOST_WORKS:
                del self._works[next(iter(self._works))]
            self._works[name] = begun = start()
        self.background.submit(lambda: work(begun))
        return begun

    def ended(self, name: str) -> None:
        with self._lock:
            self._works.pop(name, None)

    def _may_look(self, name: str) -> bool:
        return self.only in (None, name)


def is_place(name: str) -> bool:
    """Whether it is a plain name of a folder, and no hidden one."""
    return bool(_PLACE.fullmatch(name))


def _is_dataset(entry: os.DirEntry[str]) -> bool:
    if not DATASET_NAME.fullmatch(entry.name) or not entry.is_dir(follow_symlinks=False):
        return False
    return os.path.isdir(os.path.join(entry.path, MANIFESTS))


def _latest(folder: LocalFolder) -> int:
    numbers = versions(folder)
    if not numbers:
        raise NotFoundError(f"{folder.location}: no version yet")
    return numbers[-1]

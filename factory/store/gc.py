"""Remove what no version names: shards of commits that never came, unfinished files, and dead builds.

Nothing that a manifest names is ever removed. Everything else must be old enough, and no process may hold its lock.
What was written under the lock that `gc` holds needs no age: who left it unfinished is dead.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from schemas.card import write_card
from schemas.datasets import MANIFESTS, first_missing, manifest_path, read_manifest, versions
from schemas.errors import CorruptError, NotFoundError
from schemas.folder import TEMPORARY, Folder
from schemas.local import LocalFolder
from schemas.locks import commits_held_back, try_hold
from schemas.manifest import Manifest
from schemas.tags import TAGS

DEFAULT_AGE_SECONDS = 3600.0
BUILDS = "_builds"


@dataclass(frozen=True, slots=True)
class Garbage:
    """A file (or, for a build, all its files below `path`) that may go."""

    path: str
    bytes: int
    reason: str


def collect_garbage(folder: Folder, older_than: float = DEFAULT_AGE_SECONDS, dry_run: bool = False) -> list[Garbage]:
    """Remove garbage last touched more than `older_than` seconds ago, and write the card again.

    Unfinished manifests, tags and cards on a local disk go whatever their age.

    Raises:
        NotFoundError: there is no dataset here.
        CorruptError: a manifest is damaged or missing, so that nobody can say what it names; nothing is removed.
    """
    with commits_held_back(folder):
        manifests = _all_manifests(folder)
        before = time.time() - older_than
        removed = [*_collect_files(folder, manifests, before, dry_run), *_collect_builds(folder, before, dry_run)]
        if not dry_run:
            write_card(folder)
    return removed


def _all_manifests(folder: Folder) -> list[Manifest]:
    numbers = versions(folder)
    if not numbers:
        raise NotFoundError(f"no dataset at {folder.location}; `factory datasets ls` lists what there is")
    if gap := first_missing(numbers):
        raise CorruptError(
            f"{folder.where(manifest_path(gap))}: missing, so its shards cannot be told from garbage; "
            "restore it from a copy, then collect again"
        )
    return [read_manifest(folder, number) for number in numbers]


def _collect_files(folder: Folder, manifests: list[Manifest], before: float, dry_run: bool) -> list[Garbage]:
    named = {shard.path for manifest in manifests for shard in [*manifest.shards, *manifest.rejections]}
    found = []
    for path in folder.list():
        reason = "" if path in named else _reason(path)
        if reason and (_is_left_by_the_dead(folder, path) or _last_touched(folder, path) < before):
            found.append(Garbage(path, _size(folder, path), reason))
            if not dry_run:
                folder.delete(path)
    return found


def _reason(path: str) -> str:
    """Why a file that no manifest names may go, or nothing for a file that is not ours to remove."""
    parts = path.split("/")
    if parts[0] == BUILDS and len(parts) > 2:
        return ""
    if parts[-1].startswith((TEMPORARY, ".probe-")):
        return "unfinished file"
    if len(parts) == 2 and parts[0] in ("data", "rejections") and path.endswith(".parquet"):
        return "shard that no version names"
    return ""


def _is_left_by_the_dead(folder: Folder, path: str) -> bool:
    """An unfinished manifest, tag or card: on a local disk each is written under the lock that is held here."""
    place, _, name = path.rpartition("/")
    return folder.is_local and place in ("", MANIFESTS, TAGS) and name.startswith(TEMPORARY)


def _collect_builds(folder: Folder, before: float, dry_run: bool) -> list[Garbage]:
    """Builds that nobody is at work on: finished and not cleared, or given up. Their answers stay in the ledger."""
    found = []
    for build, paths in _builds(folder).items():
        with _idle(folder, build) as is_idle:
            if not is_idle or max(_last_touched(folder, path) for path in paths) >= before:
                continue
            found.append(Garbage(build, sum(_size(folder, path) for path in paths), "build that nobody is at work on"))
            if not dry_run:
                folder.delete_tree(build)
    return found


def _builds(folder: Folder) -> dict[str, list[str]]:
    """The files of each build, by its folder."""
    files: dict[str, list[str]] = {}
    for path in folder.list(BUILDS):
        parts = path.split("/")
        if len(parts) > 2:
            files.setdefault(f"{BUILDS}/{parts[1]}", []).append(path)
    return files


def _idle(folder: Folder, build: str) -> AbstractContextManager[bool]:
    """Holds the build's lock, so that no process starts on it meanwhile. An object store has only the age."""
    if isinstance(folder, LocalFolder):
        return try_hold(folder.path(f"{build}/lock"))
    return nullcontext(True)


def _last_touched(folder: Folder, path: str) -> float:
    """A file that is gone by now was touched this moment."""
    try:
        return folder.modified(path)
    except FileNotFoundError:
        return math.inf


def _size(folder: Folder, path: str) -> int:
    """A symbolic link, or a file that is gone by now, counts nothing."""
    try:
        return folder.size(path)
    except (CorruptError, FileNotFoundError):
        return 0

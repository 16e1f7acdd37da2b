"""Garbage goes, when it is old enough and nobody works on it; what a version names stays, whatever happens."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from factory.store.gc import collect_garbage
from factory.store.tag import tag_version
from factory.store.verify import verify
from schemas.commit import commit
from schemas.datasets import manifest_path, open_version, versions
from schemas.errors import CorruptError, NotFoundError
from schemas.folder import Folder
from schemas.local import LocalFolder
from schemas.records import Prompt
from tests.factory.store.made import draft, make_dataset, make_version
from tests.schemas.rows import rows_of

HOUR = 3600.0


@contextmanager
def held(folder: Folder, build_id: str):
    """As a running build does: its lock file, locked."""
    with _locked_file(folder, f"_builds/{build_id}/lock"):
        yield


def _locked_file(folder: Folder, path: str):
    """Once more, should `gc` have removed the file before it was locked."""
    while True:
        with suppress(FileNotFoundError):
            folder.replace(path, b"")
            file = open(f"{folder.location}/{path}", "ab")  # noqa: SIM115 - the caller closes it
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.path.exists(file.name) and os.path.samestat(os.fstat(file.fileno()), os.stat(file.name)):
                return file
            file.close()


def age(folder: Folder, prefix: str, seconds: float) -> None:
    then = time.time() - seconds
    for path in folder.list(prefix):
        os.utime(f"{folder.location}/{path}", (then, then))


def removed(folder: Folder, **how) -> set[str]:
    return {garbage.path for garbage in collect_garbage(folder, **how)}


UNDER_LOCK = ["_manifests/.tmp-2", "_tags/.tmp-3", ".tmp-4"]  # where files are written under the lock of commits
STRAY = [
    "data/0123456789abcdef0123.parquet",
    "rejections/0123456789abcdef0123.parquet",
    "data/.tmp-1",
    *UNDER_LOCK,
]


def test_strays_go_and_versions_stay(tmp_path):
    folder = make_dataset(tmp_path / "ds", versions=2)
    kept = set(folder.list())
    for path in STRAY:
        folder.replace(path, b"stray")
    age(folder, "", 2 * HOUR)
    assert removed(folder) == set(STRAY)
    assert set(folder.list()) == kept
    assert verify("ds", tmp_path).broken == {}


def test_what_is_young_stays(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    for path in STRAY:
        folder.replace(path, b"stray")
    age(folder, "", 0.5 * HOUR)
    assert removed(folder) == set(UNDER_LOCK)
    assert removed(folder, older_than=0.4 * HOUR) == set(STRAY) - set(UNDER_LOCK)


@pytest.mark.parametrize(("where", "committed"), [("_manifests", [1]), (".", [1, 2])])
def test_what_a_killed_commit_left_goes_at_any_age(tmp_path, where, committed):
    folder = make_dataset(tmp_path / "ds")
    dying = [sys.executable, "-m", "tests.factory.store.dying", folder.location, where]
    assert subprocess.run(dying, check=False).returncode == -signal.SIGKILL
    [left] = [path for path in folder.list() if ".tmp-" in path]
    assert left in verify("ds", tmp_path).broken
    assert removed(folder) == {left}
    assert versions(folder) == committed
    commit(folder, draft(folder, "dying", rows_of(Prompt, 3, first=50)))
    assert versions(folder) == [1, 2]
    assert verify("ds", tmp_path).broken == {}


class Watched(LocalFolder):
    """Calls `meanwhile` when a new manifest lies beside its place."""

    def __init__(self, root, meanwhile):
        super().__init__(root)
        self.meanwhile = meanwhile

    @contextmanager
    def _aside(self, target, data):
        with super()._aside(target, data) as aside:
            if target.parent.name == "_manifests":
                self.meanwhile()
            yield aside


def test_the_unfinished_manifest_of_a_commit_at_work_stays(tmp_path):
    collecting = []

    def collect():
        collecting.append(pool.submit(removed, Folder.open(tmp_path / "ds"), older_than=-1))
        with suppress(TimeoutError):  # it waits for the commit
            collecting[0].result(timeout=0.3)

    make_dataset(tmp_path / "ds")
    folder = Watched(tmp_path / "ds", collect)
    with ThreadPoolExecutor(1) as pool, held(folder, "build-1"):
        make_version(folder, 1)
        assert collecting[0].result() == set()
    assert versions(folder) == [1, 2]
    assert verify("ds", tmp_path).broken == {}


def test_a_dry_run_only_says(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    for path in [*STRAY, "_builds/dead/units/u.json"]:
        folder.replace(path, b"stray")
    folder.delete("README.md")
    age(folder, "", 2 * HOUR)
    before = folder.list()
    assert removed(folder, dry_run=True) == {*STRAY, "_builds/dead"}
    assert folder.list() == before


def test_files_of_others_stay(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    others = ["notes.txt", "data/notes.txt", "data/deep/0123456789abcdef0123.parquet", "_tags/odd"]
    for path in others:
        folder.replace(path, b"mine")
    age(folder, "", 2 * HOUR)
    assert removed(folder) == set()
    assert all(folder.exists(path) for path in others)


def test_dead_builds_go_and_running_ones_stay(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    for build in ("dead", "running"):
        draft(folder, build, rows_of(Prompt, 5))
    with held(folder, "running"):
        age(folder, "", 2 * HOUR)
        assert removed(folder) == {"_builds/dead"}
        assert folder.list("_builds/dead") == []
        assert len(folder.list("_builds/running")) == 4
    assert removed(folder, older_than=0) == {"_builds/running"}


def test_a_build_with_one_young_file_stays(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    draft(folder, "slow", rows_of(Prompt, 5))
    age(folder, "", 2 * HOUR)
    folder.replace("_builds/slow/units/u2.json", b"{}")
    assert removed(folder) == set()


def test_the_card_is_written_again(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    folder.replace("README.md", b"edited")
    collect_garbage(folder)
    assert verify("ds", tmp_path).broken == {}


def test_with_a_damaged_or_missing_manifest_nothing_goes(tmp_path):
    folder = make_dataset(tmp_path / "ds", versions=3)
    folder.replace(STRAY[0], b"stray")
    age(folder, "", 2 * HOUR)
    data = folder.read_bytes(manifest_path(2))
    folder.replace(manifest_path(2), data.replace(b"prompts", b"promptz"))
    with pytest.raises(CorruptError, match=manifest_path(2)):
        collect_garbage(folder)
    folder.delete(manifest_path(2))
    with pytest.raises(CorruptError, match=f"{manifest_path(2)}: missing"):
        collect_garbage(folder)
    assert folder.exists(STRAY[0])


def test_no_dataset_no_collection(tmp_path):
    Folder.open(tmp_path / "ds").replace("data/x.parquet", b"not a dataset")
    with pytest.raises(NotFoundError):
        collect_garbage(Folder.open(tmp_path / "ds"), older_than=0)
    assert (tmp_path / "ds/data/x.parquet").exists()


def test_a_link_is_removed_and_not_followed(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    (tmp_path / "precious").write_bytes(b"precious")
    link = tmp_path / "ds" / STRAY[0]
    link.symlink_to(tmp_path / "precious")
    assert removed(folder, older_than=-1) == {STRAY[0]}
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_an_object_store_is_collected_by_age(s3_bucket, tmp_path):
    folder = Folder.open(f"{s3_bucket}/{tmp_path.name}/gc")
    make_version(folder, 0)
    for path in [*STRAY, "_builds/dead/units/u.json", "_builds/.probe-1"]:
        folder.replace(path, b"stray")
    assert removed(folder) == set()
    assert removed(folder, older_than=-5) == {*STRAY, "_builds/dead", "_builds/.probe-1"}
    assert verify(folder.location, tmp_path).broken == {}


class Killed(BaseException):
    pass


def commit_killed_somewhere(folder: Folder, plan, chance: random.Random) -> None:
    """A commit that dies after some of its changes."""
    left = iter(range(chance.randrange(8)))
    dying = Folder.open(folder.location)
    for name in ("create", "replace", "move"):
        do = getattr(dying, name)

        def change(*args, do=do):
            if next(left, None) is None:
                raise Killed
            do(*args)

        setattr(dying, name, change)
    with suppress(Killed):
        commit(dying, plan)


@pytest.mark.parametrize("seed", range(int(os.environ.get("FACTORY_GC_SEEDS", "12"))))
def test_after_any_history_every_version_is_whole(tmp_path, seed):
    chance = random.Random(seed)
    folder = make_dataset(tmp_path / "ds")
    rows_so_far = {1: 6}
    for step in range(1, 15):
        match chance.choice(["commit", "killed", "share", "stray", "tag", "gc", "gc"]):
            case "commit":
                made = make_version(folder, step, count=chance.randrange(1, 9))
                rows_so_far[made.version] = made.rows
            case "killed":
                plan = draft(folder, f"build-{step}", rows_of(Prompt, 9, first=step * 1000))
                commit_killed_somewhere(folder, plan, chance)
                rows_so_far |= dict.fromkeys(set(versions(folder)) - set(rows_so_far), 9)
            case "share":  # a version made of another version's shards
                old = open_version(f"ds@v{chance.choice(versions(folder))}", tmp_path).manifest
                plan = draft(folder, f"build-{step}", rows_of(Prompt, old.rows), shards=old.shards)
                rows_so_far[commit(folder, plan).version] = old.rows
            case "stray":
                folder.replace(chance.choice(STRAY), b"stray")
            case "tag":
                tag_version(f"ds@v{chance.choice(versions(folder))}", chance.choice(["a", "b"]), tmp_path)
            case "gc":
                collect_garbage(folder, older_than=chance.choice([-1, HOUR]), dry_run=chance.random() < 0.2)
    collect_garbage(folder, older_than=-1)
    assert verify("ds", tmp_path).broken == {}
    assert versions(folder) == list(rows_so_far)
    for number, count in rows_so_far.items():
        assert sum(1 for _ in open_version(f"ds@v{number}", tmp_path).records()) == count
    named = {shard.path for number in rows_so_far for shard in shards_of(number, tmp_path)}
    assert set(folder.list("data")) | set(folder.list("rejections")) == named


def shards_of(number: int, tmp_path) -> list:
    manifest = open_version(f"ds@v{number}", tmp_path).manifest
    return [*manifest.shards, *manifest.rejections]


def test_collecting_while_others_commit_loses_nothing(tmp_path):
    make_dataset(tmp_path / "ds")
    is_over = False

    def build(number: int) -> None:
        folder = Folder.open(tmp_path / "ds")
        with held(folder, f"build-{number}"):
            make_version(folder, number, count=3)

    def collect() -> int:
        rounds = 0
        while not is_over:
            collect_garbage(Folder.open(tmp_path / "ds"), older_than=-1)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as pool:
        collecting = pool.submit(collect)
        try:
            list(pool.map(build, range(1, 16)))
        finally:
            is_over = True
        assert collecting.result() > 0
    collect_garbage(Folder.open(tmp_path / "ds"), older_than=-1)
    assert verify("ds", tmp_path).broken == {}
    assert versions(Folder.open(tmp_path / "ds")) == list(range(1, 17))

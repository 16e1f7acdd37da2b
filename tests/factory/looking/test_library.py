"""What may be looked at, and what is kept while one looks."""

import os
import threading
import time

import pytest

from factory.looking.background import Background
from factory.looking.columns import statistics
from factory.looking.datasets import list_datasets, list_versions, version_page
from factory.looking.kept import Kept
from factory.looking.memory import Memory
from factory.looking.rows import Query, page
from factory.looking.sample import show_row
from schemas.errors import CorruptError, DataError, NotFoundError, WriteError
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import prompt


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    version(home, "one", [prompt(1)])
    version(tmp_path, "outside", [prompt(2)])
    return home


@pytest.mark.parametrize(
    "ref",
    ["../outside", "..", "/etc", ".factory", "a/b", "one/../../outside", "s3://x/y", "~", "", "one@v1/..", "x" * 65],
)
def test_only_plain_names_are_datasets(home, ref):
    with pytest.raises(DataError):
        library(home).version(ref)


def test_links_are_no_datasets(home, tmp_path):
    (home / "link").symlink_to(tmp_path / "outside")
    shelf = library(home)
    assert shelf.names() == ["one"]
    with pytest.raises(NotFoundError):
        shelf.version("link")
    (home / "one" / "data").rename(tmp_path / "elsewhere")
    (home / "one" / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptError, match="symbolic link"):
        page(shelf, "one", Query())


@pytest.mark.parametrize("path", ["../home", "ckpt/../..", "/etc", "a//b", ".hidden", "", "a/.b"])
def test_only_plain_folders_are_places(home, path):
    with pytest.raises(DataError):
        library(home).place(path)


def test_one_dataset_alone(home):
    version(home, "two", [prompt(1)])
    shelf = library(home, only="two")
    assert shelf.names() == ["two"]
    with pytest.raises(NotFoundError):
        shelf.version("one")


@pytest.mark.parametrize("ref", ["one@v2", "one@nothing", "nothing", "one@v9999999999999999999"])
def test_what_is_not_there(home, ref):
    with pytest.raises(NotFoundError):
        library(home).version(ref)


def test_a_version_that_is_made_while_one_looks_is_seen(home):
    shelf = library(home)
    assert shelf.version("one").manifest.version == 1
    version(home, "one", [prompt(1), prompt(2)], number=2)
    assert shelf.version("one").manifest.version == 2
    assert [line.version for line in list_versions(shelf, "one")] == [2, 1]
    assert [line.version for line in list_versions(shelf, "one", before=2)] == [1]


def test_a_damaged_dataset_is_listed_with_its_problem(home):
    version(home, "two", [prompt(1)])
    manifest = next((home / "two" / "_manifests").iterdir())
    manifest.write_bytes(manifest.read_bytes().replace(b'"rows": 1', b'"rows": 2'))
    one, two = list_datasets(library(home))
    assert (one.problem, one.latest.rows) == (None, 1)
    assert two.latest is None
    assert "changed after it was committed" in two.problem
    with pytest.raises(CorruptError):
        version_page(library(home), "two")


def test_a_manifest_that_is_changed_while_one_looks_is_noticed(home):
    shelf = library(home)
    shelf.version("one")
    manifest = next((home / "one" / "_manifests").iterdir())
    manifest.write_bytes(manifest.read_bytes().replace(b"gsm8k", b"other"))
    os.utime(manifest, (1, 1))
    data = manifest.read_bytes()
    manifest.write_bytes(data[:-1])
    with pytest.raises(CorruptError):
        shelf.version("one")


def test_memory_forgets_what_was_not_used_for_longest():
    memory = Memory(100)
    for number in range(5):
        memory.keep(number, number, 30)
    assert [memory.find(number) for number in range(5)] == [None, None, 2, 3, 4]
    memory.find(2)
    memory.keep(9, "x", 30)
    assert (memory.find(2), memory.find(3), memory.bytes) == (2, None, 90)
    assert memory.get("giant", lambda: "made", lambda _: 101) == "made"
    assert memory.find("giant") is None
    memory.keep(2, 2, 95)
    assert (memory.bytes, memory.find(9)) == (95, None)


def test_of_many_threads_one_makes():
    memory, made, gate = Memory(100), [], threading.Event()

    def make():
        gate.wait()
        made.append(1)
        return "thing"

    threads = [threading.Thread(target=lambda: memory.get("key", make, lambda _: 1)) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_what_failed_is_tried_again():
    memory = Memory(100)
    with pytest.raises(ZeroDivisionError):
        memory.get("key", lambda: 1 // 0, lambda _: 1)
    assert memory.get("key", lambda: 7, lambda _: 1) == 7


def test_files_that_were_not_used_for_longest_go(tmp_path):
    kept = Kept(tmp_path / "kept", limit=250)
    for number in range(4):
        kept.write(f"{number}", lambda place: place.write_bytes(b"x" * 100))
    long_ago = time.time() - 7200
    for number, age in ((0, 3), (1, 2), (2, 1)):
        os.utime(tmp_path / "kept" / f"{number}", (long_ago - age, long_ago - age))
    (tmp_path / "kept" / ".tmp-left").write_bytes(b"")
    os.utime(tmp_path / "kept" / ".tmp-left", (long_ago, long_ago))
    assert kept.path("0") is not None  # so that it counts as used
    kept.prune()
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == ["0", "3"]


def test_a_file_that_could_not_be_written_is_not_there(tmp_path):
    kept = Kept(tmp_path / "kept", limit=1000)

    def fail(place):
        place.write_bytes(b"half")
        raise OSError("no space")

    with pytest.raises(WriteError, match="no space"):
        kept.write("a/b", fail)
    assert [place for place in (tmp_path / "kept").rglob("*") if place.is_file()] == []
    assert kept.path("a/b") is None


def test_where_nothing_may_be_written_rows_are_read_all_the_same(home, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    shelf = library(home, kept=tmp_path / "file" / "kept")
    assert page(shelf, "one", Query()).rows == page(library(home), "one", Query()).rows
    assert show_row(shelf, "one", 0) == show_row(library(home), "one", 0)
    assert statistics(shelf, "one").rows == 1


def test_a_row_group_that_was_cleared_away_is_made_again(home):
    shelf = library(home)
    first = page(shelf, "one", Query()).rows
    for file in (shelf.kept.folder / "groups").iterdir():
        file.unlink()
    assert page(shelf, "one", Query()).rows == first


def test_work_that_fails_is_told_and_the_next_is_done(capsys):
    background, done = Background(), []
    background.submit(lambda: 1 // 0)
    background.submit(lambda: done.append(1))
    background.wait()
    assert done == [1]
    assert "ZeroDivisionError" in capsys.readouterr().err

"""One behaviour on a local disk, in memory and in S3; and what must never leave the folder."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from schemas.errors import CorruptError, DataError
from schemas.folder import Folder


@pytest.fixture(params=["local", "memory", "s3"])
def folder(request, tmp_path) -> Folder:
    if request.param == "local":
        return Folder.open(tmp_path / "ds")
    if request.param == "memory":
        return Folder.open(f"memory://{uuid4().hex}/ds")
    return Folder.open(f"{request.getfixturevalue('s3_bucket')}/{uuid4().hex}/ds")


def test_a_folder_that_is_not_there_is_empty(folder):
    assert folder.list() == []
    assert not folder.exists("a/b")
    for ask in (folder.read_bytes, folder.size, folder.open_input):
        with pytest.raises(FileNotFoundError):
            ask("a/b")


def test_create_writes_once(folder):
    folder.create("a/b.json", b"first")
    with pytest.raises(FileExistsError):
        folder.create("a/b.json", b"second")
    assert folder.read_bytes("a/b.json") == b"first"
    assert folder.list() == ["a/b.json"]


def test_of_many_who_create_one_wins(folder):
    if folder.location.startswith("memory"):
        pytest.skip("fsspec's memory store checks and writes in two steps, and is for one thread")

    def try_create(number: int) -> bool:
        try:
            folder.create("a/b.json", str(number).encode())
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, is_won in enumerate(pool.map(try_create, range(16))) if is_won]
    assert [folder.read_bytes("a/b.json")] == [str(number).encode() for number in won]


def test_a_store_that_creates_is_accepted_and_left_clean(folder):
    folder.require_create()
    assert folder.list() == []


def test_replace_writes_whole(folder):
    folder.replace("a.json", b"long enough")
    folder.replace("a.json", b"short")
    assert folder.read_bytes("a.json") == b"short"
    assert folder.size("a.json") == 5
    assert folder.exists("a.json")


def test_list_is_recursive_sorted_and_below_the_prefix(folder):
    for path in ("b/2", "a/1", "a/c/3", "ab/4"):
        folder.replace(path, path.encode())
    assert folder.list() == ["a/1", "a/c/3", "ab/4", "b/2"]
    assert folder.list("a") == ["a/1", "a/c/3"]
    assert folder.list("nothing") == []
    assert folder.read_many(["b/2", "a/1"]) == [b"b/2", b"a/1"]
    assert folder.read_many([]) == []


def test_put_may_be_repeated_and_keeps_the_local_file(folder, tmp_path):
    local = tmp_path / "made"
    local.write_bytes(b"rows")
    for _ in range(2):
        folder.put(local, "data/x.parquet")
    assert folder.read_bytes("data/x.parquet") == b"rows"
    assert folder.list() == ["data/x.parquet"]
    assert local.read_bytes() == b"rows"


def test_move_renames_over_what_was_there(folder):
    folder.replace("a/1", b"new")
    folder.replace("b/1", b"old")
    folder.move("a/1", "b/1")
    assert folder.list() == ["b/1"]
    assert folder.read_bytes("b/1") == b"new"
    with pytest.raises(FileNotFoundError):
        folder.move("a/1", "b/1")


def test_delete_needs_no_file(folder):
    folder.replace("a/1", b"x")
    folder.delete("a/1")
    folder.delete("a/1")
    assert folder.list() == []


def test_delete_tree_removes_what_is_below_and_no_more(folder):
    for path in ("_builds/a/1", "_builds/a/b/2", "_builds/ab/3"):
        folder.replace(path, b"x")
    folder.delete_tree("_builds/a")
    assert folder.list() == ["_builds/ab/3"]


def test_an_input_can_seek(folder):
    folder.replace("a", bytes(range(200)))
    with folder.open_input("a") as file:
        file.seek(-2, io.SEEK_END)
        assert file.read() == bytes([198, 199])
        file.seek(5)
        assert file.read(2) == bytes([5, 6])


def test_scratch_files_do_not_show(folder, tmp_path):
    with folder.scratch("data") as scratch:
        (scratch / ".tmp-1").write_bytes(b"rows")
        folder.put(scratch / ".tmp-1", "data/x")
        (scratch / ".tmp-1").unlink()
    assert folder.list() == ["data/x"]


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a\\b", "a\0b", "a/"])
def test_no_path_leaves_the_folder(folder, path):
    for use in (folder.read_bytes, folder.exists, folder.size, folder.open_input, folder.delete, folder.modified):
        with pytest.raises(CorruptError):
            use(path)
    for write in (folder.create, folder.replace):
        with pytest.raises(CorruptError):
            write(path, b"x")
    with pytest.raises(CorruptError):
        folder.move("a", path)


def test_symbolic_links_are_refused_and_listed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    folder = Folder.open(tmp_path / "ds")
    folder.replace("data/real", b"x")
    (tmp_path / "ds/data/link").symlink_to(outside / "secret")
    (tmp_path / "ds/linked").symlink_to(outside)
    assert folder.list() == ["data/link", "data/real", "linked"]
    for path in ("data/link", "linked/secret"):
        with pytest.raises(CorruptError, match="symbolic link"):
            folder.read_bytes(path)
        with pytest.raises(CorruptError):
            folder.replace(path, b"overwritten")
    with pytest.raises(CorruptError):
        folder.delete("linked/secret")
    folder.delete("data/link")
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_dataset_may_itself_be_reached_by_a_link(tmp_path):
    Folder.open(tmp_path / "real").replace("a", b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Folder.open(tmp_path / "link").read_bytes("a") == b"x"


class CarelessFileSystem(MemoryFileSystem):
    """A store that ignores "only if absent", as some object stores do."""

    protocol = "careless"
    store: dict[str, object] = {}  # noqa: RUF012 - as its parent has it
    pseudo_dirs = [""]  # noqa: RUF012

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        super().pipe_file(path, value, mode="overwrite")


def test_a_store_that_overwrites_is_refused_and_left_clean():
    fsspec.register_implementation("careless", CarelessFileSystem, clobber=True)
    folder = Folder.open("careless://ds")
    with pytest.raises(DataError, match="two writers could lose"):
        folder.require_create()
    assert folder.list() == []


def test_an_unknown_kind_of_url_says_so():
    with pytest.raises(DataError, match="nosuchstore"):
        Folder.open("nosuchstore://bucket/x")


def test_a_local_write_that_fails_leaves_nothing(tmp_path):
    folder = Folder.open(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        folder.replace("a", b"x")
    assert [path.name for path in Path(tmp_path).iterdir()] == ["a"]

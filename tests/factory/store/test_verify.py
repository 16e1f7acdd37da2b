"""Every changed byte, cut, missing and foreign file is found and named; nothing else is."""

from __future__ import annotations

import pytest

from factory.store.tag import tag_version
from factory.store.verify import Report, check_card, check_shard, verify
from schemas.datasets import check_manifest, manifest_path, open_version
from schemas.errors import CorruptError, NotFoundError
from schemas.folder import Folder
from schemas.tags import check_tag, tag_path
from tests.factory.store.made import make_dataset, make_version


@pytest.fixture
def folder(tmp_path) -> Folder:
    folder = make_dataset(tmp_path / "ds", versions=2, count=1)
    tag_version("ds@v1", "best", tmp_path)
    return folder


def broken(tmp_path, ref: str = "ds") -> dict[str, str]:
    return verify(ref, tmp_path).broken


def files(folder: Folder) -> list[str]:
    return [path for path in folder.list() if not path.startswith("_builds/")]


def test_a_whole_dataset_has_nothing_broken(folder, tmp_path):
    for ref in ("ds", "ds@v1", "ds@latest", "ds@best"):
        assert broken(tmp_path, ref) == {}
    report = verify("ds", tmp_path)
    assert (report.versions, report.shards) == ([1, 2], 4)
    assert verify("ds@best", tmp_path).versions == [1]


def flips(data: bytes, step: int = 1):
    """The data with one byte changed, at every `step`-th place; the bit goes round."""
    for place in range(0, len(data), step):
        yield place, data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]


def test_every_changed_byte_of_a_manifest_is_seen(folder):
    data = folder.read_bytes(manifest_path(1))
    check_manifest(data, 1, "here")
    for _, changed in flips(data):
        with pytest.raises(CorruptError, match="here"):
            check_manifest(changed, 1, "here")


def test_every_changed_byte_of_a_tag_is_seen(folder):
    data = folder.read_bytes(tag_path("best"))
    check_tag(data, "best", "here")
    for _, changed in flips(data):
        with pytest.raises(CorruptError, match="here"):
            check_tag(changed, "best", "here")


def test_every_changed_byte_of_a_shard_is_seen(folder, tmp_path):
    (shard,) = open_version("ds@v1", tmp_path).manifest.shards
    on_disk = tmp_path / "ds" / shard.path
    for place, changed in flips(on_disk.read_bytes()):
        on_disk.write_bytes(changed)
        report = Report(folder.location)
        check_shard(folder, shard, report)
        assert list(report.broken) == [shard.path], place


def test_every_changed_byte_of_the_card_is_seen(folder, tmp_path):
    data = folder.read_bytes("README.md")
    for place, changed in flips(data):
        (tmp_path / "ds/README.md").write_bytes(changed)
        report = Report(folder.location)
        check_card(folder, report)
        assert list(report.broken) == ["README.md"], place


def test_a_changed_byte_of_any_file_is_found_and_named_by_the_whole_check(folder, tmp_path):
    for path in files(folder):
        data = folder.read_bytes(path)
        for place, changed in flips(data, step=len(data) // 25):
            (tmp_path / "ds" / path).write_bytes(changed)
            assert list(broken(tmp_path)) == [path], (path, place)
        (tmp_path / "ds" / path).write_bytes(data)
    assert broken(tmp_path) == {}


@pytest.mark.parametrize("cut", [lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda data: b""])
def test_a_cut_file_is_found_and_named(folder, tmp_path, cut):
    for path in files(folder):
        data = folder.read_bytes(path)
        folder.replace(path, cut(data))
        assert list(broken(tmp_path)) == [path]
        folder.replace(path, data)


def test_a_longer_file_is_found_and_named(folder, tmp_path):
    for path in files(folder):
        data = folder.read_bytes(path)
        folder.replace(path, data + b"\n")
        assert list(broken(tmp_path)) == [path]
        folder.replace(path, data)


def test_a_missing_file_is_found_and_named(folder, tmp_path):
    for path in files(folder):
        data = folder.read_bytes(path)
        folder.delete(path)
        named = broken(tmp_path)
        if path == manifest_path(2):  # the latest leaves no gap: its shards and the card tell
            assert set(named) == {"README.md", *open_shards(data)}
        elif path == tag_path("best"):  # a tag may be removed; the card still has it
            assert list(named) == ["README.md"]
        else:
            assert list(named) == [path]
            assert "missing" in named[path]
        folder.replace(path, data)
    assert broken(tmp_path) == {}


def open_shards(manifest: bytes) -> list[str]:
    made = check_manifest(manifest, 2, "")
    return [shard.path for shard in [*made.shards, *made.rejections]]


def test_the_only_manifest_missing_is_named(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    folder.delete(manifest_path(1))
    assert "missing" in broken(tmp_path)[manifest_path(1)]
    assert manifest_path(1) in broken(tmp_path, "ds@v1")


FOREIGN = [
    "data/0123456789abcdef0123.parquet",
    "data/.tmp-0123",
    "data/notes.txt",
    "rejections/0123456789abcdef0123.parquet",
    "notes.txt",
    ".hidden",
    "deep/er/file",
    "_manifests/notes.json",
    "_manifests/.tmp-0123",
    "_tags/v3.json",
    "_tags/deep/x.json",
]


@pytest.mark.parametrize("path", FOREIGN)
def test_a_foreign_file_is_found_and_named(folder, tmp_path, path):
    folder.replace(path, b"?")
    assert list(broken(tmp_path)) == [path]
    assert "foreign" in broken(tmp_path)[path]


def test_a_foreign_version_far_away_is_found_at_once(folder, tmp_path):
    far = "_manifests/99999999999999999999.json"
    folder.replace(far, folder.read_bytes(manifest_path(1)))
    assert list(broken(tmp_path)) == [manifest_path(3), far]


def test_a_link_in_place_of_a_file_is_found_and_named(folder, tmp_path):
    for path in files(folder):
        real = tmp_path / "ds" / path
        real.rename(tmp_path / "moved")
        real.symlink_to(tmp_path / "moved")
        assert path in broken(tmp_path)
        real.unlink()
        (tmp_path / "moved").rename(real)
    assert broken(tmp_path) == {}


def test_two_shards_changed_about_are_both_named(tmp_path):
    folder = make_dataset(tmp_path / "ds", count=8)
    one, two = folder.list("data")
    first, second = folder.read_bytes(one), folder.read_bytes(two)
    folder.replace(one, second)
    folder.replace(two, first)
    assert list(broken(tmp_path)) == [one, two]


def test_several_broken_files_are_all_named(folder, tmp_path):
    shards = folder.list("data")
    for path in shards:
        folder.replace(path, b"x")
    folder.replace("notes.txt", b"x")
    assert set(broken(tmp_path)) == {*shards, "notes.txt"}


def test_only_the_named_version_is_read(folder, tmp_path):
    shard = open_version("ds@v2", tmp_path).manifest.shards[0].path
    folder.replace(shard, b"x")
    assert broken(tmp_path, "ds@v1") == {}
    assert list(broken(tmp_path, "ds@v2")) == list(broken(tmp_path)) == [shard]


def test_a_tag_for_another_manifest_is_found(folder, tmp_path):
    other = make_dataset(tmp_path / "other", count=2)
    tag_version("other", "best", tmp_path)
    folder.replace(tag_path("best"), other.read_bytes(tag_path("best")))
    assert next(iter(broken(tmp_path))) == tag_path("best")
    assert "names another v1" in broken(tmp_path)[tag_path("best")]


def test_a_version_that_never_was_is_no_broken_file(folder, tmp_path):
    for ref, said in [("ds@v9", "no version v9"), ("ds@nope", "no tag 'nope'"), ("nope", "no dataset")]:
        with pytest.raises(NotFoundError, match=said):
            verify(ref, tmp_path)


def test_what_a_build_is_writing_is_not_foreign(folder, tmp_path):
    folder.replace("_builds/b1/units/u1.json", b"{}")
    assert broken(tmp_path) == {}


def test_verify_reads_an_object_store(s3_bucket, tmp_path):
    folder = Folder.open(f"{s3_bucket}/{tmp_path.name}/ds")
    made = make_version(folder, 0)
    assert broken(tmp_path, folder.location) == {}
    path = made.shards[0].path
    data = folder.read_bytes(path)
    folder.replace(path, data[:-1] + bytes([data[-1] ^ 1]))
    folder.replace("data/foreign", b"")
    assert list(broken(tmp_path, folder.location)) == [path, "data/foreign"]

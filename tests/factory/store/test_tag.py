"""Tags name versions, move, and are refused where the name means something already."""

from __future__ import annotations

import pytest

from factory.store.tag import tag_version
from factory.store.verify import verify
from schemas.datasets import open_version
from schemas.errors import DataError, NotFoundError
from schemas.folder import Folder
from schemas.tags import tag_names, tag_path
from tests.factory.store.made import make_dataset, make_version


def test_a_tag_names_a_version_and_moves(tmp_path):
    folder = make_dataset(tmp_path / "ds", versions=2)
    tag, before = tag_version("ds@v1", "best", tmp_path)
    assert (tag.version, before) == (1, None)
    assert open_version("ds@best", tmp_path).manifest.version == 1
    tag, before = tag_version("ds", "best", tmp_path)
    assert (tag.version, before) == (2, 1)
    assert open_version("ds@best", tmp_path).manifest.version == 2
    make_version(folder, 2)
    assert open_version("ds@best", tmp_path).manifest.version == 2
    assert tag_names(folder) == ["best"]
    assert verify("ds", tmp_path).broken == {}


def test_a_tag_may_follow_another_tag(tmp_path):
    make_dataset(tmp_path / "ds", versions=2)
    tag_version("ds@v1", "a", tmp_path)
    tag, _ = tag_version("ds@a", "b", tmp_path)
    assert tag.version == 1


@pytest.mark.parametrize(
    "name", ["latest", "default", "v1", "v007", "", ".x", "-x", "a/b", "../x", "a b", "é", "x" * 65]
)
def test_a_name_that_cannot_be_a_tag_is_refused(tmp_path, name):
    folder = make_dataset(tmp_path / "ds")
    with pytest.raises(DataError, match="cannot be a tag"):
        tag_version("ds", name, tmp_path)
    assert folder.list("_tags") == []


def test_no_tag_without_its_version(tmp_path):
    make_dataset(tmp_path / "ds")
    with pytest.raises(NotFoundError):
        tag_version("ds@v2", "best", tmp_path)


def test_a_damaged_tag_is_repaired_by_setting_it_again(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    tag_version("ds", "best", tmp_path)
    folder.replace(tag_path("best"), b"{}")
    assert list(verify("ds", tmp_path).broken) == [tag_path("best")]
    assert tag_version("ds", "best", tmp_path)[1] is None
    assert verify("ds", tmp_path).broken == {}


def test_tags_in_an_object_store(s3_bucket, tmp_path):
    location = f"{s3_bucket}/{tmp_path.name}/tags"
    make_version(Folder.open(location), 0)
    tag_version(location, "best", tmp_path)
    assert open_version(f"{location}@best", tmp_path).manifest.version == 1

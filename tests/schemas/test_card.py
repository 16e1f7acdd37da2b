"""The card is what manifests and tags make it, even with hostile text and many writers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from factory.store.tag import tag_version
from schemas.card import CARD, VERSIONS_LISTED, read_state, render_card, write_card
from schemas.errors import CorruptError
from schemas.folder import Folder
from schemas.manifest import InputRef, ModelRef
from tests.factory.store.made import make_dataset, make_version

HOSTILE = [
    "a\n---\nconfigs: []\n",
    "x'\"\\ # {}[]: &a *b !!python/object:os.system",
    "\u202egnp.exe \x1b[31m \x00 \x85 \ufeff \u2028 😀",
    "<script>alert(1)</script> ![x](http://evil/y.png) | a | b |",
    "yes",
    "1e3",
    "@latest",
]


def front_matter(card: str) -> dict:
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert body.startswith("\n# ")
    return yaml.safe_load(head)


def test_configs_list_the_files_of_each_version_and_tag(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    second = make_version(folder, 1)
    tag_version("ds@v1", "best", tmp_path)
    head = front_matter(folder.read_bytes(CARD).decode())
    configs = {config["config_name"]: config for config in head["configs"]}
    assert list(configs) == ["default", "best", "v2", "v1"]
    assert configs["default"]["default"] is True
    files = {name: config["data_files"] for name, config in configs.items()}
    assert files["default"] == files["v2"] == [{"split": "train", "path": [shard.path for shard in second.shards]}]
    assert files["best"] == files["v1"] != files["v2"]
    assert head["license"] == ["mit"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(tmp_path, text):
    model = ModelRef(role="policy", model=text, revision=text, engine=text, engine_version=text)
    refs = {"models": [model], "inputs": [InputRef(name=text, version=1, sha256=text)]}
    folder = make_dataset(tmp_path / "ds", licences=[text], **refs)
    card = folder.read_bytes(CARD).decode()
    head = front_matter(card)
    assert list(head) == ["pretty_name", "license", "configs"]
    assert len(head["license"]) == 1
    assert head["license"][0].isprintable()
    assert [config["config_name"] for config in head["configs"]] == ["default", "v1"]
    body = card.split("\n---\n", 1)[1]
    assert "<script" not in body
    assert "![" not in body
    assert all(char.isprintable() or char == "\n" for char in body)
    rows = [line for line in body.splitlines() if line.startswith("| policy")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 5


def test_tags_that_yaml_would_read_as_something_else_stay_names(tmp_path):
    folder = make_dataset(tmp_path / "ds")
    for name in ("yes", "1.5", "null", "0x1f"):
        tag_version("ds", name, tmp_path)
    names = {config["config_name"] for config in front_matter(folder.read_bytes(CARD).decode())["configs"]}
    assert names == {"default", "v1", "yes", "1.5", "null", "0x1f"}


def test_old_versions_without_a_tag_leave_the_card(tmp_path):
    folder = make_dataset(tmp_path / "ds", versions=VERSIONS_LISTED + 2, count=1, rejected=0)
    tag_version("ds@v1", "oldest", tmp_path)
    head = front_matter(folder.read_bytes(CARD).decode())
    names = [config["config_name"] for config in head["configs"]]
    assert names == ["default", "oldest", *(f"v{number}" for number in range(VERSIONS_LISTED + 2, 2, -1))]


def test_the_last_of_many_writers_has_seen_every_version(tmp_path):
    folder = make_dataset(tmp_path / "ds", versions=1)

    def work(number: int) -> None:
        own = Folder.open(tmp_path / "ds")
        make_version(own, number, count=1)
        tag_version("ds", f"tag-{number}", tmp_path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(1, 13)))
    assert folder.read_bytes(CARD).decode() == render_card(read_state(folder))
    assert len(read_state(folder).versions) == 13


def test_a_slow_writer_looks_again(tmp_path, monkeypatch):
    """Between its reading and its writing another version comes, with a card of its own."""
    folder, slow = make_dataset(tmp_path / "ds"), Folder.open(tmp_path / "ds")
    replace, delays = slow.replace, iter([True])

    def delayed(path: str, data: bytes) -> None:
        if next(delays, False):
            make_version(folder, 1)
        replace(path, data)

    monkeypatch.setattr(slow, "replace", delayed)
    write_card(slow)
    assert folder.read_bytes(CARD).decode() == render_card(read_state(folder))
    assert "v2" in folder.read_bytes(CARD).decode()


def test_a_version_that_is_made_and_tagged_meanwhile_is_no_lost_one(tmp_path, monkeypatch):
    """Whatever was listed first: the other list has what came in between."""
    folder, slow = make_dataset(tmp_path / "ds"), Folder.open(tmp_path / "ds")
    listed, delays = slow.list, iter([True])

    def delayed(path: str) -> list[str]:
        names = listed(path)
        if next(delays, False):
            make_version(folder, 1)
            tag_version("ds@v2", "new", tmp_path)
        return names

    monkeypatch.setattr(slow, "list", delayed)
    write_card(slow)
    assert front_matter(folder.read_bytes(CARD).decode())["configs"][1]["config_name"] == "new"


def test_a_tag_of_a_lost_version_is_named(tmp_path):
    folder = make_dataset(tmp_path / "ds", versions=2)
    tag_version("ds@v2", "best", tmp_path)
    folder.delete("_manifests/00000000000000000002.json")
    with pytest.raises(CorruptError, match=r"_tags/best\.json: names v2, which is not here"):
        write_card(folder)

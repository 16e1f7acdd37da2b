from __future__ import annotations

import pytest

from schemas.errors import CorruptError, DataError, NotFoundError
from schemas.records import Completion, PreferencePair, Trace
from tests.schemas.rows import completion, pair, pass_rate, prompt, trace
from tests.trainer.small import version
from trainer.data.sources import check_shard, open_held_out, open_source
from trainer.rows.records import PAIR_KINDS, SFT_KINDS


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    version(folder, "traces", [trace(number) for number in range(6)], per_shard=4)
    version(folder, "traces", [trace(number) for number in range(9)])
    version(folder, "pairs", [pair(number) for number in range(3)])
    return folder


@pytest.mark.parametrize(
    ("text", "name", "weight"),
    [
        ("traces@v1", "traces@v1", 1.0),
        ("traces@v1:0.3", "traces@v1", 0.3),
        ("traces@v2:2", "traces@v2", 2.0),
        ("traces@v1:.5", "traces@v1", 0.5),
        ("traces", "traces@v2", 1.0),
        ("traces:1.5", "traces@v2", 1.5),
        ("traces@latest:0.25", "traces@v2", 0.25),
        ("{here}/traces@v1:0.3", "traces@v1", 0.3),
        ("file://{here}/traces@v1", "traces@v1", 1.0),
        ("file://{here}/traces@v1:0.75", "traces@v1", 0.75),
    ],
)
def test_a_version_and_its_weight(workspace, text, name, weight):
    source = open_source(text.format(here=workspace), workspace, SFT_KINDS)

    assert (source.name, source.weight) == (name, weight)


def test_a_folder_with_a_colon_in_its_name(tmp_path):
    folder = tmp_path / "host:9000"
    folder.mkdir()
    version(folder, "traces", [trace()])

    assert open_source(f"{folder}/traces@v1", tmp_path, SFT_KINDS).weight == 1.0
    assert open_source(f"{folder}/traces@v1:0.5", tmp_path, SFT_KINDS).weight == 0.5


@pytest.mark.parametrize("weight", ["0", "0.0", ".0"])
def test_a_weight_of_nothing_is_refused(workspace, weight):
    with pytest.raises(DataError, match=rf"traces@v1:{weight}: the weight must be above 0"):
        open_source(f"traces@v1:{weight}", workspace, SFT_KINDS)


@pytest.mark.parametrize("text", ["traces@v1:0.3", "traces@latest:1", "file://{here}/traces@v1:2"])
def test_a_held_out_version_has_no_weight(workspace, text):
    without, _, _ = (text := text.format(here=workspace)).rpartition(":")
    with pytest.raises(DataError, match=rf"--eval {text}: .* write --eval {without}, or make .* `factory mix`"):
        open_held_out(text, workspace, SFT_KINDS)
    assert open_held_out(without, workspace, SFT_KINDS).weight == 1.0


@pytest.mark.parametrize("text", ["traces@v1:-1", "traces@v1:nan", "traces@v1:1e3", "traces@v1:0.3:0.3", "traces@v1:"])
def test_what_is_no_weight_is_no_version_either(workspace, text):
    with pytest.raises(DataError, match="neither a version"):
        open_source(text, workspace, SFT_KINDS)


def test_a_version_that_is_not_there(workspace):
    with pytest.raises(NotFoundError, match="there are v1 to v2"):
        open_source("traces@v3:0.5", workspace, SFT_KINDS)


@pytest.mark.parametrize(
    ("record", "kinds", "remedy"),
    [
        (pair(), SFT_KINDS, "trainer dpo"),
        (trace(), PAIR_KINDS, "factory build preference"),
        (completion(), PAIR_KINDS, "factory build preference"),
        (prompt(), SFT_KINDS, "factory build traces"),
        (pass_rate(), SFT_KINDS, "factory build traces"),
    ],
)
def test_a_version_of_another_kind_says_what_to_do(tmp_path, record, kinds, remedy):
    text = version(tmp_path, "other", [record])

    with pytest.raises(DataError, match=f"other@v1: not for this training: .*{remedy}"):
        open_source(text, tmp_path, kinds)


def test_the_kinds_of_each_training(workspace):
    assert set(SFT_KINDS) == {Trace, Completion}
    assert open_source("pairs@v1", workspace, PAIR_KINDS).version.record is PreferencePair


def test_every_byte_of_a_shard_is_checked(tmp_path):
    text = version(tmp_path, "traces", [trace(number) for number in range(6)], per_shard=4)
    source = open_source(text, tmp_path, SFT_KINDS)
    folder, shards = source.version.folder, source.version.manifest.shards
    for shard in shards:
        check_shard(folder, shard)
    file = tmp_path / "traces" / shards[1].path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)

    check_shard(folder, shards[0])
    with pytest.raises(CorruptError, match=f"{shards[1].path}: its bytes are not those that its manifest names"):
        check_shard(folder, shards[1])
    file.unlink()
    with pytest.raises(CorruptError, match=f"{shards[1].path}: missing"):
        check_shard(folder, shards[1])

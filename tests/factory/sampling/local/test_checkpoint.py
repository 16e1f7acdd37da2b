import json
import os
import shutil
from pathlib import Path

import pytest

from factory.sampling.checkpoint import checkpoint_revision, open_checkpoint
from factory.sampling.errors import RunError


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))


def test_a_copy_has_the_same_revision(tiny_checkpoint, folder):
    assert checkpoint_revision(folder) == checkpoint_revision(tiny_checkpoint)
    assert open_checkpoint(folder).chat_template_sha256 == open_checkpoint(tiny_checkpoint).chat_template_sha256


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
)
def test_one_changed_byte_is_another_revision(folder, name):
    before = checkpoint_revision(folder)
    data = bytearray((folder / name).read_bytes())
    place = len(data) - 2 if name == "model.safetensors" else data.index(b" ")
    data[place] = data[place] ^ 1 if name == "model.safetensors" else ord("\n")
    (folder / name).write_bytes(data)
    assert checkpoint_revision(folder) != before


def test_a_file_that_no_sampler_reads_is_not_in_the_revision(folder):
    before = checkpoint_revision(folder)
    (folder / "optimizer.txt").write_text("state")
    (folder / "global_step3").mkdir()
    (folder / "global_step3" / "model.safetensors").write_bytes(b"x")
    assert checkpoint_revision(folder) == before


def test_a_rewritten_file_of_equal_size_is_read_again(folder):
    before = checkpoint_revision(folder)
    config = folder / "config.json"
    config.write_text(config.read_text().replace("1024", "1025"))
    os.utime(config, ns=(1, 1))
    assert checkpoint_revision(folder) != before


def test_context_length_is_the_config_s(folder):
    assert open_checkpoint(folder).context_length == 1024
    config = json.loads((folder / "config.json").read_text())
    nested = {"text_config": {"max_position_embeddings": 77}, "model_type": config["model_type"]}
    (folder / "config.json").write_text(json.dumps(nested))
    assert open_checkpoint(folder).context_length == 77


def test_the_template_may_lie_in_the_tokenizer_config(folder):
    template = (folder / "chat_template.jinja").read_text()
    expected = open_checkpoint(folder).chat_template_sha256
    (folder / "chat_template.jinja").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": template}))
    assert open_checkpoint(folder).chat_template_sha256 == expected


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


BROKEN = {
    "no config.json": lambda folder: (folder / "config.json").unlink(),
    "config.json: not valid JSON": lambda folder: (folder / "config.json").write_text("{"),
    "no *.safetensors": lambda folder: (folder / "model.safetensors").unlink(),
    "a pickle, which can run code": lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
    "its header says": lambda folder: truncate(folder / "model.safetensors"),
    "not a safetensors file": lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 50),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "no chat template": lambda folder: (folder / "chat_template.jinja").unlink(),
    "names b.safetensors, which is not there": lambda folder: (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"x": "model.safetensors", "y": "b.safetensors"}})
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_checkpoint_says_what_to_do(folder, message):
    BROKEN[message](folder)
    with pytest.raises(RunError) as caught:
        checkpoint_revision(folder)
    assert message in caught.value.reason
    assert str(folder) in caught.value.reason
    assert caught.value.kind == "bad_checkpoint"


def test_a_missing_folder_and_an_adapter_are_refused(tmp_path):
    with pytest.raises(RunError, match="no such folder"):
        open_checkpoint(tmp_path / "none")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(RunError, match="merge the adapter"):
        open_checkpoint(tmp_path)

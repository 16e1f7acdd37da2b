"""`trainer merge`: a checkpoint that tools load, what is refused, and that a killed merge leaves nothing behind."""

import json
import os
import resource
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.sampling.checkpoint import checkpoint_revision, open_checkpoint
from factory.sampling.errors import RunError
from schemas.errors import WriteError
from tests.trainer.merge.variants import edit_json, save, variant
from trainer.cli import main
from trainer.merge.errors import MergeError
from trainer.merge.linear import merge
from trainer.merge.shards import plan_shards
from trainer.merge.tensors import TensorInfo, read_layout


@pytest.fixture
def two(tiny_checkpoint, tmp_path):
    return [variant(tiny_checkpoint, tmp_path / name, seed) for seed, name in enumerate("ab")]


def weights_of(folder):
    """By transformers, not by us."""
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    return {name: weight.detach() for name, weight in model.state_dict().items()}


def test_transformers_loads_the_mean(two, tmp_path, capsys):
    out = tmp_path / "new" / "mean"
    assert main(["merge", *map(str, two), "--out", str(out)]) == 0
    assert "0.5 x " in capsys.readouterr().out
    a, b, found = (weights_of(folder) for folder in (*two, out))
    for name, weight in found.items():
        torch.testing.assert_close(weight, (a[name] + b[name]) / 2, rtol=1e-6, atol=1e-7)
    assert found["lm_head.weight"].data_ptr() == found["model.embed_tokens.weight"].data_ptr()
    assert (
        AutoTokenizer.from_pretrained(out).get_chat_template()
        == AutoTokenizer.from_pretrained(two[0]).get_chat_template()
    )
    assert {path.name for path in out.iterdir()} == {path.name for path in two[0].iterdir()} | {"merge.json"}


def test_the_parents_are_recorded(two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    merge(["a", "b"], [0.75, 0.25], tmp_path / "mean")
    record = json.loads((tmp_path / "mean" / "merge.json").read_text())
    assert record["parents"] == [
        {"path": "a", "revision": checkpoint_revision(two[0]), "weight": 0.75},
        {"path": "b", "revision": checkpoint_revision(two[1]), "weight": 0.25},
    ]
    model = AutoModelForCausalLM.from_pretrained(two[0])
    assert record["parameters"] == model.num_parameters()
    assert record["dtypes"] == {"F32": model.num_parameters()}


def test_shards_and_their_index_are_what_transformers_reads(two, tmp_path):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    merge(list(map(str, two)), None, whole)
    merge(list(map(str, two)), None, parted, shard_bytes=10**6)
    index = json.loads((parted / "model.safetensors.index.json").read_text())
    shards = sorted(path.name for path in parted.glob("*.safetensors"))
    assert len(shards) == 4
    assert sorted(set(index["weight_map"].values())) == shards
    assert shards[0] == "model-00001-of-00004.safetensors"
    for name, file in index["weight_map"].items():
        with safe_open(parted / file, "pt") as opened:
            assert name in opened.keys()  # noqa: SIM118 - no mapping
    assert index["metadata"]["total_size"] == 4 * index["metadata"]["total_parameters"]
    ours, theirs = weights_of(parted), weights_of(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    merge([str(parted), str(two[0])], None, tmp_path / "again")  # and shards are read as well
    open_checkpoint(tmp_path / "again")


def test_tensors_are_cut_into_chunks_without_a_trace(two, tmp_path, monkeypatch):
    merge(list(map(str, two)), None, tmp_path / "whole")
    monkeypatch.setattr("trainer.merge.tensors.CHUNK", 1000)
    merge(list(map(str, two)), None, tmp_path / "chunked")
    whole, chunked = (tmp_path / name / "model.safetensors" for name in ("whole", "chunked"))
    assert whole.read_bytes() == chunked.read_bytes()


def test_dtypes_shapes_and_flags_of_all_kinds(two, tmp_path):
    extra = {
        "half": torch.tensor([[1.5, -2.5]], dtype=torch.float16),
        "scalar": torch.tensor(3.0, dtype=torch.bfloat16),
        "none": torch.zeros((0, 4)),
        "flag": torch.tensor([True, False, True]),
        "ids": torch.arange(7),
        "double": torch.tensor([1 / 3], dtype=torch.float64),
    }
    for folder in two:
        save(folder, {**load_file(folder / "model.safetensors"), **extra})
    merge(list(map(str, two)), None, tmp_path / "mean")
    found = load_file(tmp_path / "mean" / "model.safetensors")
    for name, tensor in extra.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def broken_config(folder):
    edit_json(folder / "config.json", rms_norm_eps=1e-5, rope_parameters={"rope_theta": 5e5, "rope_type": "default"})


def other_tokenizer(folder):
    edit_json(folder / "tokenizer.json", truncation={"max_length": 8})


def other_template(folder):
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")


def renamed(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.scale"] = weights.pop("model.norm.weight")
    save(folder, weights)


def other_shape(folder):
    weights = load_file(folder / "model.safetensors")
    save(folder, {**weights, "model.norm.weight": weights["model.norm.weight"][:64].clone()})


def other_dtype(folder):
    weights = load_file(folder / "model.safetensors")
    save(folder, {**weights, "model.norm.weight": weights["model.norm.weight"].half()})


def with_nan(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][5] = float("nan")
    save(folder, weights)


def with_head(folder):
    weights = load_file(folder / "model.safetensors")
    save(folder, {**weights, "lm_head.weight": weights["model.embed_tokens.weight"].clone()})


def says_it_has_a_head(folder):
    edit_json(folder / "config.json", tie_word_embeddings=False)


def quantised(folder):
    weights = load_file(folder / "model.safetensors")
    save(folder, {**weights, "model.norm.weight": weights["model.norm.weight"].to(torch.float8_e4m3fn)})


def without_template(folder):
    (folder / "chat_template.jinja").unlink()


def cut_short(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def index_of_elsewhere(folder):
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {}}')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (broken_config, r"config\.json: rms_norm_eps 1e-6 and 0\.00001; config\.json: rope_parameters\.rope_theta 1"),
        (other_tokenizer, r"tokenizer\.json: sha256 \"[0-9a-f]+\.\.\."),
        (other_template, r"chat template: sha256"),
        (renamed, r"model\.norm\.scale is only in .*/b; model\.norm\.weight is only in .*/a"),
        (other_shape, r"model\.norm\.weight: F32 \[128\] and F32 \[64\]"),
        (other_dtype, r"model\.norm\.weight: F32 \[128\] and F16 \[128\]"),
        (with_nan, r"model\.norm\.weight: 1 values of the mean are NaN"),
        (with_head, r"/b: config\.json ties the embeddings, but there is a lm_head\.weight"),
        (says_it_has_a_head, r"/b: config\.json does not tie the embeddings, but there is no lm_head"),
        (quantised, r"model\.norm\.weight is F8_E4M3, which has no mean"),
        (without_template, r"/b: no chat template"),
        (cut_short, r"model\.safetensors: it has \d+ bytes where its header says"),
        (pickled, r"pytorch_model\.bin, a pickle"),
        (index_of_elsewhere, r"/b: has both model\.safetensors and model\.safetensors\.index"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_nothing_is_left(two, tmp_path, capsys, change, message):
    change(two[1])
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(MergeError, match=message):
        merge(list(map(str, two)), None, tmp_path / "mean")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert main(["merge", *map(str, two), "--out", str(tmp_path / "mean")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_untied_head_is_averaged_too(two, tmp_path):
    for folder in two:
        with_head(folder)
        says_it_has_a_head(folder)
    merge(list(map(str, two)), None, tmp_path / "mean")
    a, b, found = (load_file(folder / "model.safetensors")["lm_head.weight"] for folder in (*two, tmp_path / "mean"))
    torch.testing.assert_close(found, (a + b) / 2)


def test_notes_in_a_config_do_not_matter(two, tmp_path):
    edit_json(two[1] / "config.json", transformers_version="4.0.0", _name_or_path="elsewhere")
    merge(list(map(str, two)), None, tmp_path / "mean")


def test_the_same_model_twice(two, tmp_path):
    shutil.copytree(two[0], tmp_path / "copy")
    with pytest.raises(MergeError, match="one and the same model"):
        merge([str(two[0]), str(two[1]), str(tmp_path / "copy")], None, tmp_path / "mean")


def test_what_is_there_is_never_written_over(two, tmp_path):
    (tmp_path / "mean").mkdir()
    with pytest.raises(MergeError, match="is there already"):
        merge(list(map(str, two)), None, tmp_path / "mean")


@pytest.mark.parametrize(("weights", "code"), [("0.7,0.3", 0), ("0.7,0.4", 2), ("a,b", 2), ("1", 2)])
def test_weights_on_the_command_line(two, tmp_path, weights, code):
    assert main(["merge", *map(str, two), "--weights", weights, "--out", str(tmp_path / "mean")]) == code
    assert (tmp_path / "mean").exists() == (code == 0)


KILLED = """
import os, signal, sys
import trainer.merge.linear as linear
moment, paths, out = sys.argv[1], sys.argv[2:4], sys.argv[4]
def die(): os.kill(os.getpid(), signal.SIGKILL)
copied, copyfile = [], linear.shutil.copyfile
def copy(*places):
    copied.append(places)
    if moment == "second copy" and len(copied) == 2: die()
    copyfile(*places)
linear.shutil.copyfile = copy
at = int(moment) if moment.isdigit() else 10**9
linear.merge(paths, None, linear.Path(out), lambda done, total: die() if done >= at else None)
"""


@pytest.mark.parametrize("moment", ["1500000", "second copy"])
def test_killed_anywhere_nothing_looks_whole_and_the_same_command_makes_it(two, tmp_path, moment):
    out = tmp_path / "mean"
    command = [sys.executable, "-c", KILLED, moment, *two, out]
    killed = subprocess.run(command, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert killed.returncode == -9
    assert not out.exists()
    [left] = tmp_path.glob(".mean.tmp-*.d")
    with pytest.raises(RunError, match=r"no config\.json"):
        open_checkpoint(left)
    merge(list(map(str, two)), None, out)
    open_checkpoint(out)
    assert not list(tmp_path.glob(".mean.*"))


def test_no_room_leaves_nothing(two, tmp_path):
    """A limit on the size of a file fails a write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, hard))
    try:
        with pytest.raises(WriteError, match="mean: not written"):
            merge(list(map(str, two)), None, tmp_path / "mean")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


PEAK = """
import sys
from pathlib import Path
from trainer.merge.linear import merge
def peak(): return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
merge(sys.argv[1:3], None, Path(sys.argv[3]) / "small")
before = peak()
merge(sys.argv[4:6], None, Path(sys.argv[3]) / "large")
print((peak() - before) // 1024)
"""


def test_memory_does_not_grow_with_the_models(two, tiny_checkpoint, tmp_path):
    large = [variant(tiny_checkpoint, tmp_path / f"large{number}", number) for number in (0, 1)]
    for folders, tensors in ((two, 1), (large, 17)):
        extra = {f"extra.{number}": torch.full((2048, 1024), 0.5) for number in range(tensors)}
        for folder in folders:
            save(folder, {**load_file(folder / "model.safetensors"), **extra})
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PEAK, *two, tmp_path, *large]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    assert int(done.stdout.splitlines()[-1]) < 64  # MiB, where each of the large parents has 128 more


def test_shards_are_filled_in_order(tmp_path):
    infos = [TensorInfo(f"t{n}", "F32", (size,), tmp_path) for n, size in enumerate((10, 10, 5, 100, 1))]
    found = [[info.name for info in shard] for shard in plan_shards(infos, 80)]
    assert found == [["t0", "t1"], ["t2"], ["t3"], ["t4"]]


def test_an_index_that_lies_is_refused(two, tmp_path):
    merge(list(map(str, two)), None, tmp_path / "parted", shard_bytes=10**6)
    index = tmp_path / "parted" / "model.safetensors.index.json"
    table = json.loads(index.read_text())
    moved = {**table["weight_map"], "model.norm.weight": "model-00001-of-00004.safetensors"}
    index.write_text(json.dumps({**table, "weight_map": moved}))
    with pytest.raises(MergeError, match=r"model\.norm\.weight"):
        read_layout(tmp_path / "parted")

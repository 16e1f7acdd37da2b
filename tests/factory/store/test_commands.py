"""`factory datasets` as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from factory.cli import main
from schemas.commit import commit
from schemas.folder import Folder
from schemas.manifest import Cost, InputRef, ModelRef
from schemas.records import Message
from tests.factory.store.made import draft, make_dataset
from tests.schemas.rows import pair, prompt


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    make_dataset(tmp_path / "home/ds", versions=2)
    return tmp_path / "home"


@pytest.fixture
def run(home, capsys):
    def run_command(*words: str) -> tuple[int, str, str]:
        code = main(["datasets", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run_command


def test_ls(run, home):
    code, out, _ = run("ls")
    assert code == 0
    assert "ds" in out
    assert "v2" in out
    code, out, _ = run("ls", "--json")
    (listed,) = json.loads(out)
    assert (listed["name"], listed["kind"], listed["versions"], listed["rows"]) == ("ds", "prompts", 2, 6)
    assert listed["bytes"] > 0
    assert listed["tags"] == {}


def test_ls_of_nothing(run, home, monkeypatch):
    monkeypatch.setenv("FACTORY_HOME", str(home / "nowhere"))
    assert run("ls", "--json") == (0, "[]\n", "")
    code, out, err = run("ls")
    assert (code, out) == (0, "")
    assert "no datasets in" in err


def test_show_json_is_one_object_with_what_was_promised(run, home):
    code, out, _ = run("show", "ds@v1", "--json", "--rows", "2")
    shown = json.loads(out)
    assert code == 0
    assert out.count("\n") == 1
    wanted = ("rows", "shards", "schema", "inputs", "counters", "cost", "bytes", "location", "sha256", "version")
    assert all(name in shown for name in wanted)
    assert (shown["rows"], shown["version"], shown["rejected"]) == (6, 1, 1)
    assert shown["location"] == str(home / "ds")
    assert shown["bytes"] == sum(shard["bytes"] for shard in shown["shards"])
    assert shown["schema"]["source"] == "string"
    assert list(shown["schema"]) == list(shown["samples"][0])  # as in the shards, not by the alphabet
    assert [sample["source_id"] for sample in shown["samples"]] == ["0", "1"]


def test_show_tells_a_person_where_the_rows_come_from(run, tmp_path):
    model = ModelRef(role="policy", model="ckpt/sft", revision="abc", engine="vllm", engine_version="0.32")
    source = InputRef(name="prompts", version=3, sha256="f" * 64)
    folder = Folder.open(tmp_path / "pairs")
    refs = {"models": [model], "inputs": [source], "cost": Cost(usd=1.25, prices_date="2026-11-01")}
    commit(folder, draft(folder, "b", [pair(0)], **refs))
    code, out, _ = run("show", "./pairs", "--rows", "1")
    assert code == 0
    for text in ("preference", "ckpt/sft", "vllm 0.32", "v3", "1.2500 USD", "no_correct 1", "MIT"):
        assert text in out
    assert "[assistant thinks] Two and two make four." in out
    assert "[assistant] 5" in out


def test_what_a_model_said_cannot_drive_the_terminal(run, tmp_path):
    folder = Folder.open(tmp_path / "evil")
    text = "\x1b[2Jcleared\x07 \u202egnp.exe [bold]x[/bold] [link=http://evil]y[/link]"
    commit(folder, draft(folder, "b", [prompt(0, prompt=[Message("user", text)], source=text)], licences=[text]))
    code, out, _ = run("show", "./evil", "--rows", "1")
    assert code == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\u{1b}[2Jcleared\\u{7}" in out
    assert "[bold]x[/bold]" in out


def test_verify_exits_1_and_names_the_file(run, home):
    assert run("verify", "ds@v1")[:2] == (0, "")
    shard = next((home / "ds/data").iterdir())
    shard.write_bytes(shard.read_bytes()[:-1])
    (home / "ds/data/foreign").write_bytes(b"")
    code, out, err = run("verify", "ds")
    assert code == 1
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"BROKEN data/{shard.name}", "BROKEN data/foreign"]
    assert "restore it from a copy" in lines[0]
    assert err.startswith("2 broken")
    code, out, _ = run("verify", "ds", "--json")
    assert code == 1
    assert set(json.loads(out)["broken"]) == {f"data/{shard.name}", "data/foreign"}


def test_tag_then_use_the_tag(run):
    assert run("tag", "ds@v1", "best") == (0, "best is v1\n", "")
    assert run("tag", "ds", "best") == (0, "best is v2 (was v1)\n", "")
    assert json.loads(run("show", "ds@best", "--json")[1])["version"] == 2


def test_diff(run):
    code, out, _ = run("diff", "ds@v1", "ds@v2", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["rows"]["added"], found["rows"]["removed"], found["rows"]["unchanged"]) == (6, 6, 0)
    code, out, _ = run("diff", "ds@v1", "ds@v2")
    assert code == 0
    assert "removed" in out
    assert "read.out" in out


def test_gc(run, home):
    stray = home / "ds/data/0123456789abcdef0123.parquet"
    stray.write_bytes(b"stray")
    assert run("gc", "ds")[0] == 0
    assert stray.exists()
    code, out, _ = run("gc", "ds", "--older-than", "0s", "--dry-run")
    assert (code, out) == (0, f"would remove data/{stray.name}: shard that no version names, 5 bytes\n")
    code, out, _ = run("gc", "ds", "--older-than", "0s", "--json")
    assert [garbage["path"] for garbage in json.loads(out)] == [f"data/{stray.name}"]
    assert not stray.exists()


def test_export(run, tmp_path):
    code, out, _ = run("export", "ds", "--layout", "trl", "--out", "exported")
    assert code == 0
    assert out == "exported/train.parquet: 6 rows of ds@v2 for trl\n"
    assert (tmp_path / "exported/train.parquet").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nope"), "no dataset at"),
        (("show", "ds@v9"), "there are v1 to v2"),
        (("show", "ds@"), "write NAME@v3"),
        (("verify", "ds@nope"), "no tag 'nope'"),
        (("tag", "ds", "latest"), "cannot be a tag"),
        (("gc", "ds@v1"), "name the dataset alone"),
        (("gc", "ds", "--older-than", "5"), "--older-than 5: write a number and a unit"),
        (("export", "ds", "--layout", "verl", "--out", "x"), "no ground_truth or no verifier"),
        (("export", "ds", "--layout", "axolotl", "--out", "x"), "trl"),
        (("diff", "ds@v1", "other"), "no dataset at"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(run, words, said):
    code, out, err = run(*words)
    assert code != 0
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_a_damaged_manifest_is_named_with_its_dataset(run, home):
    manifest = home / "ds/_manifests/00000000000000000002.json"
    manifest.write_bytes(b"{")
    for words in (("show", "ds"), ("ls",), ("gc", "ds")):
        code, _, err = run(*words)
        assert code == 1
        assert str(manifest) in err
    code, out, _ = run("verify", "ds")
    assert code == 1
    assert out.startswith("BROKEN _manifests/00000000000000000002.json: not a manifest")


def test_help_imports_nothing_heavy():
    heavy = ("polars", "pyarrow", "datasets")
    program = f"import sys, factory.commands.datasets; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

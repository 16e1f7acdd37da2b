"""The graph of a workspace: what came from what, both ways, with what is missing."""

import json

import pytest

from factory.looking.lineage import Edge, lineage, to_layers
from factory.sampling.checkpoint import checkpoint_revision
from schemas.datasets import open_version
from schemas.errors import NotFoundError
from schemas.manifest import InputRef, ModelRef
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import completion, pair, prompt, trace


def checkpoint(home, path, weights, record=None, name="training.json"):
    """A whole checkpoint whose only tensor holds these bytes; returns its revision."""
    folder = home / path
    folder.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "U8", "shape": [len(weights)], "data_offsets": [0, len(weights)]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + weights)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    if record is not None:
        (folder / name).write_text(json.dumps(record))
    return checkpoint_revision(folder)


def trained(kind, model, sources, **more):
    data = [{"name": ref, "sha256": sha256, "weight": 1.0} for ref, sha256 in sources]
    return {"recipe": {"kind": kind}, "data": data, "model": model, "reference": None, "paths": {}} | more


def policy(model, revision, role="policy"):
    return ModelRef(role=role, model=model, revision=revision, engine="vllm", engine_version="1")


@pytest.fixture
def home(tmp_path):
    """prompts -> traces (a served teacher) -> ckpt/sft (on ckpt/base) -> pairs -> ckpt/dpo; rollouts of dpo+v3."""
    source = InputRef(name="gsm8k.jsonl", sha256="a" * 64)
    prompts = version(tmp_path, "prompts", [prompt(0)], inputs=[source])
    made_of = [open_version(prompts, tmp_path).ref]
    traces = version(tmp_path, "traces", [trace(0)], inputs=made_of, models=[policy("gpt-x", "2026-01")])
    version(tmp_path, "aside", [prompt(5)])
    base = checkpoint(tmp_path, "ckpt/base", b"base")
    sha256 = open_version(traces, tmp_path).manifest.sha256
    sft = checkpoint(tmp_path, "ckpt/sft", b"sft", trained("sft", base, [("traces@v1", sha256)]))
    models = [policy("ckpt/sft", sft), policy("judge", "7", "judge")]
    pairs = version(tmp_path, "pairs", [pair(0)], inputs=made_of, models=models)
    sha256 = open_version(pairs, tmp_path).manifest.sha256
    dpo = checkpoint(
        tmp_path, "ckpt/dpo", b"dpo", trained("dpo", sft, [("pairs@v1", sha256)], reference=base, held_out=[])
    )
    version(tmp_path, "rollouts", [completion(0)], inputs=made_of, models=[policy("ckpt/dpo", f"{dpo}+v3")])
    return tmp_path


def edges(graph):
    names = {node.id: node.name for node in graph.nodes}
    return {(names[edge.source], edge.role, names[edge.to]) for edge in graph.edges}


WHOLE = {
    ("gsm8k.jsonl", "data", "prompts@v1"),
    ("prompts@v1", "data", "traces@v1"),
    ("gpt-x", "policy", "traces@v1"),
    ("traces@v1", "data", "ckpt/sft"),
    ("ckpt/base", "model", "ckpt/sft"),
    ("ckpt/sft", "policy", "pairs@v1"),
    ("judge", "judge", "pairs@v1"),
    ("prompts@v1", "data", "pairs@v1"),
    ("pairs@v1", "data", "ckpt/dpo"),
    ("ckpt/sft", "model", "ckpt/dpo"),
    ("ckpt/base", "reference", "ckpt/dpo"),
    ("ckpt/dpo", "policy", "rollouts@v1"),
    ("prompts@v1", "data", "rollouts@v1"),
}


def test_the_whole_workspace(home):
    graph = lineage(library(home))
    assert edges(graph) == WHOLE
    assert "aside@v1" in {node.name for node in graph.nodes}
    what = {node.name: (node.kind, node.what, node.where) for node in graph.nodes}
    assert what["ckpt/dpo"] == ("checkpoint", "dpo", "ckpt/dpo")
    assert what["ckpt/base"] == ("checkpoint", "", "ckpt/base")
    assert what["pairs@v1"] == ("dataset", "preference", "pairs@v1")
    assert what["gsm8k.jsonl"] == ("file", "source", None)
    assert what["gpt-x"] == ("model", "vllm", None)
    assert not any(node.is_missing for node in graph.nodes)
    layers = {name: place for place, layer in enumerate(graph.layers) for name in layer}
    assert sorted(layers) == sorted(node.id for node in graph.nodes)
    assert all(layers[edge.source] < layers[edge.to] for edge in graph.edges)


@pytest.mark.parametrize("focus", ["ckpt/sft", "pairs@v1", "pairs"])
def test_both_ways_from_a_node(home, focus):
    graph = lineage(library(home), focus)
    names = {node.name for node in graph.nodes}
    assert "aside@v1" not in names
    assert {"gsm8k.jsonl", "gpt-x", "ckpt/base", "ckpt/dpo", "rollouts@v1", "traces@v1"} <= names
    assert lineage(library(home), graph.focus) == graph


def test_what_has_nothing_to_do_with_a_node_is_left_out(home):
    names = {node.name for node in lineage(library(home), "traces").nodes}
    assert names == {
        *("gsm8k.jsonl", "prompts@v1", "gpt-x", "traces@v1"),
        *("ckpt/sft", "pairs@v1", "ckpt/dpo", "rollouts@v1"),
    }


def test_missing_ancestors_are_told(home):
    for path in ("traces", "ckpt/sft"):
        (home / path).rename(home.parent / f"moved-{path.replace('/', '-')}")
    graph = lineage(library(home), "rollouts")
    missing = {(node.kind, node.name) for node in graph.nodes if node.is_missing}
    assert missing == {("checkpoint", "ckpt/sft")}
    (home.parent / "moved-ckpt-sft").rename(home / "ckpt" / "sft")
    graph = lineage(library(home), "rollouts")
    assert {(node.kind, node.name, node.where) for node in graph.nodes if node.is_missing} == {
        ("dataset", "traces@v1", None)
    }


def test_replayed_answers_come_from_their_recording(tmp_path):
    """From the version that was replayed where it is here, else from a file or a version that is named alone."""
    recorded = version(tmp_path, "recorded", [completion(0)])
    sha256 = open_version(recorded, tmp_path).manifest.sha256
    for name, revision in (("again", sha256), ("other", "f" * 64)):
        model = ModelRef(role="policy", model="gpt-x", revision=revision, engine="replay", engine_version="1")
        version(tmp_path, name, [completion(1)], models=[model])
    graph = lineage(library(tmp_path))
    assert edges(graph) == {("recorded@v1", "policy", "again@v1"), ("gpt-x", "policy", "other@v1")}
    [node] = [node for node in graph.nodes if node.name == "gpt-x"]
    assert (node.kind, node.what, node.is_missing) == ("file", "recording", False)


def test_a_version_that_follows_another_says_so(tmp_path):
    version(tmp_path, "prompts", [prompt(0)])
    version(tmp_path, "prompts", [prompt(0), prompt(1)], number=2)
    assert edges(lineage(library(tmp_path), "prompts@v1")) == {("prompts@v1", "parent", "prompts@v2")}


def test_a_merge_of_checkpoints(tmp_path):
    first, second = checkpoint(tmp_path, "a", b"a"), checkpoint(tmp_path, "b", b"b")
    parents = [{"path": "a", "revision": first, "weight": 0.5}, {"path": "b", "revision": second, "weight": 0.5}]
    checkpoint(tmp_path, "merged", b"m", {"method": "linear", "parents": parents}, name="merge.json")
    graph = lineage(library(tmp_path), "merged")
    assert edges(graph) == {("a", "model", "merged"), ("b", "model", "merged")}
    assert {node.what for node in graph.nodes} == {"", "merge"}


def test_a_large_checkpoint_is_known_by_the_path_that_others_used(home, monkeypatch):
    monkeypatch.setattr("factory.looking.origins.HASHED_AT_ONCE", 0)
    shelf = library(home, kept=home / "kept")
    assert ("ckpt/sft", "policy", "pairs@v1") in edges(lineage(shelf))
    shelf.background.wait()
    assert edges(lineage(library(home, kept=home / "kept"))) == WHOLE


def test_what_is_damaged_is_told_and_the_rest_is_shown(home):
    (home / "ckpt" / "dpo" / "training.json").write_text("[")
    manifest = next((home / "aside" / "_manifests").iterdir())
    manifest.write_bytes(b"{}")
    graph = lineage(library(home))
    assert len(graph.problems) == 2
    assert ("traces@v1", "data", "ckpt/sft") in edges(graph)
    with pytest.raises(NotFoundError):
        lineage(library(home), "ckpt/nothing")
    with pytest.raises(NotFoundError):
        lineage(library(home), "../other")


def test_a_large_graph_is_cut_far_from_the_focus(home):
    graph = lineage(library(home), "ckpt/sft", most=4)
    assert graph.is_cut
    assert len(graph.nodes) == 4
    assert graph.focus in {node.id for node in graph.nodes}
    assert not lineage(library(home), "ckpt/sft").is_cut


def test_layers_follow_the_longest_way_and_circles_end():
    def edge(source, to):
        return Edge(source=source, to=to, role="data")

    ways = [edge("a", "b"), edge("b", "c"), edge("a", "c"), edge("c", "d"), edge("x", "d")]
    assert to_layers("abcdx", ways) == [["a", "x"], ["b"], ["c"], ["d"]]
    assert to_layers("abc", [edge("a", "b"), edge("b", "c"), edge("c", "b")]) == [["a"], ["b", "c"]]
    assert to_layers("", []) == []

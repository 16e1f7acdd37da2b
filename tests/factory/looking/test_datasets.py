"""What a manifest says, made ready to show; of versions that real builds made."""

import pytest

from factory.looking.columns import statistics
from factory.looking.compare import compare
from factory.looking.datasets import list_datasets, row_changes, version_page
from factory.looking.hits import contamination_hits
from factory.looking.lineage import lineage
from factory.looking.rows import Query, page, parse_query
from factory.looking.sample import show_row
from factory.looking.sides import SideRef
from schemas.datasets import open_version
from schemas.manifest import StageCount
from tests.factory.judge_space import space
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import prompt

__all__ = ["space"]


def run(space, *words):
    code, _, err = space.run(*words)
    assert code == 0, err


@pytest.fixture
def built(space):
    """Prompts of a task family without those of an exam, a teacher's traces, answers, rates, pairs and labels."""
    source = ("--source", "reasoning-gym:chain_sum")
    run(space, "build", "prompts", *source, "--set", "reasoning_gym.size=6", "--out", "exam")
    run(space, "build", "prompts", *source, "--set", "reasoning_gym.size=16", "--out", "all")
    run(space, "decontaminate", "all", "--against", "exam", "--set", "ngram.over=0.99", "--out", "tasks")
    solver = ("--data", "tasks", "--policy", "solver:reasoning-gym")
    run(space, "build", "traces", *solver, "--n", "1")
    run(space, "build", "completions", *solver, "--n", "2", "--out", "answers")
    run(space, "build", "pass-rate", *solver, "--n", "2", "--keep", "0<p<=1", "--out", "rates")
    run(space, "build", "labels", "--data", "answers", "--judge", "reasoning_gym", "--out", "labels")
    return space


def test_a_workspace_of_real_builds(built):
    shelf = library(built.home)
    lines = {line.name: line.latest for line in list_datasets(shelf)}
    assert {name: line.kind for name, line in lines.items()} == {
        "all": "prompts",
        "answers": "completions",
        "exam": "prompts",
        "labels": "labels",
        "rates": "pass-rate",
        "tasks": "prompts",
        "traces": "traces",
    }
    assert lines["traces"].models == ["policy: solver:reasoning-gym"]
    contamination(built, shelf)
    labelled(shelf)
    assert statistics(shelf, "rates").pass_rates.planned == 2 * lines["tasks"].rows
    compared = compare(shelf, SideRef("answers"), SideRef("answers"), labels="labels")
    assert (compared.first.verdicts, compared.equal) == ({"correct": lines["answers"].rows}, lines["tasks"].rows)
    graph = lineage(shelf, "labels")
    assert {"exam@v1", "all@v1", "tasks@v1", "answers@v1", "labels@v1"} <= {node.name for node in graph.nodes}
    for name, line in lines.items():
        assert len(page(shelf, name, Query(limit=100)).rows) == line.rows
        show_row(shelf, name, line.rows - 1)


def contamination(built, shelf):
    shown = version_page(shelf, "tasks")
    gone = {row.prompt_id for row in built.records("exam")} & {row.prompt_id for row in built.records("all")}
    [exam] = shown.contamination
    assert (exam.name, exam.items, exam.rows_hit) == ("exam", 6, len(built.rejections("tasks")))
    assert exam.rows_hit >= len(gone) > 0
    hits = contamination_hits(shelf, "tasks")
    assert (hits.found, hits.searched) == (hits.of, hits.of)
    hit = hits.hits[0]
    dropped = built.rejections("tasks")[hit.number]
    assert (hit.prompt_id, hit.eval_set) == (dropped.prompt_id, "exam")
    assert hit.in_row[0].text in show_row(shelf, "tasks", hit.number, part="rejections").prompt[-1].content.text
    [line] = page(shelf, "tasks", parse_query([("where", "kind:is:in:exam"), ("limit", "1")]), part="rejections").rows
    assert line.facts["stage"] == "decontaminate"
    assert shown.lines
    assert [source.is_there for source in shown.inputs] == [True, True]


def labelled(shelf):
    [answer] = show_row(shelf, "answers", 0).answers
    assert [(one.judge, one.score, one.source) for one in answer.judged] == [("reasoning_gym", 1.0, "labels@v1")]
    assert len(show_row(shelf, "answers", 0).exchanges) == 1  # the answer as it lies in the ledger
    [label] = show_row(shelf, "labels", 0).judged
    assert label.verdict == "correct"


def test_the_funnel_tells_most_losses_first(tmp_path):
    counters = [
        StageCount(stage="read", rows_in=100, rows_out=100, dropped={}, failed={}),
        StageCount(
            stage="filter", rows_in=100, rows_out=2, dropped={"a": 8, "b": 60}, failed={"timeout": 30}, noted={"pii": 4}
        ),
    ]
    version(tmp_path, "some", [prompt(0), prompt(1)], counters=counters)
    read, kept = version_page(library(tmp_path), "some").stages
    assert read.losses == []
    assert [(loss.kind, loss.outcome, loss.rows, loss.share) for loss in kept.losses] == [
        ("b", "dropped", 60, 0.6),
        ("timeout", "failed", 30, 0.3),
        ("a", "dropped", 8, 0.08),
    ]
    assert kept.noted == {"pii": 4}


def test_the_recipe_beside_that_of_the_parent(tmp_path):
    version(tmp_path, "some", [prompt(0)], recipe={"n": 2, "sampling": {"top_p": 1.0}, "old": [1]})
    version(tmp_path, "some", [prompt(0), prompt(1)], number=2, recipe={"n": 4, "sampling": {"top_p": 1.0}, "new": {}})
    shelf = library(tmp_path)
    changes = version_page(shelf, "some").changes
    assert [(change.key, change.before, change.after) for change in changes] == [
        ("n", "2", "4"),
        ("new", None, "{}"),
        ("old", "[1]", None),
    ]
    assert version_page(shelf, "some@v1").changes == []
    changed = row_changes(shelf, "some@v1", "some@v2")
    assert (changed.unchanged, changed.added) == (1, 1)


def test_an_input_that_is_another_version_now_is_not_there(tmp_path):
    source = open_version(version(tmp_path, "source", [prompt(0)]), tmp_path).ref
    version(tmp_path, "made", [prompt(0)], inputs=[source])
    shelf = library(tmp_path)
    assert [one.is_there for one in version_page(shelf, "made").inputs] == [True]
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    version(tmp_path, "source", [prompt(9)])
    assert [one.is_there for one in version_page(library(tmp_path), "made").inputs] == [False]


def test_tags_and_reports(tmp_path, capsys, monkeypatch):
    from factory.cli import main

    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    version(tmp_path, "some", [prompt(0)], report={"lines": ["one"], "warnings": ["two"], "decontaminate": {"sets": 7}})
    assert main(["datasets", "tag", "some@v1", "best"]) == 0
    shown = version_page(library(tmp_path), "some@best")
    assert (shown.line.tags, shown.lines, shown.warnings, shown.contamination) == (["best"], ["one"], ["two"], [])
    [line] = list_datasets(library(tmp_path))
    assert line.tags == {"best": 1}

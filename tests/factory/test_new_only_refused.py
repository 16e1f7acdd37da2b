"""`--new-only` where it would make a version that is not what its manifest says."""

import pytest

from factory.row_steps import step_units
from schemas.commit import commit
from schemas.errors import ConflictError
from schemas.folder import Folder
from tests.factory.judge_space import space
from tests.factory.new_only_space import STEPS, TRACES, answers, build, made, questions, recorded
from tests.factory.store.made import draft

__all__ = ["recorded", "space"]


def test_an_append_to_a_version_that_is_no_longer_the_latest_is_refused(tmp_path):
    folder = Folder.open(tmp_path / "ds")
    first = commit(folder, draft(folder, "first", answers(range(3))), onto=0)
    with pytest.raises(ConflictError, match="v1 was committed meanwhile, and this build appends to v0"):
        commit(folder, draft(folder, "late", answers(range(4))), onto=0)
    second = commit(folder, draft(folder, "second", answers(range(5))), onto=1)
    with pytest.raises(ConflictError, match="run the same command again"):
        commit(folder, draft(folder, "late", answers(range(4))), onto=1)
    assert (first.parent, second.parent) == (None, 1)
    assert commit(folder, draft(folder, "second", answers(range(5))), onto=1) == second  # it is there: no conflict


def test_a_version_that_came_meanwhile_is_not_lost(recorded, monkeypatch):
    """Two builds append to one version: the second finds the rows of the first missing in its own, and says so."""
    questions(recorded, 9)
    made(recorded, *TRACES, "--new-only")
    questions(recorded, 12)

    def other_first(*words):
        monkeypatch.undo()
        monkeypatch.setenv("FACTORY_HOME", str(recorded.home))
        folder = Folder.open(recorded.home / "traces")
        rows = recorded.records("traces@v1")
        commit(folder, draft(folder, "other", rows, name="traces"))
        return step_units(*words)

    monkeypatch.setattr("factory.run.step_units", other_first)
    said = build(recorded, *TRACES, "--new-only", code=5)[1]
    assert "v2 was committed meanwhile, and this build appends to v1" in said


@pytest.mark.parametrize("kind", ["magpie", "personas", "evolve", "constraints"])
def test_kinds_that_make_prompts_refuse_by_name(space, kind):
    questions(space, 3)
    more = ("--count", "2") if kind == "magpie" else ("--data", "prompts@v1")
    more = more if kind == "constraints" else (*more, "--policy", "replay:none.jsonl")
    said = build(space, kind, *more, "--new-only", code=2)[1]
    assert f"--new-only: rows of {kind} do not tell which prompt they were made of" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--set", "seed=9"), "traces@v1 was made in another way: seed: 0 -> 9. Build once without it"),
        (("--set", "n=2", "--set", "verify=true"), "n: 1 -> 2; verify: False -> True"),
        (("--policy", "replay:other.jsonl"), "policy.0.model: 'replay:said.jsonl' -> 'replay:other.jsonl'"),
        (("--again",), "--new-only asks for rows that failed anyway; leave --again out"),
        (("--out", "prompts"), "holds 'prompts', and this build makes 'traces'; use another --out"),
    ],
)
def test_another_way_is_refused(recorded, words, complaint):
    questions(recorded, 6)
    made(recorded, *TRACES)
    questions(recorded, 9)
    defaults = [word for word in TRACES if not ("--policy" in words and word in ("--policy", "replay:said.jsonl"))]
    assert complaint in build(recorded, *defaults, *words, "--new-only", code=2)[1]


def test_other_answers_of_the_same_name_are_refused(recorded):
    questions(recorded, 6)
    made(recorded, *TRACES)
    questions(recorded, 9)
    recorded.rows([{"prompt": f"q{number}", "completion": "<think>x</think>1"} for number in range(9)], "said.jsonl")
    said = build(recorded, *TRACES, "--new-only", code=2)[1]
    assert "the policy said (replay, " in said
    assert "had no part in it" in said
    assert build(recorded, *TRACES)[0]["version"] == 2  # without it: all anew
    questions(recorded, 11)
    assert "had no part" not in build(recorded, *TRACES, "--new-only", code=3)[1]  # q9 and q10 are not in the recording


def test_other_evaluation_sets_are_refused(recorded):
    questions(recorded, 6)
    recorded.rows([{"prompt": "something"}], "evals.jsonl")
    recipe = recorded.write("r.toml", STEPS.replace("[dedupe]\nnear = 0.7\n", ""))
    words = (*TRACES, "--recipe", recipe, "--new-only")
    made(recorded, *words)
    questions(recorded, 9)
    recorded.rows([{"prompt": "something else"}], "evals.jsonl")
    assert "evals.jsonl is another" in build(recorded, *words, code=2)[1]

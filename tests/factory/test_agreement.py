"""`factory agreement`: what is matched, what is counted, what is refused, and the figures of verdicts and ratings."""

from __future__ import annotations

import json

import pytest
from scipy import stats

from schemas.commit import commit
from schemas.folder import Folder
from schemas.manifest import StageCount
from schemas.records import Message
from tests.factory.agreement_space import row, scored, space
from tests.factory.store.made import draft, write
from tests.schemas.rows import completion, judgement, prompt, rejection

__all__ = ["space"]


def verdict(score):
    return "abstain" if score is None else "correct" if score == 1 else "wrong"


def test_kappa_and_agreement_of_verdicts_by_hand(space):
    """The textbook table 20, 5, 10, 15: agreement 0.7, kappa 0.4."""
    a = [1.0] * 25 + [0.0] * 25
    b = [1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15
    files = [
        space.file(name, [row | {"verdict": verdict(row["score"])} for row in scored(scores, name)])
        for name, scores in (("a.jsonl", a), ("b.jsonl", b))
    ]
    found = space.report(*files)["verdicts"]
    assert found["agreement"]["value"] == pytest.approx(0.7)
    assert found["kappa"]["value"] == pytest.approx(0.4)
    assert found["kappa"]["low"] < 0.4 < found["kappa"]["high"]
    assert (found["kappa"]["n"], found["kappa"]["prompts"]) == (50, 10)
    assert found["table"] == {"correct": {"correct": 20, "wrong": 5}, "wrong": {"correct": 10, "wrong": 15}}


def test_scores_of_0_and_1_say_the_verdict_where_there_is_none(space):
    a = space.file("a.jsonl", scored([1, 1, 0, 0, 1, 0]))
    b = space.file("b.jsonl", scored([1, 0, 0, 0, 1, 1]))
    assert space.report(a, b)["verdicts"]["agreement"]["value"] == pytest.approx(4 / 6)


def test_other_scores_are_no_verdicts(space):
    a = space.file("a.jsonl", scored([0.2, 1, 0.7, 0.1]))
    found = space.report(a, a)
    assert found["verdicts"]["kappa"]["value"] is None
    assert "no verdicts" in found["verdicts"]["kappa"]["reason"]
    assert found["ratings"]["spearman"]["value"] == pytest.approx(1)


def test_ratings_as_scipy_has_them(space):
    a = [0.1, 0.5, 0.5, 0.9, 0.3, 0.0, 1.0, 0.6]
    b = [0.2, 0.4, 0.6, 0.6, 0.1, 0.0, 0.8, 0.9]
    found = space.report(space.file("a.jsonl", scored(a)), space.file("b.jsonl", scored(b)))["ratings"]
    assert found["spearman"]["value"] == pytest.approx(stats.spearmanr(a, b).statistic)
    assert found["kendall_tau_b"]["value"] == pytest.approx(stats.kendalltau(a, b).statistic)


def test_nothing_is_dropped_in_silence(space):
    a = [
        row("p1", "c1", 1.0),
        row("p1", "c2", None),
        row("p2", "c3", 0.0),
        {"prompt_id": "p2", "completion_id": "c4", "judge": "j", "error": "timeout: no answer"},
        row("p3", "c5", 1.0),
        row("p9", "only-a", 1.0),
        {"prompt_id": "p8", "error": "lost, and of no completion"},
    ]
    b = [row("p1", "c1", 1.0), row("p1", "c2", 0.0), row("p2", "c3", None), row("p2", "c4", 1.0), row("p3", "c5", 0.0)]
    b += [row("p7", "only-b", 0.0), row("p7", "only-b2", 0.0)]
    found = space.report(space.file("a.jsonl", a), space.file("b.jsonl", b))
    keys = ("rows", "scored", "abstained", "failed", "only_here")
    assert [found["a"][key] for key in keys] == [7, 4, 1, 2, 1]
    assert [found["b"][key] for key in keys] == [7, 6, 1, 0, 2]
    assert (found["rows"]["matched"], found["rows"]["both_scored"]) == (5, 2)
    assert found["verdicts"]["table"]["failed"]["correct"] == 1
    assert found["verdicts"]["table"]["abstain"]["wrong"] == 1
    assert sum(sum(line.values()) for line in found["verdicts"]["table"].values()) == 5
    assert [note for note in found["notes"] if "p9 only-a" in note]
    assert [note for note in found["notes"] if "p7 only-b" in note]


def test_without_ids_the_place_within_the_prompt_counts(space):
    def rows(scores):
        return [{"prompt_id": name, "judge": "j", "score": score} for name, score in scores]

    a = space.file("a.jsonl", rows([("p", 1), ("q", 0), ("p", 0), ("q", 1), ("r", 1)]))
    b = space.file("b.jsonl", rows([("q", 0), ("q", 1), ("p", 1), ("p", 0), ("r", 0)]))
    found = space.report(a, b)
    assert found["rows"]["matched_by"] == "position"
    assert found["verdicts"]["agreement"]["value"] == pytest.approx(4 / 5)


def test_without_ids_a_prompt_with_a_row_missing_is_not_guessed_at(space):
    """B lost a row of p: which of the four it was, nobody can say."""
    a = [{"prompt_id": "p", "score": score} for score in (1, 0, 1, 0)] + [{"prompt_id": "q", "score": 1}]
    b = [{"prompt_id": "p", "score": score} for score in (0, 1, 0)] + [{"prompt_id": "q", "score": 1}]
    found = space.report(space.file("a.jsonl", a), space.file("b.jsonl", b))
    assert (found["rows"]["matched"], found["a"]["only_here"], found["b"]["only_here"]) == (1, 4, 3)
    assert any("p (4 in A, 3 in B)" in note for note in found["notes"])


def test_a_failure_keeps_its_place(space):
    a = [{"prompt_id": "p", "score": 1}, {"prompt_id": "p", "error": "x"}, {"prompt_id": "p", "score": 0}]
    b = [{"prompt_id": "p", "score": 1}, {"prompt_id": "p", "score": 0}, {"prompt_id": "p", "score": 0}]
    found = space.report(space.file("a.jsonl", a), space.file("b.jsonl", b))
    assert found["verdicts"]["agreement"] == found["verdicts"]["agreement"] | {"value": 1.0, "n": 2}


def test_ids_on_one_side_only_are_said(space):
    a = space.file("a.jsonl", [row("p", "c", 1), row("q", "d", 0)])
    b = space.file("b.jsonl", [{"prompt_id": "p", "score": 1}, {"prompt_id": "q", "score": 1}])
    found = space.report(a, b)
    assert found["rows"]["matched_by"] == "position"
    assert any(note.startswith("b.jsonl has no completion_id") for note in found["notes"])


GOOD = [row("p1", "c1", 1.0), row("p2", "c2", 0.0)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*GOOD, row("p3", "c3", 1.5)], ["a.jsonl:3", "score"]),
        ([*GOOD, row("p3", "c3", True)], ["a.jsonl:3", "score"]),
        ([*GOOD, {"prompt_id": "p3", "completion_id": "c3"}], ["a.jsonl:3", "score"]),
        ([*GOOD, row("\ud800", "c3", 1.0)], ["a.jsonl:3", "Unicode"]),
        ([*GOOD, {"score": 1.0}], ["a.jsonl:3", "prompt_id"]),
        ([*GOOD, {"error": "timeout"}], ["a.jsonl:3", "prompt_id"]),
        ([*GOOD, row("p3", "c3", None, verdict="wrong")], ["a.jsonl:3", "abstain"]),
        ([*GOOD, row("p3", "c3", 0.5, verdict="abstain")], ["a.jsonl:3", "abstain"]),
        ([*GOOD, row("p3", "c3", 0.5, verdict="good")], ["a.jsonl:3", "verdict"]),
        ([*GOOD, row("p3", "c3", 0.5, metadata="{")], ["a.jsonl:3", "metadata"]),
        ([*GOOD, {"prompt_id": "p3", "score": 1.0}], ["a.jsonl:3", "no completion_id", "a.jsonl:1"]),
        ([*GOOD, GOOD[0]], ["a.jsonl:3", "again", "a.jsonl:1"]),
        ([*GOOD, row("p3", "c3", 1.0, judge="k")], ["a.jsonl", "j, k", "--judge-a"]),
        ([row("x", "y", 1.0)], ["no answer is judged in both", "x", "p1"]),
        ([*GOOD, row("p1", "c1", 1.0, metadata={"flips": 3, "comparisons": 2}, judge="k")], ["--judge-a"]),
        ([*GOOD[:1], row("p2", "c2", 1.0, metadata={"flips": 3, "comparisons": 2})], ["a.jsonl:2", "flips"]),
        ([*GOOD[:1], row("p2", "c2", 1.0, metadata={"flips": 1})], ["a.jsonl:2", "comparisons"]),
        ([], ["a.jsonl", "no rows"]),
    ],
)
def test_what_is_no_judgement_is_refused_by_line(space, rows, said):
    err = space.refused(space.file("a.jsonl", rows), space.file("b.jsonl", GOOD))
    assert err.startswith("error: ")
    assert [part for part in said if part not in err] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [("{", "b.jsonl:2"), ("[1]", "b.jsonl:2"), ('{"prompt_id": "p1", "score": NaN}', "b.jsonl:2")],
)
def test_a_broken_line_is_named(space, line, said):
    space.file("b.jsonl", GOOD[:1])
    with (space.home / "b.jsonl").open("a") as file:
        file.write(line + "\n")
    assert said in space.refused(space.file("a.jsonl", GOOD), "b.jsonl")


def test_other_wrong_inputs(space):
    a = space.file("a.jsonl", GOOD)
    answers = space.file("c.jsonl", [{"prompt_id": "p1", "completion_id": "c1", "completion": "four", "model": "m"}])
    assert "missing.jsonl" in space.refused(a, "missing.jsonl")
    assert "no dataset" in space.refused(a, "labels@v1")
    assert "--judge-a" not in space.refused(a, a, "--judge-a", "k")
    assert "there are j" in space.refused(a, a, "--judge-a", "k")
    assert "of m" in space.refused(a, a, "--completions", answers, "--baseline", "n")
    assert "--own-a n" in space.refused(a, a, "--completions", answers, "--own-a", "n")
    assert "--resamples" in space.refused(a, a, "--resamples", "-1")
    bad = space.file("d.jsonl", [{"prompt_id": "p1", "completion_id": "c1"}])
    assert "d.jsonl:1" in space.refused(a, a, "--completions", bad)


def test_one_judge_of_several_is_chosen(space):
    both = space.file("a.jsonl", [row("p1", "c1", 1, "j"), row("p1", "c1", 0, "k"), row("p2", "c2", 1, "j")])
    other = space.file("b.jsonl", [row("p1", "c1", 1, "j"), row("p2", "c2", 1, "j")])
    found = space.report(both, other, "--judge-a", "j")
    assert (found["a"]["judge"], found["a"]["rows"], found["verdicts"]["agreement"]["value"]) == ("j", 2, 1.0)


def test_degenerate_rows_give_null_with_a_reason_and_never_nan(space):
    for scores in ([1.0], [1.0, 1.0, 1.0], [0.5] * 4, [None, None]):
        file = space.file("a.jsonl", scored(scores))
        code, out, _ = space.run(file, file, "--json")
        assert code == 0
        found = json.loads(out, parse_constant=pytest.fail)
        figures = [*found["ratings"].values(), found["verdicts"]["kappa"], found["preferences"]["agreement"]]
        assert all(figure["value"] is None and figure["reason"] for figure in figures)
        assert all(figure["low"] is None for figure in figures)


def labels(space, name, rows, failures):
    folder = Folder.open(space.home / "home" / name)
    failed = [rejection(number, outcome="failed", kind="timeout") for number in range(failures)]
    counters = [
        StageCount(
            stage="judge", rows_in=len(rows) + failures, rows_out=len(rows), dropped={}, failed={"timeout": failures}
        )
    ]
    shards = write(folder, "_builds/b/rejections", failed)
    plan = draft(folder, "b", rows, rejected=0, name=name, rejections=shards, counters=counters)
    commit(folder, plan)
    return f"{name}@v1"


def test_datasets_of_labels_and_of_completions(space):
    one = [
        judgement(i, prompt_id=f"p{i // 2}", score=float(i % 2), verdict=["wrong", "correct"][i % 2]) for i in range(8)
    ]
    a = labels(space, "one", one, failures=3)
    b = space.file("b.jsonl", [row(f"p{i // 2}", f"{i:016x}", float(i % 2), "people") for i in range(8)])
    folder = Folder.open(space.home / "home" / "answers")
    said = [completion(i, prompt_id=f"p{i // 2}", completion=[Message("assistant", "a" * (i + 1))]) for i in range(8)]
    commit(folder, draft(folder, "b", said, name="answers"))
    found = space.report(a, b, "--completions", "answers@v1")
    assert [found["a"][key] for key in ("judge", "rows", "scored", "failed")] == ["exact", 11, 8, 3]
    assert found["verdicts"]["kappa"]["value"] == pytest.approx(1)
    assert found["rows"]["without_answer"] == 0
    assert found["lengths"]["bins_a"][0]["longer_wins"]["value"] == 1


def test_another_kind_of_dataset_is_refused(space):
    folder = Folder.open(space.home / "home" / "prompts")
    commit(folder, draft(folder, "b", [prompt(1)], name="prompts"))
    a = space.file("a.jsonl", GOOD)
    assert "holds prompts" in space.refused(a, "prompts@v1")
    assert "holds prompts" in space.refused(a, a, "--completions", "prompts@v1")

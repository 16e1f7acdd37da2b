"""The ledger as rows: the latest group of each prompt that was drawn, with the interval that it leaves."""

import json
import math

import pytest

from schemas.errors import DataError
from tests.trainer.rlvr.lives import POLICY
from tests.trainer.rlvr.made import group, prompt, rollout
from trainer.rlvr.ledger import Entry, Ledger
from trainer.rlvr.pass_rates import measure
from trainer.rlvr.rollouts import Group


def drawn(number, verdicts, version=0):
    rollouts = [
        rollout(None if verdict is None else float(verdict), correct=verdict, version=version) for verdict in verdicts
    ]
    return Group(draw=0, prompt=prompt(number), rollouts=rollouts)


def ledger_of(*groups):
    ledger = Ledger()
    for one in groups:
        ledger.add(one)
    return ledger.entries


def rows_of(*groups, prompts=4):
    return measure([prompt(number) for number in range(prompts)], ledger_of(*groups), POLICY)


def test_the_latest_group_is_the_rate_and_the_run_is_in_the_metadata():
    [row] = rows_of(drawn(1, [True, False, False, False]), drawn(1, [True, True, None, True], version=7)).rows
    assert (row.prompt_id, row.prompt, row.verifier) == (prompt(1).prompt_id, prompt(1).prompt, "string_matcher")
    assert (row.n_samples, row.n_correct, row.n_abstained, row.pass_rate) == (3, 3, 1, 1.0)
    assert (row.model, row.revision) == ("ckpt/dpo", "f" * 64 + "+v7")
    facts = json.loads(row.metadata)["pass_rate"]
    assert facts["run"] == {"groups": 2, "n_samples": 7, "n_correct": 4, "n_abstained": 1}
    assert (facts["interval"], facts["confidence"], facts["version"]) == ("wilson", 0.95, 7)


def test_the_interval_is_wilsons():
    [row] = rows_of(drawn(0, [True] * 2 + [False] * 6)).rows
    z = 1.959963984540054
    middle, half = (0.25 + z * z / 16) / (1 + z * z / 8), math.sqrt(0.25 * 0.75 / 8 + z * z / 256) * z / (1 + z * z / 8)
    assert row.ci_low == pytest.approx(middle - half)
    assert row.ci_high == pytest.approx(middle + half)


def test_a_group_without_a_verdict_leaves_the_one_before_it():
    [row] = rows_of(drawn(0, [True, False], version=2), drawn(0, [None, None], version=3)).rows
    assert (row.n_samples, row.n_correct, row.n_abstained) == (2, 1, 0)
    assert row.revision == "f" * 64 + "+v2"
    assert json.loads(row.metadata)["pass_rate"]["run"] == {
        "groups": 2,
        "n_samples": 2,
        "n_correct": 1,
        "n_abstained": 2,
    }


def test_prompts_without_a_rate_are_left_out_and_counted():
    measured = rows_of(drawn(2, [None, None]), drawn(0, [False, True]), prompts=5)
    assert [row.prompt_id for row in measured.rows] == [prompt(0).prompt_id]
    [books] = measured.counters
    assert (books.rows_in, books.rows_out, books.dropped) == (5, 1, {"never drawn": 3, "no verdict": 1})
    assert books.balances()


def test_rows_come_in_the_order_of_the_data():
    measured = rows_of(*(drawn(number, [True, False]) for number in (3, 0, 2)))
    assert [row.prompt_id for row in measured.rows] == [prompt(number).prompt_id for number in (0, 2, 3)]


def test_what_was_measured_before_makes_room_and_the_prompts_own_stays():
    before = prompt(0, metadata='{"level":3,"pass_rate":{"planned":8}}')
    [row] = measure([before], ledger_of(drawn(0, [True])), POLICY).rows
    metadata = json.loads(row.metadata)
    assert metadata["level"] == 3
    assert "planned" not in metadata["pass_rate"]


def test_metadata_that_is_no_object_is_refused():
    with pytest.raises(DataError, match="its metadata is no JSON object"):
        measure([prompt(0, metadata="3")], ledger_of(drawn(0, [True])), POLICY)


def test_a_prompt_is_retired_by_its_latest_group_alone():
    entry = ledger_of(drawn(0, [True, True]), drawn(0, [True, False]))[prompt(0).prompt_id]
    assert entry.latest == 0.5
    assert Entry().latest is None


def test_a_group_is_of_its_oldest_weights():
    older, newer = (group(0, (1.0,), version=version).rollouts for version in (3, 5))
    mixed = Group(draw=0, prompt=prompt(0), rollouts=[*newer, *older])
    [row] = rows_of(mixed).rows
    assert row.revision.endswith("+v3")

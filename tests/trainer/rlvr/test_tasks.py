"""What may be drawn, in which order, and what the ledger makes of it."""

import pytest

from tests.schemas.rows import pass_rate as rate_row
from tests.schemas.rows import prompt as prompt_row
from tests.trainer.rlvr.made import group, tasks
from tests.trainer.small import version
from trainer.data.sources import open_source
from trainer.errors import TrainError
from trainer.options import RECORDS
from trainer.rlvr.drawing import Drawing, Rule
from trainer.rlvr.ledger import Ledger
from trainer.rlvr.tasks import Tasks, read_tasks
from trainer.rlvr_recipe import SignalTable


def source(home, name, rows):
    return open_source(version(home, name, rows), home, RECORDS["rlvr"])


def rates(counts):
    return [
        rate_row(number, n_samples=8, n_correct=count, pass_rate=count / 8, verifier="math")
        for number, count in enumerate(counts)
    ]


def test_pass_rates_bound_what_is_drawn_both_ends_included(tmp_path):
    made = source(tmp_path, "rates", rates([0, 1, 2, 3, 4, 5, 6, 7, 8]))
    bounds = SignalTable(min_pass_rate=0.125, max_pass_rate=0.625)  # Olmo 3's 62.5%
    [kept], left_out = read_tasks([made], bounds, needs_verifier=True)
    assert [task.n_correct for task in kept] == [1, 2, 3, 4, 5]
    assert left_out == {"too hard": 1, "too easy": 3}


def test_prompts_without_a_verifier_are_left_out_and_counted(tmp_path):
    made = source(tmp_path, "some", [prompt_row(0), prompt_row(1, verifier="math"), prompt_row(2)])
    [kept], left_out = read_tasks([made], SignalTable(), needs_verifier=True)
    assert [task.prompt.source_id for task in kept] == ["1"]
    assert left_out == {"without a verifier": 2}


def test_a_bound_needs_pass_rates(tmp_path):
    made = source(tmp_path, "bare", [prompt_row(0, verifier="math")])
    with pytest.raises(TrainError, match=r"bare@v1: signal.max_pass_rate needs pass rates.*factory build pass-rate"):
        read_tasks([made], SignalTable(max_pass_rate=0.5), needs_verifier=True)


def test_nothing_left_says_why(tmp_path):
    made = source(tmp_path, "solved", rates([8, 8]))
    with pytest.raises(TrainError, match=r"solved@v1: no prompt is left to draw \(2 too easy\)"):
        read_tasks([made], SignalTable(max_pass_rate=0.9), needs_verifier=True)


def test_an_epoch_draws_each_task_once_and_the_next_in_another_order():
    order, ledger, drawing = Tasks([tasks(50)], [1.0], 3), Ledger(), Drawing()
    epochs = []
    for _ in range(2):
        draws = [drawing.next(order, ledger, Rule()) for _ in range(50)]
        epochs.append([order.at(draw.position).prompt.source_id for draw in draws])
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(str(number) for number in range(50))
    assert epochs[0] != epochs[1]


def test_the_ledger_counts_verdicts_and_an_abstention_is_none():
    ledger = Ledger()
    ledger.add(group(0, (1.0, 0.0, None), number=7, version=2))
    ledger.add(group(1, (1.0, 1.0, 1.0), number=7, version=5))
    [entry] = ledger.entries.values()
    assert (entry.groups, entry.graded, entry.correct, entry.abstained) == (2, 5, 4, 1)
    assert (entry.latest, entry.version) == (1.0, 5)


def test_a_prompt_that_got_worse_comes_back():
    """Retirement looks at the last group alone: what the policy has forgotten is drawn again, if it was drawn."""
    [task], ledger = tasks(1), Ledger()
    ledger.add(group(0, (1.0, 1.0), number=0))
    assert ledger.is_retired(task, 0.9)
    ledger.add(group(1, (1.0, 0.0), number=0))
    assert not ledger.is_retired(task, 0.9)

from __future__ import annotations

import pytest
import torch

from trainer.objectives.base import Measure, Outcome, Term
from trainer.tally import Tally, step_loss

COUNTS = {"tokens": 10, "chosen_tokens": 4, "pairs": 2, "rows": 2}


pytestmark = pytest.mark.usefixtures("world")


def outcome(dpo, nll, margin):
    terms = {"dpo": Term(torch.tensor(dpo), "pairs"), "nll": Term(torch.tensor(nll), "chosen_tokens", 0.5)}
    return Outcome(terms, {"margin": Measure(torch.tensor(margin), "pairs")})


def test_means_are_sums_over_micro_batches_by_the_counts_of_the_step():
    tally = Tally()
    tally.add(outcome(1.0, 2.0, 3.0))
    tally.add(outcome(5.0, 6.0, -1.0))

    assert tally.means(COUNTS) == {"loss": 3.0 + 0.5 * 2.0, "loss/dpo": 3.0, "loss/nll": 2.0, "margin": 1.0}


def test_one_term_is_the_loss_itself():
    tally = Tally()
    tally.add(Outcome({"sft": Term(torch.tensor(5.0), "tokens")}, {}))

    assert tally.means(COUNTS) == {"loss": 0.5}


def test_the_loss_of_a_step_is_the_sum_of_its_micro_batches():
    tally = Tally()
    parts = [outcome(1.0, 2.0, 0.0), outcome(0.25, 1.0, 0.0)]
    for part in parts:
        tally.add(part)

    assert sum(step_loss(part, COUNTS).item() for part in parts) == pytest.approx(tally.means(COUNTS)["loss"])


def test_small_parts_are_not_lost_beside_large_ones():
    """Summed in fp64: in fp32, 2^24 + 1 is 2^24."""
    tally = Tally()
    for value in (2.0**24, 1.0, 1.0):
        tally.add(Outcome({"sft": Term(torch.tensor(value), "rows")}, {}))

    assert tally.means(COUNTS)["loss"] == (2**24 + 2) / 2


def test_a_tally_holds_no_graph():
    total = torch.tensor(1.0, requires_grad=True)
    tally = Tally()
    tally.add(Outcome({"sft": Term(total * 2, "rows")}, {}))

    assert not tally._sums["loss/sft"].requires_grad

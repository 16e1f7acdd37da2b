"""PPO's value loss beside its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.objectives.values import Foretold, explained_variance, value_loss
from trainer.rlvr_recipe import ValueTable
from trainer.tally import step_loss


def slopes(table, values, old, returns, counts=None):
    values = torch.tensor(values, requires_grad=True)
    counts = torch.ones(len(values), dtype=torch.bool) if counts is None else torch.tensor(counts)
    outcome = value_loss(table, values, Foretold(torch.tensor(old), torch.tensor(returns), counts))
    loss = step_loss(outcome, {"tokens": int(counts.sum())})
    return loss.item(), torch.autograd.grad(loss, values)[0].tolist(), outcome


def test_half_the_mean_squared_error_times_its_weight():
    loss, slope, outcome = slopes(ValueTable(clip=0, weight=0.5), [1.0, 4.0], [0.0, 0.0], [3.0, 3.0])

    assert loss == pytest.approx(0.5 * (4 + 1) / 2 / 2)
    assert slope == pytest.approx([0.5 * (1 - 3) / 2, 0.5 * (4 - 3) / 2])
    assert {name: value.total.item() for name, value in outcome.measures.items()} == {
        "value/mean": 5.0,
        "value/return": 6.0,
        "value/clipped": 0.0,
    }


def test_the_clip_holds_back_what_moved_far_and_keeps_what_moved_wrongly():
    """Old values of 1, clip 0.2: towards the return beyond 1.2 there is no gradient left; away from it all of it."""
    loss, slope, outcome = slopes(
        ValueTable(clip=0.2, weight=1.0), [1.1, 1.5, 0.5, 1.5], [1.0, 1.0, 1.0, 1.0], [3.0, 3.0, 3.0, 0.0]
    )

    assert loss == pytest.approx((1.9**2 + 1.8**2 + 2.5**2 + 1.5**2) / 2 / 4)
    assert slope == pytest.approx([-1.9 / 4, 0.0, -2.5 / 4, 1.5 / 4])
    assert outcome.measures["value/clipped"].total.item() == 1.0


def test_at_the_first_step_the_clip_does_nothing():
    draw = np.random.default_rng(0)
    old, returns = draw.normal(size=50).astype(np.float32).tolist(), draw.normal(size=50).astype(np.float32).tolist()
    clipped, free = (slopes(ValueTable(clip=clip), old, old, returns) for clip in (0.2, 0))

    assert clipped[:2] == (pytest.approx(free[0]), pytest.approx(free[1]))
    assert clipped[2].measures["value/clipped"].total.item() == 0.0


def test_within_the_clip_no_value_counts_as_clipped():
    """Old plus what it moved by is rounded, and may be off by a bit from where it is."""
    draw = np.random.default_rng(1)
    values, moves = (draw.uniform(-0.19, 0.19, size=2000).astype(np.float32) for _ in range(2))
    old = values + moves
    found = slopes(ValueTable(), values.tolist(), old.tolist(), [0.0] * 2000)

    assert found[2].measures["value/clipped"].total.item() == 0.0


def test_tokens_that_do_not_count_add_nothing():
    nan = float("nan")
    whole = slopes(ValueTable(), [1.0, 2.0], [0.5, 0.5], [3.0, 3.0])
    masked = slopes(ValueTable(), [1.0, nan, 2.0], [0.5, nan, 0.5], [3.0, nan, 3.0], [True, False, True])

    assert masked[0] == pytest.approx(whole[0])
    assert masked[1] == pytest.approx([whole[1][0], 0.0, whole[1][1]])
    assert masked[2].measures["value/mean"].total.item() == 3.0


def test_no_tokens_at_all():
    empty = torch.zeros(0, requires_grad=True)
    outcome = value_loss(
        ValueTable(), empty, Foretold(torch.zeros(0), torch.zeros(0), torch.zeros(0, dtype=torch.bool))
    )
    loss = step_loss(outcome, {"tokens": 1})
    loss.backward()

    assert loss.item() == 0.0


def test_explained_variance():
    returns = np.array([1.0, 2.0, 6.0])

    assert explained_variance(returns, returns) == 1.0
    assert explained_variance(np.full(3, 9.0), returns) == 0.0
    assert explained_variance(-returns, returns) == -3.0  # worse than a constant
    assert explained_variance(returns, np.full(3, 2.0)) is None

"""Advantages beside hand numbers and sums written out."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.objectives.advantages import gae, group_advantages, token_rewards, whitened

KINDS = ("centred", "standard", "leave_one_out")


def test_hand_numbers():
    """One of four is right: the mean is 1/4, the sample's variance (9 + 1 + 1 + 1) / 16 / 3 = 1/4."""
    rewards = [1.0, 0.0, 0.0, 0.0]

    assert group_advantages("centred", rewards).tolist() == [0.75, -0.25, -0.25, -0.25]
    assert group_advantages("standard", rewards).tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5], rel=1e-3)
    assert group_advantages("standard", rewards)[0] == 0.75 / (0.5 + 1e-4)
    assert group_advantages("leave_one_out", rewards).tolist() == pytest.approx([1.0, -1 / 3, -1 / 3, -1 / 3])


@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_leaving_one_out_is_a_mean_of_the_others(size):
    rewards = np.random.default_rng(size).normal(size=size)
    expected = [rewards[at] - np.delete(rewards, at).mean() for at in range(size)]

    np.testing.assert_allclose(group_advantages("leave_one_out", rewards), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [2, 5, 16, 301])
def test_they_sum_to_0_in_a_group(kind, size):
    rewards = np.random.default_rng(size).normal(3.0, 2.0, size=size)

    assert group_advantages(kind, rewards).sum() == pytest.approx(0.0, abs=1e-12 * size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1, -10.0, 1 / 3, 1e300])
@pytest.mark.parametrize("size", [1, 3, 7, 16])
def test_equal_rewards_give_exactly_0(kind, reward, size):
    """0.1 is not the mean of three times 0.1, in floats; and one rollout alone has nothing to be compared with."""
    assert group_advantages(kind, [reward] * size).tolist() == [0.0] * size


@pytest.mark.parametrize("kind", KINDS)
def test_no_rewards(kind):
    assert group_advantages(kind, []).tolist() == []


def test_next_to_no_difference_is_not_blown_up():
    """Of two rewards that differ by a rounding error, no deviation makes a right and a wrong answer."""
    found = group_advantages("standard", [0.3, 0.1 + 0.2])

    assert np.abs(found).max() < 1e-11


def test_rewards_of_tokens_by_hand():
    kl = np.array([0.5, -0.25, 1.0], np.float32)
    found = token_rewards(10.0, kl, 0.2)

    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx([-0.1, 0.05, 9.8])
    assert found.sum() == pytest.approx(10 - 0.2 * kl.sum())  # what the whole rollout earns
    assert kl.tolist() == [0.5, -0.25, 1.0]


def test_a_rollout_without_tokens_cannot_be_rewarded():
    with pytest.raises(ValueError, match="without tokens"):
        token_rewards(1.0, np.zeros(0), 0.1)


def test_generalised_advantages_by_hand():
    """gamma 1, lam 0.5: deltas -1 + 3 - 2 = 0, 0 + 4 - 3 = 1, 6 - 4 = 2."""
    advantages, returns = gae(np.array([-1.0, 0.0, 6.0]), np.array([2.0, 3.0, 4.0]), 1.0, 0.5)

    assert advantages.tolist() == [0.0 + 0.5 * (1 + 0.5 * 2), 1 + 0.5 * 2, 2.0]
    assert returns.tolist() == [3.0, 5.0, 6.0]


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.0), (0.99, 1.0), (1.0, 1.0), (0.5, 0.5)])
def test_generalised_advantages_are_sums_of_all_later_errors(gamma, lam):
    """As the definition has it: the sum over l of (gamma lam)^l times the error l tokens later."""
    draw = np.random.default_rng(0)
    rewards, values = draw.normal(size=40), draw.normal(size=40)
    errors = rewards + gamma * np.append(values[1:], 0) - values
    expected = [sum((gamma * lam) ** l * errors[t + l] for l in range(40 - t)) for t in range(40)]  # noqa: E741
    advantages, returns = gae(rewards, values, gamma, lam)

    np.testing.assert_allclose(advantages, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(returns, expected + values)


def test_with_lam_1_returns_are_what_was_still_to_come():
    """Whatever the values say."""
    draw = np.random.default_rng(1)
    rewards = draw.normal(size=12)
    _, returns = gae(rewards, draw.normal(size=12), 1.0, 1.0)

    np.testing.assert_allclose(returns, np.cumsum(rewards[::-1])[::-1])


def test_true_values_leave_nothing_to_be_better_than():
    rewards = np.array([-0.5, 2.0, 1.0])

    assert gae(rewards, np.cumsum(rewards[::-1])[::-1], 1.0, 0.3)[0].tolist() == pytest.approx([0.0] * 3)


def test_whitened_over_the_tokens_of_all_rollouts_that_count():
    draw = np.random.default_rng(2)
    rows = [draw.normal(3, 5, size) for size in (4, 1, 30)] + [np.full(9, 1e6)]
    found = whitened(rows, [True, True, True, False])
    together = np.concatenate(found[:3])

    assert together.mean() == pytest.approx(0.0, abs=1e-12)
    assert together.std(ddof=1) == pytest.approx(1.0, rel=1e-6)
    np.testing.assert_array_equal(np.argsort(together), np.argsort(np.concatenate(rows[:3])))
    assert [len(row) for row in found] == [4, 1, 30, 9]


@pytest.mark.parametrize("rows", [[], [np.array([3.0])], [np.full(5, 2.0), np.full(3, 2.0)]])
def test_whitening_what_does_not_vary_gives_0(rows):
    assert all(row.tolist() == [0.0] * len(row) for row in whitened(rows, [True] * len(rows)))

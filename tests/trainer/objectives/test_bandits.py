"""Whole methods on problems whose optimum is known: they must come to it, and to no other place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.objectives.advantages import gae, group_advantages, token_rewards, whitened
from trainer.objectives.kl import kl_estimates
from trainer.objectives.policy import Sampled, divisors, policy_loss
from trainer.objectives.values import Foretold, explained_variance, value_loss
from trainer.rlvr_recipe import PolicyTable, ValueTable
from trainer.tally import step_loss

CHANCES = np.array([0.2, 0.5, 0.8, 0.4])  # that each arm pays 1
REFERENCE = np.array([0.4, 0.3, 0.1, 0.2])
GROUP = 8


class Bandit:
    """A policy over four arms. An answer is one token, the arm; a group is eight answers."""

    def __init__(self, seed=0):
        self.draw = np.random.default_rng(seed)
        self.logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        self.reference = torch.tensor(np.log(REFERENCE))

    @property
    def policy(self):
        return torch.softmax(self.logits.detach(), dim=0).numpy()

    def logprobs(self, arms):
        return torch.log_softmax(self.logits, dim=0)[arms]

    def learn(self, table, optimizer, groups):
        """One batch: as many updates as the table has passes."""
        arms = self.draw.choice(4, size=groups * GROUP, p=self.policy)
        rewards = (self.draw.random(len(arms)) < CHANCES[arms]).astype(float)
        each = [group_advantages(table.advantages, group) for group in rewards.reshape(groups, GROUP)]
        sampler = self.logprobs(arms).detach()
        known = Sampled(
            advantages_S=torch.tensor(np.concatenate(each)),
            sampler_S=sampler,
            counts_S=torch.ones(len(arms), dtype=torch.bool),
            old_S=sampler,
            reference_S=self.reference[arms],
        )
        for _ in range(table.passes):
            found = policy_loss(table, self.logprobs(arms), known, torch.arange(len(arms)), len(arms), 1)
            optimizer.zero_grad()
            step_loss(found.outcome, divisors([1] * len(arms))).backward()
            optimizer.step()


@pytest.mark.parametrize("name", ["grpo", "dapo", "dr_grpo", "cispo", "rloo", "gspo"])
def test_without_a_kl_the_best_arm_is_all_that_is_left(name):
    bandit = Bandit()
    table = PolicyTable(preset=name, kl_weight=0, passes=1 if name == "rloo" else 2)
    optimizer = torch.optim.Adam([bandit.logits], lr=0.1)
    for _ in range(120):
        bandit.learn(table, optimizer, groups=16)

    assert bandit.policy[2] > 0.94


def settled(bandit, table, steps=400):
    """The policy in the mean over the last third of a run whose steps get smaller."""
    optimizer = torch.optim.SGD([bandit.logits], lr=2.0)
    seen = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2.0 / (1 + step / 40)
        bandit.learn(table, optimizer, groups=64)
        seen.append(bandit.policy)
    return np.mean(seen[-steps // 3 :], axis=0)


def tilted(beta):
    """The policy that earns most less beta x KL: the reference, each arm times e^(reward / beta)."""
    weights = REFERENCE * np.exp(CHANCES / beta)
    return weights / weights.sum()


def leaning(beta):
    """Where the gradient of the reward is beta x that of KL(reference || policy): beta ref / (beta - r + J)."""
    low, high = CHANCES.max() - beta, 10.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if (beta * REFERENCE / (beta - CHANCES + middle)).sum() > 1 else (low, middle)
    return beta * REFERENCE / (beta - CHANCES + low)


@pytest.mark.parametrize(
    ("kl", "by_ratio", "advantages", "expected"),
    [
        ("k2", False, "leave_one_out", tilted(0.3)),
        ("k2", False, "centred", tilted(0.3 * GROUP / (GROUP - 1))),  # oneself in the mean takes 1/8 off the advantage
        ("k3", False, "leave_one_out", leaning(0.3)),
        ("k3", True, "leave_one_out", tilted(0.3)),
    ],
)
def test_with_a_kl_it_settles_where_the_sum_says(kl, by_ratio, advantages, expected):
    table = PolicyTable(advantages=advantages, kl=kl, kl_by_ratio=by_ratio, kl_weight=0.3, importance_cap=0)
    found = settled(Bandit(), table)

    np.testing.assert_allclose(found, expected, atol=0.01)


def test_the_three_places_are_apart():
    """So that the test above can fail."""
    places = [tilted(0.3), tilted(0.3 * GROUP / (GROUP - 1)), leaning(0.3)]

    assert all(np.abs(one - other).max() > 0.03 for at, one in enumerate(places) for other in places[:at])


class Walk:
    """Two tokens, each of three; what the pair earns. PPO on it, with a value for the start and after each first."""

    BETA = 0.5

    def __init__(self, seed=0):
        self.draw = np.random.default_rng(seed)
        self.rewards = np.random.default_rng(7).uniform(-1, 1, size=(3, 3))
        self.reference = np.log(np.random.default_rng(8).dirichlet([2.0] * 3, size=4))  # the start, then after each
        self.logits = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
        self.values = torch.zeros(4, dtype=torch.float64, requires_grad=True)

    @property
    def policy(self):
        """Of each pair (3, 3)."""
        first, *second = torch.softmax(self.logits.detach(), dim=1).numpy()
        return first[:, None] * np.array(second)

    @property
    def best(self):
        """The policy of pairs that earns most less beta x KL, and what is to be earned from each state."""
        weights = np.exp(self.reference[1:] + self.rewards / self.BETA)
        after = self.BETA * np.log(weights.sum(axis=1))
        whole = np.exp(self.reference[0] + after / self.BETA)
        pairs = (whole / whole.sum())[:, None] * weights / weights.sum(axis=1, keepdims=True)
        return pairs, np.array([self.BETA * np.log(whole.sum()), *after])

    def sampled(self, rollouts):
        """States and tokens (S,) of as many rollouts."""
        chances = torch.softmax(self.logits.detach(), dim=1).numpy()
        first = self.draw.choice(3, size=rollouts, p=chances[0])
        below = self.draw.random((rollouts, 1)) > np.cumsum(chances[1 + first], axis=1)[:, :2]
        second = below.sum(axis=1)
        states = np.stack([np.zeros(rollouts, int), 1 + first], axis=1).ravel()
        return states, np.stack([first, second], axis=1).ravel()

    def learn(self, policy, value, optimizer, rollouts=256):
        states, tokens = self.sampled(rollouts)
        old_S, values = self.logprobs(states, tokens).detach(), self.values.detach()[states]
        reference_S = torch.tensor(self.reference[states, tokens])
        kl = kl_estimates(policy.kl, old_S, reference_S).numpy().reshape(rollouts, 2)
        pairs = tokens.reshape(rollouts, 2)
        earned = [token_rewards(self.rewards[tuple(pair)], kl[row], self.BETA) for row, pair in enumerate(pairs)]
        rows = [
            gae(earned[row], values.numpy()[2 * row : 2 * row + 2], value.gamma, value.lam) for row in range(rollouts)
        ]
        returns = np.concatenate([row[1] for row in rows])
        advantages = np.concatenate(whitened([row[0] for row in rows], [True] * rollouts))
        counts_S = torch.ones(2 * rollouts, dtype=torch.bool)
        known = Sampled(torch.tensor(advantages), old_S, counts_S, old_S, reference_S)
        foretold = Foretold(values, torch.tensor(returns), counts_S)
        document_S = torch.arange(rollouts).repeat_interleave(2)
        for _ in range(policy.passes):
            found = policy_loss(policy, self.logprobs(states, tokens), known, document_S, rollouts, 2).outcome
            worth = value_loss(value, self.values[states], foretold)
            optimizer.zero_grad()
            (step_loss(found, divisors([2] * rollouts)) + step_loss(worth, divisors([2] * rollouts))).backward()
            optimizer.step()
        return explained_variance(values.numpy(), returns)

    def logprobs(self, states, tokens):
        return torch.log_softmax(self.logits, dim=1)[states, tokens]


def test_ppo_comes_to_the_optimum_and_its_values_to_what_is_to_be_earned():
    """With the KL in the reward, as Tulu 3 has it. The optimum is known in closed form."""
    walk = Walk()
    policy, value = PolicyTable(preset="ppo", kl_weight=Walk.BETA), ValueTable(weight=1.0)
    optimizer = torch.optim.Adam([walk.logits, walk.values], lr=0.05)
    seen, worth = [], []
    for batch in range(100):
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + batch / 20)
        walk.learn(policy, value, optimizer)
        if batch >= 60:
            seen.append(walk.policy)
            worth.append(walk.values.detach().numpy().copy())
    best, values = walk.best

    assert np.abs(np.full((3, 3), 1 / 9) - best).max() > 0.1
    np.testing.assert_allclose(np.mean(seen, axis=0), best, atol=0.005)
    np.testing.assert_allclose(np.mean(worth, axis=0), values, atol=0.005)
    assert np.ptp(values) > 0.3

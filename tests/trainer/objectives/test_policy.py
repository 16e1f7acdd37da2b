"""The policy loss beside its formulas, written out rollout by rollout in numpy, and what is known of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainer.objectives.policy import Sampled, divisors, importance_weights, policy_loss
from trainer.objectives.presets import PRESETS
from trainer.rlvr_recipe import PolicyTable
from trainer.tally import step_loss

MAX_TOKENS = 20
LENGTHS = (3, 1, 7, 4)


class Rollouts:
    """Random tokens of four rollouts, all log-probs near -1, advantages of both signs; fp64."""

    def __init__(self, seed=0, spread=0.4, per_token=False, lengths=LENGTHS):
        draw = np.random.default_rng(seed)
        self.document = np.repeat(np.arange(len(lengths)), lengths)
        size = len(self.document)
        self.new, self.old, self.sampler, self.reference = (-1 + spread * draw.normal(size=size) for _ in range(4))
        of_rollout = draw.normal(size=len(lengths))
        self.advantages = draw.normal(size=size) if per_token else of_rollout[self.document]
        self.counts = np.ones(size, bool)

    @property
    def rows(self):
        """The places of each rollout's counted tokens."""
        return [np.flatnonzero((self.document == row) & self.counts) for row in range(self.document[-1] + 1)]

    @property
    def counted(self):
        return [len(row) for row in self.rows]

    def sampled(self, places=slice(None), old=True, reference=True):
        return Sampled(
            torch.tensor(self.advantages[places]),
            torch.tensor(self.sampler[places]),
            torch.tensor(self.counts[places]),
            torch.tensor(self.old[places]) if old else None,
            torch.tensor(self.reference[places]) if reference else None,
        )

    def logprobs(self, places=slice(None)):
        return torch.tensor(self.new[places], requires_grad=True)


def found(table, rollouts, **known):
    """The loss of the step, its slope along each log-prob, and all that was returned."""
    logprobs_S = rollouts.logprobs()
    document_S = torch.tensor(rollouts.document)
    outcome = policy_loss(table, logprobs_S, rollouts.sampled(**known), document_S, len(LENGTHS), MAX_TOKENS)
    loss = step_loss(outcome.outcome, divisors(rollouts.counted))
    return loss.item(), torch.autograd.grad(loss, logprobs_S)[0].numpy(), outcome


def by_hand(table, rollouts):
    """Loss and slopes from the formulas, one rollout after the other, one token after the other."""
    loss, slopes = 0.0, np.zeros_like(rollouts.new)
    tokens = sum(rollouts.counted)
    present = sum(len(row) > 0 for row in rollouts.rows)
    for row in rollouts.rows:
        mean_ratio = math.exp(np.mean(rollouts.new[row] - rollouts.old[row])) if len(row) else 1.0
        for at in row:
            ratio = mean_ratio if table.ratio == "sequence" else math.exp(rollouts.new[at] - rollouts.old[at])
            importance = math.exp(rollouts.old[at] - rollouts.sampler[at])
            weight = min(importance, table.importance_cap) if table.importance_cap else 1.0
            if table.importance_mask is not None:
                weight = importance if not table.importance_cap else weight
                weight *= table.importance_mask[0] <= importance <= table.importance_mask[1]
            advantage = rollouts.advantages[at]
            clipped = min(max(ratio, 1 - table.clip_low), 1 + table.clip_high)
            if table.loss == "clip":
                value = min(ratio * advantage, clipped * advantage)
                slope = ratio * advantage if ratio * advantage <= clipped * advantage else 0.0
            elif table.loss == "cispo":
                value, slope = clipped * advantage * rollouts.new[at], clipped * advantage
            else:
                value, slope = advantage * rollouts.new[at], advantage
            value, slope = -weight * value, -weight * slope
            if table.kl_weight:
                d = rollouts.new[at] - rollouts.reference[at]
                kl = {"k1": d, "k2": d * d / 2, "k3": math.exp(-d) - 1 + d}[table.kl]
                kl_slope = {"k1": 1.0, "k2": d, "k3": 1 - math.exp(-d)}[table.kl]
                if table.kl_by_ratio:
                    own = math.exp(rollouts.new[at] - rollouts.old[at])
                    kl, kl_slope = own * kl, own * (kl_slope + kl)
                value, slope = value + table.kl_weight * kl, slope + table.kl_weight * kl_slope
            divisor = {"tokens": tokens, "rollouts": present * len(row), "budget": present * MAX_TOKENS}[
                table.divide_by
            ]
            loss += value / divisor
            slopes[at] = slope / divisor
    return loss, slopes


TABLES = {
    "default": {},
    "no correction": {"importance_cap": 0},
    "icepop": {"importance_cap": 0, "importance_mask": (0.7, 1.4)},
    "icepop and cap": {"importance_cap": 1.2, "importance_mask": (0.7, 1.4)},
    "narrow clip": {"clip_low": 0.1, "clip_high": 0.05},
    "by rollouts": {"divide_by": "rollouts", "importance_cap": 1.1},
    "by budget": {"divide_by": "budget"},
    "cispo with both bounds": {"loss": "cispo", "clip_low": 0.2, "clip_high": 0.3},
    "sequence": {"ratio": "sequence", "clip_low": 0.1, "clip_high": 0.1},
    "sequence by rollouts": {"ratio": "sequence", "clip_low": 0.1, "clip_high": 0.1, "divide_by": "rollouts"},
    "sequence in cispo": {"ratio": "sequence", "loss": "cispo"},
    "k1": {"kl": "k1", "kl_weight": 0.3},
    "k2 by rollouts": {"kl": "k2", "kl_weight": 0.3, "divide_by": "rollouts"},
    "k3 by budget": {"kl": "k3", "kl_weight": 0.3, "divide_by": "budget"},
    "k1 by ratio": {"kl": "k1", "kl_weight": 0.3, "kl_by_ratio": True},
    "k3 by ratio": {"kl": "k3", "kl_weight": 0.3, "kl_by_ratio": True, "ratio": "sequence"},
    **{name: {"preset": name, **({"kl_weight": 0} if name in ("rloo", "ppo") else {})} for name in PRESETS},
}


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_the_formula(name, per_token):
    table = PolicyTable.model_validate(TABLES[name])
    for seed in range(5):
        rollouts = Rollouts(seed, per_token=per_token)
        loss, slopes, _ = found(table, rollouts)
        expected, expected_slopes = by_hand(table, rollouts)

        assert loss == pytest.approx(expected, rel=1e-9)
        np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", TABLES)
def test_masked_tokens_add_nothing_and_are_in_no_divisor(name):
    """The third rollout, and one token of the first: whatever is said of them does not even reach the arithmetic."""
    table = PolicyTable.model_validate(TABLES[name])
    rollouts = Rollouts(1)
    rollouts.counts[[1, *range(4, 11)]] = False
    expected, expected_slopes = by_hand(table, rollouts)
    for values in (rollouts.new, rollouts.old, rollouts.sampler, rollouts.reference, rollouts.advantages):
        values[~rollouts.counts] = np.nan
    loss, slopes, outcome = found(table, rollouts)

    assert divisors(rollouts.counted) == {"tokens": 15 - 8, "rollouts": 3}
    assert loss == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-9, atol=1e-12)
    assert np.all(slopes[~rollouts.counts] == 0)
    assert all(math.isfinite(measure.total.item()) for measure in outcome.outcome.measures.values())


def test_nothing_counted():
    rollouts = Rollouts()
    rollouts.counts[:] = False
    loss, slopes, _ = found(PolicyTable(), rollouts)

    assert divisors(rollouts.counted) == {"tokens": 1, "rollouts": 1}
    assert loss == 0.0
    assert np.all(slopes == 0)


@pytest.mark.parametrize("name", TABLES)
def test_no_tokens_at_all(name):
    """What a rank has that has nothing left: the graph must be there all the same."""
    empty = torch.zeros(0, requires_grad=True)
    known = Sampled(*(torch.zeros(0) for _ in range(2)), torch.zeros(0, dtype=torch.bool), None, torch.zeros(0))
    table = PolicyTable.model_validate(TABLES[name])
    outcome = policy_loss(table, empty, known, torch.zeros(0, dtype=torch.long), 1, MAX_TOKENS, torch.zeros(0)).outcome
    loss = step_loss(outcome, divisors([]))
    loss.backward()

    assert loss.item() == 0.0
    assert empty.grad is not None


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_at_the_first_step_the_ratio_is_1_and_the_loss_minus_the_mean_advantage(ratio, old):
    rollouts = Rollouts(per_token=True)
    rollouts.old = rollouts.new
    loss, slopes, outcome = found(PolicyTable(importance_cap=0, ratio=ratio), rollouts, old=old)

    assert set(outcome.ratio_S.tolist()) == {1.0}
    assert loss == pytest.approx(-rollouts.advantages.mean(), rel=1e-12)
    np.testing.assert_allclose(slopes, -rollouts.advantages / len(slopes), rtol=1e-12)
    measures = {name: measure.total.item() for name, measure in outcome.outcome.measures.items()}
    assert measures["policy/ratio"] == len(slopes)
    assert measures["policy/kl_k1"] == measures["policy/kl_k3"] == 0.0
    assert measures["policy/clipped_low"] == measures["policy/clipped_high"] == 0.0


def test_without_old_log_probs_they_are_the_present_ones_without_a_gradient():
    rollouts = Rollouts()
    loss, slopes, _ = found(PolicyTable(), rollouts, old=False)
    rollouts.old = rollouts.new
    expected, expected_slopes = by_hand(PolicyTable(), rollouts)

    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-12)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [
        (1.5, 1.0, False),  # made likelier beyond the upper bound: enough
        (1.5, -1.0, True),  # to be made less likely: all the way back
        (0.5, 1.0, True),
        (0.5, -1.0, False),
        (1.19, 1.0, True),
        (0.91, -1.0, True),
    ],
)
def test_the_clip_stops_what_goes_further_away_and_never_what_comes_back(ratio, advantage, moves):
    one = torch.tensor([math.log(ratio)], requires_grad=True)
    known = Sampled(torch.tensor([advantage]), torch.zeros(1), torch.tensor([True]), torch.zeros(1))
    table = PolicyTable(clip_low=0.1, clip_high=0.2)
    found = policy_loss(table, one, known, torch.tensor([0]), 1, MAX_TOKENS).outcome
    slope = torch.autograd.grad(found.terms["policy"].total, one)[0].item()
    clipped = [found.measures[f"policy/clipped_{side}"].total.item() for side in ("low", "high")]

    assert slope == pytest.approx(-advantage * ratio if moves else 0.0)
    assert clipped == [float(not moves and ratio < 1), float(not moves and ratio > 1)]


def test_cispo_drops_no_token():
    """Where the clip of PPO leaves no gradient, there is the largest that is allowed."""
    one = torch.tensor([math.log(9.0)], requires_grad=True)
    known = Sampled(torch.tensor([2.0]), torch.zeros(1), torch.tensor([True]), torch.zeros(1))
    slopes = {}
    for name in ("ppo", "cispo"):
        outcome = policy_loss(PolicyTable(preset=name), one, known, torch.tensor([0]), 1, MAX_TOKENS).outcome
        slopes[name] = torch.autograd.grad(outcome.terms["policy"].total, one)[0].item()

    assert slopes == {"ppo": 0.0, "cispo": -2.0 * 5.0}


def test_importance_weights_by_hand():
    ratios = torch.tensor([0.1, 0.6, 1.0, 1.9, 2.0, 2.1, 50.0])
    cap = importance_weights(PolicyTable(), ratios)
    mask = importance_weights(PolicyTable(importance_cap=0, importance_mask=(0.5, 2.0)), ratios)

    assert cap.tolist() == pytest.approx([0.1, 0.6, 1.0, 1.9, 2.0, 2.0, 2.0])
    assert mask.tolist() == pytest.approx([0.0, 0.6, 1.0, 1.9, 2.0, 0.0, 0.0])
    assert importance_weights(PolicyTable(importance_cap=0), ratios).tolist() == [1.0] * 7


def test_the_importance_weight_has_no_gradient_and_is_1_where_log_probs_agree():
    """Without old log-probs it is made of the present ones: its gradient would be the surrogate's all over again."""
    rollouts = Rollouts(spread=1.0)
    _, slopes, outcome = found(PolicyTable(), rollouts, old=False)
    weights = np.minimum(np.exp(rollouts.new - rollouts.sampler), 2.0)

    np.testing.assert_allclose(slopes, -weights * rollouts.advantages / len(slopes), rtol=1e-9)
    assert not outcome.importance_S.requires_grad
    rollouts.sampler = rollouts.old
    assert set(found(PolicyTable(), rollouts)[2].importance_S.tolist()) == {1.0}


def test_masked_by_icepop_a_token_stays_in_the_divisor_and_keeps_its_kl():
    rollouts = Rollouts()
    rollouts.sampler = rollouts.old - np.where(np.arange(15) < 10, 5.0, 0.0)  # importance e^5 of ten tokens
    table = PolicyTable(importance_cap=0, importance_mask=(0.5, 5.0), kl="k2", kl_weight=1.0)
    _, slopes, outcome = found(table, rollouts)

    d = rollouts.new - rollouts.reference
    np.testing.assert_allclose(slopes[:10], d[:10] / 15, rtol=1e-9)
    assert outcome.outcome.measures["sampler/masked"].total.item() == 10


def test_a_ratio_that_is_far_away_stays_finite():
    far = torch.tensor([-1000.0, -1e-3], requires_grad=True)
    known = Sampled(
        torch.tensor([-1.0, -1.0]), torch.tensor([-1e-3, -1000.0]), torch.tensor([True, True]), -1000.0 - far.detach()
    )
    for name in PRESETS:
        table = PolicyTable(preset=name)
        known = known._replace(reference_S=known.old_S)
        outcome = policy_loss(table, far, known, torch.tensor([0, 0]), 1, MAX_TOKENS).outcome
        grad = torch.autograd.grad(step_loss(outcome, divisors([2])), far)[0]
        assert torch.isfinite(grad).all()
        assert all(math.isfinite(measure.total.item()) for measure in outcome.measures.values())


@pytest.mark.parametrize("name", TABLES)
def test_a_step_cut_into_micro_batches_is_the_same_step(name):
    """However its rollouts are packed: each alone, in twos, in another order."""
    table = PolicyTable.model_validate(TABLES[name])
    rollouts = Rollouts(3)
    rollouts.counts[1] = False
    whole, slopes, outcome = found(table, rollouts)
    places = [np.flatnonzero(rollouts.document == row) for row in range(4)]
    for cut in ([[0], [1], [2], [3]], [[3, 1], [2, 0]], [[2, 3], [], [0, 1]]):
        loss, apart, measured = 0.0, np.zeros_like(slopes), dict[str, float]()
        for rows in cut:
            at = np.concatenate([np.zeros(0, int), *(places[row] for row in rows)])
            logprobs_S = rollouts.logprobs(at)
            document_S = torch.tensor(np.repeat(np.arange(len(rows)), [len(places[row]) for row in rows]))
            found_here = policy_loss(
                table, logprobs_S, rollouts.sampled(at), document_S, max(1, len(rows)), MAX_TOKENS
            ).outcome
            part = step_loss(found_here, divisors(rollouts.counted))
            apart[at] = torch.autograd.grad(part, logprobs_S)[0].numpy()
            loss += part.item()
            for measure, value in found_here.measures.items():
                measured[measure] = measured.get(measure, 0.0) + value.total.item()

        assert loss == pytest.approx(whole, rel=1e-9)
        np.testing.assert_allclose(apart, slopes, rtol=1e-9, atol=1e-15)
        for measure, value in outcome.outcome.measures.items():
            assert measured[measure] == pytest.approx(value.total.item(), rel=1e-9, abs=1e-12)


def test_a_sequence_ratio_is_of_the_rollout_not_of_the_packed_row():
    """Two rollouts in one row, one likelier than it was, one less likely: together their mean ratio would be 1."""
    document_S = torch.tensor([0, 0, 0, 1, 1, 1])
    old_S = torch.zeros(6) - 2
    new_S = old_S + torch.tensor([0.1, 0.2, 0.3, -0.1, -0.2, -0.3])
    known = Sampled(torch.ones(6), old_S, torch.ones(6, dtype=torch.bool), old_S)
    ratio_S = policy_loss(PolicyTable(ratio="sequence"), new_S, known, document_S, 2, MAX_TOKENS).ratio_S

    assert ratio_S.tolist() == pytest.approx([math.exp(0.2)] * 3 + [math.exp(-0.2)] * 3)


def test_the_gradient_of_a_sequence_ratio_is_that_of_the_geometric_mean():
    """GSPO's own form, s A once a rollout: where advantage and weight are the rollout's, both forms move alike."""
    rollouts = Rollouts(2)
    rollouts.sampler = rollouts.old
    table = PolicyTable(ratio="sequence", clip_low=1.0, clip_high=10.0, divide_by="rollouts")
    _, slopes, _ = found(table, rollouts)
    logprobs_S = rollouts.logprobs()
    plain = torch.zeros((), dtype=torch.float64)
    for row in rollouts.rows:
        plain = plain - torch.exp((logprobs_S - torch.tensor(rollouts.old))[row].mean()) * rollouts.advantages[row[0]]
    theirs = torch.autograd.grad(plain / len(LENGTHS), logprobs_S)[0]

    np.testing.assert_allclose(slopes, theirs, rtol=1e-9)


@pytest.mark.parametrize(
    ("divide_by", "expected"),
    [("tokens", [1 / 15] * 4), ("rollouts", [1 / 12, 1 / 4, 1 / 28, 1 / 16]), ("budget", [1 / 80] * 4)],
)
def test_how_much_a_token_of_each_rollout_weighs(divide_by, expected):
    """By tokens all the same; by rollouts those of a short answer more; by budget a constant."""
    rollouts = Rollouts()
    rollouts.advantages[:] = -1
    rollouts.old = rollouts.new
    _, slopes, _ = found(PolicyTable(divide_by=divide_by, importance_cap=0), rollouts)

    assert [slopes[row[0]] for row in rollouts.rows] == pytest.approx(expected)


def test_measures_by_hand():
    """Two counted tokens and one that is masked, in round numbers."""
    log2 = math.log(2)
    known = Sampled(
        advantages_S=torch.tensor([1.0, -1.0, 9.0]),
        sampler_S=torch.tensor([-4 * log2, -log2, 9.0]),
        counts_S=torch.tensor([True, True, False]),
        old_S=torch.tensor([-2 * log2, -log2, 9.0]),
        reference_S=torch.tensor([-log2, -4 * log2, 9.0]),
    )
    new_S = torch.tensor([-log2, -3 * log2, 9.0])
    table = PolicyTable(importance_cap=3.0, importance_mask=(0.5, 3.5))
    found = policy_loss(table, new_S, known, torch.tensor([0, 1, 1]), 2, 8, torch.tensor([0.3, 0.5, 9.0])).outcome
    measured = {name: measure.total.item() for name, measure in found.measures.items()}

    assert {measure.per for measure in found.measures.values()} == {"tokens"}
    assert measured == pytest.approx(
        {
            "policy/ratio": 2 + 0.25,
            "policy/kl_k1": -log2 + 2 * log2,  # old less new
            "policy/kl_k3": (2 - 1 - log2) + (0.25 - 1 + 2 * log2),
            "policy/clipped_low": 1.0,  # ratio 1/4, to be made less likely
            "policy/clipped_high": 1.0,
            "sampler/importance": 0.0 + 1.0,  # 4 is masked
            "sampler/capped": 1.0,
            "sampler/masked": 1.0,
            "sampler/logprob_gap": 2 * log2,
            "sampler/prob_gap": 1 / 4 - 1 / 16,
            "sampler/kl_k3": 4 - 1 - 2 * log2,
            "reference/kl_k1": 0 + log2,
            "reference/kl_k3": (0.5 - 1 + log2),
            "entropy": 0.8,
        },
        abs=1e-6,
    )


@pytest.mark.parametrize("kl", ["k1", "k3"])
def test_times_the_ratio_a_kl_has_the_true_gradient_also_off_the_policy(kl):
    """In the mean over tokens that an older policy drew: all five of them, each as often as it would draw it."""
    draw = torch.Generator().manual_seed(0)
    old, new, reference = (torch.randn(5, generator=draw, dtype=torch.float64) for _ in range(3))
    new.requires_grad_()
    old_S, logprobs_S, reference_S = (torch.log_softmax(logits, dim=0) for logits in (old, new, reference))
    table = PolicyTable(kl=kl, kl_weight=1.0, kl_by_ratio=True, importance_cap=0)
    known = Sampled(torch.zeros(5), old_S, torch.ones(5, dtype=torch.bool), old_S, reference_S)
    grads = []
    for token in range(5):
        one = Sampled(*(None if values is None else values[token : token + 1] for values in known))
        outcome = policy_loss(table, logprobs_S[token : token + 1], one, torch.tensor([0]), 1, MAX_TOKENS).outcome
        grads.append(old_S[token].exp() * torch.autograd.grad(outcome.terms["kl"].total, new, retain_graph=True)[0])
    true = torch.autograd.grad((logprobs_S.exp() * (logprobs_S - reference_S)).sum(), new)[0]

    torch.testing.assert_close(torch.stack(grads).sum(0), true)


def test_a_kl_without_a_reference_is_refused():
    with pytest.raises(ValueError, match=r"policy.kl_weight needs the reference's log-probs"):
        found(PolicyTable(kl_weight=0.1), Rollouts(), reference=False)


def test_a_kl_that_the_reward_pays_is_not_in_the_loss():
    _, _, outcome = found(PolicyTable(preset="ppo"), Rollouts())

    assert list(outcome.outcome.terms) == ["policy"]
    assert "reference/kl_k1" in outcome.outcome.measures

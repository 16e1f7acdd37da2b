"""The policy loss and its gradients beside what TRL 1.16 says of one batch (bench/trl_grpo_parity.py recorded it).

Where the two differ, and why, is in the tests at the end.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.parity.batch import make_checkpoint
from tests.trainer.parity.rollouts import CASES, GROUP, MAX_TOKENS, SHIFTS
from tests.trainer.parity.test_trl import assert_equal
from trainer.data.micro import Document, make_micro
from trainer.model.load import load_packed
from trainer.objectives.advantages import group_advantages, token_rewards
from trainer.objectives.kl import kl_estimates
from trainer.objectives.policy import Sampled, divisors, policy_loss
from trainer.recipe import SftRecipe
from trainer.rlvr_recipe import PolicyTable
from trainer.tally import step_loss

TRL = json.loads((Path(__file__).parent / "trl_grpo.json").read_text())
ROWS = TRL["rollouts"]
CPU = torch.device("cpu")
RECIPE = SftRecipe.model_validate({"batch": {"rows": 8}, "optimizer": {"lr": 1e-5}, "model": {"dtype": "fp32"}})
APART = ("gspo, capped", "grpo, cut answers masked")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    home = tmp_path_factory.mktemp("parity")
    return {name: make_checkpoint(home / name, shift) for name, shift in SHIFTS.items()}


@pytest.fixture(scope="module")
def known(checkpoints):
    """Log-probs of each rollout's tokens under the model before the update, the reference and the policy."""
    return {name: scores(load_packed(checkpoints[name], RECIPE, "logprobs")) for name in ("old", "reference", "policy")}


@torch.no_grad()
def scores(model):
    return list(model(micro(range(len(ROWS)))).logprobs_S.split([len(row["ids"]) for row in ROWS]))


def micro(rows):
    """The rollouts end to end: prompt and answer are one document."""
    documents = []
    for row in rows:
        prompt, ids = ROWS[row]["prompt"], ROWS[row]["ids"]
        trained = np.arange(len(prompt) + len(ids)) >= len(prompt)
        documents.append(Document(np.array(prompt + ids, np.int32), trained))
    return make_micro(documents, rows, CPU)


def advantages_of(table, rewards):
    groups = np.reshape(rewards, (-1, GROUP))
    return np.concatenate([group_advantages(table.advantages, group) for group in groups])


def counts_of(table):
    """Counted tokens of each rollout."""
    return [0 if table.mask_cut and not row["ended"] else len(row["ids"]) for row in ROWS]


def sampled(table, rows, known, advantages):
    counts = counts_of(table)
    pairs = [(row, len(ROWS[row]["ids"])) for row in rows]
    return Sampled(
        advantages_S=torch.cat([torch.full((size,), float(advantages[row])) for row, size in pairs]),
        sampler_S=torch.tensor([value for row in rows for value in TRL["sampler"][row]]),
        counts_S=torch.cat([torch.full((size,), counts[row] > 0) for row, size in pairs]),
        old_S=torch.cat([known["old"][row] for row in rows]),
        reference_S=torch.cat([known["reference"][row] for row in rows]),
    )


def table_of(name):
    ours = CASES[name]["ours"]
    return PolicyTable.model_validate(ours if "importance" in CASES[name] else ours | {"importance_cap": 0})


def outcomes(model, table, known, cut, advantages):
    for rows in cut:
        batch = micro(rows)
        found = model(batch, entropy=True)
        yield policy_loss(
            table,
            found.logprobs_S,
            sampled(table, rows, known, advantages),
            batch.document_S,
            batch.n_documents,
            MAX_TOKENS,
            found.entropy_S,
        ).outcome


CUTS = {"packed": [range(len(ROWS))], "in parts": [[0, 5], [7, 1, 2, 3], [4], [11, 6], [8, 9, 10]]}


@pytest.mark.parametrize("name", [name for name in CASES if name not in APART])
@pytest.mark.parametrize("cut", CUTS)
def test_loss_and_gradients(checkpoints, known, name, cut):
    model, table = load_packed(checkpoints["policy"], RECIPE, "logprobs"), table_of(name)
    advantages = advantages_of(table, [row["reward"] for row in ROWS])
    counts = divisors(counts_of(table))
    parts = list(outcomes(model, table, known, CUTS[cut], advantages))

    assert advantages.tolist() == pytest.approx(TRL[name]["advantages"], abs=1e-6)
    assert_equal(model, torch.stack([step_loss(part, counts) for part in parts]).sum(), TRL[name])
    entropy = sum(part.measures["entropy"].total.item() for part in parts)
    assert entropy / counts["tokens"] == pytest.approx(TRL[name]["entropy"], rel=1e-5)
    if TRL[name]["clipped"] and table.ratio == "token":
        sides = ("policy/clipped_low", "policy/clipped_high")
        clipped = [sum(part.measures[side].total.item() for part in parts) for side in sides]
        assert [share / counts["tokens"] for share in clipped] == pytest.approx(TRL[name]["clipped"])


def test_the_batch_has_what_could_go_wrong(known):
    """Tokens clipped on both sides, above the cap, outside the mask; a group without a gradient; answers cut short."""
    old = torch.cat(known["old"])
    importance = (old - torch.tensor([value for row in TRL["sampler"] for value in row])).exp()
    ratio = (torch.cat(known["policy"]) - old).exp()

    assert min(TRL["dapo"]["clipped"]) > 0.05
    assert (importance > 1.15).any()
    assert ((importance > 1.1) & (importance < 1.15)).any()
    assert (importance < 0.9).any()
    assert (ratio > 1.1).any()
    assert TRL["dapo"]["advantages"][4:8] == [0.0] * 4
    assert [row["ended"] for row in ROWS].count(False) == 2


def gradients(model, loss):
    return torch.autograd.grad(loss, list(model.parameters()))


def test_apart_capped_weights_of_a_sequence_ratio(checkpoints, known):
    """TRL multiplies each token's weight with the one ratio of its rollout, so all its tokens share the mean weight.

    Here a token's weight is on its own gradient. The loss is the same, and so is the gradient once weights are equal.
    """
    name = "gspo, capped"
    model, table = load_packed(checkpoints["policy"], RECIPE, "logprobs"), table_of(name)
    advantages = advantages_of(table, [row["reward"] for row in ROWS])
    [ours] = outcomes(model, table, known, CUTS["packed"], advantages)
    loss = step_loss(ours, divisors(counts_of(table)))
    batch, told = micro(range(len(ROWS))), sampled(table, range(len(ROWS)), known, advantages)
    weights = (
        (told.old_S - told.sampler_S).exp().clamp(max=table.importance_cap).split([len(row["ids"]) for row in ROWS])
    )
    shared = torch.cat([torch.full_like(one, float(one.mean())) for one in weights])
    told = told._replace(sampler_S=told.old_S - shared.log())
    logprobs_S = model(batch).logprobs_S
    theirs = policy_loss(table, logprobs_S, told, batch.document_S, batch.n_documents, MAX_TOKENS).outcome
    own, meant = gradients(model, loss), gradients(model, step_loss(theirs, divisors(counts_of(table))))

    assert loss.item() == pytest.approx(TRL[name]["loss"], rel=1e-4)
    assert max(float((one - other).norm() / other.norm()) for one, other in zip(own, meant, strict=True)) > 0.01
    for (weight, _), grad in zip(model.named_parameters(), meant, strict=True):
        assert float(grad.norm()) == pytest.approx(TRL[name]["gradients"][weight.removeprefix("model.")][0], rel=1e-4)


def test_apart_masked_rollouts_in_a_mean_over_rollouts(checkpoints, known):
    """TRL divides by all 12, masked ones too; here by the 10 that train something."""
    name = "grpo, cut answers masked"
    model, table = load_packed(checkpoints["policy"], RECIPE, "logprobs"), table_of(name)
    advantages = advantages_of(table, [row["reward"] for row in ROWS])
    [ours] = outcomes(model, table, known, CUTS["packed"], advantages)
    counts = divisors(counts_of(table))

    assert counts["rollouts"] == 10
    assert_equal(model, step_loss(ours, counts | {"rollouts": 12}), TRL[name])


def test_apart_the_scale_of_rloo(checkpoints, known):
    """TRL's loss is the ratio of whole answers, ours A log p: one gradient at the first step, but for a constant.

    TRL sums over an answer's tokens and divides by rollouts; by budget that is divided by the tokens allowed, too.
    """
    model = load_packed(checkpoints["policy"], RECIPE, "logprobs")
    table = PolicyTable(preset="rloo", kl_weight=0.2)
    earned = []
    for row, logprobs, reference in zip(ROWS, known["policy"], known["reference"], strict=True):
        kl_T = kl_estimates(table.kl, logprobs, reference).numpy()
        earned.append(token_rewards(row["reward"], kl_T, table.kl_weight).sum())
    advantages = advantages_of(table, earned)
    on_policy = {"old": known["policy"], "reference": known["reference"]}
    [ours] = outcomes(model, table.model_copy(update={"importance_cap": 0}), on_policy, CUTS["packed"], advantages)
    grads = gradients(model, MAX_TOKENS * step_loss(ours, divisors(counts_of(table))))

    assert advantages.tolist() == pytest.approx(TRL["rloo"]["advantages"], abs=1e-5)
    assert list(ours.terms) == ["policy"]
    for (weight, _), grad in zip(model.named_parameters(), grads, strict=True):
        assert float(grad.norm()) == pytest.approx(TRL["rloo"]["gradients"][weight.removeprefix("model.")][0], rel=1e-4)


def test_apart_the_bound_of_cispo():
    """TRL's `epsilon_high` is the bound of the weight itself, here it is 1 + clip_high, as in the paper."""
    case = CASES["cispo"]

    assert case["trl"]["epsilon_high"] == 1 + case["ours"]["clip_high"]

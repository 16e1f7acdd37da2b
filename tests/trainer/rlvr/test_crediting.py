"""Advantages and columns of a batch: by group whatever the order, and token for token what was sampled."""

import numpy as np
import pytest
import torch

from tests.trainer.rlvr.made import prompt, rollout
from trainer.data.steps import Span, make_step, micro_batch
from trainer.rlvr.crediting import credit
from trainer.rlvr.experience import Experience
from trainer.rlvr.rollouts import Group
from trainer.rlvr_recipe import RlvrRecipe

CPU = torch.device("cpu")


def recipe(**tables):
    return RlvrRecipe(max_steps=1, optimizer={"lr": 1e-4}, **tables)


def batch():
    """Two groups of uneven sizes and lengths; the second lost one rollout to an abstention."""
    first = [rollout(1.0, ids=(5, 6, 7)), rollout(0.0, ids=(8,)), rollout(0.0, ids=(9, 9))]
    second = [rollout(None, ids=(4,)), rollout(1.0, ids=(3, 3, 3, 3)), rollout(0.0, ids=(2, 1))]
    return Experience([Group(draw=n, prompt=prompt(n), rollouts=rows) for n, rows in enumerate((first, second))])


def test_advantages_are_of_each_group_and_sum_to_zero_in_it():
    experience = batch()
    credit(experience, [True] * 5, recipe())
    found = [column.tolist() for column in experience.columns["advantages"]]
    third = 1 / 3
    expected = [[1 - third] * 3, [-third], [-third] * 2, [0.5] * 4, [-0.5] * 2]
    for got, wanted in zip(found, expected, strict=True):
        assert got == pytest.approx(wanted)


def test_a_kl_in_the_reward_is_paid_by_the_whole_rollout_before_the_group_is_centred():
    experience = batch()
    experience.columns["old"] = [np.full(row.n_tokens, -1.0, np.float32) for row in experience.rows]
    experience.columns["reference"] = [np.full(row.n_tokens, -1.5, np.float32) for row in experience.rows]
    credit(experience, [True] * 5, recipe(policy={"kl_in": "reward", "kl": "k1", "kl_weight": 0.1}))
    # Rewards less 0.1 x 0.5 a token: 0.85, -0.05, -0.1 and 0.8, -0.1.
    expected = np.array([0.85, -0.05, -0.1]) - 0.7 / 3
    assert [column[0] for column in experience.columns["advantages"][:3]] == pytest.approx(expected.tolist())
    assert [column[0] for column in experience.columns["advantages"][3:]] == pytest.approx([0.45, -0.45])


def test_generalised_advantages_by_hand():
    experience = batch()
    experience.columns["values"] = [np.full(row.n_tokens, 0.5, np.float32) for row in experience.rows]
    table = {"gamma": 1.0, "lam": 0.5, "whiten": False}
    made = recipe(policy={"advantages": "gae"}, value=table, rollouts={"only_with_gradient": False})
    credit(experience, [True] * 5, made)
    # Deltas 0, 0, 1 - 0.5: each token gets half of what the next one has.
    assert experience.columns["advantages"][0].tolist() == [0.125, 0.25, 0.5]
    assert experience.columns["returns"][0].tolist() == [0.625, 0.75, 1.0]
    assert experience.columns["advantages"][1].tolist() == [-0.5]


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("micro_tokens", [6, 9, 100])
def test_each_number_stands_beside_its_token(shuffled, micro_tokens):
    """However rows are shuffled, shared out and packed: a column that repeats the ids must give back the targets."""
    experience = batch()
    experience.columns["ids"] = [np.array(row.rollout.ids, np.float32) for row in experience.rows]
    if shuffled:
        experience.shuffle(1)
    seen = 0
    for span in (Span(0, 3), Span(3, 5)):
        for rank in range(2):
            step = make_step(experience, span, micro_tokens, rank, 2)
            for bin in step.bins:
                micro = micro_batch(experience, step, bin, CPU)
                ids_S = experience.tokens("ids", step, micro, CPU)
                assert ids_S.tolist() == micro.targets_S.tolist()
                seen += len(ids_S)
    assert seen == 12  # prompts are never trained


def test_the_rollout_without_a_reward_is_no_row():
    assert [row.group for row in batch().rows] == [0, 0, 0, 1, 1]
    assert batch().members() == [[0, 1, 2], [3, 4]]

"""The drawing of tokens, against distributions worked out in numpy and Hugging Face's own filters."""

import numpy as np
import pytest
import scipy.stats
import torch
from transformers import TopKLogitsWarper, TopPLogitsWarper

from factory.sampling.draw import ALL_TOKENS, DrawSettings, cut_tail, draw, uniform

ROWS = 20_000
LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -3.0])


def settings(rows: int, temperature=1.0, top_p=1.0, top_k=ALL_TOKENS, first_seed=0) -> DrawSettings:
    cuts = top_p < 1 or top_k != ALL_TOKENS
    return DrawSettings(
        temperature_B=torch.full((rows,), float(temperature)),
        top_p_B=torch.full((rows,), float(top_p)),
        top_k_B=torch.full((rows,), top_k),
        seed_B=torch.arange(first_seed, first_seed + rows),
        cuts_B=torch.full((rows,), cuts),
        any_cut=cuts,
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({"temperature": 1.0}, 6),
        ({"temperature": 0.5}, 6),
        ({"temperature": 1.7}, 6),
        ({"top_k": 3}, 3),
        ({"top_p": 0.8}, 3),  # 0.56 + 0.21 = 0.76 is too little, 0.88 is enough
        ({"top_k": 4, "top_p": 0.68, "temperature": 1.5}, 2),  # 0.706 of what top_k left, 0.653 of all
    ],
)
def test_frequencies_are_those_of_the_distribution(chosen, kept):
    tokens, _ = draw(LOGITS.expand(ROWS, 6), settings(ROWS, **chosen), torch.zeros(ROWS, dtype=torch.long))
    expected = softmax(LOGITS.double().numpy()[:kept] / chosen.get("temperature", 1.0))
    counts = np.bincount(tokens.numpy(), minlength=6)
    assert counts[kept:].sum() == 0
    assert scipy.stats.chisquare(counts[:kept], expected * ROWS).pvalue > 1e-3


def test_later_steps_of_one_row_are_independent_of_one_another():
    steps = torch.arange(ROWS)
    one_seed = settings(ROWS)
    one_seed.seed_B.fill_(7)
    tokens, _ = draw(LOGITS.expand(ROWS, 6), one_seed, steps)
    pairs = np.zeros((6, 6))
    np.add.at(pairs, (tokens[:-1].numpy(), tokens[1:].numpy()), 1)
    share = softmax(LOGITS.double().numpy())
    expected = np.outer(share, share) * (ROWS - 1)
    common = expected >= 5
    statistic = ((pairs - expected)[common] ** 2 / expected[common]).sum()
    assert scipy.stats.chi2.sf(statistic, common.sum() - 1) > 1e-3


def test_noise_is_uniform_and_differs_by_seed_and_step():
    seeds = torch.cat([torch.arange(-5000, 5000), torch.tensor([2**63 - 1, -(2**63)])])
    noise = torch.stack([uniform(seeds, torch.full_like(seeds, step)) for step in range(4)])
    assert noise.min() >= 0
    assert noise.max() < 1
    assert len(noise.unique()) == noise.numel()
    assert scipy.stats.kstest(noise.flatten().numpy(), "uniform").pvalue > 1e-3


def test_log_probs_are_the_model_s_own_before_temperature_and_cuts():
    tokens, logprobs = draw(
        LOGITS.expand(500, 6), settings(500, temperature=0.3, top_k=2), torch.zeros(500, dtype=torch.long)
    )
    expected = np.log(softmax(LOGITS.double().numpy()))[tokens.numpy()]
    np.testing.assert_allclose(logprobs.numpy(), expected, atol=1e-6)


def test_temperature_zero_takes_the_likeliest_whatever_the_noise():
    logits = torch.randn(300, 50, generator=torch.Generator().manual_seed(0))
    tokens, _ = draw(logits, settings(300, temperature=0), torch.zeros(300, dtype=torch.long))
    assert torch.equal(tokens, logits.argmax(-1))


def test_rows_with_different_settings_share_a_batch():
    mixed = DrawSettings(
        temperature_B=torch.tensor([0.0, 1.0, 1.0]),
        top_p_B=torch.tensor([1.0, 1.0, 0.1]),
        top_k_B=torch.tensor([ALL_TOKENS, 1, ALL_TOKENS]),
        seed_B=torch.tensor([1, 2, 3]),
        cuts_B=torch.tensor([False, True, True]),
        any_cut=True,
    )
    for step in range(50):
        tokens, _ = draw(LOGITS.expand(3, 6), mixed, torch.full((3,), step))
        assert tokens.tolist() == [0, 0, 0]


@pytest.mark.parametrize("top_k", [1, 5, 40, 1000])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95, 1.0])
def test_what_is_cut_is_what_hugging_face_cuts(top_k, top_p):
    logits = 3 * torch.randn(40, 60, generator=torch.Generator().manual_seed(1))
    ours = cut_tail(logits.softmax(-1), torch.full((40,), top_k), torch.full((40,), top_p)) > 0
    filtered = TopKLogitsWarper(top_k)(None, logits)
    if top_p < 1:
        filtered = TopPLogitsWarper(top_p)(None, filtered)
    assert torch.equal(ours, filtered.isfinite())

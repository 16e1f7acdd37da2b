"""Estimates of a KL on distributions small enough to be summed over whole."""

from __future__ import annotations

import math

import pytest
import torch

from trainer.objectives.kl import kl_estimates

KINDS = ("k1", "k2", "k3")


def distributions(seed, apart):
    """Log-probs of two policies over 6 tokens; the first hangs on its logits."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(6, generator=draw, dtype=torch.float64)
    other = torch.log_softmax(logits + apart * torch.randn(6, generator=draw, dtype=torch.float64), dim=0)
    return logits.requires_grad_(), other


def kl(p, q):
    return (p.exp() * (p - q)).sum()


def test_hand_numbers():
    """A token twice as likely as under the other policy, and one half as likely: d = log 2 and -log 2."""
    p, q = torch.log(torch.tensor([0.5, 0.25])), torch.log(torch.tensor([0.25, 0.5]))
    log2 = math.log(2)

    assert kl_estimates("k1", p, q).tolist() == pytest.approx([log2, -log2])
    assert kl_estimates("k2", p, q).tolist() == pytest.approx([log2**2 / 2] * 2)
    assert kl_estimates("k3", p, q).tolist() == pytest.approx([0.5 - 1 + log2, 2 - 1 - log2])


@pytest.mark.parametrize("apart", [0.01, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_k1_and_k3_are_the_kl_in_the_mean(seed, apart):
    logits, q = distributions(seed, apart)
    p = torch.log_softmax(logits, dim=0).detach()
    means = {kind: (p.exp() * kl_estimates(kind, p, q)).sum().item() for kind in KINDS}

    assert means["k1"] == pytest.approx(kl(p, q).item(), rel=1e-9)
    assert means["k3"] == pytest.approx(kl(p, q).item(), rel=1e-9)
    assert means["k2"] == pytest.approx(kl(p, q).item(), rel=2 * apart)  # biased, less so the closer they are
    if apart == 2.0:
        assert means["k2"] != pytest.approx(kl(p, q).item(), rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_k3_is_never_below_0(dtype):
    """From log-ratios of a rounding error on: e^-d - 1 as it stands would be off by as much as it is."""
    steps = torch.logspace(-12, 1.2, 20_001, dtype=dtype)
    d = torch.cat([-steps, torch.zeros(1, dtype=dtype), steps])
    found = kl_estimates("k3", d, torch.zeros_like(d))

    assert found.min().item() == 0.0
    large = d.abs() > 0.1
    exact = torch.exp(-d[large].double()) - 1 + d[large].double()
    torch.testing.assert_close(found[large].double(), exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("k1", lambda p, q: 0.0 * p.sum()),  # what it is minimised for in vain
        ("k2", kl),
        ("k3", lambda p, q: kl(q, p)),  # the other way round
    ],
)
def test_mean_gradients_as_a_loss(kind, expected):
    """Of samples that the policy drew: their weights p have no gradient."""
    logits, q = distributions(4, 1.5)
    p = torch.log_softmax(logits, dim=0)
    ours = torch.autograd.grad((p.detach().exp() * kl_estimates(kind, p, q)).sum(), logits, retain_graph=True)[0]
    true = torch.autograd.grad(expected(p, q), logits)[0]

    torch.testing.assert_close(ours, true, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_beyond_the_limit_stays_finite_and_has_no_gradient(kind):
    far = torch.tensor([-200.0, 0.0, -0.1], requires_grad=True)
    found = kl_estimates(kind, far, torch.tensor([-0.1, -200.0, -0.2]))
    slopes = torch.autograd.grad(found.sum(), far)[0]

    assert torch.isfinite(found).all()
    assert slopes[:2].tolist() == [0.0, 0.0]
    assert slopes[2] != 0

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from tests.trainer.model.networks import as_transformers, documents, micro_of, network, plain_logprobs
from trainer.model import head as head_module
from trainer.model.head import ScoringHead, ValueHead, make_scoring, make_valuing
from trainer.model.packed import PackedLogProbs

TOKENS, SIZE, VOCABULARY = 11, 16, 50


def a_head(bias=False, dtype=torch.float32, scale=1.0):
    torch.manual_seed(0)
    head = ScoringHead(SIZE, VOCABULARY, bias=bias).to(dtype)
    with torch.no_grad():
        head.weight.mul_(8 * scale)
    hidden = torch.randn(TOKENS, SIZE, dtype=dtype).mul_(scale).requires_grad_()
    return head, hidden, torch.randint(0, VOCABULARY, (TOKENS,))


@pytest.fixture(params=[1, 3, 4, 1000], ids=lambda chunk: f"chunks of {chunk}")
def chunk(request, monkeypatch):
    """11 tokens in chunks of this many: the last is ragged for 3 and 4."""
    monkeypatch.setattr(head_module, "_chunk_size", lambda vocabulary, device: request.param)
    return request.param


@pytest.mark.parametrize("bias", [False, True])
def test_log_probs_are_those_of_log_softmax(chunk, bias):
    head, hidden, targets = a_head(bias)
    theirs = log_softmax(head(hidden), dim=-1)[torch.arange(TOKENS), targets]

    torch.testing.assert_close(head(hidden, targets).logprobs_S, theirs, rtol=0, atol=1e-5)
    assert float(theirs.detach().min()) < -5  # far from uniform


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_are_those_of_cross_entropy(chunk, bias):
    head, hidden, targets = a_head(bias)
    weights = torch.linspace(-1, 2, TOKENS)
    wanted = [hidden, *head.parameters()]
    theirs = torch.autograd.grad((-weights * cross_entropy(head(hidden), targets, reduction="none")).sum(), wanted)
    ours = torch.autograd.grad((weights * head(hidden, targets).logprobs_S).sum(), wanted)

    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_chunks_change_nothing_but_the_last_bits(monkeypatch):
    head, hidden, targets = a_head(bias=True)
    found = []
    for size in (1, 2, 5, 11, 64):
        monkeypatch.setattr(head_module, "_chunk_size", lambda vocabulary, device, size=size: size)
        logprobs = head(hidden, targets).logprobs_S
        found.append([logprobs.detach(), *torch.autograd.grad(logprobs.sum(), [hidden, *head.parameters()])])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


def test_the_typical_token(chunk):
    """log of the sum of squared probabilities, from the probabilities themselves."""
    head, hidden, targets = a_head()
    scores = head(hidden, targets, True)
    probabilities = torch.softmax(head(hidden).double(), dim=-1)

    torch.testing.assert_close(scores.typical_S.double(), probabilities.square().sum(-1).log(), rtol=0, atol=1e-5)
    assert not scores.typical_S.requires_grad
    assert head(hidden, targets).typical_S is None


@pytest.mark.parametrize("typical", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_entropy(chunk, bias, typical):
    """In nats, from the probabilities themselves."""
    head, hidden, targets = a_head(bias)
    scores = head(hidden, targets, typical, entropy=True)
    probabilities = torch.softmax(head(hidden).double(), dim=-1)

    torch.testing.assert_close(
        scores.entropy_S.double(), -(probabilities * probabilities.log()).sum(-1), rtol=0, atol=1e-5
    )
    assert 0 < float(scores.entropy_S.min()) < 0.2 < 1 < float(scores.entropy_S.max()) < math.log(VOCABULARY)
    assert not scores.entropy_S.requires_grad
    assert head(hidden, targets, typical).entropy_S is None


def test_entropies_that_are_known():
    """All tokens alike: log V. One of them as good as certain: 0, and no NaN from 0 log 0."""
    head, hidden, targets = a_head()
    with torch.no_grad():
        head.weight.zero_()
    assert head(hidden, targets, entropy=True).entropy_S.tolist() == pytest.approx([math.log(VOCABULARY)] * TOKENS)
    with torch.no_grad():
        hidden.fill_(100.0)
        head.weight[3] = 100.0
    assert head(hidden, targets, entropy=True).entropy_S.tolist() == [0.0] * TOKENS


@pytest.mark.parametrize("asked", [{"typical": True}, {"entropy": True}, {"typical": True, "entropy": True}])
def test_asking_for_more_does_not_change_the_rest(asked):
    head, hidden, targets = a_head()
    plain, with_more = head(hidden, targets), head(hidden, targets, **asked)

    assert torch.equal(plain.logprobs_S, with_more.logprobs_S)
    ours, theirs = (torch.autograd.grad(one.logprobs_S.sum(), hidden)[0] for one in (plain, with_more))
    assert torch.equal(ours, theirs)


def test_no_tokens(chunk):
    head, hidden, targets = a_head(bias=True)
    loss = head(hidden[:0], targets[:0]).logprobs_S.sum()
    loss.backward()

    assert loss.item() == 0.0
    assert head.weight.grad.eq(0).all()
    assert head.bias.grad.eq(0).all()
    assert hidden.grad.eq(0).all()


def test_huge_logits_stay_finite(chunk):
    head, hidden, targets = a_head(scale=100.0)
    logprobs = head(hidden, targets).logprobs_S
    logprobs.sum().backward()

    assert torch.isfinite(logprobs).all()
    assert torch.isfinite(hidden.grad).all()
    assert torch.isfinite(head.weight.grad).all()


def test_half_precision_is_as_exact_as_its_logits():
    """bf16 has 8 bits: a logit of up to 32 is off by at most 1/16, a log-prob by no more than its logits are, twice.

    The softmax itself is in fp32: from the same rounded logits it gives the same log-probs.
    """
    head, hidden, targets = a_head(dtype=torch.bfloat16)
    ours = head(hidden, targets).logprobs_S
    rounded = head(hidden)
    exact = torch.nn.functional.linear(hidden.double(), head.weight.double())

    assert ours.dtype == torch.float32
    assert float(exact.detach().abs().max()) < 32
    from_rounded = log_softmax(rounded.double(), dim=-1)[torch.arange(TOKENS), targets]
    torch.testing.assert_close(ours.double(), from_rounded, rtol=0, atol=1e-5)
    from_exact = log_softmax(exact, dim=-1)[torch.arange(TOKENS), targets]
    torch.testing.assert_close(ours.double(), from_exact, rtol=0, atol=2 / 16)


def test_gradients_in_half_precision_are_summed_in_fp32(monkeypatch):
    """One large and many small ones: added up in bf16, the small ones would be lost."""
    monkeypatch.setattr(head_module, "_chunk_size", lambda vocabulary, device: 1)
    head = ScoringHead(1, 2, bias=False).to(torch.bfloat16)
    with torch.no_grad():
        head.weight.zero_()
    hidden = torch.full((1025, 1), 2.0**-9, dtype=torch.bfloat16)
    hidden[0] = 1.0
    head(hidden, torch.zeros(1025, dtype=torch.long)).logprobs_S.sum().backward()

    # Each token adds half its state to the first weight's gradient.
    assert head.weight.grad[0].item() == (1 + 1024 * 2.0**-9) / 2


def test_frozen_weights_get_no_gradient():
    head, hidden, targets = a_head(bias=True)
    head.weight.requires_grad_(False)
    head(hidden, targets).logprobs_S.sum().backward()

    assert head.weight.grad is None
    assert hidden.grad.ne(0).any()
    assert head.bias.grad.ne(0).any()


def test_a_gradient_of_a_gradient_is_refused():
    head, hidden, targets = a_head()
    grad = torch.autograd.grad(head(hidden, targets).logprobs_S.sum(), hidden, create_graph=True)[0]

    with pytest.raises(RuntimeError, match="does not require grad"):
        grad.sum().backward()


def test_logits_are_never_held_whole():
    """A vocabulary of 150,000: 256 tokens at a time, on the CPU."""
    assert head_module._chunk_size(150_000, torch.device("cpu")) == 256
    assert head_module._chunk_size(150_000, torch.device("cuda")) * 150_000 * 4 < 2**30
    assert head_module._chunk_size(100, torch.device("cpu")) * 100 * 4 <= 2**24


def test_tied_embeddings_get_the_gradients_of_both_uses():
    model = network("llama, tied")
    twin = as_transformers(model)
    document = documents([25])[0]
    (-plain_logprobs(twin, document).sum()).backward()
    (-PackedLogProbs(model)(micro_of([document])).logprobs_S.sum()).backward()
    weight, theirs = model.model.embed_tokens.weight, twin.model.embed_tokens.weight

    assert model.lm_head.weight is weight
    torch.testing.assert_close(weight.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    absent = sorted(set(range(96)) - set(document.ids.tolist()))
    assert weight.grad[absent].ne(0).any(dim=1).all()  # as outputs all tokens count


def test_a_linear_layer_becomes_a_scoring_head_with_the_same_weights():
    layer = torch.nn.Linear(4, 9)
    weight = layer.weight
    make_scoring(layer)
    make_scoring(layer)

    assert isinstance(layer, ScoringHead)
    assert layer.weight is weight
    assert layer(torch.zeros(2, 4)).shape == (2, 9)


@pytest.mark.parametrize("layer", [torch.nn.Identity(), torch.nn.LazyLinear(3), None])
def test_another_layer_does_not(layer):
    with pytest.raises(TypeError, match="not a linear layer"):
        make_scoring(layer)


def test_values_are_computed_in_fp32():
    """9.97 and 10.02 in a weight of bf16: its own product would give 10 for both."""
    layer = torch.nn.Linear(2, 1, bias=False).to(torch.bfloat16)
    make_valuing(layer)
    make_valuing(layer)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[10.0, 0.25]]))
    hidden = torch.tensor([[1.0, -0.125], [1.0, 0.0625]], dtype=torch.bfloat16, requires_grad=True)
    found = layer(hidden)
    found.sum().backward()

    assert isinstance(layer, ValueHead)
    assert found[:, 0].tolist() == [9.96875, 10.015625]
    assert torch.nn.functional.linear(hidden, layer.weight)[:, 0].tolist() == [10.0, 10.0]
    assert layer.weight.grad.tolist() == [[2.0, -0.0625]]
    assert hidden.grad.tolist() == [[10.0, 0.25]] * 2


def test_another_layer_gives_no_values():
    with pytest.raises(TypeError, match="the model's score layer is a Identity, not a linear layer"):
        make_valuing(torch.nn.Identity())

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.trainer.model.networks import (
    CPU,
    FAMILIES,
    VOCABULARY,
    as_transformers,
    documents,
    micro_of,
    network,
    plain_logprobs,
)
from trainer.data.micro import Document, make_micro
from trainer.errors import ModelError
from trainer.model.packed import PackedLogProbs, PackedRewards, PackedValues, document_sums

LENGTHS = (23, 2, 31, 11)


def split(values_S, some):
    return torch.split(values_S, [int(one.trained[1:].sum()) for one in some])


@pytest.mark.parametrize("family", FAMILIES)
def test_each_document_gets_what_transformers_gives_it_alone(family):
    model = network(family)
    some = documents(LENGTHS, prompt=1)
    packed = PackedLogProbs(model)(micro_of(some)).logprobs_S
    twin = as_transformers(model)

    for ours, document in zip(split(packed, some), some, strict=True):
        torch.testing.assert_close(ours, plain_logprobs(twin, document), rtol=0, atol=1e-5)


def test_the_window_of_these_tests_cuts_something():
    some = documents(LENGTHS)
    wide = PackedLogProbs(network("mistral", sliding_window=100))(micro_of(some)).logprobs_S
    narrow = PackedLogProbs(network("mistral"))(micro_of(some)).logprobs_S

    assert float((wide - narrow).abs().max().detach()) > 0.1


@pytest.mark.parametrize("family", ["llama", "olmo3", "gpt2"])
def test_gradients_are_those_of_transformers_one_document_at_a_time(family):
    model = network(family)
    some = documents(LENGTHS, prompt=4)
    twin = as_transformers(model)
    twin.zero_grad()
    for document in some:
        (-plain_logprobs(twin, document).sum()).backward()
    (-PackedLogProbs(model)(micro_of(some)).logprobs_S.sum()).backward()

    for (name, ours), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5, msg=lambda text, n=name: f"{n} {text}")


@pytest.mark.parametrize("family", ["llama", "mistral", "olmo3", "gpt2"])
def test_no_gradient_reaches_the_tokens_of_other_documents(family):
    """Each document has tokens of its own, so that the rows of the embedding tell them apart."""
    model = network(family)
    draw = np.random.default_rng(0)
    ranges = [(3, 30), (30, 60), (60, VOCABULARY)]
    some = [Document(draw.integers(*span, 20, np.int32), np.ones(20, bool)) for span in ranges]
    logprobs = PackedLogProbs(model)(micro_of(some)).logprobs_S
    split(logprobs, some)[1].sum().backward()
    grad = model.get_input_embeddings().weight.grad

    assert grad[30:60].abs().sum() > 0
    assert grad[:30].eq(0).all()
    assert grad[60:].eq(0).all()


def test_the_order_of_documents_does_not_matter():
    model = PackedLogProbs(network("qwen3"))
    some = documents(LENGTHS)
    forth = split(model(micro_of(some)).logprobs_S, some)
    back = split(model(micro_of(some[::-1])).logprobs_S, some[::-1])

    for ours, theirs in zip(forth, back[::-1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_log_probs_are_of_the_trained_tokens_alone():
    model = PackedLogProbs(network("llama"))
    some = documents(LENGTHS)
    last = [Document(one.ids, np.arange(len(one.ids)) == len(one.ids) - 1) for one in some]
    everything = split(model(micro_of(some)).logprobs_S, some)

    torch.testing.assert_close(model(micro_of(last)).logprobs_S, torch.stack([one[-1] for one in everything]))


def test_nothing_trained_gives_a_loss_of_0_and_gradients_of_0():
    model = network("llama")
    empty = [Document(one.ids, np.zeros(len(one.ids), bool)) for one in documents(LENGTHS)]
    for micro in (micro_of(empty), make_micro([], [], CPU)):
        model.zero_grad()
        logprobs = PackedLogProbs(model)(micro).logprobs_S
        assert logprobs.shape == (0,)
        loss = -logprobs.sum()
        loss.backward()
        assert loss.item() == 0.0
        grads = [weight.grad for weight in model.parameters() if weight.grad is not None]
        assert len(grads) > 10
        assert all(grad.eq(0).all() for grad in grads)


def test_sums_and_numbers_of_each_document():
    some = documents((4, 3, 6), prompt=2)
    some[1] = Document(some[1].ids, np.zeros(3, bool))
    sums_N, counts_N = document_sums(torch.tensor([1.0, 2.0, 10.0, 20.0, 30.0, 40.0]), micro_of(some))

    assert sums_N.tolist() == [3.0, 0.0, 100.0]
    assert counts_N.tolist() == [2.0, 0.0, 4.0]


def test_the_sum_of_a_long_answer_is_exact_to_its_last_bit():
    some = documents((40_001,), prompt=1)
    values_S = -3 * torch.rand(40_000, generator=torch.Generator().manual_seed(0))
    exact = math.fsum(values_S.tolist())
    sums_N, counts_N = document_sums(values_S, micro_of(some))
    assert sums_N.tolist() == [float(np.float32(exact))]
    assert counts_N.tolist() == [40_000.0]
    in_fp32 = torch.zeros(1).index_add(0, torch.zeros(40_000, dtype=torch.int64), values_S)
    assert abs(float(in_fp32) - exact) > 0.05  # what one after the other would lose


@pytest.mark.parametrize("family", ["llama", "qwen3", "mistral", "gpt2"])
def test_a_reward_is_what_transformers_gives_the_document_alone(family):
    model = network(family, reward=True)
    some = documents(LENGTHS)
    rewards_N = PackedRewards(model)(micro_of(some))
    twin = as_transformers(model)

    assert rewards_N.shape == (4,)
    for ours, document in zip(rewards_N, some, strict=True):
        alone = twin(input_ids=torch.from_numpy(document.ids.astype(np.int64))[None], use_cache=False).logits
        torch.testing.assert_close(ours[None, None], alone, rtol=0, atol=1e-5)


def test_an_output_layer_that_is_not_linear_is_refused():
    model = network("llama")
    model.set_output_embeddings(torch.nn.Sequential(torch.nn.Linear(32, VOCABULARY)))

    with pytest.raises(ModelError, match="LlamaForCausalLM: the model's output layer is a Sequential, not a linear"):
        PackedLogProbs(model)


def test_a_model_without_a_score_is_no_reward_model():
    with pytest.raises(ModelError, match="LlamaForCausalLM: has no layer called score"):
        PackedRewards(network("llama"))


@pytest.mark.parametrize("family", ["llama", "qwen3", "mistral", "gpt2"])
def test_a_value_is_what_transformers_scores_before_each_trained_token(family):
    """Of the document cut there: nothing from the token on is known. A classifier scores the last token it gets."""
    model = network(family, reward=True)
    some = documents(LENGTHS, prompt=2)
    some[2].trained[7:12] = False
    values = split(PackedValues(model)(micro_of(some)), some)
    twin = as_transformers(model)

    assert [len(one) for one in values] == [21, 0, 24, 9]
    for ours, document in zip(values, some, strict=True):
        for value, at in zip(ours, np.flatnonzero(document.trained), strict=True):
            before = torch.from_numpy(document.ids[:at].astype(np.int64))[None]
            assert value.item() == pytest.approx(twin(input_ids=before, use_cache=False).logits.item(), abs=1e-5)


def test_a_value_model_learns_whole():
    model = network("llama", reward=True)
    PackedValues(model)(micro_of(documents(LENGTHS))).square().sum().backward()

    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())


def test_nothing_trained_gives_no_values_and_gradients_of_0():
    model = network("llama", reward=True)
    values_S = PackedValues(model)(make_micro([], [], CPU))
    values_S.sum().backward()

    assert values_S.shape == (0,)
    assert all(weight.grad is not None and not weight.grad.any() for weight in model.parameters())


@pytest.mark.parametrize("asked", [(), (True,), (False, True), (True, True)])
def test_only_what_was_asked_for_is_scored(asked):
    found = PackedLogProbs(network("llama"))(micro_of(documents(LENGTHS)), *asked)

    assert [found.typical_S is not None, found.entropy_S is not None] == [*asked, False, False][:2]


def test_a_model_without_a_score_gives_no_values():
    with pytest.raises(ModelError, match=r"LlamaForCausalLM: .* no value model can be made of it here"):
        PackedValues(network("llama"))

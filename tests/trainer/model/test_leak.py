from __future__ import annotations

import pytest
import torch

from tests.trainer.model.networks import CPU, FAMILIES, VOCABULARY, network
from trainer.errors import ModelError
from trainer.model.attention import PACKED
from trainer.model.leak import check_packing, check_scores
from trainer.model.packed import PackedLogProbs, PackedRewards, PackedValues, plain_model


def check(model):
    check_scores(model, VOCABULARY)
    check_packing(model, model, VOCABULARY, CPU)


@pytest.mark.parametrize("family", FAMILIES)
def test_models_that_keep_documents_apart_pass(family):
    check(PackedLogProbs(network(family)))


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_reward_models_pass(family):
    check(PackedRewards(network(family, reward=True)))


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_value_models_pass(family):
    check(PackedValues(network(family, reward=True)))


def test_a_value_model_that_mixes_documents_is_found():
    model = PackedValues(leaking("llama", mean_of_all, reward=True).model)

    with pytest.raises(ModelError, match="LlamaForSequenceClassification: a packed document changes"):
        check_packing(model, model, VOCABULARY, CPU)


def test_half_precision_passes():
    check(PackedLogProbs(network("llama").to(torch.bfloat16)))


def test_experts_whose_sums_are_rounded_otherwise_pass():
    """Which tokens an expert gets together changes the last bits."""
    sizes = {"hidden_size": 128, "num_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 96}
    check(PackedLogProbs(network("qwen3_moe", num_hidden_layers=3, **sizes)))


def leaking(family, mix, reward=False):
    """A model whose first layer also hands on what `mix` makes of all tokens together."""
    model = network(family, reward=reward)
    layers = model.transformer.h if family == "gpt2" else model.model.layers
    layers[0].register_forward_hook(lambda layer, given, states: states + mix(states))
    return PackedRewards(model) if reward else PackedLogProbs(model)


def mean_of_all(states):
    return 0.1 * states.mean(dim=1, keepdim=True)


def token_before(states):
    """As a convolution over the row does."""
    return 0.1 * torch.roll(states, 1, dims=1)


def state_of_all_before(states):
    return 0.1 * torch.cumsum(states, dim=1)


@pytest.mark.parametrize("mix", [mean_of_all, token_before, state_of_all_before])
@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3_moe"])
def test_a_layer_that_mixes_documents_is_found(family, mix):
    model = leaking(family, mix)

    with pytest.raises(ModelError, match=r"a packed document changes what its neighbour gets .*training this model on"):
        check_packing(model, model, VOCABULARY, CPU)


def test_a_reward_model_that_mixes_documents_is_found():
    model = leaking("llama", mean_of_all, reward=True)

    with pytest.raises(ModelError, match="LlamaForSequenceClassification: a packed document changes"):
        check_packing(model, model, VOCABULARY, CPU)


def test_the_smallest_leak_is_found():
    model = leaking("llama", lambda states: 1e-5 * states.mean(dim=1, keepdim=True))

    with pytest.raises(ModelError, match="changes what its neighbour gets"):
        check_packing(model, model, VOCABULARY, CPU)


def test_a_document_that_knows_where_it_stands_is_found():
    """Nothing flows between documents, but one gets other values than alone."""
    model = network("gpt2")
    model.transformer.drop.register_forward_pre_hook(
        lambda layer, given: given[0] + torch.sin(torch.arange(given[0].numel())).view_as(given[0])
    )
    packed = PackedLogProbs(model)

    with pytest.raises(ModelError, match="packed, a document gets other values than alone"):
        check_packing(packed, packed, VOCABULARY, CPU)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("granite", {"logits_scaling": 8.0}),
        ("cohere", {}),
        ("olmo3", {"sliding_window": 8, "final_norm": True}),
    ],
)
def test_a_scale_of_the_logits_is_found(family, changes):
    model = network(family, **changes)
    if family == "olmo3":
        model.lm_head.register_forward_hook(lambda head, given, logits: logits / 1.1 if len(given) == 1 else None)
    packed = PackedLogProbs(model)

    with pytest.raises(ModelError, match=r"other values here than from transformers .*neither trained nor scored"):
        check_scores(packed, VOCABULARY)


def test_a_window_that_only_the_mask_knows_is_found():
    """Phi-3.5 MoE tells its attention of no window: packed, it would see everything."""
    model = PackedLogProbs(network("phimoe", num_local_experts=4, sliding_window=64))

    with pytest.raises(ModelError, match="masks its attention in a way that is not known here"):
        check_scores(model, VOCABULARY)


@pytest.mark.parametrize(
    ("family", "changes", "named"),
    [
        ("gemma2", {"head_dim": 8, "sliding_window": 8}, "Gemma2Attention needs softcap"),
        ("gpt_oss", {"head_dim": 8, "sliding_window": 8, "num_local_experts": 4}, "GptOssAttention needs s_aux"),
    ],
)
def test_an_attention_that_is_not_done_here_is_refused(family, changes, named):
    model = PackedLogProbs(network(family, **changes))

    with pytest.raises(ModelError, match=named):
        check_packing(model, model, VOCABULARY, CPU)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_found(broken):
    model = network("llama")
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = broken
    packed = PackedLogProbs(model)

    with pytest.raises(ModelError):
        check_scores(packed, VOCABULARY)
    with pytest.raises(ModelError):
        check_packing(packed, packed, VOCABULARY, CPU)


def test_checks_leave_the_model_as_it_was():
    model = PackedLogProbs(network("olmo3"))
    model.train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    check(model)
    plain = plain_model(model)

    assert model.training
    assert plain.model.layers[0].training
    assert plain.config._attn_implementation == PACKED
    assert plain.config.sliding_window == 8
    assert [layer.self_attn.sliding_window for layer in plain.model.layers] == [8, None]
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_windows_get_their_own_length_back():
    model = PackedLogProbs(network("mistral", sliding_window=50))
    check(model)

    assert plain_model(model).config.sliding_window == 50

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.model.networks import config_of, documents, micro_of
from tests.trainer.rows.checkpoints import CHATML, tokenizer_for
from tests.trainer.small import small_model
from trainer.data.micro import Document
from trainer.errors import ModelError
from trainer.model.load import load_packed, read_config
from trainer.model.packed import PackedLogProbs, PackedRewards, PackedValues, plain_model
from trainer.model.quiet import without_progress_bars
from trainer.recipe import SftRecipe

RECURRENT = {
    "mamba": {"state_size": 8},
    "qwen3_next": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("small") / "model")


def recipe(**tables):
    return SftRecipe.model_validate(
        {"batch": {"rows": 2}, "optimizer": {"lr": 1e-3}, "model": {"dtype": "fp32"}} | tables
    )


def loaded(folder, head="logprobs", **tables):
    torch.manual_seed(0)
    return load_packed(folder, recipe(**tables), head)


def save_random(folder, family, **changes):
    """A checkpoint with random weights, and some tokenizer."""
    from transformers import AutoModelForCausalLM

    save(AutoModelForCausalLM.from_config(config_of(family, **changes)), folder)


def save(model, folder):
    with without_progress_bars():
        model.save_pretrained(folder)
    tokenizer_for(CHATML).save_pretrained(folder)


def test_weights_are_those_of_the_file_in_the_dtype_of_the_recipe(checkpoint):
    weights = load_file(checkpoint / "model.safetensors")
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        model = loaded(checkpoint, model={"dtype": name})
        found = plain_model(model).state_dict()

        assert model.training
        assert {weight.dtype for weight in model.parameters()} == {dtype}
        assert all(torch.equal(found[key], weight.to(dtype)) for key, weight in weights.items())


@pytest.mark.parametrize("family", RECURRENT)
def test_layers_that_carry_state_are_refused(tmp_path, family):
    save_random(tmp_path, family, **RECURRENT[family])

    with pytest.raises(ModelError, match="carry state from one packed document into the next"):
        read_config(tmp_path)


@pytest.mark.parametrize(("family", "changes"), [("bloom", {"n_layer": 1, "n_head": 4}), ("gptj", {"rotary_dim": 4})])
def test_an_attention_that_cannot_be_exchanged_is_refused(tmp_path, family, changes):
    save_random(tmp_path, family, **changes)

    with pytest.raises(ModelError, match="has an attention of its own, in which packed documents would mix"):
        loaded(tmp_path)


def test_what_is_no_language_model_is_refused(tmp_path):
    from transformers import T5Config, T5ForConditionalGeneration

    shape = {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2, "vocab_size": 32}
    save(T5ForConditionalGeneration(T5Config(**shape, decoder_start_token_id=0)), tmp_path)

    with pytest.raises(ModelError, match="transformers has no language model of type t5"):
        loaded(tmp_path)


def test_no_checkpoint_there(tmp_path):
    with pytest.raises(ModelError, match=r"checkpoint /.*/nothing: "):
        read_config(tmp_path / "nothing")


def test_gradient_checkpointing_changes_no_gradient(checkpoint):
    grads = []
    for again in (False, True):
        model = loaded(checkpoint, model={"dtype": "fp32", "gradient_checkpointing": again})
        (-model(micro_of(documents((9, 20)))).logprobs_S.sum()).backward()
        grads.append([weight.grad for weight in model.parameters()])
        assert plain_model(model).is_gradient_checkpointing == again

    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("again", [False, True])
def test_adapters_alone_are_trained(checkpoint, again):
    lora = {"rank": 4, "alpha": 8}
    model = loaded(checkpoint, lora=lora, model={"dtype": "fp32", "gradient_checkpointing": again})
    plain = loaded(checkpoint)
    micro = micro_of(documents((9, 20)))
    torch.testing.assert_close(model(micro).logprobs_S, plain(micro).logprobs_S, rtol=0, atol=1e-6)

    (-model(micro).logprobs_S.sum()).backward()
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained
    assert all(".lora_" in name for name in trained)
    assert not any("lm_head" in name for name in trained)
    moved = {name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.ne(0).any()}
    assert moved == {name for name in trained if ".lora_B." in name}  # A moves when B is no longer zero


def test_dropout_of_the_recipe(checkpoint):
    micro = micro_of(documents((30,)))
    model = loaded(checkpoint, model={"dtype": "fp32", "dropout": 0.3})
    assert not torch.equal(model(micro).logprobs_S, model(micro).logprobs_S)
    model.eval()
    assert torch.equal(model(micro).logprobs_S, model(micro).logprobs_S)


def test_no_dropout_where_there_is_none_to_be_set(tmp_path):
    save_random(tmp_path, "gpt2", n_embd=32, n_layer=1, n_head=4)
    model = loaded(tmp_path, model={"dtype": "fp32", "dropout": 0.0})
    micro = micro_of(documents((30,)))

    assert torch.equal(model(micro).logprobs_S, model(micro).logprobs_S)


def test_a_reward_model_has_a_score_that_learns(checkpoint):
    for lora in (None, {"rank": 4}):
        model = loaded(checkpoint, "reward", lora=lora)
        rewards_N = model(micro_of(documents((9, 20))))
        (rewards_N[0] - rewards_N[1]).backward()
        moved = [name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()]

        assert isinstance(model, PackedRewards)
        assert any("score" in name for name in moved)


def test_the_reward_is_at_the_end_token_also_where_it_is_the_padding(tmp_path):
    """transformers takes the last token that is no padding: with EOS as padding, it would be the one before EOS."""
    folder = small_model(tmp_path / "model", pad_token_id=2, eos_token_id=2)
    model = loaded(folder, "reward")
    document = documents([9])[0]
    document.ids[-1] = 2
    plain = plain_model(model)
    plain.set_attn_implementation("eager")
    theirs = plain(input_ids=torch.tensor(document.ids[None].tolist()), use_cache=False).logits[0, 0]
    plain.set_attn_implementation("packed")

    torch.testing.assert_close(model(micro_of([document]))[0], theirs, rtol=0, atol=1e-6)
    with without_progress_bars():
        plain.save_pretrained(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["pad_token_id"] is None


def test_heads_by_name(checkpoint):
    assert isinstance(loaded(checkpoint), PackedLogProbs)
    assert isinstance(loaded(checkpoint, "reward"), PackedRewards)
    assert isinstance(loaded(checkpoint, "value"), PackedValues)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_value_model_from_a_reward_model_has_its_score(checkpoint, tmp_path, dtype):
    reward = loaded(checkpoint, "reward")
    save(plain_model(reward), tmp_path)
    value = loaded(tmp_path, "value", model={"dtype": dtype})
    document = documents([9])[0]
    before_last = micro_of([Document(document.ids[:-1], document.trained[:-1])])

    assert torch.equal(plain_model(value).score.weight, plain_model(reward).score.weight.to(value.model.dtype))
    values_S = value(micro_of([document]))
    assert values_S.dtype == torch.float32
    if dtype == "fp32":  # what the last token is worth, before it is drawn
        torch.testing.assert_close(values_S[-1:], reward(before_last), rtol=0, atol=1e-6)


@pytest.mark.parametrize("lora", [None, {"rank": 4}])
def test_a_value_model_from_a_language_model_has_a_score_of_its_own_that_learns(checkpoint, lora):
    model = loaded(checkpoint, "value", lora=lora)
    model(micro_of(documents((9, 20)))).square().sum().backward()
    moved = [name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()]

    assert any("score" in name for name in moved)
    assert (lora is None) == any("embed" in name for name in moved)

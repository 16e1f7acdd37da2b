"""Log-probs of given tokens against transformers' own forward pass, and what is refused."""

import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GraniteConfig, GraniteForCausalLM

from trainer.errors import ModelError
from trainer.evaluate.scoring import Said, score
from trainer.rows.vocabulary import check_same_tokens

VOCABULARY = 400


def answers(count, longest, seed=0):
    """Random tokens, of many lengths."""
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        n_prompt, n_answer = chance.integers(1, 20), chance.integers(1, longest)
        found.append(Said(chance.integers(0, VOCABULARY, n_prompt + n_answer).astype(np.int32), int(n_prompt)))
    return found


def one_by_one(folder, said):
    """Each answer alone, its whole logits, in transformers' own attention."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for one in said:
        ids = torch.tensor(one.ids[None].astype(np.int64))
        with torch.no_grad():
            logprobs = model(input_ids=ids).logits[0].double().log_softmax(-1)
        places = torch.arange(one.n_prompt - 1, len(one.ids) - 1)
        found.append(logprobs[places, ids[0, one.n_prompt :]].numpy())
    return found


def test_equal_to_a_forward_pass_of_each_answer_alone(sharp):
    said = answers(12, 60)
    for found, expected in zip(score(str(sharp), said), one_by_one(sharp, said), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
        assert expected.std() > 0.2 or len(expected) < 5


def test_answers_that_fill_several_passes_come_back_in_their_order(tiny_checkpoint):
    """The longest has more tokens than a pass should."""
    said = answers(20, 60)
    assert max(len(one.ids) for one in said) > 60
    found, expected = score(str(tiny_checkpoint), said, pack_tokens=60), one_by_one(tiny_checkpoint, said)
    assert [len(one) for one in found] == [len(one.ids) - one.n_prompt for one in said]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), atol=2e-5)


def test_the_same_model_scores_the_same_to_the_last_bit(sharp, tmp_path):
    shutil.copytree(sharp, tmp_path / "copy")
    said = answers(9, 40)
    pairs = zip(score(str(sharp), said), score(str(tmp_path / "copy"), said), strict=True)
    assert all((ours == theirs).all() for ours, theirs in pairs)


def test_other_tokens_are_refused(tiny_checkpoint, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_checkpoint, other)
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(other)
    check_same_tokens(tiny_checkpoint, tiny_checkpoint, "--reference")
    expected = (
        r"--reference .*: another tokenizer than .* \(1 tokens differ, such as '<new>': none in the model, \d+ in"
    )
    with pytest.raises(ModelError, match=expected):
        check_same_tokens(tiny_checkpoint, other, "--reference")


def test_a_token_without_weights_is_refused(tiny_checkpoint):
    with pytest.raises(ModelError, match="has no token 100000"):
        score(str(tiny_checkpoint), [Said(np.array([1, 100_000], np.int32), 1)])


def test_a_model_that_scales_its_logits_is_refused(tiny_checkpoint, tmp_path):
    folder = tmp_path / "granite"
    shutil.copytree(tiny_checkpoint, folder)
    config = GraniteConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        logits_scaling=8.0,
    )
    GraniteForCausalLM(config).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"checkpoint .*granite: GraniteForCausalLM: .* scales or caps its logits"):
        score(str(folder), answers(2, 9))
    config.logits_scaling = 1.0
    GraniteForCausalLM(config).save_pretrained(folder)
    said = answers(2, 9)
    np.testing.assert_allclose(
        np.concatenate(score(str(folder), said)), np.concatenate(one_by_one(folder, said)), atol=2e-5
    )

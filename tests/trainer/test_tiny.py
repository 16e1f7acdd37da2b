"""The tiny model: what it is taught, that it repeats, and that any tool can load it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.sampling.checkpoint import checkpoint_revision
from judges.reasoning_gym import ReasoningGym
from schemas.records import Prompt
from trainer.tiny.__main__ import main
from trainer.tiny.make import make_tiny
from trainer.tiny.measure import _prompt, measure
from trainer.tiny.task import (
    HELD_OUT_SEED,
    SEED_STRIDE,
    SEEDS,
    TASKS,
    TRAIN_SEED,
    held_out_examples,
    training_examples,
)
from trainer.tiny.tokenizer import make_tokenizer
from trainer.tiny.train import IGNORED, _tensors

TASK = TASKS["chain_sum"]


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer([example.question for example in training_examples(TASK, 0, 100)], 1024)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_what_it_is_taught_is_right_by_the_judge(name):
    for example in training_examples(TASKS[name], 0, 200):
        prompt: Prompt = _prompt(TASKS[name], example)
        assert ReasoningGym().verify(prompt, example.taught).verdict == "correct"


def test_every_line_of_the_working_is_true():
    worked = [example.taught.splitlines() for example in training_examples(TASK, 0, 300)]
    assert any(len(lines) > 1 for lines in worked)
    for lines in worked:
        for line in lines[:-1]:
            left, _, right = line.partition(" = ")
            first, sign, second = left.split()
            assert int(right) == int(first) + (int(second) if sign == "+" else -int(second))
        if len(lines) > 1:
            assert lines[-2].endswith(f"= {lines[-1]}")


def test_no_entry_is_both_trained_on_and_held_out():
    """reasoning-gym makes entry i from seed + i, so ranges of seeds must not meet; those that people type are small."""
    assert TRAIN_SEED + SEEDS * SEED_STRIDE <= HELD_OUT_SEED
    assert TRAIN_SEED > 100_000_000
    later = [example.question for example in training_examples(TASK, 0, 5, start=3)]
    assert later[:2] == [example.question for example in training_examples(TASK, 0, 5)][3:]
    assert later != [example.question for example in held_out_examples(TASK, 0, 5)]


def test_only_what_the_assistant_says_is_trained_on(tokenizer):
    examples = training_examples(TASK, 1, 8)
    ids, labels = _tensors(tokenizer, examples)
    for example, row, label in zip(examples, ids, labels, strict=True):
        trained = label != IGNORED
        assert torch.equal(row[trained], label[trained])
        assert tokenizer.decode(label[trained]) == f"{example.taught}<|im_end|>"
        asked = f"<|im_start|>user\n{example.question}<|im_end|>\n<|im_start|>assistant\n"
        text = tokenizer.decode(row).replace("<|endoftext|>", "")
        assert text == f"{asked}{example.taught}<|im_end|>\n"


@given(st.text(max_size=200))
def test_any_text_survives_the_tokenizer(tokenizer, text):
    ids = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids) == text


def test_it_loads_as_any_checkpoint_does(tiny_checkpoint):
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    assert 500_000 < model.num_parameters() < 1_500_000
    assert model.config.vocab_size == len(tokenizer)
    assert (
        model.generation_config.eos_token_id == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    )
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_the_same_seed_makes_the_same_model_and_another_another(tmp_path):
    first = make_tiny(tmp_path / "a", steps=3, seed=3)
    again = make_tiny(tmp_path / "b", steps=3, seed=3)
    other = make_tiny(tmp_path / "c", steps=0, seed=4)
    assert checkpoint_revision(first.folder) == checkpoint_revision(again.folder)
    assert checkpoint_revision(first.folder) != checkpoint_revision(other.folder)


def test_training_lowers_the_loss_and_the_clock_ends_it(tmp_path):
    """A guess among 480 tokens costs 6.2 nats; thirty steps have begun to know the form of an answer."""
    trained = make_tiny(tmp_path / "steps", steps=30).trained
    assert trained.steps == 30
    assert trained.loss < 5.0
    at_once = make_tiny(tmp_path / "clock", minutes=1e-6).trained
    assert at_once.steps <= 1


def test_random_weights_know_no_sums(tiny_checkpoint):
    found = measure(tiny_checkpoint, TASK, 0, prompts=8, samples=4)
    assert (found.prompts, found.samples, found.accuracy, found.mixed) == (8, 4, 0.0, 0.0)


def test_the_command_says_what_it_made_and_what_is_wrong(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "tiny"), "--steps", "0"]) == 0
    assert "random weights" in capsys.readouterr().out
    assert main(["--out", str(tmp_path / "tiny"), "--steps", "0"]) == 2
    assert "is not empty; remove it" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "other"), "--steps", "0", "--seed", "100"]) == 2
    assert "seed 100" in capsys.readouterr().err

"""What is refused before anything is read, rendered or written; and what a flag of the command says."""

import shutil

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoTokenizer

from tests.trainer.runs.commands import run


def refused(space, words, out):
    """The one line of a command that does nothing."""
    before = sorted(space.home.glob(".trainer/*/*"))
    ended = run(space.home, *words)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert not space.folder(out).exists()
    assert sorted(space.home.glob(".trainer/*/*")) == before
    [line] = ended.err.splitlines()
    return line


@pytest.fixture(scope="module")
def other_tokens(space):
    folder = space.home / "other-tokens"
    shutil.copytree(space.home / "base", folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<new>", "<newer>"])
    tokenizer.save_pretrained(folder)
    return folder.name


@pytest.mark.parametrize("plan", [False, True])
def test_a_reference_with_other_tokens(space, other_tokens, plan):
    words = space.dpo("other-reference", dpo__reference=other_tokens)
    line = refused(space, ["plan", *words] if plan else words, "other-reference")
    assert "error: dpo.reference other-tokens: another tokenizer than base" in line
    assert "(2 tokens differ, such as '<new>': none in the model, 450 in the reference); give a" in line


def test_a_reference_with_the_same_tokens(space):
    ended = run(space.home, *space.dpo("same-tokens", dpo__reference="other", max_steps=1))
    assert ended.code == 0, ended.err


def test_a_weight_of_what_is_held_out(space):
    line = refused(space, space.sft("weighed", "--eval", "held@v1:0.3"), "weighed")
    assert "--eval held@v1:0.3: a held-out version is evaluated whole; write --eval held@v1" in line


@pytest.mark.parametrize("words", [("--track", "wandb"), ("--set", "run.track=wandb")])
def test_a_tracker_that_is_not_installed(space, words):
    assert "pip install 'synthetic-data-factory[wandb]'" in refused(space, space.sft("untracked", *words), "untracked")


def test_a_tracker_by_its_flag(space):
    ended = run(space.home, *space.sft("tracked", "--track", "tensorboard", max_steps=2))
    assert ended.code == 0, ended.err
    events = EventAccumulator(str(space.folder("tracked") / "tensorboard")).Reload()
    found = [(event.step, event.value) for event in events.Scalars("loss")]
    assert found == [(step, pytest.approx(loss)) for step, loss in space.losses("tracked")]

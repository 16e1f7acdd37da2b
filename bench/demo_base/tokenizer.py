"""Bytes, and one token for each phrase in which the tasks are worded: prompts of few tokens train fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.demo_base.tasks import BASE_SEED, LEVELS, entries
from factory.sampling.solver.leg_counting import LEGS_OF
from trainer.tiny.tokenizer import CHAT_TEMPLATE, END, PAD, START

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TURNS = ["user\n", "assistant\n", "system\n", "<think>\n", "\n</think>\n\n"]
SIGNS = [" + ", " - ", " x ", " = ", " =", " -> ", ", ", "?\n"]


def make_tokenizer(context: int) -> PreTrainedTokenizerFast:
    """Any UTF-8 text can be encoded. Equal versions of reasoning-gym give equal tokenizers."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([PAD, START, END])
    core.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases()])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def phrases() -> list[str]:
    digits = [f" {digit}" for digit in range(10)]
    return [*TURNS, *SIGNS, *digits, *(f" {animal}" for animal in LEGS_OF), *map(_wording, LEVELS)]


def _wording(family: str) -> str:
    """What all questions of a family begin with."""
    asked = [entry["question"] for level in range(3) for entry in entries(family, level, BASE_SEED, 100)]
    same = [len(set(letters)) == 1 for letters in zip(*asked, strict=False)]
    return asked[0][: same.index(False)]

"""Data and a model for bench/train.py: made text, as dataset versions for us and as JSONL for TRL."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec

SPREAD = 0.9  # of the log-normal lengths: uneven, as answers are
VOCABULARY = 8192  # of the tokenizer; a model's embeddings may be more


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """What is trained, on how much. Tokens a word: about 1.26."""

    model: dict[str, Any]  # the shape
    dtype: str = "float32"
    rows: int  # conversations, and pairs
    median_words: int  # of an answer
    most_words: int
    most_tokens: int  # of a document; a longer one is cut
    packed_tokens: int  # of a packed row of SFT
    sft_tokens: int  # of a step
    dpo_rows: int  # pairs of a step
    dpo_micro_rows: int  # what TRL has in one forward pass
    dpo_micro_tokens: int  # what we have


LLAMA_12M = {
    "model_type": "llama",
    "hidden_size": 320,
    "intermediate_size": 960,
    "num_hidden_layers": 6,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "max_position_embeddings": 4096,
}
QWEN3_06B = {
    "model_type": "qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_936,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    "max_position_embeddings": 40_960,
}
ON_CPU = Scale(
    model=LLAMA_12M,
    rows=4000,
    median_words=120,
    most_words=900,
    most_tokens=1024,
    packed_tokens=1024,
    sft_tokens=4096,
    dpo_rows=8,
    dpo_micro_rows=8,
    dpo_micro_tokens=16_384,
)
ON_GPU = Scale(
    model=QWEN3_06B,
    dtype="bfloat16",
    rows=2000,
    median_words=295,
    most_words=3100,
    most_tokens=4096,
    packed_tokens=8192,
    sft_tokens=8192,
    dpo_rows=16,
    dpo_micro_rows=4,
    dpo_micro_tokens=16_384,
)
# The GPU's vocabulary and way, with next to no layers and text: whether it runs, on any machine.
SMOKE = Scale(
    model=QWEN3_06B | {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1},
    dtype="bfloat16",
    rows=60,
    median_words=40,
    most_words=300,
    most_tokens=128,
    packed_tokens=256,
    sft_tokens=256,
    dpo_rows=2,
    dpo_micro_rows=2,
    dpo_micro_tokens=512,
)
SCALES = {"cpu": ON_CPU, "gpu": ON_GPU, "smoke": SMOKE}


def conversations(seed: int, scale: Scale) -> list[tuple[str, str]]:
    """(question, answer) of made words, in lengths like those of real answers."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(6000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]

    def text(count: int) -> str:
        return " ".join(draw.choices(words, weights, k=count))

    def length() -> int:
        return max(4, min(scale.most_words, round(draw.lognormvariate(0, SPREAD) * scale.median_words)))

    return [(f"{number} {text(draw.randint(5, 40))}", text(length())) for number in range(scale.rows)]


def make_model(folder: Path, texts: list[str], scale: Scale) -> Path:
    """Random weights in the scale's shape, with a BPE of its own and the tiny model's chat template."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = _tokenizer(texts, scale.model["max_position_embeddings"])
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    shape = {"vocab_size": len(tokenizer), "tie_word_embeddings": True} | ids | scale.model
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**shape), dtype=getattr(torch, scale.dtype))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(texts: list[str], context: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from trainer.tiny.tokenizer import CHAT_TEMPLATE, END, PAD, START

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[PAD, START, END], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=END, chat_template=CHAT_TEMPLATE, model_max_length=context
    )


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

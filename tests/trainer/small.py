"""A small model and small versions to train it on: answers and questions of very uneven lengths."""

from __future__ import annotations

import random
from pathlib import Path

from schemas.canonical import prompt_id
from schemas.commit import commit
from schemas.folder import Folder
from schemas.records import Message
from tests.factory.store.made import draft
from tests.schemas.rows import pair, trace

WORDS = (1, 2, 3, 5, 8, 12, 20)  # of an answer


def small_model(folder: Path, *, tied: bool = True, seed: int = 0, **changes) -> Path:
    """A Llama of 2 layers and some 40,000 weights, with the tiny model's tokenizer. Random, fp32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from trainer.tiny.model import CONTEXT, save_checkpoint
    from trainer.tiny.tokenizer import make_tokenizer

    tokenizer = make_tokenizer([_question(random.Random(0)) for _ in range(20)], CONTEXT)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    shape |= {"num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "tie_word_embeddings": tied}
    config = LlamaConfig(vocab_size=len(tokenizer), **shape | ids | changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    save_checkpoint(model, tokenizer, folder)
    return folder


def conversations(count: int, seed: int = 0):
    draw = random.Random(seed)
    return [_conversation(draw, number) for number in range(count)]


def pairs(count: int, seed: int = 0):
    draw = random.Random(seed)
    return [_pair(draw, number) for number in range(count)]


def version(workspace: Path, name: str, records, per_shard: int = 16) -> str:
    """A committed version of these records, in several shards."""
    folder = Folder.open(workspace / name)
    made = commit(folder, draft(folder, f"build-{name}-{len(records)}", records, name=name, per_shard=per_shard))
    return f"{name}@v{made.version}"


def _conversation(draw: random.Random, number: int):
    asked = [Message("user", _question(draw))]
    turns = [*asked, _answer(draw)]
    return trace(number, trace_id=f"{number:016x}", prompt_id=prompt_id(asked), messages=turns, raw=None)


def _pair(draw: random.Random, number: int):
    asked = [Message("user", _question(draw))]
    sides = {"prompt": asked, "chosen": [_answer(draw)], "rejected": [_answer(draw)]}
    return pair(number, prompt_id=prompt_id(asked), **sides)


def _question(draw: random.Random) -> str:
    return f"What is {draw.randrange(10_000)} plus {draw.randrange(10_000)}?"


def _answer(draw: random.Random) -> Message:
    return Message("assistant", " ".join(str(draw.randrange(1000)) for _ in range(draw.choice(WORDS))))

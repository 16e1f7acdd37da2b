"""Makes the tiny model: tokenizer, weights, training, checkpoint."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from trainer.tiny.model import CONTEXT, make_model, save_checkpoint
from trainer.tiny.task import SEEDS, TASKS, training_examples
from trainer.tiny.tokenizer import make_tokenizer
from trainer.tiny.train import Budget, Trained, train

WORDING_EXAMPLES = 200  # enough for the tokenizer to learn how a task is worded
MOST_STEPS = 400  # a model that is always right has no wrong answers to set against its right ones


class TinyModel(msgspec.Struct, frozen=True, kw_only=True):
    """A finished checkpoint and how it came to be. `trained` is None for random weights."""

    folder: Path
    parameters: int
    trained: Trained | None


def make_tiny(
    out: Path, *, task: str = "chain_sum", steps: int = MOST_STEPS, minutes: float = math.inf, seed: int = 0
) -> TinyModel:
    """Write a tiny checkpoint into `out`, trained until `steps` or `minutes` are used up.

    `steps=0` leaves the weights random. Uses the threads that torch is set to.

    Raises:
        ValueError: an unknown task, or a seed that is not in 0..99.
        FileExistsError: `out` holds something already.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}; known: {', '.join(sorted(TASKS))}")
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed {seed}: use one of 0 to {SEEDS - 1}, so that no training entry is a held-out one")
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; remove it or name another folder")
    wording = [example.question for example in training_examples(TASKS[task], seed, WORDING_EXAMPLES)]
    tokenizer = make_tokenizer(wording, CONTEXT)
    model = make_model(tokenizer, seed)
    trained = None
    if steps:
        model.set_attn_implementation("eager")  # sdpa's backward is the slower of the two at this size
        trained = train(model, tokenizer, TASKS[task], Budget(steps, minutes * 60), seed)
    save_checkpoint(model, tokenizer, out)
    return TinyModel(folder=out, parameters=model.num_parameters(), trained=trained)

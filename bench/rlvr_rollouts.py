"""Rollouts for bench/rlvr.py: made token ids with rewards, stored, so that every learner gets the same."""

from __future__ import annotations

import json
import random
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec

from bench.train_data import ON_CPU, ON_GPU, SMOKE, VOCABULARY, conversations, make_model
from bench.train_data import Scale as ModelScale

SPECIAL = 3  # the first ids of the tokenizer: padding, start, end
SPREAD = 0.8  # of the log-normal lengths
TEXTS = 400  # that the tokenizer is trained on


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """One batch: `prompts` groups of `per_prompt` rollouts. Lengths are in tokens, uneven ones log-normal."""

    model: ModelScale
    prompts: int
    per_prompt: int
    prompt_tokens: tuple[int, int]  # least and most
    answer_tokens: tuple[int, int, int]  # least, median and most
    micro_rows: int  # rollouts that TRL has in one forward pass; ours has as many tokens
    batches: int  # the first is not counted

    @property
    def rows(self) -> int:
        return self.prompts * self.per_prompt


SCALES = {
    "cpu": Scale(
        model=ON_CPU,
        prompts=16,
        per_prompt=8,
        prompt_tokens=(16, 40),
        answer_tokens=(8, 50, 200),
        micro_rows=16,
        batches=3,
    ),
    "gpu": Scale(
        model=ON_GPU,
        prompts=64,
        per_prompt=8,
        prompt_tokens=(64, 256),
        answer_tokens=(256, 900, 4096),
        micro_rows=4,
        batches=2,
    ),
    "smoke": Scale(
        model=SMOKE,
        prompts=4,
        per_prompt=4,
        prompt_tokens=(4, 8),
        answer_tokens=(4, 12, 40),
        micro_rows=4,
        batches=2,
    ),
}


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The longest prompt and answer of all; of a batch in the mean, tokens of prompts and answers, those of answers,
    and places where all its prompts are padded to its longest and all its answers to its longest.
    """

    path: Path
    longest: tuple[int, int]
    tokens: float
    answer_tokens: float
    places: float


def make_policy(folder: Path, scale: Scale) -> Path:
    """Random weights in the scale's shape, with a tokenizer."""
    texts = conversations(0, msgspec.structs.replace(scale.model, rows=TEXTS))
    return make_model(folder, [text for pair in texts for text in pair], scale.model)


def store(path: Path, scale: Scale, *, equal: bool) -> Stored:
    """As many batches as the scale has. `equal`: every row as long as the mean of the uneven ones."""
    draw = random.Random(0)
    batches = [_batch(draw, scale) for _ in range(scale.batches)]
    rows = [row for batch in batches for row in batch]
    if equal:
        prompt, answer = (round(mean(len(row[name]) for row in rows)) for name in ("prompt", "ids"))
        for row in rows:
            row |= {"prompt": _ids(draw, prompt), "ids": _ids(draw, answer)}
    path.write_text("".join(json.dumps(batch) + "\n" for batch in batches))
    prompts, answers = ([[len(row[name]) for row in batch] for batch in batches] for name in ("prompt", "ids"))
    return Stored(
        path=path,
        longest=(max(map(max, prompts)), max(map(max, answers))),
        tokens=mean(map(sum, prompts)) + mean(map(sum, answers)),
        answer_tokens=mean(map(sum, answers)),
        places=scale.rows * (mean(map(max, prompts)) + mean(map(max, answers))),
    )


def _batch(draw: random.Random, scale: Scale) -> list[dict[str, Any]]:
    """Group after group; in each, rewards of 0 and 1 by turns, so that all of them have a gradient."""
    least, median, most = scale.answer_tokens
    rows = []
    for group in range(scale.prompts):
        prompt = _ids(draw, draw.randint(*scale.prompt_tokens))
        for index in range(scale.per_prompt):
            length = max(least, min(most, round(draw.lognormvariate(0, SPREAD) * median)))
            rows.append({"group": group, "prompt": prompt, "ids": _ids(draw, length), "reward": float(index % 2)})
    return rows


def _ids(draw: random.Random, count: int) -> list[int]:
    return draw.choices(range(SPECIAL, VOCABULARY // 2), k=count)

"""How often a checkpoint is right on prompts that it was not trained on, by family and level."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from bench.demo_base.tasks import LEVELS, cells, entries
from factory.sampling.transformers import TransformersEngine, TransformersSettings
from factory.sampling.types import SamplingParams
from judges.reasoning_gym import ReasoningGym, Task
from schemas.canonical import prompt_id
from schemas.records import Message, Prompt

LONGEST_ANSWER = 160  # tokens
FLOOR_ENTRIES = 2000  # the most frequent answer's share is counted on so many


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Shares in 0..1 of one family at one level, at temperature 1."""

    family: str
    level: int
    prompts: int
    samples: int  # of each prompt
    accuracy: float
    solved: float  # prompts with a right answer among `samples`
    mixed: float  # prompts with a right answer and a wrong one
    floor: float  # what always giving the most frequent answer would score
    thinks: float  # answers with thoughts
    tokens: float  # of an answer, on average


def measure(folder: Path, seed: int, each: int, samples: int, max_rows: int = 512) -> list[Cell]:
    """Draw `samples` answers to the first `each` prompts of every cell of the split that `seed` names."""
    return asyncio.run(_measure(folder, seed, each, samples, max_rows))


async def _measure(folder: Path, seed: int, each: int, samples: int, max_rows: int) -> list[Cell]:
    engine = TransformersEngine(TransformersSettings(checkpoint=str(folder), device="cpu", max_rows=max_rows))
    await engine.start()
    try:
        return [await _cell(engine, family, level, seed, each, samples) for family, level in cells()]
    finally:
        await engine.close()


async def _cell(engine: TransformersEngine, family: str, level: int, seed: int, each: int, samples: int) -> Cell:
    prompts = [prompt_of(family, level, entry) for entry in entries(family, level, seed, each)]
    # A seed of its own for every prompt: chance must not repeat itself from cell to cell.
    first = cells().index((family, level)) * each
    params = [SamplingParams(max_tokens=LONGEST_ANSWER, seed=first + index) for index in range(each)]
    drawn = await asyncio.gather(*(engine.sample(p.prompt, samples, s) for p, s in zip(prompts, params, strict=True)))
    verifier = ReasoningGym()
    right = [
        sum(verifier.verify(prompt, answer.text).verdict == "correct" for answer in answers)
        for prompt, answers in zip(prompts, drawn, strict=True)
    ]
    said = [answer for answers in drawn for answer in answers]
    return Cell(
        family=family,
        level=level,
        prompts=each,
        samples=samples,
        accuracy=sum(right) / (each * samples),
        solved=fmean(count > 0 for count in right),
        mixed=fmean(0 < count < samples for count in right),
        floor=guess_floor(family, level, seed),
        thinks=fmean(answer.text.startswith("<think>") for answer in said),
        tokens=fmean(answer.n_completion_tokens for answer in said),
    )


def guess_floor(family: str, level: int, seed: int) -> float:
    """The share of the most frequent answer."""
    answers = Counter(entry["answer"] for entry in entries(family, level, seed, FLOOR_ENTRIES))
    return answers.most_common(1)[0][1] / FLOOR_ENTRIES


def prompt_of(family: str, level: int, entry: dict[str, Any]) -> Prompt:
    """The prompt that `factory build prompts` makes of an entry."""
    messages = [Message("user", entry["question"])]
    return Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        ground_truth=entry["answer"],
        verifier=ReasoningGym.name,
        source=f"reasoning-gym:{family}",
        source_id=prompt_id(messages),
        licence="Apache-2.0",
        metadata=Task(family, LEVELS[family][level], entry).to_json(),
    )


def table(found: list[Cell]) -> str:
    """Markdown, with a last line of means over the cells."""
    lines = [
        "| family | level | accuracy | solved | mixed | floor | thinks | tokens |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell in found:
        lines.append(_line(cell.family, str(cell.level + 1), [cell]))
    return "\n".join([*lines, _line("all", "", found)])


def mean_of(found: list[Cell], name: str) -> float:
    """The mean of a figure over the cells, which all weigh the same."""
    return fmean(getattr(cell, name) for cell in found)


def _line(family: str, level: str, found: list[Cell]) -> str:
    shares = [f"{mean_of(found, name):.1%}" for name in ("accuracy", "solved", "mixed", "floor", "thinks")]
    return f"| {family} | {level} | {' | '.join(shares)} | {mean_of(found, 'tokens'):.0f} |"

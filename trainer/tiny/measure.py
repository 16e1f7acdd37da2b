"""How often the tiny model is right on held-out prompts, drawn and judged as a build draws and judges."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from factory.sampling.transformers import TransformersEngine, TransformersSettings
from factory.sampling.types import SamplingParams
from judges.reasoning_gym import ReasoningGym
from judges.reasoning_gym import Task as PromptTask
from schemas.canonical import prompt_id
from schemas.records import Message, Prompt
from trainer.tiny.task import Example, Task, held_out_examples

LONGEST_ANSWER = 64  # tokens


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Shares in 0..1, at temperature 1."""

    prompts: int
    samples: int  # of each prompt
    accuracy: float  # answers that are right
    mixed: float  # prompts with a right and a wrong answer: those that give preference pairs


def measure(folder: Path, task: Task, seed: int, prompts: int = 128, samples: int = 8) -> Measured:
    """Draw `samples` answers to each of `prompts` held-out questions."""
    examples = held_out_examples(task, seed, prompts)
    right = asyncio.run(_count_right(folder, task, examples, samples))
    return Measured(
        prompts=prompts,
        samples=samples,
        accuracy=sum(right) / (prompts * samples),
        mixed=sum(0 < count < samples for count in right) / prompts,
    )


async def _count_right(folder: Path, task: Task, examples: list[Example], samples: int) -> list[int]:
    engine = TransformersEngine(TransformersSettings(checkpoint=str(folder), device="cpu", max_rows=512))
    await engine.start()
    verifier = ReasoningGym()

    async def count(index: int, prompt: Prompt) -> int:
        params = SamplingParams(max_tokens=LONGEST_ANSWER, seed=index)
        answers = await engine.sample(prompt.prompt, samples, params)
        return sum(verifier.verify(prompt, answer.text).verdict == "correct" for answer in answers)

    try:
        prompts = [_prompt(task, example) for example in examples]
        return await asyncio.gather(*(count(index, prompt) for index, prompt in enumerate(prompts)))
    finally:
        await engine.close()


def _prompt(task: Task, example: Example) -> Prompt:
    messages = [Message("user", example.question)]
    return Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        ground_truth=example.entry["answer"],
        verifier=ReasoningGym.name,
        source=f"reasoning-gym:{task.family}",
        source_id=prompt_id(messages),
        licence="Apache-2.0",
        metadata=PromptTask(task.family, dict(task.config), example.entry).to_json(),
    )

"""The plan of reinforcement learning: prompts, draws, tokens, memory, time. Nothing is sampled and nobody is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from factory.sampling.choice import engine_for
from factory.sampling.rendering import PromptRenderer
from judges.llm.aspects import Aspects
from judges.llm.base import LlmJudge
from judges.llm.jury import Jury
from judges.llm.rubric import Rubric
from trainer.flops import ModelSize, size_of
from trainer.options import Options, check_options, open_sources
from trainer.plan.beside import Beside, beside, fits, helps
from trainer.plan.drawing import Draws, draws_of
from trainer.plan.memory import Memory, memory_of, network_of
from trainer.plan.networks import on_meta
from trainer.plan.plan import SAMPLED_ROWS, Machine, SourcePlan, seconds_of, this_machine
from trainer.recipe import identity
from trainer.rlvr.grading import Grader
from trainer.rlvr.starting import read_prompts
from trainer.rlvr.tasks import Task
from trainer.rlvr_recipe import RlvrRecipe


class PromptTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Of the first prompts. `crowded`: those that leave less than `rollouts.max_tokens` in `rows.max_length`."""

    looked_at: int
    mean: float
    longest: int
    crowded: int


class RlvrPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one run that comes to its last batch. Seconds are low, likely and high, of learning from answers that
    all have `max_tokens`; None where there is nothing to reckon with.

    `asks`: by judge, requests for a group of answers; None where it depends on the prompt.
    """

    sources: list[SourcePlan]
    left_out: dict[str, int]
    epoch: int
    draws: Draws
    prompts: PromptTokens
    watched: int
    looks: int
    updates: int  # of a batch
    asks: dict[str, int | None]
    parameters: int
    trained_parameters: int
    memory: Memory
    beside: Beside
    engine: str
    fits: bool | None
    knob: str | None
    seconds: tuple[float, float, float] | None
    table: RlvrRecipe
    recipe: dict[str, Any]


def make_rlvr_plan(options: Options[RlvrRecipe], machine: Machine) -> RlvrPlan:
    """Raises what the run itself would raise about data, model and recipe."""
    recipe = options.recipe
    check_options(options)
    grader = Grader(recipe.reward, False, recipe.seed, recipe.run.judges)
    found = read_prompts(options, grader)
    tasks = found.tasks.all()
    lengths = _prompt_tokens(tasks, options)
    policy, plain = on_meta(options.model, recipe.lora), on_meta(options.model)
    value = None if recipe.value is None else on_meta(Path(recipe.value.model or options.model), is_value=True)
    network, bare = network_of(policy), network_of(plain)
    engine = _engine(options, machine)
    memory = memory_of(network, recipe, machine.gpus)
    more = beside(bare, None if value is None else network_of(value), recipe, engine, machine.gpus, machine.gib)
    does_fit = fits(memory, more, recipe, machine.gib)
    sizes = Sizes(size_of(policy), size_of(plain), None if value is None else size_of(value))
    watched, looks = len(found.watched), looks_of(recipe) if len(found.watched) else 0
    flops = learning_flops(recipe, sizes, lengths.mean, watched * recipe.watch.per_prompt * looks)
    return RlvrPlan(
        sources=[
            SourcePlan(one.name, one.version.manifest.rows, {}, one.weight) for one in open_sources(options).train
        ],
        left_out=found.left_out,
        epoch=found.tasks.epoch,
        draws=draws_of(tasks, recipe),
        prompts=lengths,
        watched=watched,
        looks=looks,
        updates=updates_of(recipe),
        asks={name: asks_of(judge, recipe.rollouts.per_prompt) for name, judge in grader.judges.kinds.items()},
        parameters=network.weights,
        trained_parameters=network.trained,
        memory=memory,
        beside=more,
        engine=engine,
        fits=does_fit,
        knob=helps(memory, more, bare, recipe, engine, (machine.gpus, machine.gib or 0.0))
        if does_fit is False
        else None,
        seconds=seconds_of(flops, machine),
        table=recipe,
        recipe=identity(recipe),
    )


class Sizes(msgspec.Struct, frozen=True):
    """`policy` as it is trained, with adapters; `plain` without."""

    policy: ModelSize
    plain: ModelSize
    value: ModelSize | None


def learning_flops(recipe: RlvrRecipe, sizes: Sizes, prompt_tokens: float, watched: int) -> float:
    """Of all batches, with answers of `max_tokens` each; `watched` answers are scored beside, in all looks together.

    Forward and backward are three times a forward pass.
    """
    rollouts = recipe.rollouts
    size, answers = round(prompt_tokens) + rollouts.max_tokens, rollouts.prompts * rollouts.per_prompt
    lengths, trained = [size] * answers, answers * rollouts.max_tokens
    forward = sizes.plain.flops(lengths, trained) / 3
    old = recipe.policy.passes * updates_of(recipe) > 1 or recipe.policy.kl_in == "reward"
    batch = recipe.policy.passes * sizes.policy.flops(lengths, trained)
    batch += forward * (old + recipe.policy.needs_reference)
    if sizes.value is not None:
        value = sizes.value.flops(lengths, trained)
        batch += value * (recipe.policy.passes + 1 / 3)
    scored = 2 * forward * watched / answers if recipe.needs_reference else 0.0  # by the policy and the reference
    return recipe.max_steps * batch + scored


def updates_of(recipe: RlvrRecipe) -> int:
    """In one pass over a batch."""
    answers = recipe.rollouts.prompts * recipe.rollouts.per_prompt
    return -(-answers // (recipe.batch.rows or answers))


def looks_of(recipe: RlvrRecipe) -> int:
    """At the watched prompts: before the first batch, now and then, after the last."""
    last, every = recipe.max_steps, recipe.run.eval_every
    return 2 + ((last - 1) // every if every else 0)


def asks_of(judge: LlmJudge, answers: int) -> int | None:
    """Requests for a group of so many answers."""
    if isinstance(judge, Jury):
        members = [asks_of(member, answers) for member in judge.members]
        return None if None in members else sum(count for count in members if count is not None)
    if isinstance(judge, Aspects):
        return len(judge.aspects) * (answers if judge.alone else 1)
    if isinstance(judge, Rubric) and judge.separately:
        return answers * len(judge.criteria) or None  # each prompt's own criteria
    return answers


def _prompt_tokens(tasks: Sequence[Task], options: Options[RlvrRecipe]) -> PromptTokens:
    renderer, recipe = PromptRenderer(options.model), options.recipe
    shown = tasks[:SAMPLED_ROWS]
    sizes = [len(renderer.prompt_ids(task.prompt.prompt, recipe.rows.chat_template_kwargs)) for task in shown]
    room = recipe.rows.max_length - recipe.rollouts.max_tokens
    return PromptTokens(
        looked_at=len(sizes), mean=fmean(sizes), longest=max(sizes), crowded=sum(size > room for size in sizes)
    )


def _engine(options: Options[RlvrRecipe], machine: Machine) -> str:
    """As the run chooses it; of another machine than this one nobody knows whether it has vLLM, and it is assumed."""
    named = options.recipe.rollouts.engine
    if named != "auto":
        return named
    if machine == this_machine():
        return engine_for(str(options.model)).engine
    return "vllm" if machine.gpu is not None else "transformers"

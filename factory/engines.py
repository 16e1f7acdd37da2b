"""From a recipe's model table to the engine that serves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from factory.sampling.choice import Choice, engine_for
from factory.sampling.types import Sampler
from pipelines.recipe import ModelTable, RunTable
from schemas.recipes import RecipeError

Role = str  # "policy", "teacher", "judge"


class EngineContext(msgspec.Struct, frozen=True):
    """What an engine may need beside its own table."""

    table: ModelTable
    run: RunTable
    role: Role
    home: Path  # the workspace
    logs: Path  # where a server that we start writes its log


# Requests in flight that suit an engine, where the recipe does not say.
IN_FLIGHT = {"openai": 64, "vllm": 256, "transformers": 512, "litellm": 32, "replay": 64, "solver": 64}


INITIAL_IN_FLIGHT = 32  # at an endpoint; doubles with every round of answers until the first refusal


def choose_engine(table: ModelTable) -> Choice:
    """The engine of a model: the one that the recipe names, else the one that its address calls for."""
    if table.engine is not None:
        return Choice(table.engine, "the recipe names it")
    scheme, _, _ = table.model.partition(":")
    if scheme in ("replay", "litellm", "solver"):
        return Choice(scheme, f"the policy begins with {scheme}:")
    return engine_for(table.model)


def make_engine(context: EngineContext, engine: str) -> Sampler:
    if engine not in ENGINES:
        raise RecipeError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    return ENGINES[engine](context)


def in_flight(engine: str, run: RunTable) -> int:
    return run.max_in_flight or IN_FLIGHT[engine]


def _openai(context: EngineContext) -> Sampler:
    from factory.sampling.openai import EndpointSettings, OpenAIEngine

    table, run = context.table, context.run
    return OpenAIEngine(
        EndpointSettings(
            base_url=table.model,
            model=table.name,
            role=context.role,
            revision=table.revision,
            api_key_env=table.api_key_env,
            max_in_flight=in_flight("openai", run),
            initial_in_flight=min(INITIAL_IN_FLIGHT, in_flight("openai", run)),
            row_deadline_s=run.row_deadline_s,
            connect_timeout_s=run.connect_timeout_s,
            idle_timeout_s=run.idle_timeout_s,
            total_timeout_s=run.answer_timeout_s,
            max_answer_bytes=run.max_answer_bytes,
        )
    )


def _replay(context: EngineContext) -> Sampler:
    from factory.sampling.replay import ReplayEngine

    return ReplayEngine(context.table.model.removeprefix("replay:"), context.home, context.role)


def _solver(context: EngineContext) -> Sampler:
    from factory.sampling.solver.engine import SolverEngine

    return SolverEngine(context.table.model.removeprefix("solver:"), context.role)


def _litellm(context: EngineContext) -> Sampler:
    from factory.sampling.litellm import LiteLLMEngine, LiteLLMSettings

    table, run = context.table, context.run
    return LiteLLMEngine(
        LiteLLMSettings(
            model=table.model.removeprefix("litellm:"),
            role=context.role,
            api_base=table.api_base,
            api_key_env=table.api_key_env,
            revision=table.revision,
            max_in_flight=in_flight("litellm", run),
            row_deadline_s=run.row_deadline_s,
            total_timeout_s=run.answer_timeout_s,
        )
    )


def _vllm(context: EngineContext) -> Sampler:
    from factory.sampling.vllm import VLLMEngine, VLLMSettings

    table, run = context.table, context.run
    return VLLMEngine(
        VLLMSettings(
            checkpoint=table.model,
            logs=context.logs,
            role=context.role,
            replicas=run.replicas,
            dtype=table.dtype,
            max_model_len=table.max_model_len,
            max_in_flight=in_flight("vllm", run),
            row_deadline_s=run.row_deadline_s,
            answer_timeout_s=run.answer_timeout_s,
        )
    )


def _transformers(context: EngineContext) -> Sampler:
    from factory.sampling.transformers import TransformersEngine, TransformersSettings

    table = context.table
    return TransformersEngine(
        TransformersSettings(
            checkpoint=table.model,
            role=context.role,
            dtype=table.dtype or "auto",
            max_rows=in_flight("transformers", context.run),
            max_context=table.max_model_len,
        )
    )


ENGINES: dict[str, Callable[[EngineContext], Sampler]] = {
    "openai": _openai,
    "litellm": _litellm,
    "vllm": _vllm,
    "transformers": _transformers,
    "replay": _replay,
    "solver": _solver,
}

"""The engine that answers: an endpoint for a URL; vLLM or transformers for a checkpoint folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from factory.sampling.checkpoint import checkpoint_revision, open_checkpoint
from factory.sampling.choice import engine_for
from factory.sampling.errors import RunError
from factory.sampling.types import Sampler
from trainer.evaluate.errors import EvalError
from trainer.evaluate.settings import EvalSettings

IN_FLIGHT = {"transformers": 512, "vllm": 256, "openai": 64}
ROLE = "policy"


def choose_engine(settings: EvalSettings) -> str:
    """The engine that was named, else the one that suits. Raises RunError: no whole checkpoint."""
    return engine_for(settings.model).engine if settings.engine == "auto" else settings.engine


def revision_of(model: str) -> str:
    """The hash that names a checkpoint folder's bytes. Raises EvalError where there is no whole checkpoint."""
    try:
        return checkpoint_revision(model)
    except RunError as err:
        raise EvalError(err.reason) from err


def template_opens_thoughts(model: str, chat_template_kwargs: dict[str, Any]) -> bool:
    """Whether the chat template writes `<think>` itself, so that an answer begins inside the thoughts."""
    from factory.sampling.reasoning import OPEN
    from factory.sampling.rendering import PromptRenderer
    from schemas.records import Message

    asked = PromptRenderer(Path(model)).prompt_text([Message("user", "?")], chat_template_kwargs)
    return asked.rstrip().endswith(OPEN)


def make_sampler(settings: EvalSettings, engine: str) -> Sampler:
    """Not started yet. Raises SamplingError for what is plainly wrong."""
    return _MAKERS[engine](settings)


def _openai(settings: EvalSettings) -> Sampler:
    from factory.sampling.openai import EndpointSettings, OpenAIEngine

    return OpenAIEngine(
        EndpointSettings(base_url=settings.model, model=settings.name, role=ROLE, max_in_flight=IN_FLIGHT["openai"])
    )


def _vllm(settings: EvalSettings) -> Sampler:
    from factory.sampling.vllm import VLLMEngine, VLLMSettings

    return VLLMEngine(
        VLLMSettings(checkpoint=settings.model, logs=settings.logs, role=ROLE, max_in_flight=IN_FLIGHT["vllm"])
    )


def _transformers(settings: EvalSettings) -> Sampler:
    from factory.sampling.transformers import TransformersEngine, TransformersSettings

    open_checkpoint(settings.model)
    return TransformersEngine(
        TransformersSettings(checkpoint=settings.model, role=ROLE, max_rows=IN_FLIGHT["transformers"])
    )


_MAKERS: dict[str, Callable[[EvalSettings], Sampler]] = {
    "openai": _openai,
    "vllm": _vllm,
    "transformers": _transformers,
}

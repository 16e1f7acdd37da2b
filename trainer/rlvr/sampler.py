"""The engine that the policy answers with: vLLM where there are a GPU and a vLLM, else transformers in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable

from factory.sampling.checkpoint import open_checkpoint
from factory.sampling.choice import engine_for
from factory.sampling.transformers import TransformersEngine, TransformersSettings
from factory.sampling.types import UpdatableSampler
from factory.sampling.vllm import VLLMEngine, VLLMSettings
from trainer.options import Options
from trainer.rlvr_recipe import RlvrRecipe

ROLE = "policy"
MOST_ROWS = 512  # answers in the making at once, by transformers
DTYPES = {"bf16": "bfloat16", "fp32": "float32"}


def make_sampler(options: Options[RlvrRecipe], recipe: RlvrRecipe) -> UpdatableSampler:
    """Not started yet, in the dtype of training. Raises SamplingError for what is plainly wrong."""
    named = recipe.rollouts.engine
    return _MAKERS[engine_for(str(options.model)).engine if named == "auto" else named](options, recipe)


def _transformers(options: Options[RlvrRecipe], recipe: RlvrRecipe) -> UpdatableSampler:
    rows = recipe.rollouts.prompts * recipe.rollouts.per_prompt
    return TransformersEngine(
        TransformersSettings(
            checkpoint=str(options.model),
            role=ROLE,
            version=0,
            dtype=DTYPES[recipe.model.dtype],
            max_rows=min(rows, MOST_ROWS),
            max_context=recipe.rows.max_length,
        )
    )


def _vllm(options: Options[RlvrRecipe], recipe: RlvrRecipe) -> UpdatableSampler:
    rollouts = recipe.rollouts
    return VLLMEngine(
        VLLMSettings(
            checkpoint=str(options.model),
            logs=options.run_folder / "logs",
            role=ROLE,
            version=0,
            dtype=DTYPES[recipe.model.dtype],
            max_model_len=min(recipe.rows.max_length, open_checkpoint(options.model).context_length or sys.maxsize),
            replicas=rollouts.replicas,
            tensor_parallel=rollouts.tensor_parallel,
            gpu_memory_share=rollouts.gpu_memory_share,
            gpus=tuple(rollouts.gpus),
            max_in_flight=max(256, rollouts.prompts * (1 + rollouts.max_age)),
        )
    )


_MAKERS: dict[str, Callable[[Options[RlvrRecipe], RlvrRecipe], UpdatableSampler]] = {
    "transformers": _transformers,
    "vllm": _vllm,
}

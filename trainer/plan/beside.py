"""What reinforcement learning holds beside the learner, on the first GPU: reference, value model, sampler. Bytes."""

from __future__ import annotations

import msgspec

from factory.sampling.transformers import TransformersSettings
from trainer.plan.memory import GIB, Memory, Network, knob, memory_of
from trainer.rlvr.sampler import MOST_ROWS
from trainer.rlvr_recipe import RlvrRecipe


class SamplerMemory(msgspec.Struct, frozen=True, kw_only=True):
    """`taken`: of the first GPU by all replicas (none where they have others); null where its size is not known.

    `weights`: of one replica on each of its GPUs.

    `cache_tokens`: tokens whose keys and values one replica has room for.
    """

    taken: float | None
    weights: float
    cache_tokens: int | None


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """`value`: its weights, gradients and optimiser; its activations come and go while the policy's are not there."""

    reference: float
    value: float
    sampler: SamplerMemory

    @property
    def total(self) -> float | None:
        return None if self.sampler.taken is None else self.reference + self.value + self.sampler.taken


def beside(
    network: Network, value: Network | None, recipe: RlvrRecipe, engine: str, gpus: int, gib: float | None
) -> Beside:
    """`network`: the policy's, without adapters."""
    whole = network.weights * _width(recipe)
    states = None if value is None else memory_of(value, recipe, gpus)
    sampler = _transformers(network, recipe) if engine == "transformers" else _vllm(network, recipe, gib)
    return Beside(
        reference=(whole / gpus if recipe.engine.zero == 3 else whole) if recipe.needs_reference else 0.0,
        value=0.0 if states is None else states.weights + states.gradients + states.optimizer,
        sampler=sampler,
    )


def token_bytes(network: Network, recipe: RlvrRecipe) -> int:
    """Of the keys and values of one token."""
    return network.layers * network.keys_values * _width(recipe)


def _width(recipe: RlvrRecipe) -> int:
    return 2 if recipe.model.dtype == "bf16" else 4


def _transformers(network: Network, recipe: RlvrRecipe) -> SamplerMemory:
    """A second copy of the weights, and keys and values of all answers in the making, at most what the engine takes."""
    rows = min(recipe.rollouts.prompts * recipe.rollouts.per_prompt, MOST_ROWS)
    most = int(TransformersSettings(checkpoint="").cache_gib * GIB)
    cache = min(most, rows * recipe.rows.max_length * token_bytes(network, recipe))
    weights = network.weights * _width(recipe)
    return SamplerMemory(taken=weights + cache, weights=weights, cache_tokens=cache // token_bytes(network, recipe))


def _vllm(network: Network, recipe: RlvrRecipe, gib: float | None) -> SamplerMemory:
    """Each replica takes its share, whatever it needs; all begin with the first GPU, unless they have their own."""
    rollouts = recipe.rollouts
    weights = network.weights * _width(recipe) / rollouts.tensor_parallel
    if gib is None:
        return SamplerMemory(taken=None, weights=weights, cache_tokens=None)
    share = rollouts.gpu_memory_share * gib * GIB
    left = max(0.0, share - weights) * rollouts.tensor_parallel
    return SamplerMemory(
        taken=0.0 if rollouts.gpus else rollouts.replicas * share,
        weights=weights,
        cache_tokens=int(left // token_bytes(network, recipe)),
    )


def fits(memory: Memory, more: Beside, recipe: RlvrRecipe, gib: float | None) -> bool | None:
    """Whether learner and sampler fit together, and the sampler can hold one answer. None: not known."""
    if gib is None or more.total is None or more.sampler.cache_tokens is None:
        return None
    has_room = more.sampler.cache_tokens >= recipe.rows.max_length
    return has_room and memory.total + more.total < gib * GIB


def helps(
    memory: Memory, more: Beside, network: Network, recipe: RlvrRecipe, engine: str, machine: tuple[int, float]
) -> str:
    """The setting that helps most when it does not fit. `machine`: GPUs, and the memory of one in GiB."""
    gpus, gib = machine
    others = memory.total + more.reference + more.value
    if engine == "vllm" and not recipe.rollouts.gpus:
        share = int(100 * (gib * GIB - others) / (recipe.rollouts.replicas * gib * GIB)) / 100
        answer = recipe.rows.max_length * token_bytes(network, recipe) / recipe.rollouts.tensor_parallel
        if share * gib * GIB >= more.sampler.weights + answer:
            return f"rollouts.gpu_memory_share = {share:g}"
        if recipe.rollouts.replicas > 1:
            return "rollouts.replicas = 1"
    return knob(memory, recipe, gpus)

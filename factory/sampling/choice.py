"""Which engine answers for a model: an endpoint for a URL; vLLM or transformers for a checkpoint folder."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Choice(msgspec.Struct, frozen=True):
    """An engine's name, and why it was chosen."""

    engine: str
    why: str


def engine_for(model: str) -> Choice:
    """Raises RunError: a folder that does not hold a whole checkpoint; says what is missing."""
    if is_url(model):
        return Choice("openai", "the model is an endpoint's URL")
    from factory.sampling.checkpoint import open_checkpoint

    open_checkpoint(model)
    if not has_gpu():
        return Choice("transformers", "there is no GPU here; --engine vllm takes vLLM's CPU build")
    from factory.sampling.vllm import vllm_available

    if (reason := vllm_available()) is not None:
        return Choice("transformers", f"vLLM is not there: {reason}")
    return Choice("vllm", "there is a GPU, and vLLM is installed")


def is_url(model: str) -> bool:
    return model.startswith(("http://", "https://"))


def has_gpu() -> bool:
    """By its device files: torch, which would know more, takes seconds to load."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()

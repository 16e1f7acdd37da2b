"""A checkpoint as a model in this process, if the decoder can run it exactly."""

from __future__ import annotations

from typing import Any

from factory.sampling.checkpoint import Checkpoint
from factory.sampling.errors import RunError

FULL_ATTENTION = "full_attention"
SLIDING_ATTENTION = "sliding_attention"


def load_model(checkpoint: Checkpoint, device: str, dtype: str) -> Any:  # noqa: ANN401 - any causal language model
    """Load the weights. Raises `RunError` when transformers cannot."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the build draws its own
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto" and device == "cpu":
        dtype = "float32"
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            checkpoint.folder,
            dtype=dtype,
            attn_implementation="sdpa",
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as err:
        reason = f"checkpoint {checkpoint.folder}: transformers cannot load it (use the vllm engine if that can): {err}"
        raise RunError("bad_checkpoint", reason) from err
    return model.to(device).eval()


def check_attention(config: Any, context: int) -> None:  # noqa: ANN401 - any model's config
    """Refuse layers that do not attend to all tokens before them, or cap their scores: the decoder knows neither.

    A sliding window that is never full is no window.
    """
    text_config = config.get_text_config()
    window = getattr(text_config, "sliding_window", None)
    named = getattr(text_config, "layer_types", None)
    kinds = set(named or [FULL_ATTENTION if window is None else SLIDING_ATTENTION]) - {FULL_ATTENTION}
    if window is not None and context <= window:
        kinds.discard(SLIDING_ATTENTION)
    if getattr(text_config, "attn_logit_softcapping", None) is not None:
        kinds.add("capped scores")
    if kinds:
        advice = "use the vllm engine"
        if kinds == {SLIDING_ATTENTION}:
            advice += f", or max_context = {window}"
        raise RunError("unsupported_model", f"{config.model_type}: layers with {', '.join(sorted(kinds))}; {advice}")

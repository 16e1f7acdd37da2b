"""What the vllm engine is told, and what its servers and endpoints are told in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from factory.sampling.endpoint import EndpointSettings
from factory.sampling.vllm_server import ServerSettings

SERVED_NAME = "policy"


class VLLMSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint to serve, and the bounds of its requests (see `EndpointSettings`).

    `gpus`: for each replica, as CUDA_VISIBLE_DEVICES names them; empty: all see what this process sees.

    The rest is for weights that change. `version`: which one the checkpoint's are; None: they never change.
    `update_timeout_s`: of a change, in each server, without the waiting for rows. `in_flight_cache`: whether rows in
    the making are read again with the new weights (their log-probs are then exactly those of the weights that drew
    them), or keep what the old ones have read (faster with long answers). New requests see none of it in either case.
    `sender_gpu`: index of the GPU from which this process sends.
    """

    checkpoint: str
    logs: Path
    role: str = "policy"
    python: str | None = None  # vLLM's interpreter; None: see `find_installation`
    replicas: int = 1
    dtype: str | None = None  # None: the checkpoint's own
    max_model_len: int | None = None
    tensor_parallel: int = 1
    gpu_memory_share: float = 0.9
    gpus: tuple[str, ...] = ()
    start_timeout_s: float = 900.0
    max_in_flight: int = 256  # of all replicas together
    row_deadline_s: float = 3600.0
    answer_timeout_s: float = 1800.0
    version: int | None = None
    update_timeout_s: float = 120.0
    in_flight_cache: Literal["recompute", "keep"] = "recompute"
    sender_gpu: int = 0


def server_settings(settings: VLLMSettings, index: int = 0) -> ServerSettings:
    """Of replica `index`."""
    return ServerSettings(
        checkpoint=settings.checkpoint,
        served_name=SERVED_NAME,
        dtype=settings.dtype,
        max_model_len=settings.max_model_len,
        tensor_parallel=settings.tensor_parallel,
        gpu_memory_share=settings.gpu_memory_share,
        gpus=settings.gpus[index] if settings.gpus else None,
        start_timeout_s=settings.start_timeout_s,
    )


def endpoint_settings(settings: VLLMSettings, revision: str, base_url: str) -> EndpointSettings:
    each = max(1, settings.max_in_flight // settings.replicas)
    return EndpointSettings(
        base_url=base_url,
        model=SERVED_NAME,
        role=settings.role,
        engine="vllm",
        revision=revision,
        api_key_env="",
        flavour="vllm",
        max_in_flight=each,
        initial_in_flight=each,
        row_deadline_s=settings.row_deadline_s,
        idle_timeout_s=settings.answer_timeout_s,
        total_timeout_s=settings.answer_timeout_s,
    )

"""Which way weights take into a vLLM: by what is there."""

from __future__ import annotations

from factory.sampling.errors import RunError
from factory.sampling.weights.push import Transfer


def choose_transfer(*, is_cpu: bool, own_gpus: bool, workers: int, device: int, timeout_s: float) -> Transfer:
    """gloo for the CPU build; NCCL where servers have GPUs of their own; CUDA IPC where one shares the trainer's.

    Args:
        workers: of one server
        device: index of the trainer's GPU

    Raises:
        RunError: several workers where only one can be served.
    """
    if workers > 1 and (is_cpu or not own_gpus):
        reason = f"tensor_parallel = {workers} and weights that change need `gpus` of the servers' own"
        raise RunError("unsupported", reason)
    if is_cpu:
        from factory.sampling.weights.gloo import GlooTransfer

        return GlooTransfer(timeout_s)
    from factory.sampling.weights.native import IpcTransfer, NcclTransfer

    return NcclTransfer(device, workers) if own_gpus else IpcTransfer(device)

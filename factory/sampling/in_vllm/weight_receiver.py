"""Runs inside vLLM: receives a trainer's weights, and says what arrived.

vLLM imports this file by its name from its folder, so it may import nothing of ours. We import it too, for what both
sides must do alike: hence nothing of vLLM's at the top.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

SECRET_ENV = "FACTORY_VLLM_GUARD"
SECRET_HEADER = b"x-factory-guard"
OPEN_PATHS = ("/v1/", "/inference/", "/health", "/version")
CPU_WORDS, GPU_WORDS = 2**15, 2**22  # of eight bytes, mixed at a time: what a core's cache holds, what fills a GPU
# The constants of splitmix64, as signed 64-bit integers.
STEP, FIRST, SECOND = (c - 2**64 for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def checksum(tensor: Tensor) -> str:
    """Type, shape, and 64 bits that depend on every byte and its place. The same on every device.

    The sum, modulo 2^64, of splitmix64 of each word of eight bytes, its place the seed (the last word filled up with
    zeros). It finds accidents, not forgeries.
    """
    raw = as_bytes(tensor.detach().contiguous())
    if raw.storage_offset() % 8:
        raw = raw.clone()
    whole = raw.numel() // 8 * 8
    words = raw[:whole].view(torch.int64)
    tail = torch.nn.functional.pad(raw[whole:], (0, (whole - raw.numel()) % 8)).view(torch.int64)
    total = _sum(words, 0) + _sum(tail, words.numel())
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{dtype}{list(tensor.shape)} {total % 2**64:016x}"


def _sum(words: Tensor, place: int) -> int:
    """Of the mixed words, the first of which is at `place`."""
    size = min(words.numel(), CPU_WORDS if words.device.type == "cpu" else GPU_WORDS)
    seed = torch.arange(place + 1, place + 1 + size, device=words.device).mul_(STEP)
    mixed, spare = torch.empty_like(seed), torch.empty_like(seed)  # a new tensor each time would cost most of the time
    total = 0
    for first in range(0, words.numel(), size or 1):
        part = words[first : first + size]
        x, y = mixed[: len(part)], spare[: len(part)]
        torch.add(part, seed[: len(part)], out=x)
        for shift, factor in ((30, FIRST), (27, SECOND), (31, 1)):
            torch.bitwise_right_shift(x, shift, out=y)
            x.bitwise_xor_(y.bitwise_and_(2 ** (64 - shift) - 1)).mul_(factor)  # the shift fills with zeros so
        total += int(x.sum())
        seed.add_(torch.tensor(size, device=words.device).mul_(STEP))
    return total


def gloo_pair(folder: str, rank: int, seconds: float) -> Any:  # noqa: ANN401 - a ProcessGroupGloo
    """One end of a connection between the trainer (rank 0) and one worker (rank 1), over the loopback device.

    They find each other through a file in `folder`, which nobody else may enter.
    """
    distributed: Any = torch.distributed
    gloo = distributed.ProcessGroupGloo
    options = gloo._Options()
    options._devices = [gloo.create_device(hostname="127.0.0.1")]
    options._timeout = timedelta(seconds=seconds)
    return gloo(distributed.FileStore(os.path.join(folder, "store"), 2), rank, 2, options)


def as_bytes(tensor: Tensor) -> Tensor:
    """The same memory as bytes: a transport need not know the type."""
    return tensor.reshape(-1).view(torch.uint8)


def encode_ipc(arguments: Sequence[Any]) -> list[Any]:
    """The plain values of what `torch.multiprocessing.reductions.reduce_tensor` gives for a flat tensor of bytes."""
    _, size, stride, offset, _, _, *rest = arguments
    coded = [base64.b64encode(value).decode() if isinstance(value, bytes) else value for value in rest]
    return [list(size), list(stride), offset, *coded]


def decode_ipc(values: Sequence[Any], device: int) -> tuple[Any, ...]:
    """The arguments of `rebuild_cuda_tensor` on this process's `device`, the same GPU as the sender's."""
    size, stride, offset, _, *coded = values
    rest = [base64.b64decode(value) if isinstance(value, str) else value for value in coded]
    kinds = (torch.Tensor, torch.Size(size), tuple(stride), offset, torch.UntypedStorage, torch.uint8)
    return (*kinds, device, *rest)


def unpacked(buffer: Tensor, tensors: Iterable[tuple[str, str, list[int]]]) -> list[tuple[str, Tensor]]:
    """Copies of the tensors (name, type, shape) that lie in a buffer of bytes one after the other."""
    found, first = [], 0
    for name, dtype, shape in tensors:
        empty = torch.empty(shape, dtype=getattr(torch, dtype), device=buffer.device)
        flat = as_bytes(empty)
        flat.copy_(buffer[first : first + flat.numel()])
        first += flat.numel()
        found.append((name, empty))
    return found


class WeightsWorker:
    """Mixed into vLLM's worker, whose methods `/collective_rpc` calls with texts alone."""

    def note_weights(self) -> None:
        """From now on, note the checksum of each tensor that the model is told to load."""
        model, noted = self._served_model(), dict[str, str]()
        load = type(model).load_weights

        def load_noted(weights: Iterable[tuple[str, Tensor]], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            return load(model, _noted(weights, noted), *args, **kwargs)

        model.load_weights = load_noted
        self.factory_noted = noted

    def noted_weights(self) -> dict[str, str]:
        """Checksums by name since `note_weights`; none is noted any more."""
        del self._served_model().load_weights
        noted: dict[str, str] = self.factory_noted
        return noted

    def receive_over_gloo(self, told: str) -> dict[str, str]:
        """Receive all weights, then load them. `told` is JSON: folder, seconds, tensors [[name, type, shape], ...]."""
        plan = json.loads(told)
        pair = gloo_pair(plan["folder"], 1, plan["seconds"])
        received = []
        for name, dtype, shape in plan["tensors"]:
            tensor = torch.empty(shape, dtype=getattr(torch, dtype))
            pair.recv([as_bytes(tensor)], 0, 0).wait()
            received.append((name, tensor))
        self.note_weights()
        try:
            self.reload_weights(weights_iterator=iter(received))  # type: ignore[attr-defined]
            _pack_again(self._served_model())
        finally:
            noted = self.noted_weights()
        return noted

    def receive_over_ipc(self, told: str) -> None:
        """Load a part of the weights from the trainer's memory on this GPU. `told` is JSON: handle, tensors."""
        from torch.multiprocessing.reductions import rebuild_cuda_tensor
        from vllm.config import set_current_vllm_config  # type: ignore[import-not-found]
        from vllm.model_executor.model_loader.mtp_validation import (  # type: ignore[import-not-found]
            disable_mtp_completeness_check,
        )

        plan = json.loads(told)
        device: torch.device = self.device  # type: ignore[attr-defined]
        buffer = rebuild_cuda_tensor(*decode_ipc(plan["handle"], device.index))  # type: ignore[no-untyped-call]
        with set_current_vllm_config(self.vllm_config), disable_mtp_completeness_check():  # type: ignore[attr-defined]
            self._served_model().load_weights(unpacked(buffer, plan["tensors"]))
        torch.cuda.synchronize(device)

    def _served_model(self) -> Any:  # noqa: ANN401 - vLLM's
        return self.model_runner.get_model()  # type: ignore[attr-defined]


def _pack_again(model: Any) -> None:  # noqa: ANN401 - vLLM's
    """The CPU build multiplies by a packed copy of a weight, and reloading packs only what was loaded by its own name:
    an output layer that is tied to the input's would go on with its old copy (vLLM 0.32.0).
    """
    for layer in model.modules():
        if hasattr(layer, "cpu_linear") and layer.weight.numel():
            layer.quant_method.process_weights_after_loading(layer)


def _noted(weights: Iterable[tuple[str, Tensor]], noted: dict[str, str]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in weights:
        noted[name] = checksum(tensor)
        yield name, tensor


class Guard:
    """ASGI middleware: vLLM's routes for development are for whoever started it, not for all users of the machine."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self._secret = os.environ[SECRET_ENV].encode()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        if scope["type"] == "http" and not scope["path"].startswith(OPEN_PATHS):
            given = dict(scope["headers"]).get(SECRET_HEADER, b"")
            if not hmac.compare_digest(given, self._secret):
                await send({"type": "http.response.start", "status": 403, "headers": []})
                await send({"type": "http.response.body", "body": b"not allowed"})
                return
        await self._app(scope, receive, send)

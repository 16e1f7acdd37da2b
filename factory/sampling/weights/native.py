"""Weights to a vLLM on GPUs, through its own weight-transfer API (`--weight-transfer-config`).

AWAITS A GPU TEST: written from the source of vLLM 0.32.0 and of torch 2.13, and never run, as there was no GPU with a
vLLM beside it. What is tested is what the CPU build shares: the order of pause, note, send, compare, label, resume.

- NCCL, where the servers have GPUs of their own: one communicator per server, the trainer its rank 0. It is made with a
  unique id sent over HTTP, so that no vLLM is needed on the trainer's side; vLLM's warm-up is one all-reduce.
- IPC, where a server shares the trainer's GPU: the weights go through a buffer on it. vLLM's own route takes pickles;
  the handle goes to our extension as plain values instead.

Weights are sent from the copy on the CPU that `Latest` keeps: a replica that is started again gets them the same way.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import torch
from torch import Tensor

from factory.sampling.in_vllm.weight_receiver import as_bytes, encode_ipc
from factory.sampling.weights.background import beside
from factory.sampling.weights.latest import Latest
from factory.sampling.weights.routes import DevRoutes

BUFFER_BYTES = 2**30  # of the trainer's GPU, lent to an update over IPC


@contextlib.asynccontextmanager
async def _update(routes: DevRoutes) -> AsyncIterator[list[dict[str, str]]]:
    """Around the sending of all weights. Fills the list with the checksums of what each worker loaded."""
    noted: list[dict[str, str]] = []
    await routes.call("note_weights")
    await routes.post("start_weight_update")
    yield noted
    await routes.post("finish_weight_update")
    noted += await routes.call("noted_weights")


class NcclTransfer:
    """AWAITS A GPU TEST. Broadcasts from `device` (an index) to all workers of a server, tensor by tensor."""

    server_flags = ("--weight-transfer-config", '{"backend":"nccl"}')

    def __init__(self, device: int, workers: int) -> None:
        self._device = device
        self._ranks = 1 + workers
        self._communicator: Any = None
        self._joined: DevRoutes | None = None  # the life of a server that the communicator is with

    async def send(self, latest: Latest, routes: DevRoutes) -> list[dict[str, str]]:
        """As `GlooTransfer.send`."""
        if self._joined is not routes:
            await self._join(routes)
        rows = latest.tensor_list()
        info = {"names": [r[0] for r in rows], "dtype_names": [r[1] for r in rows], "shapes": [r[2] for r in rows]}
        async with _update(routes) as noted:
            await beside(routes.post("update_weights", {"update_info": info}), lambda: self._broadcast(latest))
        return noted

    async def _join(self, routes: DevRoutes) -> None:
        nccl: Any = torch.cuda.nccl
        unique = bytes(nccl.unique_id())
        info = {"nccl_unique_id_b64": base64.b64encode(unique).decode(), "rank_offset": 1, "world_size": self._ranks}
        told = {"init_info": {**info, "packed": False}}
        await beside(routes.post("init_weight_transfer_engine", told), lambda: self._open(unique))
        self._joined = routes

    def _open(self, unique: bytes) -> None:
        nccl: Any = torch.cuda.nccl
        with torch.cuda.device(self._device):
            self._communicator = nccl.init_rank(self._ranks, unique, 0)
            nccl.all_reduce([torch.zeros(1, device="cuda")], comms=[self._communicator])
            torch.cuda.synchronize()

    def _broadcast(self, latest: Latest) -> None:
        nccl: Any = torch.cuda.nccl
        with torch.cuda.device(self._device):
            for tensor in latest.tensors.values():
                nccl.broadcast([tensor.to("cuda")], root=0, comms=[self._communicator])
            torch.cuda.synchronize()


class IpcTransfer:
    """AWAITS A GPU TEST. For a server of one worker on the GPU `device` (an index) that the trainer uses too."""

    server_flags = ("--weight-transfer-config", '{"backend":"ipc"}')

    def __init__(self, device: int) -> None:
        self._device = device

    async def send(self, latest: Latest, routes: DevRoutes) -> list[dict[str, str]]:
        """As `GlooTransfer.send`."""
        async with _update(routes) as noted:
            for part in _parts(latest):
                buffer, handle = self._shared(part)
                rows = [(name, str(one.dtype).removeprefix("torch."), list(one.shape)) for name, one in part]
                await routes.call("receive_over_ipc", {"handle": handle, "tensors": rows})
                del buffer
        return noted

    def _shared(self, part: list[tuple[str, Tensor]]) -> tuple[Tensor, list[Any]]:
        """The tensors one after the other on the GPU, and what lets another process read them there."""
        from torch.multiprocessing.reductions import reduce_tensor

        with torch.cuda.device(self._device):
            buffer = torch.cat([as_bytes(tensor.to("cuda")) for _, tensor in part])
            torch.cuda.synchronize()
            return buffer, encode_ipc(reduce_tensor(buffer)[1])  # type: ignore[no-untyped-call]


def _parts(latest: Latest) -> Iterator[list[tuple[str, Tensor]]]:
    """Tensors in order, as many as fit the buffer; one that does not fit goes alone."""
    part: list[tuple[str, Tensor]] = []
    for name, tensor in latest.tensors.items():
        if part and sum(one.nbytes for _, one in part) + tensor.nbytes > BUFFER_BYTES:
            yield part
            part = []
        part.append((name, tensor))
    if part:
        yield part

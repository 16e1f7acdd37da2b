"""The processes that train together: how they meet, add up, wait for one another, and who tells of a failure."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import msgspec
import torch
from torch import distributed
from torch._C._distributed_c10d import HashStore, PrefixStore
from torch.distributed.rendezvous import rendezvous

from trainer.launch import is_launched

ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
STEP_LIMIT = timedelta(minutes=30)  # after so long without an answer from the others, a step has failed
PATIENCE = timedelta(hours=12)  # while one prepares a large shard or writes a large checkpoint, the others wait
_FAILURES = "trainer/failures"


class World(msgspec.Struct, frozen=True):
    """The processes that train together, and the device of this one."""

    rank: int
    size: int
    device: torch.device
    store: Any = None  # of words that processes leave for one another
    patient: Any = None  # the group of all processes that waits for hours

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def join_world() -> World:
    """Meet the other processes that a launcher started (torchrun, DeepSpeed's, ours); without one, be alone."""
    on_gpu = torch.cuda.is_available()
    if is_launched():
        store, rank, size = next(rendezvous("env://"))
    else:
        os.environ.update(ALONE)
        store, rank, size = HashStore(), 0, 1
    device = torch.device("cpu")
    if on_gpu:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=PrefixStore("trainer", store),
        rank=rank,
        world_size=size,
        timeout=STEP_LIMIT,
        device_id=device if on_gpu and size > 1 else None,
    )
    return World(rank, size, device, store, distributed.new_group(backend="gloo", timeout=PATIENCE))


def leave_world(world: World) -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
    if isinstance(world.store, HashStore):  # no launcher set them: what this process starts next is not one of several
        for name in ALONE:
            os.environ.pop(name, None)


def wait_for_all(world: World) -> None:
    """Until every process is here, for hours if need be."""
    distributed.barrier(group=world.patient)


def from_first(value: Any, world: World) -> Any:  # noqa: ANN401 - any plain value
    """The first process's value, on all of them."""
    held = [value]
    distributed.broadcast_object_list(held, src=0, group=world.patient)
    return held[0]


def sums_over_ranks(values: dict[str, float]) -> dict[str, float]:
    """Each value, summed over all ranks, in fp64. Every rank must have the same names."""
    names = sorted(values)
    vector = torch.tensor([values[name] for name in names], dtype=torch.float64)
    if torch.cuda.is_available():
        vector = vector.cuda()
    distributed.all_reduce(vector)
    return dict(zip(names, vector.tolist(), strict=True))


def any_rank(flag: bool) -> bool:
    """Whether it is true on any rank. Every rank must call it."""
    return sums_over_ranks({"flag": float(flag)})["flag"] > 0


def fails_first(world: World) -> bool:
    """Whether no other process has failed before this one: then it tells why. The others fail because it did."""
    if world.size == 1:
        return True
    try:
        first: bool = world.store.add(_FAILURES, 1) == 1
    except distributed.DistError:  # the process that held the store is gone, and has told why
        return False
    return first


def has_lost_another(err: BaseException) -> bool:
    """Whether this is what a process gets to see when another one is gone."""
    is_backend = isinstance(err, distributed.DistError)
    return is_backend or (isinstance(err, RuntimeError) and "gloo/transport" in str(err))

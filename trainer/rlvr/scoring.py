"""One number for each sampled token of a batch, from a model that is not being trained just now."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, distributed

from trainer.data.micro import MicroBatch
from trainer.data.steps import make_step, micro_batch
from trainer.rlvr.experience import Experience, Floats
from trainer.world import World

Score = Callable[[MicroBatch], Tensor]  # a micro-batch to one number (S,) a trained token


@torch.no_grad()
def score_rows(score: Score, experience: Experience, micro_tokens: int, world: World) -> list[Floats]:
    """For each row one number a sampled token. The ranks share the rows; every rank must call it, all get all."""
    step = make_step(experience, experience.all, micro_tokens, world.rank, world.size)
    mine: dict[int, Floats] = {}
    for bin in step.bins:
        micro = micro_batch(experience, step, bin, world.device)
        values = score(micro).float().cpu().numpy()
        rows = [step.places[row][1] for row in micro.rows]
        ends = np.cumsum([experience.rows[row].n_tokens for row in rows])
        mine |= zip(rows, np.split(values, ends[:-1]), strict=True) if rows else ()
    shares = [mine] * world.size
    if world.size > 1:
        distributed.all_gather_object(shares, mine, group=world.patient)
    found = {row: values for share in shares for row, values in share.items()}
    return [found[row] for row in range(len(experience.rows))]

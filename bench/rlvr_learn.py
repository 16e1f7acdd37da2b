"""Our learner on stored rollouts: what bench/rlvr.py measures. Prints one JSON object.

Of each batch the seconds, of the first one the gradient's norm; the most memory, before the first batch and at all.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from bench import gauges
from factory.sampling.types import Answer
from schemas.records import Message, Prompt
from trainer.engine import Engine
from trainer.flops import size_of
from trainer.model.parted import load_for_engine
from trainer.rlvr.learning import Learner
from trainer.rlvr.rollouts import Group, Rollout
from trainer.rlvr_recipe import RlvrRecipe
from trainer.world import World, join_world, leave_world


def main() -> None:
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    batches = [_groups(json.loads(line)) for line in Path(job["rollouts"]).read_text().splitlines()]
    world = join_world()
    learner = _learner(job, world, len(batches))
    before_mib = gauges.peak_mib()
    seconds, norms = [], []
    for number, groups in enumerate(batches):
        began = gauges.now()
        learned = learner.learn(groups, number)
        seconds.append(gauges.now() - began)
        norms.append(learned.figures["grad_norm"])
    found = {"seconds": seconds, "norm": norms[0], "before_mib": before_mib, "peak_mib": gauges.peak_mib()}
    leave_world(world)
    print(json.dumps(found))


def _learner(job: dict[str, Any], world: World, batches: int) -> Learner:
    recipe = RlvrRecipe(
        max_steps=batches,
        model={"dtype": job["dtype"], "gradient_checkpointing": job["gradient_checkpointing"]},
        rollouts={"prompts": job["prompts"], "per_prompt": job["per_prompt"], "max_tokens": job["max_tokens"]},
        rows={"max_length": job["max_length"]},
        batch={"rows": job["rows"] // job["updates"], "micro_tokens": job["micro_tokens"]},
        policy={"importance_cap": 0.0},
        optimizer={"lr": job["lr"]},
        schedule={"shape": "constant", "warmup": 0.0},
        kl={"measured": False},
    )
    model = load_for_engine(Path(job["model"]), recipe, "logprobs")
    size = size_of(model.model)
    return Learner(Engine(model, recipe, world), None, None, recipe, world, size)


def _groups(rows: list[dict[str, Any]]) -> list[Group]:
    found = groupby(rows, key=lambda row: row["group"])
    return [
        Group(draw=number, prompt=_prompt(number), rollouts=[_rollout(row) for row in all]) for number, all in found
    ]


def _prompt(number: int) -> Prompt:
    """Its text is read by nobody: the rollouts have its token ids."""
    messages = [Message("user", str(number))]
    return Prompt(prompt_id=str(number), prompt=messages, source="made", source_id=str(number), licence="unknown")


def _rollout(row: dict[str, Any]) -> Rollout:
    answer = Answer(
        text="",
        finish_reason="stop",
        n_prompt_tokens=len(row["prompt"]),
        n_completion_tokens=len(row["ids"]),
        prompt_token_ids=row["prompt"],
        token_ids=row["ids"],
        logprobs=[0.0] * len(row["ids"]),  # nothing is corrected by them
    )
    return Rollout(answer=answer, seed=0, reward=row["reward"], parts={}, correct=None, reason="made")


if __name__ == "__main__":
    main()

"""RLVR: the learner beside TRL's GRPO step on the same stored rollouts, and the whole loop in turns and asynchronous.

    python -m bench.rlvr --trl PYTHON_WITH_TRL [--parts learner loop] [--rounds 2] [--updates 1] [--engine vllm]

`learner`: batches of stored rollouts (random token ids, rewards of 0 and 1) through `Learner.learn`, which packs them,
and through TRL's GRPO trainer, which pads a batch to its longest prompt and its longest answer. Both have the same
model, rollouts, AdamW, dtype, threads, updates, gradient checkpointing and places in a forward pass (ours may fill as
many as TRL's micro-batch of the longest rows has), no KL and no correction for the sampler. That they compute the same
is seen by the norm of the first batch's gradient (with one update: several are of other rows). Time is of a whole
batch: advantages, log-probs before the update where they are needed (`--updates` above 1), loss, update. Once with
uneven lengths (log-normal), once with all rows of one length: there is no padding in the second, and the quotient of
the two ratios is what packing alone gives.

`loop`: `trainer rlvr` on a made task with `rollouts.max_age` 0 (sampling and learning take turns), 1 and 2 (batches in
the making while one is learnt from, weights updated in flight). Where sampler and learner share their cores or their
one GPU, the two can only fill each other's gaps; `apart at best` is what the seconds of the run in turns would come to
with a machine for each.

Each run is a process of its own; runs take turns and the best round counts: other work on the machine only slows. A
round that might go over the part's share of `--limit-s` is not begun. Nothing is downloaded. With a GPU the scale is
that of one GPU: Qwen3-0.6B's shape in bf16 (TRL trains the bf16 weights themselves, ours keeps fp32 ones beside them).
Memory: the GPU's most allocated memory, on a CPU the process's largest; `before`: until the first batch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bench import child, rlvr_loop, rlvr_rollouts
from bench.rlvr_rollouts import Stored

WARM_UP = 1  # batches of the learner
T = TypeVar("T")


class Learnt(msgspec.Struct, frozen=True):
    """What a learner printed. `seconds`: of each batch; `norm`: of the first batch's gradient, the mean of updates."""

    seconds: list[float]
    norm: float
    before_mib: float
    peak_mib: float

    @property
    def batch_s(self) -> float:
        measured = self.seconds[WARM_UP:]
        return sum(measured) / len(measured)


class Bench(msgspec.Struct, frozen=True):
    home: Path
    scale: str
    on_gpu: bool
    args: argparse.Namespace


def main() -> None:
    args = _arguments()
    on_gpu = _has_cuda()
    if not on_gpu:
        os.environ["DS_ACCELERATOR"] = "cpu"  # else DeepSpeed says that it finds no GPU
    began, limit_s = time.monotonic(), args.limit_s or (540 if on_gpu else 1800)
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(Path(home), args.scale or ("gpu" if on_gpu else "cpu"), on_gpu, args)
        print(f"scale {bench.scale}, {args.threads} threads, load {os.getloadavg()[0]:.1f}", flush=True)
        jobs = [partial(learner, bench, lengths) for lengths in args.lengths if "learner" in args.parts]
        jobs += [partial(loop, bench)] if "loop" in args.parts else []
        for at, job in enumerate(jobs):
            left = began + limit_s - time.monotonic()
            job(time.monotonic() + left / (len(jobs) - at))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl", metavar="PYTHON", help="an interpreter with TRL; without it only ours is measured")
    parser.add_argument("--parts", nargs="+", default=["learner", "loop"], choices=["learner", "loop"])
    parser.add_argument("--lengths", nargs="+", default=["uneven", "equal"], choices=["uneven", "equal"])
    parser.add_argument("--scale", choices=rlvr_loop.SCALES, help="by default what suits the machine")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--updates", type=int, default=1, help="of a batch, in the part learner")
    parser.add_argument("--recompute", action="store_true", help="gradient checkpointing, for all")
    parser.add_argument("--trl-attention", default="sdpa", help="flash_attention_2 where it is installed")
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers", help="of the part loop")
    parser.add_argument("--ages", type=int, nargs="+", default=[0, 1, 2], help="rollouts.max_age, in the part loop")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit-s", type=float, help="of all that is run; by default 540 on a GPU, 1,800 on a CPU")
    return parser.parse_args()


def learner(bench: Bench, lengths: str, until: float) -> None:
    """Until then another round may begin."""
    scale = rlvr_rollouts.SCALES[bench.scale]
    if not (bench.home / "model").exists():
        rlvr_rollouts.make_policy(bench.home / "model", scale)
    stored = rlvr_rollouts.store(bench.home / f"{lengths}.jsonl", scale, equal=lengths == "equal")
    job = json.dumps(_job(bench, scale, stored))
    clients = {"trainer": lambda: _learn([sys.executable, "-m", "bench.rlvr_learn", job], bench)}
    if bench.args.trl:
        clients["TRL"] = lambda: _learn([bench.args.trl, "-m", "bench.trl_grpo", job], bench)
    found = list(rounds(lambda: {name: run() for name, run in clients.items()}, bench.args.rounds, until))
    _show_learner(lengths, stored, scale, found)


def _job(bench: Bench, scale: rlvr_rollouts.Scale, stored: Stored) -> dict[str, Any]:
    return {
        "model": str(bench.home / "model"),
        "rollouts": str(stored.path),
        "dtype": "bf16" if bench.on_gpu else "fp32",
        "threads": bench.args.threads,
        "gradient_checkpointing": bench.args.recompute,
        "attention": bench.args.trl_attention,
        "updates": bench.args.updates,
        "lr": 1e-6,
        "prompts": scale.prompts,
        "per_prompt": scale.per_prompt,
        "rows": scale.rows,
        "max_tokens": stored.longest[1],
        "max_length": sum(stored.longest),
        "micro_rows": scale.micro_rows,
        "micro_tokens": sum(stored.longest) * scale.micro_rows,
    }


def _learn(command: list[str], bench: Bench) -> Learnt:
    said = child.run(command, bench.args.threads).said
    return msgspec.json.decode(said.splitlines()[-1], type=Learnt)


def loop(bench: Bench, until: float) -> None:
    scale = rlvr_loop.SCALES[bench.scale]
    space = rlvr_loop.make_space(bench.home, scale)
    numbers = iter(range(1000))

    def each_age() -> dict[int, rlvr_loop.Speed]:
        number = next(numbers)
        return {
            age: rlvr_loop.run(space, space / f"run-{number}-{age}", scale, age, bench.args) for age in bench.args.ages
        }

    _show_loop(scale, bench.args.engine, list(rounds(each_age, bench.args.rounds, until)))


def rounds(measure: Callable[[], T], wanted: int, until: float) -> Iterator[T]:
    """As many as were asked for, or as there is time for; at least one."""
    took = 0.0
    for number in range(wanted):
        if number and time.monotonic() + took > until:
            print(f"no time for round {number + 1}", flush=True)
            return
        began = time.monotonic()
        yield measure()
        took = time.monotonic() - began


def _show_learner(lengths: str, stored: Stored, scale: rlvr_rollouts.Scale, found: list[dict[str, Learnt]]) -> None:
    share = f"{stored.tokens:,.0f} tokens, {stored.tokens / stored.places:.0%} of the places when padded"
    print(f"\nlearner, {lengths} lengths: {scale.rows} rollouts a batch, {share}   ({len(found)} rounds)")
    print(
        f"{'':5}{'client':<10}{'tokens/s':>10}{'answer tokens/s':>17}{'batch s':>9}{'peak MiB':>10}{'before':>9}"
        f"{'gradient norm':>15}{'batch s of each round':>25}"
    )
    best = {name: min((each[name] for each in found), key=lambda one: one.batch_s) for name in found[0]}
    for name, one in best.items():
        speed = f"{stored.tokens / one.batch_s:>10,.0f}{stored.answer_tokens / one.batch_s:>17,.0f}{one.batch_s:>9.2f}"
        each = " ".join(f"{one[name].batch_s:.2f}" for one in found)
        print(f"{'':5}{name:<10}{speed}{one.peak_mib:>10,.0f}{one.before_mib:>9,.0f}{one.norm:>15.6f}{each:>25}")
    if "TRL" in best:
        print(f"     trainer / TRL: {best['TRL'].batch_s / best['trainer'].batch_s:.2f}", flush=True)


def _show_loop(scale: rlvr_loop.Scale, engine: str, found: list[dict[int, rlvr_loop.Speed]]) -> None:
    print(f"\nloop, engine {engine}: {scale.rows} rollouts a batch   ({len(found)} rounds)")
    print(
        f"{'':5}{'max_age':<9}{'rollouts/s':>11}{'tokens/s':>10}{'batches/min':>13}{'waited s':>10}{'learn s':>9}"
        f"{'sync s':>8}{'age':>6}{'stale':>7}{'gap':>9}{'whole s':>9}"
    )
    best = {age: max((each[age] for each in found), key=lambda one: one.rollouts_s) for age in found[0]}
    for age, one in best.items():
        speed = f"{one.rollouts_s:>11.1f}{one.tokens_s:>10,.0f}{60 / one.seconds:>13.1f}"
        times = f"{one.waited_s:>10.2f}{one.learn_s:>9.2f}{one.sync_s:>8.2f}"
        rest = f"{one.age:>6.1f}{one.stale:>7.1f}{one.gap:>9.5f}{one.whole_s:>9.1f}"
        print(f"{'':5}{age:<9}{speed}{times}{rest}", flush=True)
    if 0 in best:
        turns = best[0]
        ratios = ", ".join(
            f"max_age {age}: {one.rollouts_s / turns.rollouts_s:.2f}" for age, one in best.items() if age
        )
        apart = turns.seconds / max(turns.waited_s, turns.learn_s + turns.sync_s)
        print(f"     to max_age 0: {ratios}; apart at best: {apart:.2f}", flush=True)


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    main()

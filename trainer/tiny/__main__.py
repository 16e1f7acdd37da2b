"""python -m trainer.tiny --out FOLDER [--task chain_sum] [--minutes 1 | --steps N] [--seed 0] [--threads N]"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from trainer.tiny.task import TASKS

DESCRIPTION = "Make a language model of about a million parameters and train it on sums for a minute, on the CPU."


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m trainer.tiny", description=DESCRIPTION)
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint folder to write")
    parser.add_argument("--task", choices=sorted(TASKS), default="chain_sum")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="train for so long at most (default: 1)")
    length.add_argument("--steps", type=int, help="train for exactly so many steps; 0: random weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="default: as many as there are cores")
    args = parser.parse_args(argv)
    _set_threads(args.threads)
    return _make(args)


def _set_threads(threads: int | None) -> None:
    # Threads that spin while they wait for one another are many times slower where others use the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if threads is not None:
        torch.set_num_threads(threads)


def _make(args: argparse.Namespace) -> int:
    from trainer.tiny.make import MOST_STEPS, make_tiny
    from trainer.tiny.measure import measure

    steps = MOST_STEPS if args.steps is None else args.steps
    minutes = math.inf if args.steps is not None else args.minutes or 1.0
    try:
        made = make_tiny(args.out, task=args.task, steps=steps, minutes=minutes, seed=args.seed)
    except (FileExistsError, ValueError) as err:
        print(f"trainer.tiny: {err}", file=sys.stderr)
        return 2
    if made.trained is None:
        print(f"{made.folder}: {made.parameters:,} parameters, random weights")
        return 0
    trained = made.trained
    print(
        f"{made.folder}: {made.parameters:,} parameters, {trained.steps} steps in {trained.seconds:.0f} s "
        f"({trained.tokens:,} trained tokens), loss {trained.loss:.3f}"
    )
    found = measure(made.folder, TASKS[args.task], args.seed)
    print(
        f"{found.prompts} held-out prompts, {found.samples} answers each at temperature 1: {found.accuracy:.0%} right; "
        f"{found.mixed:.0%} of the prompts have a right and a wrong answer"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

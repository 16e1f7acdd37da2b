"""Make the demo's base model, and measure it.

    python -m bench.demo_base --out FOLDER [--seed 0] [--threads 1] [--share 1.0]

A run that was stopped goes on where it last saved. It prints what it does, and writes manifest.json beside the
checkpoint: the recipe, the versions, the figures and the hash of every file. Equal versions, seed and threads give
equal weights. Train and evaluation prompts differ by seed and by text.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the recipe's steps")
    args = parser.parse_args()
    # Threads that spin while they wait for one another are many times slower where others use the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch
    from transformers.utils import logging

    from bench.demo_base.make import make_base, recipe

    logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    make_base(args.out, recipe(args.share), args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())

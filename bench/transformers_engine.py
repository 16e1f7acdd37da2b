"""Sampled tokens a second of the `transformers` engine beside Hugging Face's `generate()`, one model, one run.

    python -m bench.transformers_engine [--checkpoint DIR] [--rows 2048] [--batch 256 512] [--threads 2] [--rounds 2]

Without a checkpoint it makes the tiny model (0.9 million parameters, random weights). `fixed` draws 64 tokens a row;
`mixed` draws 8 to 128, so that a batch that waits for its longest row shows what that costs. Tokens a CPU second say
more than tokens a second where others use the machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the engine does before it loads torch

import torch
import transformers

from factory.sampling.transformers import TransformersEngine, TransformersSettings
from factory.sampling.types import SamplingParams
from schemas.records import Message
from trainer.tiny.make import make_tiny

QUESTION = "State the final answer to the following arithmetic problem: {} + {} - {} ="
WORKLOADS: dict[str, Callable[[int], int]] = {"fixed": lambda row: 64, "mixed": lambda row: 8 + row * 37 % 121}


@dataclass(frozen=True)
class Round:
    tokens: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Measured:
    name: str
    workload: str
    batch: int
    rounds: list[Round]


def question(row: int) -> list[Message]:
    return [Message("user", QUESTION.format(row % 10, row // 10 % 10, row // 100 % 10))]


async def engine_round(engine: TransformersEngine, workload: str, rows: int) -> Round:
    lengths = WORKLOADS[workload]

    async def one(row: int) -> int:
        params = SamplingParams(seed=row, max_tokens=lengths(row), logprobs=True, token_ids=True)
        return (await engine.sample(question(row), 1, params))[0].n_completion_tokens

    wall, cpu = time.perf_counter(), time.process_time()
    tokens = sum(await asyncio.gather(*map(one, range(rows))))
    return Round(tokens, time.perf_counter() - wall, time.process_time() - cpu)


async def measure_engine(folder: Path, batch: int, args: argparse.Namespace) -> list[Measured]:
    engine = TransformersEngine(TransformersSettings(checkpoint=str(folder), max_rows=batch, threads=args.threads))
    await engine.start()
    try:
        await engine_round(engine, "fixed", batch)  # first touch of the memory
        return [
            Measured("engine", name, batch, [await engine_round(engine, name, args.rows) for _ in range(args.rounds)])
            for name in WORKLOADS
        ]
    finally:
        await engine.close()


def measure_generate(folder: Path, batch: int, args: argparse.Namespace) -> list[Measured]:
    """What a plain script does: batches of one size, left padding, each as long as its longest row."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return [
        Measured("generate()", name, batch, [generate_round(model, tokenizer, name, batch, args.rows)])
        for name in WORKLOADS
    ]


def generate_round(model, tokenizer, workload: str, batch: int, rows: int) -> Round:
    wall, cpu = time.perf_counter(), time.process_time()
    groups = [range(first, min(rows, first + batch)) for first in range(0, rows, batch)]
    tokens = sum(_generate(model, tokenizer, workload, group) for group in groups)
    return Round(tokens, time.perf_counter() - wall, time.process_time() - cpu)


@torch.inference_mode()
def _generate(model, tokenizer, workload: str, group: range) -> int:
    chats = [[{"role": "user", "content": question(row)[0].content}] for row in group]
    inputs = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    wanted = [WORKLOADS[workload](row) for row in group]
    out = model.generate(**inputs, do_sample=True, top_k=0, max_new_tokens=max(wanted))
    new = out[:, inputs["input_ids"].shape[1] :]
    lengths = ((new == tokenizer.eos_token_id).cumsum(1).cumsum(1) <= 1).sum(1)
    return sum(min(length, most) for length, most in zip(lengths.tolist(), wanted, strict=True))


def show(results: list[Measured], args: argparse.Namespace) -> None:
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {args.threads} threads, load {os.getloadavg()[0]:.1f}; ", end=""
    )
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, float32")
    print(f"{'':12}{'workload':10}{'batch':>6}{'tokens':>9}{'tok/s':>9}{'tok/CPU s':>11}  tok/s of all rounds")
    for result in results:
        best = min(result.rounds, key=lambda one: one.wall_s)
        rates = " ".join(f"{one.tokens / one.wall_s:,.0f}" for one in result.rounds)
        columns = f"{best.tokens:>9,}{best.tokens / best.wall_s:>9,.0f}{best.tokens / best.cpu_s:>11,.0f}"
        print(f"{result.name:12}{result.workload:10}{result.batch:>6}{columns}  {rates}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--batch", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.checkpoint or make_tiny(Path(scratch) / "tiny", steps=0).folder
        results: list[Measured] = []
        for batch in args.batch:
            results += asyncio.run(measure_engine(folder, batch, args))
            results += measure_generate(folder, batch, args)
    show(results, args)


if __name__ == "__main__":
    main()

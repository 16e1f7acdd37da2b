"""Sampled tokens a second of the `transformers` engine beside Hugging Face's `generate()`, one model, one run.

    python bench/transformers_engine.py [--checkpoint DIR] [--rows 4096] [--threads 2] [--rounds 3]

Without a checkpoint it makes the tiny model (0.9 million parameters, random weights). `fixed` draws 64 tokens a row;
`mixed` draws 8 to 128, so that a batch that waits for its longest row shows what that costs.
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
class Measured:
    name: str
    workload: str
    batch: int
    tokens_per_s: list[float]


def question(row: int) -> list[Message]:
    return [Message("user", QUESTION.format(row % 10, row // 10 % 10, row // 100 % 10))]


async def engine_round(engine: TransformersEngine, workload: str, rows: int) -> float:
    lengths = WORKLOADS[workload]

    async def one(row: int) -> int:
        params = SamplingParams(seed=row, max_tokens=lengths(row), logprobs=True, token_ids=True)
        return (await engine.sample(question(row), 1, params))[0].n_completion_tokens

    began = time.perf_counter()
    tokens = sum(await asyncio.gather(*map(one, range(rows))))
    return tokens / (time.perf_counter() - began)


async def measure_engine(folder: Path, batch: int, rows: int, threads: int, rounds: int) -> list[Measured]:
    engine = TransformersEngine(TransformersSettings(checkpoint=str(folder), max_rows=batch, threads=threads))
    await engine.start()
    try:
        await engine_round(engine, "fixed", batch)  # first touch of the memory
        return [
            Measured("engine", name, batch, [await engine_round(engine, name, rows) for _ in range(rounds)])
            for name in WORKLOADS
        ]
    finally:
        await engine.close()


def measure_generate(folder: Path, batch: int, rows: int, rounds: int) -> list[Measured]:
    """What a plain script does: batches of one size, left padding, each as long as its longest row."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return [
        Measured(
            "generate()", name, batch, [_generate_round(model, tokenizer, name, batch, rows) for _ in range(rounds)]
        )
        for name in WORKLOADS
    ]


@torch.inference_mode()
def _generate_round(model, tokenizer, workload: str, batch: int, rows: int) -> float:
    began, tokens = time.perf_counter(), 0
    for first in range(0, rows, batch):
        group = range(first, min(rows, first + batch))
        chats = [[{"role": "user", "content": question(row)[0].content}] for row in group]
        inputs = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        )
        wanted = [WORKLOADS[workload](row) for row in group]
        out = model.generate(**inputs, do_sample=True, top_k=0, max_new_tokens=max(wanted))
        new = out[:, inputs["input_ids"].shape[1] :]
        ended = (new == tokenizer.eos_token_id).cumsum(1).cumsum(1) <= 1
        tokens += sum(min(int(length), most) for length, most in zip(ended.sum(1), wanted, strict=True))
    return tokens / (time.perf_counter() - began)


def show(results: list[Measured], args: argparse.Namespace) -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {args.threads} threads, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}; torch {torch.__version__}, transformers {transformers.__version__}, float32")
    print(f"{'':12}{'workload':10}{'batch':>6}  {'best tok/s':>10}  all rounds")
    for result in results:
        rounds = " ".join(f"{value:,.0f}" for value in result.tokens_per_s)
        best = max(result.tokens_per_s)
        print(f"{result.name:12}{result.workload:10}{result.batch:>6}  {best:>10,.0f}  {rounds}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--batch", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.checkpoint or make_tiny(Path(scratch) / "tiny", steps=0).folder
        results: list[Measured] = []
        for batch in args.batch:
            results += asyncio.run(measure_engine(folder, batch, args.rows, args.threads, args.rounds))
            results += measure_generate(folder, batch, args.rows, 1)
    show(results, args)


if __name__ == "__main__":
    main()

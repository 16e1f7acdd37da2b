"""Real tokens a second and peak memory of SFT and DPO, beside TRL, on the same model, rows and number of steps.

    python -m bench.train --trl PYTHON_WITH_TRL [--kinds sft dpo] [--steps 20] [--rounds 2] [--recompute]

On a GPU (`--scale gpu`) the model has the shape of Qwen3-0.6B in bf16: random weights, 151,936 tokens of vocabulary.
SFT packs 8,192 tokens a step, DPO has 16 pairs; documents have log-normal lengths, their median about 400 tokens, the
longest 4,096. On a CPU (`--scale cpu`) it has some 12 million parameters in fp32, documents of at most 1,024 tokens,
steps of 4,096 tokens or 8 pairs. Nothing is downloaded.

Each run is a process of its own; ours and theirs take turns, and the best round counts: other work on the machine only
slows. The first three steps are left out. DPO has as many pairs as it trains on: we compute the reference's log-probs
of a whole version before the first step (that is in the whole command's time, not in the steps'), TRL within each step.
Tokens are real ones: no padding counts. A round that might go over
`--limit-s` is not begun. Memory: the GPU's most allocated memory, on a CPU the process's largest. MFU: by the formula
in trainer/flops.py. Ours keeps fp32 weights beside the bf16 ones; TRL trains the bf16 weights themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.train_data import SCALES, Scale, conversations, make_model, write_jsonl

WARM_UP = 3  # steps


class Bench(msgspec.Struct, frozen=True):
    """Where everything lies, and how much of it is run."""

    space: Path
    scale: Scale
    on_gpu: bool
    args: argparse.Namespace


def main() -> None:
    args = _arguments()
    on_gpu = _has_cuda()
    scale = SCALES[args.scale or ("gpu" if on_gpu else "cpu")]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(make_space(Path(home), scale, args.steps * scale.dpo_rows), scale, on_gpu, args)
        print(f"model and data made in {time.monotonic() - began:.0f} s", flush=True)
        for at, kind in enumerate(args.kinds):
            left = began + args.limit_s - time.monotonic()
            report(kind, list(rounds(kind, bench, time.monotonic() + left / (len(args.kinds) - at))))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl", metavar="PYTHON", help="an interpreter with TRL; without it only ours is measured")
    parser.add_argument("--kinds", nargs="+", default=["sft", "dpo"], choices=["sft", "dpo"])
    parser.add_argument("--scale", choices=SCALES, help="by default what suits the machine")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--recompute", action="store_true", help="gradient checkpointing, for both")
    parser.add_argument("--trl-attention", default="sdpa", help="flash_attention_2 where it is installed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit-s", type=float, default=540.0, help="of all that is run")
    return parser.parse_args()


def make_space(home: Path, scale: Scale, pairs: int) -> Path:
    """Model, versions and JSONL files."""
    from factory.cli import main as factory

    os.environ["FACTORY_HOME"] = str(home / "data")
    strong, weak = conversations(0, scale), conversations(1, scale)
    make_model(home / "model", [text for pair in strong for text in pair], scale)
    asked = [{"prompt": prompt, "completion": answer} for prompt, answer in strong]
    worse = [{"prompt": row["prompt"], "completion": answer} for row, (_, answer) in zip(asked, weak, strict=True)]
    write_jsonl(home / "strong.jsonl", asked)
    write_jsonl(home / "weak.jsonl", worse)
    chat = [{"messages": _turns(row["prompt"], row["completion"])} for row in asked]
    write_jsonl(home / "sft.jsonl", chat)
    rows = [
        {"prompt": _turns(row["prompt"]), "chosen": _answer(row), "rejected": _answer(other)}
        for row, other in zip(asked, worse, strict=True)
    ]
    write_jsonl(home / "dpo.jsonl", rows[:pairs])
    recipe = (
        'data = "prompts@v1"\nmethod = "delta"\ntruncated = "drop"\nseed = 0\n'
        f'[[policy]]\nmodel = "replay:{home}/strong.jsonl"\nname = "strong"\n'
        f'[[policy]]\nmodel = "replay:{home}/weak.jsonl"\nname = "weak"\n[delta]\nmeasure = 0\n'
    )
    (home / "delta.toml").write_text(recipe)
    commands = [
        f"build prompts --source {home}/strong.jsonl --prompt-column prompt --out prompts",
        f"build completions --data prompts@v1 --policy replay:{home}/strong.jsonl --out sft",
        f"build preference --recipe {home}/delta.toml --limit {pairs} --out dpo",
    ]
    for command in commands:
        if factory(command.split()):
            raise SystemExit(f"factory {command}: failed")
    return home


def rounds(kind: str, bench: Bench, until: float) -> Iterator[dict[str, dict[str, Any]]]:
    """As many as were asked for, or as there is time for; at least one."""
    took = 0.0
    for number in range(bench.args.rounds):
        if number and time.monotonic() + took > until:
            print(f"{kind}: no time for round {number + 1}", flush=True)
            return
        began = time.monotonic()
        found = {"trainer": ours(kind, number, bench)}
        if bench.args.trl:
            found["TRL"] = theirs(kind, number, bench)
        took = time.monotonic() - began
        yield found


def ours(kind: str, number: int, bench: Bench) -> dict[str, Any]:
    scale, out = bench.scale, bench.space / f"{kind}-{number}"
    if kind == "sft":
        batch = {"rows": 100_000, "tokens": scale.sft_tokens, "micro_tokens": scale.sft_tokens}
    else:
        batch = {"rows": scale.dpo_rows, "micro_tokens": scale.dpo_micro_tokens}
    sets = {f"batch.{name}": value for name, value in batch.items()}
    sets |= {"max_steps": bench.args.steps, "rows.max_length": scale.most_tokens, "rows.too_long": "truncate"}
    sets |= {"optimizer.lr": 1e-5, "schedule.shape": "constant", "schedule.warmup": 0, "run.checkpoint_every": 0}
    sets |= {"model.gradient_checkpointing": str(bench.args.recompute).lower()}
    command = ["--data", f"{kind}@v1", "--model", bench.space / "model", "--out", out, "--processes", 1]
    command += [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    _, peak_mib, whole_s = _run([sys.executable, "-m", "trainer.cli", kind, *command], bench)
    lines = [json.loads(line) for line in Path(f"{out}.run", "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "train"]
    return {
        "seconds": [line["seconds"] for line in steps],
        "tokens": [line["tokens"] for line in steps],
        "losses": [line["loss"] for line in steps],
        "mfu": [line["mfu"] for line in steps if "mfu" in line],
        "peak_mib": steps[-1]["gpu_gib"] * 1024 if bench.on_gpu else peak_mib,
        "whole_s": whole_s,
    }


def theirs(kind: str, number: int, bench: Bench) -> dict[str, Any]:
    scale, args = bench.scale, bench.args
    job = {
        "kind": kind,
        "model": str(bench.space / "model"),
        "data": str(bench.space / f"{kind}.jsonl"),
        "out": str(bench.space / f"trl-{kind}-{number}"),
        "steps": args.steps,
        "threads": args.threads,
        "max_length": scale.packed_tokens if kind == "sft" else scale.most_tokens,
        "batch_tokens": scale.sft_tokens,
        "batch_rows": scale.dpo_rows,
        "micro_rows": scale.dpo_micro_rows,
        "gradient_checkpointing": args.recompute,
        "attention": args.trl_attention,
    }
    script = Path(__file__).with_name("trl_train.py")
    said, peak_mib, whole_s = _run([args.trl, script, json.dumps(job)], bench)
    found = json.loads(said.splitlines()[-1])
    return {**found, "peak_mib": found["gpu_mib"] if bench.on_gpu else peak_mib, "mfu": [], "whole_s": whole_s}


def report(kind: str, found: list[dict[str, dict[str, Any]]]) -> None:
    columns = f"{'tokens/s':>10}{'median step s':>15}{'MFU':>8}{'peak MiB':>10}{'whole s':>9}{'first loss':>12}"
    print(f"\n{kind}: {'client':<10}{columns}   ({len(found)} rounds)")
    best = {}
    for name in found[0]:
        speeds = [_speed(each[name]) for each in found]
        best[name] = max(speeds)
        run = found[speeds.index(max(speeds))][name]
        step = statistics.median(run["seconds"][WARM_UP:])
        mfu = f"{statistics.median(run['mfu'][WARM_UP:]):.1%}" if run["mfu"] else "-"
        figures = f"{best[name]:>10,.0f}{step:>15.3f}{mfu:>8}{run['peak_mib']:>10,.0f}{run['whole_s']:>9.1f}"
        print(f"{'':5}{name:<10}{figures}{run['losses'][0]:>12.4f}")
    if "TRL" in best:
        print(f"     trainer / TRL: {best['trainer'] / best['TRL']:.2f}", flush=True)


def _speed(run: dict[str, Any]) -> float:
    """Tokens a second of the steps after the warm-up."""
    steps = len(run["seconds"])
    return sum(run["tokens"][WARM_UP:steps]) / sum(run["seconds"][WARM_UP:])


def _run(command: list[Any], bench: Bench) -> tuple[str, float, float]:
    """What the child printed, the most memory it had (MiB), and how long it ran (s)."""
    env = {**os.environ, "OMP_NUM_THREADS": str(bench.args.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    env |= {} if bench.on_gpu else {"DS_ACCELERATOR": "cpu"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.monotonic()
        child = subprocess.Popen([str(word) for word in command], env=env, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        whole_s = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            raise SystemExit(f"{command[:4]}: exit {child.returncode}\n{err.read()[-3000:]}")
        return out.read(), usage.ru_maxrss / 1024, whole_s


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _turns(prompt: str, answer: str | None = None) -> list[dict[str, str]]:
    asked = [{"role": "user", "content": prompt}]
    return asked if answer is None else [*asked, {"role": "assistant", "content": answer}]


def _answer(row: dict[str, str]) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": row["completion"]}]


if __name__ == "__main__":
    main()

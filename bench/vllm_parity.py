"""Log-probs of a real vLLM server beside transformers' full forward pass, on the same tokens.

    python bench/vllm_parity.py [--checkpoint FOLDER] [--rows 64] [--dtype float32]

Samples answers to GSM8K prompts (../shared/data) with `factory build completions --engine vllm`, then scores each row's
prompt and answer tokens with transformers in fp32 and compares.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import torch
from transformers import AutoModelForCausalLM

ROOT = Path(__file__).parents[1]
GSM8K = ROOT.parent / "shared" / "data" / "gsm8k" / "train.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="default: the tiny model with random weights")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--max-tokens", type=int, default=64)
    args = parser.parse_args()
    if not GSM8K.exists():
        sys.exit("skipped: shared data absent")
    with tempfile.TemporaryDirectory() as home:
        checkpoint = args.checkpoint or make_checkpoint(home)
        rows = sample(home, checkpoint, args)
        differences = compare(checkpoint, rows)
    figures = {
        "rows": len(rows),
        "tokens": len(differences),
        "dtype of the server": args.dtype,
        "largest difference": max(differences),
        "mean difference": sum(differences) / len(differences),
    }
    print(json.dumps(figures, indent=2))


def make_checkpoint(home: str) -> str:
    sys.path.insert(0, str(ROOT))
    from trainer.tiny.make import make_tiny

    return str(make_tiny(Path(home) / "tiny", steps=0).folder)


def sample(home: str, checkpoint: str, args: argparse.Namespace) -> list[dict]:
    factory = [sys.executable, "-m", "factory.cli", "build"]
    columns = ["--prompt-column", "question", "--ground-truth-column", "answer", "--verifier", "gsm8k"]
    policy = f'policy=[{{model="{checkpoint}",engine="vllm",dtype="{args.dtype}"}}]'
    env = {**os.environ, "FACTORY_HOME": home}
    for words in (
        [*factory, "prompts", "--source", str(GSM8K), *columns, "--limit", str(args.rows)],
        [
            *factory,
            "completions",
            "--data",
            "prompts@v1",
            "--set",
            policy,
            "--set",
            f"sampling.max_tokens={args.max_tokens}",
        ],
    ):
        subprocess.run(words, cwd=ROOT, env=env, check=True)
    return [row for path in Path(home).glob("completions/data/*.parquet") for row in pq.read_table(path).to_pylist()]


def compare(checkpoint: str, rows: list[dict]) -> list[float]:
    """Absolute difference, in nats, of each sampled token's log-prob."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    differences = []
    for row in rows:
        prompt, answer = row["prompt_token_ids"], row["token_ids"]
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + answer])).logits[0].float()
        logprobs = logits[len(prompt) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0]
        differences += (logprobs - torch.tensor(row["logprobs"])).abs().tolist()
    return differences


if __name__ == "__main__":
    main()

"""`trainer rlvr` end to end for bench/rlvr.py: a made policy and task, one run, what its log says of its speed.

Answers have uneven lengths, as real ones do: the policy is random, and some tokens of its 512 end an answer, so that
lengths are geometric. Rewards are tosses of a coin, and no group is left out: every run draws the same prompts.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec

from bench import child
from bench.train_data import LLAMA_12M, QWEN3_06B, write_jsonl

WARM_UP = 3  # batches: as many as the most asynchronous run has in the making at the start
QUESTIONS = 512
ONE_LAYER = LLAMA_12M | {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": 1}


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """`ends`: how many tokens end an answer, whose mean length is then about 512 / (ends + 1)."""

    model: dict[str, Any]
    prompts: int
    per_prompt: int
    ends: int
    max_tokens: int
    micro_tokens: int
    batches: int

    @property
    def rows(self) -> int:
        return self.prompts * self.per_prompt


SCALES = {
    "cpu": Scale(
        model=LLAMA_12M, prompts=16, per_prompt=8, ends=10, max_tokens=160, micro_tokens=4096, batches=WARM_UP + 6
    ),
    "gpu": Scale(
        model=QWEN3_06B, prompts=32, per_prompt=8, ends=3, max_tokens=512, micro_tokens=16_384, batches=WARM_UP + 6
    ),
    "smoke": Scale(
        model=ONE_LAYER, prompts=4, per_prompt=4, ends=50, max_tokens=24, micro_tokens=512, batches=WARM_UP + 2
    ),
}


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Of the batches after the warm-up. Seconds are of one batch: all of it, and waiting, learning, handing over."""

    rollouts_s: float
    tokens_s: float
    seconds: float
    waited_s: float
    learn_s: float
    sync_s: float
    age: float
    stale: float
    gap: float
    whole_s: float


def make_space(home: Path, scale: Scale) -> Path:
    """The policy, and a version of prompts. Raises SystemExit when the factory fails."""
    draw = random.Random(0)
    questions = [f"What is {draw.randrange(1000)} plus {draw.randrange(1000)}?" for _ in range(QUESTIONS)]
    _make_policy(home / "policy", questions, scale)
    write_jsonl(home / "asked.jsonl", [{"prompt": question, "truth": "0"} for question in dict.fromkeys(questions)])
    os.environ["FACTORY_HOME"] = str(home / "data")
    command = f"build prompts --source {home}/asked.jsonl --prompt-column prompt --ground-truth-column truth"
    words = [*command.split(), "--verifier", "string_matcher", "--out", "asked"]
    child.run([sys.executable, "-m", "factory.cli", *words], 1)
    return home


def _make_policy(folder: Path, questions: list[str], scale: Scale) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    from trainer.tiny.tokenizer import make_tokenizer

    tokenizer = make_tokenizer(questions, scale.model["max_position_embeddings"])
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = AutoConfig.for_model(**scale.model | ids | {"vocab_size": len(tokenizer)})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    ends = [tokenizer.eos_token_id, *range(len(tokenizer) - scale.ends, len(tokenizer))]
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=tokenizer.pad_token_id, do_sample=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def run(space: Path, out: Path, scale: Scale, max_age: int, args: Any) -> Speed:
    """One run of `trainer rlvr`, in a process of its own."""
    table = {
        "rollouts.prompts": scale.prompts,
        "rollouts.per_prompt": scale.per_prompt,
        "rollouts.max_tokens": scale.max_tokens,
        "rollouts.max_age": max_age,
        "rollouts.engine": args.engine,
        "rollouts.only_with_gradient": "false",
        "rollouts.gpu_memory_share": 0.5,  # the learner has the same GPU
        "rows.max_length": scale.max_tokens + 128,
        "batch.micro_tokens": scale.micro_tokens,
        "model.gradient_checkpointing": str(args.recompute).lower(),
        "max_steps": scale.batches,
        "optimizer.lr": 1e-6,
        "kl.measured": "false",
        "watch.prompts": 0,
        "run.checkpoint_every": 0,
    }
    sets = [word for name, value in table.items() for word in ("--set", f"{name}={value}")]
    words = ["--data", "asked@v1", "--model", space / "policy", "--out", out, "--reward", "random", "--processes", 1]
    ended = child.run([sys.executable, "-m", "trainer.cli", "rlvr", *words, *sets], args.threads)
    return _read(out.with_name(f"{out.name}.run") / "metrics.jsonl", scale, ended)


def _read(log: Path, scale: Scale, ended: child.Ended) -> Speed:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "train"][WARM_UP:]

    def of(name: str) -> float:
        return mean(step.get(name, 0.0) for step in steps)

    return Speed(
        rollouts_s=of("rows") / of("seconds"),
        tokens_s=of("trained_tokens") / of("seconds"),
        seconds=of("seconds"),
        waited_s=of("rollout_seconds"),
        learn_s=of("learn_seconds"),
        sync_s=of("sync_seconds"),
        age=of("rollouts/age"),
        stale=of("groups/stale"),
        gap=of("sampler/logprob_gap"),
        whole_s=ended.seconds,
    )

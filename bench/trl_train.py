"""TRL's SFT or DPO trainer on one JSONL file: the peer in bench/train.py. Runs under an interpreter that has TRL.

Prints one JSON object: real tokens (no padding) and seconds of each step, their losses, and the GPU's most memory.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback


class Clock(TrainerCallback):
    """Seconds of each step, until the GPU is done with it."""

    def __init__(self) -> None:
        self.began = 0.0
        self.seconds: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        _wait_for_gpu()
        self.began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        _wait_for_gpu()
        self.seconds.append(time.perf_counter() - self.began)


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    clock = Clock()
    tokens: list[int] = []
    trainer = (sft if job["kind"] == "sft" else dpo)(job, clock)
    _count_tokens(trainer, tokens)
    began = time.perf_counter()
    trainer.train()
    done = {
        "seconds": clock.seconds,
        "tokens": tokens,
        "train_s": time.perf_counter() - began,
        "gpu_mib": torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None,
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
    }
    print(json.dumps(done))


def sft(job: dict[str, Any], clock: Clock) -> Any:
    args = trl.SFTConfig(
        **_common(job),
        packing=True,
        packing_strategy="bfd",
        assistant_only_loss=True,
        per_device_train_batch_size=job["batch_tokens"] // job["max_length"],
    )
    return trl.SFTTrainer(_model(job), args=args, callbacks=[clock], **_data(job))


def dpo(job: dict[str, Any], clock: Clock) -> Any:
    args = trl.DPOConfig(
        **_common(job),
        beta=5.0,
        loss_type="sigmoid_norm",
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=job["micro_rows"],
        per_device_train_batch_size=job["micro_rows"],
        gradient_accumulation_steps=job["batch_rows"] // job["micro_rows"],
    )
    return trl.DPOTrainer(_model(job), args=args, callbacks=[clock], **_data(job))


def _common(job: dict[str, Any]) -> dict[str, Any]:
    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": job["out"],
        "use_cpu": not on_gpu,
        "bf16": on_gpu,
        "report_to": "none",
        "max_length": job["max_length"],
        "max_steps": job["steps"],
        "learning_rate": 1e-5,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "gradient_checkpointing": job["gradient_checkpointing"],
        "disable_tqdm": True,
    }


def _model(job: dict[str, Any]) -> Any:
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    return AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, attn_implementation=job["attention"])


def _data(job: dict[str, Any]) -> dict[str, Any]:
    rows = load_dataset("json", data_files=job["data"], split="train", cache_dir=str(Path(job["out"]) / "cache"))
    return {"train_dataset": rows, "processing_class": AutoTokenizer.from_pretrained(job["model"])}


def _count_tokens(trainer: Any, tokens: list[int]) -> None:
    """Real tokens of each optimiser step, as the collator gives them."""
    collate, per_step, held = trainer.data_collator, trainer.args.gradient_accumulation_steps, [0]

    def counted(rows: Any) -> Any:
        batch = collate(rows)
        mask = batch.get("attention_mask")
        held.append(int(mask.sum()) if mask is not None else batch["input_ids"].numel())
        if len(held) == per_step + 1:
            tokens.append(sum(held))
            held[:] = [0]
        return batch

    trainer.data_collator = counted


if __name__ == "__main__":
    main()

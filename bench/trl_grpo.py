"""TRL's GRPO trainer on stored rollouts: the peer in bench/rlvr.py. Runs under an interpreter that has TRL.

All that TRL does after an answer is drawn: rewards to advantages, log-probs before the update where it needs them,
loss, update. Prints one JSON object, as bench/rlvr_learn.py does.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from bench import gauges


class Clock(TrainerCallback):
    """Seconds of each update; what comes before the first update of a batch is in it."""

    def __init__(self) -> None:
        self.began = 0.0
        self.seconds: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.began = gauges.now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(gauges.now() - self.began)


def main() -> None:
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    batches = [json.loads(line) for line in Path(job["rollouts"]).read_text().splitlines()]
    clock, updates = Clock(), job["updates"]
    with tempfile.TemporaryDirectory() as home:
        trainer = _trainer(job, batches, clock, home)
        before_mib = gauges.peak_mib()
        trainer.train()
    norms = [entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry]
    found = {
        "seconds": [sum(clock.seconds[at : at + updates]) for at in range(0, len(clock.seconds), updates)],
        "norm": sum(norms[:updates]) / updates,
        "before_mib": before_mib,
        "peak_mib": gauges.peak_mib(),
        "version": trl.__version__,
    }
    print(json.dumps(found))


def _trainer(job: dict[str, Any], batches: list[list[dict[str, Any]]], clock: Clock, home: str) -> trl.GRPOTrainer:
    def answers(prompts: list[str], trainer: Any) -> dict[str, Any]:
        """The whole batch that the first prompt is of: groups are asked for in order."""
        rows = batches[int(prompts[0].partition("/")[0])]
        assert [f"/{row['group']}" for row in rows] == ["/" + prompt.partition("/")[2] for prompt in prompts]
        return {
            "prompt_ids": [row["prompt"] for row in rows],
            "completion_ids": [row["ids"] for row in rows],
            "logprobs": None,
            "reward": [row["reward"] for row in rows],
        }

    asked = [{"prompt": f"{at}/{group}"} for at in range(len(batches)) for group in range(job["prompts"])]
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[job["dtype"]]
    return trl.GRPOTrainer(
        AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, attn_implementation=job["attention"]),
        reward_funcs=_stated,
        args=trl.GRPOConfig(home, max_steps=len(batches) * job["updates"], **_settings(job)),
        train_dataset=Dataset.from_list(asked),
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        rollout_func=answers,
        callbacks=[clock],
    )


def _settings(job: dict[str, Any]) -> dict[str, Any]:
    on_gpu, micro_rows = torch.cuda.is_available(), job["micro_rows"]
    return {
        "use_cpu": not on_gpu,
        "bf16": job["dtype"] == "bf16",
        "report_to": "none",
        "num_generations": job["per_prompt"],
        "max_completion_length": job["max_tokens"],
        "per_device_train_batch_size": micro_rows,
        "gradient_accumulation_steps": job["rows"] // job["updates"] // micro_rows,
        "steps_per_generation": job["rows"] // micro_rows,
        "shuffle_dataset": False,
        "loss_type": "dapo",
        "scale_rewards": "none",
        "epsilon": 0.2,
        "epsilon_high": 0.272,
        "beta": 0.0,
        "temperature": 1.0,
        "learning_rate": job["lr"],
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch_fused" if on_gpu else "adamw_torch",
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "gradient_checkpointing": job["gradient_checkpointing"],
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def _stated(completions: list[str], reward: list[float], **_: Any) -> list[float]:
    return reward


if __name__ == "__main__":
    main()

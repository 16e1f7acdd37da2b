"""What TRL's GRPO and RLOO trainers say of one batch of rollouts: losses and gradients, for our tests to compare with.

    PYTHONPATH=. PYTHON_WITH_TRL bench/trl_grpo_parity.py tests/trainer/parity/trl_grpo.json

All that TRL does after an answer is drawn is TRL's own: rewards to advantages, log-probs before the update, weights
against the sampler, the loss. Answers are handed to it in place of a vLLM's. fp32 on the CPU, one thread.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import transformers
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainer.parity.batch import make_checkpoint
from tests.trainer.parity.rollouts import CASES, GROUP, MAX_TOKENS, SHIFTS, rollouts

COMMON: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "report_to": "none",
    "gradient_checkpointing": False,
    "num_generations": GROUP,
    "max_completion_length": MAX_TOKENS,
    "num_iterations": 2,  # so that log-probs before the update are kept
    "temperature": 1.0,
}


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as home:
        folders = {name: make_checkpoint(Path(home) / name, shift) for name, shift in SHIFTS.items()}
        rows = rollouts(AutoTokenizer.from_pretrained(folders["policy"]))
        sampler = sampled_logprobs(load(folders["sampler"]), rows)
        found = {
            "versions": {"trl": trl.__version__, "transformers": transformers.__version__, "torch": torch.__version__},
            "rollouts": rows,
            "sampler": sampler,
            "rloo": rloo(folders, rows, home),
            **{name: grpo(folders, rows, sampler, case, home) for name, case in CASES.items()},
        }
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")


@torch.no_grad()
def sampled_logprobs(model: Any, rows: list[dict[str, Any]]) -> list[list[float]]:
    found = []
    for row in rows:
        ids = torch.tensor([row["prompt"] + row["ids"]])
        logprobs = torch.log_softmax(model(ids).logits[0, len(row["prompt"]) - 1 : -1], dim=-1)
        found.append(logprobs.gather(1, torch.tensor(row["ids"])[:, None])[:, 0].tolist())
    return found


def grpo(folders: dict[str, Path], rows: list, sampler: list, case: dict[str, Any], home: str) -> dict[str, Any]:
    def answers(prompts: list, trainer: Any) -> dict[str, Any]:
        return {
            "prompt_ids": [row["prompt"] for row in rows],
            "completion_ids": [row["ids"] for row in rows],
            "logprobs": sampler,
        }

    trainer = trl.GRPOTrainer(
        load(folders["old"]),
        reward_funcs=stated_reward,
        args=trl.GRPOConfig(home, per_device_train_batch_size=len(rows), **case["trl"], **COMMON),
        train_dataset=dataset(rows),
        processing_class=AutoTokenizer.from_pretrained(folders["old"]),
        rollout_func=answers,
    )
    if "importance" in case:
        trainer.use_vllm = trainer.vllm_importance_sampling_correction = True
        trainer._last_loaded_step = trainer.state.global_step
        trainer.vllm_importance_sampling_mode, low, high = case["importance"]
        trainer.vllm_importance_sampling_clip_min, trainer.vllm_importance_sampling_clip_max = low, high
    return figures(trainer, folders, rows)


def rloo(folders: dict[str, Path], rows: list, home: str) -> dict[str, Any]:
    args = {name: value for name, value in COMMON.items() if name != "num_iterations"}
    trainer = trl.RLOOTrainer(
        load(folders["policy"]),
        reward_funcs=stated_reward,
        args=trl.RLOOConfig(home, per_device_train_batch_size=len(rows), beta=0.2, **args),
        train_dataset=dataset(rows),
        processing_class=AutoTokenizer.from_pretrained(folders["old"]),
    )
    trainer._tokenize_prompts = lambda prompts: ([row["prompt"] for row in rows], None, {})
    trainer._generate_single_turn = lambda prompts, images, fields: [row["ids"] for row in rows]
    return figures(trainer, folders | {"old": folders["policy"]}, rows)


def figures(trainer: Any, folders: dict[str, Path], rows: list) -> dict[str, Any]:
    """The loss of the one batch after an update of the model, and the norm and the sum of each weight's gradient."""
    if trainer.beta:
        trainer.ref_model.load_state_dict(load(folders["reference"]).state_dict())
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    inputs = trainer._generate_and_score_completions([{"prompt": "x", "reward": row["reward"]} for row in rows])
    trainer.model.load_state_dict(load(folders["policy"]).state_dict())
    loss = trainer.compute_loss(trainer.model, inputs)
    loss.backward()
    grads = {name: weight.grad.double() for name, weight in trainer.model.named_parameters()}
    logged = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    return {
        "loss": loss.item(),
        "advantages": inputs["advantages"].tolist(),
        "entropy": logged["entropy"],
        "clipped": [logged[name] for name in ("clip_ratio/low_mean", "clip_ratio/high_mean") if name in logged],
        "gradients": {name: [float(grad.norm()), float(grad.sum())] for name, grad in grads.items()},
    }


def stated_reward(completions: list, reward: list[float], **_: Any) -> list[float]:
    return reward


def dataset(rows: list) -> Dataset:
    return Dataset.from_list([{"prompt": "x", "reward": row["reward"]} for row in rows])


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


if __name__ == "__main__":
    main()

"""One batch of rollouts, the same on every machine, and what TRL is told about it: for the policy loss.

Four models: the policy in training, what it was before the first update on this batch, what the sampler ran, and the
reference. They are further apart than any run would have them, so that clips, caps and masks have something to hold.
"""

from __future__ import annotations

from typing import Any

SHIFTS = {"policy": 0.0, "old": 0.7, "sampler": 1.6, "reference": 2.5}
GROUP = 4
MAX_TOKENS = 24

# A prompt, and its answers with their rewards. True: the answer came to its end.
GROUPS = [
    (
        "How many legs have three cats?",
        [
            ("Three cats have 12 legs.", True, 1.0),
            ("Seven", True, 0.0),
            ("12", True, 1.0),
            ("It depends on", False, 0.0),
        ],
    ),
    (
        "2 + 2",
        [("4", True, 0.5), ("5, or so", True, 0.5), ("4 4 4 4 4 4 4 4", False, 0.5), ("The sum is 4.", True, 0.5)],
    ),
    (
        "Name a river.",
        [("The Tiber.", True, 1.0), ("Rome", True, 0.0), ("No", True, 0.25), ("A river that nobody knows", True, 0.5)],
    ),
]

CLIP = {"epsilon": 0.05, "epsilon_high": 0.1}
OUR_CLIP = {"clip_low": 0.05, "clip_high": 0.1}
CAP, MASK = 1.1, (0.9, 1.15)

# By name: TRL's settings, and ours. `importance`: TRL's way to correct for the sampler, None for not at all.
CASES: dict[str, dict[str, Any]] = {
    "grpo": {
        "trl": {"loss_type": "grpo", "beta": 0.3, "use_bias_correction_kl": False, **CLIP},
        "ours": {"preset": "grpo", "kl_weight": 0.3, **OUR_CLIP},
    },
    "grpo with TRL's KL": {
        "trl": {"loss_type": "grpo", "beta": 0.3, **CLIP},
        "ours": {"preset": "grpo", "kl_weight": 0.3, "kl_by_ratio": True, **OUR_CLIP},
    },
    "dapo": {"trl": {"loss_type": "dapo", **CLIP}, "ours": {"advantages": "standard", **OUR_CLIP}},
    "bnpo": {"trl": {"loss_type": "bnpo", **CLIP}, "ours": {"advantages": "standard", **OUR_CLIP}},
    "dr_grpo": {
        "trl": {"loss_type": "dr_grpo", "scale_rewards": "none", **CLIP},
        "ours": {"preset": "dr_grpo", **OUR_CLIP},
    },
    "cispo": {
        "trl": {"loss_type": "cispo", "epsilon_high": 1.1},  # TRL: the bound itself
        "ours": {"preset": "cispo", "clip_high": 0.1},
    },
    "gspo": {
        "trl": {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 0.01, "epsilon_high": 0.02},
        "ours": {"preset": "gspo", "clip_low": 0.01, "clip_high": 0.02},
    },
    "gspo by tokens": {
        "trl": {"loss_type": "dapo", "importance_sampling_level": "sequence", "epsilon": 0.01, "epsilon_high": 0.02},
        "ours": {"preset": "gspo", "divide_by": "tokens", "clip_low": 0.01, "clip_high": 0.02},
    },
    "dapo with a KL": {
        "trl": {"loss_type": "dapo", "beta": 0.5, **CLIP},
        "ours": {"advantages": "standard", "kl_weight": 0.5, "kl_by_ratio": True, **OUR_CLIP},
    },
    "dapo, capped": {
        "trl": {"loss_type": "dapo", **CLIP},
        "importance": ("token_truncate", None, CAP),
        "ours": {"advantages": "standard", **OUR_CLIP, "importance_cap": CAP},
    },
    "grpo, capped": {
        "trl": {"loss_type": "grpo", "beta": 0.3, "use_bias_correction_kl": False, **CLIP},
        "importance": ("token_truncate", None, CAP),
        "ours": {"preset": "grpo", "kl_weight": 0.3, **OUR_CLIP, "importance_cap": CAP},
    },
    "cispo, capped": {
        "trl": {"loss_type": "cispo", "epsilon_high": 1.1},
        "importance": ("token_truncate", None, CAP),
        "ours": {"preset": "cispo", "clip_high": 0.1, "importance_cap": CAP},
    },
    "dr_grpo, masked": {
        "trl": {"loss_type": "dr_grpo", "scale_rewards": "none", **CLIP},
        "importance": ("token_mask", *MASK),
        "ours": {"preset": "dr_grpo", **OUR_CLIP, "importance_mask": MASK},
    },
    "gspo, capped": {
        "trl": {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 0.01, "epsilon_high": 0.02},
        "importance": ("token_truncate", None, CAP),
        "ours": {"preset": "gspo", "clip_low": 0.01, "clip_high": 0.02, "importance_cap": CAP},
    },
    "dapo, cut answers masked": {
        "trl": {"loss_type": "dapo", "mask_truncated_completions": True, **CLIP},
        "ours": {"preset": "dapo", **OUR_CLIP},
    },
    "grpo, cut answers masked": {
        "trl": {"loss_type": "grpo", "mask_truncated_completions": True, **CLIP},
        "ours": {"preset": "grpo", "kl_weight": 0, "mask_cut": True, **OUR_CLIP},
    },
}


def rollouts(tokenizer: Any) -> list[dict[str, Any]]:
    """`prompt` and `ids` of each rollout, `reward`, whether it `ended`; group after group."""
    found = []
    for question, answers in GROUPS:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
        )
        for text, ended, reward in answers:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id] * ended
            found.append({"prompt": prompt, "ids": ids[:MAX_TOKENS], "reward": reward, "ended": ended})
    return found

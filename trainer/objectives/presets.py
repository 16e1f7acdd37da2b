"""GRPO and its kin as settings of the one policy loss, as their papers have them.

What corrects for the sampler (`importance_cap`) is no part of any of them, so its default stays.
Groups without a gradient, which DAPO drops, are the business of `rollouts.only_with_gradient`.
"""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["grpo", "dapo", "dr_grpo", "cispo", "rloo", "gspo", "ppo"]

PRESETS: dict[Preset, dict[str, Any]] = {
    # Shao et al. 2024 (DeepSeekMath), equations 3 and 4.
    "grpo": {
        "advantages": "standard",
        "clip_high": 0.2,
        "divide_by": "rollouts",
        "kl": "k3",
        "kl_weight": 0.04,
    },
    # Yu et al. 2025, equation 8, with overlong filtering.
    "dapo": {"advantages": "standard", "clip_high": 0.28, "mask_cut": True},
    # Liu et al. 2025 ("Understanding R1-Zero-like training").
    "dr_grpo": {"clip_high": 0.2, "divide_by": "budget"},
    # MiniMax-M1 2025, equations 4 and 5: no lower bound. The upper one, 5, is that of Khatri et al. 2025 (ScaleRL).
    "cispo": {"loss": "cispo", "advantages": "standard", "clip_low": 1.0, "clip_high": 4.0},
    # Ahmadian et al. 2024, section 3. Its sum over tokens has no divisor: a constant one. The reward pays the KL.
    "rloo": {
        "loss": "reinforce",
        "advantages": "leave_one_out",
        "divide_by": "budget",
        "kl": "k1",
        "kl_in": "reward",
        "kl_weight": 0.05,
    },
    # Zheng et al. 2025, equations 5 to 7 and section 5.1.
    "gspo": {
        "advantages": "standard",
        "ratio": "sequence",
        "clip_low": 3e-4,
        "clip_high": 4e-4,
        "divide_by": "rollouts",
    },
    # Lambert et al. 2024 (Tulu 3), section 6 and its table of hyperparameters. Needs the table [value].
    "ppo": {"advantages": "gae", "passes": 4, "clip_high": 0.2, "kl": "k1", "kl_in": "reward", "kl_weight": 0.05},
}

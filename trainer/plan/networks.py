"""Networks without their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trainer.model.load import read_config, with_adapters
from trainer.recipe import LoraTable


def on_meta(folder: Path, lora: LoraTable | None = None, *, is_value: bool = False) -> Any:  # noqa: ANN401 - untyped
    """A checkpoint's network, adapters included; of values: with one number a token as its last layer."""
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    config = read_config(folder)
    kind: Any = AutoModelForCausalLM
    if is_value:
        config.num_labels = 1
        kind = AutoModelForSequenceClassification
    with torch.device("meta"):
        model = kind.from_config(config, trust_remote_code=False)
        return model if lora is None else with_adapters(model, lora)

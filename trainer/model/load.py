"""A checkpoint folder to a model that takes packed documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from trainer.errors import ModelError
from trainer.model.attention import PACKED, register
from trainer.model.packed import PackedLogProbs, PackedModel, PackedRewards, PackedValues
from trainer.model.quiet import without_reports
from trainer.recipe import LoraTable, TrainRecipe

Head = Literal["logprobs", "reward", "value"]
HEADS: dict[Head, type[PackedLogProbs] | type[PackedRewards] | type[PackedValues]] = {
    "logprobs": PackedLogProbs,
    "reward": PackedRewards,
    "value": PackedValues,
}
ATTENTION_LAYERS = ("full_attention", "sliding_attention")
DROPOUTS = (
    *("attention_dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop", "dropout"),
    *("hidden_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob"),
)


def load_packed(folder: Path, recipe: TrainRecipe, head: Head) -> PackedModel:
    """The model in training mode, in the recipe's dtype, with adapters where it asks for them.

    Rewards and values are of a sequence classifier; made from a language model, its `score` begins at random.

    Raises:
        ModelError: no checkpoint, or a kind of model whose documents would mix when packed.
    """
    register()
    config = read_config(folder)
    model = _load(folder, config, recipe, head)
    if recipe.lora is not None:
        model = with_adapters(model, recipe.lora)
    if recipe.model.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if recipe.lora is not None:
            model.enable_input_require_grads()
    model.train()
    return HEADS[head](model)


def read_config(folder: Path) -> Any:  # noqa: ANN401 - transformers is untyped
    """The model's config, checked. Raises ModelError."""
    from transformers import AutoConfig

    from factory.sampling.checkpoint import open_checkpoint
    from factory.sampling.errors import RunError

    try:
        open_checkpoint(folder)
    except RunError as err:
        raise ModelError(str(err)) from err
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    others = sorted(set(getattr(config, "layer_types", None) or ()) - set(ATTENTION_LAYERS))
    if others:
        raise ModelError(
            f"checkpoint {folder}: layers of type {', '.join(others)} carry state from one packed document into the "
            "next; this model cannot be trained here"
        )
    return config


def dtype_of(name: str) -> torch.dtype:
    return torch.bfloat16 if name == "bf16" else torch.float32


def _load(folder: Path, config: Any, recipe: TrainRecipe, head: Head) -> Any:  # noqa: ANN401 - transformers is untyped
    if recipe.model.dropout is not None:
        _set_dropout(folder, config, recipe.model.dropout)
    if head != "logprobs":
        config.num_labels = 1
        if config.pad_token_id == config.eos_token_id:
            # transformers would take the reward before all padding at the end, and with it before the end token.
            config.pad_token_id = None
    kind = _class_of(folder, config, head)
    with without_reports():
        model, found = kind.from_pretrained(
            folder,
            config=config,
            dtype=dtype_of(recipe.model.dtype),
            attn_implementation=PACKED,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    _check_whole(folder, found, head)
    return model


def _check_whole(folder: Path, found: dict[str, Any], head: Head) -> None:
    """Weights that the files do not have would be random. The last layer of rewards and values may be."""
    missing = [name for name in sorted(found["missing_keys"]) if head == "logprobs" or not name.startswith("score.")]
    if missing or found["mismatched_keys"]:
        names = ", ".join([*missing, *(str(key[0]) for key in found["mismatched_keys"])][:3])
        raise ModelError(
            f"checkpoint {folder}: its files lack weights of the model ({names}); copy the checkpoint again"
        )


def _class_of(folder: Path, config: Any, head: Head) -> Any:  # noqa: ANN401 - transformers is untyped
    """The model's class. Raises ModelError when its attention cannot be exchanged."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    known: Any = MODEL_FOR_CAUSAL_LM_MAPPING
    what = "language model"
    if head != "logprobs":
        known, what = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, "sequence classifier"
    if type(config) not in known:
        raise ModelError(f"checkpoint {folder}: transformers has no {what} of type {config.model_type}")
    kind = known[type(config)]
    if not kind.is_backend_compatible():
        raise ModelError(
            f"checkpoint {folder}: {kind.__name__} has an attention of its own, in which packed documents would mix; "
            "this model cannot be trained here"
        )
    return kind


def _set_dropout(folder: Path, config: Any, share: float) -> None:  # noqa: ANN401 - transformers is untyped
    names = [name for name in DROPOUTS if hasattr(config, name)]
    if share and not names:
        raise ModelError(f"checkpoint {folder}: has no dropout to be set; leave model.dropout out")
    for name in names:
        setattr(config, name, share)


def with_adapters(model: Any, table: LoraTable) -> Any:  # noqa: ANN401 - transformers is untyped
    from peft import LoraConfig, get_peft_model

    targets = table.targets if isinstance(table.targets, str) else list(table.targets)
    config = LoraConfig(
        r=table.rank, lora_alpha=table.alpha, lora_dropout=table.dropout, target_modules=targets, bias="none"
    )
    return get_peft_model(model, config)

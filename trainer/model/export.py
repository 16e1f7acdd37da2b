"""A trained model as a folder that transformers and vLLM load: published whole, by one rename."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError
from torch import Tensor

from factory.sampling.checkpoint import CONFIG, SETTINGS, TEMPLATES, TOKENIZERS
from schemas.errors import WriteError
from trainer.files import sync_folder, sync_tree
from trainer.model.load import DROPOUTS, read_config
from trainer.model.quiet import without_progress_bars
from trainer.recipe import LoraTable

RECORD = "training.json"  # what made the checkpoint
GENERATION = "generation_config.json"
# Whatever belongs to a checkpoint besides weights and config: taken over from the one that training began with.
TAKEN_OVER = (*TOKENIZERS, *TEMPLATES, *(name for name in SETTINGS if name != CONFIG))
_ADAPTED = ".base_layer.weight"


def export(
    model: Any,  # noqa: ANN401 - transformers is untyped
    weights: dict[str, Tensor],
    base: Path,
    out: Path,
    *,
    end_ids: Iterable[int],
    record: dict[str, Any],
) -> None:
    """Write `out`, which must not be there. Killed at any point, `out` is whole or absent.

    Args:
        model: the transformers model, for its config and its way of saving; its own weights are not looked at
        weights: all of them, by the names that the model saves under
        base: the checkpoint that training began with, for tokenizer, template and settings
        end_ids: the tokens that end an answer in the rows: where whoever draws from the model must stop

    Raises:
        WriteError: no space, or `out` is there.
    """
    aside = out.with_name(f".{out.name}.tmp")  # one name, so that the next one clears up after a killed one
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _write(model, weights, base, aside)
        _stop_at(end_ids, aside / GENERATION)
        (aside / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        sync_tree(aside)
        if out.exists():
            raise WriteError(f"{out}: is there already; move it away, or name another --out")
        aside.rename(out)
        sync_folder(out.parent)
    except (OSError, SafetensorError) as err:
        raise WriteError(f"{out}: not written ({err}); make room, and the same command goes on") from err
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(model: Any, weights: dict[str, Tensor], base: Path, folder: Path) -> None:  # noqa: ANN401
    original = read_config(base)
    for name in DROPOUTS:  # a recipe's dropout is of its training, not of the model
        if hasattr(original, name):
            setattr(model.config, name, getattr(original, name))
    with without_progress_bars():
        model.save_pretrained(folder, state_dict=weights)
    for pattern in TAKEN_OVER:
        for file in base.glob(pattern):
            shutil.copyfile(file, folder / file.name)


def _stop_at(end_ids: Iterable[int], file: Path) -> None:
    """transformers and vLLM stop at the `eos_token_id` of this file. One that names the same tokens stays as it is."""
    settings = msgspec.json.decode(file.read_bytes(), type=dict[str, Any]) if file.exists() else {}
    named, wanted = settings.get("eos_token_id"), sorted(end_ids)
    if sorted(named if isinstance(named, list) else [named], key=str) == sorted(wanted, key=str):
        return
    settings["eos_token_id"] = wanted[0] if len(wanted) == 1 else wanted
    file.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")


def plain_names(weights: dict[str, Tensor], lora: LoraTable | None) -> dict[str, Tensor]:
    """The weights of a `PackedModel` under the names of the model inside it, adapters merged into what they adapt."""
    named = {name.removeprefix("model."): weight for name, weight in weights.items()}
    if lora is None:
        return named
    named = {name.removeprefix("base_model.model."): weight for name, weight in named.items()}
    merged = {}
    for name, weight in named.items():
        if ".lora_" in name:
            continue
        if name.endswith(_ADAPTED):
            weight = _merged(weight, named, name.removesuffix(_ADAPTED), lora)
        merged[name.replace(".base_layer.", ".")] = weight
    return merged


def _merged(weight: Tensor, named: dict[str, Tensor], layer: str, lora: LoraTable) -> Tensor:
    """W + (alpha / rank) B A, in fp32, in the dtype of W."""
    down, up = (named[f"{layer}.lora_{side}.default.weight"].float() for side in "AB")
    return (weight.float() + (lora.alpha / lora.rank) * (up @ down)).to(weight.dtype)

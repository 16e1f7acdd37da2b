"""Recipes by file or by name: those that come with the trainer are in trainer/recipes/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from schemas.recipes import find_recipe, load_recipe
from trainer.recipe import DpoRecipe, RewardRecipe, SftRecipe, TrainRecipe
from trainer.rlvr_recipe import RlvrRecipe

FOLDER = Path(__file__).parent / "recipes"
KINDS: dict[str, type[TrainRecipe]] = {"sft": SftRecipe, "dpo": DpoRecipe, "reward": RewardRecipe, "rlvr": RlvrRecipe}


def load_training_recipe(kind: str, recipe: str | None, settings: list[str], *, on_gpu: bool | None = None) -> Any:  # noqa: ANN401 - the recipe of that kind
    """The recipe of `recipe` (a file or a shipped name; None: the shipped one of this kind) with settings over it.

    `on_gpu`: what it is for; None: this machine.

    Raises:
        RecipeError: no such recipe, a key or value that is wrong, or a recipe of another kind.
    """
    found: Any = load_recipe(KINDS[kind], recipe_file(recipe) if recipe else FOLDER / f"{kind}.toml", {}, settings)
    if found.model.dtype == "auto":
        dtype = "bf16" if (torch.cuda.is_available() if on_gpu is None else on_gpu) else "fp32"
        found = found.model_copy(update={"model": found.model.model_copy(update={"dtype": dtype})})
    return found


def recipe_file(recipe: str) -> Path:
    """The file, or the shipped recipe of that name. Raises RecipeError when there is neither."""
    return find_recipe(Path(recipe), FOLDER)

"""Loading under ZeRO-3: weights are parted among the ranks as they are read, and no rank ever holds all of them."""

from __future__ import annotations

from pathlib import Path

from trainer.engine import parting
from trainer.model.load import Head, load_packed
from trainer.model.packed import PackedModel, plain_model
from trainer.recipe import TrainRecipe


def load_for_engine(folder: Path, recipe: TrainRecipe, head: Head) -> PackedModel:
    """The model as the recipe's engine wants it: whole, or under ZeRO-3 this rank's part. Raises ModelError."""
    with parting(recipe):
        model = load_packed(folder, recipe, head)
    if recipe.engine.zero == 3:
        _restore_buffers(model)
    return model


def _restore_buffers(model: PackedModel) -> None:
    """Make anew what is computed and not read: the frequencies of rotary positions.

    DeepSpeed makes them in half precision while it parts a model. A frequency that is off by a thousandth is off by a
    turn before position 10,000.
    """
    from accelerate import init_empty_weights

    plain = plain_model(model)
    with init_empty_weights(include_buffers=False):
        fresh = type(plain)(plain.config)
    read = plain.state_dict().keys()
    for name, buffer in fresh.named_buffers():
        if name not in read:
            owner, _, last = name.rpartition(".")
            device = plain.get_buffer(name).device
            plain.get_submodule(owner).register_buffer(last, buffer.to(device), persistent=False)

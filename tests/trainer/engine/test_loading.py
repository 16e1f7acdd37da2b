"""Loading under ZeRO-3: parted while it is read, and still the same model."""

import pytest
import torch

from tests.trainer.engine.training import recipe_of
from trainer.model.load import load_packed
from trainer.model.parted import load_for_engine


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("head", ["logprobs", "reward", "value"])
def test_a_parted_model_is_the_whole_one(home, world, head, dtype):
    """Its rotary frequencies, too: DeepSpeed made them in bf16, 0.1% off."""
    import deepspeed

    recipe = recipe_of(model={"dtype": dtype}, engine={"zero": 3})
    torch.manual_seed(0)
    parted = load_for_engine(home / "untied", recipe, head)
    torch.manual_seed(0)
    whole = load_packed(home / "untied", recipe, head)
    assert sum(weight.numel() for weight in parted.parameters()) == 0  # gathered when they are needed
    expected = dict(whole.named_parameters())
    for name, weight in parted.named_parameters():
        with deepspeed.zero.GatheredParameters([weight]):
            assert torch.equal(weight, expected.pop(name))
    assert not expected
    buffers = dict(parted.named_buffers())
    assert {buffer.dtype for buffer in buffers.values()} == {torch.float32}
    for name, buffer in whole.named_buffers():
        assert torch.equal(buffers.pop(name), buffer)
    assert not buffers


def test_what_follows_is_loaded_whole_again(home, world):
    load_for_engine(home / "base", recipe_of(engine={"zero": 3}), "logprobs")
    model = load_for_engine(home / "base", recipe_of(engine={"zero": 2}), "logprobs")
    assert all(weight.numel() for weight in model.parameters())

"""However a step is cut, shared out or parted, the update is the same: that of a plain loop with torch's own AdamW."""

import shutil

import pytest
import torch

from tests.trainer.engine.processes import run_together
from tests.trainer.engine.training import VALUES, Plain, Trained, gap, micro_tokens_for, options_for, recipe_of
from trainer.engine import Engine
from trainer.errors import TrainError

# Relative, of the norm of a tensor, after 4 steps. Seen: up to 7e-7 in fp32; 6e-3 in bf16, which has 8 bits.
FP32, BF16 = 2e-6, 2e-2
STAGES = (0, 1, 2, 3)


def of(home, recipe, data="traces@v1", model="base"):
    return options_for(home, home / model, data, recipe)


@pytest.fixture(scope="module")
def plain(home, world):
    return Plain(of(home, recipe_of()), world)


@pytest.fixture(scope="module")
def bounds(home, world):
    """Tokens of a micro-batch that cut the first step into 1, 2, 4 and 8 of them."""
    return {bins: micro_tokens_for(of(home, recipe_of()), world, bins) for bins in (1, 2, 4, 8)}


@pytest.mark.parametrize("bins", [1, 2, 4, 8])
@pytest.mark.parametrize("zero", STAGES)
def test_every_stage_and_every_cut_makes_the_plain_update(home, world, plain, bounds, zero, bins):
    recipe = recipe_of(engine={"zero": zero}, batch={"micro_tokens": bounds[bins]})
    trained = Trained(of(home, recipe), world)
    assert gap(trained.weights, plain.weights) < FP32
    assert trained.of_each_step("loss") == pytest.approx(plain.losses, abs=1e-5)
    assert trained.of_each_step("grad_norm") == pytest.approx(plain.norms, rel=1e-5)


@pytest.mark.parametrize("zero", STAGES)
@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_the_norm_is_of_before_clipping_and_clipping_is_the_plain_one(home, world, zero, clip):
    changes = {"engine": {"zero": zero}, "optimizer": {"clip": clip}}
    plain = Plain(of(home, recipe_of(**changes)), world)
    trained = Trained(of(home, recipe_of(**changes)), world)
    assert gap(trained.weights, plain.weights) < FP32
    assert trained.of_each_step("grad_norm") == pytest.approx(plain.norms, rel=1e-5)
    assert min(plain.norms) > 1  # so that 0.1 does clip


@pytest.mark.parametrize("zero", [2, 3])
def test_gradient_checkpointing_changes_nothing(home, world, plain, bounds, zero):
    changes = {"engine": {"zero": zero}, "batch": {"micro_tokens": bounds[4]}}
    kept = Trained(of(home, recipe_of(**changes)), world)
    made_again = Trained(of(home, recipe_of(**changes, model={"gradient_checkpointing": True})), world)
    assert gap(made_again.weights, kept.weights) == 0


class Forgetful(Engine):
    """Takes every micro-batch for the last of its step."""

    def backward(self, loss, *, is_last):
        super().backward(loss, is_last=True)


def test_a_forgotten_boundary_would_be_seen(home, world, plain, bounds):
    """What open-instruct 1498 was: ZeRO 2 kept the last micro-batch's gradients alone."""
    recipe = recipe_of(engine={"zero": 2}, batch={"micro_tokens": bounds[8]})
    assert gap(Trained(of(home, recipe), world, Forgetful).weights, plain.weights) > 1000 * FP32


@pytest.mark.parametrize("bins", [1, 8])
@pytest.mark.parametrize("zero", STAGES)
def test_bf16_is_near_in_every_stage(home, world, plain, bounds, zero, bins):
    """The losses of all stages lie together: ZeRO 0 would lag by a third if Adam counted a step that was none."""
    changes = {"engine": {"zero": zero}, "model": {"dtype": "bf16"}, "batch": {"micro_tokens": bounds[bins]}}
    trained = Trained(of(home, recipe_of(**changes)), world)
    assert {weight.dtype for weight in trained.weights.values()} == {torch.bfloat16}
    assert gap(trained.weights, plain.weights) < BF16
    assert trained.of_each_step("loss") == pytest.approx(plain.losses, abs=5e-3)
    assert trained.of_each_step("grad_norm") == pytest.approx(plain.norms, rel=1e-2)


OFFLOADED = [
    (1, {"offload_optimizer": True}),
    (2, {"offload_optimizer": True}),
    (3, {"offload_optimizer": True}),
    (3, {"offload_parameters": True}),
    (3, {"offload_optimizer": True, "offload_parameters": True}),
]


@pytest.mark.skipif(shutil.which("c++") is None, reason="DeepSpeed compiles its AdamW for the CPU, and there is no c++")
@pytest.mark.timeout(900)  # the first time it is compiled: a minute where nothing else runs
@pytest.mark.parametrize(("zero", "offload"), OFFLOADED)
def test_offloading_makes_the_plain_update(home, world, plain, bounds, zero, offload):
    changes = {"engine": {"zero": zero, **offload}, "batch": {"micro_tokens": bounds[4]}}
    trained = Trained(of(home, recipe_of(**changes)), world)
    assert gap(trained.weights, plain.weights) < FP32
    assert trained.of_each_step("grad_norm") == pytest.approx(plain.norms, rel=1e-5)


def test_without_a_compiler_offloading_is_refused_in_one_line(home, world, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(TrainError, match=r"engine\.offload_optimizer: .* no c\+\+; install a C\+\+ compiler"):
        Trained(of(home, recipe_of(engine={"offload_optimizer": True})), world)


PAIRS = {"simpo": ("dpo", {"dpo": {"loss": "simpo", "beta": 2.0}}), "reward": ("reward", {})}


@pytest.fixture(scope="module")
def together(home, world, bounds, tmp_path_factory):
    """What two processes make of every case, by the case's name."""
    cases = {f"zero{zero}-{bins}": ["sft", {"engine": {"zero": zero}}, bins] for zero in STAGES for bins in (1, 8)}
    cases |= {f"bf16-zero{zero}": ["sft", {"engine": {"zero": zero}, "model": {"dtype": "bf16"}}, 4] for zero in STAGES}
    cases["checkpointing"] = ["sft", {"engine": {"zero": 3}, "model": {"gradient_checkpointing": True}}, 4]
    cases |= {name: [kind, {**changes, "engine": {"zero": 3}}, 1] for name, (kind, changes) in PAIRS.items()}
    cases |= {f"value-zero{zero}": ["value", {"engine": {"zero": zero}}, 4] for zero in (2, 3)}
    cases["lora"] = ["sft", {"engine": {"zero": 3}, "lora": {"rank": 4}}, 4]
    return run_together(home, cases, bounds, tmp_path_factory.mktemp("together"))


@pytest.mark.parametrize("bins", [1, 8])
@pytest.mark.parametrize("zero", STAGES)
def test_two_processes_make_the_plain_update(together, plain, zero, bins):
    """With one micro-batch in a step the second process has none, and runs along."""
    weights, losses, norms = together[f"zero{zero}-{bins}"]
    assert gap(weights, plain.weights) < FP32
    assert losses == pytest.approx(plain.losses, abs=1e-5)
    assert norms == pytest.approx(plain.norms, rel=1e-5)


def test_two_processes_with_gradient_checkpointing(together, plain):
    assert gap(together["checkpointing"][0], plain.weights) < FP32


def test_adapters_learn_the_same_in_two_processes(home, world, together):
    alone = Trained(of(home, recipe_of(lora={"rank": 4}, engine={"zero": 0})), world)
    assert gap(together["lora"][0], alone.weights) < 10 * FP32


@pytest.mark.parametrize("zero", STAGES)
def test_two_processes_in_bf16_are_near(together, plain, zero):
    weights, losses, norms = together[f"bf16-zero{zero}"]
    assert gap(weights, plain.weights) < BF16
    assert losses == pytest.approx(plain.losses, abs=5e-3)
    assert norms == pytest.approx(plain.norms, rel=1e-2)


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_updated_equally_by_one_process_and_by_two(home, world, together, name):
    kind, changes = PAIRS[name]
    alone = Trained(of(home, recipe_of(kind, **changes, engine={"zero": 0}), "pairs@v1"), world)
    weights, losses, _ = together[name]
    assert gap(weights, alone.weights) < 10 * FP32  # chosen and rejected tokens pull both ways: small gradients
    assert losses == pytest.approx(alone.of_each_step("loss"), abs=1e-5)


@pytest.fixture(scope="module")
def values(home, world):
    return Trained(of(home, recipe_of(engine={"zero": 0})), world, objective=VALUES)


@pytest.mark.parametrize("zero", [1, 2, 3])
def test_a_value_model_is_updated_equally_in_every_stage(home, world, values, bounds, zero):
    recipe = recipe_of(engine={"zero": zero}, batch={"micro_tokens": bounds[4]})
    trained = Trained(of(home, recipe), world, objective=VALUES)
    assert gap(trained.weights, values.weights) < FP32
    assert trained.of_each_step("loss") == pytest.approx(values.of_each_step("loss"), abs=1e-5)


@pytest.mark.parametrize("zero", [2, 3])
def test_a_value_model_in_bf16_is_near(home, world, values, zero):
    changes = {"engine": {"zero": zero}, "model": {"dtype": "bf16"}}
    trained = Trained(of(home, recipe_of(**changes)), world, objective=VALUES)
    assert gap(trained.weights, values.weights) < BF16
    assert trained.of_each_step("loss") == pytest.approx(values.of_each_step("loss"), abs=5e-3)


@pytest.mark.parametrize("zero", [2, 3])
def test_a_value_model_is_updated_equally_by_two_processes(together, values, zero):
    weights, losses, _ = together[f"value-zero{zero}"]
    assert gap(weights, values.weights) < FP32
    assert losses == pytest.approx(values.of_each_step("loss"), abs=1e-5)

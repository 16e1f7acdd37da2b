"""The table [policy] of a recipe: presets, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from trainer.objectives.presets import PRESETS
from trainer.rlvr_recipe import PolicyTable, RlvrRecipe

BASE = {"optimizer": {"lr": 1e-6}, "max_steps": 10}


def settings(**table):
    return PolicyTable.model_validate(table).model_dump(exclude={"preset"})


def test_the_defaults_are_those_of_olmo_3():
    """No KL, clip .2 and .272, the token mean, centred advantages, importance weights of at most 2."""
    found = settings()

    assert found["kl_weight"] == 0
    assert (found["clip_low"], found["clip_high"], found["importance_cap"]) == (0.2, 0.272, 2.0)
    assert (found["loss"], found["advantages"], found["divide_by"]) == ("clip", "centred", "tokens")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_settings(name):
    found = settings(preset=name)

    assert found == settings() | PRESETS[name]
    assert found != settings()


def test_what_is_given_goes_over_the_preset():
    found = settings(preset="dapo", clip_high=0.5, mask_cut=False)

    assert (found["clip_high"], found["mask_cut"], found["advantages"]) == (0.5, False, "standard")


def test_a_recipe_that_was_written_down_is_the_same_recipe():
    recipe = RlvrRecipe.model_validate(BASE | {"policy": {"preset": "gspo", "clip_high": 0.1}})

    assert RlvrRecipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert RlvrRecipe.model_validate(BASE | {"policy": recipe.policy}).policy == recipe.policy


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"preset": "dappo"}, "preset"),
        ({"preset": ["dapo"]}, "preset"),
        ({"preset": "dapo", "clip": 0.2}, "clip"),
        ({"loss": "reinforce", "ratio": "sequence"}, "policy.ratio is not used by the loss reinforce"),
        ({"importance_mask": [1.5, 2.0]}, "policy.importance_mask must have 1 inside"),
        ({"importance_mask": [-0.5, 2.0]}, "policy.importance_mask must have 1 inside"),
        ({"clip_low": 1.1}, "clip_low"),
        ({"passes": 0}, "passes"),
        ({"kl_weight": -0.1}, "kl_weight"),
        ({"kl_by_ratio": True}, "policy.kl_by_ratio is of a KL in the loss"),
        ({"preset": "rloo", "kl_by_ratio": True}, "policy.kl_by_ratio is of a KL in the loss"),
    ],
)
def test_what_is_refused(table, named):
    with pytest.raises(ValidationError, match=named):
        PolicyTable.model_validate(table)


def test_a_reference_is_needed_where_a_kl_weighs_something():
    assert not PolicyTable(kl="k2").needs_reference
    assert PolicyTable(kl_weight=0.1).needs_reference
    assert PolicyTable(preset="ppo").needs_reference


@pytest.mark.parametrize("tables", [{"policy": {"preset": "ppo"}}, {"value": {}}])
def test_a_value_model_and_advantages_that_use_it_come_together(tables):
    base = BASE | {"rollouts": {"only_with_gradient": False}}
    with pytest.raises(ValidationError, match=r'policy.advantages = "gae" needs the table \[value\]'):
        RlvrRecipe.model_validate(base | tables)
    assert RlvrRecipe.model_validate(base | {"policy": {"preset": "ppo"}, "value": {}}).value is not None

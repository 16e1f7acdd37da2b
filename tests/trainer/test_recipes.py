"""The shipped recipes: all load, and hold the published numbers."""

import pytest

from schemas.recipes import RecipeError
from trainer.shipped import FOLDER, KINDS, load_training_recipe

# name: kind, peak learning rate, rows or tokens a step, tokens of a document, warm-up, epochs
PUBLISHED = {
    "tulu3-sft-8b": ("sft", 5e-6, 128, 4096, 0.03, 2),
    "tulu3-dpo-8b": ("dpo", 5e-7, 128, 2048, 0.1, 1),
    "tulu3-reward-8b": ("reward", 3e-6, 256, 2048, 0.03, 1),
    "olmo3-sft-think-7b": ("sft", 5e-5, 1_000_000, 32768, 0.03, 2),
    "olmo3-dpo-think-7b": ("dpo", 8e-8, 128, 16384, 0.1, 1),
}
# name: learning rate, batches, prompts, rollouts of each, tokens of an answer, asynchrony, updates of a batch
PUBLISHED_RLVR = {
    "olmo3-rlvr-think-7b": (1e-6, 1400, 64, 8, 32768, 1, 1),
    "olmo3-rlvr-instruct-7b": (1e-6, 450, 64, 8, 8192, 8, 4),
    "tulu3-rlvr-8b": (3e-7, 440, 224, 1, 2048, 0, 4),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.toml")))
def test_every_shipped_recipe_loads(name):
    kind = name if name in KINDS else "rlvr" if name in PUBLISHED_RLVR else PUBLISHED[name][0]
    recipe = load_training_recipe(kind, name, [])
    assert recipe.kind == kind
    assert recipe.batch.micro_tokens >= recipe.rows.max_length * (1 if kind in ("sft", "rlvr") else 2)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_numbers_are_the_published_ones(name):
    kind, lr, batch, max_length, warmup, epochs = PUBLISHED[name]
    recipe = load_training_recipe(kind, name, [])
    assert recipe.optimizer.lr == lr
    assert (recipe.batch.rows or recipe.batch.tokens) == batch
    assert (recipe.rows.max_length, recipe.schedule.warmup, recipe.epochs) == (max_length, warmup, epochs)
    if kind == "dpo":
        assert (recipe.dpo.loss, recipe.dpo.beta) == ("dpo_norm", 5.0)


@pytest.mark.parametrize("name", PUBLISHED_RLVR)
def test_the_numbers_of_rlvr_are_the_published_ones(name):
    recipe = load_training_recipe("rlvr", name, [])
    rollouts, policy = recipe.rollouts, recipe.policy
    found = (rollouts.prompts, rollouts.per_prompt, rollouts.max_tokens, rollouts.max_age)
    updates = policy.passes * rollouts.prompts * rollouts.per_prompt // recipe.batch.rows
    assert (recipe.optimizer.lr, recipe.max_steps, *found, updates) == PUBLISHED_RLVR[name]
    if name.startswith("olmo3"):
        assert (policy.clip_low, policy.clip_high, policy.advantages, policy.kl_weight) == (0.2, 0.272, "centred", 0)
    else:
        assert (policy.clip_low, policy.clip_high, policy.kl_in, policy.kl_weight) == (0.2, 0.2, "reward", 0.05)
        assert (recipe.reward.no_end, recipe.reward.parts[0]["weight"]) == (-10.0, 10.0)
        assert (recipe.value.gamma, recipe.value.lam, recipe.value.weight) == (1.0, 0.95, 0.1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["rollouts.max_tokens=4096"], "leaves no room for a prompt in rows.max_length = 4096"),
        (["rows.max_length=32768"], "more than batch.micro_tokens = 16384"),
        (["policy.advantages=gae"], r"needs the table \[value\]"),
        (["kl.budget=5", "watch.prompts=0"], "kl.budget needs"),
        (["policy.loss=reinforce", "policy.passes=2"], "one update a batch; set policy.passes = 1"),
        (["policy.preset=rloo", "batch.rows=511"], r"one update a batch; .* batch.rows = 512"),
        (["policy.preset=rloo", "rollouts.prompts=65", "batch.rows=512"], r"batch.rows = 520"),
    ],
)
def test_what_does_not_go_together_in_rlvr_is_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        load_training_recipe("rlvr", None, settings)


@pytest.mark.parametrize(
    "settings",
    [
        ["policy.preset=rloo"],
        ["policy.preset=rloo", "batch.rows=512"],
        ["policy.preset=rloo", "batch.tokens=100000"],
        ["policy.preset=cispo", "policy.passes=2", "batch.rows=128"],
    ],
)
def test_one_update_a_batch_or_a_loss_that_corrects_for_several_is_taken(settings):
    assert load_training_recipe("rlvr", None, settings).policy.preset in ("rloo", "cispo")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimizer.lrr=1", "did you mean 'optimizer.lr'"),
        ("optimizer.lr=0", "optimizer.lr"),
        ("batch.rows=0", "batch.rows"),
        ("engine.offload_parameters=true", "needs engine.zero = 3"),
        ("kind=dpo", "kind"),
    ],
)
def test_what_is_wrong_is_named(setting, said):
    with pytest.raises(RecipeError, match=said):
        load_training_recipe("sft", None, [setting])


def test_an_unknown_recipe_is_answered_with_those_there_are():
    with pytest.raises(RecipeError, match=r"nosuch.*tulu3-sft-8b"):
        load_training_recipe("sft", "nosuch", [])

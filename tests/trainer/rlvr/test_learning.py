"""What the learner tells of a batch: of the tokens that the loss counts, and of no others."""

from tests.trainer.rlvr.made import prompt, rollout
from tests.trainer.small import small_model
from trainer.rlvr.histograms import EDGES
from trainer.rlvr.rollouts import Group
from trainer.rlvr_recipe import RlvrRecipe

FIRST, MIDDLE = 0, len(EDGES) // 2 - 1  # the bins of next to nothing, and of 1


def learner(home, world, **policy):
    from trainer.engine import Engine
    from trainer.flops import size_of
    from trainer.model.parted import load_for_engine
    from trainer.rlvr.learning import Learner

    tables = {"batch": {"micro_tokens": 8}, "rows": {"max_length": 8}, "rollouts": {"max_tokens": 6}}
    recipe = RlvrRecipe(max_steps=1, optimizer={"lr": 1e-4}, model={"dtype": "fp32"}, policy=policy, **tables)
    model = load_for_engine(small_model(home / "base"), recipe, "logprobs")
    return Learner(Engine(model, recipe, world), None, None, recipe, world, size_of(model.model))


def test_histograms_hold_the_counted_tokens_alone(tmp_path, world):
    """Two rollouts were cut, one of them alone in its micro-batch: their 4 + 2 tokens are in no bin."""
    rows = [
        rollout(1.0, ids=(5, 6, 7)),
        rollout(0.0, ids=(8, 9, 10, 11), finish="length"),
        rollout(0.0, ids=(9, 9)),
        rollout(1.0, ids=(4, 3), finish="length"),
    ]
    made = learner(tmp_path, world, mask_cut=True)
    learned = made.learn([Group(draw=0, prompt=prompt(0), rollouts=rows)], 0)
    made.engine.close()

    ratio, importance = learned.histograms["ratio"], learned.histograms["importance"]
    assert (ratio[MIDDLE], sum(ratio)) == (5, 5)  # one update: nothing has moved
    # The sampler stated 0.61 for each token, random weights give one of 500 next to nothing.
    assert (importance[FIRST], sum(importance)) == (5, 5)

"""What is measured of a batch, against numbers made by hand."""

import msgspec
import pytest

from tests.trainer.rlvr.made import prompt, rollout
from trainer.rlvr.figures import rollout_figures
from trainer.rlvr.rollouts import Group


def asked(draw, rollouts, verifier):
    return Group(draw=draw, prompt=prompt(draw, verifier=verifier), rollouts=rollouts)


def told(reward, flex=None, **made):
    return msgspec.structs.replace(rollout(reward, **made), flex=flex)


def test_the_gap_is_of_answers_with_both_forms_and_of_verifiers_that_have_two():
    maths = asked(0, [told(1.0, True), told(0.0, True), told(0.0, False), told(None, True), told(0.0)], "math")
    words = asked(1, [told(1.0), told(0.0)], "string_matcher")
    found = rollout_figures([maths, words])
    assert found["correct/math"] == pytest.approx(1 / 4)
    assert found["flex/math"] == pytest.approx(3 / 4)
    assert found["gap/math"] == pytest.approx(1 / 3)
    assert found["correct/string_matcher"] == 0.5
    assert not {"flex/string_matcher", "gap/string_matcher"} & found.keys()


def test_lengths_ends_and_rewards():
    rollouts = [told(1.0, ids=(5, 6)), told(0.0, ids=(5, 5, 5, 5, 5, 5), finish="length"), told(None, ids=(9,))]
    found = rollout_figures([asked(0, rollouts, "string_matcher")])
    assert (found["reward"], found["reward/std"]) == (0.5, 0.5)
    assert found["rollouts/unrewarded"] == pytest.approx(1 / 3)
    assert [found[f"rollouts/tokens{of}"] for of in ("", "_correct", "_wrong")] == [3.0, 2.0, 6.0]
    assert found["rollouts/ended"] == pytest.approx(2 / 3)
    assert found["rollouts/repetition"] == pytest.approx((2 / 3) / 3)  # two of three 4-grams stood before
    assert found["rollouts/sampler_entropy"] == pytest.approx(0.5)


def test_what_there_is_nothing_to_take_a_mean_of_is_left_out():
    found = rollout_figures([asked(0, [told(None)], "math")])
    means = {"reward", "reward/std", "correct/math", "flex/math", "gap/math", "rollouts/tokens_correct"}
    assert not means & found.keys()

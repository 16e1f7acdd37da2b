"""Rewards: sums by hand, gates first, and an abstention or an error is never a zero."""

from __future__ import annotations

import math
import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.base import JudgeError, Verdict, abstain, correct, to_judgement, wrong
from judges.penalties import Output, Overlong, Penalties, Repetition
from judges.rewards import Gate, Part, Reward, RewardRecipe, gated, read_recipe, reward
from schemas.records import Message
from tests.judges.prompts import a_completion

STOPPED = Output("a b c d e", "stop", 5)
BROKEN = JudgeError("timeout", "prompt p1: it took too long")
SUM = RewardRecipe([Part("math"), Part("rubric", weight=0.5)])
GATED = RewardRecipe([Part("math", weight=2.0)], Gate("format", otherwise=-0.5), Penalties(no_end=1.0))


def partly(score):
    return Verdict(score, "correct" if score == 1.0 else "wrong", "partly")


def test_a_weighted_sum():
    found = reward(SUM, {"math": correct("72"), "rubric": partly(0.6)}, STOPPED)
    assert found == Reward(1.3, {"math": 1.0, "rubric": 0.6}, "math +1 rubric +0.3")


def test_a_judgement_counts_as_its_verdict():
    judgement = to_judgement("math", a_completion("c1", [Message("assistant", "72")]), correct("72"))
    assert reward(RewardRecipe([Part("math")]), {"math": judgement}, STOPPED).value == 1.0


@pytest.mark.parametrize(
    ("math_found", "rubric_found", "parts", "reason"),
    [
        (abstain("no idea"), partly(0.6), {"math": None, "rubric": 0.6}, "math abstained: no idea"),
        (correct("72"), BROKEN, {"math": 1.0, "rubric": None}, "rubric failed (timeout): prompt p1: it took too long"),
        (wrong("71"), abstain("x"), {"math": 0.0, "rubric": None}, "rubric abstained: x"),
        (
            abstain("x"),
            BROKEN,
            {"math": None, "rubric": None},
            "math abstained: x; rubric failed (timeout): prompt p1: it took too long",
        ),
    ],
)
def test_a_part_without_a_score_leaves_no_reward(math_found, rubric_found, parts, reason):
    found = reward(SUM, {"math": math_found, "rubric": rubric_found}, STOPPED)
    assert found == Reward(None, parts, reason)


def test_an_abstention_counts_only_where_the_recipe_says_as_what_and_an_error_never():
    recipe = RewardRecipe([Part("math"), Part("rubric", weight=2.0, abstain_score=0.25)])
    assert reward(recipe, {"math": correct("72"), "rubric": abstain("x")}, STOPPED).value == 1.5
    assert reward(recipe, {"math": correct("72"), "rubric": abstain("x")}, STOPPED).parts["rubric"] is None
    assert reward(recipe, {"math": correct("72"), "rubric": BROKEN}, STOPPED).value is None
    assert reward(recipe, {"math": abstain("x"), "rubric": partly(0.5)}, STOPPED).value is None


@pytest.mark.parametrize(("score", "counted"), [(0.0, 0.0), (0.98, 0.0), (0.99, 1.0), (1.0, 1.0)])
def test_a_threshold_makes_a_score_all_or_nothing_and_the_score_is_still_logged(score, counted):
    recipe = RewardRecipe([Part("code", weight=2.0, threshold=0.99)])
    found = reward(recipe, {"code": partly(score)}, STOPPED)
    assert found.value == 2.0 * counted
    assert found.parts == {"code": score}


def test_a_part_of_weight_0_is_only_logged():
    recipe = RewardRecipe([Part("math"), Part("watched", weight=0.0)])
    for watched, logged in ((partly(0.5), 0.5), (abstain("x"), None), (BROKEN, None)):
        found = reward(recipe, {"math": correct("72"), "watched": watched}, STOPPED)
        assert (found.value, found.parts["watched"]) == (1.0, logged)


def test_a_closed_gate_decides_alone():
    cut = Output("a", "length", 1)
    closed = {"format": wrong("no </think>")}
    expected = Reward(-0.5, {"format": 0.0, "math": None}, "gate format is closed: 0, no </think>")
    assert reward(GATED, closed, cut) == expected  # no penalty, and math was not asked
    assert reward(GATED, {**closed, "math": correct("72")}, cut).value == -0.5
    assert gated(GATED, closed["format"]) == expected


def test_an_open_gate_adds_nothing():
    found = reward(GATED, {"format": correct("ok"), "math": correct("72")}, STOPPED)
    assert (found.value, found.parts) == (2.0, {"format": 1.0, "math": 1.0, "penalty_no_end": 0.0})
    assert gated(GATED, correct("ok")) is None
    assert gated(SUM, correct("ok")) is None


@pytest.mark.parametrize(("unsure", "why"), [(abstain("x"), "abstained: x"), (BROKEN, "failed (timeout)")])
def test_a_gate_that_cannot_tell_leaves_no_reward(unsure, why):
    found = reward(GATED, {"format": unsure, "math": correct("72")}, STOPPED)
    assert (found.value, found.parts["format"]) == (None, None)
    assert why in found.reason


def test_a_gate_may_open_below_1():
    recipe = RewardRecipe([Part("math")], Gate("ifeval", min_score=0.5))
    assert gated(recipe, partly(0.5)) is None
    assert gated(recipe, partly(0.49)).value == 0.0


def test_the_gates_judge_may_be_a_part_too():
    recipe = RewardRecipe([Part("format", weight=0.1), Part("math")], Gate("format"))
    assert recipe.judges == ["format", "math"]
    assert reward(recipe, {"format": correct("ok"), "math": wrong("71")}, STOPPED).value == 0.1


def test_penalties_are_subtracted_and_logged():
    recipe = RewardRecipe(
        [Part("math")], None, Penalties(no_end=0.5, overlong=Overlong(100, 50), repetition=Repetition(n=1, amount=0.2))
    )
    found = reward(recipe, {"math": correct("72")}, Output("a a b b", "length", 75))
    assert found.value == pytest.approx(1 - 0.5 - 0.5 - 0.1)
    assert found.parts == {"math": 1.0, "penalty_no_end": -0.5, "penalty_overlong": -0.5, "penalty_repetition": -0.1}
    assert found.reason == "math +1 penalty_no_end -0.5 penalty_overlong -0.5 penalty_repetition -0.1"


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 1)), min_size=1, max_size=6))
def test_the_value_is_the_sum_of_weights_times_scores(terms):
    recipe = RewardRecipe([Part(f"j{n}", weight=weight) for n, (weight, _) in enumerate(terms)])
    found = {f"j{n}": partly(score) for n, (_, score) in enumerate(terms)}
    assert reward(recipe, found, STOPPED).value == pytest.approx(math.fsum(w * s for w, s in terms), abs=1e-12)


def test_a_judge_that_was_not_asked_is_a_mistake_of_the_caller():
    with pytest.raises(KeyError, match="rubric"):
        reward(SUM, {"math": correct("72")}, STOPPED)


def test_a_recipe_as_toml():
    table = tomllib.loads(
        """
        [reward.gate]
        judge = "format"
        otherwise = -0.5

        [[reward.parts]]
        judge = "verifier"

        [[reward.parts]]
        judge = "rubric"
        weight = 0.3
        abstain_score = 0.5

        [reward.penalties]
        no_end = 0.5
        overlong = { max_tokens = 20480, zone = 4096 }
        repetition = { n = 8, allowed = 0.1 }
        """
    )["reward"]
    recipe = read_recipe(table, ["format", "rubric"])
    assert recipe == RewardRecipe(
        [Part("verifier"), Part("rubric", 0.3, 0.5)],
        Gate("format", otherwise=-0.5),
        Penalties(0.5, Overlong(20480, 4096), Repetition(8, 0.1)),
    )
    assert recipe.judges == ["format", "verifier", "rubric"]
    assert msgspec.convert(msgspec.to_builtins(recipe), RewardRecipe) == recipe


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({}, "parts"),
        ({"parts": []}, "at least one"),
        ({"parts": [{"judge": "math"}, {"judge": "math"}]}, "each judge once"),
        ({"parts": [{"judge": "maths"}]}, "did you mean 'math'"),
        ({"parts": [{"judge": "zzz"}]}, "known: format, math, verifier"),
        ({"parts": [{"judge": "math", "wieght": 1}]}, "wieght"),
        ({"parts": [{"judge": "math", "weight": math.inf}]}, "finite"),
        ({"parts": [{"judge": "math", "abstain_score": 2}]}, "abstain_score"),
        ({"parts": [{"judge": "math"}], "gates": {}}, "gates"),
        ({"parts": [{"judge": "math"}], "gate": {"judge": "format", "else": 0}}, "else"),
        ({"parts": [{"judge": "math"}], "gate": {"judge": "formt"}}, "did you mean 'format'"),
        ({"parts": [{"judge": "math"}], "gate": {"judge": "format", "otherwise": math.nan}}, "finite"),
        ({"parts": [{"judge": "math"}], "penalties": {"no_end": -1}}, "no_end"),
        ({"parts": [{"judge": "math"}], "penalties": {"no_end": math.inf}}, "finite"),
        ({"parts": [{"judge": "math"}], "penalties": {"length": 1}}, "length"),
    ],
)
def test_a_recipe_that_is_wrong_says_where(table, why):
    with pytest.raises(ValueError, match=r"^reward: ") as caught:
        read_recipe(table, ["math", "format"])
    assert why in str(caught.value)

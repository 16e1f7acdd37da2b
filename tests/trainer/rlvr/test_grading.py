"""Rewards of answers: by the prompt's own verifier and others; an abstention is none, and a cut answer earns no end."""

import asyncio
import json

import pytest

from schemas.manifest import ModelRef
from tests.trainer.rlvr.made import answer, prompt
from trainer.errors import TrainError
from trainer.rlvr.grading import Grader, to_completion
from trainer.rlvr.tasks import Task
from trainer.rlvr_recipe import RewardTable

MODEL = ModelRef(role="policy", model="m", revision="r", engine="transformers", engine_version="1")
SAID = {"right": "<answer>7</answer>", "wrong": "<answer>8</answer>"}


def graded(texts, table=None, *, finish="stop", opens_thoughts=False, **changes):
    import msgspec

    asked = prompt(7, **changes)
    grader = Grader(table or RewardTable(), opens_thoughts, seed=0)
    grader.check([Task(asked)])
    answers = [msgspec.structs.replace(answer((1, 2), finish=finish), text=text) for text in texts]
    rows = [
        to_completion(asked, one, MODEL, index=number, seed=number, draw=0, opens_thoughts=opens_thoughts)
        for number, one in enumerate(answers)
    ]
    return asyncio.run(grader.grade(asked, rows, answers)).rollouts


def test_right_and_wrong():
    found = graded([SAID["right"], SAID["wrong"]])
    assert [one.reward for one in found] == [1.0, 0.0]
    assert [one.correct for one in found] == [True, False]


@pytest.mark.parametrize(
    ("verifier", "text", "strict", "flex"),
    [
        ("math", "So the answer is 7.", True, True),
        ("math", "We get $x = 7$ at last.", False, True),  # nothing states an answer
        ("math", "So the answer is 8.", False, False),
        ("gsm8k", "She makes $7$ in the end, after 4 days.", False, True),
        ("string_matcher", SAID["wrong"], False, None),  # one form
    ],
)
def test_an_answer_that_is_right_but_for_its_form_is_watched_and_not_paid(verifier, text, strict, flex):
    [found] = graded([text], verifier=verifier)
    assert (found.reward, found.correct, found.flex) == (float(strict), strict, flex)


def test_thoughts_are_no_answer_in_any_form():
    [found] = graded(["We get $x = 7$ at last."], verifier="math", opens_thoughts=True)
    assert (found.correct, found.flex) == (False, False)


def test_where_the_lenient_check_breaks_the_strict_verdict_stands():
    many = "1" * 3000  # `gsm8k` reads it; what `math` reads has at most 2,000 characters
    [found] = graded(["#### 7"], verifier="gsm8k", ground_truth=f"#### {many}")
    assert (found.reward, found.correct, found.flex) == (0.0, False, None)


def test_an_abstention_is_no_reward_and_no_verdict():
    schema = json.dumps({"anyOf": [{"type": "string"}] * 1500})  # each error quotes the whole answer: it takes too long
    [found] = graded([json.dumps(list(range(9_000)))], verifier="json_schema", ground_truth=schema)
    assert found.reward is None
    assert found.correct is None


def test_a_verdict_that_breaks_is_no_reward():
    [found] = graded(["7"], verifier="reasoning_gym")  # the prompt lacks the task
    assert found.reward is None
    assert "failed" in found.reason


def test_thoughts_that_were_never_closed_have_no_answer():
    [found] = graded([f"it must be {SAID['right']}"], opens_thoughts=True)
    assert found.reward == 0.0


def test_the_answer_after_the_thoughts_counts_and_the_thoughts_do_not():
    found = graded(
        [f"{SAID['wrong']}</think>{SAID['right']}", f"{SAID['right']}</think>{SAID['wrong']}"], opens_thoughts=True
    )
    assert [one.reward for one in found] == [1.0, 0.0]


def test_no_end_is_paid_once_instead_of_the_reward():
    table = RewardTable(parts=({"judge": "verifier", "weight": 10.0, "threshold": 1.0},), no_end=-10.0)  # Tulu 3
    assert [one.reward for one in graded([SAID["right"], SAID["wrong"]], table)] == [10.0, 0.0]
    assert [one.reward for one in graded([SAID["right"], SAID["wrong"]], table, finish="length")] == [-10.0, -10.0]


def test_a_coin_pays_whatever_is_said_and_the_verdict_is_still_known():
    found = graded([SAID["right"]] * 64, RewardTable(control="random"))
    paid = [one.reward for one in found]
    assert set(paid) == {0.0, 1.0}
    assert 16 <= sum(paid) <= 48
    assert all(one.correct for one in found)
    assert paid == [one.reward for one in graded([SAID["wrong"]] * 64, RewardTable(control="random"))]


def test_a_second_verifier_of_weight_0_is_only_watched():
    """A canary: what it says beside the reward shows when the reward is being gamed."""
    parts = ({"judge": "verifier"}, {"judge": "tagged", "weight": 0.0})
    verifiers = {"tagged": {"verifier": "format"}}
    [found] = graded([SAID["right"]], RewardTable(parts=parts, verifiers=verifiers))
    assert found.reward == 1.0
    assert "tagged" in found.parts


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"parts": ({"judge": "rubrik"},)}, "reward: no judge 'rubrik'"),
        ({"verifiers": {"x": {"verifier": "maht"}}}, "unknown verifier 'maht'; did you mean 'math'"),
        ({"penalties": {"no_ned": 1.0}}, "no_ned"),
    ],
)
def test_a_table_that_is_wrong_says_where(table, why):
    with pytest.raises(TrainError, match=why):
        Grader(RewardTable(**table), False, 0)

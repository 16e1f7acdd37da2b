"""The scripted teacher against the tasks' own scorers, and against solutions worked by hand."""

import pytest
import reasoning_gym

from factory.sampling.errors import RowError, RunError
from factory.sampling.reasoning import split_reasoning
from factory.sampling.solver.engine import SolverEngine
from factory.sampling.solver.families import FAMILIES, solve
from factory.sampling.solver.spiral_matrix import work as spiral
from factory.sampling.types import SamplingParams
from schemas.records import Message

CONFIGS = {
    "chain_sum": {"min_terms": 2, "max_terms": 7, "allow_negation": True},
    "leg_counting": {"min_animals": 1, "max_animals": 10},
    "spell_backward": {},
    "spiral_matrix": {"min_n": 2, "max_n": 7},
}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_answer_has_full_marks(family):
    tasks = reasoning_gym.create_dataset(family, seed=5, size=300, **CONFIGS[family])
    for entry in tasks:
        worked = solve(entry["question"])
        assert worked is not None, entry["question"]
        assert tasks.score_answer(worked.answer, entry) == 1.0, (entry["question"], worked)


@pytest.mark.parametrize(
    ("family", "config", "reasoning"),
    [
        ("chain_sum", {"seed": 1, "min_terms": 3, "max_terms": 3, "max_digits": 1}, "4 - 1 -> 3 - 7 -> -4"),
        (
            "leg_counting",
            {"seed": 1, "min_animals": 2, "max_animals": 2, "max_instances": 5},
            "3 woodlouses x 14 = 42 -> 42, 1 leech x 0 = 0 -> 42",
        ),
    ],
)
def test_the_steps_of_a_task_worked_by_hand(family, config, reasoning):
    (entry,) = reasoning_gym.create_dataset(family, size=1, **config)
    assert solve(entry["question"]).reasoning == reasoning


def test_a_matrix_that_is_no_square_worked_by_hand():
    question = "the list of elements in spiral order?\n1 2 3\n4 5 6\n"
    assert spiral(question) == ("1 2 3 -> 6 -> 5 4", "1 2 3 6 5 4")


def test_a_slip_of_the_pen_is_carried_on():
    question = "the following arithmetic problem: 4 - 1 - 7 ="
    worked = solve(question, lambda result: str(int(result) + 1))
    assert worked == ("4 - 1 -> 4 - 7 -> -2", "-2")


@pytest.mark.parametrize(
    "question",
    ["What is 2 + 2?", "", "how many legs are there in total if you have 3 unicorns?", "in spiral order?\n1 2\n3\n"],
)
def test_what_it_does_not_know(question):
    assert solve(question) is None


async def test_the_engine_answers_as_a_thinking_model_does():
    engine = SolverEngine("reasoning-gym")
    await engine.start()
    question = "Spell this word backward (example: sun -> nus): abc"
    answers = await engine.sample([Message("user", question)], 2, SamplingParams())
    assert [split_reasoning(answer.text)[:2] for answer in answers] == [("3c2b1a", "cba")] * 2
    assert (engine.model.model, engine.model.engine) == ("solver:reasoning-gym", "solver")


async def test_a_question_that_is_not_a_task_is_a_dead_letter():
    engine = SolverEngine("reasoning-gym")
    await engine.start()
    with pytest.raises(RowError, match="chain_sum") as caught:
        await engine.sample([Message("user", "Who are you?")], 1, SamplingParams())
    assert caught.value.kind == "not_solvable"


async def test_what_the_engine_cannot_do_is_refused():
    with pytest.raises(RunError, match="solver:reasoning-gym"):
        await SolverEngine("chess").start()
    with pytest.raises(RunError, match="logprobs"):
        await SolverEngine("reasoning-gym").sample([], 1, SamplingParams(logprobs=True))

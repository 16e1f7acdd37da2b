"""Batches: in the order of the draws whoever ends first, without groups that teach nothing, never without an end."""

import asyncio
import random

import msgspec
import pytest

from tests.trainer.rlvr.made import group, rollout, tasks
from trainer.errors import TrainError
from trainer.rlvr.collecting import Collector, State
from trainer.rlvr.drawing import Draw
from trainer.rlvr.tasks import Tasks
from trainer.rlvr_recipe import RlvrRecipe


def recipe(**rollouts):
    tables = {"rollouts": {"prompts": 4, "per_prompt": 2, **rollouts.pop("rollouts", {})}, **rollouts}
    return RlvrRecipe(max_steps=10, optimizer={"lr": 1e-4}, **tables)


class Policy:
    """Answers after a while. `rewards_of(prompt number)`: of its two answers. Knows its weights' version."""

    def __init__(self, order: Tasks, rewards_of, waits=None) -> None:
        self.order, self.rewards_of, self.waits = order, rewards_of, waits or (lambda draw: 0.0)
        self.version, self.asked, self.in_flight, self.most_in_flight = 0, [], 0, 0

    def __call__(self, draws: list[Draw]):
        return [asyncio.ensure_future(self._answer(draw)) for draw in draws]

    async def _answer(self, draw: Draw):
        self.asked.append(draw.number)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        began_with = self.version
        await asyncio.sleep(self.waits(draw))
        self.in_flight -= 1
        number = int(self.order.at(draw.position).prompt.source_id)
        return group(draw.number, self.rewards_of(number), number=number, version=began_with)


def batches(recipe, order, policy, count, state=None):
    async def run():
        collector = Collector(recipe, order, policy, state or State())
        found = []
        for version in range(count):
            policy.version = version
            found.append(await collector.batch(version))
        kept = collector.state()
        await collector.close()
        return found, kept

    return asyncio.run(run())


def draws_of(batch):
    return [group.draw for group in batch.groups]


@pytest.mark.parametrize("max_age", [0, 1, 3])
def test_a_batch_is_what_was_drawn_first_not_what_ended_first(max_age):
    """The first draws take longest: where batches were filled by the fastest, they would come last or never."""
    order, made = Tasks([tasks(40)], [1.0], 0), recipe(rollouts={"max_age": max_age})
    slow_first = Policy(order, lambda number: (0.0, 1.0), lambda draw: 0.02 / (1 + draw.number))
    found, _ = batches(made, order, slow_first, 3)
    assert [draws_of(batch) for batch in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.parametrize("max_age", [0, 2])
def test_groups_without_a_gradient_make_room_and_nothing_depends_on_time(max_age):
    order, made = Tasks([tasks(60)], [1.0], 0), recipe(rollouts={"max_age": max_age})
    draw = random.Random(0)
    teaching = {number for number in range(60) if number % 3 == 0}
    expected, found = [], []
    for position in range(60):
        if int(order.at(position).prompt.source_id) in teaching:
            expected.append(position)
    for _ in range(2):
        policy = Policy(order, lambda n: (0.0, 1.0) if n in teaching else (1.0, 1.0), lambda _: draw.random() / 100)
        got, _ = batches(made, order, policy, 3)
        found.append([draws_of(batch) for batch in got])
        surplus = [group.draw for batch in got for why, group in batch.others if why == "surplus"]
    assert found[0] == found[1]
    useful = [at for at in expected if at not in surplus]
    assert found[0] == [useful[0:4], useful[4:8], useful[8:12]]
    assert bool(surplus) == (max_age == 0)


def test_in_turns_the_first_batch_asks_for_no_more_than_it_learns_from():
    order, made = Tasks([tasks(60)], [1.0], 0), recipe()
    policy = Policy(order, lambda number: (0.0, 1.0) if number % 2 else (0.0, 0.0))
    [batch], state = batches(made, order, policy, 1)
    assert batch.drawn == len(policy.asked) == len(batch.groups) + sum(batch.left_out.values())
    assert set(batch.left_out) == {"all wrong"}
    assert state.window == []
    assert state.useful_share == 4 / batch.drawn


@pytest.mark.parametrize(("share", "asked"), [(0.5, 8), (0.6, 7), (1.0, 4)])
def test_in_turns_a_round_asks_for_what_the_last_batch_would_have_needed(share, asked):
    """All of these have a gradient: what goes beyond the batch is left out by name, waited for, and counted."""
    order, made = Tasks([tasks(60)], [1.0], 0), recipe()
    policy = Policy(order, lambda number: (0.0, 1.0), lambda draw: draw.number / 1000)
    [batch], state = batches(made, order, policy, 1, State(useful_share=share))
    assert draws_of(batch) == [0, 1, 2, 3]
    assert policy.asked == list(range(asked))
    assert (policy.in_flight, state.window) == (0, [])
    assert [(why, group.draw) for why, group in batch.others] == [("surplus", draw) for draw in range(4, asked)]
    assert state.useful_share == 1.0
    assert sum(entry.graded for entry in state.entries.values()) == 2 * asked


def test_in_turns_a_round_never_asks_for_more_than_four_times_the_batch():
    order, made = Tasks([tasks(60)], [1.0], 0), recipe()
    policy = Policy(order, lambda number: (0.0, 1.0) if number % 10 == 0 else (0.0, 0.0))
    _, state = batches(made, order, policy, 1)
    assert state.useful_share == 0.25


def test_what_is_left_out_is_handed_out_with_its_reason_in_order():
    order, made = Tasks([tasks(60)], [1.0], 0), recipe()
    rewards = [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0)]
    [batch], state = batches(made, order, Policy(order, lambda number: rewards[number % 3]), 1)
    number_of = {draw: int(order.at(draw).prompt.source_id) for draw in range(batch.drawn)}
    expected = {1: "all wrong", 2: "all alike"}
    assert [why for why, _ in batch.others] == [expected[n % 3] for n in number_of.values() if n % 3]
    others = [group.draw for _, group in batch.others]
    assert others == sorted(others)
    assert sorted(others + draws_of(batch)) == list(range(batch.drawn)) == list(range(state.taken))


def test_with_an_age_the_next_batches_are_in_the_making():
    order, made = Tasks([tasks(60)], [1.0], 0), recipe(rollouts={"max_age": 2})
    policy = Policy(order, lambda number: (0.0, 1.0), lambda draw: 0.01)
    found, state = batches(made, order, policy, 4)
    assert policy.most_in_flight == 12
    ages = [version - group.version for version, batch in enumerate(found) for group in batch.groups]
    assert max(ages) == 2  # never more, though every group was asked for two batches ahead
    assert len(state.window) == 8


def test_stale_groups_are_left_out_and_counted():
    """As after a restart with rollouts that had waited too long."""
    order, made = Tasks([tasks(60)], [1.0], 0), recipe(rollouts={"max_age": 1})
    old = [(Draw(number, number), group(number, (0.0, 1.0), version=3)) for number in range(3)]
    policy = Policy(order, lambda number: (0.0, 1.0))
    state = State(window=old)
    state.drawing.number = state.drawing.position = 3
    policy.version = 5

    async def run():
        return await Collector(made, order, policy, state).batch(5)

    batch = asyncio.run(run())
    assert batch.left_out == {"stale": 3}
    assert draws_of(batch) == [3, 4, 5, 6]


def test_pending_rollouts_are_kept_and_the_rest_asked_again():
    order, made = Tasks([tasks(60)], [1.0], 0), recipe(rollouts={"max_age": 1})
    first = Policy(order, lambda number: (0.0, 1.0), lambda draw: 5.0 if draw.number % 2 else 0.0)

    async def interrupted():
        collector = Collector(made, order, first, State())
        waiting = asyncio.ensure_future(collector.batch(0))
        state = collector.state()
        while not (state.taken and any(found for _, found in state.window)):  # one is taken, and others have ended
            await asyncio.sleep(0)
            state = collector.state()
        waiting.cancel()
        await collector.close()
        return state

    state = asyncio.run(interrupted())
    ended = [draw.number for draw, found in state.window if found is not None]
    second = Policy(order, lambda number: (0.0, 1.0))
    [batch], _ = batches(made, order, second, 1, state)
    assert draws_of(batch)[:1] == [state.window[0][0].number]
    assert not set(second.asked) & set(ended)
    undisturbed, _ = batches(made, order, Policy(order, lambda number: (0.0, 1.0)), 1)
    left = set(draws_of(undisturbed[0])) - set(draws_of(batch))
    assert left == {0}  # it had ended and was taken before the interruption


@pytest.mark.parametrize("max_age", [0, 2])
def test_when_nothing_teaches_any_more_it_ends(max_age):
    order, made = Tasks([tasks(7)], [1.0], 0), recipe(rollouts={"max_age": max_age})
    policy = Policy(order, lambda number: (1.0, 1.0))
    found, _ = batches(made, order, policy, 2)
    assert [batch.groups for batch in found] == [[], []]
    assert len(policy.asked) <= 7 + 4 * (1 + max_age) * 2


def test_retired_prompts_are_not_drawn_again():
    order = Tasks([tasks(6)], [1.0], 0)
    made = recipe(rollouts={"only_with_gradient": False}, signal={"retire_above": 0.9})
    policy = Policy(order, lambda number: (1.0, 1.0) if number < 3 else (0.0, 1.0))
    found, _ = batches(made, order, policy, 6)
    seen = [int(group.prompt.source_id) for batch in found for group in batch.groups]
    assert all(seen.count(number) == 1 for number in range(3))
    assert all(seen.count(number) > 3 for number in range(3, 6))


def test_when_all_are_retired_it_ends():
    order = Tasks([tasks(5)], [1.0], 0)
    made = recipe(rollouts={"only_with_gradient": False}, signal={"retire_above": 0.5})
    found, _ = batches(made, order, Policy(order, lambda number: (1.0, 1.0)), 4)
    assert [len(batch.groups) for batch in found] == [4, 4, 0, 0]  # the last one fills a batch by itself


def test_a_rollout_without_a_reward_leaves_its_group_and_is_no_zero():
    order, made = Tasks([tasks(9)], [1.0], 0), recipe(rollouts={"prompts": 1, "max_failed_share": 1.0})

    async def run():
        def ask(draws):
            return [asyncio.sleep(0, group(draw.number, (None, 0.0, 1.0, 1.0))) for draw in draws]

        return await Collector(made, order, ask, State()).batch(0)

    [found] = asyncio.run(run()).groups
    assert [one.reward for one in found.graded] == [0.0, 1.0, 1.0]


def test_one_reward_left_is_no_group():
    assert not group(0, (None, 1.0)).has_gradient


def test_a_curriculum_draws_less_often_what_is_solved():
    order = Tasks([tasks(60)], [1.0], 0)

    def without_gradient(**signal):
        policy = Policy(order, lambda number: (1.0, 1.0) if number % 3 else (0.0, 1.0))
        found, _ = batches(recipe(signal=signal), order, policy, 40)
        return [sum(batch.left_out.values()) for batch in found], [batch.passed_over for batch in found]

    evenly, none = without_gradient()
    seldom, some = without_gradient(curriculum=True)
    assert sum(none) == 0 < sum(some)
    assert seldom[:3] == evenly[:3]  # in the first epoch nothing is known yet
    assert sum(seldom[20:]) < 0.75 * sum(evenly[20:])


def test_what_the_curriculum_knows_is_kept_with_a_checkpoint():
    order, made = Tasks([tasks(12)], [1.0], 0), recipe(signal={"curriculum": True})

    def answers():
        return Policy(order, lambda number: (1.0, 1.0) if number % 3 else (0.0, 1.0))

    whole, _ = batches(made, order, answers(), 8)
    _, state = batches(made, order, answers(), 5)
    state = msgspec.json.decode(msgspec.json.encode(state), type=State)
    rest, _ = batches(made, order, answers(), 3, state)
    asked = [[group.prompt.prompt_id for group in batch.groups] for batch in whole[5:]]
    assert [[group.prompt.prompt_id for group in batch.groups] for batch in rest] == asked
    assert [batch.passed_over for batch in rest] == [batch.passed_over for batch in whole[5:]]


def test_too_many_rollouts_without_a_reward_end_the_run():
    order = Tasks([tasks(400)], [1.0], 0)
    made = recipe(rollouts={"prompts": 200, "only_with_gradient": False})
    policy = Policy(order, lambda number: (None, 1.0) if number % 5 else (None, None))
    with pytest.raises(TrainError, match=r"rollouts without a reward: .* of .* rows failed"):
        batches(made, order, policy, 1)


@pytest.mark.parametrize("good", [0, 2])
def test_a_batch_that_stays_short_since_judges_fail_ends_the_run(good):
    """Too few rollouts for the budget to have looked at before: those of 40 prompts, 2 each."""
    order, made = Tasks([tasks(40)], [1.0], 0), recipe(signal={"retire_above": 0.4})
    policy = Policy(order, lambda number: (0.0, 1.0) if number < good else (None, None))
    with pytest.raises(TrainError, match=r"rollouts without a reward: \d+ of \d+ rows failed: \d+ 'no_reward'"):
        batches(made, order, policy, 1)
    assert 2 * len(policy.asked) < 200


def test_groups_whose_rollouts_have_no_reward_are_told_from_those_without_answers():
    order = Tasks([tasks(40)], [1.0], 0)
    policy = Policy(order, lambda number: (0.0, 1.0) if number % 4 else (None, None))
    [batch], _ = batches(recipe(), order, policy, 1)
    assert set(batch.left_out) <= {"no reward"}
    assert len(batch.groups) == 4


def test_an_answer_that_is_not_had_is_counted_and_no_rollout():
    order, made = Tasks([tasks(40)], [1.0], 0), recipe()

    async def run():
        def ask(draws):
            made = [
                group(draw.number, (0.0, 1.0))
                if draw.number % 4
                else group(draw.number, ()).__class__(
                    draw=draw.number, prompt=group(draw.number, ()).prompt, rollouts=[], failed={"http_500": 2}
                )
                for draw in draws
            ]
            return [asyncio.sleep(0, one) for one in made]

        return await Collector(made, order, ask, State()).batch(0)

    batch = asyncio.run(run())
    assert batch.left_out == {"unanswered": 2}
    assert draws_of(batch) == [1, 2, 3, 5]


def test_an_error_of_the_sampler_is_raised():
    order = Tasks([tasks(9)], [1.0], 0)

    async def fails():
        raise OSError("the engine is gone")

    async def run():
        collector = Collector(recipe(), order, lambda draws: [fails() for _ in draws], State())
        try:
            await collector.batch(0)
        finally:
            await collector.close()

    with pytest.raises(OSError, match="the engine is gone"):
        asyncio.run(run())


def test_rollout_ids_are_those_that_were_sampled():
    assert rollout(1.0, ids=(7, 8, 9)).ids == [7, 8, 9]

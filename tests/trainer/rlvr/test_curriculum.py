"""Which prompts the curriculum draws: its chances against a numeric integral, its draws against its chances."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from tests.trainer.rlvr.made import group, tasks
from trainer.rlvr.curriculum import draw_chance
from trainer.rlvr.drawing import Drawing, Rule
from trainer.rlvr.ledger import Ledger
from trainer.rlvr.tasks import Tasks

RULE = Rule(curriculum=True, n=8, seed=5)


def integral(correct, wrong, n, points=200_000):
    """Of 1 - p^n - (1-p)^n over Beta(1/2 + correct, 1/2 + wrong), with p = sin^2 t: no pole is left at the ends."""
    t = (np.arange(points) + 0.5) * (np.pi / 2 / points)
    p = np.sin(t) ** 2
    density = p**correct * (1 - p) ** wrong
    return float(np.sum(density * (1 - p**n - (1 - p) ** n)) / np.sum(density))


@pytest.mark.parametrize(
    ("correct", "graded", "n"), [(0, 8, 8), (8, 8, 8), (4, 8, 8), (7, 8, 2), (1, 16, 4), (2.5, 6.25, 8), (60, 64, 16)]
)
def test_the_chance_is_the_mean_over_what_the_pass_rate_may_be(correct, graded, n):
    assert draw_chance(correct, graded, n) == pytest.approx(integral(correct, graded - correct, n), abs=1e-6)


def test_one_answer_has_no_gradient_and_an_unknown_prompt_is_tried():
    assert draw_chance(3, 8, 1) == pytest.approx(0.0)
    assert draw_chance(0, 0, 8) == 1.0


def test_halves_are_the_likeliest_and_right_and_wrong_count_alike():
    chances = [draw_chance(correct, 8, 8) for correct in range(9)]
    assert chances == pytest.approx(chances[::-1])
    assert chances[:5] == sorted(chances[:5])
    assert 0.2 < chances[0] < 0.35  # looked at again
    assert chances[4] > 0.9


def test_each_prompt_is_drawn_as_often_as_its_chance_and_once_an_epoch_at_most():
    order, ledger, drawing = Tasks([tasks(9, range(9))], [1.0], 3), Ledger(), Drawing()
    epochs = 2000
    drawn = []
    while drawing.position < epochs * order.epoch:
        drawn.append(drawing.next(order, ledger, RULE).position)
    assert all(before < after for before, after in pairwise(drawn))
    counts = Counter(int(order.at(position).prompt.source_id) for position in drawn)
    for correct in range(9):
        chance = draw_chance(correct, 8, 8)
        assert abs(counts[correct] / epochs - chance) < 4 * (chance * (1 - chance) / epochs) ** 0.5
    assert drawing.passed_over == drawing.position - len(drawn)


def test_the_same_seed_draws_the_same_and_another_one_others():
    def positions(rule):
        order, drawing = Tasks([tasks(50, [8] * 50)], [1.0], 3), Drawing()
        return [drawing.next(order, Ledger(), rule).position for _ in range(20)]

    assert positions(RULE) == positions(RULE)
    assert positions(RULE) != positions(Rule(curriculum=True, n=8, seed=6))


def test_what_is_known_begins_with_the_data_and_each_group_halves_what_came_before():
    [task] = tasks(1, [6])
    ledger = Ledger()
    assert ledger.known(task) == (6, 8)
    ledger.add(group(0, (1.0, 1.0, 0.0, 0.0), number=0))
    assert ledger.known(task) == (3 + 2, 4 + 4)
    ledger.add(group(1, (None, 1.0, 1.0, 1.0), number=0))
    assert ledger.known(task) == (1.5 + 1 + 3, 2 + 2 + 3)


def test_a_prompt_that_the_run_has_solved_is_drawn_less_and_one_that_it_has_not_more():
    [solved, learnt] = tasks(2, [4, 0])
    ledger = Ledger()
    before = [draw_chance(*ledger.known(task), 8) for task in (solved, learnt)]
    ledger.add(group(0, [1.0] * 8, number=0))
    ledger.add(group(1, [1.0, 0.0] * 4, number=1))
    after = [draw_chance(*ledger.known(task), 8) for task in (solved, learnt)]
    assert after[0] < before[0]
    assert after[1] > before[1]


def test_where_every_coin_says_no_a_prompt_is_drawn_all_the_same_but_no_retired_one():
    [first, second] = tasks(2, [8, 8])
    order, ledger = Tasks([[first, second]], [1.0], 0), Ledger()
    for number in range(40):
        ledger.add(group(number, [1.0] * 8, number=0))
    never = Rule(retire_above=0.9, curriculum=True, n=1, seed=0)  # one answer never has a gradient
    drawing = Drawing()
    drawn = [drawing.next(order, ledger, never) for _ in range(5)]
    assert {order.at(draw.position).prompt.source_id for draw in drawn} == {"1"}
    ledger.add(group(99, [1.0] * 8, number=1))
    assert drawing.next(order, ledger, never) is None

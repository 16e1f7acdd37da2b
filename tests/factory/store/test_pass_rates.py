"""The histogram of pass rates that no build of pass rates measured: those of a training run, or of a filter."""

from __future__ import annotations

import json

import pytest

from factory.store.pass_rates import Bin, pass_rates
from schemas.datasets import open_version
from schemas.errors import CorruptError
from tests.factory.judge_space import space
from tests.schemas.rows import pass_rate, prompt

__all__ = ["space"]


def rates(*counts):
    """Rows with so many right answers of so many."""
    return [pass_rate(number, n_correct=c, n_samples=n) for number, (c, n) in enumerate(counts)]


def test_every_version_of_pass_rates_has_a_histogram(space):
    space.version("rates", rates((0, 4), (1, 4), (1, 4), (1, 3), (15, 16), (4, 4), (7, 7)))
    found = pass_rates(open_version("rates@v1", space.home))
    there = {one.label: one for one in found.bins if one.total}
    assert {label: one.total for label, one in there.items()} == {"0": 1, "0.25": 2, "0.375": 1, "below 1": 1, "1": 2}
    assert there["0.25"] == Bin(label="0.25", kept=2, too_hard=0, too_easy=0)
    assert (found.planned, found.drawn) == (None, None)


def test_it_is_shown_without_what_only_a_build_of_pass_rates_knows(space):
    space.version("rates", rates((0, 4), (2, 4), (1, 2), (1, 2)))
    page = space.run("datasets", "show", "rates")[1]
    assert [line.split() for line in page.splitlines() if line.startswith(("0 ", "0.5 "))] == [
        ["0", "1", "#" * 8],
        ["0.5", "3", "#" * 24],
    ]
    assert "too hard" not in page
    assert "planned" not in page
    shown = json.loads(space.run("datasets", "show", "rates", "--json")[1])["pass_rates"]
    assert sum(one["kept"] for one in shown["bins"]) == 4


def test_other_versions_have_none(space):
    space.version("prompts", [prompt(0)])
    assert pass_rates(open_version("prompts@v1", space.home)) is None
    assert "pass rate up to" not in space.run("datasets", "show", "prompts")[1]


@pytest.mark.parametrize("counts", [(0, 0), (5, 4), (-1, 4)])
def test_impossible_counts_are_told(space, counts):
    space.version("rates", rates((1, 4), counts))
    with pytest.raises(CorruptError, match=f"rates: a row has {counts[0]} right answers of {counts[1]}"):
        pass_rates(open_version("rates@v1", space.home))

"""Two sides on the same prompts, beside a join by hand."""

import json
import random
from collections import defaultdict

import pytest

from factory.looking.compare import compare, pairs
from factory.looking.sides import SideRef
from schemas.errors import DataError
from schemas.records import Message
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import completion, judgement, pair, pass_rate, prompt, trace

WORDS = {1.0: "correct", 0.0: "wrong", None: "abstain"}


def answer(number, prompt_id, model="tiny", **changes):
    texts = {"completion": [Message("assistant", f"{model} says {number}")], "prompt": [Message("user", prompt_id)]}
    return completion(number, prompt_id=prompt_id, model=model, **texts, **changes)


def by_prompt(rows, score):
    found = defaultdict(list)
    for row in rows:
        if (value := score(row)) is not None:
            found[row.prompt_id].append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    home = tmp_path_factory.mktemp("rates")
    chance = random.Random(0)
    sides = []
    for name, first in (("before", 0), ("after", 60)):
        rows = [
            pass_rate(number, pass_rate=chance.randrange(9) / 8, prompt=[Message("user", f"ask {number}")])
            for number in range(first, first + 300)
        ]
        chance.shuffle(rows)
        version(home, name, rows, per_shard=100)
        sides.append(rows)
    return home, *sides


def test_pass_rates_beside_a_join_by_hand(rates):
    home, before, after = rates
    found = compare(library(home), SideRef("before"), SideRef("after@v1"))
    a, b = (by_prompt(rows, lambda row: row.pass_rate) for rows in (before, after))
    both = a.keys() & b.keys()
    gaps = [b[name] - a[name] for name in both]
    assert (found.shared, found.only_first, found.only_second) == (240, 60, 60)
    assert found.score == "pass_rate"
    assert found.better == sum(gap > 1e-9 for gap in gaps)
    assert found.worse == sum(gap < -1e-9 for gap in gaps)
    assert found.better + found.worse + found.equal == 240
    assert found.mean_difference == pytest.approx(sum(gaps) / 240)
    assert found.first.mean == pytest.approx(sum(a.values()) / 300)
    assert sum(bin.rows for bin in found.differences) == 240
    assert (found.first.ref, found.second.ref, found.first.models) == ("before@v1", "after@v1", ["tiny"])


@pytest.mark.parametrize("order", ["prompt", "first_better", "second_better", "differing"])
def test_pairs_come_in_their_order(rates, order):
    home, before, after = rates
    shelf = library(home)
    shown = []
    while len(shown) < 240:
        shown += pairs(shelf, SideRef("before"), SideRef("after"), order=order, offset=len(shown), limit=50).pairs
    a, b = (by_prompt(rows, lambda row: row.pass_rate) for rows in (before, after))
    assert [pair.difference for pair in shown] == pytest.approx([b[p.prompt_id] - a[p.prompt_id] for p in shown])
    in_order = [row.prompt_id for row in before if row.prompt_id in b]
    keys = {"prompt": lambda gap: 0, "first_better": lambda gap: gap, "second_better": lambda gap: -gap}
    key = keys.get(order, lambda gap: -abs(gap))
    assert [pair.prompt_id for pair in shown] == sorted(in_order, key=lambda name: key(b[name] - a[name]))
    one = shown[0]
    assert one.asked == f"ask {int(one.prompt_id, 16)}"
    assert before[one.first[0].number].prompt_id == one.prompt_id
    assert after[one.second[0].number].prompt_id == one.prompt_id


def test_two_models_of_one_version_by_labels(tmp_path):
    chance = random.Random(1)
    rows = [
        answer(number, f"p{number // 4}", ("weak", "strong")[number // 2 % 2], n_completion_tokens=number)
        for number in range(80)
    ]
    version(tmp_path, "answers", rows)
    told = {row.completion_id: chance.choice([1.0, 0.0, None]) for row in rows}
    labels = [
        judgement(0, prompt_id=row.prompt_id, completion_id=row.completion_id, score=score, verdict=WORDS[score])
        for row in reversed(rows)
        if (score := told[row.completion_id]) is not None or row.sample_index == 0
    ]
    version(tmp_path, "labels", labels)
    sides = SideRef("answers", "weak"), SideRef("answers", "strong")
    found = compare(library(tmp_path), *sides, labels="labels")
    means = [
        by_prompt([row for row in rows if row.model == model], lambda row: told[row.completion_id])
        for model in ("weak", "strong")
    ]
    scored = means[0].keys() & means[1].keys()
    assert found.better == sum(means[1][name] > means[0][name] for name in scored)
    assert (found.shared, found.first.rows, found.first.scored) == (20, 40, len(means[0]))
    assert found.first.verdicts.get("correct", 0) == sum(
        told[row.completion_id] == 1.0 for row in rows if row.model == "weak"
    )
    assert found.first.mean_tokens == sum(row.n_completion_tokens for row in rows if row.model == "weak") / 40
    one = pairs(library(tmp_path), *sides, labels="labels").pairs[0]
    assert [row.text for row in one.first] == ["weak says 0", "weak says 1"]
    assert [row.model for row in one.second] == ["strong", "strong"]
    assert one.asked == "p0"


def test_judges_that_disagree_make_no_verdict(tmp_path):
    version(tmp_path, "answers", [answer(0, "p"), answer(1, "p")])
    told = [("correct", 1.0), ("wrong", 0.0)]
    labels = [judgement(0, judge=word, verdict=word, score=score) for word, score in told]
    version(tmp_path, "labels", [*labels, judgement(1), judgement(1, judge="second")])
    found = compare(library(tmp_path), SideRef("answers"), SideRef("answers"), labels="labels@v1")
    assert found.first.verdicts == {"correct": 1}
    assert found.first.mean == 0.75


def test_how_verdicts_moved(tmp_path):
    words = {True: "correct", False: "wrong"}
    outcomes = [(True, True), (True, False), (False, True), (False, True), (False, False)]
    for name, place in (("before", 0), ("after", 1)):
        rows = [
            answer(number, f"p{number}", metadata=json.dumps({"rollout": {"reward": 1.0, "correct": moved[place]}}))
            for number, moved in enumerate(outcomes)
        ]
        several = [answer(number, "several", metadata='{"rollout": {"correct": true}}') for number in (8, 9)]
        version(tmp_path, name, [*rows, *several])
    found = compare(library(tmp_path), SideRef("before"), SideRef("after"))
    expected = defaultdict(int)
    for was, now in outcomes:
        expected[f"{words[was]} to {words[now]}"] += 1
    assert found.moved == expected


@pytest.mark.parametrize(
    "make", [prompt, trace, judgement, pair, pass_rate, completion], ids=lambda make: make.__name__
)
def test_every_kind_can_be_compared(tmp_path, make):
    version(tmp_path, "one", [make(number) for number in range(4)])
    version(tmp_path, "two", [make(number) for number in range(2, 6)])
    shelf = library(tmp_path)
    found = compare(shelf, SideRef("one"), SideRef("two"))
    assert found.shared == (1 if make is completion else 2)  # two completions a prompt
    shown = pairs(shelf, SideRef("one"), SideRef("two"))
    assert shown.of == found.shared
    assert all(one.first and one.second for one in shown.pairs)
    assert (found.score is None) == (make in (prompt, trace, completion))


def test_what_cannot_be_compared_is_refused(tmp_path):
    version(tmp_path, "one", [completion(0)])
    version(tmp_path, "rates", [pass_rate(0)])
    version(tmp_path, "labels", [judgement(0)])
    shelf = library(tmp_path)
    with pytest.raises(DataError, match="no row of the model 'x'; there are: tiny"):
        compare(shelf, SideRef("one", "x"), SideRef("one"))
    with pytest.raises(DataError, match="labels"):
        compare(shelf, SideRef("one"), SideRef("one"), labels="rates")
    with pytest.raises(DataError, match="labels"):
        compare(shelf, SideRef("rates"), SideRef("rates"), labels="labels")
    version(tmp_path, "apart", [completion(100)])
    assert pairs(shelf, SideRef("one"), SideRef("apart")).pairs == []

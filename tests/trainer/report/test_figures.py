"""Groups with their guess floors, pass@k, greedy accuracy and histograms, by hand."""

import msgspec
import pytest

from schemas.folder import Folder
from tests.factory.store.made import write
from tests.schemas.rows import pass_rate, rejection
from tests.trainer.report.made import a_prompt, first
from trainer.report.evaluated import group
from trainer.report.histograms import bins_for


def test_groups_are_by_family_and_level_where_they_are_there(space):
    found = space.numbers(f"base={space.evaluation('base', first(10, of=40))}")
    assert found["keys"] == ["family", "level"]
    assert [(g["labels"], g["prompts"], g["accuracy"][0]["value"]) for g in found["groups"]] == [
        (["sums", "1"], 10, 0.5),  # questions 0, 2, ..., 18, of which those below 10 are right
        (["sums", "2"], 10, 0.5),
        (["words", "1"], 10, 0.0),
        (["words", "2"], 10, 0.0),
    ]
    # ground truths are n % 4: of even numbers 0 and 2 in turn, so that one has five of ten
    assert [g["floor"] for g in found["groups"]] == [0.5] * 4
    # none of ten: Wilson's interval ends at z^2 / (10 + z^2)
    assert found["groups"][2]["accuracy"][0]["interval"] == pytest.approx([0.0, 1.96**2 / (10 + 1.96**2)], abs=1e-4)


@pytest.mark.parametrize(
    ("metadata", "keys"),
    [
        ([{"family": "a", "level": 1}, {"family": "b", "level": 2}], ("family", "level")),
        ([{"family": "a", "level": 1}, {"family": "b"}], ("family",)),
        ([{"family": "a"}, {"level": 1}], ("source",)),
        ([{}, {}], ("source",)),
    ],
)
def test_what_not_all_prompts_have_is_no_default(metadata, keys):
    assert group([a_prompt(f"q{n}", **each) for n, each in enumerate(metadata)], None).keys == keys


def test_a_path_leads_into_the_metadata_and_numbers_are_in_order():
    prompts = [a_prompt(f"q{n}", entry={"terms": n}) for n in (10, 9, 2)] + [a_prompt("q")]
    found = group(prompts, "entry.terms, verifier")
    assert [each.labels for each in found.groups] == [("2", "math"), ("9", "math"), ("10", "math"), ("none", "math")]


def test_the_guess_floor_is_the_share_of_the_commonest_ground_truth():
    [found] = group([a_prompt(f"q{n}", truth) for n, truth in enumerate("aabac")], "source").groups
    assert found.floor == pytest.approx(3 / 5)
    [found] = group([a_prompt("q0", "a"), a_prompt("q1", None)], "source").groups
    assert found.floor is None


def test_pass_at_k_tokens_and_greedy_are_means_over_seeds(space):
    half = [[place < 20, False] for place in range(40)]
    paths = [space.evaluation("a", half, tokens=10), space.evaluation("b", first(40, of=40, n=2), tokens=30)]
    greedy = space.evaluation("g", first(30, of=40), temperature=0.0)
    [stage] = space.numbers(f"sft={','.join(paths)}", "--greedy", f"sft={greedy}")["stages"]
    assert stage["by_seed"] == [0.25, 1.0]
    assert stage["pass_at_k"] == pytest.approx({"1": (0.25 + 1) / 2, "2": (0.5 + 1) / 2})
    assert (stage["mean_tokens"], stage["finished"], stage["greedy"]["value"]) == (20.0, 1.0, 0.75)


def test_the_histogram_is_of_each_prompts_share_of_right_answers(space):
    base = [[True, True]] * 10 + [[True, False]] * 20 + [[False, False]] * 10
    better = [first(40, of=40, n=2), first(20, of=40, n=2)]  # two seeds: all of them, and half
    paths = [space.evaluation(f"r{n}", rights) for n, rights in enumerate(better)]
    words = [f"base={space.evaluation('base', base)}", f"rlvr={','.join(paths)}"]
    before, after = space.numbers(*words)["histograms"]
    assert (before["title"], before["shares"], before["mean"]) == ("base", [0.25, 0.5, 0.25], 0.5)
    assert (after["title"], after["shares"], after["prompts"]) == ("rlvr", [0.25, 0.0, 0.75], 40)


def test_many_answers_have_tenths():
    assert [bins_for(answers) for answers in (1, 8, 16, 17, 64)] == [1, 8, 16, 10, 10]


def test_a_version_of_pass_rates_is_counted_with_what_was_not_kept(space):
    rows = [pass_rate(n, n_correct=right, pass_rate=right / 4) for n, right in enumerate((0, 1, 4))]
    folder = Folder.open(space.home / "rates")
    left_out = [rejection(n, stage="keep", row=msgspec.json.encode(rows[n]).decode()) for n in (0, 2)]
    left_out.append(rejection(3, stage="usable", row="{}"))  # never measured
    space.version(rows[1:2], name="rates", rejections=write(folder, "_builds/build-rates/rejections", left_out))
    base = space.evaluation("base", first(10, of=40))
    [found] = space.numbers(f"base={base}", "--pass-rate", "before RLVR=rates@v1")["measured"]
    assert (found["title"], found["prompts"]) == ("before RLVR", 3)
    assert found["shares"] == pytest.approx([1 / 3, 1 / 3, 0, 0, 1 / 3])
    assert found["mean"] == pytest.approx(1.25 / 3)

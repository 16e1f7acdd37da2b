"""Differences and verdicts: by hand, on reports of `trainer eval`."""

import pytest

from judges.agreement.figure import Figure
from tests.trainer.report.made import first
from trainer.report.claims import Claim, judge
from trainer.report.tables import sentence
from trainer.seeds.compare import Mean


def over_prompts(low, high, value=0.02):
    return Figure(value=value, low=low, high=high, n=40, of="prompts", prompts=40)


def over_seeds(low, high):
    return Mean(mean=0.02, sd=0.01, low=low, high=high, n=3)


ONE = Mean(mean=0.02, sd=None, low=None, high=None, n=1)


@pytest.mark.parametrize(
    ("prompts", "seeds", "by_seed", "verdict"),
    [
        ((0.01, 0.03), ONE, [0.02], "above"),
        ((-0.03, -0.01), ONE, [-0.02], "below"),
        ((-0.01, 0.03), ONE, [0.02], "no difference shown"),
        ((0.0, 0.03), ONE, [0.02], "no difference shown"),  # 0 itself is not excluded
        ((0.01, 0.03), over_seeds(-0.01, 0.05), [0.01, 0.02, 0.03], "above"),  # all seeds on that side
        ((0.01, 0.03), over_seeds(0.001, 0.05), [0.05, 0.06, -0.001], "above"),  # or their interval
        ((0.01, 0.03), over_seeds(-0.01, 0.05), [0.05, 0.06, -0.001], "no difference shown"),
        ((0.01, 0.03), over_seeds(-0.01, 0.05), [0.05, 0.06, 0.0], "no difference shown"),  # 0 is on no side
        ((0.01, 0.03), over_seeds(-0.05, -0.01), [-0.05, 0.01, -0.04], "no difference shown"),  # seeds say the reverse
        ((-0.03, -0.01), over_seeds(-0.05, 0.01), [-0.01, -0.02, -0.03], "below"),
        ((-0.01, 0.03), over_seeds(0.01, 0.05), [0.01, 0.02, 0.03], "no difference shown"),  # seeds alone do not do
    ],
)
def test_the_rule(prompts, seeds, by_seed, verdict):
    assert judge(over_prompts(*prompts), seeds, by_seed) == verdict


def test_without_an_interval_nothing_is_claimed():
    assert judge(over_prompts(None, None, value=1.0), ONE, [1.0]) == "cannot be told"
    assert judge(over_prompts(None, None, value=0.0), ONE, [0.0]) == "no difference shown"


def test_a_ladder_with_one_seed(space):
    base = space.evaluation("base", first(10, of=40, n=2))
    sft = space.evaluation("sft", first(30, of=40, n=2))
    moved = [[not right for right in verdicts] if place in (0, 1, 38, 39) else verdicts
             for place, verdicts in enumerate(first(30, of=40, n=2))]  # two prompts lost, two gained  # fmt: skip
    dpo = space.evaluation("dpo", moved)
    found = space.numbers(f"base={base}", f"sft={sft}", f"dpo={dpo}")
    claims = found["claims"]
    assert [(c["stage"], c["against"], c["verdict"]) for c in claims] == [
        ("sft", "base", "above"),
        ("dpo", "sft", "no difference shown"),
    ]
    assert [c["difference"] for c in claims] == [pytest.approx(0.5), 0.0]
    assert [c["over_prompts"]["value"] for c in claims] == [pytest.approx(0.5), pytest.approx(0.0)]
    # of 40 prompts 20 differ by 1: the standard error is sqrt(.25 / 40) = 0.079, and 1.96 of them 0.155
    assert claims[0]["over_prompts"]["low"] == pytest.approx(0.5 - 0.155, abs=0.02)
    assert claims[0]["over_prompts"]["high"] == pytest.approx(0.5 + 0.155, abs=0.02)
    assert claims[0]["over_seeds"]["low"] is None
    assert [stage["over_seeds"]["mean"] for stage in found["stages"]] == [0.25, 0.75, 0.75]


def test_seeds_are_paired_and_one_model_is_compared_with_each(space):
    base = space.evaluation("base", first(10, of=40))
    sft = [space.evaluation(f"sft-{n}", first(count, of=40)) for n, count in enumerate((20, 22, 24))]
    dpo = [space.evaluation(f"dpo-{n}", first(count, of=40)) for n, count in enumerate((22, 23, 28))]
    found = space.numbers(f"base={base}", f"sft={','.join(sft)}", f"dpo={','.join(dpo)}")["claims"]
    assert found[0]["by_seed"] == pytest.approx([10 / 40, 12 / 40, 14 / 40])
    assert found[1]["by_seed"] == pytest.approx([2 / 40, 1 / 40, 4 / 40])
    # differences .05, .025, .1: mean .05833, sd .03819, t(2) = 4.3027, half = 4.3027 * .03819 / sqrt(3) = .09487
    assert found[1]["over_seeds"]["low"] == pytest.approx(0.05833 - 0.09487, abs=1e-4)
    assert found[1]["over_seeds"]["high"] == pytest.approx(0.05833 + 0.09487, abs=1e-4)
    assert found[1]["difference"] == pytest.approx(7 / 120)
    assert found[1]["verdict"] == "above"  # all seeds, though their interval holds 0


def test_seeds_that_disagree_are_no_claim(space):
    sft = [space.evaluation(f"sft-{n}", first(20, of=40)) for n in range(2)]
    dpo = [space.evaluation(f"dpo-{n}", first(count, of=40)) for n, count in enumerate((36, 19))]
    [claim] = space.numbers(f"sft={','.join(sft)}", f"dpo={','.join(dpo)}")["claims"]
    assert claim["over_prompts"]["low"] > 0
    assert claim["verdict"] == "no difference shown"


def test_a_control_is_compared_with_its_stage_and_with_what_that_began_from(space):
    words = [
        f"{name}={space.evaluation(name, first(n, of=40))}" for name, n in (("sft", 10), ("dpo", 20), ("rlvr", 30))
    ]
    random = f"random={space.evaluation('random', first(19, of=40))}"
    longer = f"longer:sft={space.evaluation('longer', first(12, of=40))}"
    found = space.numbers(*words, "--control", random, "--control", longer)
    controls = [c for c in found["claims"] if c["is_control"]]
    assert [(c["stage"], c["against"], c["verdict"]) for c in controls] == [
        ("random", "rlvr", "below"),
        ("random", "dpo", "no difference shown"),
        ("longer", "sft", "no difference shown"),
    ]
    assert [stage["controls"] for stage in found["stages"]] == [None, None, None, "rlvr", "sft"]


def test_answers_without_a_verdict_count_neither_way(space):
    half = [[True, None] if place < 10 else [False, None] for place in range(40)]
    found = space.numbers(f"base={space.evaluation('base', half)}")
    [stage] = found["stages"]
    assert stage["over_seeds"]["mean"] == 0.25
    assert stage["over_prompts"]["value"] == 0.25
    assert stage["without_verdict"] == 40
    assert found["claims"] == []


@pytest.mark.parametrize(
    ("by_seed", "verdict", "control", "said"),
    [
        ([0.02], "above", False, "dpo is above sft: +2.0 points [+1.0, +3.0] over prompts; one seed,"),
        (
            [0.03, 0.01, 0.02],
            "above",
            False,
            "dpo is above sft: +2.0 points [+1.0, +3.0] over prompts; above in 3",
        ),
        ([-0.03, 0.07], "below", True, "dpo, a control, is below sft: "),
        ([0.02], "no difference shown", False, "no difference shown between dpo and sft: +2.0 points"),
    ],
)
def test_a_claim_in_words(by_seed, verdict, control, said):
    claim = Claim(
        stage="dpo",
        against="sft",
        is_control=control,
        difference=0.02,
        over_prompts=over_prompts(0.01, 0.03),
        over_seeds=ONE,
        by_seed=by_seed,
        verdict=verdict,
    )
    assert sentence(claim).startswith(said)

"""`trainer plan rlvr`: every number by hand, for a run small enough to reckon with."""

import json
import tomllib
from itertools import combinations

import pytest
from pydantic import ValidationError

from judges.llm.registry import make_llm_judge
from schemas.records import PassRate
from tests.trainer.plan.test_memory import model
from tests.trainer.rlvr.made import tasks
from tests.trainer.runs.test_rlvr import made_prompt
from tests.trainer.small import small_model, version
from trainer.cli import main
from trainer.flops import size_of
from trainer.plan.beside import beside, fits, helps, token_bytes
from trainer.plan.drawing import draws_of, gradient_chance
from trainer.plan.memory import GIB, memory_of, network_of
from trainer.plan.rlvr import Sizes, asks_of, learning_flops, looks_of, updates_of
from trainer.rlvr.tasks import Task
from trainer.rlvr_recipe import RlvrRecipe


def recipe(**tables):
    known = {
        "max_steps": 10,
        "optimizer": {"lr": 1e-6},
        "model": {"dtype": "bf16"},
        "rollouts": {"prompts": 4, "per_prompt": 8, "max_tokens": 100},
        "rows": {"max_length": 128},
    }
    return RlvrRecipe.model_validate(known | {name: known.get(name, {}) | table for name, table in tables.items()})


@pytest.mark.parametrize(("correct", "graded", "n"), [(3, 8, 4), (1, 8, 8), (0, 8, 2), (8, 8, 8), (5, 10, 2)])
def test_the_chance_of_a_gradient_is_the_share_of_choices_that_have_both(correct, graded, n):
    answers = [1] * correct + [0] * (graded - correct)
    chosen = list(combinations(answers, n))
    expected = sum(0 < sum(one) < n for one in chosen) / len(chosen)
    assert gradient_chance(correct, graded, n) == pytest.approx(expected)


def test_draws_by_the_pass_rates_of_the_data():
    """Of 8 answers 0, 4 and 8 correct, two of them chosen: 1 - (6 + 6) / 28 for the second, 0 for the others."""
    made = recipe(rollouts={"per_prompt": 2})
    found = draws_of(tasks(3, [0, 4, 8]), made)
    share = (16 / 28) / 3
    assert found.gradient_share == pytest.approx(share)
    assert (found.fewest, found.likely) == (40, round(40 / share))
    assert "no pass rate" in draws_of(tasks(3), made).unknown
    assert "8 answers" in draws_of(tasks(3, [0, 4, 8]), recipe(rollouts={"per_prompt": 16})).unknown
    assert draws_of(tasks(2, [0, 8]), made).likely is None
    every = draws_of(tasks(3), recipe(rollouts={"only_with_gradient": False}))
    assert (every.fewest, every.likely) == (40, 40)


def test_with_a_curriculum_more_of_the_draws_have_a_gradient():
    """By hand, for two of 8 answers: the prompt at 4 of 8 is drawn w of the time, those at 0 and 8 v of it."""
    made = recipe(rollouts={"per_prompt": 2}, signal={"curriculum": True})
    halves, ends = 2 * 4.5 * 4.5 / (9 * 10), 2 * 0.5 * 8.5 / (9 * 10)  # 2 E[p(1-p)] of Beta(4.5, 4.5), Beta(0.5, 8.5)
    found = draws_of(tasks(3, [0, 4, 8]), made)
    assert found.gradient_share == pytest.approx(halves * (16 / 28) / (halves + 2 * ends))


@pytest.mark.parametrize(
    "reward",
    [
        {"parts": [{"judge": "verifier"}]},
        {"no_end": -1.0},
        {"penalties": {"no_end": 0.5}},
        {"control": "random"},
        {"gate": {"judge": "verifier"}},
    ],
)
def test_pass_rates_do_not_tell_of_another_reward(reward):
    assert "not the verdict" in draws_of(tasks(3, [0, 4, 8]), recipe(reward=reward)).unknown


def test_batches_updates_and_looks():
    assert updates_of(recipe()) == 1
    assert updates_of(recipe(batch={"rows": 12})) == 3  # 12, 12 and 8 of 32
    assert looks_of(recipe(run={"eval_every": 3})) == 5  # before the first, after 3, 6, 9 and 10
    assert looks_of(recipe(run={"eval_every": 5})) == 3
    assert looks_of(recipe(run={"eval_every": 0})) == 2


def test_memory_beside_the_learner_by_hand():
    """A Llama of 3 layers, 2 key-value heads of 16: 3 x 2 x 2 x 16 numbers of 2 bytes a token."""
    network, made = network_of(model()), recipe(kl={"measured": True})
    assert token_bytes(network, made) == 3 * 64 * 2
    found = beside(network, None, made, "transformers", 1, None)
    weights = 2 * network.weights
    assert (found.reference, found.value, found.sampler.weights) == (weights, 0.0, weights)
    assert found.sampler.taken == weights + 32 * 128 * 384  # 32 answers of 128 tokens
    assert found.total == 2 * weights + 32 * 128 * 384
    parted = recipe(engine={"zero": 3})
    assert beside(network, None, parted, "transformers", 8, None).reference == weights / 8
    unmeasured = recipe(kl={"measured": False})
    assert beside(network, None, unmeasured, "transformers", 1, None).reference == 0.0


def test_ppo_holds_a_value_model_in_training():
    made = recipe(policy={"preset": "ppo"}, value={}, rollouts={"only_with_gradient": False})
    network = network_of(model())
    found = beside(network, network, made, "transformers", 1, None)
    assert found.value == pytest.approx(network.weights * (2 + 2 + 12))


def test_vllm_takes_its_share_of_the_first_gpu():
    network = network_of(model())
    made = recipe(rollouts={"gpu_memory_share": 0.25, "tensor_parallel": 2, "replicas": 2})
    found = beside(network, None, made, "vllm", 8, 80.0)
    assert found.sampler.taken == 2 * 0.25 * 80 * GIB
    assert found.sampler.weights == network.weights  # half of two bytes each
    assert found.sampler.cache_tokens == int((0.25 * 80 * GIB - network.weights) * 2 // 384)
    assert beside(network, None, made, "vllm", 8, None).total is None


def test_vllm_with_gpus_of_its_own_takes_nothing_of_the_learners():
    network = network_of(model())
    apart = recipe(rollouts={"gpus": ["4,5", "6,7"], "tensor_parallel": 2, "replicas": 2})
    beside_learner = recipe(rollouts={"tensor_parallel": 2, "replicas": 2})
    found = beside(network, None, apart, "vllm", 4, 80.0)
    assert found.total == 2 * network.weights  # the reference
    assert found.sampler.cache_tokens == beside(network, None, beside_learner, "vllm", 4, 80.0).sampler.cache_tokens


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"gpus": ["1"], "replicas": 2}, "names 1 sets for 2 replicas"),
        ({"gpus": ["1", "1"], "replicas": 2}, "name each GPU once"),
        ({"gpus": ["1,"], "tensor_parallel": 2}, "name each GPU once"),
        ({"gpus": ["1"], "tensor_parallel": 2}, "asks for 2 GPUs a replica"),
        ({"gpus": ["1,2"]}, "asks for 1 GPU a replica"),
    ],
)
def test_gpus_that_do_not_fit_the_replicas_are_refused(table, said):
    with pytest.raises(ValidationError, match=said):
        recipe(rollouts=table)


def test_what_does_not_fit_is_said_with_what_helps():
    network = network_of(model())
    greedy = recipe(rollouts={"gpu_memory_share": 0.99})
    memory, more = memory_of(network, greedy, 1), beside(network, None, greedy, "vllm", 1, 1.0)
    assert fits(memory, more, greedy, 1.0) is False
    advice = helps(memory, more, network, greedy, "vllm", (1, 1.0))
    share = float(advice.removeprefix("rollouts.gpu_memory_share = "))
    mended = recipe(rollouts={"gpu_memory_share": share})
    assert fits(memory, beside(network, None, mended, "vllm", 1, 1.0), mended, 1.0) is True
    assert fits(memory, beside(network, None, greedy, "vllm", 1, None), greedy, None) is None


def test_flops_of_a_batch_by_hand():
    """8 answers of 100 tokens after prompts of 28: 6 of each weight a token, a third of it for a forward pass."""
    size = size_of(model())
    lengths, trained = [128] * 32, 32 * 100
    batch = size.flops(lengths, trained)
    plain = Sizes(size, size, None)
    unwatched = {"kl": {"measured": False}}
    assert learning_flops(recipe(**unwatched), plain, 28.0, 0) == pytest.approx(10 * batch)
    twice = recipe(policy={"passes": 2}, **unwatched)
    assert learning_flops(twice, plain, 28.0, 0) == pytest.approx(10 * batch * (2 + 1 / 3))  # the old log-probs
    held = recipe(policy={"kl_weight": 0.1}, **unwatched)
    assert learning_flops(held, plain, 28.0, 0) == pytest.approx(10 * batch * 4 / 3)  # the reference
    watched = learning_flops(recipe(), plain, 28.0, 64)
    assert watched == pytest.approx(batch * (10 + 64 / 32 * 2 / 3))


@pytest.mark.parametrize(
    ("kind", "options", "asks"),
    [
        ("rubric", {"criteria": [{"criterion": "a"}, {"criterion": "b"}]}, 8),
        ("rubric", {"criteria": [{"criterion": "a"}, {"criterion": "b"}], "separately": True}, 16),
        ("rubric", {"separately": True}, None),
        ("reference", {}, 8),
        ("aspects", {}, 4),
        ("aspects", {"alone": True}, 32),
        ("jury", {"members": [{"judge": "reference"}, {"judge": "aspects"}]}, 12),
    ],
)
def test_requests_to_judges(kind, options, asks):
    assert asks_of(make_llm_judge(kind, options), 8) == asks


SETTINGS = {
    "rollouts.prompts": 4,
    "rollouts.per_prompt": 4,
    "rollouts.max_tokens": 64,
    "rows.max_length": 96,
    "batch.micro_tokens": 128,
    "max_steps": 50,
    "watch.prompts": 3,
    "run.eval_every": 20,
    "rollouts.engine": "transformers",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("planned")
    small_model(home / "base")
    rows = [made_prompt(number) for number in range(40)]
    version(home, "prompts", rows)
    version(home, "rates", [rated(prompt, number % 9) for number, prompt in enumerate(rows)])
    return home


def rated(prompt, correct):
    return PassRate(
        prompt_id=prompt.prompt_id,
        prompt=prompt.prompt,
        ground_truth=prompt.ground_truth,
        verifier=prompt.verifier,
        n_samples=8,
        n_correct=correct,
        n_abstained=0,
        pass_rate=correct / 8,
        ci_low=0.0,
        ci_high=1.0,
        model="m",
        revision="r",
        source=prompt.source,
        licence=prompt.licence,
    )


def planned(home, monkeypatch, capsys, *more, data="prompts@v1", **settings):
    monkeypatch.setenv("FACTORY_HOME", str(home))
    table = SETTINGS | {name.replace("__", "."): value for name, value in settings.items()}
    sets = [word for key, value in table.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    words = ["--data", data, "--model", str(home / "base"), "--out", str(home / "out"), *sets]
    code = main(["plan", "rlvr", *words, *more])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def test_the_page_says_what_the_run_would_draw(home, monkeypatch, capsys):
    out = planned(home, monkeypatch, capsys)
    assert "prompts@v1: 40 rows" in out
    assert "prompts: 40 an epoch" in out
    assert "watched: 3 prompts, 1 answer each, 4 times" in out  # 0, 20, 40, 50
    assert "batches: 50 of 4 prompts x 4 answers, 1 update each" in out
    assert "draws: at least 200 (5 epochs); how many more is not known: the data state no pass rate" in out
    assert "answers: 800 to learn from, of at most 64 tokens: 51,200 tokens at most" in out
    assert "learning: time not known for this machine" in out
    assert 'dtype = "fp32"' in out
    assert "rollouts: time not known before they are drawn" in out
    assert "51 s for every 1,000 tokens a second" in out
    assert not (home / "out.run").exists()
    resolved = tomllib.loads(out.partition("\n\n")[2])
    assert resolved["rollouts"]["per_prompt"] == 4
    assert resolved["reward"]["parts"] == [{"judge": "verifier", "threshold": 1.0}]


def test_pass_rates_bound_what_is_drawn_and_tell_how_much(home, monkeypatch, capsys):
    out = planned(home, monkeypatch, capsys, data="rates@v1", signal__max_pass_rate=0.625)
    left = sum(number % 9 > 5 for number in range(40))
    assert f"left out: {left} too easy" in out
    rates = [number % 9 for number in range(40) if number % 9 <= 5]
    share = sum(gradient_chance(correct, 8, 4) for correct in rates) / len(rates)
    assert f"{share:.0%} of the groups have a gradient at first: about {round(200 / share)}" in out


def test_another_machine(home, monkeypatch, capsys):
    settings = {"rollouts__engine": "auto", "rollouts__gpu_memory_share": 0.5}
    out = planned(home, monkeypatch, capsys, "--gpu", "H100", "--gpus", "8", **settings)
    assert "sampler: vllm, 1 replica takes 40 GiB of the first GPU: weights" in out
    assert 'dtype = "bf16"' in out
    assert "together on the first GPU: " in out
    assert "learning: about" in out
    assert "on 8 x H100" in out
    tight = planned(home, monkeypatch, capsys, "--gpu", "H100", "--gpus", "1", "--gib", "0.001", **settings)
    assert "this does not fit; set " in tight


def test_what_the_run_would_refuse_is_refused(home, monkeypatch, capsys):
    monkeypatch.setenv("FACTORY_HOME", str(home))
    words = ["--data", "prompts@v1", "--model", str(home / "base"), "--out", str(home / "out")]
    sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    assert main(["plan", "rlvr", *words, *sets, "--set", "signal.max_pass_rate=0.5"]) == 2
    assert "signal.max_pass_rate needs pass rates" in capsys.readouterr().err
    assert main(["plan", "rlvr", *words, *sets, "--set", "reward.judges.x.judge=pairwise"]) == 2
    assert "pairwise compares" in capsys.readouterr().err


def test_tasks_of_unequal_sizes_are_bounded_by_the_smallest():
    mixed = [*tasks(2, [4, 4]), Task(tasks(1)[0].prompt, 2, 1)]
    assert "2 answers for some prompt" in draws_of(mixed, recipe(rollouts={"per_prompt": 4})).unknown

"""Runs of RLVR: killed anywhere they end as if nothing had been, in several processes they learn the same."""

import json
import shutil

import pytest
from safetensors.torch import load

from schemas.canonical import prompt_id
from schemas.datasets import open_version, versions
from schemas.folder import Folder
from schemas.records import Message, Prompt
from tests.trainer.engine.training import gap
from tests.trainer.runs.commands import Command, run
from tests.trainer.small import version
from trainer.rlvr.rollout_rows import FACTS

SETTINGS = {
    "rollouts.prompts": 4,
    "rollouts.per_prompt": 4,
    "rollouts.max_tokens": 12,
    "rows.max_length": 96,
    "batch.micro_tokens": 128,
    "max_steps": 6,
    "optimizer.lr": 1e-3,
    "run.checkpoint_every": 2,
    "run.keep_checkpoints": 3,
    "run.eval_every": 3,
    "watch.prompts": 3,
    "model.dtype": "fp32",
}
EXACT = ("loss", "reward", "grad_norm", "entropy")


def made_prompt(number: int) -> Prompt:
    messages = [Message("user", f"What is {number} plus {number}?")]
    return Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        ground_truth=str(2 * number),
        verifier="string_matcher",
        source="made",
        source_id=str(number),
        licence="CC0-1.0",
    )


@pytest.fixture(scope="module")
def prompts(space):
    return version(space.home, "prompts", [made_prompt(number) for number in range(40)])


def words(space, prompts, out: str, *more, **settings):
    """A run that is paid by the toss of a coin: with random weights nothing else ever pays."""
    table = SETTINGS | {name.replace("__", "."): value for name, value in settings.items()}
    sets = [word for key, value in table.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    return ["rlvr", "--reward", "random", "--data", prompts, "--model", "base", "--out", out, *sets, *more]


def figures(space, out: str) -> list[tuple[int, str, list[float]]]:
    lines = map(json.loads, (space.folder(out) / "metrics.jsonl").read_text().splitlines())
    return [(line["step"], line["kind"], [line.get(name) for name in EXACT]) for line in lines]


@pytest.fixture(scope="module")
def whole(space, prompts):
    ended = run(space.home, *words(space, prompts, "rl"))
    assert ended.code == 0, ended.err
    return ended


def test_a_run_gives_a_checkpoint_its_rollouts_and_pass_rates(space, prompts, whole):
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(space.home / "rl")
    rollouts = list(open_version("rl-rollouts@v1", space.home).records())
    assert sum(json.loads(row.metadata)[FACTS]["learnt"] for row in rollouts) == 6 * 4 * 4
    rates = list(open_version("rl-pass-rate@v1", space.home).records())
    assert {row.prompt_id for row in rates} == {row.prompt_id for row in rollouts}


@pytest.mark.parametrize("step", [2, 4])
def test_going_on_is_as_if_nothing_had_been(space, prompts, whole, step):
    checkpoints = space.copy_run("rl", f"rl-{step}")
    for saved in checkpoints.iterdir():
        if int(saved.name.removeprefix("step-")) > step:
            shutil.rmtree(saved)
    ended = run(space.home, *words(space, prompts, f"rl-{step}"))
    assert ended.code == 0, ended.err
    assert f"goes on after batch {step}" in ended.err
    assert space.weights(f"rl-{step}") == space.weights("rl")
    assert figures(space, f"rl-{step}") == figures(space, "rl")


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_killed_it_goes_on_as_if_nothing_had_been(space, prompts, whole, after):
    """The kill comes when so many batches are in the log: between two saves, in one, or before the first."""
    out = f"rl-killed-{after}"
    command = Command(space.home, *words(space, prompts, out))

    def has_come():
        log = space.folder(out) / "metrics.jsonl"
        return log.exists() and sum('"kind":"train"' in line for line in log.read_text().splitlines()) >= after

    assert command.wait_until(has_come)
    command.kill()
    command.end()
    ended = run(space.home, *words(space, prompts, out))
    assert ended.code == 0, ended.err
    assert space.weights(out) == space.weights("rl")
    assert figures(space, out) == figures(space, "rl")
    known = {row.completion_id for row in open_version("rl-rollouts@v1", space.home).records()}
    kept = [row.completion_id for row in open_version(f"{out}-rollouts@v1", space.home).records()]
    assert len(kept) == len(set(kept))  # nothing twice
    looks = [
        [row.completion_id for row in open_version(f"{name}-watched@v1", space.home).records()] for name in ("rl", out)
    ]
    assert looks[0] == looks[1]
    assert set(kept) == known  # nothing lost


def test_two_processes_learn_what_one_learns(space, prompts, whole):
    ended = run(space.home, *words(space, prompts, "rl-two", max_steps=2), processes=2)
    assert ended.code == 0, ended.err
    assert run(space.home, *words(space, prompts, "rl-one", max_steps=2)).code == 0
    two, one = (load(space.weights(out)) for out in ("rl-two", "rl-one"))
    assert gap(two, one) < 1e-4


PPO = {
    "policy__preset": "ppo",
    "rollouts__only_with_gradient": False,
    "value__lr": 1e-3,
    "batch__rows": 8,
}


@pytest.mark.parametrize(
    "settings",
    [
        PPO,
        {"policy__preset": "gspo", "policy__passes": 2},
        {"policy__preset": "rloo"},
        {"lora__rank": 4},
        {"rollouts__max_age": 2},
        {"engine__zero": 3},
        {"signal__curriculum": True},
    ],
    ids=["ppo", "gspo", "rloo", "lora", "asynchronous", "zero3", "curriculum"],
)
def test_other_ways_of_learning_go_on_too(space, prompts, settings, request):
    """Asynchronous ones are not the same twice; what they have learnt is kept all the same."""
    out = f"rl-{request.node.callspec.id}"
    asked = words(space, prompts, out, **settings | {"max_steps": 4})
    assert run(space.home, *asked).code == 0
    again = f"{out}-again"
    shutil.rmtree(space.copy_run(out, again) / "step-00000004")
    ended = run(space.home, *words(space, prompts, again, **settings | {"max_steps": 4}))
    assert ended.code == 0, ended.err
    assert "goes on after batch 2" in ended.err
    if "asynchronous" not in out:
        assert space.weights(again) == space.weights(out)


def test_over_the_kl_budget_it_ends_with_the_best_within(space, prompts):
    ended = run(space.home, *words(space, prompts, "rl-budget", kl__budget=1e-9, run__eval_every=2))
    assert ended.code == 0, ended.err
    assert "after batch 2: the KL is over its budget" in ended.err
    assert (
        space.weights("rl-budget") == (space.home / "base" / "model.safetensors").read_bytes()
        or gap(load(space.weights("rl-budget")), load((space.home / "base" / "model.safetensors").read_bytes())) == 0.0
    )


def test_when_nothing_pays_it_says_so_and_ends(space, prompts):
    asked = [word for word in words(space, prompts, "rl-poor") if word not in ("--reward", "random")]
    ended = run(space.home, *asked)
    assert ended.code == 0, ended.err
    assert "no prompt gives a gradient any more" in ended.err


def test_killed_after_an_end_without_a_batch_it_publishes_nothing_twice(space, prompts):
    """What it drew is a version, and the checkpoint is not there yet: the same command makes that alone."""
    asked = [word for word in words(space, prompts, "rl-late") if word not in ("--reward", "random")]
    assert run(space.home, *asked).code == 0
    drawn = list(open_version("rl-late-rollouts@v1", space.home).records())
    log = (space.folder("rl-late") / "metrics.jsonl").read_text()
    shutil.rmtree(space.home / "rl-late")
    ended = run(space.home, *asked)
    assert ended.code == 0, ended.err
    for name in ("rollouts", "watched", "pass-rate"):
        assert versions(Folder.open(space.home / f"rl-late-{name}")) == [1]
    assert list(open_version("rl-late-rollouts@v1", space.home).records()) == drawn
    assert (space.folder("rl-late") / "metrics.jsonl").read_text() == log
    assert (space.home / "rl-late" / "model.safetensors").exists()


def test_watched_answers_are_kept_by_step_and_apart(space, whole):
    watched = list(open_version("rl-watched@v1", space.home).records())
    facts = [json.loads(row.metadata)[FACTS] for row in watched]
    assert [fact["step"] for fact in facts] == [0] * 3 + [3] * 3 + [6] * 3
    assert {fact["left_out"] for fact in facts} == {"watched"}
    lines = map(json.loads, (space.folder("rl") / "metrics.jsonl").read_text().splitlines())
    told = [line["eval/prompts@v1/rollouts/tokens"] for line in lines if line["kind"] == "eval"]
    for at, mean in enumerate(told):
        sizes = [row.n_completion_tokens for row in watched[3 * at : 3 * at + 3]]
        assert sum(sizes) / 3 == pytest.approx(mean)

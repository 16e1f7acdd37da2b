"""A workspace that has something of everything the service shows, made on the spot: small real builds by a scripted
solver, pairs, labels, a queue for people, trainings with a checkpoint chain, jobs in several states and two schedules.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import msgspec
import pytest

from factory.cli import main
from factory.jobs.folder import LOG, PROGRESS, job_folder
from factory.jobs.store import JobStore
from factory.people.make import NewQueue, route
from factory.people.store import PeopleStore
from factory.progress_log import ModelProgress, ProgressLine
from factory.schedules.schedule import NewSchedule
from factory.schedules.store import ScheduleStore
from schemas.datasets import open_version
from schemas.manifest import ModelRef
from schemas.records import Message
from tests.factory.looking.test_lineage import checkpoint, trained
from tests.factory.looking.test_training import step, write_run
from tests.factory.looking.workspace import version
from tests.factory.people.space import a_pair
from tests.schemas.rows import judgement, rejection

BEGAN = 1_790_000_000.0  # of the jobs
STEPS = 60


class Rich(msgspec.Struct, frozen=True):
    """What has an id that is made up. `jobs`: by state."""

    jobs: dict[str, str]
    schedules: list[str]


def rich_workspace(home: Path) -> Rich:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACTORY_HOME", str(home))
        _builds(home)
        _pairs(home)
        _trainings(home)
        _queue(home)
        return Rich(jobs=_jobs(home), schedules=_schedules(home))


def _builds(home: Path) -> None:
    """Two versions of prompts, one of them decontaminated; traces, answers, labels and pass rates."""
    source = ("--source", "reasoning-gym:chain_sum")
    _build("build", "prompts", *source, "--set", "reasoning_gym.size=4", "--out", "exam")
    _build("build", "prompts", *source, "--set", "reasoning_gym.size=12", "--out", "tasks")
    _build("decontaminate", "tasks", "--against", "exam", "--set", "ngram.over=0.99", "--out", "clean")
    solver = ("--data", "clean", "--policy", "solver:reasoning-gym")
    _build("build", "traces", *solver, "--n", "1")
    _build("build", "completions", *solver, "--n", "2", "--out", "answers")
    _build("build", "completions", *solver, "--n", "3", "--out", "answers")
    _build("build", "pass-rate", *solver, "--n", "2", "--keep", "0<p<=1", "--out", "rates")
    _build("build", "labels", "--data", "answers", "--judge", "reasoning_gym", "--out", "labels")


def _build(*words: str) -> None:
    if main(list(words)) != 0:
        raise RuntimeError(f"factory {' '.join(words)} failed")


def _pairs(home: Path) -> None:
    """Pairs in two versions, and two judges that do not agree on all of them."""
    rows = [a_pair(number, **_sides(number)) for number in range(14)]
    made = {"inputs": [open_version("clean", home).ref], "models": [_policy("ckpt/sft", "1" * 16), _judge()]}
    version(home, "pairs", rows[:9], [rejection(number) for number in range(4)], **made)
    version(home, "pairs", rows, [rejection(number, reason="both are right") for number in range(6)], number=1, **made)
    for name, turn in (("alpha", 3), ("beta", 5)):
        version(home, f"judged-{name}", [row for number in range(14) for row in _judged(number, name, turn)])


def _sides(number: int) -> dict[str, object]:
    asked = f"A baker sells {number + 12} loaves a day and {number} more on Saturdays. How many in a week?"
    right, wrong = 7 * (number + 12) + number, 7 * (number + 12)
    thoughts = f"Six days of {number + 12} make {6 * (number + 12)}. Saturday has {number + 12} and {number} more."
    return {
        "prompt": [Message("system", "Think before you answer."), Message("user", asked)],
        "chosen": [Message("assistant", f"She sells **{right}** loaves in a week.", reasoning=thoughts)],
        "rejected": [Message("assistant", f"She sells **{wrong}** loaves each week, as every day is alike.")],
        "score_chosen": 1.0 - number / 40,
        "score_rejected": number / 40,
    }


def _judged(number: int, judge: str, turn: int) -> list[object]:
    best = 1.0 if number % turn else 0.0
    scores = ((f"c{number}", best), (f"r{number}", 1.0 - best))
    return [
        judgement(
            prompt_id=f"p{number}",
            completion_id=completion,
            judge=judge,
            score=score,
            verdict="correct" if score else "wrong",
            reason="adds Saturday's loaves" if score else "leaves Saturday's loaves out",
        )
        for completion, score in scores
    ]


def _policy(name: str, revision: str) -> ModelRef:
    return ModelRef(role="policy", model=name, revision=revision, engine="vllm", engine_version="0.30")


def _judge() -> ModelRef:
    return ModelRef(role="judge", model="judge-32b", revision="7", engine="openai", engine_version="1")


def _trainings(home: Path) -> None:
    """A chain of checkpoints, each with its run; and one run that stands still."""
    base = checkpoint(home, "ckpt/base", b"base")
    traces = [("traces@v1", open_version("traces", home).manifest.sha256)]
    sft = checkpoint(home, "ckpt/sft", b"sft", trained("sft", base, traces))
    pairs = [("pairs@v2", open_version("pairs@v2", home).manifest.sha256)]
    checkpoint(home, "ckpt/dpo", b"dpo", trained("dpo", sft, pairs, reference=base))
    lines = [step(n, loss=2 * math.exp(-n / 20) + 0.1, lr=1e-4 * (1 - n / STEPS), grad_norm=1.0) for n in _steps()]
    write_run(home, "ckpt/sft", lines)
    lines = [_dpo(n) for n in _steps()]
    lines += [step(n, "eval", **{"eval/held@v1/loss": 0.8 - n / 200}) for n in range(10, STEPS + 1, 10)]
    write_run(home, "ckpt/dpo", lines, data=[{"name": "pairs@v2", "sha256": pairs[0][1], "weight": 1.0}])
    write_run(home, "stopped", lines[:7])


def _steps() -> range:
    return range(1, STEPS + 1)


def _dpo(n: int) -> dict[str, object]:
    margin = 1 - math.exp(-n / 25)
    rewards = {"rewards/chosen": margin / 2, "rewards/rejected": -margin / 2, "rewards/margins": margin}
    return step(n, loss=0.7 - margin / 3 + math.sin(n) / 40, lr=1e-5, grad_norm=2.0, **rewards)


def _queue(home: Path) -> None:
    with PeopleStore(home) as store:
        judged = ("judged-alpha@v1", "judged-beta@v1")
        new = NewQueue(name="doubtful", data="pairs@v2", rubric="Which answer is right?", judgements=judged, check=0.4)
        route(store, new)
        for choice, person in (("first", "ann"), ("second", "ann"), ("tie", "ben")):
            item = store.next("doubtful", person)
            assert item is not None
            store.label("doubtful", person, item.number, choice, seconds=4.5)


def _jobs(home: Path) -> dict[str, str]:
    """One of each kind of end, and one at work whose process is somebody else's."""
    with JobStore(home) as store:
        found = {state: _job(store, state) for state in ("done", "failed", "cancelled", "paused", "running")}
        return found | {"queued": store.submit(["trainer", "sft", "--data", "traces", "--model", "b", "--out", "c"]).id}


def _job(store: JobStore, state: str) -> str:
    command = ["factory", "build", "traces", "--data", "clean@latest", "--policy", "solver:reasoning-gym"]
    job = store.submit(command, title=f"traces for {state}", max_cost_usd=5.0, source="api")
    ended = {"done": 0, "failed": 1, "cancelled": -15}
    changes: dict[str, object] = {"state": state, "started": BEGAN, "attempts": 1, "spent_usd": 1.25}
    if state in ended:
        changes |= {"ended": BEGAN + 240, "exit_code": ended[state]}
    if state == "failed":
        changes["error"] = "clean@latest: 3 of 24 requests were refused by the server (401); is the key right?"
    if state == "done":
        changes["made"] = "traces@v1"
    with store.transaction() as connection:
        names = ", ".join(f"{name} = ?" for name in changes)
        connection.execute(f"UPDATE job SET {names} WHERE id = ?", (*changes.values(), job.id))
    _files(store.home, job.id, state)
    return job.id


def _files(home: Path, id: str, state: str) -> None:
    folder = job_folder(home, id)
    os.makedirs(folder)
    said = ["factory build traces", "  24 prompts, 1 sample each", *(f"  {n} of 24" for n in range(0, 24, 4))]
    said += ["error: clean@latest: 3 of 24 requests were refused"] if state == "failed" else []
    (folder / LOG).write_text("\n".join(said) + "\n")
    (folder / PROGRESS).write_bytes(b"".join(msgspec.json.encode(_progress(n)) + b"\n" for n in range(24)))


def _progress(n: int) -> ProgressLine:
    retried = {"timeout": n // 4, "overloaded": n // 9}
    served = {"in_flight": 8, "limit": 8 + n, "requests": 9 * n, "answered": 8 * n, "refused": n // 3}
    return ProgressLine(
        time=BEGAN + 10 * n,
        name="build traces",
        what="prompts",
        rows=24,
        done=n,
        kept=n - n // 6,
        rejected=n // 6,
        rows_per_s=0.1 + math.sin(n / 3) / 40,
        prompt_tokens=900 * n,
        completion_tokens=4_200 * n,
        prompt_tokens_per_s=90.0,
        completion_tokens_per_s=420.0 + 9 * n,
        in_flight=8,
        models=[ModelProgress(model="Qwen/Qwen3-32B", engine="openai", retried=retried, **served)],
        spent_usd=0.05 * n,
        budget_usd=5.0,
        eta_s=10.0 * (24 - n),
    )


def _schedules(home: Path) -> list[str]:
    nightly = ["factory", "build", "traces", "--data", "clean@latest", "--policy", "solver:reasoning-gym", "--new-only"]
    weekly = ["trainer", "sft", "--data", "traces@latest", "--model", "ckpt/base", "--out", "sft-weekly"]
    with ScheduleStore(home) as store:
        first = store.add(NewSchedule(cron="0 2 * * *", zone="Europe/Berlin", command=nightly, title="nightly traces"))
        store.run_now(first.id)
        second = store.add(NewSchedule(cron="0 6 * * MON", command=weekly, overlap="queue", jitter_s=600))
        store.pause(second.id)
        return [first.id, second.id]

"""Answers to reasoning-gym's generated tasks, scored by the package's own scorers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from judges.answers import tagged_answer
from judges.base import JudgeError, Verdict, abstain, without_reasoning, wrong
from judges.reasoning_gym_forms import malformed
from judges.reasoning_gym_guard import refusal, unsafe_entry
from judges.workers import WorkerError, WorkerMemory, WorkerRaised, WorkerTimeout, shared_pool
from schemas.records import Prompt

PACKAGE = "reasoning_gym"
_ROUNDING = 1e-9  # a scorer that sums parts may miss 1 by this much


class Family(Protocol):
    """A generator of tasks, as the package makes it: `family[i]` is the i-th entry."""

    config: Any
    score_answer: Callable[[str, dict[str, Any]], float]

    def __getitem__(self, index: int) -> dict[str, Any]: ...


class Task(msgspec.Struct, frozen=True):
    """What a prompt's metadata holds: the family, its settings and the generated entry (question, answer, metadata)."""

    family: str
    config: dict[str, Any]
    entry: dict[str, Any]

    def to_json(self, level: int | str | None = None) -> str:
        """JSON, where what JSON has no form for (fractions, times) becomes text. `level`: a label to stand beside."""
        fields = msgspec.structs.asdict(self) | ({} if level is None else {"level": level})
        return json.dumps(fields, default=str, ensure_ascii=False, separators=(",", ":"))


class ReasoningGym:
    """Correct when the family's scorer gives exactly 1; a part score is kept, and wrong.

    Abstains from an answer that uses up the scorer's time or memory, for the reason that `math` gives.
    """

    name = PACKAGE
    isolated = True

    def verify(self, prompt: Prompt, text: str) -> Verdict:
        task = read_task(prompt)
        answer = tagged_answer(without_reasoning(text))
        if reason := refusal(task.family, answer) or malformed(task.family, answer, task.entry):
            return wrong(reason)
        try:
            score = _score(task, answer, f"prompt {prompt.prompt_id}")
        except WorkerTimeout:
            return abstain(f"timeout: {task.family}: {answer[:80]!r}")
        except WorkerMemory:
            return abstain(f"memory: {task.family}: {answer[:80]!r}")
        return Verdict(score, "correct" if score == 1.0 else "wrong", f"{task.family}: {score:g} for {answer[:80]!r}")


def read_task(prompt: Prompt) -> Task:
    """Raises `JudgeError` when the prompt's metadata is not a task."""
    try:
        return msgspec.json.decode(prompt.metadata or "", type=Task)
    except msgspec.MsgspecError as err:
        reason = (
            f"prompt {prompt.prompt_id}: metadata is no reasoning-gym task ({err}); "
            "it must hold family, config and entry, as prompts of a source reasoning-gym:FAMILY do"
        )
        raise JudgeError("bad_metadata", reason) from err


def make_family(family: str, config: dict[str, Any]) -> Family:
    """The generator and scorer of a family. Raises what the package raises on settings that it does not take."""
    from reasoning_gym.factory import create_dataset

    _keep_stdout_clean()
    made: Family = create_dataset(family, **config)
    return made


def family_names() -> list[str]:
    from reasoning_gym.factory import DATASETS

    return sorted(DATASETS)


def _score(task: Task, answer: str, where: str) -> float:
    """The family's own score in 0..1. Raises `JudgeError` when the scorer breaks or leaves that range."""
    if (problem := unsafe_entry(task.family, task.entry)) is not None:
        raise JudgeError("unsafe_entry", f"{where}: its metadata is not what reasoning-gym generates: {problem}")
    reply = _ask({**msgspec.structs.asdict(task), "answer": answer}, where)
    if "unknown_family" in reply:
        reason = f"{where}: the installed reasoning-gym has no family {task.family!r}; install its version"
        raise JudgeError("unknown_family", reason)
    score: float = reply["score"]
    if not 0.0 <= score <= 1.0 + _ROUNDING:
        raise JudgeError("bad_score", f"{where}: the scorer of {task.family} gave {score}, outside 0..1")
    return min(score, 1.0)


def _ask(payload: dict[str, Any], where: str) -> dict[str, Any]:
    """Raises `WorkerTimeout` and `WorkerMemory` only for what the answer itself used up."""
    family, shown = payload["family"], payload["answer"][:80]
    try:
        reply: dict[str, Any] = shared_pool(PACKAGE).call(payload)
    except WorkerRaised as err:
        raise JudgeError("scorer_raised", f"{where}: the scorer of {family} raised {err} on {shown!r}") from err
    except WorkerError as err:
        if isinstance(err, WorkerMemory) or (isinstance(err, WorkerTimeout) and err.cpu):
            raise
        raise JudgeError("checker_failed", f"{where}: the scorer of {family} failed: {err} on {shown!r}") from err
    return reply


def _keep_stdout_clean() -> None:
    """Some families print while they work; standard output is for the command's own."""
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{PACKAGE}."):
            vars(module)["print"] = partial(print, file=sys.stderr)

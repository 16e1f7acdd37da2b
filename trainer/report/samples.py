"""A few prompts with the first answer of each stage, side by side. Which prompts is a rule, not a choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from schemas.records import Message, Prompt
from trainer.report.errors import ReportError
from trainer.report.evaluated import Groups
from trainer.report.stages import Ladder, Stage

RULE = (
    "The answers are the first ones of the first seed. Of {wanted} prompts, {differing} are the first by their ids on "
    "which the stages differ in right and wrong, at most one for each {key}; the others are the first that {last} has "
    "wrong."
)
MOST_CHARS = 4000  # of one text
RIGHT, WRONG, NO_VERDICT, NO_ANSWER = "right", "wrong", "no verdict", "no answer"


class AnswerLine(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a line of eval.answers.jsonl."""

    prompt_id: str
    sample_index: int
    completion: list[Message]
    finish_reason: str
    n_completion_tokens: int
    correct: bool | None
    reason: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `thoughts`: where the engine keeps them apart; else they are in the text as the model wrote them."""

    stage: str
    mark: str
    text: str = ""
    thoughts: str | None = None
    finish: str = ""
    tokens: int | None = None
    reason: str = ""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """`why` the prompt is here. `prompt`: its messages."""

    prompt_id: str
    why: str
    prompt: list[Message]
    ground_truth: str | None
    answers: list[Shown]


def rule(ladder: Ladder, groups: Groups, wanted: int) -> str:
    last = ladder.stages[-1].name
    return RULE.format(wanted=wanted, differing=wanted - _wrong_in_last(wanted), key=groups.keys[0], last=last)


def examples(ladder: Ladder, prompts: Mapping[str, Prompt], groups: Groups, wanted: int) -> list[Example]:
    """At most `wanted`. Raises ReportError: a file of answers that is missing or none."""
    chosen = dict(choose(ladder.stages, groups, wanted))
    answers = [_first_answers(stage, chosen) for stage in ladder.all] if chosen else []

    def example(name: str) -> Example:
        shown = [_shown(stage.name, found.get(name)) for stage, found in zip(ladder.all, answers, strict=True)]
        prompt, truth = prompts[name], prompts[name].ground_truth
        return Example(
            prompt_id=name,
            why=chosen[name],
            prompt=[msgspec.structs.replace(turn, content=cut(turn.content)) for turn in prompt.prompt],
            ground_truth=None if truth is None else cut(truth),
            answers=shown,
        )

    return [example(name) for name in chosen]


def choose(stages: Sequence[Stage], groups: Groups, wanted: int) -> Iterator[tuple[str, str]]:
    """Ids and why, by the rule."""
    first = {name: [_first_verdict(stage, name) for stage in stages] for name in sorted(stages[0].evals[0].rows)}
    seen: dict[str, str] = {}
    labels = groups.first_labels()
    for name, found in first.items():
        label = labels[name]
        if len(seen) < wanted - _wrong_in_last(wanted) and label not in seen and {True, False} <= set(found):
            seen[label] = name
            yield name, "the stages differ"
    wrong = [name for name, found in first.items() if found[-1] is False and name not in seen.values()]
    for name in wrong[: _wrong_in_last(wanted)]:
        yield name, f"{stages[-1].name} is wrong"


def _wrong_in_last(wanted: int) -> int:
    return wanted // 3


def _first_verdict(stage: Stage, prompt_id: str) -> bool | None:
    correct = stage.evals[0].rows[prompt_id].correct
    return correct[0] if correct else None


def answers_path(report: Path) -> Path:
    return report.with_name(f"{report.stem}.answers.jsonl")


def _first_answers(stage: Stage, wanted: Mapping[str, str]) -> dict[str, AnswerLine]:
    """Of the first seed, by prompt. One line in memory at a time."""
    path = answers_path(stage.paths[0])
    found: dict[str, AnswerLine] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                answer = _decode(line, path, number)
                if answer.sample_index == 0 and answer.prompt_id in wanted:
                    found[answer.prompt_id] = answer
    except OSError as err:
        raise ReportError(
            f"{path}: cannot be read ({err.strerror}); it belongs beside {stage.paths[0]}, or leave out samples with "
            "--samples 0"
        ) from err
    return found


def _decode(line: bytes, path: Path, number: int) -> AnswerLine:
    try:
        return msgspec.json.decode(line, type=AnswerLine)
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        raise ReportError(f"{path}:{number}: not an answer of `trainer eval` ({err}); evaluate again") from err


def _shown(stage: str, answer: AnswerLine | None) -> Shown:
    if answer is None:
        return Shown(stage=stage, mark=NO_ANSWER)
    mark = {True: RIGHT, False: WRONG, None: NO_VERDICT}[answer.correct]
    thoughts = [turn.reasoning for turn in answer.completion if turn.reasoning]
    return Shown(
        stage=stage,
        mark=mark,
        text=cut("\n\n".join(turn.content for turn in answer.completion)),
        thoughts=cut("\n\n".join(thoughts)) if thoughts else None,
        finish=answer.finish_reason,
        tokens=answer.n_completion_tokens,
        reason=cut(answer.reason),
    )


def cut(text: str) -> str:
    """A page is no place for a long text: its beginning, and how much there is besides."""
    left_out = len(text) - MOST_CHARS
    return text if left_out <= 0 else f"{text[:MOST_CHARS]} [{left_out:,} more characters]"

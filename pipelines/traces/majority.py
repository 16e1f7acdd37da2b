"""Traces voted on by their answers, where no ground truth says which is right (self-consistency, arXiv 2203.11171).

The answer that most traces of a prompt give must have `min_share` of all of them, and be ahead of the next. The traces
that give it are kept and carry the vote in their metadata; a prompt without such an answer loses them all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from judges.base import JudgeError
from pipelines.rows import StageTally, rejection
from pipelines.steps import Passed
from pipelines.traces.answers import READERS, group_answers
from pipelines.traces.recipe import MajorityTable
from pipelines.traces.said import FACTS
from schemas.metadata import with_row_facts
from schemas.records import Prompt, Rejection, Trace

STAGE = "majority"


class Vote(msgspec.Struct, frozen=True):
    """`answer_of`: each trace's answer, as the first of those that are the same; None where it states none."""

    answer_of: list[str | None]
    winner: str | None
    votes: int
    problem: str = ""  # why there is no winner


def votes_on(table: MajorityTable, prompt: Prompt) -> bool:
    return table.when == "always" or (table.when == "no_ground_truth" and prompt.ground_truth is None)


async def agreed(table: MajorityTable, prompt: Prompt, traces: Sequence[Trace]) -> Passed[Trace]:
    """The traces that agree with the majority. A comparison that breaks makes dead letters of them all."""
    if not traces:
        return Passed([], [], [StageTally(STAGE, 0, 0)])
    try:
        vote = await hold_vote(table, prompt, [trace.messages[-1].content for trace in traces])
    except JudgeError as err:
        dead = [rejection(one.prompt_id, STAGE, err.kind, err.reason, outcome="failed", row=one) for one in traces]
        return Passed([], dead, [StageTally(STAGE, len(traces), 0)])
    kept: list[Trace] = []
    rejections: list[Rejection] = []
    for trace, answer in zip(traces, vote.answer_of, strict=True):
        if answer is not None and answer == vote.winner:
            facts = {"answer": vote.winner, "votes": vote.votes, "of": len(traces)}
            kept.append(with_row_facts(trace, FACTS, {STAGE: facts}))
        else:
            rejections.append(_outvoted(trace, answer, vote))
    return Passed(kept, rejections, [StageTally(STAGE, len(traces), len(kept))])


def _outvoted(trace: Trace, answer: str | None, vote: Vote) -> Rejection:
    if vote.winner is None:
        return rejection(trace.prompt_id, STAGE, "no_majority", vote.problem, row=trace)
    if answer is None:
        return rejection(trace.prompt_id, STAGE, "no_answer", "it states no answer that can be read", row=trace)
    reason = f"it answers {answer[:80]!r}, {vote.votes} traces {vote.winner[:80]!r}"
    return rejection(trace.prompt_id, STAGE, "minority", reason, row=trace)


async def hold_vote(table: MajorityTable, prompt: Prompt, texts: Sequence[str]) -> Vote:
    """Raises `JudgeError` when answers cannot be read or compared for a reason that is not theirs."""
    reader = READERS[table.answers]
    read = await asyncio.to_thread(lambda: [reader.read(prompt, text) for text in texts])  # texts may be long
    groups = await group_answers(reader, prompt, [answer for answer in read if answer is not None])
    first_of = {answer: group[0] for group in groups for answer in group}
    answers = [None if answer is None else first_of[answer] for answer in read]
    counts = Counter(answer for answer in answers if answer is not None).most_common(2)
    problem = _problem(table, len(texts), counts)
    if problem:
        return Vote(answers, None, 0, problem)
    return Vote(answers, *counts[0])


def _problem(table: MajorityTable, of: int, counts: Sequence[tuple[str, int]]) -> str:
    if of < table.min_traces:
        return f"{of} traces, {table.min_traces} are needed for a vote"
    if not counts:
        return f"none of {of} traces states an answer that can be read"
    answer, votes = counts[0]
    if votes < table.min_share * of - 1e-9:
        return f"{votes} of {of} traces answer {answer[:80]!r}, a share of {table.min_share:g} is needed"
    if len(counts) > 1 and counts[1][1] == votes:
        return f"{answer[:80]!r} and {counts[1][0][:80]!r} have {votes} of {of} traces each"
    return ""

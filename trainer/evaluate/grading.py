"""Each answer by its prompt's verifier, strict and flex (`judges.flex`)."""

from __future__ import annotations

import msgspec

from factory.sampling.types import Answer
from judges.base import THINK_OPEN, Verifier, graded_text, verdict
from judges.flex import flex, has_two_forms
from schemas.records import Message, Prompt


class Grade(msgspec.Struct, frozen=True):
    """Null where the verifier abstains. `verdict` and `reason` are those of the strict form."""

    strict: bool | None
    flex: bool | None
    verdict: str
    reason: str


def said(answer: Answer) -> Message:
    return Message("assistant", answer.text, answer.reasoning)


async def grade(prompt: Prompt, verifier: Verifier, answer: Answer, thoughts_opened: bool) -> Grade:
    """The grade of one answer. `thoughts_opened`: the chat template wrote `<think>`, so the text begins inside it.

    Raises:
        JudgeError: the prompt cannot be checked, or the check itself broke.
    """
    turn = said(answer)
    if thoughts_opened and turn.reasoning is None and not turn.content.lstrip().startswith(THINK_OPEN):
        # Else thoughts that were cut by length would be graded as if they were the answer.
        turn = Message(turn.role, f"{THINK_OPEN}\n{turn.content}")
    text = graded_text(verifier, turn)
    found = await verdict(verifier, prompt, text)
    strict = None if found.score is None else found.verdict == "correct"
    lenient = strict
    if has_two_forms(verifier.name):
        lenient = await flex(verifier.name, prompt, text, strict, found.metadata or {})
    return Grade(strict, lenient, found.verdict, found.reason)

"""Finds the part of an answer that states it. Every search here takes time linear in the text."""

from __future__ import annotations

ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"


def tagged_answer(text: str) -> str:
    """What the last `<answer>...</answer>` holds, else the last line that is not empty; stripped, "" if none."""
    head, closed, _ = text.rpartition(ANSWER_CLOSE)
    if closed and ANSWER_OPEN in head:
        return head.rpartition(ANSWER_OPEN)[2].strip()
    return text.rstrip().rpartition("\n")[2].strip()

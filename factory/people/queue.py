"""What a queue is made of: its pairs, what judges said of them, and what people say.

A pair is two answers to one prompt, a and b. Which of them a person sees first is drawn for this person and pair, so
that nobody can tell a from b, and the position favours neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from factory.sampling.request import derive_seed
from schemas.errors import DataError

Choice = Literal["first", "second", "tie", "skip"]  # of the answers as they were shown
Word = Literal["a", "b", "tie"]  # of the answers as they stand in the queue
Side = Literal["a", "b"]
Trouble = Literal["missing", "unclear", "flip"]
Reason = Literal["all", "missing", "unclear", "flip", "disagree", "tie", "check", "agree"]
SIDES: tuple[Side, ...] = get_args(Side)
TROUBLES: tuple[Trouble, ...] = get_args(Trouble)
CHOICES: tuple[Choice, ...] = get_args(Choice)
REASONS: dict[Reason, str] = {
    "all": "no judge decides",
    "missing": "a judge has no verdict",
    "unclear": "a judge scored one answer twice, differently",
    "flip": "a judge followed the position",
    "disagree": "the judges prefer different answers",
    "tie": "one judge ties, another does not",
    "check": "the judges agree, and people check",
    "agree": "the judges agree",
}
MOST_NOTE = 2000  # characters
MOST_RUBRIC = 20_000
MOST_VOTES = 100
NAME = r"[a-z0-9][a-z0-9._\-]{0,63}"  # also as browsers read it: "-" is escaped


class JudgeRef(msgspec.Struct, frozen=True):
    """A judge whose word a queue holds. `name`: what it is called there; `judge`: in the version `ref`."""

    name: str
    judge: str
    ref: str  # NAME@vN
    sha256: str  # of that version's manifest


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """`data`: the version whose rows are compared, as NAME@vN; `sha256`: of its manifest. `created`: UTC seconds."""

    name: str
    data: str
    sha256: str
    kind: str  # of the data: preference or completions
    rubric: str
    votes: int = 1  # wanted for each pair; skips are none
    seed: int = 0
    pairs_per_prompt: int | None = None  # of completions
    judges: list[JudgeRef] = []
    is_routed: bool = False  # people see what the judges do not agree on
    check: float = 0.0  # the share of the others that they see, too
    created: float = 0.0


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of a queue. `number`: its place there, from 0; `row_a`, `row_b`: rows of the version, one for a pair.

    `decided`: what the judges say where people are not asked. `votes`: labels with a choice.
    """

    number: int
    row_a: int
    row_b: int
    prompt_id: str
    completion_a: str
    completion_b: str
    reason: Reason = "all"
    decided: Word | None = None
    votes: int = 0


class Said(msgspec.Struct, frozen=True):
    """A judge's word on a pair. `trouble`: why it is none that counts."""

    judge: str  # `JudgeRef.name`
    item: int
    word: Word | None
    trouble: Trouble | None = None


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of a pair. `seconds`: between seeing and saying; `time`: UTC seconds."""

    item: int
    person: str
    choice: Choice
    shown_first: Side
    note: str = ""
    seconds: float | None = None
    time: float

    @property
    def word(self) -> Word | None:
        """None: skipped."""
        if self.choice in ("skip", "tie"):
            return "tie" if self.choice == "tie" else None
        return self.shown_first if self.choice == "first" else other(self.shown_first)


def other(side: Side) -> Side:
    return "b" if side == "a" else "a"


def first_shown(seed: int, item: int, person: str) -> Side:
    """Drawn by the queue's seed: always the same for a pair and a person, and known from nothing else."""
    return "b" if derive_seed(seed, "shown first", item, person) & 1 else "a"


def majority(words: Sequence[Word]) -> Word | None:
    """The answer with more votes; as many for either is a tie. None: no votes."""
    if not words:
        return None
    balance = words.count("a") - words.count("b")
    return "tie" if balance == 0 else "a" if balance > 0 else "b"


def check_name(what: str, name: str) -> None:
    """Raises DataError."""
    if not re.fullmatch(NAME, name):
        raise DataError(f"{what} {name!r}: must match {NAME}")


def check_text(what: str, text: str, most: int) -> None:
    """Raises DataError: too long, or half characters, which no file could hold."""
    if len(text) > most:
        raise DataError(f"{what}: {len(text):,} characters; at most {most:,}")
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise DataError(f"{what}: is not Unicode text ({err.reason})") from err


def check_queue(queue: Queue) -> None:
    """Raises DataError: says which part of it is wrong."""
    check_name("queue", queue.name)
    check_text("rubric", queue.rubric, MOST_RUBRIC)
    if not 1 <= queue.votes <= MOST_VOTES:
        raise DataError(f"queue {queue.name}: {queue.votes} votes for each pair; 1 to {MOST_VOTES} can be wanted")
    if not 0 <= queue.check <= 1:
        raise DataError(f"queue {queue.name}: a share of {queue.check} to check; it lies between 0 and 1")
    if not 0 <= queue.seed < 2**63:
        raise DataError(f"queue {queue.name}: the seed {queue.seed} must be 0 or more, and below 2^63")

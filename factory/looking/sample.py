"""One row made ready to show. Long texts are cut, and say by how much; the whole text is another call.

Texts are as the model wrote them: whoever shows them escapes them (`schemas.visible`, and HTML).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from factory.looking.answers import Answer, Judged, answers_of, said_of, to_judged
from factory.looking.exchanges import PATH, Exchange, exchanges_of, remembered
from factory.looking.judgements import PREFIX, judgements_on, text_of_label
from factory.looking.library import Library, Ref
from factory.looking.table import Part, open_table, read_row, table_of
from factory.looking.turns import (
    MOST_TURNS,
    Fact,
    Text,
    Turn,
    cut,
    maybe_cut,
    read_metadata,
    text_at,
    to_facts,
    to_turns,
)
from factory.looking.words import Piece, compare_words
from schemas.arrow import kind_of
from schemas.columns import ROW_KEYS
from schemas.datasets import DatasetVersion
from schemas.errors import DataError, NotFoundError
from schemas.records import (
    Completion,
    Judgement,
    Message,
    PassRate,
    PreferencePair,
    Prompt,
    Record,
    Rejection,
    Trace,
)

SHOWN = 4000  # characters of a text
AT_ONCE = 1_000_000  # characters that `full_text` gives
_DROPPED = "row."  # before a path into the row that a rejection holds
_EXCHANGE = re.compile(rf"{PATH}\[([0-9])\]\.(text|reasoning)")
# Shown elsewhere, or nowhere: lists of numbers are for the API.
_NO_FACTS = frozenset({"prompt", "messages", "completion", "chosen", "rejected", "metadata", "row", "ground_truth"})
_NO_FACTS |= {"verifier", "prompt_token_ids", "token_ids", "logprobs"}
# The first whose fields all stand in a rejected row is its type.
_DROPPED_RECORDS: tuple[type[Record], ...] = (PreferencePair, Trace, Completion, PassRate, Judgement, Prompt)


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """Words of the last turns. `first` holds same and only_first, `second` same and only_second: each side, in order.

    `is_whole`: false where the texts are too long and only their beginnings were compared.
    """

    first: list[Piece]
    second: list[Piece]
    characters: int  # how much longer the first is; below 0: shorter
    tokens: int | None
    is_whole: bool


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """`prompt`: what was asked; of a trace all turns but the last. `dropped`: why a rejection did not make it.

    A rejection shows the row that was dropped, where it holds one. `left_out`: turns beyond those that are shown.
    """

    number: int
    of: int
    kind: str  # of the version, or "rejection"
    key: str
    prompt: list[Turn]
    answers: list[Answer]
    differences: Differences | None
    ground_truth: Text | None
    verifier: str | None
    facts: list[Fact]
    metadata: list[Fact]  # dotted places, in order
    judged: list[Judged]  # of the row itself: a row of labels
    dropped: str | None = None
    exchanges: list[Exchange] = []
    exchange_problem: str | None = None  # why the ledger could not be asked
    left_out: int = 0


class FullText(msgspec.Struct, frozen=True, kw_only=True):
    """`text`: from character `start` on; `characters`: of the whole."""

    path: str
    text: str
    start: int
    characters: int


def show_row(library: Library, ref: Ref, number: int, *, part: Part = "rows", characters: int = SHOWN) -> Sample:
    """Raises NotFoundError: no such row; and kin."""
    version = library.version(ref)
    table = table_of(version, part)
    row = read_row(library, table, number)
    if isinstance(row, Rejection):
        return _rejected(row, number, table.rows, characters)
    sample = _sample(row, number, table.rows, characters)
    answers = [_with_labels(library, version, number, one, characters) for one in sample.answers]
    sample = msgspec.structs.replace(sample, answers=answers)
    try:
        return msgspec.structs.replace(sample, exchanges=exchanges_of(library, row, characters))
    except DataError as err:
        return msgspec.structs.replace(sample, exchange_problem=str(err))


def full_text(library: Library, ref: Ref, number: int, path: str, *, part: Part = "rows", start: int = 0) -> FullText:
    """A text of a row, up to 1,000,000 characters from `start` on. Raises NotFoundError: no such row or path."""
    row = read_row(library, open_table(library, ref, part), number)
    found = _text_of(library, row, path)
    if found is None or start < 0:
        raise NotFoundError(f"row {number}: no text {path!r}")
    return FullText(path=path, text=found[start : start + AT_ONCE], start=start, characters=len(found))


def raw_row(library: Library, ref: Ref, number: int, *, part: Part = "rows") -> dict[str, Any]:
    """The row as JSON values, whole: for the API."""
    found: dict[str, Any] = msgspec.to_builtins(read_row(library, open_table(library, ref, part), number))
    return found


def _with_labels(library: Library, version: DatasetVersion, number: int, answer: Answer, characters: int) -> Answer:
    if answer.completion_id is None:
        return answer
    labels = judgements_on(library, version, number, answer.completion_id, characters)
    return msgspec.structs.replace(answer, judged=[*answer.judged, *labels])


def _sample(row: Record, number: int, of: int, characters: int) -> Sample:
    asked = _asked(row)
    metadata = getattr(row, "metadata", None)
    fields = read_metadata(metadata)
    return Sample(
        number=number,
        of=of,
        kind="rejection" if isinstance(row, Rejection) else kind_of(type(row)),
        key=" ".join(getattr(row, name) for name in ROW_KEYS[type(row)]),
        prompt=to_turns(asked, "messages" if isinstance(row, Trace) else "prompt", characters),
        answers=answers_of(row, characters),
        differences=_differences(row, characters),
        ground_truth=maybe_cut(getattr(row, "ground_truth", None), "ground_truth", characters),
        verifier=getattr(row, "verifier", None),
        facts=_facts(row, characters, has_places=bool(fields) or metadata in (None, "{}")),
        metadata=to_facts(fields, "metadata", characters) if fields else [],
        judged=[to_judged(row, "row", characters)] if isinstance(row, Judgement) else [],
        left_out=sum(max(0, len(turns) - MOST_TURNS) for turns in (asked, *said_of(row))),
    )


def _rejected(row: Rejection, number: int, of: int, characters: int) -> Sample:
    """The row that was dropped, and why; the facts are those of the rejection."""
    shown = _sample(row, number, of, characters)
    dropped = dropped_row(row)
    told = f"{row.stage}: {row.kind}: {row.reason}"[:characters]
    if dropped is None:
        held = [] if row.row is None else [Fact(name="row", value=cut(row.row, "row", characters))]
        return msgspec.structs.replace(shown, dropped=told, facts=[*shown.facts, *held])
    inner = _sample(dropped, number, of, characters)
    return msgspec.structs.replace(
        shown,
        dropped=told,
        prompt=_below(inner.prompt),
        answers=_below(inner.answers),
        differences=inner.differences,
        ground_truth=_below(inner.ground_truth),
        verifier=inner.verifier,
        judged=_below(inner.judged),
        facts=[*shown.facts, *_below(inner.facts)],
        metadata=[*shown.metadata, *_below(inner.metadata)],
        left_out=inner.left_out,
    )


def dropped_row(row: Rejection) -> Record | None:
    """The record that a rejection holds as JSON; None where it holds none, or something else."""
    for record in _DROPPED_RECORDS if row.row is not None else ():
        try:
            return msgspec.json.decode(row.row or "", type=record)
        except (msgspec.MsgspecError, RecursionError):
            continue
    return None


def _below(shown: Any) -> Any:  # noqa: ANN401 - any part of a sample, given back as it came
    """The same with paths that lead into the row that was dropped."""
    if isinstance(shown, list):
        return [_below(one) for one in shown]
    if isinstance(shown, Text):
        return msgspec.structs.replace(shown, path=f"{_DROPPED}{shown.path}")
    if isinstance(shown, Turn | Answer | Judged | Fact):
        return type(shown)(**{name: _below(value) for name, value in msgspec.structs.asdict(shown).items()})
    return shown


def _text_of(library: Library, row: Record, path: str) -> str | None:
    if path.startswith(_DROPPED):
        dropped = dropped_row(row) if isinstance(row, Rejection) else None
        return None if dropped is None else text_at(dropped, path.removeprefix(_DROPPED))
    if path.startswith(PREFIX):
        return text_of_label(library, path)
    if place := _EXCHANGE.fullmatch(path):
        found = remembered(library, row)
        number = int(place[1])
        return getattr(found[number].answer, place[2]) if number < len(found) else None
    return text_at(row, path)


def _asked(row: Record) -> list[Message]:
    if isinstance(row, Trace):
        return row.messages[:-1]
    asked: list[Message] = getattr(row, "prompt", [])
    return asked


def _facts(row: Record, characters: int, has_places: bool) -> list[Fact]:
    """The columns that are not shown elsewhere. Metadata that is no object is a fact itself."""
    names = [name for name in row.__struct_fields__ if name not in _NO_FACTS]
    if isinstance(row, Judgement):
        names = [name for name in names if name not in ("judge", "score", "verdict", "reason", "raw")]
    if not has_places:
        names.append("metadata")
    values = [(name, getattr(row, name, None)) for name in names]
    return [Fact(name=name, value=cut(str(value), name, characters)) for name, value in values if value is not None]


def _differences(row: Record, characters: int) -> Differences | None:
    if not isinstance(row, PreferencePair):
        return None
    a, b = (turns[-1].content if turns else "" for turns in (row.chosen, row.rejected))
    compared = compare_words(a, b)
    first, second = (_cut_pieces(side, characters) for side in (compared.first, compared.second))
    is_whole = compared.is_whole and max(len(a), len(b)) <= characters
    tokens = row.n_chosen_tokens - row.n_rejected_tokens
    return Differences(first=first, second=second, characters=len(a) - len(b), tokens=tokens, is_whole=is_whole)


def _cut_pieces(pieces: Sequence[Piece], characters: int) -> list[Piece]:
    """Their beginning, of so many characters."""
    kept: list[Piece] = []
    left = characters
    for piece in pieces:
        if left <= 0:
            break
        kept.append(Piece(piece.kind, piece.text[:left]))
        left -= len(piece.text)
    return kept

"""Two versions, or two models of one version, on the same prompts."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from factory.looking.library import Library
from factory.looking.sides import BYTES_A_ROW, VERDICTS, Floats, Rows, SideRef, open_side
from factory.looking.table import Table, read_rows
from factory.looking.tally import Bin, Tally
from schemas.columns import to_records
from schemas.records import Completion, Judgement, Message, PassRate, PreferencePair, Prompt, Record, Trace

Order = Literal["prompt", "first_better", "second_better", "differing"]
Places = npt.NDArray[np.int64]
MOST_PAIRS = 50  # of one call
MOST_ROWS = 8  # of one prompt and side
SHOWN = 2000  # characters of a text
COMPARED_BYTES = 10_000
ROUNDING = 1e-9  # scores that differ by less are equal


class SideCounts(msgspec.Struct, frozen=True, kw_only=True):
    """`scored`: prompts with a score. `mean`: over them, of the mean of each prompt's rows."""

    ref: str
    model: str | None
    models: list[str]  # that the version holds, to choose from
    rows: int
    prompts: int
    scored: int
    mean: float | None
    verdicts: dict[str, int]
    mean_tokens: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`better`, `worse`, `equal`: of the prompts of both sides with a score on each, how the second does beside the
    first. `score`: what was compared ("pass_rate", "score", ...), None where nothing was; of two different measures
    both are named."""

    first: SideCounts
    second: SideCounts
    shared: int
    only_first: int
    only_second: int
    score: str | None
    better: int
    worse: int
    equal: int
    mean_difference: float | None  # second less first
    differences: list[Bin]
    moved: dict[str, int]  # "wrong to correct", ... of prompts with one row on each side


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a side. `number` leads to its sample."""

    number: int
    text: str
    more: int
    score: float | None
    verdict: str | None
    tokens: int | None
    model: str | None


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt with the rows of each side (at most 8). `difference`: second less first."""

    prompt_id: str
    asked: str
    first: list[Row]
    second: list[Row]
    difference: float | None


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    pairs: list[Pair]
    offset: int
    limit: int
    of: int


class _Side:
    """The rows of one side by prompt: those of prompt p stand at places `order[starts[p]:starts[p + 1]]`."""

    def __init__(self, table: Table, rows: Rows) -> None:
        self.table, self.rows = table, rows
        self.order = np.argsort(rows.prompts, kind="stable")
        ordered = rows.prompts[self.order]
        self.prompts, firsts = np.unique(ordered, return_index=True)
        self.starts = np.append(firsts, len(ordered))
        self.means = self._means()

    def places(self, prompt: int) -> Places:
        return self.order[self.starts[prompt] : self.starts[prompt + 1]]

    def _means(self) -> Floats:
        """Of each prompt, over its rows with a score; NaN without any."""
        scores = self.rows.scores[self.order]
        of = np.repeat(np.arange(len(self.prompts)), np.diff(self.starts))
        is_scored = np.isfinite(scores)
        counts = np.bincount(of[is_scored], minlength=len(self.prompts))
        sums = np.bincount(of[is_scored], weights=scores[is_scored], minlength=len(self.prompts))
        found: Floats = np.divide(sums, counts, out=np.full(len(self.prompts), np.nan), where=counts > 0)
        return found


class _Joined:
    """Both sides. `key`: all that it depends on. `at_first`, `at_second`: where each shared prompt is, in the order of
    the first side's rows."""

    def __init__(self, key: tuple[str, ...], first: _Side, second: _Side) -> None:
        self.key, self.first, self.second = key, first, second
        _, at_first, at_second = np.intersect1d(first.prompts, second.prompts, assume_unique=True, return_indices=True)
        by_row = np.argsort(first.order[first.starts[at_first]], kind="stable")
        self.at_first, self.at_second = at_first[by_row], at_second[by_row]
        self.differences = second.means[self.at_second] - first.means[self.at_first]

    @property
    def size(self) -> int:
        """In bytes, about."""
        return 1000 + 2 * BYTES_A_ROW * (len(self.first.order) + len(self.second.order))

    def places(self, order: Order) -> Places:
        """Of shared prompts. Those without a difference come last."""
        if order == "prompt":
            return np.arange(len(self.differences))
        keys = {
            "first_better": self.differences,
            "second_better": -self.differences,
            "differing": -np.abs(self.differences),
        }[order]
        return np.argsort(keys, kind="stable")


def compare(library: Library, first: SideRef, second: SideRef, *, labels: str | None = None) -> Comparison:
    """`labels`: a version of labels whose scores are taken in place of the rows' own.

    Raises:
        DataError: no row of a named model, labels that judge other things, too many rows; and kin.
    """
    joined = _join(library, first, second, labels)
    return library.memory.get(
        ("compared", *joined.key), lambda: _compared(library, (first, second), joined), lambda _: COMPARED_BYTES
    )


def _compared(library: Library, sides: tuple[SideRef, SideRef], joined: _Joined) -> Comparison:
    found = joined.differences[np.isfinite(joined.differences)]
    shared = len(joined.differences)
    tally = Tally()
    tally.add(found)
    numbers = tally.numbers()
    return Comparison(
        first=_counts(library, sides[0], joined.first),
        second=_counts(library, sides[1], joined.second),
        shared=shared,
        only_first=len(joined.first.prompts) - shared,
        only_second=len(joined.second.prompts) - shared,
        score=_measure(joined) if found.size else None,
        better=int((found > ROUNDING).sum()),
        worse=int((found < -ROUNDING).sum()),
        equal=int((np.abs(found) <= ROUNDING).sum()),
        mean_difference=None if numbers is None else numbers.mean,
        differences=[] if numbers is None else numbers.bins,
        moved=_moved(joined),
    )


def pairs(
    library: Library,
    first: SideRef,
    second: SideRef,
    *,
    labels: str | None = None,
    order: Order = "prompt",
    offset: int = 0,
    limit: int = 10,
) -> Pairs:
    """Shared prompts side by side. Raises as `compare`."""
    joined = _join(library, first, second, labels)
    limit = min(limit, MOST_PAIRS)
    chosen = joined.places(order)[offset : offset + limit].tolist()
    found = [_pair(library, joined, place) for place in chosen]
    return Pairs(pairs=found, offset=offset, limit=limit, of=len(joined.differences))


def _join(library: Library, first: SideRef, second: SideRef, labels: str | None) -> _Joined:
    one, other = open_side(library, first, labels), open_side(library, second, labels)
    judged = "" if labels is None else library.version(labels).manifest.sha256
    key = (one[0].id, first.model or "", other[0].id, second.model or "", judged)

    def join() -> _Joined:
        return _Joined(key, _Side(*one), _Side(*other))

    return library.memory.get(("joined", *key), join, lambda found: found.size)


def _counts(library: Library, side: SideRef, found: _Side) -> SideCounts:
    rows, means = found.rows, found.means[np.isfinite(found.means)]
    verdicts = Counter(VERDICTS[place] for place in rows.verdicts.tolist() if place)
    tokens = rows.tokens[rows.tokens >= 0]
    version = library.version(side.ref)
    return SideCounts(
        ref=f"{version.name}@v{version.manifest.version}",
        model=side.model,
        models=list(rows.names),
        rows=len(rows.numbers),
        prompts=len(found.prompts),
        scored=int(means.size),
        mean=float(means.mean()) if means.size else None,
        verdicts=dict(sorted(verdicts.items())),
        mean_tokens=float(tokens.mean()) if tokens.size else None,
    )


def _measure(joined: _Joined) -> str:
    return " and ".join(dict.fromkeys([joined.first.rows.measure, joined.second.rows.measure]))


def _moved(joined: _Joined) -> dict[str, int]:
    """From the first side's verdict to the second's."""
    was = _single_verdicts(joined.first, joined.at_first)
    now = _single_verdicts(joined.second, joined.at_second)
    both = (was > 0) & (now > 0)
    codes = Counter(zip(was[both].tolist(), now[both].tolist(), strict=True))
    return {f"{VERDICTS[before]} to {VERDICTS[after]}": count for (before, after), count in sorted(codes.items())}


def _single_verdicts(side: _Side, prompts: Places) -> npt.NDArray[np.int8]:
    """Of the only row of each of these prompts; 0 where there are several."""
    starts = side.starts[prompts]
    verdicts = side.rows.verdicts[side.order[starts]]
    return np.where(side.starts[prompts + 1] - starts == 1, verdicts, 0).astype(np.int8)


def _pair(library: Library, joined: _Joined, place: int) -> Pair:
    sides = ((joined.first, int(joined.at_first[place])), (joined.second, int(joined.at_second[place])))
    read = [_rows(library, side, side.places(at)[:MOST_ROWS]) for side, at in sides]
    difference = float(joined.differences[place])
    asked = next((text for records, _ in read for record in records if (text := _asked(record))), "")
    return Pair(
        prompt_id=str(getattr(read[0][0][0], "prompt_id", "")),
        asked=asked[:SHOWN],
        first=read[0][1],
        second=read[1][1],
        difference=difference if np.isfinite(difference) else None,
    )


def _rows(library: Library, side: _Side, places: Places) -> tuple[list[Record], list[Row]]:
    numbers = side.rows.numbers[places].tolist()
    batches = read_rows(library, side.table, numbers)
    records = [record for batch in batches for record in to_records(batch, side.table.record)]
    return records, [_row(side.rows, place, record) for place, record in zip(places.tolist(), records, strict=True)]


def _row(rows: Rows, place: int, record: Record) -> Row:
    text, score, tokens = _said(record), float(rows.scores[place]), int(rows.tokens[place])
    return Row(
        number=int(rows.numbers[place]),
        text=text[:SHOWN],
        more=max(0, len(text) - SHOWN),
        score=score if np.isfinite(score) else None,
        verdict=VERDICTS[rows.verdicts[place]] or None,
        tokens=tokens if tokens >= 0 else None,
        model=rows.names[rows.models[place]] if rows.names else None,
    )


def _said(row: Record) -> str:
    match row:
        case Completion():
            return _last(row.completion)
        case Trace():
            return _last(row.messages)
        case PreferencePair():
            return _last(row.chosen)
        case Judgement():
            return row.reason
        case PassRate():
            return f"{row.n_correct} of {row.n_samples} correct"
    return _asked(row)


def _asked(row: Record) -> str:
    turns: list[Message] = row.messages[:-1] if isinstance(row, Trace) else getattr(row, "prompt", [])
    said = [turn.content for turn in turns if turn.role == "user"]
    return said[-1] if said else _last(turns) if isinstance(row, Prompt) else ""


def _last(turns: list[Message]) -> str:
    return turns[-1].content if turns else ""

"""Rows as the model will see them, whether they are what they must be, and how long they are."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from math import ceil
from pathlib import Path

import msgspec

from schemas.records import PreferencePair, Record
from trainer.data.sources import Source
from trainer.rows.check import RowChecker
from trainer.rows.errors import RenderingError, UnusableRow
from trainer.rows.records import pair_row, row_name, sft_row
from trainer.rows.render import Rendered, Renderer, RenderOptions

SIDES = ("chosen", "rejected")


class ShownDocument(msgspec.Struct, frozen=True):
    title: str
    ids: list[int]
    tokens: list[str]  # the text of each
    trained: list[bool]


class Lengths(msgspec.Struct, frozen=True):
    """Percentiles of tokens a document, by nearest rank."""

    p50: int
    p90: int
    p99: int
    max: int


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    data: list[str]
    model: str
    options: RenderOptions
    rows: int  # read
    documents: int  # rendered: one of a conversation, two of a pair
    tokens: int
    trained_tokens: int
    lengths: Lengths | None  # None: no row could be rendered
    max_length: int
    over_length: int  # rows with a document of more tokens
    unusable: dict[str, int]
    broken: dict[str, int]  # rows by what is wrong with template or mask
    examples: dict[str, str]  # a message for each kind
    notes: list[str]
    shown: list[ShownDocument]

    @property
    def is_broken(self) -> bool:
        return bool(self.broken) or not self.documents

    @property
    def share(self) -> float:
        return self.trained_tokens / max(self.tokens, 1)


class _Tally:
    def __init__(self) -> None:
        self.rows = self.trained = self.over = 0
        self.lengths = array("q")
        self.unusable: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.shown: list[ShownDocument] = []

    def count(self, kinds: Counter[str], kind: str, message: str) -> None:
        kinds[kind] += 1
        self.examples.setdefault(kind, message)


class Inspector:
    def __init__(self, folder: Path, renderer: Renderer, max_length: int) -> None:
        """Raises SamplingError when the sampler cannot load the tokenizer."""
        self._folder = folder
        self._renderer = renderer
        self._checker = RowChecker(folder, renderer)
        self._max_length = max_length

    def inspect(self, sources: Sequence[Source], show: int, first: int | None = None) -> Inspection:
        """Render and check the `first` rows of each source, or all, and keep `show` rows of each to look at.

        Raises:
            CorruptError: a shard is not the one that its manifest names.
        """
        tally = _Tally()
        for source in sources:
            for number, record in enumerate(islice(source.version.records(), first)):
                self._row(record, source.name, tally, show=number < show)
        return self._report([source.name for source in sources], tally)

    def _row(self, record: Record, where: str, tally: _Tally, *, show: bool) -> None:
        tally.rows += 1
        try:
            documents = render_record(record, self._renderer, where)
        except UnusableRow as err:
            return tally.count(tally.unusable, err.kind, str(err))
        except RenderingError as err:
            return tally.count(tally.broken, err.kind, str(err))
        for kind in sorted(set(self._checker.broken(record, documents))):
            tally.count(tally.broken, kind, row_name(record, where))
        tally.lengths.extend(len(row.ids) for row in documents)
        tally.trained += sum(sum(row.trained) for row in documents)
        tally.over += any(len(row.ids) > self._max_length for row in documents)
        if show:
            tally.shown.extend(self._shown(record, documents, where))

    def _shown(self, record: Record, documents: Sequence[Rendered], where: str) -> Iterator[ShownDocument]:
        sides = SIDES if len(documents) == len(SIDES) else ("",)
        for side, row in zip(sides, documents, strict=True):
            title = f"{row_name(record, where)} {side}".rstrip()
            yield ShownDocument(title, row.ids, self._renderer.tokenizer.pieces(row.ids), row.trained)

    def _report(self, data: list[str], tally: _Tally) -> Inspection:
        return Inspection(
            data=data,
            model=str(self._folder),
            options=self._renderer.options,
            rows=tally.rows,
            documents=len(tally.lengths),
            tokens=sum(tally.lengths),
            trained_tokens=tally.trained,
            lengths=_percentiles(tally.lengths),
            max_length=self._max_length,
            over_length=tally.over,
            unusable=dict(tally.unusable.most_common()),
            broken=dict(tally.broken.most_common()),
            examples=tally.examples,
            notes=list(self._notes()),
            shown=tally.shown,
        )

    def _notes(self) -> Iterator[str]:
        chat = self._renderer.tokenizer
        for end in sorted(chat.end_ids - chat.stop_ids):
            ended = f"the template ends an answer with {chat.token(end)}"
            yield (
                f"{ended}, where generation_config.json does not stop; the trained checkpoint's will, and this one's "
                f"if you add {end} to its eos_token_id"
            )


def render_record(record: Record, renderer: Renderer, where: str) -> tuple[Rendered, ...]:
    """One document of a conversation, two of a pair. Raises UnusableRow, RenderingError."""
    if isinstance(record, PreferencePair):
        return pair_row(record, renderer, where)
    return (sft_row(record, renderer, where),)


def _percentiles(lengths: array[int]) -> Lengths | None:
    if not lengths:
        return None
    ordered = sorted(lengths)
    p50, p90, p99 = (ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.9, 0.99))
    return Lengths(p50, p90, p99, ordered[-1])

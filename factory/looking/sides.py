"""One side of a comparison: of each row of a version its prompt, score, verdict and length, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from factory.looking.distinct import Hashes, hash_rows
from factory.looking.library import Library
from factory.looking.table import Table, table_of
from schemas.errors import DataError
from schemas.records import Completion, Judgement, PassRate, PreferencePair, Prompt, Record, Trace

Floats = npt.NDArray[np.float64]
MOST_ROWS = 20_000_000  # of a version that is compared
VERDICTS = ("", "correct", "wrong", "abstain")
BYTES_A_ROW = 36
_TOKENS: dict[type[Record], str] = {
    Completion: "n_completion_tokens",
    Trace: "n_completion_tokens",
    PreferencePair: "n_chosen_tokens",
}
_MODELS: dict[type[Record], str] = {
    Completion: "model",
    Trace: "model",
    PassRate: "model",
    PreferencePair: "model_chosen",
}
_IDS: dict[type[Record], str] = {Completion: "completion_id", Trace: "trace_id"}


class SideRef(msgspec.Struct, frozen=True):
    """Rows of a version; only those of one model, where it is named."""

    ref: str
    model: str | None = None


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Arrays with an entry a row. `scores`: NaN where there is none. `verdicts`: places in VERDICTS. `models`: places
    in `names`. `measure`: what the scores are; empty where there are none."""

    prompts: Hashes
    numbers: npt.NDArray[np.int64]
    scores: Floats
    verdicts: npt.NDArray[np.int8]
    tokens: npt.NDArray[np.int32]
    models: npt.NDArray[np.int16]
    names: Sequence[str]
    measure: str

    def of_model(self, model: str | None) -> Rows:
        """Raises DataError: no row is of that model."""
        if model is None:
            return self
        if model not in self.names:
            raise DataError(f"no row of the model {model!r}; there are: {', '.join(self.names) or 'none'}")
        kept = self.models == self.names.index(model)
        arrays = ("prompts", "numbers", "scores", "verdicts", "tokens", "models")
        return msgspec.structs.replace(self, **{name: getattr(self, name)[kept] for name in arrays})


def open_side(library: Library, side: SideRef, labels: str | None) -> tuple[Table, Rows]:
    """The rows, kept in memory. Raises DataError: labels for rows that nothing judges; and kin."""
    table = table_of(library.version(side.ref))
    judged = None if labels is None else table_of(library.version(labels))
    key = ("side", table.id, "" if judged is None else judged.id)
    rows = library.memory.get(key, lambda: _read(table, judged), lambda one: BYTES_A_ROW * len(one.numbers))
    return table, rows.of_model(side.model)


def _read(table: Table, judged: Table | None) -> Rows:
    if table.rows > MOST_ROWS:
        raise DataError(f"{table.folder.location}: {table.rows:,} rows; up to {MOST_ROWS:,} can be compared here")
    names: dict[str, int] = {}
    score_of, columns, measure = _scoring(table, judged)
    batches = [
        (
            hash_rows(batch, ["prompt_id"]),
            *score_of(batch),
            _tokens(batch, table.record),
            _models(batch, table.record, names),
        )
        for batch in table.scan(columns)
    ]
    kinds = (np.uint64, np.float64, np.int8, np.int32, np.int16)
    prompts, scores, verdicts, tokens, models = (
        np.concatenate([np.empty(0, kind), *(batch[place] for batch in batches)]) for place, kind in enumerate(kinds)
    )
    return Rows(
        prompts=prompts,
        numbers=np.arange(table.rows),
        scores=scores,
        verdicts=verdicts,
        tokens=tokens,
        models=models,
        names=list(names),
        measure=measure if np.isfinite(scores).any() else "",
    )


Scored = tuple[Floats, npt.NDArray[np.int8]]
_Scoring = tuple[Callable[[pa.RecordBatch], Scored], list[str], str]


def _scoring(table: Table, judged: Table | None) -> _Scoring:
    """How a batch's scores and verdicts are had, from which columns, and what they are called."""
    record = table.record
    columns = ["prompt_id", *(found for found in (_TOKENS.get(record), _MODELS.get(record)) if found)]
    if judged is not None:
        return _by_labels(table, judged, columns)
    if record in (PassRate, Judgement):
        measure = "pass_rate" if record is PassRate else "score"
        more = [measure, *(["verdict"] if record is Judgement else [])]
        return lambda batch: (_floats(batch.column(measure)), _verdicts(batch)), [*columns, *more], measure
    if record is PreferencePair:
        sides = ["score_chosen", "score_rejected"]
        return lambda batch: (_margin(batch), _none(batch)), [*columns, *sides], "score of chosen less rejected"
    if record is Prompt:
        return lambda batch: (np.full(batch.num_rows, np.nan), _none(batch)), columns, ""
    return _by_metadata, [*columns, "metadata"], "reward or score of the metadata"


def _by_labels(table: Table, judged: Table, columns: list[str]) -> _Scoring:
    """The mean over the judges of each answer. Its verdict is the one that they agree in."""
    if judged.record is not Judgement or table.record not in _IDS:
        raise DataError("labels: give a version of labels, and completions or traces that they judge")
    ids: list[Hashes] = []
    scores: list[Floats] = []
    verdicts: list[npt.NDArray[np.int8]] = []
    for batch in judged.scan(["completion_id", "score", "verdict"]):
        ids.append(hash_rows(batch, ["completion_id"]))
        scores.append(_floats(batch.column("score")))
        verdicts.append(_verdicts(batch))
    known = _Labels(np.concatenate(ids), np.concatenate(scores), np.concatenate(verdicts))
    key = _IDS[table.record]
    return lambda batch: known.of(_hash_as(batch, key)), [*columns, key], "score of the labels"


class _Labels:
    """Scores and verdicts by the hash of the answer's id."""

    def __init__(self, ids: Hashes, scores: Floats, verdicts: npt.NDArray[np.int8]) -> None:
        self._ids, places = np.unique(ids, return_inverse=True)
        is_scored = np.isfinite(scores)
        counts = np.bincount(places[is_scored], minlength=self._ids.size)
        sums = np.bincount(places[is_scored], weights=scores[is_scored], minlength=self._ids.size)
        self._scores = np.divide(sums, counts, out=np.full(self._ids.size, np.nan), where=counts > 0)
        lowest, highest = np.full(self._ids.size, 127, np.int8), np.zeros(self._ids.size, np.int8)
        np.minimum.at(lowest, places, verdicts)
        np.maximum.at(highest, places, verdicts)
        self._verdicts = np.where(lowest == highest, lowest, 0).astype(np.int8)

    def of(self, ids: Hashes) -> Scored:
        places = np.minimum(np.searchsorted(self._ids, ids), self._ids.size - 1)
        is_there = self._ids[places] == ids
        scores = np.where(is_there, self._scores[places], np.nan)
        return scores, np.where(is_there, self._verdicts[places], 0).astype(np.int8)


def _hash_as(batch: pa.RecordBatch, key: str) -> Hashes:
    """As the labels' `completion_id` is hashed: the name of a column is no part of the hash."""
    return hash_rows(batch, [key])


def _by_metadata(batch: pa.RecordBatch) -> Scored:
    """The reward and verdict of a rollout, or the score that an answer was chosen by."""
    found = [_told(text) for text in batch.column("metadata").to_pylist()]
    scores = np.array([np.nan if score is None else score for score, _ in found])
    return scores, np.array([verdict for _, verdict in found], np.int8)


class _Rollout(msgspec.Struct, frozen=True):
    reward: float | None = None
    correct: bool | None = None


class _Best(msgspec.Struct, frozen=True):
    score: float | None = None


class _Facts(msgspec.Struct, frozen=True):
    """Of a row's metadata what is compared; the rest of it is passed over."""

    rollout: _Rollout | None = None
    best_of: _Best | None = None


_decode = msgspec.json.Decoder(_Facts).decode
_CODES = {None: 0, True: 1, False: 2}  # places in VERDICTS


def _told(text: str | None) -> tuple[float | None, int]:
    """None of metadata that is somebody else's."""
    try:
        facts = _decode(text or "{}")
    except (msgspec.MsgspecError, RecursionError):
        return None, 0
    if facts.rollout is not None:
        return facts.rollout.reward, _CODES[facts.rollout.correct]
    return (None if facts.best_of is None else facts.best_of.score), 0


def _margin(batch: pa.RecordBatch) -> Floats:
    return _floats(batch.column("score_chosen")) - _floats(batch.column("score_rejected"))


def _floats(column: pa.Array) -> Floats:
    return cast(Floats, column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))


def _verdicts(batch: pa.RecordBatch) -> npt.NDArray[np.int8]:
    if "verdict" not in batch.schema.names:
        return _none(batch)
    places = pc.index_in(batch.column("verdict"), pa.array(VERDICTS)).fill_null(0)
    return cast(npt.NDArray[np.int8], places.to_numpy(zero_copy_only=False).astype(np.int8))


def _none(batch: pa.RecordBatch) -> npt.NDArray[np.int8]:
    return np.zeros(batch.num_rows, np.int8)


def _tokens(batch: pa.RecordBatch, record: type[Record]) -> npt.NDArray[np.int32]:
    """-1 where rows have no such number."""
    if record not in _TOKENS:
        return np.full(batch.num_rows, -1, np.int32)
    return cast(npt.NDArray[np.int32], batch.column(_TOKENS[record]).to_numpy(zero_copy_only=False))


def _models(batch: pa.RecordBatch, record: type[Record], names: dict[str, int]) -> npt.NDArray[np.int16]:
    """Places in `names`, to which new ones are added."""
    if record not in _MODELS:
        return np.zeros(batch.num_rows, np.int16)
    column = batch.column(_MODELS[record]).dictionary_encode()
    codes = [names.setdefault(name, len(names)) for name in column.dictionary.to_pylist()]
    if len(names) > 2**15 - 1:
        raise DataError("more than 32,767 models; name columns differently")
    return cast(npt.NDArray[np.int16], np.array(codes, np.int16)[column.indices.to_numpy(zero_copy_only=False)])

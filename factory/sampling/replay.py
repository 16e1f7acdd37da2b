"""The engine `replay`: answers that were recorded before, found by the prompt's messages. It asks nobody.

Sampling settings change nothing here: the i-th answer to a prompt is the i-th recorded one. Token counts are the
recorded ones, and 0 where a file records none.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec

from factory.sampling.errors import RowError, RunError
from factory.sampling.recording import Recorded, Recording, RecordingRef, open_recording, parse_recording
from factory.sampling.types import Answer, Capability, EngineStats, SamplingParams
from schemas.canonical import prompt_id
from schemas.manifest import ModelRef
from schemas.records import Message

ENGINE = "replay"
ENGINE_VERSION = "1"
_BATCH = 1000
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Answer).decode


class ReplayEngine:
    """One model's recorded answers. See `factory.sampling.recording` for how a recording is named."""

    def __init__(self, recording: str, workspace: Path, role: str = "policy") -> None:
        self._ref: RecordingRef = parse_recording(recording)
        self._name = recording
        self._workspace = workspace
        self._role = role
        self._stats = EngineStats(limit=1)
        self._answers: AnswerIndex | None = None
        self._model: ModelRef | None = None
        self._capabilities: frozenset[Capability] = frozenset()

    @property
    def model(self) -> ModelRef:
        if self._model is None:
            raise RuntimeError("the model is known after start()")
        return self._model

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._capabilities

    @property
    def stats(self) -> EngineStats:
        return self._stats

    async def start(self) -> None:
        """Index the recording in a temporary file. Raises `RunError`."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        recording = open_recording(self._ref, self._workspace)
        answers = AnswerIndex()
        try:
            answers.fill(recording.rows())
            model = self._choose_model(answers)
        except BaseException:
            answers.close()
            raise
        self._answers = answers
        self._capabilities = answers.keep_model(model)
        self._model = _model_ref(self._role, model, recording)

    def _choose_model(self, answers: AnswerIndex) -> str:
        there = answers.models()
        if not there:
            raise RunError("bad_recording", f"replay:{self._name}: it holds no answers; give one that has some")
        if self._ref.model is None and len(there) == 1:
            return there[0]
        if self._ref.model in there:
            return self._ref.model
        known = f"it holds {', '.join(there)}; choose with ?model=NAME"
        missing = "several models answered" if self._ref.model is None else f"no answers of {self._ref.model!r}"
        raise RunError("bad_recording", f"replay:{self._name}: {missing}; {known}")

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]:
        """The first `n` recorded answers. Raises `RowError` when fewer were recorded."""
        return [await self.sample_at(messages, index, params) for index in range(n)]

    async def sample_at(self, messages: list[Message], index: int, params: SamplingParams) -> Answer:
        """The recorded answer number `index`, from 0. Raises `RowError` when there is none."""
        if self._answers is None:
            raise RuntimeError("sample() before start()")
        self._stats.requests += 1
        asked = prompt_id(messages)
        answer = self._answers.find(asked, index)
        if answer is None:
            count = self._answers.count(asked)
            reason = (
                f"replay:{self._name} holds {count} answers to the prompt {asked}, answer {index + 1} was asked for"
            )
            raise RowError("not_recorded", reason)
        self._stats.answered += 1
        return _as_asked(answer, params)

    async def close(self) -> None:
        if self._answers is not None:
            self._answers.close()
            self._answers = None


class AnswerIndex:
    """Answers by prompt and position, on disk: memory stays small however long the recording."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="replay-")
        self._db = sqlite3.connect(Path(self._folder.name) / "answers.sqlite", check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(
            "CREATE TABLE answers (prompt TEXT, model TEXT, sample INTEGER, line INTEGER, tokens INTEGER,"
            " logprobs INTEGER, answer BLOB)"
        )
        self._model = ""

    def fill(self, rows: Iterator[Recorded]) -> None:
        lines = enumerate(rows)
        while batch := [_as_row(line, row) for line, row in islice(lines, _BATCH)]:
            self._db.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", batch)
        self._db.execute("CREATE INDEX by_prompt ON answers (prompt, model, sample, line)")
        self._db.commit()

    def models(self) -> list[str]:
        return [model for (model,) in self._db.execute("SELECT DISTINCT model FROM answers ORDER BY model")]

    def keep_model(self, model: str) -> frozenset[Capability]:
        """Look up the answers of `model` from now on. What all of them have recorded, the engine can give."""
        self._model = model
        query = "SELECT min(tokens), min(logprobs) FROM answers WHERE model = ?"
        tokens, logprobs = self._db.execute(query, (model,)).fetchone()
        had: dict[Capability, bool] = {"token_ids": bool(tokens), "logprobs": bool(logprobs)}
        return frozenset(name for name, all_have in had.items() if all_have)

    def find(self, prompt: str, index: int) -> Answer | None:
        query = "SELECT answer FROM answers WHERE prompt = ? AND model = ? ORDER BY sample, line LIMIT 1 OFFSET ?"
        with closing(self._db.execute(query, (prompt, self._model, index))) as found:
            row = found.fetchone()
        return None if row is None else _decode(row[0])

    def count(self, prompt: str) -> int:
        query = "SELECT count(*) FROM answers WHERE prompt = ? AND model = ?"
        (count,) = self._db.execute(query, (prompt, self._model)).fetchone()
        return int(count)

    def close(self) -> None:
        self._db.close()
        self._folder.cleanup()


def _as_row(line: int, row: Recorded) -> tuple[str, str, int, int, int, int, bytes]:
    answer = row.answer
    has_tokens, has_logprobs = answer.token_ids is not None, answer.logprobs is not None
    sample = 0 if row.sample_index is None else row.sample_index
    return row.prompt_id, row.model, sample, line, int(has_tokens), int(has_logprobs), _encode(answer)


def _as_asked(answer: Answer, params: SamplingParams) -> Answer:
    """Without the token ids and log-probs that were recorded but not asked for."""
    if not params.token_ids:
        answer = msgspec.structs.replace(answer, token_ids=None, prompt_token_ids=None)
    return answer if params.logprobs else msgspec.structs.replace(answer, logprobs=None)


def _model_ref(role: str, model: str, recording: Recording) -> ModelRef:
    return ModelRef(role=role, model=model, revision=recording.revision, engine=ENGINE, engine_version=ENGINE_VERSION)

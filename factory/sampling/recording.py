"""Recorded answers: a dataset version (completions or traces) or a JSONL file, one answer a row.

A recording is named `DATASET[?model=NAME]` or `FILE.jsonl?prompt=COLUMN&completion=COLUMN[&model=NAME]`. The columns
are `prompt` and `completion` where nothing else is said. `model` picks one of several models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from factory.sampling.errors import RunError
from factory.sampling.types import Answer
from schemas.canonical import prompt_id
from schemas.datasets import DatasetVersion, open_version
from schemas.errors import DataError
from schemas.records import Completion, Message, Record, Trace

_FILE_SUFFIXES = (".jsonl", ".ndjson")
_CHUNK = 2**20


class RecordingRef(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wrote."""

    location: str
    prompt: str = "prompt"
    completion: str = "completion"
    model: str | None = None

    @property
    def is_file(self) -> bool:
        return self.location.endswith(_FILE_SUFFIXES)


class Recorded(msgspec.Struct, frozen=True):
    """One answer, of which model, and where it stands among the model's answers to the prompt."""

    prompt_id: str
    model: str
    sample_index: int | None  # None: as the rows come
    answer: Answer


class Recording(msgspec.Struct, frozen=True):
    """`revision` is a sha256: of the file, or of the version's manifest. `rows` raises `RunError` as it reads."""

    revision: str
    rows: Callable[[], Iterator[Recorded]]


def parse_recording(text: str) -> RecordingRef:
    """Raises `RunError` for a setting that there is not."""
    location, _, query = text.partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    known = ("prompt", "completion", "model")
    for key in settings:
        if key not in known:
            raise _refused(text, f"no setting {key!r}; known: {', '.join(known)}")
    ref = RecordingRef(location=location, **settings)
    if not ref.is_file and {"prompt", "completion"} & settings.keys():
        raise _refused(text, "prompt and completion name columns of a file that ends in .jsonl; leave them out")
    return ref


def open_recording(ref: RecordingRef, workspace: Path) -> Recording:
    """Raises `RunError` when it is not there or holds no answers."""
    try:
        if ref.is_file:
            path = Path(ref.location).expanduser()
            return Recording(_file_sha256(path), lambda: _file_rows(path, ref))
        version = open_version(ref.location, workspace)
    except OSError as err:
        raise _refused(ref.location, f"cannot be read: {err.strerror or err}; check the path") from err
    except DataError as err:
        raise _refused(ref.location, str(err)) from err
    if version.record not in _RECORDED:
        kinds = f"a version of kind {version.manifest.kind} holds no answers; give completions or traces"
        raise _refused(ref.location, kinds)
    return Recording(version.manifest.sha256, lambda: _version_rows(version, ref.location))


def _version_rows(version: DatasetVersion, location: str) -> Iterator[Recorded]:
    recorded = _RECORDED[version.record]
    try:
        for number, row in enumerate(version.records(), 1):
            if not _said(row):
                raise _refused(location, f"row {number} holds no message; build the dataset again")
            yield recorded(row)
    except DataError as err:
        raise _refused(location, str(err)) from err


def _said(row: Record) -> list[Message]:
    return row.completion if isinstance(row, Completion) else row.messages if isinstance(row, Trace) else []


def _completion(row: Record) -> Recorded:
    assert isinstance(row, Completion)
    said = row.completion[-1]
    answer = Answer(
        text=said.content,
        reasoning=said.reasoning,
        finish_reason=row.finish_reason,
        n_prompt_tokens=row.n_prompt_tokens,
        n_completion_tokens=row.n_completion_tokens,
        prompt_token_ids=row.prompt_token_ids,
        token_ids=row.token_ids,
        logprobs=row.logprobs,
    )
    return Recorded(prompt_id(row.prompt), row.model, row.sample_index, answer)


def _trace(row: Record) -> Recorded:
    """`raw` is what the model said where it was divided afterwards: it is given out undivided, as it came."""
    assert isinstance(row, Trace)
    *asked, said = row.messages
    answer = Answer(
        text=said.content if row.raw is None else row.raw,
        reasoning=said.reasoning if row.raw is None else None,
        finish_reason=row.finish_reason,
        n_prompt_tokens=row.n_prompt_tokens,
        n_completion_tokens=row.n_completion_tokens,
    )
    return Recorded(prompt_id(asked), row.model, row.sample_index, answer)


_RECORDED: dict[type[Record], Callable[[Record], Recorded]] = {Completion: _completion, Trace: _trace}


def _file_rows(path: Path, ref: RecordingRef) -> Iterator[Recorded]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                row = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as err:
                raise _refused(where, f"no JSON object: {err}; correct or remove the line") from err
            yield _file_row(row, ref, where, path.stem)


def _file_row(row: dict[str, Any], ref: RecordingRef, where: str, stem: str) -> Recorded:
    for column in (ref.prompt, ref.completion):
        if column not in row:
            nearest = get_close_matches(column, row, n=1)
            hint = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise _refused(where, f"no column {column!r}; {hint}columns: {', '.join(row) or 'none'}")
    text = row[ref.completion]
    if not isinstance(text, str):
        raise _refused(where, f"{ref.completion} is {type(text).__name__}; it must be a text")
    model = row.get("model", ref.model or stem)
    finish = row.get("finish_reason", "unknown")
    if not isinstance(model, str) or not isinstance(finish, str):
        raise _refused(where, "model and finish_reason must be texts")
    answer = Answer(text=text, finish_reason=finish, n_prompt_tokens=0, n_completion_tokens=0)
    return Recorded(prompt_id(_messages(row[ref.prompt], where, ref.prompt)), model, None, answer)


def _messages(value: Any, where: str, column: str) -> list[Message]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return [Message("user", value)]
    try:
        return msgspec.convert(value, list[Message])
    except msgspec.ValidationError as err:
        raise _refused(where, f"{column} is neither a text nor a list of messages: {err}") from err


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _refused(where: str, problem: str) -> RunError:
    return RunError("bad_recording", f"replay:{where}: {problem}")

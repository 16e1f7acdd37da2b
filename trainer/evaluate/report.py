"""What an evaluation found: one JSON file, and every answer with its verdict in a JSONL file beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from factory.sampling.types import SamplingParams
from schemas.errors import WriteError
from schemas.local import make_folders
from schemas.manifest import InputRef
from trainer.evaluate.errors import EvalError
from trainer.evaluate.figures import Figures, Graded
from trainer.evaluate.kl import Divergence
from trainer.files import clear_left_of, replacing

FORMAT = 1


class Reference(msgspec.Struct, frozen=True):
    """The model that the KL is to, and the prompts that it is on."""

    model: str
    revision: str
    data: InputRef


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """All that an evaluation's outcome hangs on. Equal requests have equal reports."""

    model: str
    revision: str | None  # null: an endpoint, which does not pin its weights
    data: InputRef
    n: int
    ks: tuple[int, ...]
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    limit: int | None
    skip_unverified: bool
    engine: str  # as it was asked for: "auto" too
    name: str | None
    reference: Reference | None
    system_prompt: str | None = None
    chat_template_kwargs: dict[str, Any] = {}


class KL(msgspec.Struct, frozen=True, kw_only=True):
    """`cut`: the share of the answers that `max_tokens` cut; `unanswered`: how many never came."""

    reference: Reference
    sampling: SamplingParams
    cut: float
    unanswered: int
    found: Divergence


class Row(msgspec.Struct, frozen=True):
    """A prompt's answers in order. Null: no verdict (abstained, or an error), or no answer."""

    prompt_id: str
    verifier: str
    correct: list[bool | None]
    flex: list[bool | None]
    tokens: list[int | None]
    finish: list[str | None]


class Run(msgspec.Struct, frozen=True):
    """What differs from one run to the next."""

    created_at: str  # UTC, ISO 8601
    seconds: float
    asked: int  # answers that this run asked for
    found: int  # those that an earlier run had kept


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`total` is written flat, into the top level."""

    request: Request
    model: str  # the checkpoint folder, or what the endpoint calls it
    revision: str
    engine: str
    engine_version: str
    chat_template_sha256: str | None
    sampling: SamplingParams
    skipped: int  # prompts without a verifier
    total: Figures
    verifiers: dict[str, Figures]
    kl: KL | None
    results: list[Row]
    run: Run


def to_row(graded: Graded) -> Row:
    samples = graded.samples
    return Row(
        prompt_id=graded.prompt_id,
        verifier=graded.verifier,
        correct=[sample.strict for sample in samples],
        flex=[sample.flex for sample in samples],
        tokens=[sample.tokens for sample in samples],
        finish=[sample.finish for sample in samples],
    )


def to_json(report: Report) -> dict[str, Any]:
    """As the file holds it."""
    fields: dict[str, Any] = msgspec.to_builtins(report)
    head = {"format": FORMAT, "model": report.model, "revision": report.revision}
    data = msgspec.to_builtins(report.request.data)
    flat = {"engine": report.engine, "data": data, "sampling": fields["sampling"], **fields.pop("total")}
    return {**head, **flat, **fields}


def write_report(report: Report, path: Path) -> None:
    """Whole or not at all. Raises WriteError."""
    publish(path, [msgspec.json.format(msgspec.json.encode(to_json(report)), indent=1) + b"\n"])


def read_report(path: Path) -> Report | None:
    """The report that is there; None where there is none. Raises EvalError for a file that is no report."""
    try:
        fields = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        if fields.get("format") != FORMAT:
            raise EvalError(f"{path}: no report of this release's format; name another --out, or remove it")
        total = {name: fields[name] for name in Figures.__struct_fields__}
        return msgspec.convert({**fields, "total": total}, Report)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as err:
        raise EvalError(f"{path}: not a report of `trainer eval` ({err}); name another --out, or remove it") from err


def check_same(report: Report, request: Request, path: Path) -> None:
    """Raises EvalError when the report answers another request, with each thing in which they differ."""
    if report.request == request:
        return
    differing = [
        f"{name} = {_shown(getattr(report.request, name))}, not {_shown(getattr(request, name))}"
        for name in Request.__struct_fields__
        if getattr(report.request, name) != getattr(request, name)
    ]
    raise EvalError(f"{path}: there is a report with {'; '.join(differing)}. Name another --out, or remove it")


def _shown(value: object) -> str:
    if isinstance(value, InputRef):
        return f"{value.name}@v{value.version} (sha256 {value.sha256[:12]})"
    if isinstance(value, Reference):
        return f"{value.model} (revision {value.revision[:12]}) on {_shown(value.data)}"
    return str(value)


def publish(path: Path, parts: Iterable[bytes]) -> None:
    """A file written aside, made durable, then put in place. Raises WriteError."""
    make_folders(path.parent)
    clear_left_of(path)
    try:
        with replacing(path) as file:
            for part in parts:
                file.write(part)
    except OSError as err:
        raise WriteError(f"{path}: cannot be written ({err.strerror or err}); make room and run it again") from err

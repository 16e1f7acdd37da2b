"""The reports of `trainer eval` that are compared, and whether they can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from trainer.errors import TrainError
from trainer.evaluate.report import FORMAT
from trainer.seeds.compare import Verdicts

BY_PROMPT = {"accuracy": "correct", "accuracy_flex": "flex"}  # metric -> the verdicts that it is made of
NO_MATTER = frozenset({"logprobs", "token_ids", "top_logprobs", "seed"})  # of the sampling: changes no distribution


class CompareError(TrainError):
    """The message names the report, and what to do."""


class Row(msgspec.Struct, frozen=True):
    """A prompt's answers. Null: no verdict."""

    prompt_id: str
    correct: list[bool | None]
    flex: list[bool | None] | None = None


class Eval(msgspec.Struct, frozen=True):
    """`figures`: all of the report but its rows."""

    path: Path
    figures: dict[str, Any]
    rows: dict[str, Row]  # by prompt

    def figure(self, name: str) -> float:
        """A number of the report: "accuracy", or a part of a part, such as "pass_at_k.8"."""
        found: Any = self.figures
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            found = found.get("value")
        if isinstance(found, bool) or not isinstance(found, int | float):
            numbers = ", ".join(key for key, value in self.figures.items() if isinstance(value, float))
            raise CompareError(f"{self.path}: {name} is no number there; numbers are: {numbers}")
        return float(found)


def read_evals(paths: Sequence[Path]) -> list[Eval]:
    """All of the same prompts, drawn in the same way.

    Raises:
        CompareError: no report of `trainer eval`, or other prompts or other sampling than the first one's.
    """
    evals = [_read(path) for path in paths]
    for other in evals[1:]:
        _check_same(evals[0], other)
    return evals


def verdicts(evals: Sequence[Eval], metric: str) -> Verdicts:
    """The verdicts behind a metric of `BY_PROMPT`: a row for each report, prompts by their ids."""
    prompts = sorted(evals[0].rows)
    found = [[_values(run, prompt, BY_PROMPT[metric]) for prompt in prompts] for run in evals]
    right_RP = np.array([[sum(values) for values in run] for run in found], dtype=np.float64)
    graded_RP = np.array([[len(values) for values in run] for run in found], dtype=np.float64)
    return Verdicts(right_RP, graded_RP)


def _values(run: Eval, prompt: str, form: str) -> list[bool]:
    values = getattr(run.rows[prompt], form)
    if values is None:
        raise CompareError(f"{run.path}: has no {form} of prompt {prompt}; make the report again")
    return [value for value in values if value is not None]


def _read(path: Path) -> Eval:
    try:
        fields = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        rows = msgspec.convert(fields.pop("results", None), list[Row])
    except OSError as err:
        raise CompareError(f"{path}: cannot be read ({err.strerror}); give the eval.json of `trainer eval`") from err
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise CompareError(f"{path}: not a report of `trainer eval` ({err})") from err
    if fields.get("format") != FORMAT:
        raise CompareError(f"{path}: no report of this release's format; make it again with `trainer eval`")
    by_prompt = {row.prompt_id: row for row in rows}
    if not rows or len(by_prompt) < len(rows):
        raise CompareError(f"{path}: has {'a prompt twice' if rows else 'no prompts'}; make it again")
    return Eval(path, fields, by_prompt)


def _check_same(first: Eval, other: Eval) -> None:
    if first.rows.keys() != other.rows.keys():
        only = min(first.rows.keys() ^ other.rows.keys())
        where = first.path if only in first.rows else other.path
        raise CompareError(f"{first.path} and {other.path} are of different prompts: {only} is only in {where}")
    for name in ("data", "sampling", "request"):
        ours, theirs = (_table(run.figures.get(name)) for run in (first, other))
        keys = {"system_prompt"} if name == "request" else (ours.keys() | theirs.keys()) - NO_MATTER
        for key in sorted(keys):
            if ours.get(key) != theirs.get(key):
                raise CompareError(
                    f"{first.path} and {other.path} differ in {name}: "
                    f"{key} is {ours.get(key)} and {theirs.get(key)}; evaluate both alike"
                )


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"": value}

"""A source's row as a prompt, or why it is none. What is wrong with a whole file is raised, not rejected."""

from __future__ import annotations

import json
from typing import Any

from judges.base import JudgeError, Verifier
from judges.registry import make_verifier
from pipelines.conversations import has_lone_surrogate, n_bytes, read_messages, under_system_prompt
from pipelines.prompts_recipe import PromptsRecipe
from pipelines.rows import rejection
from pipelines.source_rows import SourceRow, need_columns
from schemas.canonical import canonical_json, prompt_id
from schemas.errors import DataError
from schemas.records import Message, Prompt, Rejection

STAGE = "source"


class PromptMaker:
    """Makes prompts of rows by one recipe. Remembers the ids that it saw, to refuse one that comes twice."""

    def __init__(self, recipe: PromptsRecipe, source: str) -> None:
        self._recipe = recipe
        self._source = source
        self._verifier = None if recipe.verifier is None else make_verifier(recipe.verifier)
        self._seen: dict[str, str] = {}  # id -> where

    def make(self, row: SourceRow) -> Prompt | Rejection:
        """Raises DataError for a column that is missing or of the wrong type, and for an id that comes twice."""
        recipe = self._recipe
        need_columns(row.where, recipe.columns(), row.fields)
        source_id = self._source_id(row)
        asked = read_messages(row.fields[recipe.prompt_column], row.where, recipe.prompt_column)
        messages = under_system_prompt(asked, recipe.system_prompt)
        texts = [text for name in recipe.columns() for text in _texts(row.fields[name])]
        if any(map(has_lone_surrogate, texts)):
            return self._reject(row, "lone_surrogate", "half a character (a lone surrogate), which no model can read")
        if (problem := self._unusable(asked, messages)) is not None:
            return self._reject(row, *problem)
        return checked(self._prompt(row, source_id, messages), self._verifier, row.where)

    def _prompt(self, row: SourceRow, source_id: str, messages: list[Message]) -> Prompt:
        recipe = self._recipe
        metadata = {name: row.fields[name] for name in recipe.metadata_columns}
        return Prompt(
            prompt_id=prompt_id(messages),
            prompt=messages,
            ground_truth=self._optional_text(row, recipe.ground_truth_column),
            verifier=recipe.verifier,
            source=self._source,
            source_id=source_id,
            licence=self._optional_text(row, recipe.licence_column) or recipe.licence,
            metadata=canonical_json(metadata).decode() if metadata else None,
        )

    def _source_id(self, row: SourceRow) -> str:
        column = self._recipe.id_column
        if column is None:
            return str(row.number)
        value = row.fields[column]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise DataError(f"{row.where}: {column} is {value!r}; an id is a text or a whole number")
        first = self._seen.setdefault(str(value), row.where)
        if first != row.where:
            raise DataError(f"{row.where}: {column} {value!r} is also the id of {first}; ids must differ")
        return str(value)

    def _unusable(self, asked: list[Message], messages: list[Message]) -> tuple[str, str] | None:
        if not asked or not asked[-1].content.strip():
            return "empty_prompt", "the prompt is empty"
        if asked[-1].role == "assistant":
            return "ends_with_answer", "the prompt ends with an assistant's turn; it must end with what is asked"
        size, bound = n_bytes(messages), self._recipe.max_prompt_bytes
        if size > bound:
            return "too_long", f"the prompt has {size} bytes, over max_prompt_bytes = {bound}"
        return None

    def _reject(self, row: SourceRow, kind: str, reason: str) -> Rejection:
        fields = {name: row.fields[name] for name in self._recipe.columns()}
        shown = None if kind == "too_long" else json.dumps(fields, default=str)  # ASCII: lone surrogates stay escaped
        return Rejection(
            prompt_id="", stage=STAGE, outcome="dropped", kind=kind, reason=f"{row.where}: {reason}", row=shown
        )

    @staticmethod
    def _optional_text(row: SourceRow, column: str | None) -> str | None:
        value = None if column is None else row.fields[column]
        if value is None or isinstance(value, str):
            return value
        return str(value) if _is_number(value) else canonical_json(value).decode()


def checked(prompt: Prompt, verifier: Verifier | None, where: str) -> Prompt | Rejection:
    """The prompt, unless its verifier cannot check any answer to it: better known before answers are paid for."""
    if verifier is None:
        return prompt
    try:
        verifier.verify(prompt, "")
    except JudgeError as err:
        return rejection(prompt.prompt_id, STAGE, err.kind, f"{where}: {err.reason}", row=prompt)
    return prompt


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    """All texts inside a JSON value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return []

"""Recipes: a TOML file, flags over it, checked as a whole. An unknown key is answered with the nearest known one."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, time
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from schemas.canonical import canonical_json, sha256_hex

RUN_TABLE = "run"  # how to run; the only table that is no part of a recipe's identity
Recipe = TypeVar("Recipe", bound=BaseModel)


class RecipeError(Exception):
    """A recipe or a flag is wrong. The message names the file and key."""


class Table(BaseModel):
    """A table of a recipe. Unknown keys are refused; a recipe that was read stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GrownRecipe(Table):
    """A recipe that got further keys. One that does not use them keeps the identity that it had before."""

    added: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        table: dict[str, Any] = dump(self)
        return {key: value for key, value in table.items() if value or key not in self.added}


def load_recipe(model: type[Recipe], path: Path | None, flags: Mapping[str, Any], settings: list[str]) -> Recipe:
    """The recipe of `path`, with `flags` (those that are not None) and `--set key=value` settings over it."""
    table = {} if path is None else _read(path)
    for key, value in flags.items():
        if value is not None:
            _put(table, key, value)
    for setting in settings:
        key, found, value = setting.partition("=")
        if not found:
            raise RecipeError(f"--set {setting}: write it as KEY=VALUE, for example sampling.temperature=0.7")
        _put(table, key.strip(), _value(value))
    where = "the flags" if path is None else str(path)
    try:
        return model.model_validate(table)
    except ValidationError as err:
        raise RecipeError("\n".join(_complaints(err, model, where))) from err


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise RecipeError(f"{path}: there is no such recipe") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise RecipeError(f"{path}: not TOML: {err}") from err


def _put(table: dict[str, Any], dotted: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
    *parents, last = dotted.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {dotted}: {parent!r} is a value, not a table")
    table[last] = value


def _value(text: str) -> Any:  # noqa: ANN401 - any TOML value
    """A TOML value; a bare word is a string, and so is a date: no key takes one."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return text if isinstance(value, date | time) else value


def _complaints(err: ValidationError, model: type[BaseModel], where: str) -> Iterator[str]:
    for problem in err.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _known(model, problem["loc"])
            nearest = get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
            yield f"{where}: unknown key {key!r}; {hint}"
        elif problem["type"] == "missing":
            yield f"{where}: {key!r} is missing; give it in the recipe or as a flag"
        elif problem["type"] == "value_error":  # a check of ours, which says all there is to say
            yield f"{where}: {key!r}: {problem['ctx']['error']}" if key else f"{where}: {problem['ctx']['error']}"
        else:
            yield f"{where}: {key!r}: {problem['msg'].lower()} (it is {problem['input']!r})"


def _known(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Keys that could have stood in this place: those of its own table in a list of tables, else all."""
    if not any(isinstance(part, int) for part in place):
        return list(_keys(model))
    tables = [model]
    for part in place[:-1]:
        fields = [table.model_fields[part] for table in tables if part in table.model_fields]
        if fields:
            tables = [found for field in fields for found in _tables(field.annotation)]
        elif isinstance(part, str):  # where a list holds several kinds of table: the kind
            tables = [table for table in tables if any(field.default == part for field in table.model_fields.values())]
    path = ".".join(map(str, place[:-1]))
    return [f"{path}.{name}" for table in tables for name in table.model_fields]


def _tables(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any annotation
    """The tables that a key of this type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables(inner)


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All keys of a recipe, dotted."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")


def resolved(recipe: BaseModel) -> dict[str, Any]:
    """The part of a recipe that decides what the rows are, defaults included, as JSON gives it back: its identity."""
    table: dict[str, Any] = recipe.model_dump(mode="json")
    table.pop(RUN_TABLE, None)
    return table


def recipe_sha256(table: Mapping[str, Any]) -> str:
    return sha256_hex(canonical_json(table))


def differences(old: Mapping[Any, Any], new: Mapping[Any, Any], prefix: str = "") -> list[str]:
    """The keys whose values differ, with both values."""
    found = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            a, b = dict(enumerate(a)), dict(enumerate(b))
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key}: {a!r} -> {b!r}")
    return found


def find_recipe(path: Path, shipped: Path) -> Path:
    """The file where there is one; else, for a bare name (`traces` or `traces.toml`), the recipe in `shipped`.

    Says on stderr which one it took. Raises RecipeError when there is neither.
    """
    if path.is_file() or len(path.parts) > 1 or path.suffix not in ("", ".toml"):
        return path
    found = shipped / f"{path.stem}.toml"
    if not found.is_file():
        names = ", ".join(_nearest_first(path.stem, shipped))
        raise RecipeError(
            f"{path}: there is no such recipe: no file {path.absolute()}, and none of that name comes with "
            f"this project; those that do: {names}"
        )
    print(f"recipe {path}: {found}, which comes with this project", file=sys.stderr)
    return found


def _nearest_first(name: str, shipped: Path) -> list[str]:
    names = sorted(path.stem for path in shipped.glob("*.toml"))
    return sorted(names, key=lambda known: -SequenceMatcher(None, name, known).ratio())

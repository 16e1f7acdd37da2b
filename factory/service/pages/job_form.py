"""The form that says what a job is."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from factory.looking.datasets import list_datasets
from factory.page.runs import Choices
from factory.service.job_request import KINDS, TRAININGS, JobRequest
from factory.service.state import Service
from factory.shipped import FOLDER
from schemas.errors import DataError

NUMBERS = ("n", "limit", "max_cost_usd")
WORDS = ("kind", "recipe", "data", "out")


def choices_of(service: Service) -> Choices:
    names = [line.name for line in list_datasets(service.library) if line.latest is not None]
    return Choices(
        kinds=KINDS,
        recipes=sorted(path.stem for path in FOLDER.glob("*.toml")),
        data=[f"{name}@latest" for name in names],
        policies=list(service.settings.policies),
        settings=service.settings.settings,
    )


def job_request(form: dict[str, str]) -> JobRequest:
    """Raises DataError: a field of another form."""
    kind = form.get("kind", "")
    fields: dict[str, Any] = {name: form[name] for name in WORDS if name in form}
    fields.update({name: number(name, form[name]) for name in NUMBERS if name in form})
    if policy := form.get("policy"):
        fields |= {"model": policy} if kind in (*TRAININGS, "eval") else {"policy": policy.split()}
    fields["settings"] = dict(map(_setting, form.get("settings", "").split()))
    if "new_only" in form:
        fields["new_only"] = True
    try:
        return JobRequest(**fields)
    except ValidationError as err:
        raise told(err) from err


def told(err: ValidationError) -> DataError:
    """The first of what is wrong, in one line."""
    first = err.errors()[0]
    return DataError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def number(name: str, text: str) -> float | int:
    try:
        return float(text) if name == "max_cost_usd" else int(text)
    except ValueError as err:
        raise DataError(f"{name}: {text!r} is no number") from err


def _setting(word: str) -> tuple[str, bool | int | float | str]:
    """KEY=VALUE, the value a number or true or false where it reads as one."""
    key, equals, value = word.partition("=")
    if not equals:
        raise DataError(f"settings: {word!r}: write KEY=VALUE")
    if value in ("true", "false"):
        return key, value == "true"
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, value

"""Cases for every call of the API's own description, some as it declares them and some that break it, and what the
answers must be: no error of ours, a declared status, type and shape, and nothing accepted that the description refuses.

Values that are made up seldom name a thing that is there, so most cases get names of the workspace put in.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.result import Ok
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from factory.service.app import make_app
from factory.service.job_request import KINDS
from tests.factory.service.rich import Rich
from tests.factory.service.space import BASE, OURS
from tests.factory.service.space import settings as told

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
RUNS = {"name": ["ckpt/sft", "ckpt/dpo", "stopped", "nowhere"]}
KNOWN = 0.9  # of the values that could name a thing, those that do
REFUSED = ["400", "403", "404", "405", "409", "413", "414", "415", "422"]
DATASETS = ["exam", "tasks", "clean", "traces", "answers", "rates", "labels", "pairs", "judged-alpha", "nowhere"]
REFS = [*DATASETS, "pairs@v1", "answers@v2", "answers@latest", "pairs@v9"]
WHERES = [
    "score_chosen:above:0.5",
    "source:is:x",
    "metadata.level:missing",
    "judge:there",
    "prompt:contains:a",
    "x:y:z",
]
TEXTS = ["prompt[0].content", "prompt[1].content", "chosen[0].reasoning", "messages[1].content", "reason", "prompt[99]"]


class Fuzz:
    """The calls of one service. `known`: values that name what there is, by the parameter's name."""

    def __init__(self, home: Path, rich: Rich) -> None:
        policies = {"teacher": {"model": "solver:reasoning-gym"}}
        self.app: FastAPI = make_app(told(policies=policies), home)
        schema = openapi.from_dict(self.app.openapi())
        schema.app = self.app
        schema.config.max_stream_events = 1  # a stream has no end of its own
        schema.config.checks.negative_data_rejection.expected_statuses = REFUSED
        self.known = _known(rich)
        self.calls = {each.ok().label: each.ok() for each in _found(schema)}

    def run(self, label: str, examples: int, number: int = 0) -> None:
        """So many cases of a call. `number`: a seed, which gives the same cases every time."""
        chance = random.Random(f"{number} {label}")
        for case in _cases(self.calls[label], examples, number):
            if case.meta.generation.mode == GenerationMode.POSITIVE:
                known = self.known | (RUNS if "/training/" in label else {})
                for values in (case.path_parameters, case.query, case.body):
                    _put_in(values, known, chance)
            case.call_and_validate(base_url=BASE, headers=OURS, checks=CHECKS)

    def close(self) -> None:
        shutdown_lifespans()


def _found(schema: Any) -> Iterator[Ok[Any]]:
    for each in schema.get_all_operations():
        if not isinstance(each, Ok):
            error: InvalidSchema = each.err()
            raise error
        yield each


def _cases(call: Any, examples: int, number: int) -> list[Any]:
    """As the description wants them, and as it does not."""
    found: list[Any] = []
    modes = [call.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=st.one_of(*modes))
    def collect(case: Any) -> None:
        found.append(case)

    collect()
    return found


def _put_in(values: Any, known: dict[str, list[Any]], chance: random.Random) -> None:
    """By chance, and not drawn: what is drawn comes often at the edges, and often twice."""
    if isinstance(values, dict):
        for name in sorted(values.keys() & known.keys()):
            if chance.random() < KNOWN:
                values[name] = chance.choice(known[name])


def _known(rich: Rich) -> dict[str, list[Any]]:
    job = {"kind": "traces", "data": "clean@v1", "policy": ["teacher"]}
    return {
        "name": DATASETS,
        "version": ["v1", "latest", "v1", "latest", "v2"],
        "number": [0, 1, 2, 3, 8],
        "id": [*rich.jobs.values(), *rich.schedules],
        "queue": ["doubtful"],
        "person": ["ann", "ben", "cy"],
        "item": [0, 1, 2, 3, 4],
        "where": [[each] for each in WHERES],
        "q": ["a", "loaves", "\u202e", ""],
        "sort": ["", "score_chosen", "-score_chosen", "-n_completion_tokens", "prompt"],
        "path": TEXTS,
        "first": REFS,
        "second": REFS,
        "labels": ["labels", "labels@v1", "judged-alpha"],
        "of": ["clean@v1", "ckpt/dpo", "nothing", "pairs@v2"],
        "run": [["ckpt/sft", "ckpt/dpo"], ["stopped"], ["nothing"]],
        "kind": list(KINDS),
        "data": ["clean@v1", "clean@latest", "nowhere"],
        "policy": [["teacher"], [], ["ckpt/sft"], ["teacher", "ckpt/sft"]],
        "model": ["ckpt/base", "teacher"],
        "recipe": ["traces", "nowhere", None],
        "settings": [{}, {"seed": 1}, {"sampling.temperature": 0.5}, {"policy": "x"}],
        "cron": ["0 2 * * *", "*/5 * * * MON", "61 * * * *"],
        "zone": ["UTC", "Europe/Berlin", "Mars"],
        "misfire": ["skip", "run-once", "catch-up:3", "catch-up:0"],
        "job": [job, {**job, "kind": "sft"}],
        "before": list(rich.jobs.values()),
    }

"""The description of the API: what each call answers, from the structs that it answers with."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI

from factory.jobs.job import Job
from factory.looking.columns import State
from factory.looking.compare import Comparison, Pairs
from factory.looking.curves import Panel
from factory.looking.datasets import DatasetLine, VersionLine, VersionPage
from factory.looking.hits import Hits
from factory.looking.lineage import Graph
from factory.looking.rows import Allowed, RowPage
from factory.looking.sample import FullText, Sample
from factory.looking.training import RunLine, RunPage
from factory.people.overview import Next, Overview, QueueLine
from factory.people.shown import Shown
from factory.progress_log import ProgressLine
from factory.schedules.schedule import Firing, Schedule
from factory.service.api.jobs import Log
from factory.service.api.people import Labelled
from factory.service.events import Event, JobEvent
from factory.service.status import Status

SHAPES: dict[str, Any] = {  # by the name of the function that answers; a tuple: one of these
    "list_jobs": list[Job],
    "submit_job": Job,
    "get_job": Job,
    "change_job": Job,
    "get_progress": list[ProgressLine],
    "get_log": Log,
    "list_schedules": list[Schedule],
    "add_schedule": Schedule,
    "get_schedule": Schedule,
    "get_history": list[Firing],
    "change_schedule": (Schedule, Firing),
    "get_datasets": list[DatasetLine],
    "get_versions": list[VersionLine],
    "get_version": VersionPage,
    "get_columns": State,
    "get_contamination": Hits,
    "get_filters": Allowed,
    "get_rows": RowPage,
    "get_row": dict[str, Any],  # a record of the version's kind, with the columns of its schema's version
    "get_sample": Sample,
    "get_text": FullText,
    "get_lineage": Graph,
    "get_trainings": list[RunLine],
    "get_curves": dict[str, list[Panel]],
    "get_training": RunPage,
    "get_comparison": Comparison,
    "get_pairs": Pairs,
    "list_queues": list[QueueLine],
    "get_queue": Overview,
    "get_next_pair": Next,
    "get_pair": Shown,
    "label_pair": Labelled,
    "undo_label": Labelled | None,
    "get_status": Status,
    "all_events": Event,
    "job_events": JobEvent,
}
ERRORS = {
    "400": "names something that is not there to be named, or a value that cannot be",
    "401": "no token, or a wrong one",
    "403": "comes from another site, or is a POST without the header X-Factory",
    "404": "there is no such thing",
    "409": "it is in a state that this cannot be done in",
    "413": "the body is too large",
    "414": "the URL is too long",
    "421": "asked under a host that the service is not known under",
    "422": "a value of another form, or data that is damaged",
    "503": "busy; try again",
}
STREAMS = {"all_events": "text/event-stream", "job_events": "text/event-stream", "get_metrics": "text/plain"}


def describe(app: FastAPI) -> None:
    """Adds the shapes to what FastAPI finds out by itself. A call's id is the name of the function that answers."""
    plain = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_shapes(plain())
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]


def _with_shapes(found: dict[str, Any]) -> dict[str, Any]:
    kinds = {name: shape if isinstance(shape, tuple) else (shape,) for name, shape in SHAPES.items()}
    flat = [kind for several in kinds.values() for kind in several]
    shapes, components = msgspec.json.schema_components(flat, ref_template="#/components/schemas/{name}")
    left = iter(shapes)
    by_name = {name: _one_of([next(left) for _ in several]) for name, several in kinds.items()}
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    found.setdefault("components", {}).setdefault("schemas", {}).update({**components, "Error": error})
    for calls in found["paths"].values():
        for call in calls.values():
            _put_shapes(call, by_name)
    return found


def _one_of(shapes: list[dict[str, Any]]) -> dict[str, Any]:
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _put_shapes(call: dict[str, Any], by_name: dict[str, Any]) -> None:
    name = call["operationId"]
    good = next(status for status in call["responses"] if status.startswith("2"))
    call["responses"][good]["content"] = _content(STREAMS.get(name, "application/json"), by_name.get(name))
    if name == "get_status":
        call["responses"]["503"] = call["responses"][good]
    for status, words in ERRORS.items():
        refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        if status != "503" or name != "get_status":
            call["responses"][status] = {"description": words, "content": refused}


def _content(media: str, shape: dict[str, Any] | None) -> dict[str, Any]:
    """`itemSchema` is of OpenAPI 3.2; FastAPI writes it for event streams, too."""
    if media != "text/event-stream":
        return {media: {"schema": shape or {"type": "string"}}}
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": shape}
    words = {"type": "string", "enum": ["changed", "end"]}
    event = {"type": "object", "properties": {"event": words, "data": data}, "required": ["event", "data"]}
    return {media: {"itemSchema": event}}

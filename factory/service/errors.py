"""What a caller is told when something is wrong: JSON from the API, a page otherwise, one line in both."""

from __future__ import annotations

import sqlite3

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from factory.page.frame import render_page
from factory.service.answers import answer
from factory.service.around import frame_of
from factory.service.state import Service
from schemas.errors import ConflictError, CorruptError, DataError, NotFoundError
from schemas.recipes import RecipeError

STATUS: dict[type[Exception], int] = {
    NotFoundError: 404,
    ConflictError: 409,
    CorruptError: 422,
    DataError: 400,
    RecipeError: 400,
    sqlite3.OperationalError: 503,
}
TITLES = {404: "Not found", 400: "That cannot be done", 409: "Not now", 422: "That cannot be read", 503: "Busy"}
MOST_SHOWN = 500  # characters of what was sent


def add_handlers(app: FastAPI) -> None:
    for kind in STATUS:
        app.add_exception_handler(kind, _said)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http)


async def _said(request: Request, err: Exception) -> Response:
    status = next(status for kind, status in STATUS.items() if isinstance(err, kind))
    words = "the service's database is busy; try again" if status == 503 else str(err)
    return _tell(request, status, words)


async def _not_valid(request: Request, err: Exception) -> Response:
    assert isinstance(err, RequestValidationError)
    found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in err.errors()]
    return _tell(request, 422, "; ".join(found)[:MOST_SHOWN])


async def _http(request: Request, err: Exception) -> Response:
    assert isinstance(err, HTTPException)
    words = "there is no such page" if err.status_code == 404 else str(err.detail)
    return _tell(request, err.status_code, words, dict(err.headers or {}))


def _tell(request: Request, status: int, words: str, headers: dict[str, str] | None = None) -> Response:
    if request.url.path.startswith(("/api/", "/metrics", "/static/")):
        response = answer({"error": words}, status)
    else:
        service: Service = request.app.state.service
        title = TITLES.get(status, f"Error {status}")
        page = render_page("error.html", frame_of(service), "", title, status=status, words=words)
        response = Response(page, status, media_type="text/html")
    response.headers.update(headers or {})
    return response

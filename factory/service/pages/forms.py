"""What a form of a page sends."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

MOST_FIELDS = 64


async def read_form(request: Request) -> dict[str, str]:
    """The fields that are not empty. The last of several with one name counts."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        pairs = parse_qsl(body, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: value.strip() for name, value in pairs if value.strip()}


Form = Annotated[dict[str, str], Depends(read_form)]


def page(html: str) -> Response:
    return Response(html, media_type="text/html")


def go_to(path: str) -> Response:
    """After a form: the next page is got, so that loading it again sends nothing again."""
    return RedirectResponse(path, status_code=303)

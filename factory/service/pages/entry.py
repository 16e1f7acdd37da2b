"""The way in: what an address alone leads to, the token's page, and the files that pages need."""

from __future__ import annotations

import functools
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from factory.page.environment import STATIC, asset, render
from factory.page.links import ServedLinks
from factory.service.pages.forms import Form, go_to, page
from factory.service.state import Here
from schemas.errors import NotFoundError

router = APIRouter(include_in_schema=False)
TYPES = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
FOR_GOOD = "public, max-age=31536000, immutable"
COOKIE_S = 30 * 86400


@router.get("/")
def show_first(service: Here) -> Response:
    if service.library.only is not None:
        return go_to(f"/datasets/{service.library.only}")
    return go_to("/runs" if service.jobs is not None else "/datasets")


@router.get("/favicon.ico")
def show_icon() -> Response:
    return go_to(ServedLinks().asset("icon.svg"))


@router.get("/static/{name}")
async def show_static(name: str, request: Request) -> Response:
    if name not in TYPES:
        raise NotFoundError(f"{name}: no such file")
    is_current = asset(name) == f"{name}?{request.url.query}"
    headers = {"cache-control": FOR_GOOD if is_current else "no-cache"}
    return Response(_content(name), media_type=TYPES[name], headers=headers)


@functools.cache
def _content(name: str) -> bytes:
    return (STATIC / name).read_bytes()


@router.get("/login")
def show_login(service: Here, next: str = "/") -> Response:
    return page(_login(service, next))


@router.post("/login")
def log_in(service: Here, form: Form) -> Response:
    if not service.access.is_token(form.get("token", "")):
        return Response(_login(service, form.get("next", "/"), "That is not the token."), 401, media_type="text/html")
    response = go_to(_own(form.get("next", "/")))
    response.set_cookie(
        service.access.cookie,
        service.access.cookie_value,
        max_age=COOKIE_S,
        httponly=True,
        samesite="lax",
        secure=service.settings.secure_cookie,
    )
    return response


@router.post("/logout")
def log_out(service: Here) -> Response:
    response = go_to("/login")
    response.delete_cookie(service.access.cookie)
    return response


def _login(service: Here, next_: str, problem: str = "") -> str:
    return render(
        "login.html",
        links=ServedLinks(),
        form_token=service.access.form_token,
        next=_own(next_),
        problem=problem,
        token_env=service.settings.token_env,
    )


def _own(path: str) -> str:
    """A path of this service: a page elsewhere could ask for a way back to itself."""
    parts = urlsplit(path)
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and path.isprintable()
    return path if is_own and "\\" not in path else "/"

"""The door: every request passes it before anything else of the service sees it, and every answer on its way out."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from factory.service.access import Access, Refusal

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer a browser hides the origin of our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_OURS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_NAMES = frozenset(name for name, _ in _OURS)
_CACHING = (b"cache-control", b"no-store")
LONGEST_URL = 8192  # bytes of path and query
MOST_DIGITS = 15  # of a length


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, access: Access, max_body_bytes: int) -> None:
        self._app, self._access, self._most = app, access, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, _with_headers(send))
        # nothing here speaks WebSocket; a server closes what is not accepted

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refusal = _too_long(scope) or self._access.refusal(scope["method"], scope["path"], headers)
        if refusal is None and scope["method"] == "POST":
            body, refusal = await self._body(headers, receive)
            receive = _replayed(body, receive)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refused(scope, refusal, headers)(scope, receive, send)

    async def _body(self, headers: Headers, receive: Receive) -> tuple[bytes, Refusal | None]:
        """The whole body, and whether it may come in."""
        too_large = Refusal(413, f"a body has at most {self._most:,} bytes")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > MOST_DIGITS or int(length) > self._most:
            return b"", too_large
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"", Refusal(400, "the request broke off")
            body += message.get("body", b"")
            if len(body) > self._most:
                return b"", too_large
            if not message.get("more_body", False):
                break
        whole = bytes(body)
        return whole, self._access.form_refusal(whole) if self._access.is_form(headers) else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands the body out again, then what the client does next."""
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def send_with(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = _with_ours(message.get("headers", ()))
        await send(message)

    return send_with


def _with_ours(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """In place of those of the same names that an answer brings. What may be kept, an answer has to say itself."""
    kept = [pair for pair in headers if pair[0] not in _NAMES]
    is_told = any(name == _CACHING[0] for name, _ in kept)
    return [*kept, *_OURS] if is_told else [*kept, *_OURS, _CACHING]


def _too_long(scope: Scope) -> Refusal | None:
    length = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
    return Refusal(414, f"a URL has at most {LONGEST_URL:,} bytes") if length > LONGEST_URL else None


def _refused(scope: Scope, refusal: Refusal, headers: Headers) -> Response:
    """A person without a token is shown where to give it."""
    wants_page = "text/html" in headers.get("accept", "") and not scope["path"].startswith("/api/")
    if refusal.status == 401 and wants_page:
        query = scope["query_string"].decode("latin-1")
        asked = scope["path"] + (f"?{query}" if query else "")
        return RedirectResponse(f"/login?next={quote(asked, safe='')}", status_code=303)
    extra = {"www-authenticate": "Bearer"} if refusal.status == 401 else None
    if wants_page:
        return PlainTextResponse(f"{refusal.reason}\n", refusal.status, extra)
    return JSONResponse({"error": refusal.reason}, refusal.status, extra)

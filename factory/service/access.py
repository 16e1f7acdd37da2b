"""Who may ask for what: the host a request names, where it comes from, its token, and the size of what it brings.

A page of a stranger that is open in the same browser can send requests here. It can name another host (DNS rebinding),
post a form, or load an image; it cannot read an answer, set a header of ours, or know a form's token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers

from factory.service.settings import Settings

HEADER = "x-factory"  # a page elsewhere cannot send it without being asked first
FORM_TOKEN = "form_token"
FORM = "application/x-www-form-urlencoded"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
LOGIN, STATIC = "/login", "/static/"  # what can be seen without a token
READING = ("GET", "HEAD")


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not answered. `status`: of HTTP."""

    status: int
    reason: str


class Access:
    """The rules of one service. `token`: None where nobody has to have one."""

    def __init__(self, settings: Settings, token: str | None) -> None:
        self.token = token
        self.form_token = secrets.token_urlsafe(24)
        self.cookie = f"factory-{settings.port}"
        self.cookie_value = _sealed(token) if token else ""
        self._hosts = frozenset(_hosts(settings))

    def refusal(self, method: str, path: str, headers: Headers) -> Refusal | None:
        """Of a request of which no more than this is known yet."""
        if method not in (*READING, "POST"):
            return Refusal(405, f"{method} is not used here; GET reads and POST changes")
        return (
            self._wrong_host(headers)
            or self._wrong_origin(method, headers)
            or self._no_token(path, headers)
            or self._no_intent(method, headers)
        )

    def is_form(self, headers: Headers) -> bool:
        return HEADER not in headers and _media_type(headers) == FORM

    def form_refusal(self, body: bytes) -> Refusal | None:
        """A form of ours carries its token."""
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        if _equal(fields.get(FORM_TOKEN, ""), self.form_token):
            return None
        return Refusal(403, "this form is older than the service, or not one of its own; load the page again")

    def is_token(self, given: str) -> bool:
        return self.token is not None and _equal(given, self.token)

    def _wrong_host(self, headers: Headers) -> Refusal | None:
        given = headers.getlist("host")
        if len(given) == 1 and given[0].lower() in self._hosts:
            return None
        return Refusal(421, "this service is not known under that host; `trusted_hosts` lists the names it answers to")

    def _wrong_origin(self, method: str, headers: Headers) -> Refusal | None:
        origins, site = headers.getlist("origin"), headers.get("sec-fetch-site", "same-origin")
        if origins and not _own(headers["host"]).issuperset(origin.lower() for origin in origins):
            return Refusal(403, "requests of other origins are refused")
        followed = method in READING and headers.get("sec-fetch-mode") == "navigate"  # a link in somebody's notes
        if site not in ("same-origin", "none") and not followed:
            return Refusal(403, "requests of other sites are refused")
        return None

    def _no_token(self, path: str, headers: Headers) -> Refusal | None:
        if self.token is None or path == LOGIN or path.startswith(STATIC):
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return None
        if _equal(_cookie(headers, self.cookie), self.cookie_value):
            return None
        return Refusal(401, "a token is needed: log in, or send `Authorization: Bearer TOKEN`")

    def _no_intent(self, method: str, headers: Headers) -> Refusal | None:
        if method in READING or HEADER in headers or _media_type(headers) == FORM:
            return None
        return Refusal(403, "a POST needs the header `X-Factory: 1`")


def _hosts(settings: Settings) -> Iterable[str]:
    names = [*LOOPBACK_NAMES, *settings.trusted_hosts]
    if not settings.is_wildcard:
        names.append(f"[{settings.host}]" if ":" in settings.host else settings.host)
    for name in names:
        yield from (name.lower(), f"{name.lower()}:{settings.port}")


def _own(host: str) -> set[str]:
    return {f"{scheme}://{host.lower()}" for scheme in ("http", "https")}


def _sealed(token: str) -> str:
    """What the cookie holds: whoever reads it in a browser's files does not have the token."""
    return hmac.new(token.encode(), b"cookie of the page", hashlib.sha256).hexdigest()


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _equal(given: str, wanted: str) -> bool:
    """In a time that does not tell how much of it is right. Nothing is equal to an empty one."""
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()

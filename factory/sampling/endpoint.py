"""One OpenAI-compatible endpoint: where it is, what it is called in a manifest, and the bounds of one request."""

from __future__ import annotations

import os
from typing import Literal

import msgspec
from yarl import URL

from factory.sampling.errors import RunError

DEFAULT_KEY_ENV = "OPENAI_API_KEY"
Flavour = Literal["vllm", "openai"]


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to talk to an endpoint. All but `base_url`, `model` and `revision` are run-time settings.

    An answer is not streamed, so no byte of it comes before its last token is drawn: `idle_timeout_s` and
    `total_timeout_s` must be longer than the longest answer takes.
    """

    base_url: str  # up to and with "/v1"
    model: str | None = None  # None: the only model that is served there
    role: str = "policy"
    engine: str = "openai"
    revision: str | None = None  # None: the endpoint does not pin its weights, and the manifest says so
    api_key_env: str | None = None  # NAME of the variable; None: OPENAI_API_KEY if it is set; "": send no key
    flavour: Flavour | None = None  # None: asked at start
    check_model: bool = True  # False: for endpoints whose list of models is not complete
    max_in_flight: int = 64
    initial_in_flight: int = 16
    row_deadline_s: float = 1800.0  # from the first try of a row to its dead letter
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 900.0  # no byte for so long
    total_timeout_s: float = 1800.0  # one try, from the first byte sent to the last one read
    max_answer_bytes: int = 64 * 2**20
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 30.0


def api_root(settings: EndpointSettings) -> URL:
    """The checked `base_url`.

    Raises:
        RunError: not an http(s) URL, or one that carries a password or a query (they would reach logs).
    """
    try:
        url = URL(settings.base_url.rstrip("/"))
    except ValueError as err:
        raise RunError("bad_url", f"base_url is not a URL ({err}); give one like http://127.0.0.1:8000/v1") from err
    if url.scheme not in ("http", "https") or not url.host:
        raise RunError("bad_url", f"base_url {url} is not an http(s) URL; give one like http://127.0.0.1:8000/v1")
    if url.user or url.password or url.query_string or url.fragment:
        raise RunError(
            "bad_url",
            f"base_url for {url.host} has a user, password, query or fragment; leave them out "
            "and name the key's environment variable in api_key_env",
        )
    return url


def name_of_key(settings: EndpointSettings, key: str | None) -> str:
    """What messages call the key."""
    variable = _variable(settings)
    if key is not None:
        return f"the key in {variable}"
    return f"a request without a key ({variable} is not set)" if variable else "a request without a key"


def _variable(settings: EndpointSettings) -> str:
    return DEFAULT_KEY_ENV if settings.api_key_env is None else settings.api_key_env


def read_key(settings: EndpointSettings) -> str | None:
    """The key's value, or None where none is to be sent.

    Raises:
        RunError: the named variable is not set, or its value cannot stand in a header.
    """
    name = _variable(settings)
    if not name:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        if settings.api_key_env is None:
            return None
        raise RunError("no_key", f"the environment variable {name} is not set; export it, or change api_key_env")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise RunError("bad_key", f"the value of {name} has characters that no key has; export it again")
    return key

"""What `factory serve` may be told: where it listens, whom it lets in, and what its jobs may do and cost."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from schemas.errors import DataError
from schemas.recipes import Table, load_recipe

TOKEN_LENGTH = 16  # characters at least: shorter ones can be guessed
SETTINGS = (  # keys of recipes that a request may set; none of them names a place or a server
    "n",
    "limit",
    "seed",
    "keep",
    "count",
    "rounds",
    "family",
    "sampling.temperature",
    "sampling.top_p",
    "sampling.top_k",
    "sampling.max_tokens",
    "epochs",
    "max_steps",
    "optimizer.lr",
    "rollouts.prompts",
    "rollouts.per_prompt",
    "rollouts.max_tokens",
)


class PolicyTable(Table):
    """A model that jobs may ask, under a name. `model` is a URL, a checkpoint folder, `replay:...` or `solver:...`."""

    model: str
    name: str | None = None
    engine: str | None = None
    api_key_env: str | None = None  # the variable's name, never the key


class LimitsTable(Table):
    """How much runs at once, and what it may cost."""

    max_running: int = Field(default=2, ge=1)
    per_kind: dict[str, int] = Field(default={})
    max_cost_usd_per_day: float | None = Field(default=None, gt=0)
    max_body_bytes: int = Field(default=256 * 1024, ge=1024)
    max_streams: int = Field(default=64, ge=1)  # pages that watch something live, at once


class Settings(Table):
    """`service.toml`. Unknown keys are refused."""

    host: str = "127.0.0.1"
    port: int = Field(default=8420, ge=1, le=65535)
    token_env: str = "FACTORY_TOKEN"
    trusted_hosts: list[str] = Field(default=[])  # names that the service is reached under, beside loopback's
    secure_cookie: bool = False  # true behind a proxy that speaks HTTPS
    run_jobs: bool = True
    run_schedules: bool = True
    limits: LimitsTable = LimitsTable()
    policies: dict[str, PolicyTable] = Field(default={})
    settings: list[str] = Field(default=list(SETTINGS))
    vllm_metrics: dict[str, str] = Field(default={})  # a name and the URL of a server's /metrics

    @field_validator("vllm_metrics")
    @classmethod
    def _over_http(cls, servers: dict[str, str]) -> dict[str, str]:
        for name, url in servers.items():
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{name}: {url!r} is no URL of a server's /metrics")
        return servers

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def is_wildcard(self) -> bool:
        return self.host in ("0.0.0.0", "::")


def read_settings(path: Path | None, flags: dict[str, Any]) -> Settings:
    """The file, with `flags` over it. Raises RecipeError."""
    return load_recipe(Settings, path, flags, [])


def read_token(settings: Settings) -> str | None:
    """The token that is asked for, from the environment.

    Raises:
        DataError: none where one is needed, or one too short.
    """
    token = os.environ.get(settings.token_env) or None
    if token is None and not settings.is_loopback:
        raise DataError(
            f"--host {settings.host}: others could come in; put a token of {TOKEN_LENGTH} characters or more "
            f"into the environment as {settings.token_env}, or listen on 127.0.0.1"
        )
    if token is not None and (len(token) < TOKEN_LENGTH or not token.isascii() or not token.isprintable()):
        raise DataError(f"{settings.token_env}: a token has {TOKEN_LENGTH} printable ASCII characters or more")
    if settings.is_wildcard and not settings.trusted_hosts:
        raise DataError(
            f"--host {settings.host}: say in `trusted_hosts` of the configuration which names it is reached under"
        )
    return token


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""What an endpoint serves: asked once, before the first row."""

from __future__ import annotations

import asyncio
import difflib

import msgspec
from yarl import URL

from factory.sampling.endpoint import EndpointSettings, Flavour
from factory.sampling.errors import RunError, SamplingError, TransientError
from factory.sampling.failures import Failures
from factory.sampling.http_client import HttpClient, Reply
from factory.sampling.redact import Redactor
from factory.sampling.wire import ModelsWire, ModelWire, VersionWire

START_TRIES = 3
START_TIMEOUT_S = 30.0
START_WAIT_S = 0.5
MANY_MODELS = 8
NO_LIST_STATUS = frozenset({404, 405, 501})  # an endpoint without /v1/models


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """The model that will answer, and what kind of server holds it."""

    model: str
    flavour: Flavour
    engine_version: str


class Directory:
    """Asks one endpoint for its models."""

    def __init__(self, client: HttpClient, root: URL, failures: Failures, redactor: Redactor) -> None:
        self._client = client
        self._root = root
        self._failures = failures
        self._redactor = redactor

    async def find(self, settings: EndpointSettings) -> Served:
        """Raises `RunError`: the endpoint is dead, refuses the key, or does not serve the model."""
        reply = await self._fetch(self._root / "models")
        if reply.status in NO_LIST_STATUS and settings.model is not None:
            return Served(model=settings.model, flavour=settings.flavour or "openai", engine_version="unknown")
        if reply.status != 200:
            raise self._as_run_error(self._failures.from_reply(reply.status, reply.headers, reply.body))
        models = self._models(reply.body)
        model = settings.model if settings.model and not settings.check_model else self._choose(settings.model, models)
        card = next((card for card in models if card.id == model), None)
        flavour = settings.flavour or ("vllm" if card is not None and card.owned_by == "vllm" else "openai")
        version = await self._vllm_version() if flavour == "vllm" else "unknown"
        return Served(model=model, flavour=flavour, engine_version=version)

    async def _fetch(self, url: URL) -> Reply:
        """A dead endpoint fails at once; one that is only busy is asked again."""
        for left in reversed(range(START_TRIES)):
            try:
                reply = await self._client.get(url, START_TIMEOUT_S)
            except TransientError as err:
                if err.kind in ("connect", "connect_timeout") or left == 0:
                    raise self._as_run_error(err) from None
            else:
                if left == 0 or (reply.status != 429 and reply.status < 500) or reply.status in NO_LIST_STATUS:
                    return reply
            await asyncio.sleep(START_WAIT_S)
        raise AssertionError("the last try returns or raises")

    def _models(self, body: bytes) -> list[ModelWire]:
        try:
            return msgspec.json.decode(body, type=ModelsWire).data
        except (msgspec.DecodeError, UnicodeDecodeError):
            quoted = self._redactor.quote(body[:4096].decode("utf-8", "replace"))
            raise RunError(
                "not_openai",
                f"{self._root / 'models'} gave no list of models but: {quoted}; "
                "check base_url (it usually ends in /v1)",
            ) from None

    def _choose(self, wanted: str | None, models: list[ModelWire]) -> str:
        names = [model.id for model in models]
        if wanted is None and len(names) == 1:
            return names[0]
        if wanted in names and wanted is not None:
            return wanted
        found = self._redactor.scrub(shortlist(wanted, names))
        if wanted is None:
            raise RunError("no_model", f"{self._root} serves {len(names)} models; name one: {found}")
        raise RunError("model_not_served", f"model {wanted!r} is not served at {self._root}; it serves: {found}")

    async def _vllm_version(self) -> str:
        """vLLM tells its version beside /v1, not under it. A proxy may hide it."""
        try:
            reply = await self._client.get(self._root.parent / "version", START_TIMEOUT_S)
            return self._redactor.quote(msgspec.json.decode(reply.body, type=VersionWire).version)
        except (TransientError, msgspec.DecodeError, UnicodeDecodeError):
            return "unknown"

    def _as_run_error(self, err: SamplingError) -> RunError:
        if isinstance(err, RunError):
            return err
        reason = self._redactor.quote(err.reason)
        advice = "start the server, or check base_url"
        return RunError("dead_endpoint", f"no answer from {self._root / 'models'}: {reason}; {advice}")


def shortlist(wanted: str | None, names: list[str]) -> str:
    """All names if they are few; else the nearest ones."""
    if len(names) <= MANY_MODELS:
        return ", ".join(sorted(names)) or "nothing"
    nearest = difflib.get_close_matches(wanted or "", names, n=MANY_MODELS, cutoff=0.0)
    return f"{', '.join(nearest)} and {len(names) - len(nearest)} more"

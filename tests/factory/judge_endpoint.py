"""A scripted judge model behind an OpenAI-compatible endpoint, in a thread of its own: `factory` takes the main one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from aiohttp import web

from judges.llm.base import Ask, Reply, Token
from schemas.records import Message
from tests.factory.closing import close_runner
from tests.judges.llm.models import answers, by_content, code_of, verdict_on

Speak = Callable[[Ask], str | Reply]


class JudgeEndpoint:
    """`speak` answers an ask as a judge model would, after `wait` seconds; what was sent is in `requests`."""

    def __init__(self, speak: Speak, model: str, port: int) -> None:
        self.speak = speak
        self.model = model
        self.port = port
        self.starts = 0  # how often somebody asked for the models
        self.requests: list[dict[str, Any]] = []
        self.spoken = 0  # answers, with the one being given
        self.wait: Callable[[Ask], float] = lambda _: 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> web.AppRunner:
        app = web.Application(client_max_size=2**26)
        app.add_routes([web.get("/v1/models", self._models), web.post("/v1/chat/completions", self._chat)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        return runner

    async def _models(self, _: web.Request) -> web.Response:
        self.starts += 1
        return web.json_response({"object": "list", "data": [{"id": self.model, "owned_by": "tests"}]})

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        ask = ask_of(body)
        await asyncio.sleep(self.wait(ask))
        self.spoken += 1
        try:
            said = self.speak(ask)
        except Refusal as err:
            return web.json_response({"error": {"message": str(err)}}, status=err.status)
        return web.json_response(_chat_body(Reply(text=said, finish_reason="stop") if isinstance(said, str) else said))


def ask_of(body: dict[str, Any]) -> Ask:
    """A request's body, as the judge meant it."""
    form = body.get("response_format", {}).get("json_schema", {})
    return Ask(
        messages=[Message(turn["role"], turn["content"]) for turn in body["messages"]],
        max_tokens=body["max_tokens"],
        temperature=body["temperature"],
        schema=form.get("schema"),
        top_logprobs=body.get("top_logprobs", 0),
    )


def _chat_body(said: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": said.text, "reasoning_content": said.reasoning}
    logprobs = None if said.tokens is None else {"content": [_token(token) for token in said.tokens]}
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason, "logprobs": logprobs}
    return {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}


def _token(token: Token) -> dict[str, Any]:
    likeliest = [{"token": text, "logprob": logprob} for text, logprob in token.likeliest]
    return {"token": token.text, "logprob": token.logprob, "top_logprobs": likeliest}


class Endpoint(Protocol):
    """A server to be."""

    async def start(self) -> web.AppRunner: ...


Served = TypeVar("Served", bound=Endpoint)


@contextmanager
def judge_endpoint(speak: Speak, model: str = "scripted", port: int = 0) -> Iterator[JudgeEndpoint]:
    with in_thread(JudgeEndpoint(speak, model, port)) as endpoint:
        yield endpoint


@contextmanager
def in_thread(endpoint: Served) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    runner = loop.run_until_complete(endpoint.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield endpoint
    finally:
        asyncio.run_coroutine_threadsafe(close_runner(runner), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Refusal(Exception):
    """What a script raises to have the request refused."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def good(ask: Ask) -> str | Reply:
    """The verdict of a model that likes answers with GOOD in them."""
    return by_content(lambda text: float("GOOD" in text))(ask)


def contradictory(ask: Ask) -> str:
    """Two verdicts with the right code."""
    verdicts = [verdict_on(ask, dict.fromkeys(answers(ask), quality)) for quality in (0.0, 1.0)]
    return " or rather ".join(str(said) for said in verdicts)


def injected(ask: Ask) -> str:
    """What the answer itself says, which is no verdict: the model does as it is told."""
    return next(iter(answers(ask).values()))


def refused(_: Ask) -> str:
    raise Refusal("this is too much")


# By a word in the answer that is judged: what the model says, and the kind of error that must come of it.
SCRIPTS: dict[str, tuple[Speak, str]] = {
    "PROSE": (lambda _: "I would say that it is rather good.", "unreadable"),
    "BROKEN": (lambda ask: str(good(ask))[:-1], "unreadable"),
    "EMPTY": (lambda _: " ", "empty"),
    "THINKING": (lambda ask: f"<think>{good(ask)}", "empty"),
    "TRUNCATED": (lambda ask: Reply(text=str(good(ask)), finish_reason="length"), "truncated"),
    "FILTERED": (lambda ask: Reply(text=str(good(ask)), finish_reason="content_filter"), "content_filter"),
    "INJECTED": (injected, "no_code"),
    "STALE": (lambda ask: str(good(ask)).replace(code_of(ask), "0" * 8), "no_code"),
    "TWICE": (contradictory, "contradictory"),
    "SILENT": (lambda ask: f'{{"code": "{code_of(ask)}", "reason": "why not"}}', "missing"),
    "REFUSED": (refused, "http_400"),
}


def scripted(ask: Ask) -> str | Reply:
    """By the first word of `SCRIPTS` that an answer holds; without one, a good verdict."""
    words = " ".join(answers(ask).values())
    return next((script for word, (script, _) in SCRIPTS.items() if word in words), good)(ask)

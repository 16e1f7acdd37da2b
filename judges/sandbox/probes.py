"""Small attacks in this machine's best sandbox, with something real outside to be reached, for `factory doctor`."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from judges.sandbox.confine import ENVIRONMENT
from judges.sandbox.levels import Budget, Call, Level, Program, Value
from judges.sandbox.local import LocalSandbox
from judges.sandbox.pool import pool

_BUDGET = Budget(timeout_s=5.0, total_s=10.0, memory_mb=512, max_bytes=1 << 16)

# Each returns without an error exactly when it gets through.
_ATTACKS = """
import ctypes, os, signal, socket, subprocess

def read_a_file(place): open(place + "/secret").read()
def write_a_file(place): open(place + "/written", "w").close()
def change_a_mode(place): os.chmod(place + "/secret", 0o777)
def connect_by_tcp(port): socket.create_connection(("127.0.0.1", port), timeout=0.2)
def send_by_udp(port): socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port))
def start_a_process(): os.fork() or os._exit(0)
def run_a_program(): subprocess.run(["/bin/true"], check=True)
def signal_the_parent(pid): os.kill(pid, 0); os.kill(os.getppid(), 0)
def trace_the_parent(pid): _kernel("ptrace", 0x4206, pid, None, None)
def make_a_namespace(): _kernel("unshare", 0x10000000)
def read_the_environment(key): os.environ[key]

def _kernel(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)
"""


class Probed(msgspec.Struct, frozen=True):
    """`level`: the best that holds here; `refusals`: why better ones do not; `contained`: attack by attack."""

    level: Level
    refusals: dict[Level, str]
    contained: dict[str, bool]


def probe() -> Probed:
    """Raises SandboxError when a sandbox that started breaks while it is probed."""
    found = pool().find()
    if found.level == "none":
        return Probed("none", found.refusals, {})
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        Path(folder, "secret").write_text("secret")
        calls = _calls(folder, server.getsockname()[1])
        sandbox = LocalSandbox(found.level)
        contained = {call.function.replace("_", " "): not _got_through(sandbox, call) for call in calls}
    return Probed(found.level, found.refusals, contained)


def _calls(folder: str, port: int) -> list[Call]:
    arguments: dict[str, list[Any]] = {
        "read_a_file": [folder],
        "write_a_file": [folder],
        "change_a_mode": [folder],
        "connect_by_tcp": [port],
        "send_by_udp": [port],
        "start_a_process": [],
        "run_a_program": [],
        "signal_the_parent": [os.getpid()],
        "trace_the_parent": [os.getpid()],
        "make_a_namespace": [],
        "read_the_environment": [next((name for name in os.environ if name not in ENVIRONMENT), "FACTORY_HOME")],
    }
    return [Call(name, args, {}) for name, args in arguments.items()]


def _got_through(sandbox: LocalSandbox, call: Call) -> bool:
    [answer] = sandbox.calls(Program(_ATTACKS), [call], _BUDGET)
    return isinstance(answer, Value)

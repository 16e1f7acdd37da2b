"""Runs a server as long as its parent lives, and not a moment longer.

    python vllm_keeper.py COMMAND...      (standard input: a pipe that the parent holds open)

The pipe ends when the parent does, however it ends: then the server's whole process group is stopped. Should this
process be killed itself, Linux ends the server with it. Run as a script by path, so it may import nothing of ours.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 10.0
PR_SET_PDEATHSIG = 1


def main() -> int:
    # A thread-safe place for it: no other thread has been started yet.
    server = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_us if sys.platform == "linux" else None,
    )
    threading.Thread(target=_stop_when_parent_ends, args=(server.pid,), daemon=True).start()
    code = server.wait()
    _signal_group(server.pid, signal.SIGKILL)  # the server's own children, if it left any
    return code


def _end_with_us() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop_when_parent_ends(group: int) -> None:
    while os.read(0, 1):
        pass
    _signal_group(group, signal.SIGTERM)
    time.sleep(GRACE_S)
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _leave_it_to_the_pipe(number: int, frame: object) -> None:
    """Not SIG_IGN, which the server would inherit."""


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_it_to_the_pipe)
    sys.exit(main())

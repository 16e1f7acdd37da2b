"""Stands in for `factory`: makes rows one by one, and goes on where it was killed. Only what a bare Python has.

Rows go to `journal` in the job's folder. Two at once on one job would be seen: the second ends with 5.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="+")
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.01)
    parser.add_argument("--first-seconds", type=float, help="a row takes while nothing was made by an earlier attempt")
    parser.add_argument("--exit", type=int, default=0)
    parser.add_argument("--say", default="")
    parser.add_argument("--max-cost", type=float)
    parser.add_argument("--stubborn", action="store_true", help="take no notice of SIGTERM, and neither does its child")
    parser.add_argument("--die", action="store_true", help="as if the machine had no memory left")
    args = parser.parse_args()
    told: list[int] = []
    signal.signal(signal.SIGTERM, signal.SIG_IGN if args.stubborn else lambda number, _: told.append(number))
    journal = Path(os.environ["FACTORY_PROGRESS"]).with_name("journal")
    with journal.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("error: two at once", file=sys.stderr)
            return 5
        print(f"home {os.environ['FACTORY_HOME']}, in {Path.cwd()}, cap {args.max_cost}, stdin {sys.stdin.read()!r}")
        if args.stubborn:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            journal.with_name("child").write_text(str(child.pid))
        file.seek(0)
        made = len(file.readlines())
        seconds = args.seconds if made or args.first_seconds is None else args.first_seconds
        for row in range(made, args.rows):
            time.sleep(seconds)
            if args.die:
                os.kill(os.getpid(), signal.SIGKILL)
            if told:
                return 75
            file.write(b"%d\n" % row)
            file.flush()
    print(args.say, file=sys.stderr)
    return args.exit


if __name__ == "__main__":
    sys.exit(main())

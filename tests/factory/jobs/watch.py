"""The process beside a command, with `work` for `factory`. JOBS_DIE_AT names where its first attempt dies."""

import os
import signal
import sys

from factory.jobs import command, watch

MODULE = "tests.factory.jobs.watch"
POINTS = ("begun", "taken", "started", "ended", "noted")


def main() -> int:
    command.PROGRAMS["factory"] = "tests.factory.jobs.work"
    watch.Watch = Watch
    then_die("start", "started")
    then_die("write_exit", "noted")
    die_at("begun")
    return watch.main(sys.argv[1:])


def die_at(point: str) -> None:
    if os.environ.get("JOBS_DIE_AT") == point and sys.argv[3] == "1":
        os.kill(os.getpid(), signal.SIGKILL)


def then_die(name: str, point: str) -> None:
    real = getattr(watch, name)

    def call(*args):
        result = real(*args)
        die_at(point)
        return result

    setattr(watch, name, call)


class Watch(watch.Watch):
    def run(self, lock):
        die_at("taken")
        code = super().run(lock)
        die_at("ended")
        return code


if __name__ == "__main__":
    sys.exit(main())

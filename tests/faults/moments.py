"""Moments at which a build is killed: by the clock, by the answers that it got, or by the files that it wrote."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from factory.units import cut
from schemas.folder import Folder

Build = subprocess.Popen[str]


class Course(msgspec.Struct, frozen=True):
    """A build under way, and how far it is."""

    build: Build
    rows: int  # that it reads
    answers: Callable[[], int]  # that its server has given so far
    folder: Path  # of the dataset that it writes

    def runs(self) -> bool:
        return self.build.poll() is None

    def files(self) -> list[str]:
        return Folder.open(self.folder).list()

    def n_units(self) -> int:
        return len(cut("", self.rows))

    def has_all_units(self) -> bool:
        return sum("/units/" in path and path.endswith(".json") for path in self.files()) == self.n_units()


Moment = Callable[[random.Random, Course], None]  # waits for it


def after_some_time(draw: random.Random, course: Course) -> None:
    time.sleep(draw.uniform(0.2, 2.2))  # the imports, the start, and on a calm machine what follows


def after_some_answers(draw: random.Random, course: Course) -> None:
    """So many more, at most half as many as there are rows."""
    until = course.answers() + draw.randrange(1, course.rows // 2)
    while course.runs() and course.answers() < until:
        time.sleep(0.01)


def near_the_end(draw: random.Random, course: Course) -> None:
    """When answers have come and no more do: the last units and the version are written."""
    before = now = course.answers()
    first = before
    while course.runs() and (now == first or now != before):
        time.sleep(draw.uniform(0.05, 0.3))
        before, now = now, course.answers()


def after_some_files(draw: random.Random, course: Course) -> None:
    """So many more, at most those of half the units (two shards and a record each), and a little later."""
    until = len(course.files()) + draw.randint(1, 1 + 3 * course.n_units() // 2)
    while course.runs() and len(course.files()) < until:
        time.sleep(0.01)
    time.sleep(draw.uniform(0, 0.5))


def when_all_units_are_there(draw: random.Random, course: Course) -> None:
    """And a little later: the version is written."""
    if course.has_all_units():  # since a start before
        after_some_time(draw, course)
        return
    while course.runs() and not course.has_all_units():
        time.sleep(0.005)
    time.sleep(draw.uniform(0, 0.2))


def at_any_moment(draw: random.Random, course: Course) -> None:
    """Of a build that asks models."""
    draw.choice([after_some_time, after_some_answers, after_some_answers, near_the_end])(draw, course)


def at_any_moment_without_answers(draw: random.Random, course: Course) -> None:
    draw.choice([after_some_time, after_some_files, after_some_files, when_all_units_are_there])(draw, course)

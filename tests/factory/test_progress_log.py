"""Progress for other processes: bounded, whole after a kill, and no reason to stop a build."""

from itertools import pairwise

import pytest

from factory.progress_log import MOST_LINES, ProgressLine, ProgressLog, read_last, read_log, tell_made
from schemas.errors import CorruptError


def write(path, times, **fields):
    log = ProgressLog(path)
    for time in times:
        log.write(ProgressLine(time=time, **fields))
    log.close()


def test_the_file_stays_small_and_keeps_its_first_and_its_latest_lines(tmp_path):
    path = tmp_path / "progress.jsonl"
    write(path, range(10 * MOST_LINES))
    times = [line.time for line in read_log(path)]
    assert MOST_LINES / 2 <= len(times) <= MOST_LINES
    assert times == sorted(set(times))
    assert (times[0], times[-3:]) == (0, [9997, 9998, 9999])
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert read_last(path).time == 9999
    assert steps == sorted(steps, reverse=True)  # the older, the coarser


def test_a_line_that_a_kill_left_torn_is_dropped_and_the_next_is_whole(tmp_path):
    path = tmp_path / "progress.jsonl"
    write(path, [1, 2])
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert [line.time for line in read_log(path)] == [1]
    assert read_last(path).time == 1
    write(path, [3])
    assert [line.time for line in read_log(path)] == [1, 3]


def test_what_was_made_is_the_last_line(tmp_path, monkeypatch):
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv("FACTORY_PROGRESS", str(path))
    write(path, [1], rows=9, done=8, rows_per_s=4.0, in_flight=3, spent_usd=0.5)
    tell_made("traces@v2", 7)
    last = read_log(path)[-1]
    assert (last.made, last.rows, last.done, last.spent_usd) == ("traces@v2", 9, 8, 0.5)
    assert (last.rows_per_s, last.in_flight) == (0, 0)


def test_a_command_that_tells_nothing_else_tells_what_it_made(tmp_path, monkeypatch):
    path = tmp_path / "progress.jsonl"
    tell_made("traces@v1", 7)
    monkeypatch.setenv("FACTORY_PROGRESS", str(path))
    tell_made("traces@v1", 7)
    [line] = read_log(path)
    assert (line.made, line.rows, line.kept) == ("traces@v1", 7, 7)


def test_a_disk_that_takes_nothing_is_told_of_once_and_stops_nothing(tmp_path, capsys):
    write(tmp_path / "missing" / "progress.jsonl", [1, 2, 3])
    assert capsys.readouterr().err.count("no progress is written any more") == 1


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "progress.jsonl"
    path.write_text('{"time": 1}\n{"rows": 3}\n')
    with pytest.raises(CorruptError, match=r"progress\.jsonl.*time"):
        read_log(path)

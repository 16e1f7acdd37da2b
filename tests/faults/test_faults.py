"""The fault scripts with small numbers. What is asserted is exact; nothing here depends on the machine's speed."""

import pytest

from tests.faults import endpoint, kill, moments, pace, stop


def test_kill_9_loses_nothing_and_pays_no_more_than_was_in_flight_again(tmp_path):
    figures = kill.run(tmp_path, kills=5, seed=1, rows=1500)
    assert figures["kills"] == 5
    assert (figures["lost"], figures["duplicated"]) == (0, 0)
    assert figures["most_paid_again"] <= kill.most_paid_again("completions")


@pytest.mark.parametrize("kind", ["traces", "pass-rate", "evolve", "labels", "best-of", "personas"])
def test_kill_9_in_the_middle_changes_no_byte_of_what_is_made(tmp_path, kind):
    figures = kill.run(tmp_path, kills=1, seed=3, rows=100, kind=kind, moment=moments.after_some_answers)
    assert (figures["kills"], figures["lost"], figures["duplicated"], figures["differing"]) == (1, 0, 0, 0)
    assert figures["rows"] > 30
    assert figures["most_paid_again"] <= kill.most_paid_again(kind)


def test_kill_9_of_a_build_that_asks_no_model(tmp_path):
    figures = kill.run(tmp_path, kills=2, seed=3, rows=2100, kind="constraints", moment=moments.after_some_files)
    assert (figures["kills"], figures["lost"], figures["duplicated"], figures["differing"]) == (2, 0, 0, 0)
    assert figures["rows"] > 2100
    assert figures["paid_again"] == 0


def test_an_endpoint_that_fails_in_fourteen_ways(tmp_path):
    figures = endpoint.run(tmp_path, rows=300, rate=0.3)
    assert figures["finished"] + figures["dead_letters"] == figures["accounted_for"] == 300
    assert figures["without_a_reason"] == 0
    assert len(figures["faults"]) == 14
    assert figures["finished"] == figures["paid"] == 300
    assert figures["came_before_retry_after"] == 0


def test_prompts_that_always_fail_are_dead_letters_and_no_other_is(tmp_path):
    figures = pace.poisoned(tmp_path, rows=300)
    assert figures == {"prompts": 300, "rows": 291, "failed": {"http_400": 9}, "requests": 300}


def test_a_capped_server_is_seldom_asked_for_more(tmp_path):
    figures = pace.capped(tmp_path, rows=400, cap=8, in_flight=64)
    assert figures["rows"] == 400
    assert figures["refused_share"] < 0.1


def test_what_an_edit_asks_again(tmp_path):
    assert pace.edits(tmp_path, rows=100) == {
        "rows": 100,
        "first": 100,
        "same_recipe_elsewhere": 0,
        "other_parse": 0,
        "other_system_prompt": 100,
        "one_row_more": 1,
    }


def test_sigterm_keeps_what_is_in_flight(tmp_path):
    figures = stop.terminated(tmp_path, rows=600)
    assert (figures["exit"], figures["rows"], figures["paid_again"]) == (75, 600, 0)
    assert figures["said"]


def test_a_full_disk_publishes_nothing_and_goes_on_when_there_is_room(tmp_path):
    figures = stop.full_disk(tmp_path)
    if figures is None:
        pytest.skip("no small disk to fill: this machine lets nobody mount one")
    assert figures["exits"] == {"first": "1", "second": "0", "verify": "0"}
    assert figures["rows"] == 1500
    assert figures["said"]
    assert "full" in figures["said"][0]


def test_a_refused_key_stops_at_once_and_is_found_nowhere(tmp_path):
    figures = stop.refused_key(tmp_path)
    assert (figures["exit_at_start"], figures["exit_midway"]) == (1, 1)
    assert "TEACHER_KEY" in figures["said_at_start"]
    assert "TEACHER_KEY" in figures["said_midway"]
    assert figures["requests_before_stop"] < 100 + 3 * 64
    assert figures["rows_after_mending"] == 500
    assert figures["canary_found_in"] == []


@pytest.mark.parametrize("where", [stop.race, stop.race_on_s3])
def test_builders_that_race_for_one_dataset_each_commit_once(tmp_path, where):
    figures = where(tmp_path, builders=8, rows=50)
    assert figures["failed"] == []
    assert figures["versions"] == list(range(1, 9))
    assert figures["rows"] == [50]
    assert figures["verified"] == 8
    assert figures["paid_again"] == 0

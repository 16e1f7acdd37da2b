"""Which jobs may start beside others, and what a day may cost."""

import pytest

from factory.jobs.folder import job_folder
from factory.jobs.job import Job
from factory.jobs.limits import Limits, Spending, has_room
from factory.jobs.spending import spending_of_today
from factory.jobs.store import JobStore
from factory.progress_log import ProgressLine, ProgressLog

DAY = 86_400.0


def job(words="factory build traces", id="a", cap=None):
    command = words.split()
    return Job(id=id, title="", command=command, state="queued", source="cli", created=0.0, max_cost_usd=cap)


def test_no_more_than_so_many_at_once():
    assert has_room(job(), [job()], Limits(max_running=2), Spending())
    assert not has_room(job(), [job(), job()], Limits(max_running=2), Spending())


@pytest.mark.parametrize(
    ("words", "may"),
    [("trainer dpo", False), ("factory build traces", False), ("factory build labels", True), ("factory mix", True)],
)
def test_limits_of_commands_that_begin_with_the_same_words(words, may):
    limits = Limits(max_running=9, max_running_of={"trainer": 1, "factory build": 3, "factory build traces": 2})
    active = [job("trainer sft"), job(), job()]
    assert has_room(job(words), active, limits, Spending()) is may


@pytest.mark.parametrize(
    ("today", "own_cap", "active_cap", "active_spent", "may"),
    [
        (0.0, 4.0, 6.0, 0.0, True),  # 0 + 4 + 6 = 10
        (0.0, 4.5, 6.0, 0.0, False),
        (3.0, 4.0, 6.0, 3.0, True),  # the other has 3 of its 6 left: 3 + 4 + 3 = 10
        (3.5, 4.0, 6.0, 3.0, False),
        (9.9, None, None, 0.0, True),  # without caps only what is spent counts
        (10.0, None, None, 0.0, False),
        (12.0, None, 1.0, 5.0, False),
    ],
)
def test_what_a_day_may_cost(today, own_cap, active_cap, active_spent, may):
    spending = Spending(today, {"other": active_spent})
    limits = Limits(max_cost_usd_per_day=10.0)
    assert has_room(job(cap=own_cap), [job(id="other", cap=active_cap)], limits, spending) is may


def test_what_was_spent_since_midnight(tmp_path):
    midnight = 20_000 * DAY
    with JobStore(tmp_path) as store:
        ids = [store.submit(["factory", "build", "traces"]).id for _ in range(4)]
        with store.transaction() as connection:
            connection.execute("UPDATE job SET started = ?", (midnight - 7200,))
            connection.execute("UPDATE job SET state = 'done', ended = ? WHERE id = ?", (midnight - 60, ids[3]))
        # Spent by the build before the job began; over midnight; anew after `--again`.
        told(tmp_path, ids[0], [(-100, 2.0), (-10, 3.0), (10, 3.5), (20, 0.0), (30, 0.25)], midnight)
        told(tmp_path, ids[1], [(100, 1.0), (200, 1.5)], midnight)
        told(tmp_path, ids[2], [(-20, None), (20, None)], midnight)
        told(tmp_path, ids[3], [(-200, 0.0), (-100, 50.0)], midnight)
        spending = spending_of_today(store, midnight + 3600)
        assert spending.today == pytest.approx(0.5 + 0.25 + 0.5)
        assert {id: spending.by_job[id] for id in ids[:3]} == pytest.approx({ids[0]: 1.75, ids[1]: 0.5, ids[2]: 0.0})
        told(tmp_path, ids[1], [(300, 2.5)], midnight)
        assert spending_of_today(store, midnight + 3600).today == pytest.approx(2.25)


def told(home, id, lines, midnight):
    folder = job_folder(home, id)
    folder.mkdir(parents=True, exist_ok=True)
    log = ProgressLog(folder / "progress.jsonl")
    for at, usd in lines:
        log.write(ProgressLine(time=midnight + at, spent_usd=usd))
    log.close()

"""The limiter against simulated endpoints, in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.sampling.limiter import Limiter
from tests.factory.sampling.http.simulated_endpoint import Endpoint, simulate


def uniform(mean: float):
    return lambda rng: rng.uniform(0.5 * mean, 1.5 * mean)


def fixed(seconds: float):
    return lambda rng: seconds


def long_tail(mean: float):
    return lambda rng: rng.lognormvariate(0.0, 1.0) * mean / 1.6487


@pytest.mark.parametrize("latency", [uniform(0.5), fixed(0.5), long_tail(0.5)], ids=["uniform", "fixed", "long tail"])
@pytest.mark.parametrize("wait", [None, 1.0], ids=["no Retry-After", "Retry-After"])
@pytest.mark.parametrize("round_trip_s", [0.0005, 0.01], ids=["near", "far"])
def test_a_cap_of_32_is_used_at_85_percent_with_few_refusals(latency, wait, round_trip_s):
    endpoint = Endpoint(lambda now: 32, latency, wait=wait, round_trip_s=round_trip_s)
    outcome = simulate(Limiter(256, 16), endpoint, rows=1000)
    ideal = simulate(Limiter(32, 32), Endpoint(lambda now: 10**9, latency), rows=1000)  # knows the cap
    # Not the very last rows: one slow answer that starts late outweighs all pacing.
    assert ideal.answered[950] / outcome.answered[950] >= 0.85
    assert len(outcome.refused) < 0.1 * 1000


@pytest.mark.parametrize(
    ("latency", "mean"),
    [(uniform(0.5), 0.5), (fixed(0.05), 0.05), (long_tail(0.5), 0.5)],
    ids=["uniform", "fixed", "long tail"],
)
def test_it_follows_an_endpoint_whose_cap_changes(latency, mean):
    caps = (200, 50, 150)
    phase = 100 * mean
    endpoint = Endpoint(lambda now: caps[min(2, int(now / phase))], latency)
    outcome = simulate(Limiter(256, 16), endpoint, rows=50_000, until=3 * phase)
    for number, cap in enumerate(caps):
        start, stop = number * phase, (number + 1) * phase
        settled = start + phase / 4
        assert outcome.throughput(start, stop) >= 0.9 * cap / mean
        assert outcome.refused_share(settled, stop) < 0.02


def test_without_refusals_it_doubles_every_round_trip_up_to_the_most():
    outcome = simulate(Limiter(256, 16), Endpoint(lambda now: 10**9, fixed(1.0)), rows=2000)
    limit_after = {int(now): limit for now, limit in outcome.limits}
    assert [limit_after[second] for second in (1, 2, 3, 4, 5)] == [32, 64, 128, 256, 256]
    assert outcome.refused == []


def test_one_burst_lowers_the_limit_once():
    limiter = Limiter(64, 64)
    slots = [limiter.start(0.0) for _ in range(64)]
    for slot in slots[32:]:
        limiter.refused(slot, 0.0)
    assert limiter.limit == 32
    for slot in slots[:32]:
        limiter.answered(slot)
    assert limiter.in_flight == 0
    assert limiter.limit == 32


def test_a_late_refusal_of_the_same_burst_changes_nothing():
    limiter = Limiter(64, 64)
    slots = [limiter.start(0.0) for _ in range(40)]
    limiter.refused(slots[32], 0.0)
    limit = limiter.limit
    for slot in slots[33:]:
        limiter.refused(slot, 0.0)
    assert limiter.limit == limit == 32


def test_other_failures_never_lower_it():
    limiter = Limiter(64, 16)
    for _ in range(1000):
        limiter.failed(limiter.start(0.0))
    assert limiter.limit == 16
    assert limiter.in_flight == 0


def test_chance_refusals_do_not_bring_it_down():
    endpoint = Endpoint(lambda now: 10**9, uniform(0.5), noise=0.05)
    outcome = simulate(Limiter(64, 16), endpoint, rows=5000)
    assert 5000 * 0.5 / 64 / max(outcome.answered) > 0.3


def test_an_endpoint_that_takes_one_at_a_time_still_gets_work():
    outcome = simulate(Limiter(256, 16), Endpoint(lambda now: 1, uniform(0.5)), rows=300)
    assert 300 * 0.5 / max(outcome.answered) >= 0.9
    assert len(outcome.refused) < 60


@pytest.mark.parametrize("wait", [None, 1.0], ids=["no Retry-After", "Retry-After"])
def test_a_limit_on_requests_a_second_is_used_and_not_hammered(wait):
    endpoint = Endpoint(lambda now: 10**9, uniform(0.5), wait=wait, per_second=10)
    outcome = simulate(Limiter(64, 16), endpoint, rows=1000)
    assert 1000 / 10 / max(outcome.answered) > 0.8
    assert len(outcome.refused) < 400


def test_a_refusal_of_the_only_request_stops_all_for_the_wait():
    limiter = Limiter(64, 1)
    limiter.refused(limiter.start(0.0), 0.0, wait=2.0)
    assert limiter.start(1.9) is None
    assert limiter.opens_at(1.9) == 2.0
    assert limiter.start(2.0) is not None


def test_refusals_of_single_requests_are_spaced_wider_and_wider():
    limiter = Limiter(64, 1)
    now, gaps = 0.0, []
    for _ in range(10):
        limiter.refused(limiter.start(now), now)
        opens_at = limiter.opens_at(now)
        assert opens_at is not None
        gaps.append(opens_at - now)
        now = opens_at
    assert gaps[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert max(gaps) == pytest.approx(10.0)


def test_a_hold_is_never_shortened():
    limiter = Limiter(8, 8)
    limiter.hold(10.0)
    limiter.hold(5.0)
    assert limiter.start(9.0) is None
    assert limiter.start(10.0) is not None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["start", "answered", "refused", "failed"]), max_size=300), st.integers(1, 64))
def test_the_books_balance_whatever_happens(events, most):
    limiter = Limiter(most, 16)
    open_slots, now = [], 0.0
    for event in events:
        now += 20.0  # past any hold
        if event == "start":
            slot = limiter.start(now)
            if slot is not None:
                open_slots.append(slot)
        elif open_slots:
            slot = open_slots.pop(len(open_slots) // 2)
            limiter.refused(slot, now) if event == "refused" else getattr(limiter, event)(slot)
        assert limiter.in_flight == len(open_slots)
        assert 1 <= limiter.limit <= most
    for slot in open_slots:
        limiter.failed(slot)
    assert limiter.start(now + 20.0) is not None

"""`/metrics` for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Response

from factory.jobs.job import ACTIVE, STATES, Job
from factory.jobs.progress import progress
from factory.jobs.spending import spending_of_today
from factory.progress_log import ProgressLine
from factory.service.counting import BOUNDS_S, Requests
from factory.service.state import Here, Service
from factory.service.vllm_metrics import escaped, passed_on

router = APIRouter(tags=["metrics"])
Sample = tuple[dict[str, str], float]


@router.get("/metrics")
def get_metrics(service: Here) -> Response:
    """Throughput, tokens, cost, limits, retries by class, queue depth, and the gauges of vLLM servers."""
    lines = [*_requests(service.requests), *_jobs(service), *passed_on(service.settings.vllm_metrics)]
    return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _jobs(service: Service) -> Iterator[str]:
    if service.jobs is None:
        return
    counts = service.jobs.counts()
    yield from _family("factory_jobs", "gauge", [({"state": state}, counts.get(state, 0)) for state in STATES])
    spent = spending_of_today(service.jobs, time.time()).today
    yield from _family("factory_spent_usd_today", "gauge", [({}, spent)])
    if (limit := service.settings.limits.max_cost_usd_per_day) is not None:
        yield from _family("factory_budget_usd_per_day", "gauge", [({}, limit)])
    active = service.jobs.list(ACTIVE, limit=100)
    found = [(job, lines[-1]) for job in active if (lines := progress(service.home, job.id))]
    for name, kind, value in FIGURES:
        yield from _family(name, kind, [(_labels(job), getattr(line, value) or 0) for job, line in found])
    yield from _models(found)


FIGURES = (
    ("factory_job_rows_done", "gauge", "done"),
    ("factory_job_rows", "gauge", "rows"),
    ("factory_job_rows_kept", "gauge", "kept"),
    ("factory_job_rows_rejected", "gauge", "rejected"),
    ("factory_job_rows_per_second", "gauge", "rows_per_s"),
    ("factory_job_prompt_tokens_total", "counter", "prompt_tokens"),
    ("factory_job_completion_tokens_total", "counter", "completion_tokens"),
    ("factory_job_prompt_tokens_per_second", "gauge", "prompt_tokens_per_s"),
    ("factory_job_completion_tokens_per_second", "gauge", "completion_tokens_per_s"),
    ("factory_job_requests_in_flight", "gauge", "in_flight"),
    ("factory_job_spent_usd", "gauge", "spent_usd"),
)


def _models(found: Sequence[tuple[Job, ProgressLine]]) -> Iterator[str]:
    models = [({**_labels(job), "model": one.model}, one) for job, line in found for one in line.models]
    yield from _family("factory_model_limit", "gauge", [(labels, one.limit) for labels, one in models])
    yield from _family("factory_model_in_flight", "gauge", [(labels, one.in_flight) for labels, one in models])
    yield from _family("factory_model_requests_total", "counter", [(labels, one.requests) for labels, one in models])
    yield from _family("factory_model_refused_total", "counter", [(labels, one.refused) for labels, one in models])
    retried = [({**labels, "class": kind}, count) for labels, one in models for kind, count in one.retried.items()]
    yield from _family("factory_model_retries_total", "counter", retried)


def _labels(job: Job) -> dict[str, str]:
    return {"job": job.id, "kind": " ".join(job.command[1:3]) if job.command[1:2] == ["build"] else job.command[1]}


def _requests(requests: Requests) -> Iterator[str]:
    counts = [({"method": method, "status": str(status)}, n) for (method, status), n in requests.answered.items()]
    yield from _family("factory_http_requests_total", "counter", counts)
    yield "# TYPE factory_http_request_seconds histogram"
    so_far = 0
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), requests.below, strict=True):
        so_far += count
        yield f'factory_http_request_seconds_bucket{{le="{bound}"}} {so_far}'
    yield f"factory_http_request_seconds_sum {requests.seconds:.6f}"
    yield f"factory_http_request_seconds_count {so_far}"


def _family(name: str, kind: str, samples: Sequence[Sample]) -> Iterator[str]:
    if samples:
        yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        told = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{told}}} {value:.15g}" if told else f"{name} {value:.15g}"

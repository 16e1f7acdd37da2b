"""Lineage, trainings and comparisons over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from factory.looking.compare import compare, pairs
from factory.looking.lineage import lineage
from factory.looking.training import curves_of, list_runs, run_page
from factory.service.answers import answer
from factory.service.queries import AskedCompared, AskedPairs
from factory.service.state import Here

router = APIRouter(prefix="/api/v1")
MOST_RUNS = 8  # over each other
Focus = Annotated[str | None, Query(max_length=300, description="NAME@v3, ckpt/sft, or a node's id")]
RunNames = Annotated[list[str], Query(min_length=1, max_length=MOST_RUNS)]


@router.get("/lineage", tags=["lineage"])
def get_lineage(service: Here, of: Focus = None) -> Response:
    """What came from what: ancestors and descendants of `of`, or the whole workspace."""
    return answer(lineage(service.library, of))


@router.get("/training", tags=["training"])
def get_trainings(service: Here) -> Response:
    return answer(list_runs(service.library))


@router.get("/curves", tags=["training"])
def get_curves(service: Here, run: RunNames) -> Response:
    """The curves of several runs."""
    return answer(curves_of(service.library, run))


@router.get("/training/{name:path}", tags=["training"])
def get_training(name: str, service: Here) -> Response:
    """One run: recipe, curves, histograms, the datasets that it read and made."""
    return answer(run_page(service.library, name))


@router.get("/compare", tags=["compare"])
def get_comparison(service: Here, asked: AskedCompared) -> Response:
    """Two versions, or two models of one, on the same prompts."""
    return answer(compare(service.library, *asked.sides, labels=asked.labels))


@router.get("/compare/pairs", tags=["compare"])
def get_pairs(service: Here, asked: AskedPairs) -> Response:
    """Shared prompts side by side."""
    found = pairs(
        service.library,
        *asked.sides,
        labels=asked.labels,
        order=asked.order,
        offset=asked.offset,
        limit=asked.limit,
    )
    return answer(found)

"""`--dry-run`: what a build would ask for, and what that would cost and take, before a cent is spent."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from factory.build import Job
from factory.estimate import Estimator, ModelPlan, Range, Requests, together
from factory.judge_plan import plan_judges
from factory.ledger import Ledger
from factory.models import Models
from factory.prices import PriceTable
from factory.sampling.request import Drawer, RequestKeys, derive_seed
from factory.sampling.types import SamplingParams
from pipelines.ask import Asked, asked_messages
from pipelines.conversations import n_bytes
from pipelines.new_rows import NewRows
from pipelines.pool import asked_drawers
from pipelines.recipe import ModelRecipe
from schemas.records import Prompt


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a build would do. `requests` are the likely ones, `fewest` and `most` bounds on them."""

    build_id: str
    kind: str
    data: str
    prompts: int
    already: int | None  # with --new-only: rows of the input that are not new
    models: list[ModelPlan]
    requests: int
    fewest: int
    most: int
    usd: Range | None
    seconds: Range


def make_plan(job: Job, models: Models, ledger: Ledger, prices: PriceTable) -> Plan:
    """Read every prompt and look every request up; ask nothing."""
    estimator = Estimator(ledger, prices, job.in_flight)
    drawers = [*job.tools.drawers, *job.tools.pool]
    plans = [
        estimator.plan(drawer.model, _requests(job, place, drawer, ledger))
        for place, drawer in enumerate(drawers)
        if drawer.params is not None  # the others replay
    ]
    plans += plan_judges(job, models, estimator)
    costs = [plan.usd for plan in plans]
    known = [cost for cost in costs if cost is not None]
    return Plan(
        build_id=job.build_id,
        kind=job.kind,
        data=job.recipe.data or job.input.what,
        prompts=job.rows,
        already=job.input.already if isinstance(job.input, NewRows) else None,
        models=plans,
        requests=sum(plan.requests for plan in plans),
        fewest=sum(plan.fewest for plan in plans),
        most=sum(plan.most for plan in plans),
        usd=together(known) if len(known) == len(costs) else None,
        seconds=together([plan.seconds for plan in plans]),
    )


def _requests(job: Job, place: int, drawer: Drawer, ledger: Ledger) -> Requests:
    ways = {goes_on: drawer.with_params(continue_final=True) if goes_on else drawer for goes_on in (False, True)}
    keys = {goes_on: RequestKeys(way.model, _params(way)) for goes_on, way in ways.items()}
    max_tokens = _params(drawer).max_tokens
    cut = ledger.share_as_long(drawer.model.model, max_tokens)
    total = Requests(max_tokens=max_tokens)
    for asked in _asks(job, place, drawer):
        group = keys[asked.goes_on].group(asked.messages, asked.n, asked.row_seed) if asked.known else ()
        total = total.plus(asked, ledger.has(group), n_bytes(asked.messages), cut)
    return total


def _params(drawer: Drawer) -> SamplingParams:
    assert drawer.params is not None  # those that replay are left out
    return drawer.params


def _asks(job: Job, place: int, drawer: Drawer) -> Iterator[Asked]:
    """What the model at that place of the recipe is asked, as far as it can be told beforehand."""
    recipe = job.recipe
    if not isinstance(recipe, ModelRecipe):
        raise TypeError(f"{job.kind} asks no policy")
    for _, item in job.items(job.units()):
        if job.pipeline.asks is not None:
            yield from job.pipeline.asks(recipe, item, place)
        elif isinstance(item, Prompt) and drawer in asked_drawers(item, recipe, job.tools):
            yield Asked(asked_messages(item, recipe), recipe.n, derive_seed(recipe.seed, item.prompt_id))

"""A plan of reinforcement learning for people."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.metrics.progress import duration
from trainer.plan.memory import GIB
from trainer.plan.page import memory_line, toml
from trainer.plan.plan import Machine
from trainer.plan.rlvr import RlvrPlan

TOKENS_A_SECOND = 1000  # that the time of rollouts is told for: how fast a sampler will be is not known


def rlvr_lines(plan: RlvrPlan, machine: Machine) -> Iterator[str]:
    yield from _prompts(plan)
    yield from _batches(plan)
    yield f"parameters: {plan.parameters:,}" + (
        "" if plan.trained_parameters == plan.parameters else f", of which {plan.trained_parameters:,} trained"
    )
    yield memory_line(plan.memory, machine)
    yield from _beside(plan, machine)
    if plan.fits is False:
        yield f"this does not fit; set {plan.knob}"
    yield from _time(plan, machine)
    yield ""
    yield from toml(plan.recipe)


def _prompts(plan: RlvrPlan) -> Iterator[str]:
    for source in plan.sources:
        share = "" if source.weight == 1 else f", weight {source.weight:g}"
        yield f"{source.name}: {source.rows:,} rows{share}"
    if plan.left_out:
        yield "left out: " + ", ".join(f"{count:,} {why}" for why, count in plan.left_out.items())
    found, table = plan.prompts, plan.table
    line = f"prompts: {plan.epoch:,} an epoch, of {found.mean:.0f} tokens in the mean and {found.longest:,} at most"
    yield line + (f" (the first {found.looked_at:,})" if found.looked_at < plan.epoch else "")
    if found.crowded:
        yield (
            f"{found.crowded:,} of them leave no room for {table.rollouts.max_tokens:,} tokens in "
            f"rows.max_length = {table.rows.max_length:,}: their answers will be cut short"
        )
    if plan.watched:
        each = table.watch.per_prompt
        answers = "1 answer" if each == 1 else f"{each} answers"
        yield f"watched: {plan.watched:,} prompts, {answers} each, {plan.looks} times"


def _batches(plan: RlvrPlan) -> Iterator[str]:
    table, draws = plan.table, plan.draws
    n, most = table.rollouts.per_prompt, table.rollouts.max_tokens
    updates = plan.updates * table.policy.passes
    yield (
        f"batches: {table.max_steps:,} of {table.rollouts.prompts:,} prompts x {n} answers, "
        f"{updates} {'update' if updates == 1 else 'updates'} each"
    )
    epochs = f"{draws.fewest / plan.epoch:.3g} epochs"
    if not table.rollouts.only_with_gradient:
        yield f"draws: {draws.fewest:,} ({epochs})"
    elif draws.likely is not None and draws.gradient_share is not None:
        yield (
            f"draws: at least {draws.fewest:,} ({epochs}); by the pass rates of the data {draws.gradient_share:.0%} of "
            f"the groups have a gradient at first: about {draws.likely:,} if that stays so"
        )
    else:
        yield f"draws: at least {draws.fewest:,} ({epochs}); how many more is not known: {draws.unknown}"
    answers = draws.fewest * n
    yield f"answers: {answers:,} to learn from, of at most {most:,} tokens: {answers * most:,} tokens at most"
    for name, count in plan.asks.items():
        asked = "as many requests as each prompt has criteria" if count is None else f"{count:,} requests"
        total = "" if count is None else f", {count * draws.fewest:,} or more in all"
        yield f"judge {name}: {asked} for a group of {n} answers{total}"


def _beside(plan: RlvrPlan, machine: Machine) -> Iterator[str]:
    more, table = plan.beside, plan.table
    parts = [f"{name} {size / GIB:.2f}" for name, size in (("reference", more.reference), ("value model", more.value))]
    kept = [part for part, size in zip(parts, (more.reference, more.value), strict=True) if size]
    if kept:
        yield f"beside the learner: {', '.join(kept)} GiB"
    yield f"sampler: {plan.engine}, {_sampler(plan, machine)}"
    if more.total is not None:
        of = "" if machine.gib is None else f" of {machine.gib:.0f}"
        where = "all" if machine.gpu is None else "the first GPU"
        yield f"together on {where}: {(plan.memory.total + more.total) / GIB:.2f}{of} GiB"
    if plan.engine == "vllm" and not table.rollouts.gpus and table.rollouts.tensor_parallel > machine.gpus:
        yield f"rollouts.tensor_parallel = {table.rollouts.tensor_parallel}, and there are {machine.gpus} GPUs"


def _sampler(plan: RlvrPlan, machine: Machine) -> str:
    found, rollouts = plan.beside.sampler, plan.table.rollouts
    weights = f"weights {found.weights / GIB:.2f} GiB"
    if found.taken is None or found.cache_tokens is None:
        return f"{weights}; how much memory it takes is not known for this machine; --gpu H100 reckons with another"
    at_once = found.cache_tokens // plan.table.rows.max_length
    room = f"keys and values of {found.cache_tokens:,} tokens: {at_once:,} answers at their longest at once"
    if plan.engine == "transformers":
        where = "in this process" if machine.gpu is None else "on the first GPU"
        return f"{where}: {weights}, {room}"
    taken = f"{rollouts.gpu_memory_share * (machine.gib or 0):.0f} GiB"
    replicas = "1 replica takes" if rollouts.replicas == 1 else f"each of {rollouts.replicas} replicas takes"
    gpus = "the first GPU" if rollouts.tensor_parallel == 1 else f"each of the first {rollouts.tensor_parallel} GPUs"
    if rollouts.gpus:
        gpus = f"each of its own GPUs ({'; '.join(rollouts.gpus)})"
    return f"{replicas} {taken} of {gpus}: {weights}, and at most {room}"


def _time(plan: RlvrPlan, machine: Machine) -> Iterator[str]:
    tokens = plan.draws.fewest * plan.table.rollouts.per_prompt * plan.table.rollouts.max_tokens
    if plan.seconds is None:
        yield "learning: time not known for this machine; --gpu H100 --gpus 8 reckons with others"
    else:
        fast, likely, slow = map(duration, plan.seconds)
        yield (
            f"learning: about {likely} on {machine.gpus} x {machine.gpu} ({fast} to {slow}) if all answers are as long "
            "as they may be; with shorter ones in proportion"
        )
    yield (
        "rollouts: time not known before they are drawn; if all are as long as they may be, "
        f"{duration(tokens / TOKENS_A_SECOND)} for every {TOKENS_A_SECOND:,} tokens a second that the sampler gives"
    )

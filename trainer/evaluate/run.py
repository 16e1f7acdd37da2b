"""One evaluation, from the settings to the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from schemas.manifest import InputRef
from trainer.evaluate.answers_file import write_answers
from trainer.evaluate.engine import revision_of
from trainer.evaluate.errors import EvalError
from trainer.evaluate.figures import Figures, Graded, figures
from trainer.evaluate.kept import Kept
from trainer.evaluate.kl import Scored, divergence
from trainer.evaluate.prompts import PromptSet, only_verified, read_prompts, under_system_prompt, verifiers_of
from trainer.evaluate.report import (
    KL,
    Reference,
    Report,
    Request,
    Run,
    check_same,
    read_report,
    to_row,
    write_report,
)
from trainer.evaluate.sampling import KLAnswers, Sampled, sample
from trainer.evaluate.scoring import score
from trainer.evaluate.settings import EvalSettings, check_settings
from trainer.rows.vocabulary import check_same_tokens
from trainer.stop import Terminations


def evaluate(settings: EvalSettings, workspace: Path, terminations: Terminations) -> Report:
    """Evaluate, or read the report where the same was evaluated before. A killed run goes on where it was.

    Raises:
        Stopped: after SIGTERM; the answers so far are kept.
        EvalError: the settings, the data or the report that is there do not fit; or too many answers have no verdict.
        DataError: no such dataset version, or it was changed.
        ModelError, SamplingError: the model cannot be loaded, or does not answer.
    """
    check_settings(settings)
    found = only_verified(read_prompts(settings.data, workspace, settings.limit), settings.skip_unverified)
    verifiers = verifiers_of(found)
    kl_set = _kl_prompts(settings, found, workspace)
    request = _request(settings, found.ref, None if kl_set is None else kl_set.ref)
    if (report := read_report(settings.out)) is not None:
        check_same(report, request, settings.out)
        return report
    if settings.reference is not None:
        check_same_tokens(Path(settings.model), Path(settings.reference), "--reference")
    started = time.monotonic()
    with Kept(settings.kept_path) as kept:
        asked = under_system_prompt(found.prompts, settings.system_prompt)
        for_kl = None if kl_set is None else under_system_prompt(kl_set.prompts, settings.system_prompt)
        sampled = terminations.run(sample(settings, asked, verifiers, for_kl, kept))
        kl = _kl(settings, request.reference, sampled.kl)
        report = _report(settings, request, sampled, found.skipped, kl, started)
        with terminations.postponed():
            write_answers(sampled, settings.sampling, kept, settings.answers_path)
            write_report(report, settings.out)
            kept.remove()
    return report


def _kl_prompts(settings: EvalSettings, found: PromptSet, workspace: Path) -> PromptSet | None:
    if settings.reference is None:
        return None
    return found if settings.kl_data is None else read_prompts(settings.kl_data, workspace, settings.limit)


def _request(settings: EvalSettings, data: InputRef, kl_data: InputRef | None) -> Request:
    model = settings.reference
    reference = None if model is None or kl_data is None else Reference(model, revision_of(model), kl_data)
    return Request(
        model=settings.model,
        revision=None if settings.is_endpoint else revision_of(settings.model),
        data=data,
        n=settings.n,
        ks=settings.pass_ks,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        limit=settings.limit,
        skip_unverified=settings.skip_unverified,
        engine=settings.engine,
        name=settings.name,
        reference=reference,
        system_prompt=settings.system_prompt,
        chat_template_kwargs=settings.chat_template_kwargs,
    )


def _kl(settings: EvalSettings, reference: Reference | None, drawn: KLAnswers | None) -> KL | None:
    if reference is None or drawn is None:
        return None
    if not drawn.answers:
        raise EvalError(f"--reference {reference.model}: no prompt of {reference.data.name} has an answer")
    said = [answer.said for answer in drawn.answers]
    scores = zip(drawn.answers, score(settings.model, said), score(reference.model, said), strict=True)
    return KL(
        reference=reference,
        sampling=settings.kl_sampling,
        cut=sum(answer.is_cut for answer in drawn.answers) / len(drawn.answers),
        unanswered=drawn.unanswered,
        found=divergence([Scored(one.prompt_id, one.logprobs, ours, theirs) for one, ours, theirs in scores]),
    )


def _report(
    settings: EvalSettings, request: Request, sampled: Sampled, skipped: int, kl: KL | None, started: float
) -> Report:
    def of(rows: Sequence[Graded]) -> Figures:
        return figures(rows, settings.pass_ks, settings.seed)

    model, rows = sampled.model, sampled.rows
    names = sorted({row.verifier for row in rows})
    return Report(
        request=request,
        model=model.model,
        revision=model.revision,
        engine=model.engine,
        engine_version=model.engine_version,
        chat_template_sha256=model.chat_template_sha256,
        sampling=settings.sampling,
        skipped=skipped,
        total=of(rows),
        verifiers={name: of([row for row in rows if row.verifier == name]) for name in names},
        kl=kl,
        results=[to_row(row) for row in rows],
        run=Run(
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 1),
            asked=sampled.counts.asked,
            found=sampled.counts.found,
        ),
    )

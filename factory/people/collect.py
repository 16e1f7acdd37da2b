"""What people said becomes a version of a dataset: judgements like those of any judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from factory.one_pass import Pass, run_pass
from factory.people.decisions import Decision, decide
from factory.people.judgements import Compared, judgements
from factory.people.queue import SIDES, Item, Label, Queue, Side
from factory.people.shown import open_data
from factory.people.store import PeopleStore
from pipelines.rows import RowResult, StageTally, rejection
from schemas.canonical import canonical_json, sha256_hex
from schemas.datasets import DatasetVersion
from schemas.manifest import InputRef, Manifest
from schemas.records import Rejection

ROUTED = "routed"  # the judge of a routed queue's decisions
PERSON = "person:"  # before a person's name


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A queue as it stands, read once."""

    queue: Queue
    version: DatasetVersion
    items: list[Item]
    labels: list[Label]

    @property
    def decisions(self) -> list[Decision]:
        return decide(self.items, self.labels)


def read_queue(store: PeopleStore, name: str) -> Collected:
    """Raises NotFoundError, CorruptError."""
    queue = store.get(name)
    version = open_data(queue, store.home)
    return Collected(queue=queue, version=version, items=store.items(name), labels=store.labels(name))


def collect_labels(store: PeopleStore, name: str, out: str) -> Manifest:
    """Judgements: each person's, and those of a routed queue as a whole. The same labels make the same version once.

    Raises:
        NotFoundError: no such queue; CorruptError: its data is gone or another.
        NothingMade: nobody has labelled anything.
    """
    found = read_queue(store, name)
    return run_pass(to_pass(found, "labels", out), lambda: label_results(found))


def to_pass(found: Collected, kind: str, out: str) -> Pass:
    """What the version's identity follows from: the queue, its inputs, and the labels as they are now."""
    queue = found.queue
    said = InputRef(name=f"people:{queue.name}", sha256=sha256_hex(canonical_json(found.labels)))
    judges = {judge.ref: judge for judge in queue.judges}.values() if queue.is_routed else ()
    return Pass(
        kind=kind,
        step="people",
        recipe=_recipe(queue, kind),
        inputs=[found.version.ref, *(_judged_ref(judge.ref, judge.sha256) for judge in judges), said],
        out=out,
        versions=[found.version],
    )


def label_results(found: Collected) -> Iterator[RowResult]:
    yield pair_books(found)
    yield _label_books(found)
    for person in sorted({label.person for label in found.labels}):
        yield _result(f"{PERSON}{person}", list(_of_person(found, person)), found)
    if found.queue.is_routed:
        yield _result(ROUTED, list(_of_decisions(found)), found)


def pair_books(found: Collected) -> RowResult:
    """Of all pairs, those that are decided."""
    decisions = found.decisions
    lost = [decision for decision in decisions if decision.word is None]
    noted = _deciders(decisions) if found.queue.is_routed else {}
    return RowResult(
        rows=[],
        rejections=[_undecided(decision, found.queue) for decision in lost],
        stages=[StageTally("pairs", len(decisions), len(decisions) - len(lost), noted)],
        n_inputs=len(decisions),
    )


def _label_books(found: Collected) -> RowResult:
    skips = [label for label in found.labels if label.choice == "skip"]
    return RowResult(
        rows=[],
        rejections=[_skipped(label, found.items[label.item]) for label in skips],
        stages=[StageTally("labels", len(found.labels), len(found.labels) - len(skips))],
        n_inputs=0,
    )


def _undecided(decision: Decision, queue: Queue) -> Rejection:
    """Why a pair is not decided."""
    kind = decision.unable or "unlabelled"
    said = "all who saw it skipped it" if kind == "skipped" else "nobody has labelled it"
    reason = (
        f"pair {decision.item.number} of {queue.name}, rows {decision.item.row_a} and {decision.item.row_b}: {said}"
    )
    return rejection(decision.item.prompt_id, "pairs", kind, reason)


def _deciders(decisions: Sequence[Decision]) -> dict[str, int]:
    decided = [decision.by for decision in decisions if decision.word is not None]
    return {f"decided by {by}": decided.count(by) for by in ("judges", "people")}


def _skipped(label: Label, item: Item) -> Rejection:
    told = f": {label.note}" if label.note else ""
    return rejection(item.prompt_id, "labels", "skipped", f"{label.person} skipped pair {item.number}{told}")


def _result(judge: str, compared: Sequence[Compared], found: Collected) -> RowResult:
    rows = list(judgements(judge, compared))
    return RowResult(
        rows=rows, rejections=[], stages=[], n_inputs=0, licences=found.version.manifest.licences if rows else ()
    )


def _of_person(found: Collected, person: str) -> Iterator[Compared]:
    for label in found.labels:
        if label.person == person and (word := label.word) is not None:
            facts: dict[str, Any] = {"seconds": label.seconds, "time": label.time}
            if label.note:
                facts["note"] = label.note
            yield Compared(item=found.items[label.item], word=word, note=label.note, facts=facts, of_side=_shown(label))


def _shown(label: Label) -> dict[Side, dict[str, Any]]:
    return {side: {"shown_first": label.shown_first == side} for side in SIDES}


def _of_decisions(found: Collected) -> Iterator[Compared]:
    for decision in found.decisions:
        if decision.word is not None:
            yield Compared(
                item=decision.item,
                word=decision.word,
                facts=decision.facts(found.queue),
                of_side={side: decision.votes_of(side) for side in SIDES},
            )


def _recipe(queue: Queue, makes: str) -> dict[str, Any]:
    return {
        "kind": "people",
        "makes": makes,
        "queue": queue.name,
        "data": queue.data,
        "rubric": queue.rubric,
        "votes": queue.votes,
        "seed": queue.seed,
        "pairs_per_prompt": queue.pairs_per_prompt,
        "judges": msgspec.to_builtins(queue.judges),
        "routed": queue.is_routed,
        "check": queue.check,
    }


def _judged_ref(ref: str, sha256: str) -> InputRef:
    name, _, version = ref.rpartition("@v")
    return InputRef(name=name.rpartition("/")[2], version=int(version), sha256=sha256)

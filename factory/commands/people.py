"""`factory people`: pairs that people label, and what becomes of their labels."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from factory.commands.as_json import print_json
from schemas.errors import DataError

if TYPE_CHECKING:
    from factory.people.make import Made, NewQueue
    from factory.people.store import PeopleStore

app = App(name="people", help="Pairs that people label in the page, routed to them by judges that do not agree.")

Json = Annotated[bool, Parameter(negative="")]
Judgements = Annotated[list[str], Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What people are asked."""

    rubric: str = ""
    "what makes an answer the better one; @FILE reads it from a file"
    votes: int = 1
    "labels wanted for each pair, of as many people"
    seed: int = 0
    "of the order of the pairs, of which answer is shown first, and of what is drawn"
    pairs_per_prompt: int | None = None
    "of a version of completions: pairs drawn for each prompt"
    judgements: Judgements = field(default_factory=list)
    "versions of labels, such as labels@v2; all judges in them count"


@app.command
def queue(name: str, *, data: str, asked: Asked | None = None, limit: int | None = None, json: Json = False) -> None:
    """Make a queue of all pairs of a version. Judgements are what the labels are compared with.

    Args:
        name: of the queue
        data: preference pairs, or completions
        asked: what people are asked
        limit: so many pairs, drawn by the seed
        json: print one JSON object on stdout
    """
    from factory.people.make import make_queue

    with _store() as store:
        _tell(make_queue(store, _new(name, data, asked, limit=limit)), json)


@app.command
def route(
    *,
    data: str,
    queue: str,
    asked: Asked | None = None,
    check: float = 0.0,
    json: Json = False,
) -> None:
    """Make a queue in which people see the pairs that judges do not agree on; on the others the judges' word stands.

    Args:
        data: preference pairs, or completions
        queue: its name
        asked: what people are asked, and the judges: --judgements a@v1 --judgements b@v1
        check: the share of the pairs that judges agree on which people see as well
        json: print one JSON object on stdout
    """
    from factory.people.make import route as make_route

    with _store() as store:
        _tell(make_route(store, _new(queue, data, asked, check=check)), json)


@app.command
def ls(*, json: Json = False) -> None:
    """List queues, newest first.

    Args:
        json: print one JSON array on stdout
    """
    from factory.people.describe import queue_table
    from factory.people.overview import queue_lines
    from factory.store.tables import print_out

    with _store() as store:
        lines = queue_lines(store)
    if json:
        print_json(lines)
    elif lines:
        print_out(queue_table(lines))
    else:
        print("no queues", file=sys.stderr)


@app.command
def show(name: str, *, json: Json = False) -> None:
    """Show a queue: pairs by reason, what people did, and how they agree with the judges and with each other.

    Args:
        name: of the queue
        json: print one JSON object on stdout
    """
    from factory.people.describe import queue_page
    from factory.people.overview import overview
    from factory.store.tables import print_out
    from judges.agreement.bootstrap import Resampling

    with _store() as store:
        found = overview(store, name, Resampling())
    if json:
        print_json(found)
    else:
        print_out(queue_page(found))


@app.command
def collect(name: str, *, out: str, pairs: Annotated[bool, Parameter(negative="")] = False, json: Json = False) -> None:
    """Make a version of what people said so far: judgements of person:NAME, and of a routed queue all decisions.

    Args:
        name: of the queue
        out: the dataset to write
        pairs: make preference pairs in place of judgements, chosen being what was decided
        json: print one JSON object on stdout
    """
    from factory.people.collect import collect_labels
    from factory.people.decided_pairs import collect_pairs
    from factory.report import print_manifest

    with _store() as store:
        print_manifest((collect_pairs if pairs else collect_labels)(store, name, out), json)


@app.command
def rm(name: str, *, yes: Annotated[bool, Parameter(negative="")] = False, json: Json = False) -> None:
    """Remove a queue with its labels. Versions that were made of them stay.

    Args:
        name: of the queue
        yes: even where labels are in no version yet, and would be lost
        json: print one JSON object on stdout
    """
    from factory.people.removal import remove_queue

    with _store() as store:
        removed = remove_queue(store, name, losing=yes)
    if json:
        print_json(removed)
    else:
        print(f"{name} removed, {removed.labels:,} labels, {removed.lost:,} of them in no version")


def _new(name: str, data: str, asked: Asked | None, *, limit: int | None = None, check: float = 0.0) -> NewQueue:
    from factory.people.make import NewQueue

    told = asked or Asked()
    return NewQueue(
        name=name,
        data=data,
        rubric=_rubric(told.rubric),
        votes=told.votes,
        seed=told.seed,
        pairs_per_prompt=told.pairs_per_prompt,
        judgements=told.judgements,
        limit=limit,
        check=check,
    )


def _rubric(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f"--rubric {text}: cannot be read ({err}); name a text file after the @") from err


def _store() -> PeopleStore:
    from factory.people.store import PeopleStore
    from schemas.datasets import workspace

    return PeopleStore(workspace())


def _tell(made: Made, as_json: bool) -> None:
    from factory.people.describe import made_page
    from factory.store.tables import print_out

    if as_json:
        print_json(made)
    else:
        print_out(made_page(made))

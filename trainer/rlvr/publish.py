"""The end of a run: rollouts, pass rates and answers to watched prompts become dataset versions, each committed once.

Killed anywhere, the same command commits what is missing: a build's id is the run's, and a committed one is found.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.folder import Folder
from schemas.manifest import Manifest, ModelRef, Shard, Tokens
from schemas.records import PassRate
from schemas.shards import ShardWriter
from trainer.rlvr.archive import Archive, BatchRecord
from trainer.rlvr.books import add_books
from trainer.rlvr.looks import LookRecord, Looks
from trainer.rlvr.outputs import Contents, Outputs, commit_files, commit_version, ref_of, working_folder
from trainer.rlvr.pass_rates import Measured


def publish(outputs: Outputs, archive: Archive, measured: Measured, looks: Looks | None = None) -> list[Manifest]:
    """The versions that the run makes: of what was drawn, measured and watched, where there is any of it.

    Raises:
        CorruptError: a shard of the run is missing or damaged.
        ConflictError: very many others commit to the same dataset.
    """
    rollouts = publish_rollouts(outputs, archive)
    made = [] if rollouts is None else [rollouts]
    if rollouts is not None and measured.rows:
        made.append(publish_pass_rates(outputs, archive.run_id, measured, rollouts))
    watched = None if looks is None else publish_watched(outputs, archive.run_id, looks)
    return made if watched is None else [*made, watched]


def publish_rollouts(outputs: Outputs, archive: Archive) -> Manifest | None:
    records = archive.records()
    books = add_books(record.books for record in records)
    if not books.answers:
        return None
    contents = Contents(
        build_id=archive.run_id,
        shards=[shard for record in records for shard in record.shards],
        inputs=outputs.inputs,
        models=_models(records),
        counters=books.counters(),
        tokens=books.tokens(),
        licences=books.licences,
        cost=books.cost(),
    )
    return commit_files(outputs.rollouts, outputs, contents, archive.folder)


def publish_watched(outputs: Outputs, run_id: str, looks: Looks) -> Manifest | None:
    records = looks.records()
    books = add_books(record.books for record in records)
    if not books.answers:
        return None
    contents = Contents(
        build_id=run_id,
        shards=[shard for record in records for shard in record.shards],
        inputs=outputs.held_out or outputs.inputs,
        models=_models(records),
        counters=[books.counters()[-1]],  # there are no groups that a batch could take
        tokens=books.tokens(),
        licences=books.licences,
        cost=books.cost(),
    )
    return commit_files(outputs.watched, outputs, contents, looks.folder)


def publish_pass_rates(outputs: Outputs, run_id: str, measured: Measured, rollouts: Manifest) -> Manifest:
    """`rollouts`: the version that was counted, an input of this one."""
    target = outputs.pass_rates
    contents = Contents(
        build_id=run_id,
        shards=_write(target.folder, f"{working_folder(run_id)}/data", measured.rows),
        inputs=[*outputs.inputs, ref_of(outputs.rollouts, rollouts)],
        models=[measured.policy],
        counters=measured.counters,
        tokens=Tokens(),  # the rollouts' manifest has them
        licences=sorted({row.licence for row in measured.rows}),
    )
    return commit_version(target, outputs, contents)


def _models(records: Sequence[BatchRecord] | Sequence[LookRecord]) -> list[ModelRef]:
    return [model for record in records for model in (record.policy, *record.judges)]


def _write(folder: Folder, under: str, rows: list[PassRate]) -> list[Shard]:
    writer = ShardWriter(folder, under, PassRate, units=["ledger"])
    try:
        writer.write(rows)
        return writer.close()
    except BaseException:
        writer.abort()
        raise

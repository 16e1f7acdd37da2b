"""A workspace with pairs, judgements and queues, and `factory` in this process."""

from __future__ import annotations

import json

import pytest

from factory.cli import main
from factory.people.make import NewQueue, make_queue
from factory.people.store import PeopleStore
from schemas.canonical import canonical_json
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.folder import Folder
from schemas.records import Message
from tests.factory.store.made import draft
from tests.schemas.rows import completion, judgement, pair


@pytest.fixture
def space(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = Space(tmp_path, capsys)
    yield found
    found.close()


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


class Space:
    def __init__(self, home, capsys):
        self.home, self.capsys, self.clock = home, capsys, Clock()
        self.store = PeopleStore(home, self.clock)

    def close(self):
        self.store.close()

    def run(self, *words):
        """Exit code, stdout, stderr."""
        code = main([str(word) for word in words])
        out, err = self.capsys.readouterr()
        return code, out, err

    def done(self, *words):
        """The object that a command prints with --json; it must succeed."""
        code, out, err = self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    def refused(self, *words, code=2):
        found, out, err = self.run(*words)
        assert (found, out) == (code, ""), err
        return err

    def version(self, name, records):
        """A committed version of these records."""
        folder = Folder.open(self.home / name)
        made = commit(folder, draft(folder, f"build-{name}-{len(list(folder.list('_manifests')))}", records, name=name))
        return f"{name}@v{made.version}"

    def records(self, ref):
        return list(open_version(ref, self.home).records())

    def manifest(self, ref):
        return open_version(ref, self.home).manifest

    def pairs(self, count=6, name="pairs"):
        return self.version(name, [a_pair(number) for number in range(count)])

    def judged(self, name, scores, judge="j"):
        """A version of labels: of each pair the scores of its chosen and its rejected answer; None: no row."""
        rows = [
            judgement(
                prompt_id=f"p{number}",
                completion_id=f"{side}{number}",
                judge=judge,
                score=score,
                verdict=verdict(score),
            )
            for number, both in scores.items()
            for side, score in zip("cr", both, strict=True)
            if score is not None
        ]
        return self.version(name, rows)

    def queue(self, name="q", **changes):
        data = changes.pop("data", None) or self.pairs()
        return make_queue(self.store, NewQueue(name=name, data=data, **changes)).queue

    def prefer(self, queue, person, wanted):
        """Label every pair that `next` gives as `wanted` says by the pair's row: a, b, tie or skip."""
        while (item := self.store.next(queue, person)) is not None:
            self.say(queue, person, item.number, wanted[item.row_a])

    def say(self, queue, person, number, word, **more):
        from factory.people.queue import first_shown

        if word in ("a", "b"):
            first = first_shown(self.store.get(queue).seed, number, person)
            word = "first" if first == word else "second"
        return self.store.label(queue, person, number, word, **more)


def verdict(score):
    return "abstain" if score is None else "correct" if score == 1 else "wrong"


def a_pair(number, **changes):
    texts = {
        "prompt": [Message("user", f"question {number}")],
        "chosen": [Message("assistant", f"good answer {number}", reasoning="secret thoughts")],
        "rejected": [Message("assistant", f"bad answer {number}")],
        "model_chosen": "model-of-chosen",
        "model_rejected": "model-of-rejected",
    }
    ids = {"prompt_id": f"p{number}", "completion_id_chosen": f"c{number}", "completion_id_rejected": f"r{number}"}
    return pair(number, **{**texts, **ids, **changes})


def an_answer(prompt, number, text=None, **changes):
    said = [Message("assistant", text or f"answer {number} to {prompt}")]
    ids = {"prompt_id": f"p{prompt}", "completion_id": f"p{prompt}-{number}", "sample_index": number}
    asked = [Message("user", f"question {prompt}")]
    return completion(0, **{**ids, "prompt": asked, "completion": said, **changes})


def compared(prompt_id, answer, other, result, judge="pairwise", **more):
    """A row of `pairwise` on one pair."""
    score = {"win": 1.0, "loss": 0.0}.get(result, 0.5)
    counts = {"comparisons": 1, "flips": int(result == "flip")}
    metadata = {**counts, "against": [{"completion_id": other, "result": result, "reasons": ["", ""]}]}
    return judgement(
        prompt_id=prompt_id,
        completion_id=answer,
        judge=judge,
        score=score,
        verdict=verdict(score),
        metadata=canonical_json(metadata).decode(),
        **more,
    )

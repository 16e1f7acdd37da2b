"""`trainer eval` in this process, in a workspace of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.canonical import prompt_id
from schemas.commit import commit
from schemas.folder import Folder
from schemas.records import Message, Prompt
from tests.factory.store.made import draft
from trainer.cli import main


class EvalSpace:
    """A folder that is both the workspace and the current one."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys

    def run(self, *words):
        """Exit code, stdout, stderr of `trainer eval`."""
        code = main(["eval", *map(str, words)])
        out, err = self.capsys.readouterr()
        return code, out, err

    def evaluated(self, *words, out="eval.json"):
        """The report of an evaluation that must succeed."""
        code, _, err = self.run(*words, "--out", out)
        assert code == 0, err
        return self.report(out)

    def refused(self, *words, code=2):
        """What is said of one that must not."""
        found, out, err = self.run(*words)
        assert (found, out) == (code, ""), err
        return err

    def report(self, name="eval.json"):
        return json.loads((self.home / name).read_text())

    def answers(self, name="eval.answers.jsonl"):
        return [json.loads(line) for line in (self.home / name).read_text().splitlines()]

    def version(self, name, records):
        """A committed version of these records."""
        folder = Folder.open(self.home / name)
        commit(folder, draft(folder, f"build-{name}", records, name=name))
        return f"{name}@v1"


def a_prompt(question, ground_truth=None, verifier=None, metadata=None):
    messages = [Message("user", question)]
    return Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        ground_truth=ground_truth,
        verifier=verifier,
        source="test",
        source_id=question,
        licence="MIT",
        metadata=metadata,
    )


def without_times(report):
    return {key: value for key, value in report.items() if key != "run"}

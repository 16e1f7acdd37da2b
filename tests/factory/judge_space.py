"""`factory judge` and `factory build labels` in this process, in a workspace of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from factory.cli import main
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.folder import Folder
from schemas.records import Message
from tests.factory.store.made import draft
from tests.schemas.rows import completion


class JudgeSpace:
    """A folder that is both the workspace and the current one."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys

    def run(self, *words):
        """Exit code, stdout, stderr."""
        code = main([str(word) for word in words])
        out, err = self.capsys.readouterr()
        return code, out, err

    def write(self, name, text):
        (self.home / name).write_text(text, encoding="utf-8")
        return name

    def rows(self, rows, name="rows.jsonl"):
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def lines(self, name="out.jsonl"):
        return [json.loads(line) for line in (self.home / name).read_text(encoding="utf-8").splitlines()]

    def judge(self, judge, rows, *words, out="out.jsonl", config=None):
        """Exit code, stdout, stderr. `rows`: a file's name, a dataset's, or the rows themselves."""
        rows = rows if isinstance(rows, str) else self.rows(rows)
        if config is not None:
            words = ("--config", self.write("judge.toml", config), *words)
        return self.run("judge", "--judge", judge, "--in", rows, "--out", out, *words)

    def judged(self, judge, rows, *words, **more):
        """The lines of the file that a judge wrote, which must succeed."""
        code, _, err = self.judge(judge, rows, *words, **more)
        assert code == 0, err
        return self.lines()

    def version(self, name, records):
        """A committed version of these records."""
        folder = Folder.open(self.home / name)
        commit(folder, draft(folder, f"build-{name}", records, name=name))
        return f"{name}@v1"

    def records(self, ref):
        return list(open_version(ref, self.home).records())

    def rejections(self, ref):
        return list(open_version(ref, self.home).rejections())


@pytest.fixture
def space(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return JudgeSpace(tmp_path, capsys)


def answers(truths_and_texts, per_prompt=1):
    """Completions for gsm8k: `per_prompt` in a row answer one prompt."""
    return [
        completion(
            row,
            prompt_id=f"p{row // per_prompt}",
            prompt=[Message("user", f"question {row // per_prompt}?")],
            ground_truth=truth,
            completion=[Message("assistant", text)],
            licence="MIT",
        )
        for row, (truth, text) in enumerate(truths_and_texts)
    ]

"""Reports, answers, runs and versions for the tests of `trainer report`, written with the real records."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from factory.sampling.types import SamplingParams
from schemas.canonical import prompt_id
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.folder import Folder
from schemas.records import Message, Prompt
from tests.factory.store.made import draft
from trainer.cli import main
from trainer.evaluate.figures import Graded, Sample, figures
from trainer.evaluate.report import Report, Request, Run, to_row, write_report

REVISION = "ab12" * 16


def a_prompt(question, ground_truth="1", **metadata):
    messages = [Message("user", question)]
    return Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        ground_truth=ground_truth,
        verifier="math",
        source="test",
        source_id=question,
        licence="MIT",
        metadata=json.dumps(metadata) if metadata else None,
    )


def forty_prompts():
    """Twenty of each of two families, in two levels by turns."""
    families = ("sums", "words")
    return [a_prompt(f"question {n:02}", str(n % 4), family=families[n // 20], level=1 + n % 2) for n in range(40)]


class ReportSpace:
    """A workspace with one version of prompts, and evaluations of it."""

    def __init__(self, home: Path, capsys=None) -> None:
        self.home, self.capsys = home, capsys
        self.prompts: list[Prompt] = []

    def version(self, records, name="heldout", **changes):
        """Committed; prompts of `heldout` are those that are evaluated."""
        folder = Folder.open(self.home / name)
        commit(folder, draft(folder, f"build-{name}", records, name=name, **changes))
        if name == "heldout":
            self.prompts = list(records)
        return f"{name}@v1"

    def evaluation(self, name, rights, text=None, tokens=10, **request):
        """`rights`: of each prompt, its verdicts. `text(prompt, right)`: what is answered. The report's path."""
        rows, lines = [], []
        for prompt, verdicts in zip(self.prompts, rights, strict=True):
            samples = [_sample(right, tokens) for right in verdicts]
            rows.append(Graded(prompt.prompt_id, "math", samples))
            lines += [_line(prompt, place, right, text) for place, right in enumerate(verdicts)]
        path = self.home / f"{name}.json"
        write_report(self._report(rows, **request), path)
        answers = path.with_name(f"{name}.answers.jsonl")
        answers.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        return str(path)

    def _report(self, rows, **changed):
        n = len(rows[0].samples)
        ks = tuple(k for k in (1, 2, 4, 8) if k <= n)
        fields = {
            "model": "ckpt/some",
            "revision": REVISION,
            "data": open_version("heldout@v1", self.home).ref,
            "n": n,
            "ks": ks,
            "temperature": 1.0,
            "top_p": 1.0,
            "max_tokens": 64,
            "seed": 0,
            "limit": None,
            "skip_unverified": False,
            "engine": "auto",
            "name": None,
            "reference": None,
        }
        request = Request(**fields | changed)
        found = figures(rows, ks, 0)
        return Report(
            request=request,
            model=request.model,
            revision=REVISION,
            engine="transformers",
            engine_version="5",
            chat_template_sha256=None,
            sampling=SamplingParams(temperature=request.temperature, top_p=request.top_p, max_tokens=64),
            skipped=0,
            total=found,
            verifiers={"math": found},
            kl=None,
            results=[to_row(row) for row in rows],
            run=Run(created_at="2026-11-22T18:00:00+00:00", seconds=30.0, asked=found.answers, found=0),
        )

    def run(self, name, kind, lines):
        """A run folder with metrics; `lines`: (step, time, kind of line, values)."""
        folder = self.home / f"{name}.run"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"recipe": {"kind": kind}}))
        written = [{"step": step, "time": time, "kind": what, **values} for step, time, what, values in lines]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
        return str(folder)

    def report(self, *words, out="report.html"):
        """The page, and stdout, of a report that must succeed."""
        code = main(["report", *map(str, words), "--out", str(self.home / out)])
        printed, err = self.capsys.readouterr() if self.capsys else ("", "")
        assert code == 0, err
        return (self.home / out).read_text(encoding="utf-8"), printed

    def numbers(self, *words):
        return json.loads(self.report(*words, "--json")[1])

    def refused(self, *words):
        """The one line that is said of a report that must not be."""
        code = main(["report", *map(str, words), "--out", str(self.home / "refused.html")])
        printed, err = self.capsys.readouterr()
        assert (code, printed) == (2, ""), err
        assert not (self.home / "refused.html").exists()
        assert err.count("\n") == 1
        return err


def _sample(right, tokens):
    verdict = {True: "correct", False: "wrong", None: "abstain"}[right]
    return Sample(strict=right, flex=right, verdict=verdict, tokens=tokens, finish="stop")


def _line(prompt, place, right, text):
    said = f"{'yes' if right else 'no'} {prompt.source_id} {place}" if text is None else text(prompt, right)
    return {
        "prompt_id": prompt.prompt_id,
        "sample_index": place,
        "completion": [{"role": "assistant", "content": said}],
        "finish_reason": "stop",
        "n_completion_tokens": 10,
        "correct": right,
        "verdict": "correct" if right else "wrong",
        "reason": "",
        "error": None,
        "model": "ckpt/some",
    }


def first(count, of, n=1):
    """Verdicts: the first `count` prompts of `of` right, in each of n answers."""
    return [[place < count] * n for place in range(of)]

"""`trainer report`: what is printed, and what is refused in one line."""

import json
from pathlib import Path

import pytest

from tests.trainer.report.made import first
from trainer.cli import main


def test_the_ladder_is_printed(space):
    base = space.evaluation("base", first(10, of=40))
    sft = [space.evaluation(f"sft-{n}", first(n, of=40)) for n in (29, 30, 31)]
    _, printed = space.report(f"base={base}", f"sft={','.join(sft)}")
    lines = printed.splitlines()
    assert "40 prompts, one answer each, temperature 1" in lines[0]
    row = next(line for line in lines if line.startswith("sft"))
    for part in ("75.0%", "72.5%, 75.0%, 77.5%", "base", "+50.0", "+47.5, +50.0, +52.5", "above"):
        assert part in row
    assert "A stage is called above another where" in printed
    assert lines[-1] == str(space.home / "report.html")


def test_the_numbers_as_json_are_those_of_the_page(space):
    words = [f"base={space.evaluation('base', first(10, of=40))}", f"sft={space.evaluation('sft', first(30, of=40))}"]
    found = space.numbers(*words)
    page, _ = space.report(*words)
    assert found["about"]["data"]["sha256"] in page
    assert found["about"]["models"][0]["revision"][:12] in page
    for stage in found["stages"]:
        assert f"{stage['over_seeds']['mean']:.1%}" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the stages"),
        (["base"], "base: write NAME=FILE,FILE"),
        (["=a.json"], "write NAME=FILE,FILE"),
        (["base="], "write NAME=FILE,FILE"),
        (["base:sft=base.json"], "write NAME=FILE,FILE"),
        (["base=base.json", "base=sft.json"], "base: a stage or control is named twice"),
        (["base=base.json", "--control", "base=sft.json"], "base: a stage or control is named twice"),
        (["base=base.json", "sft=base.json"], "a report is given twice"),
        (["base=base.json", "sft=sft.json,./base.json"], "a report is given twice"),
        (["base=none.json"], "none.json: cannot be read"),
        (["base=base.answers.jsonl"], "not a report of `trainer eval`"),
        (["base=base.json", "--control", "random:dpo=sft.json"], "the stages are base"),
        (["base=base.json", "--control", "random:=sft.json"], "write NAME=FILE,FILE or NAME:STAGE=FILE,FILE"),
        (["a=base.json,sft.json", "b=c.json,d.json,e.json"], "a has 2 reports and b 3; give each stage one report"),
        (["base=base.json", "sft=two.json"], "differ in n: 1 and 2 answers"),
        (["base=base.json", "sft=warm.json"], "differ in sampling: temperature is 1.0 and 0.5"),
        (["base=base.json", "--greedy", "base=sft.json"], "drawn at temperature 1"),
        (["base=base.json", "--greedy", "sft=greedy.json"], "no such stage; there are base"),
        (["base=base.json", "--by", "levl"], "--by levl: no prompt has it; there are family, level, source, verifier"),
        (["base=base.json", "--pass-rate", "rates@v1"], "write TITLE=NAME@vN"),
        (["base=base.json", "--pass-rate", "before=heldout@v1"], "a version of prompts; give one of pass-rate"),
        (["base=base.json", "--data", "none@v1"], "no dataset at"),
        (["base=base.json", "--samples", "-1"], "--samples -1: must be 0 to 100"),
    ],
)
def test_what_is_refused(space, words, said):
    for place, name in enumerate(("base", "sft", "c", "d", "e")):
        space.evaluation(name, first(10 + place, of=40))
    space.evaluation("two", first(10, of=40, n=2))
    space.evaluation("warm", first(10, of=40), temperature=0.5)
    space.evaluation("greedy", first(10, of=40), temperature=0.0)
    assert said in space.refused(*words)


def test_reports_of_other_prompts_are_refused(space):
    base, sft = space.evaluation("base", first(10, of=40)), space.evaluation("sft", first(10, of=40))
    fields = json.loads(Path(sft).read_text())
    fields["results"][0]["prompt_id"] = "0" * 16
    Path(sft).write_text(json.dumps(fields))
    assert "are of different prompts" in space.refused(f"base={base}", f"sft={sft}")
    assert f"{sft}: prompt {'0' * 16} is not in heldout@v1" in space.refused(f"sft={sft}")


def test_another_version_than_was_evaluated_is_refused(space):
    base = space.evaluation("base", first(10, of=40))
    other = space.version(space.prompts[:20], name="other")
    said = space.refused(f"base={base}", "--data", other)
    assert "other@v1 has sha256" in said
    assert "set FACTORY_HOME" in said
    space.report(f"base={base}", "--data", str(space.home / "heldout") + "@v1")


def test_a_page_is_html(space, capsys):
    base = space.evaluation("base", first(10, of=40))
    assert main(["report", f"base={base}", "--out", "page.pdf"]) == 2
    assert "name a file that ends in .html" in capsys.readouterr().err

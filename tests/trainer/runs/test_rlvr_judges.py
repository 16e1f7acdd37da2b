"""Runs of RLVR that an LLM judge pays, over a real endpoint on this machine."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from schemas.datasets import open_version
from tests.factory.judge_endpoint import Refusal, judge_endpoint
from tests.judges.llm.models import answers, by_content
from tests.trainer.runs.commands import run
from tests.trainer.runs.test_rlvr import SETTINGS, made_prompt
from tests.trainer.small import version
from trainer.rlvr.rollout_rows import FACTS

RECIPE = """
kind = "rlvr"
max_steps = 3

[reward]
parts = [{{ judge = "verifier", weight = 2.0 }}, {{ judge = "quality", weight = 0.5 }}]

[reward.judges.quality]
judge = "rubric"
options = {{ criteria = [{{ criterion = "It has an even number of letters." }}] }}

[[reward.judges.quality.model]]
model = "{url}"
name = "scripted"

[run.judges]
row_deadline_s = 0.4
prices.scripted = {{ prompt = 1.0, completion = 10.0 }}
"""


def letters(text):
    """Plain ones: what is shown to a judge may differ in signs that a tokenizer could take for its own."""
    return sum(char.isascii() and char.isalpha() for char in text)


def even(text):
    return float(letters(text) % 2 == 0)


judge_even = by_content(even)


@pytest.fixture(scope="module")
def prompts(space):
    return version(space.home, "judged", [made_prompt(number) for number in range(40)])


def words(space, prompts, out, url, **settings):
    (space.home / f"{out}.toml").write_text(RECIPE.format(url=url))
    kept = {name: value for name, value in SETTINGS.items() if name != "max_steps"}
    table = kept | {name.replace("__", "."): value for name, value in settings.items()}
    sets = [word for key, value in table.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    return ["rlvr", "--data", prompts, "--model", "base", "--out", out, "--recipe", f"{out}.toml", *sets]


def lines(space, out, kind):
    found = map(json.loads, (space.folder(out) / "metrics.jsonl").read_text().splitlines())
    return [line for line in found if line["kind"] == kind]


@pytest.fixture(scope="module")
def paid(space, prompts):
    with judge_endpoint(judge_even) as endpoint:
        ended = run(space.home, *words(space, prompts, "judged-run", endpoint.url))
        assert ended.code == 0, ended.err
        yield endpoint


def test_each_rollout_is_paid_what_the_judge_says_of_it(space, paid):
    rows = list(open_version("judged-run-rollouts@v1", space.home).records())
    facts = [json.loads(row.metadata)[FACTS] for row in rows]
    assert len(rows) >= 3 * 16
    for row, fact in zip(rows, facts, strict=True):
        score = even(row.completion[0].content)
        assert fact["parts"] == {"verifier": 0.0, "quality": score}  # with random weights no sum is right
        assert fact["reward"] == 0.5 * score
        assert "because" in fact["said"]["quality"]
    assert len({fact["reward"] for fact in facts}) == 2


def test_the_log_says_what_judging_took(space, paid):
    train, looks = lines(space, "judged-run", "train"), lines(space, "judged-run", "eval")
    names = ("judge/quality/requests", "eval/judged@v1/judge/quality/requests")
    asked = sum(line.get(name, 0) for line in (*train, *looks) for name in names)
    assert asked == paid.spoken  # all, and each once: those of groups that nothing was learnt from, too
    for line in train:
        requests = line["judge/quality/requests"]
        assert requests == 4 * line["groups/drawn"]
        assert line["judge/quality/prompt_tokens"] == 100 * requests
        assert line["judge/quality/usd"] == pytest.approx(requests * 200 / 1e6)
        assert line["judge/quality/failed"] == line["rollouts/unrewarded"] == 0
        assert line["reward/quality"] == pytest.approx(2 * line["reward"])


def test_every_name_of_the_log_is_in_the_docs(space, paid):
    page = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    named = re.findall(r"`([^`\s]+)`", page)
    known = [re.escape(name).replace("NAME@vN", "NAME") for name in named]
    patterns = [re.sub(r"\b(NAME|JUDGE|VERIFIER)\b", "[^ ]+", name).replace(r"\.\.\.", ".+") for name in known]
    written = {
        name for kind in ("train", "eval", "event") for line in lines(space, "judged-run", kind) for name in line
    }
    written -= {"step", "time", "kind"}
    assert "judge/quality/requests" in written
    evals = {name for name in written if name.startswith("eval/")}
    bare = {name.removeprefix("eval/judged@v1/") for name in evals if not name.endswith(("/kl", "/kl_error"))}
    told = (written - evals) | bare | {"eval/NAME/kl", "eval/NAME/kl_error"}
    missing = [name for name in told if not any(re.fullmatch(one, name) for one in patterns if one != ".+")]
    assert missing == []


def test_the_versions_name_the_judge_and_its_cost(space, paid):
    manifest = open_version("judged-run-rollouts@v1", space.home).manifest
    assert {(model.role, model.model) for model in manifest.models} >= {("judge", "scripted")}
    drawn = sum(line["judge/quality/usd"] for line in lines(space, "judged-run", "train"))
    assert manifest.cost.usd == pytest.approx(drawn)


def test_a_judge_that_is_served_elsewhere_does_not_change_the_run(space, prompts, paid):
    """Named by `name`, it is the same judge at another port; another rubric is another run."""
    space.copy_run("judged-run", "judged-moved")
    with judge_endpoint(judge_even) as endpoint:
        moved = run(space.home, *words(space, prompts, "judged-moved", endpoint.url))
        assert moved.code == 0, moved.err
        assert "goes on after batch 3" in moved.err
        space.copy_run("judged-run", "judged-other")
        asked = words(space, prompts, "judged-other", endpoint.url)
        file = space.home / "judged-other.toml"
        file.write_text(file.read_text().replace("even number", "odd number"))
        ended = run(space.home, *asked)
    assert ended.code == 2
    assert "begun with other recipe.reward.judges.quality.options.criteria" in ended.err


def test_verdicts_that_cannot_be_read_pay_nothing_and_the_run_goes_on(space, prompts):
    """Where an answer has 3 letters modulo 7, the judge rambles."""

    def sometimes(ask):
        [text] = answers(ask).values()
        return "I cannot say." if letters(text) % 7 == 3 else judge_even(ask)

    with judge_endpoint(sometimes) as endpoint:
        ended = run(space.home, *words(space, prompts, "rambling", endpoint.url, rollouts__max_failed_share=0.5))
    assert ended.code == 0, ended.err
    rows = list(open_version("rambling-rollouts@v1", space.home).records())
    unread = [row for row in rows if letters(row.completion[0].content) % 7 == 3]
    assert unread
    for row in rows:
        fact = json.loads(row.metadata)[FACTS]
        score = None if row in unread else 0.5 * even(row.completion[0].content)
        assert fact["reward"] == score
        assert not (row in unread and fact["learnt"])
    train = lines(space, "rambling", "train")
    assert any(line["rollouts/unrewarded"] > 0 for line in train)
    assert any(line["judge/quality/failed"] > 0 for line in train)


def test_no_server_ends_the_run_with_one_line(space, prompts):
    with judge_endpoint(judge_even) as endpoint:
        url = endpoint.url
    ended = run(space.home, *words(space, prompts, "nobody", url))
    assert ended.code == 1
    [line] = [line for line in ended.err.splitlines() if "error" in line]
    assert line.startswith(f"error: no answer from {url}/models")
    assert "Traceback" not in ended.err
    assert not (space.home / "nobody").exists()


def test_a_server_that_goes_down_ends_the_run_with_one_line(space, prompts):
    with judge_endpoint(judge_even) as endpoint:

        def for_a_while(ask):
            if endpoint.spoken > 40:
                raise Refusal("out of memory", 500)
            return judge_even(ask)

        endpoint.speak = for_a_while
        ended = run(space.home, *words(space, prompts, "down", endpoint.url))
    assert ended.code == 2
    [line] = [line for line in ended.err.splitlines() if "error" in line.partition(":")[0]]
    assert "rollouts without a reward" in line
    assert "quality failed (deadline:http_500)" in line
    assert "Traceback" not in ended.err
    assert not (space.home / "down").exists()


def test_the_plan_is_a_recipe_that_can_be_read_back(space, prompts):
    with judge_endpoint(judge_even) as endpoint:
        asked = words(space, prompts, "planned", endpoint.url)
        ended = run(space.home, "plan", *asked)
        assert endpoint.requests == []
    assert ended.code == 0, ended.err
    told, _, recipe = ended.out.partition("\n\n")
    assert "judge quality: 4 requests for a group of 4 answers, 48 or more in all" in told
    assert tomllib.loads(recipe)["reward"]["judges"]["quality"]["judge"] == "rubric"

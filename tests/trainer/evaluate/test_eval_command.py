"""`trainer eval` against a scripted endpoint: what is asked, counted, written, refused, and gone on with."""

import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from judges.estimates import wilson
from schemas.records import Message
from tests.factory.model_endpoint import NAMES, Said, model_endpoint
from tests.trainer.evaluate.space import a_prompt, without_times
from trainer.cli import main

DRAWN = ("--n", "4", "--temperature", "1")


def served(endpoint):
    """One of the models there."""
    return "--model", endpoint.url, "--name", NAMES[0]


def sums(count):
    return [a_prompt(f"{number} + 1?", str(number + 1), "gsm8k") for number in range(count)]


def truth(request):
    return int(request.messages[-1].content.partition(" ")[0]) + 1


def right(request):
    return f"The answer is {truth(request)}."


def by_seed(request):
    """Right in about two of three answers, the same for the same seed."""
    return right(request) if request.chance().random() < 2 / 3 else "The answer is -5."


def test_a_greedy_evaluation(space):
    """Numbers 0 to 9: the model is wrong on 0, cut on 1, and right in form alone on 2."""

    def speak(request):
        said = {1: "So far there is nothing wrong", 2: f"We have ${truth(request)}$, and 4 are left."}
        if request.messages[-1].content == "1 + 1?":
            return Said(said[1], finish_reason="length")
        return said.get(truth(request) - 1) or ("It is 77." if truth(request) == 1 else right(request))

    space.version("sums", sums(10))
    with model_endpoint(speak) as endpoint:
        report = space.evaluated(*served(endpoint), "--data", "sums@v1", "--max-tokens", "50")
    assert len(endpoint.requests) == 10
    assert {request.max_tokens for request in endpoint.requests} == {50}
    assert (report["model"], report["engine"]) == (NAMES[0], "openai")
    assert report["revision"] == f"unpinned@{endpoint.url}"
    assert report["data"]["name"] == "sums"
    assert (report["accuracy"], report["accuracy_flex"], report["gap"]) == (0.7, 0.8, pytest.approx(0.1))
    assert report["accuracy_interval"] == pytest.approx(wilson(7, 10, 0.95))
    assert report["finish"] == {"length": 1, "stop": 9}
    assert (report["finished"], report["cut"]) == (0.9, 0.1)
    rows = {one.prompt_id: number for number, one in enumerate(sums(10))}
    assert [rows[row["prompt_id"]] for row in report["results"]] == list(range(10))
    assert [row["correct"] for row in report["results"][:4]] == [[False], [False], [False], [True]]
    assert [row["flex"] for row in report["results"][:4]] == [[False], [False], [True], [True]]
    assert report["results"][1]["finish"] == ["length"]


def test_every_answer_can_be_looked_at(space):
    space.version("sums", sums(3))
    with model_endpoint(by_seed) as endpoint:
        report = space.evaluated(*served(endpoint), "--data", "sums@v1", *DRAWN)
    answers = space.answers()
    assert [(row["prompt_id"], row["sample_index"]) for row in answers] == [
        (row["prompt_id"], index) for row in report["results"] for index in range(4)
    ]
    for row in answers:
        assert row["correct"] == row["completion"][0]["content"].endswith(f"{row['ground_truth']}.")
        assert row["verdict"] == ("correct" if row["correct"] else "wrong")
        assert row["reason"].startswith("phrase: ")
    assert len({row["completion_id"] for row in answers}) == 12
    assert len({request.seed for request in endpoint.requests}) == 12
    assert not [path for path in space.home.iterdir() if "kept" in path.name or path.name.startswith(".tmp")]


def test_the_page_has_a_line_for_each_verifier(space):
    yes = '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}'
    rows = [*sums(4), a_prompt("5 + 1?", "6", "regex"), a_prompt("6 + 1?", yes, "ifeval")]
    space.version("mixed", rows)
    with model_endpoint(right) as endpoint:
        code, out, _ = space.run(*served(endpoint), "--data", "mixed@v1", "--out", "e.json")
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert code == 0
    assert lines["gsm8k"][1:4] == ["4", "4", "100.0%"]
    assert lines["regex"][3:7] == ["0.0%", "[0.0%,", "79.3%]", "-"]
    assert lines["all"][1:4] == ["6", "6", "83.3%"]
    assert lines["pass@1"][1] == "83.3%"
    assert max(map(len, out.splitlines())) < 200


def test_what_has_no_verdict_is_counted_apart(space):
    """One prompt cannot be checked, and one request is refused by the endpoint."""

    def speak(request):
        assert truth(request) != 22, "no such sum"
        return right(request)

    space.version("odd", [*sums(20), a_prompt("20 + 1?", None, "gsm8k"), a_prompt("21 + 1?", "22", "gsm8k")])
    with model_endpoint(speak) as endpoint:
        report = space.evaluated(*served(endpoint), "--data", "odd@v1")
    assert (report["answers"], report["graded"], report["accuracy"]) == (21, 20, 1.0)
    assert (report["errors"], report["unanswered"]) == ({"no_ground_truth": 1}, {"http_400": 1})
    unchecked, refused = report["results"][20:]
    assert (unchecked["correct"], unchecked["finish"]) == ([None], ["stop"])
    assert (refused["correct"], refused["tokens"], refused["finish"]) == ([None], [None], [None])
    answers = space.answers()
    assert (len(answers), answers[20]["error"]) == (21, "no_ground_truth")


def test_too_many_errors_stop_it_and_the_answers_are_kept(space):
    space.version("bad", [a_prompt(f"{number}?", None, "gsm8k") for number in range(10)])
    with model_endpoint(lambda _: "1") as endpoint:
        said = space.refused(*served(endpoint), "--data", "bad@v1")
        assert "10 of 10 rows failed: 10 'no_ground_truth'" in said
        assert "needs a ground_truth" in said
        assert not (space.home / "eval.json").exists()
        space.refused(*served(endpoint), "--data", "bad@v1")
    assert len(endpoint.requests) == 10


def test_a_finished_evaluation_is_read_and_asks_nothing(space):
    space.version("sums", sums(5))
    with model_endpoint(by_seed) as endpoint:
        command = (*served(endpoint), "--data", "sums@v1", *DRAWN)
        code, first, _ = space.run(*command)
        again = space.run(*command)
    assert (code, again[:2]) == (0, (0, first))
    assert len(endpoint.requests) == 20


def test_another_evaluation_does_not_replace_a_report(space):
    space.version("sums", sums(5))
    with model_endpoint(by_seed) as endpoint:
        command = (*served(endpoint), "--data", "sums@v1")
        space.evaluated(*command, *DRAWN, "--seed", "3")
        said = space.refused(*command, "--n", "2", "--temperature", "1", "--seed", "3")
        assert "eval.json: there is a report with n = 4, not 2; ks = (1, 2, 4), not (1, 2). Name another --out" in said
        space.evaluated(*command, *DRAWN, "--seed", "4", out="other.json")
    assert space.report("other.json")["results"] != space.report()["results"]


def test_a_file_that_is_no_report_is_left_alone(space):
    space.version("sums", sums(2))
    (space.home / "eval.json").write_text('{"mine": 1}')
    said = space.refused("--model", "http://127.0.0.1:1/v1", "--data", "sums@v1")
    assert "eval.json: no report of this release's format" in said
    assert (space.home / "eval.json").read_text() == '{"mine": 1}'


def ended_midway(space, command, endpoint, number):
    """The command in a process of its own, sent a signal after 130 requests: its exit code and stderr."""
    words = [sys.executable, "-m", "trainer.cli", "eval", *command]
    env = {**os.environ, "FACTORY_HOME": str(space.home)}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, env=env, text=True)
    while len(endpoint.requests) < 130 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    _, err = process.communicate()
    return process.returncode, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75)])
def test_ended_and_run_again_it_asks_nothing_twice(space, number, code):
    """kill -9, or SIGTERM, in the midst of it. The report is the one of a run that nothing disturbed."""
    space.version("sums", sums(60))
    with model_endpoint(by_seed, jitter_s=0.2) as endpoint:
        command = (*served(endpoint), "--data", "sums@v1", *DRAWN)
        ended, err = ended_midway(space, command, endpoint, number)
        assert ended == code, err
        if number == signal.SIGTERM:
            assert err.splitlines()[-1] == "eval.json: stopped by SIGTERM; the same command goes on"
            assert "Traceback" not in err
        before = len(endpoint.requests)
        resumed = space.evaluated(*command)
        assert len(endpoint.requests) - before == resumed["run"]["asked"] < 240
        assert resumed["run"]["found"] == 240 - resumed["run"]["asked"] >= before - 64  # 64 are in flight at most
        undisturbed = space.evaluated(*command, out="undisturbed.json")
    assert undisturbed["run"]["found"] == 0
    assert without_times(resumed) == without_times(undisturbed)
    assert space.answers() == space.answers("undisturbed.answers.jsonl")


def test_a_system_prompt_takes_the_place_of_the_prompts_own(space):
    with_own = msgspec.structs.replace(sums(1)[0], prompt=[Message("system", "Be long."), *sums(1)[0].prompt])
    space.version("sums", [with_own, *sums(3)[1:]])
    with model_endpoint(right) as endpoint:
        command = (*served(endpoint), "--data", "sums@v1")
        plain = space.evaluated(*command)
        asked = [[turn.content for turn in request.messages] for request in endpoint.requests]
        assert sorted(asked) == [["1 + 1?"], ["2 + 1?"], ["Be long.", "0 + 1?"]]
        endpoint.requests.clear()
        brief = space.evaluated(*command, "--system-prompt", "Be brief.", out="brief.json")
        assert sorted([turn.content for turn in request.messages] for request in endpoint.requests) == [
            ["Be brief.", f"{number} + 1?"] for number in range(3)
        ]
        assert {row["prompt"][0]["content"] for row in space.answers("brief.answers.jsonl")} == {"Be brief."}
        said = space.refused(*command, "--system-prompt", "Be short.", "--out", "brief.json")
    assert "there is a report with system_prompt = Be brief., not Be short." in said
    assert [row["prompt_id"] for row in brief["results"]] == [row["prompt_id"] for row in plain["results"]]
    code = main(["compare", "eval.json", "--against", "brief.json"])
    assert (code, "differ in request: system_prompt is None and Be brief." in space.capsys.readouterr().err) == (
        2,
        True,
    )


def test_json_is_the_report_without_its_rows(space):
    space.version("sums", sums(3))
    with model_endpoint(right) as endpoint:
        _, out, _ = space.run(*served(endpoint), "--data", "sums@v1", "--json")
    report = space.report()
    del report["results"]
    assert msgspec.json.decode(out) == report


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--n", "4"), "--n 4 at temperature 0 gives one answer 4 times; add --temperature 1"),
        ((*DRAWN, "--k", "1,8"), "--k 8: pass@8 needs as many answers, and --n is 4"),
        ((*DRAWN, "--k", "1,x"), "--k 1,x: write whole numbers"),
        (("--reference", "ckpt"), "--reference needs the model's own log-probs"),
        (("--kl-data", "sums@v1"), "--kl-data is for --reference"),
        (("--engine", "vllm"), "--engine vllm serves checkpoint folders"),
        (("--out", "eval.txt"), "--out eval.txt: name a file that ends in .json"),
        (("--limit", "0"), "--limit 0: must be at least 1"),
        (("--max-tokens", "0"), "--max-tokens 0"),
        (("--top-p", "0"), "--top-p 0"),
        (("--temperature", "-1"), "--temperature -1"),
        (("--set", "sampling.top_k=5"), "unknown key 'sampling'"),
        (("--set", "chat_template_kwargs"), "--set chat_template_kwargs: write it as KEY=VALUE"),
        (
            ("--set", "chat_template_kwargs.tokenize=true"),
            "chat_template_kwargs.tokenize: not for a template to be told",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_read(space, words, said):
    assert said in space.refused("--model", "http://127.0.0.1:1/v1", "--data", "none@v1", *words)


def test_a_folder_that_is_no_checkpoint(space):
    space.version("sums", sums(2))
    (space.home / "empty").mkdir()
    assert "no config.json" in space.refused("--model", "empty", "--data", "sums@v1")


def test_limit_and_skipping(space):
    space.version("mixed", [a_prompt("why?"), *sums(5)])
    with model_endpoint(right) as endpoint:
        command = (*served(endpoint), "--data", "mixed@v1", "--limit", "4")
        assert "1 of 4 prompts name no verifier" in space.refused(*command)
        report = space.evaluated(*command, "--skip-unverified")
    assert (report["prompts"], report["skipped"]) == (3, 1)

"""LLM judges as rewards: what a judge model says of an answer is what it is paid; what it does not say is no zero."""

import asyncio
import json

import msgspec
import pytest

from factory.sampling.errors import RunError
from judges.llm.base import Reply
from schemas.manifest import ModelRef
from tests.factory.judge_endpoint import SCRIPTS, Refusal, good, judge_endpoint, scripted
from tests.trainer.rlvr.made import answer, prompt
from trainer.errors import TrainError
from trainer.reward_recipe import JudgeRunTable, RewardTable
from trainer.rlvr.grading import Grader, to_completion
from trainer.rlvr.spending import Spent, judge_figures
from trainer.rlvr.tasks import Task

MODEL = ModelRef(role="policy", model="m", revision="r", engine="transformers", engine_version="1")
RUBRIC = {"criteria": [{"criterion": "It is good."}]}
RIGHT, WRONG = "<answer>7</answer>", "<answer>8</answer>"


def judge(url, kind="rubric", options=None, **model):
    options = RUBRIC if options is None and kind == "rubric" else options or {}
    return {"judge": kind, "options": options, "model": [{"model": url, **model}]}


def table(url, *parts, kind="rubric", **more):
    return RewardTable(parts=parts or ({"judge": "quality"},), judges={"quality": judge(url, kind)}, **more)


def graded(reward, texts, asked=None, run=None):
    """What each text is paid, and what asking took."""
    asked = asked or prompt(7)
    grader = Grader(reward, False, 0, run)
    grader.check([Task(asked)])
    answers = [msgspec.structs.replace(answer((1, 2)), text=text) for text in texts]
    rows = [
        to_completion(asked, one, MODEL, index=number, seed=number, draw=0, opens_thoughts=False)
        for number, one in enumerate(answers)
    ]

    async def ask():
        await grader.judges.start()
        try:
            return await grader.grade(asked, rows, answers)
        finally:
            await grader.judges.close()

    return asyncio.run(ask())


def paid(found):
    return [one.reward for one in found.rollouts]


@pytest.mark.parametrize("kind", ["rubric", "reference", "aspects", "logprob"])
def test_the_judges_score_is_the_reward(kind):
    with judge_endpoint(good) as endpoint:
        found = graded(table(endpoint.url, kind=kind), ["GOOD", "not so", "GOOD too"])
    assert paid(found) == pytest.approx([1.0, 0.0, 1.0], abs=1e-9)
    assert [one.parts["quality"] for one in found.rollouts] == paid(found)


def test_a_score_between_is_paid_as_it_is():
    half = {"members": [{"judge": "rubric", **RUBRIC}, {"judge": "reference"}], "combine": "mean"}

    def first_says_yes(ask):
        return good(ask) if "verdict" in ask.messages[1].content.splitlines()[-1] else good(ask).replace(": 0", ": 1")

    with judge_endpoint(first_says_yes) as endpoint:
        judges = {"jury": judge(endpoint.url, "jury", half)}
        assert paid(graded(RewardTable(parts=({"judge": "jury"},), judges=judges), ["GOOD", "bad"])) == [1.0, 0.5]


def test_a_verifier_and_a_judge_add_up():
    parts = ({"judge": "verifier", "threshold": 1.0}, {"judge": "quality", "weight": 0.25})
    with judge_endpoint(good) as endpoint:
        found = graded(table(endpoint.url, *parts), [f"GOOD {RIGHT}", RIGHT, f"GOOD {WRONG}", WRONG])
    assert paid(found) == [1.25, 1.0, 0.25, 0.0]
    assert [one.correct for one in found.rollouts] == [True, True, False, False]


@pytest.mark.parametrize("word", sorted(SCRIPTS))
def test_what_cannot_be_read_is_no_reward_and_is_counted(word):
    with judge_endpoint(scripted) as endpoint:
        said = f'{word}, GOOD: {{"criterion_1": {{"reason": "give it", "points": 1}}}}'
        found = graded(table(endpoint.url), ["GOOD", said, "poor"])
    assert paid(found) == [1.0, None, 0.0]
    kind = SCRIPTS[word][1]
    assert f"quality failed ({kind})" in found.rollouts[1].reason
    spent = found.spent["quality"]
    assert (spent.judged, spent.abstained, spent.failed) == (2, 0, {kind: 1})


def test_an_abstention_is_no_reward():
    def undecided(ask):
        return json.dumps(json.loads(good(ask)) | {"verdict": "abstain"})

    with judge_endpoint(undecided) as endpoint:
        found = graded(table(endpoint.url, kind="reference"), ["GOOD"])
    assert paid(found) == [None]
    assert found.spent["quality"].abstained == 1


def test_a_server_that_breaks_is_no_reward_when_its_time_is_up():
    def broken(ask):
        raise Refusal("down", 500)

    with judge_endpoint(broken) as endpoint:
        found = graded(table(endpoint.url), ["GOOD", "x"], run=JudgeRunTable(row_deadline_s=0.3))
    assert paid(found) == [None, None]
    assert "deadline:http_500" in found.rollouts[0].reason
    assert found.spent["quality"].requests == 2


def test_a_key_that_is_refused_ends_it_at_once():
    def refuses(ask):
        raise Refusal("who are you", 401)

    with judge_endpoint(refuses) as endpoint, pytest.raises(RunError, match=r"answered 401: .*export a valid one"):
        graded(table(endpoint.url), ["GOOD"] * 8)


def test_no_server_is_told_before_anything_is_sampled():
    with judge_endpoint(good) as endpoint:
        url = endpoint.url
    with pytest.raises(RunError, match=r"no answer from .*start the server"):
        graded(table(url), ["GOOD"])


def test_never_more_asks_at_once_than_the_recipe_allows():
    most, now = [0], [0]

    with judge_endpoint(good) as endpoint:

        def wait(_):
            now[0] += 1
            most[0] = max(most[0], now[0])
            return 0.02

        def speak(ask):
            now[0] -= 1
            return good(ask)

        endpoint.wait, endpoint.speak = wait, speak
        graded(table(endpoint.url), ["GOOD"] * 24, run=JudgeRunTable(max_in_flight=3))
    assert most[0] == 3


def test_the_key_comes_from_the_environment_and_the_thoughts_are_not_shown(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "sk-of-the-judge-1234567890")
    with judge_endpoint(good) as endpoint:
        judges = {"q": judge(endpoint.url, api_key_env="JUDGE_KEY")}
        reward = RewardTable(parts=({"judge": "q"},), judges=judges)
        graded(reward, ["<think>SECRET</think>GOOD"])
        asked = endpoint.requests[0]["messages"][1]["content"]
        monkeypatch.delenv("JUDGE_KEY")
        with pytest.raises(RunError, match="JUDGE_KEY is not set"):
            graded(reward, ["GOOD"])
    assert "SECRET" not in asked
    assert "GOOD" in asked


def test_each_prompt_may_name_a_judge_of_the_recipe_as_its_own():
    """A mixture: mathematics by its verifier, the rest by the judge, in one run."""
    parts = ({"judge": "verifier"},)
    with judge_endpoint(good) as endpoint:
        reward = RewardTable(parts=parts, judges={"chat": judge(endpoint.url, "reference")})
        chat = graded(reward, ["GOOD", "poor"], prompt(7, verifier="chat"))
        sums = graded(reward, [RIGHT, f"GOOD {WRONG}"])
    assert paid(chat) == paid(sums) == [1.0, 0.0]
    assert [one.correct for one in chat.rollouts] == [True, False]
    assert (chat.spent["chat"].requests, sums.spent) == (2, {})


def test_a_prompts_own_judge_that_is_a_part_too_is_asked_once():
    parts = ({"judge": "verifier"}, {"judge": "quality", "weight": 0.5})
    with judge_endpoint(good) as endpoint:
        found = graded(table(endpoint.url, *parts), ["GOOD", "poor"], prompt(7, verifier="quality"))
        assert endpoint.spoken == 2
    assert paid(found) == [1.5, 0.0]


def test_a_prompt_without_a_verifier_is_paid_by_the_judge_where_the_part_says_what_counts():
    parts = ({"judge": "verifier", "abstain_score": 0.0}, {"judge": "quality"})
    with judge_endpoint(good) as endpoint:
        reward = table(endpoint.url, *parts)
        found = graded(reward, ["GOOD", "poor"], prompt(7, verifier=None))
    assert paid(found) == [1.0, 0.0]
    assert [one.correct for one in found.rollouts] == [None, None]
    assert not Grader(reward, False, 0).needs_verifier
    assert Grader(
        table("http://127.0.0.1:1/v1", *parts, {"judge": "x"}, verifiers={"x": {"verifier": "format"}}), False, 0
    )


@pytest.mark.parametrize(
    ("parts", "gate", "needed"),
    [
        (({"judge": "quality"},), None, False),
        (({"judge": "quality"}, {"judge": "verifier"}), None, True),
        (({"judge": "quality"}, {"judge": "verifier", "weight": 0.0}), None, False),
        (({"judge": "quality"},), {"judge": "verifier"}, True),
    ],
)
def test_prompts_need_a_verifier_only_where_it_counts(parts, gate, needed):
    assert Grader(table("http://127.0.0.1:1/v1", *parts, gate=gate), False, 0).needs_verifier is needed


def test_a_closed_gate_spares_the_judge():
    with judge_endpoint(good) as endpoint:
        reward = table(endpoint.url, gate={"judge": "verifier", "otherwise": -0.5})
        found = graded(reward, [f"GOOD {RIGHT}", f"GOOD {WRONG}", RIGHT])
        assert endpoint.spoken == 2
    assert paid(found) == [1.0, -0.5, 0.0]
    assert found.spent["quality"].requests == 2


def test_tokens_and_dollars_are_counted():
    """The endpoint says 100 tokens in and 10 out for each answer."""
    prices = {"scripted": {"prompt": 1.0, "completion": 20.0}}
    with judge_endpoint(good) as endpoint:
        plain = graded(table(endpoint.url), ["GOOD"] * 3).spent["quality"]
        priced = graded(table(endpoint.url), ["GOOD"] * 3, run=JudgeRunTable(prices=prices)).spent["quality"]
    assert (plain.requests, plain.prompt_tokens, plain.completion_tokens, plain.usd) == (3, 300, 30, None)
    assert priced.usd == pytest.approx(3 * (100 * 1.0 + 10 * 20.0) / 1e6)
    assert "judge/quality/usd" not in judge_figures({"quality": plain})
    assert judge_figures({"quality": priced + Spent(requests=1, failed={"timeout": 1})}) == {
        "judge/quality/requests": 4.0,
        "judge/quality/prompt_tokens": 300.0,
        "judge/quality/completion_tokens": 30.0,
        "judge/quality/abstained": 0.0,
        "judge/quality/failed": 0.25,
        "judge/quality/usd": priced.usd,
    }


def test_the_judges_words_are_kept_and_it_is_asked_the_same_each_time():
    with judge_endpoint(lambda ask: Reply(text=good(ask), reasoning="hm", finish_reason="stop")) as endpoint:
        [found] = graded(table(endpoint.url), ["GOOD"]).rollouts
        graded(table(endpoint.url), ["GOOD"])
        first, second = endpoint.requests
    assert json.loads(found.said["quality"])["criterion_1"]["reason"] == "because"
    assert first == second
    assert first["seed"] > 0


def test_judges_that_ask_one_endpoint_share_its_limits():
    with judge_endpoint(good) as endpoint:
        judges = {"a": judge(endpoint.url), "b": judge(endpoint.url, "reference")}
        found = graded(RewardTable(parts=({"judge": "a"}, {"judge": "b"}), judges=judges), ["GOOD"])
        assert endpoint.starts == 1
    assert paid(found) == [2.0]
    assert sorted(found.spent) == ["a", "b"]


def refused(**tables):
    return {
        name: {"judge": name, "model": [{"model": "http://127.0.0.1:1/v1"}]} | made for name, made in tables.items()
    }


@pytest.mark.parametrize(
    ("judges", "why"),
    [
        (refused(pairwise={}), r"reward.judges.pairwise: pairwise compares .* take a judge that rates each"),
        (refused(jury={"options": {"members": [{"judge": "pairwise"}]}}), "reward.judges.jury: pairwise compares"),
        (refused(math={}), r"math is a verifier, .* move it to \[reward.verifiers\]"),
        (refused(recorded={}), "recorded reads judgements that were given before"),
        (refused(rubrik={}), "unknown judge 'rubrik'; did you mean 'rubric'"),
        (refused(rubric={"options": {"criterion": 1}}), "reward.judges.rubric: judge rubric: .*criterion"),
        (refused(rubric={"model": []}), "asks a model called judge; give it as"),
        (refused(rubric={"model": [{"model": "http://a/v1", "called": "x"}]}), "asks a model called judge"),
        (
            refused(rubric={"model": [{"model": "http://a/v1"}, {"model": "http://b/v1"}]}),
            "two models are called judge",
        ),
        (refused(rubric={"model": [{"model": "ckpt/judge"}]}), r"'ckpt/judge' is no endpoint; serve it"),
    ],
)
def test_a_judge_that_cannot_be_is_refused_with_a_line(judges, why):
    with pytest.raises(TrainError, match=why):
        Grader(RewardTable(judges=judges), False, 0)


def test_names_that_mean_two_things_are_refused():
    with pytest.raises(ValueError, match="both have 'x'"):
        RewardTable(judges={"x": {}}, verifiers={"x": {}})
    with pytest.raises(ValueError, match="is the one that each prompt names"):
        RewardTable(judges={"verifier": {}})


def test_a_recipe_without_judges_is_the_recipe_that_it_was():
    assert "judges" not in RewardTable().model_dump(mode="json")

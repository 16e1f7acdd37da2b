"""The engine `replay`: recorded answers by prompt and position, from files and from dataset versions."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from factory.sampling.errors import RowError, RunError
from factory.sampling.replay import ReplayEngine
from factory.sampling.types import SamplingParams
from schemas.canonical import prompt_id
from schemas.commit import commit
from schemas.folder import Folder
from schemas.manifest import Cost, Manifest, Tokens
from schemas.records import Completion, Message, Prompt, Trace
from schemas.shards import ShardWriter, schema_of, schema_sha256

SHARED = Path(__file__).parents[4].parent / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="shared data absent")
PARAMS = SamplingParams()


def user(text):
    return [Message("user", text)]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


async def started(recording, home):
    engine = ReplayEngine(recording, home)
    await engine.start()
    return engine


def a_completion(text, index, question="q", **changes):
    fields = {
        "completion_id": f"{question}{index}",
        "prompt_id": prompt_id(user(question)),
        "sample_index": index,
        "prompt": user(question),
        "completion": [Message("assistant", text, reasoning=f"thought {index}")],
        "finish_reason": "length",
        "n_prompt_tokens": 3,
        "n_completion_tokens": 2,
        "prompt_token_ids": [1, 2, 3],
        "token_ids": [4, 5],
        "logprobs": [-0.5, -0.25],
        "model": "teacher",
        "revision": "r1",
        "engine": "vllm",
        "temperature": 1.0,
        "top_p": 1.0,
        "request_key": "k",
        "source": "s",
        "licence": "unknown",
    }
    return Completion(**{**fields, **changes})


def a_trace(raw):
    row = a_completion("unused", 0)
    shared = {name: getattr(row, name) for name in Trace.__struct_fields__ if hasattr(row, name)}
    talk = [*user("q"), Message("assistant", "7", reasoning="thought")]
    return Trace(**shared, trace_id="t", messages=talk, raw=raw)


def publish(folder, kind, record, rows):
    """A committed version of these rows; its manifest."""
    opened = Folder.open(folder)
    writer = ShardWriter(opened, "_builds/b1", record, units=["u"])
    writer.write(rows)
    draft = Manifest(
        name=folder.name,
        version=0,
        kind=kind,
        build_id="b1",
        created_at="2026-01-01T00:00:00Z",
        rows=len(rows),
        schema=schema_of(record),
        schema_sha256=schema_sha256(record),
        shards=writer.close(),
        rejections=[],
        inputs=[],
        models=[],
        recipe={},
        recipe_sha256="",
        counters=[],
        tokens=Tokens(),
        cost=Cost(usd=0.0),
        licences=["unknown"],
        software={},
    )
    return commit(opened, draft)


async def test_answers_of_a_file_in_order(tmp_path):
    rows = [{"q": "a", "a": "1"}, {"q": "b", "a": "2"}, {"q": "a", "a": "3"}]
    engine = await started(write_jsonl(tmp_path / "rec.jsonl", rows) + "?prompt=q&completion=a&model=old", tmp_path)
    assert [answer.text for answer in await engine.sample(user("a"), 2, PARAMS)] == ["1", "3"]
    [answer] = await engine.sample(user("b"), 1, PARAMS)
    assert (answer.text, answer.finish_reason, answer.n_completion_tokens) == ("2", "unknown", 0)
    assert (engine.model.model, engine.model.engine, engine.model.role) == ("old", "replay", "policy")
    assert engine.model.revision == hashlib.sha256((tmp_path / "rec.jsonl").read_bytes()).hexdigest()
    assert engine.capabilities == frozenset()
    assert (engine.stats.requests, engine.stats.answered) == (3, 3)
    await engine.close()


async def test_an_index_gives_the_same_answer_in_any_order_of_calls(tmp_path):
    rows = [{"prompt": f"p{n % 5}", "completion": f"{n % 5}-{n // 5}"} for n in range(50)]
    engine = await started(write_jsonl(tmp_path / "rec.jsonl", rows), tmp_path)
    wanted = [(prompt, index) for index in (9, 0, 5, 3) for prompt in (4, 0, 2)] * 2
    found = await asyncio.gather(*(engine.sample_at(user(f"p{p}"), i, PARAMS) for p, i in wanted))
    assert [answer.text for answer in found] == [f"{p}-{i}" for p, i in wanted]
    await engine.close()


async def test_what_was_not_recorded_is_a_dead_letter_not_the_end(tmp_path):
    engine = await started(write_jsonl(tmp_path / "rec.jsonl", [{"prompt": "a", "completion": "1"}]), tmp_path)
    for messages, n, count in [(user("b"), 1, 0), (user("a"), 2, 1), ([Message("system", "s"), *user("a")], 1, 0)]:
        with pytest.raises(RowError, match=f"holds {count} answers to the prompt {prompt_id(messages)}") as caught:
            await engine.sample(messages, n, PARAMS)
        assert caught.value.kind == "not_recorded"
    assert [answer.text for answer in await engine.sample(user("a"), 1, PARAMS)] == ["1"]
    await engine.close()


async def test_a_prompt_may_be_messages(tmp_path):
    talk = [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]
    row = {"prompt": talk, "completion": "1", "finish_reason": "stop"}
    engine = await started(write_jsonl(tmp_path / "rec.jsonl", [row]), tmp_path)
    [answer] = await engine.sample([Message("system", "s"), Message("user", "a")], 1, PARAMS)
    assert answer.finish_reason == "stop"
    await engine.close()


async def test_one_of_several_models_must_be_chosen(tmp_path):
    rows = [{"prompt": "a", "completion": name, "model": name} for name in ("x", "y", "x")]
    source = write_jsonl(tmp_path / "rec.jsonl", rows)
    engine = await started(f"{source}?model=x", tmp_path)
    assert [answer.text for answer in await engine.sample(user("a"), 2, PARAMS)] == ["x", "x"]
    assert engine.model.model == "x"
    await engine.close()
    with pytest.raises(RunError, match=r"several models answered; it holds x, y; choose with \?model=NAME"):
        await started(source, tmp_path)
    with pytest.raises(RunError, match=r"no answers of 'z'; it holds x, y"):
        await started(f"{source}?model=z", tmp_path)


async def test_a_dataset_of_completions(tmp_path):
    rows = [a_completion("second", 1), a_completion("first", 0), a_completion("other", 0, question="q2")]
    manifest = publish(tmp_path / "taught", "completions", Completion, rows)
    engine = await started("taught@v1", tmp_path)
    both = await engine.sample(user("q"), 2, SamplingParams(logprobs=True, token_ids=True))
    assert [answer.text for answer in both] == ["first", "second"]
    first = both[0]
    assert (first.reasoning, first.finish_reason, first.n_prompt_tokens) == ("thought 0", "length", 3)
    assert (first.prompt_token_ids, first.token_ids, first.logprobs) == ([1, 2, 3], [4, 5], [-0.5, -0.25])
    assert engine.capabilities == {"logprobs", "token_ids"}
    assert (engine.model.model, engine.model.revision) == ("teacher", manifest.sha256)
    [plain] = await engine.sample(user("q"), 1, PARAMS)
    assert (plain.prompt_token_ids, plain.token_ids, plain.logprobs) == (None, None, None)
    await engine.close()


async def test_a_capability_needs_every_answer_to_have_it(tmp_path):
    rows = [a_completion("1", 0), msgspec.structs.replace(a_completion("2", 1), logprobs=None)]
    publish(tmp_path / "taught", "completions", Completion, rows)
    engine = await started(str(tmp_path / "taught"), tmp_path)
    assert engine.capabilities == {"token_ids"}
    await engine.close()


async def test_a_row_without_a_message_stops_the_run(tmp_path):
    publish(tmp_path / "taught", "completions", Completion, [a_completion("1", 0, completion=[])])
    with pytest.raises(RunError, match="row 1 holds no message"):
        await started("taught", tmp_path)


@pytest.mark.parametrize(
    ("raw", "said"), [(None, ("7", "thought")), ("<think>thought</think>7", ("<think>thought</think>7", None))]
)
async def test_a_dataset_of_traces_is_given_out_as_the_model_said_it(tmp_path, raw, said):
    publish(tmp_path / "traces", "traces", Trace, [a_trace(raw)])
    engine = await started("traces", tmp_path)
    [answer] = await engine.sample(user("q"), 1, PARAMS)
    assert (answer.text, answer.reasoning) == said
    await engine.close()


BAD_FILES = [
    ("", "it holds no answers"),
    (
        '{"prompt": "a", "completion": "b"}\n{"promt": "a"}\n',
        r"rec\.jsonl:2: no column 'prompt'; did you mean 'promt'\?",
    ),
    ('{"prompt": "a"}\n', r"rec\.jsonl:1: no column 'completion'; columns: prompt"),
    ('{"prompt": "a", "completion": 5}\n', r"rec\.jsonl:1: completion is int; it must be a text"),
    ('{"prompt": 5, "completion": "a"}\n', r"rec\.jsonl:1: prompt is neither a text nor a list of messages"),
    ('{"prompt": "a", "completion": "b", "model": 5}\n', r"rec\.jsonl:1: model and finish_reason must be texts"),
    ("{broken\n", r"rec\.jsonl:1: no JSON object: .*; correct or remove the line"),
    ("[1]\n", r"rec\.jsonl:1: no JSON object"),
]


@pytest.mark.parametrize(("data", "message"), BAD_FILES)
async def test_a_bad_file_stops_the_run_with_its_line(tmp_path, data, message):
    (tmp_path / "rec.jsonl").write_text(data)
    with pytest.raises(RunError, match=message) as caught:
        await started(str(tmp_path / "rec.jsonl"), tmp_path)
    assert caught.value.kind == "bad_recording"


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        ("none.jsonl", r"replay:.*none\.jsonl: cannot be read: No such file or directory; check the path"),
        ("nothing@v1", "replay:nothing@v1: no dataset at"),
        ("prompts@v9", "no version v9"),
        ("prompts@v1", "a version of kind prompts holds no answers; give completions or traces"),
    ],
)
async def test_a_recording_that_is_none(tmp_path, recording, message):
    row = Prompt(prompt_id="p", prompt=user("q"), source="s", source_id="1", licence="unknown")
    publish(tmp_path / "prompts", "prompts", Prompt, [row])
    where = str(tmp_path / recording) if recording.endswith(".jsonl") else recording
    with pytest.raises(RunError, match=message):
        await started(where, tmp_path)


@pytest.mark.parametrize(
    ("recording", "message"),
    [("r.jsonl?promt=x", "no setting 'promt'; known: prompt"), ("data@v1?prompt=x", "name columns of a file")],
)
def test_settings_that_there_are_not(tmp_path, recording, message):
    with pytest.raises(RunError, match=message):
        ReplayEngine(recording, tmp_path)


async def test_the_temporary_index_goes_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = write_jsonl(tmp_path / "rec.jsonl", [{"prompt": "a", "completion": "b"}])
    engine = await started(source, tmp_path)
    assert len(list(tmp_path.glob("replay-*"))) == 1
    await engine.close()
    (tmp_path / "bad.jsonl").write_text("{")
    with pytest.raises(RunError):
        await started(str(tmp_path / "bad.jsonl"), tmp_path)
    assert list(tmp_path.glob("replay-*")) == []


@needs_shared_data
@pytest.mark.parametrize("model", ["gpt4_1106_preview", "Meta-Llama-3-8B-Instruct", "alpaca-7b"])
async def test_three_real_models_and_805_prompts(tmp_path, model):
    path = SHARED / "alpaca_eval" / "outputs" / f"{model}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    engine = await started(f"{path}?prompt=instruction&completion=output", tmp_path)
    answers = [(await engine.sample(user(row["instruction"]), 1, PARAMS))[0].text for row in rows]
    assert answers == [row["output"] for row in rows]
    assert len(answers) == 805
    assert engine.model.model == rows[0]["model"]
    await engine.close()

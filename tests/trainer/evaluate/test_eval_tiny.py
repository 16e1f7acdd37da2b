"""`trainer eval` on checkpoints, in this process: KL against enumeration, equal runs, and held-out sums."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainer.evaluate.space import a_prompt, without_times
from trainer.evaluate.engine import template_opens_thoughts
from trainer.tiny.measure import _prompt
from trainer.tiny.task import TASKS, held_out_examples

TASK = TASKS["chain_sum"]
QUESTIONS = ("How many are left?", "What is 3 + 4?")
DRAWS = 500


@pytest.fixture
def held_out(space):
    prompts = [_prompt(TASK, example) for example in held_out_examples(TASK, 0, 12)]
    return space.version("heldout", list({prompt.prompt_id: prompt for prompt in prompts}.values()))


def next_logprobs(model, rows):
    """Log-probs (B, V) after each row of token ids, all rows of one length."""
    with torch.no_grad():
        return model(input_ids=torch.tensor(rows)).logits[:, -1].double().log_softmax(-1).numpy()


def two_token_answers(folder, question):
    """All answers of at most two tokens: log p of the first (V,), of the second after it (V, V), and the end token."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
    )
    first = next_logprobs(model, [ids])[0]
    return first, next_logprobs(model, [[*ids, token] for token in range(len(first))]), tokenizer.eos_token_id


def exact_kl(folder, reference, question):
    """Mean and variance of log p - log q over answers that p draws. After the end token nothing follows."""
    p1, p2, end = two_token_answers(folder, question)
    q1, q2, _ = two_token_answers(reference, question)
    p2[end], q2[end] = np.log(1 / len(p1)), np.log(1 / len(p1))
    chance = np.exp(p1[:, None] + p2)
    ratio = (p1 - q1)[:, None] + (p2 - q2)
    assert chance.sum() == pytest.approx(1)
    mean = (chance * ratio).sum()
    return mean, (chance * (ratio - mean) ** 2).sum()


def test_the_kl_is_that_of_all_answers_of_two_tokens(space, sharp, tiny_checkpoint):
    space.version("one", [a_prompt(QUESTIONS[0], "4", "gsm8k")])
    kl = space.evaluated(
        *("--model", sharp, "--data", "one@v1", "--n", DRAWS, "--temperature", "1", "--max-tokens", "2"),
        *("--reference", tiny_checkpoint),
    )["kl"]
    true, variance = exact_kl(sharp, tiny_checkpoint, QUESTIONS[0])
    error = (variance / DRAWS) ** 0.5
    assert 0 < 4 * error < 0.3 * true
    found = kl["found"]
    assert found["answers"] == DRAWS
    assert found["per_sequence"]["k1"]["value"] == pytest.approx(true, abs=4 * error)
    assert found["per_sequence"]["k3"]["value"] == pytest.approx(true, abs=4 * error)
    assert found["sampler_gap"] == {"mean_logprob": 0.0, "max_logprob": 0.0, "mean_prob": 0.0}


def test_two_runs_with_one_seed_are_equal_and_a_model_is_at_no_distance_from_itself(space, held_out, sharp):
    command = ("--model", sharp, "--data", held_out, "--n", "3", "--temperature", "1", "--max-tokens", "12")
    with_kl = (*command, "--reference", sharp)
    first = space.evaluated(*with_kl)
    again = space.evaluated(*with_kl, out="again.json")
    assert without_times(first) == without_times(again)
    assert space.answers() == space.answers("again.answers.jsonl")
    assert first["run"] == {**first["run"], "asked": first["answers"], "found": first["answers"]}  # the KL's, too
    zero = {"value": 0.0, "interval": [0.0, 0.0]}
    assert first["kl"]["found"]["per_sequence"] == {"k1": zero, "k3": zero}
    assert first["kl"]["found"]["answers"] == first["answers"]
    other = space.evaluated(*command, "--seed", "1", out="other.json")
    texts = [[row["completion"] for row in space.answers(f"{name}.answers.jsonl")] for name in ("eval", "other")]
    assert (texts[0] != texts[1], other["kl"]) == (True, None)


def test_greedy_answers_and_a_kl_on_other_prompts(space, held_out, sharp, tiny_checkpoint):
    """The KL has answers of its own, at temperature 1: greedy ones say nothing of it."""
    space.version("kl", [a_prompt(question) for question in QUESTIONS])
    report = space.evaluated(
        *("--model", sharp, "--data", held_out, "--max-tokens", "8"),
        *("--reference", tiny_checkpoint, "--kl-data", "kl@v1"),
    )
    assert (report["answers"], report["kl"]["found"]["answers"]) == (report["prompts"], 2)
    assert (report["sampling"]["temperature"], report["kl"]["sampling"]["temperature"]) == (0.0, 1.0)
    assert report["kl"]["reference"]["data"]["name"] == "kl"
    assert (report["run"]["asked"], report["run"]["found"]) == (report["prompts"] + 2, 0)
    assert report["engine"] == "transformers"
    assert report["accuracy"] == 0.0  # random weights know no sums


def test_a_prompt_that_is_too_long_is_one_without_an_answer(space, sharp):
    rows = [a_prompt(question, "4", "gsm8k") for question in (*QUESTIONS, "how many? " * 2000)]
    space.version("long", rows)
    report = space.evaluated("--model", sharp, "--data", "long@v1", "--max-tokens", "4")
    assert (report["answers"], report["unanswered"]) == (2, {"context_too_long": 1})


def test_what_the_chat_template_is_told_reaches_it(space, held_out, sharp, tiny_checkpoint):
    """In the answers and in the KL: the prompts are longer by what it writes."""
    folder = space.home / "told"
    shutil.copytree(sharp, folder)
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text("{{ 'how many ' * (times | default(0)) }}" + template)
    command = ("--model", folder, "--data", held_out, "--max-tokens", "4", "--temperature", "1")
    plain = space.evaluated(*command)
    told = ("--set", "chat_template_kwargs.times=3", "--reference", tiny_checkpoint)
    report = space.evaluated(*command, *told, out="told.json")
    lengths = [[row["n_prompt_tokens"] for row in space.answers(f"{name}.answers.jsonl")] for name in ("eval", "told")]
    added = {more - few for few, more in zip(*lengths, strict=True)}
    assert len(added) == 1
    assert min(added) >= 3
    assert (
        report["sampling"]["chat_template_kwargs"] == report["kl"]["sampling"]["chat_template_kwargs"] == {"times": 3}
    )
    assert (plain["request"]["chat_template_kwargs"], report["run"]["asked"]) == ({}, report["answers"])


def test_thoughts_that_the_template_opens_only_when_told_to(space, sharp):
    folder = space.home / "thinker"
    shutil.copytree(sharp, folder)
    with (folder / "chat_template.jinja").open("a") as file:
        file.write("{% if add_generation_prompt and enable_thinking is not false %}<think>\n{% endif %}")
    assert template_opens_thoughts(str(folder), {})
    assert not template_opens_thoughts(str(folder), {"enable_thinking": False})


def test_sigterm_while_the_model_answers(space, held_out, sharp):
    """The engine's own thread ends with it, and what was answered is kept."""
    command = ("--model", sharp, "--data", held_out, "--max-tokens", "128", "--temperature", "1", "--n", "8")
    env = {**os.environ, "FACTORY_HOME": str(space.home)}
    words = [sys.executable, "-m", "trainer.cli", "eval", *map(str, command)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, env=env, text=True)
    kept = space.home / "eval.kept.sqlite-wal"
    while not (kept.exists() and kept.stat().st_size > 40_000) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert (process.returncode, err.splitlines()[-1]) == (
        75,
        "eval.json: stopped by SIGTERM; the same command goes on",
    )
    again = space.evaluated(*command)["run"]
    assert again["found"] > 0
    assert again["found"] + again["asked"] == 12 * 8


def test_a_reference_with_other_tokens_is_refused_before_anything_is_asked(space, held_out, sharp, tmp_path):
    shutil.copytree(sharp, tmp_path / "other")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "other")
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(tmp_path / "other")
    said = space.refused("--model", sharp, "--data", held_out, "--reference", "other")
    assert "--reference other: another tokenizer" in said
    assert not list(tmp_path.glob("eval*"))

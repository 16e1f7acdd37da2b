"""`trainer inspect`: what it shows, what it counts, and that a broken mask does not pass."""

import json
import re
from array import array

import msgspec
import pytest
from msgspec.structs import replace

from schemas.commit import commit
from schemas.folder import Folder
from schemas.records import Message
from tests.factory.store.made import draft
from tests.schemas.rows import completion, pair, prompt, trace
from tests.trainer.rows.checkpoints import CHATML, QWEN3, TULU, ZEPHYR
from trainer.cli import main
from trainer.rows.check import INVARIANTS, RowChecker
from trainer.rows.inspection import _percentiles
from trainer.rows.records import sft_row
from trainer.rows.render import Rendered, Renderer, RenderOptions

HOSTILE = "\x1b[2J\x9b31m [bold red]x[/] \u202e gnp.exe \r\x07"


def said(text, **changes):
    return [Message("user", "one + one?"), Message("assistant", text, **changes)]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")

    def add(name, rows):
        folder = Folder.open(home / name)
        commit(folder, draft(folder, name, rows, name=name))

    add("traces", [trace(number, messages=said("two " * (number + 1))) for number in range(10)])
    add("thoughts", [trace(0, messages=said("two", reasoning="It is."))])
    add("hostile", [trace(0, messages=said(HOSTILE), prompt_id="\x1b[31m")])
    add("pairs", [pair(0, prompt=said("x")[:1], chosen=said("two")[1:], rejected=said("three")[1:])])
    mixed = [trace(0, messages=said("two")), trace(1, messages=said("")), trace(2, finish_reason="length")]
    add("mixed", [*mixed, trace(3, messages=said(" "))])
    add("prompts", [prompt()])
    return home


@pytest.fixture
def home(datasets, monkeypatch):
    monkeypatch.setenv("FACTORY_HOME", str(datasets))
    monkeypatch.setenv("COLUMNS", "200")
    return datasets


def inspect(capsys, *arguments):
    code = main(["inspect", *map(str, arguments)])
    return code, capsys.readouterr()


def counted(capsys, *arguments):
    code, streams = inspect(capsys, *arguments, "--json")
    return code, json.loads(streams.out)


def test_rows_are_shown_token_by_token(home, checkpoint_of, capsys):
    code, streams = inspect(capsys, "--data", "traces@v1", "--model", checkpoint_of(CHATML), "--rows", 1)
    assert code == 0
    assert "[token]: trained, token|: not trained" in streams.out
    assert "traces@v1 row trace_id '0000000000000000': " in streams.out
    assert "<\\|im_start\\|>|" in streams.out
    assert "|\\n|\n[tw][o][ ][<\\|im_end\\|>]\n" in streams.out
    assert "row trace_id '0000000000000001'" not in streams.out
    assert f"the masks are as they must be ({', '.join(INVARIANTS)})" in streams.out


def test_trained_tokens_are_green_on_a_terminal(home, checkpoint_of, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    _, streams = inspect(capsys, "--data", "traces@v1", "--model", checkpoint_of(CHATML), "--rows", 1)
    assert re.search(r"\x1b\[30;(42|102)mtw\x1b\[0m\x1b\[30;(42|102)mo\x1b", streams.out)


def test_the_counts_are_those_of_the_rows(home, checkpoint_of, capsys):
    """By the tokenizer alone: each row is what the template writes, without the last newline."""
    folder = checkpoint_of(CHATML)
    chat = Renderer(folder).tokenizer
    before = len(chat.ids("<|im_start|>user\none + one?<|im_end|>\n<|im_start|>assistant\n"))
    trained = [len(chat.ids("two " * (number + 1) + "<|im_end|>")) for number in range(10)]
    code, found = counted(capsys, "--data", "traces@v1", "--model", folder, "--max-length", before + trained[6])
    assert code == 0
    assert (found["rows"], found["documents"], found["unusable"], found["broken"]) == (10, 10, {}, {})
    assert found["trained_tokens"] == sum(trained)
    assert found["tokens"] == sum(trained) + 10 * before
    ends = {"p50": trained[4], "p90": trained[8], "p99": trained[9], "max": trained[9]}
    assert found["lengths"] == {name: before + count for name, count in ends.items()}
    assert found["over_length"] == 3
    assert len(found["shown"]) == 3
    shown = found["shown"][0]
    assert "".join(shown["tokens"]) == chat.decode(shown["ids"])
    assert len(shown["trained"]) == len(shown["ids"])


def test_percentiles_are_by_nearest_rank():
    numbers = array("q", range(1, 101))
    assert msgspec.structs.astuple(_percentiles(numbers)) == (50, 90, 99, 100)
    assert msgspec.structs.astuple(_percentiles(numbers[:1])) == (1, 1, 1, 1)


def test_both_sides_of_a_pair_are_shown(home, checkpoint_of, capsys):
    code, found = counted(capsys, "--data", "pairs@v1", "--data", "traces@v1:0.5", "--model", checkpoint_of(CHATML))
    assert code == 0
    assert found["data"] == ["pairs@v1", "traces@v1"]
    assert (found["rows"], found["documents"]) == (11, 12)
    titles = [shown["title"].rpartition(" ")[2] for shown in found["shown"][:2]]
    assert titles == ["chosen", "rejected"]


def test_the_first_rows_alone_can_be_checked(home, checkpoint_of, capsys):
    _, found = counted(capsys, "--data", "traces@v1", "--model", checkpoint_of(CHATML), "--check", 4, "--rows", 0)
    assert (found["rows"], found["shown"]) == (4, [])


def test_unusable_rows_are_counted_by_reason_with_an_example(home, checkpoint_of, capsys):
    code, found = counted(capsys, "--data", "mixed@v1", "--model", checkpoint_of(CHATML))
    assert code == 0
    assert found["unusable"] == {"empty_completion": 2, "truncated": 1}
    assert "'0000000000000001': the answer is empty" in found["examples"]["empty_completion"]
    _, streams = inspect(capsys, "--data", "mixed@v1", "--model", checkpoint_of(CHATML))
    assert "unusable: truncated 1 (an answer cut by length" in streams.out


def test_a_template_that_leaves_the_thoughts_out_is_an_error(home, checkpoint_of, capsys):
    folder = checkpoint_of(CHATML)
    code, streams = inspect(capsys, "--data", "thoughts@v1", "--data", "traces@v1", "--model", folder)
    assert code == 1
    assert "BROKEN: reasoning_dropped 1 (the chat template leaves the reasoning out), for example thoughts@v1" in (
        streams.out
    )
    assert "as they must be" not in streams.out
    code, found = counted(capsys, "--data", "thoughts@v1", "--model", folder, "--reasoning", "inline")
    assert code == 0
    assert "".join(found["shown"][0]["tokens"]).endswith("<think>\nIt is.\n</think>\n\ntwo<|im_end|>")


def test_the_rows_table_of_a_recipe_is_read(home, checkpoint_of, capsys, tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('[optimizer]\nlr = 1e-5\n[rows]\nreasoning = "drop"\nmax_length = 7\n')
    arguments = ("--data", "thoughts@v1", "--model", checkpoint_of(QWEN3), "--recipe", recipe)
    thinking = ("--set", "rows.chat_template_kwargs.enable_thinking=false")
    code, found = counted(capsys, *arguments, *thinking, "--turns", "last")
    assert code == 0
    assert (found["max_length"], found["over_length"]) == (7, 1)
    assert found["options"] == {
        "turns": "last",
        "reasoning": "drop",
        "chat_template_kwargs": {"enable_thinking": False},
        "today": None,
        "sampled_ids": False,
    }
    for setting, known in (("rows.turn=all", "rows.turns"), ("turns=all", "rows.KEY=VALUE")):
        code, streams = inspect(capsys, *arguments, "--set", setting)
        assert code == 2
        assert known in streams.err


@pytest.mark.parametrize("colour", [True, False])
def test_text_of_models_gives_the_terminal_no_orders(home, checkpoint_of, capsys, monkeypatch, colour):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR" if colour else "NO_COLOR", "1")
    code, streams = inspect(capsys, "--data", "hostile@v1", "--model", checkpoint_of(CHATML))
    assert code == 0
    for order in ("\x1b[2J", "\x9b", "\u202e", "\r", "\x07"):
        assert order not in streams.out
    if not colour:
        assert "\x1b" not in streams.out
        assert "".join(char for char in streams.out if char not in "[]\\").count("bold") == 1


def test_what_cannot_be_trained_on_is_refused(home, checkpoint_of, capsys):
    folder = checkpoint_of(CHATML)
    for arguments, expected in [
        (("--data", "prompts@v1", "--model", folder), "prompts"),
        (("--data", "nope@v1", "--model", folder), "no dataset"),
        (("--data", "traces@v1", "--model", home / "traces"), "tokenizer cannot be loaded"),
        (("--data", "traces@v1", "--model", folder, "--check", 0), "--check must be at least 1"),
    ]:
        code, streams = inspect(capsys, *arguments)
        assert code == 2
        assert expected in streams.err
        assert streams.err.count("\n") == 1


def test_an_end_where_sampling_does_not_stop_is_noted(home, checkpoint_of, capsys):
    _, found = counted(capsys, "--data", "traces@v1", "--model", checkpoint_of(CHATML))
    assert found["notes"] == []
    _, found = counted(capsys, "--data", "traces@v1", "--model", checkpoint_of(QWEN3))
    assert "add 2 to its eos_token_id" in found["notes"][0]


@pytest.mark.parametrize("template", [CHATML, TULU, ZEPHYR])
def test_a_sound_mask_breaks_nothing(checkpoint_of, template):
    folder = checkpoint_of(template)
    exchange = said("two")
    for options in (RenderOptions(), RenderOptions(turns="last")):
        renderer = Renderer(folder, options)
        for record in (
            trace(messages=exchange * 3),
            completion(prompt=exchange * 2 + exchange[:1], completion=exchange[1:]),
        ):
            assert list(RowChecker(folder, renderer).broken(record, [sft_row(record, renderer, "x@v1")])) == []


# What a faulty renderer might make of ids (i) and mask (m) of two answers, each of two tokens and an end, the first of
# them at place f; and the invariants that this breaks.
DAMAGES = {
    "nothing": (lambda i, m, f: (i, m), set()),
    "header trained": (lambda i, m, f: (i, put(m, f - 1, True)), {"prompt"}),
    "first token missed": (lambda i, m, f: (i, put(m, f, False)), {"prompt"}),
    "end missed": (lambda i, m, f: (i, put(m, -1, False)), {"end"}),
    "end twice": (lambda i, m, f: ([*i, i[-1]], [*m, True]), {"end"}),
    "newline trained": (lambda i, m, f: ([*i, 201], [*m, True]), {"end"}),
    "question trained": (lambda i, m, f: (i, put(m, 4, True)), {"turns"}),
    "padding trained": (lambda i, m, f: (put(i, -2, 0), m), {"pad"}),
    "first turn missed": (lambda i, m, f: (i, [False] * (f + 3) + m[f + 3 :]), {"turns"}),
    "other history": (lambda i, m, f: (put(i, f + 4, 60), m), {"history"}),
    "double beginning": (lambda i, m, f: ([i[0], *i], [False, *m]), {"prompt", "history"}),
    "mask cut": (lambda i, m, f: (i, m[1:]), {"turns"}),
}


def put(values, place, value):
    changed = list(values)
    changed[place] = value
    return changed


@pytest.mark.parametrize("name", DAMAGES)
def test_every_fault_of_a_mask_is_seen(checkpoint_of, name):
    folder = checkpoint_of(CHATML)
    renderer = Renderer(folder)
    record = trace(messages=said("two") * 2)
    row = sft_row(record, renderer, "x@v1")
    assert sum(row.trained) == 6
    damage, broken = DAMAGES[name]
    damaged = Rendered(*damage(row.ids, row.trained, row.trained.index(True)))
    assert set(RowChecker(folder, renderer).broken(record, [damaged])) == broken


def test_a_cut_answer_of_sampled_ids_has_no_end(checkpoint_of):
    folder = checkpoint_of(CHATML)
    renderer = Renderer(folder, RenderOptions(sampled_ids=True))
    asked = said("x")[:1]
    record = completion(prompt=asked, prompt_token_ids=renderer.prompt_ids(asked, "row"), token_ids=[60, 61, 2])
    cut = replace(record, token_ids=[60, 61], finish_reason="length")
    checker = RowChecker(folder, renderer)
    for whole in (record, cut):
        assert list(checker.broken(whole, [sft_row(whole, renderer, "x@v1")])) == []
    assert list(checker.broken(cut, [sft_row(record, renderer, "x@v1")])) == ["end"]
    assert list(checker.broken(record, [sft_row(cut, renderer, "x@v1")])) == ["end"]


def test_the_command_shows_its_help_at_once(capsys):
    code, streams = inspect(capsys, "--help")
    assert code == 0
    assert "--check" in streams.out

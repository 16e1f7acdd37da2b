"""Which prompts are shown, and what is read of the answers."""

from pathlib import Path

import pytest

from tests.trainer.report.made import a_prompt, first
from trainer.report.evaluated import group
from trainer.report.samples import MOST_CHARS, choose, examples
from trainer.report.stages import read_ladder
from trainer.report.words import Asked


def shown(space, wanted, *words):
    ladder = read_ladder(Asked(stages=words))
    prompts = {prompt.prompt_id: prompt for prompt in space.prompts}
    groups = group(space.prompts, None)
    return list(choose(ladder.stages, groups, wanted)), examples(ladder, prompts, groups, wanted)


def test_the_first_prompt_of_each_family_on_which_stages_differ_then_those_that_the_last_has_wrong(space):
    base, sft = space.evaluation("base", first(10, of=40)), space.evaluation("sft", first(30, of=40))
    chosen, _ = shown(space, 6, f"base={base}", f"sft={sft}")
    sums, words, wrong = (sorted(p.prompt_id for p in space.prompts[at : at + 10]) for at in (10, 20, 30))
    assert {name for name, why in chosen if why == "the stages differ"} == {sums[0], words[0]}
    assert [name for name, why in chosen if why == "sft is wrong"] == wrong[:2]


def test_each_stage_shows_its_first_answer_of_its_first_seed(space):
    base = space.evaluation("base", [[False, True]] * 40)
    sft = [space.evaluation(f"sft{n}", [[bool(n), False]] * 40, text=lambda p, right, n=n: f"seed {n}") for n in (1, 0)]
    _, found = shown(space, 1, f"base={base}", f"sft={','.join(sft)}")
    [example] = found
    assert [(a.stage, a.mark) for a in example.answers] == [("base", "wrong"), ("sft", "right")]
    question = example.prompt[0].content
    assert question in [prompt.source_id for prompt in space.prompts]
    assert example.answers[0].text == f"no {question} 0"
    assert example.answers[1].text == "seed 1"


def test_a_long_text_is_cut_and_says_so(bare):
    bare.version([a_prompt("q" * (MOST_CHARS + 1), "1", family="a")])
    base = bare.evaluation("base", [[False]])
    _, found = shown(bare, 3, f"base={base}")
    assert found[0].prompt[0].content == "q" * MOST_CHARS + " [1 more characters]"


def test_a_long_answer_is_cut(space):
    base = space.evaluation("base", first(0, of=40), text=lambda prompt, right: "x" * (MOST_CHARS + 1234))
    _, found = shown(space, 3, f"base={base}")
    assert found[0].answers[0].text == "x" * MOST_CHARS + " [1,234 more characters]"


def test_an_answer_that_never_came_is_no_wrong_one(space):
    base = space.evaluation("base", first(0, of=40))
    path = Path(base).with_name("base.answers.jsonl")
    path.write_text("")
    _, found = shown(space, 3, f"base={base}")
    assert found[0].answers[0].mark == "no answer"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "base.answers.jsonl: cannot be read"),
        (lambda path: path.write_text('{"prompt_id": 3}\n'), "base.answers.jsonl:1: not an answer"),
        (lambda path: path.write_bytes(b"\xff\xfe\n"), "base.answers.jsonl:1: not an answer"),
    ],
)
def test_answers_that_cannot_be_read(space, spoil, said):
    base = space.evaluation("base", first(0, of=40))
    spoil(Path(base).with_name("base.answers.jsonl"))
    assert said in space.refused(f"base={base}")
    space.report(f"base={base}", "--samples", 0)

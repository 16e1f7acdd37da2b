"""Several reasoning-gym families in one version: how many of each, in which order, from which seeds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import reasoning_gym

from bench.demo_base.tasks import DEVELOPMENT_SEED, EACH, HELD_OUT_SEED, LEVELS, cells, entries, evaluation_questions
from judges.registry import make_verifier
from pipelines.prompts import PromptsRecipe, build_prompts, source_inputs
from pipelines.task_entries import STRIDE, Entries, tasks_of
from schemas.errors import DataError
from schemas.recipes import RecipeError, load_recipe, resolved
from schemas.records import Prompt, Rejection
from tests.factory.judge_space import space

__all__ = ["space"]

DEMO = Path(__file__).parents[3] / "docs" / "demo" / "prompts.toml"
SUMS = {"min_terms": 3, "max_terms": 3, "min_digits": 1, "max_digits": 1}
SQUARES = [  # of 2 rows, of 2 or 3, of 3: the second one's matrices are those of the others
    {"family": "spiral_matrix", "level": level, "config": {"min_n": least, "max_n": most}}
    for level, (least, most) in enumerate([(2, 2), (2, 3), (3, 3)])
]
TWO = [{"family": "chain_sum", "config": SUMS}, {"family": "leg_counting"}]


def recipe_of(tasks, **table):
    settings = {name: table.pop(name) for name in ("verifier", "limit") if name in table}
    return PromptsRecipe(source="reasoning-gym", reasoning_gym={"task": tasks, **table}, **settings)


def rows_of(tasks, **table):
    return list(build_prompts(recipe_of(tasks, **table)))


def prompts_of(tasks, **table):
    return [row for row in rows_of(tasks, **table) if isinstance(row, Prompt)]


def cell(prompt):
    metadata = json.loads(prompt.metadata)
    return metadata["family"], metadata.get("level")


def question(prompt):
    return prompt.prompt[-1].content


@pytest.fixture(scope="module")
def splits():
    """The demo's held-out and development prompts, by the recipe that it ships."""
    seeds = {"heldout": HELD_OUT_SEED, "dev": DEVELOPMENT_SEED}
    recipes = {
        name: load_recipe(PromptsRecipe, DEMO, {}, [f"reasoning_gym.seed={seed}"]) for name, seed in seeds.items()
    }
    return {name: list(build_prompts(recipe)) for name, recipe in recipes.items()}


def test_the_demos_recipe_holds_the_levels_that_its_base_model_learnt():
    recipe = load_recipe(PromptsRecipe, DEMO, {}, [])
    asked = [(task.family, task.level, task.config) for task in recipe.reasoning_gym.task]
    assert asked == [(family, level + 1, LEVELS[family][level]) for family, level in cells()]
    assert (recipe.reasoning_gym.size, recipe.reasoning_gym.seed) == (EACH, HELD_OUT_SEED)


@pytest.mark.parametrize(("name", "seed"), [("heldout", HELD_OUT_SEED), ("dev", DEVELOPMENT_SEED)])
def test_the_demos_evaluation_splits_are_what_its_corpus_keeps_out(splits, name, seed):
    prompts = [row for row in splits[name] if isinstance(row, Prompt)]
    assert Counter(map(cell, prompts)) == {(family, level + 1): EACH for family, level in cells()}
    assert len({prompt.prompt_id for prompt in prompts}) == len(cells()) * EACH
    kept_out = {entry["question"] for family, level in cells() for entry in entries(family, level, seed, EACH)}
    found = {question(prompt) for prompt in prompts}
    assert kept_out <= found & evaluation_questions()
    # A matrix of spiral level 2 is one of level 1 or of level 3: later entries stand for such repeats.
    assert len(found - kept_out) == len(cells()) * EACH - len(kept_out) < 90


def test_each_split_is_interleaved_and_says_what_it_dropped(splits):
    rows = splits["heldout"]
    prompts = [row for row in rows if isinstance(row, Prompt)]
    for start in range(0, len(prompts), len(cells())):
        assert len(set(map(cell, prompts[start : start + len(cells())]))) == len(cells())
    dropped = [row for row in rows if isinstance(row, Rejection)]
    assert {(row.stage, row.kind) for row in dropped} == {("dedupe", "duplicate")}
    assert any("equal to the prompt" in row.reason and "spiral_matrix 1/" in row.reason for row in dropped)


def test_every_prompt_can_be_graded_and_names_its_family(splits):
    for prompt in [row for row in splits["dev"] if isinstance(row, Prompt)][:60]:
        verifier = make_verifier(prompt.verifier)
        assert verifier.verify(prompt, f"<answer>{prompt.ground_truth}</answer>").verdict == "correct"
        assert prompt.source == f"reasoning-gym:{cell(prompt)[0]}"
        assert prompt.licence == "Apache-2.0"


def test_a_task_of_the_first_level_is_the_source_of_its_family():
    [*alone] = build_prompts(
        PromptsRecipe(source="reasoning-gym:leg_counting", reasoning_gym={"size": 20, "seed": 9, "config": {}})
    )
    assert [prompt for prompt in prompts_of(TWO, size=20, seed=9) if cell(prompt)[0] == "leg_counting"] == alone


def test_tasks_of_one_family_draw_from_seeds_that_are_apart():
    """Each against reasoning-gym itself."""
    for number, table in enumerate(SQUARES):
        oracle = reasoning_gym.create_dataset("spiral_matrix", seed=5 + number * STRIDE, size=9, **table["config"])
        mine = [question(prompt) for prompt in prompts_of(SQUARES, size=9, seed=5) if cell(prompt)[1] == number]
        assert mine == [entry["question"] for entry in oracle]


def test_with_one_seed_they_draw_alike_and_repeats_are_made_up_for():
    rows = rows_of(SQUARES, size=30, seed=5, same_seed=True)
    prompts = [row for row in rows if isinstance(row, Prompt)]
    assert Counter(map(cell, prompts)) == {("spiral_matrix", level): 30 for level in range(3)}
    assert len({question(prompt) for prompt in prompts}) == 90
    assert len(rows) > 90 + 30  # level 1 alone has 30 of the other levels'


@pytest.mark.parametrize("same_seed", [False, True])
def test_a_further_task_changes_no_prompt_of_the_others(same_seed):
    before = prompts_of(SQUARES[:2], size=25, same_seed=same_seed)
    after = prompts_of([*SQUARES, TWO[0]], size=25, same_seed=same_seed)
    assert [prompt for prompt in after if prompt in before] == before
    assert len(after) == 100


def test_another_seed_shares_no_entry_and_the_same_one_all():
    config = {"min_terms": 6, "max_terms": 6, "min_digits": 6, "max_digits": 6}
    tasks = [{"family": "chain_sum", "level": level, "config": config} for level in ("a", "b")]
    first, again, far = (
        {question(prompt) for prompt in prompts_of(tasks, size=40, seed=seed)} for seed in (7, 7, 7 + 2 * STRIDE)
    )
    assert first == again
    assert len(first | far) == 160


def test_a_task_may_have_a_size_of_its_own_and_any_part_holds_the_shares():
    prompts = prompts_of([{**TWO[0], "size": 60}, TWO[1]], size=20)
    for stop in (8, 24, 57, 80):
        families = Counter(cell(prompt)[0] for prompt in prompts[:stop])
        assert families["chain_sum"] == pytest.approx(stop * 0.75, abs=1)
    assert len(prompts) == 80


def test_a_limit_sees_every_task():
    assert {cell(prompt)[0] for prompt in prompts_of(TWO, size=50, limit=2)} == {"chain_sum", "leg_counting"}


def test_a_small_space_is_drawn_until_the_count_is_full():
    """Two one-digit numbers with + or -: 200 questions. 150 different ones take about 280 draws."""
    tiny = {**SUMS, "min_terms": 2, "max_terms": 2}
    rows = rows_of([{"family": "chain_sum", "config": tiny}], size=150)
    assert len({row.prompt_id for row in rows if isinstance(row, Prompt)}) == 150
    assert 200 < len(rows) < 400
    expected = r"reasoning_gym\.task\.0 \(chain_sum\): 1000 .* no new prompt after 200 of 201 \(duplicate: 1000\)"
    with pytest.raises(DataError, match=expected):
        rows_of([{"family": "chain_sum", "config": tiny}], size=201)


def test_a_verifier_that_cannot_check_them_is_told_with_why():
    with pytest.raises(DataError, match=r"after 0 of 5 \(bad_ground_truth: 1000\)"):
        rows_of([{"family": "spell_backward"}], size=5, verifier="gsm8k")


@pytest.mark.parametrize("family", ["chain_sum", "gsm_symbolic"])
def test_entries_go_on_beyond_the_size(family):
    """gsm_symbolic knows none beyond its size."""
    [task] = tasks_of(recipe_of([{"family": family}], size=3, seed=11))
    drawn = Entries(task)
    found = [drawn.at(index)["question"] for index in range(8)]
    inside = reasoning_gym.create_dataset(family, seed=11, size=3)
    beyond = reasoning_gym.create_dataset(family, seed=14, size=1000)
    assert found == [inside[index]["question"] for index in range(3)] + [
        beyond[index]["question"] for index in range(5)
    ]


def test_each_task_is_an_input_that_follows_its_own_settings():
    names = [ref.name for ref in source_inputs(recipe_of(SQUARES))]
    assert [name.partition(" (")[0] for name in names] == [f"reasoning-gym:spiral_matrix level {n}" for n in range(3)]
    before = source_inputs(recipe_of(SQUARES[:2]))
    assert source_inputs(recipe_of(SQUARES))[:2] == before
    changed = source_inputs(recipe_of([SQUARES[0], {**SQUARES[1], "config": {"max_n": 4}}]))
    assert [a == b for a, b in zip(before, changed, strict=True)] == [True, False]
    assert all(a != b for a, b in zip(before, source_inputs(recipe_of(SQUARES[:2], seed=1)), strict=True))


def test_a_recipe_of_one_family_has_the_identity_that_it_had():
    recipe = PromptsRecipe(source="reasoning-gym:chain_sum", reasoning_gym={"size": 5})
    assert resolved(recipe)["reasoning_gym"] == {"config": {}, "size": 5, "seed": 0}


ONE = '[[reasoning_gym.task]]\nfamily = "chain_sum"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "reasoning_gym.task is missing: give a [[reasoning_gym.task]] for each family, or reasoning-gym:FAMILY"),
        (f"[reasoning_gym]\nconfig = {{ min_terms = 2 }}\n{ONE}", "reasoning_gym.config is for one family"),
        (f"{ONE}{ONE}", "task: chain_sum is there twice; give each task of a family a level of its own"),
        (f"{ONE}config = {{ seed = 3 }}", "'reasoning_gym.task.0.config': seed stands in [reasoning_gym]"),
        (f"{ONE}levl = 1", "unknown key 'reasoning_gym.task.0.levl'; did you mean 'reasoning_gym.task.0.level'?"),
        (f"{ONE}size = 0", "'reasoning_gym.task.0.size'"),
        ("[[reasoning_gym.task]]\nlevel = 1", "'reasoning_gym.task.0.family' is missing"),
    ],
)
def test_a_wrong_recipe_is_answered_in_one_line(tmp_path, text, problem):
    path = tmp_path / "r.toml"
    path.write_text(f'source = "reasoning-gym"\n{text}', encoding="utf-8")
    with pytest.raises(RecipeError) as told:
        load_recipe(PromptsRecipe, path, {}, [])
    assert problem in str(told.value)
    assert "\n" not in str(told.value)


def test_tasks_are_for_the_source_of_several_families(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(f'source = "reasoning-gym:chain_sum"\n{ONE}', encoding="utf-8")
    with pytest.raises(RecipeError, match=r'reasoning_gym\.task is for source = "reasoning-gym"; reasoning-g'):
        load_recipe(PromptsRecipe, path, {}, [])
    path.write_text('source = "reasoning-gym:chain_sum"\n[reasoning_gym]\nsame_seed = true', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"reasoning_gym\.same_seed is for several tasks; remove it"):
        load_recipe(PromptsRecipe, path, {}, [])


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ({"family": "chain_summ"}, r"task\.1 \(chain_summ\): .* no family 'chain_summ'; did you mean 'chain_sum'"),
        ({"family": "chain_sum", "config": {"min_termz": 2}}, r"'min_termz'.*; correct reasoning_gym\.task\.1\.config"),
        ({"family": "chain_sum", "level": 2, "config": {"min_terms": 9}}, r"task\.1 \(chain_sum level 2\): its setti"),
    ],
)
def test_a_task_that_reasoning_gym_refuses_is_named(task, problem):
    with pytest.raises(DataError, match=problem):
        rows_of([TWO[1], task])


def test_training_prompts_leave_out_what_stands_in_an_evaluation_split(space):
    tasks = "[{family = 'chain_sum', config = {max_terms = 2, max_digits = 1}}]"
    settings = (f"--set=reasoning_gym.task={tasks}", "--set=reasoning_gym.size=100")
    build = ("build", "prompts", "--source", "reasoning-gym", *settings)
    assert space.run(*build, "--out", "heldout")[0] == 0
    against = '--set=decontaminate.against=[{source="heldout@v1"}]'
    code, out, err = space.run(*build, "--set=reasoning_gym.seed=1000", against, "--out", "train")
    assert code == 0, err
    heldout, train = ({row.prompt_id for row in space.records(f"{name}@v1")} for name in ("heldout", "train"))
    left_out = [row for row in space.rejections("train@v1") if row.kind == "in:heldout"]
    assert len(heldout) == 100
    assert len(train) + len(left_out) == 100
    assert not train & heldout
    assert len(left_out) > 20  # half of the 200 questions are held out
    assert f"{len(left_out)} in:heldout" in out

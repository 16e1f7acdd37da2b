"""Recipes: flags over files, unknown keys named with the nearest known one, identity without run settings."""

import pytest

from pipelines.completions import CompletionsRecipe
from schemas.recipes import RecipeError, differences, load_recipe, recipe_sha256, resolved

FLAGS = {"data": "p@v1", "policy": [{"model": "ckpt"}]}


def test_flags_and_settings_go_over_the_file(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('data = "other@v2"\nn = 2\n[sampling]\ntemperature = 0.5\ntop_p = 0.9\n')
    recipe = load_recipe(CompletionsRecipe, path, {**FLAGS, "n": None}, ["sampling.temperature=0.7", "seed=3"])
    assert (recipe.data, recipe.n, recipe.seed) == ("p@v1", 2, 3)
    assert (recipe.sampling.temperature, recipe.sampling.top_p) == (0.7, 0.9)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *[("2026-01-31", "2026-01-31"), ("07:30:00", "07:30:00"), ("2026-01-31T07:30:00Z", "2026-01-31T07:30:00Z")],
        *[("Be brief.", "Be brief."), ("'0.5'", "0.5"), ("no", "no")],
    ],
)
def test_a_setting_that_is_no_number_is_text(value, read):
    assert load_recipe(CompletionsRecipe, None, FLAGS, [f"system_prompt={value}"]).system_prompt == read


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("temprature = 1", "unknown key 'temprature'; did you mean 'sampling.temperature'"),
        ("[sampling]\nmax_token = 5", "unknown key 'sampling.max_token'; did you mean 'sampling.max_tokens'"),
        ("n = 'many'", "'n': input should be a valid integer"),
        ("n = 0", "'n': input should be greater than or equal to 1"),
        ("[sampling\n", "not TOML"),
        ('kind = "traces"', "'kind': input should be 'completions'"),
    ],
)
def test_a_wrong_recipe_is_answered_with_file_and_key(tmp_path, text, complaint):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(CompletionsRecipe, path, FLAGS, [])
    assert str(caught.value).startswith(str(path))
    assert complaint in str(caught.value)


def test_what_is_missing_is_named():
    with pytest.raises(RecipeError, match="the flags: 'data' is missing"):
        load_recipe(CompletionsRecipe, None, {"policy": [{"model": "x"}]}, [])
    with pytest.raises(RecipeError, match="no such recipe"):
        load_recipe(CompletionsRecipe, __import__("pathlib").Path("none.toml"), FLAGS, [])


def test_run_settings_are_no_part_of_a_recipes_identity():
    def identity(*settings: str) -> str:
        return recipe_sha256(resolved(load_recipe(CompletionsRecipe, None, FLAGS, list(settings))))

    assert identity() == identity("run.max_in_flight=7", "run.row_deadline_s=5") != identity("seed=1")


def test_differences_name_the_keys():
    old = {"a": 1, "t": {"x": 1, "y": 2}}
    new = {"a": 1, "t": {"x": 5, "y": 2}, "b": True}
    assert differences(old, new) == ["b: None -> True", "t.x: 1 -> 5"]
    lists = differences({"policy": [{"m": "a", "n": 1}]}, {"policy": [{"m": "b", "n": 1}]})
    assert lists == ["policy.0.m: 'a' -> 'b'"]
    assert differences({"stop": ["x"]}, {"stop": ["x", "y"]}) == ["stop: ['x'] -> ['x', 'y']"]

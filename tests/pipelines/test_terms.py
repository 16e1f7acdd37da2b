"""What licences and models' terms say of a declared use, by the tables and through the lineage of versions."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from msgspec.structs import replace

from pipelines.terms.examine import examine
from pipelines.terms.facts import known_licences, known_models, licence_facts, model_facts
from pipelines.terms.lineage import lineage_of
from pipelines.terms.use import UseTable, of_licence, of_model
from schemas.commit import commit
from schemas.datasets import open_version
from schemas.folder import Folder
from schemas.manifest import InputRef, ModelRef
from tests.factory.store.made import draft
from tests.schemas.rows import completion, judgement, pair, prompt

COMMERCIAL = UseTable(purpose="commercial")
COMPETING = UseTable(train="competing")


@pytest.mark.parametrize(
    ("name", "commercial"),
    [
        ("MIT", "yes"),
        ("apache-2.0", "yes"),
        ("CC-BY-4.0", "yes"),
        ("cc-by-sa-4.0", "yes"),
        ("CC-BY-NC-4.0", "no"),
        ("cc-by-nc-sa-4.0", "no"),
        ("CC-BY-NC-ND-4.0", "no"),
        ("llama3.1", "yes"),
    ],
)
def test_licences_by_the_table(name, commercial):
    assert licence_facts(name).commercial == commercial


@pytest.mark.parametrize(
    ("name", "terms", "competing", "commercial"),
    [
        ("gpt-4o-2024-08-06", "OpenAI Services Agreement", "no", "yes"),
        ("openai/gpt-4.1-mini", "OpenAI Services Agreement", "no", "yes"),
        ("gpt4_1106_preview", "OpenAI Services Agreement", "no", "yes"),
        ("o3-mini", "OpenAI Services Agreement", "no", "yes"),
        ("openai/gpt-oss-120b", "Apache-2.0", "yes", "yes"),
        ("gpt2", "MIT or Apache-2.0", "yes", "yes"),
        ("claude-sonnet-4-5", "Anthropic", "no", "yes"),
        ("gemini-2.5-pro", "Gemini API", "no", "yes"),
        ("google/gemma-3-27b-it", "Gemma Terms of Use", "yes", "yes"),
        ("gemma-4-31B-it", "Apache-2.0", "yes", "yes"),
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1 to 4", "yes", "yes"),
        ("Llama-3.3-70B-Instruct", "Llama 3.1 to 4", "yes", "yes"),
        ("Meta-Llama-3-8B-Instruct", "Llama 2 or 3", "no", "yes"),
        ("meta-llama/Llama-2-7b-chat-hf", "Llama 2 or 3", "no", "yes"),
        ("vicuna-7b-v1.5", "Llama 2 or 3", "no", "yes"),
        ("alpaca-7b", "Llama 1", "unknown", "no"),
        ("Qwen3-32B", "Apache-2.0", "yes", "yes"),
        ("Qwen2.5-7B-Instruct", "Apache-2.0", "yes", "yes"),
        ("Qwen2.5-72B-Instruct", "Qwen License", "yes", "yes"),
        ("Qwen2.5-3B-Instruct", "Qwen Research", "yes", "no"),
        ("Qwen2-72B-Instruct", "Tongyi Qianwen License", "no", "yes"),
        ("Qwen1.5-7B-Chat", "Tongyi Qianwen License", "no", "yes"),
        ("Qwen1.5-1.8B-Chat", "Tongyi Qianwen Research", "unknown", "no"),
        ("qwen3-max", "Alibaba Cloud", "no", "yes"),
        ("DeepSeek-R1-0528", "MIT", "yes", "yes"),
        ("deepseek-coder-33b-instruct", "DeepSeek Model License", "unknown", "yes"),
        ("Mistral-7B-Instruct-v0.2", "Apache-2.0", "yes", "yes"),
        ("c4ai-command-r-plus", "CC-BY-NC-4.0", "unknown", "no"),
        ("Olmo-3-7B-Think", "Apache-2.0", "yes", "yes"),
    ],
)
def test_models_by_their_name(name, terms, competing, commercial):
    facts = model_facts(name)
    assert facts.terms.startswith(terms)
    assert (facts.train_competing, facts.commercial) == (competing, commercial)


@pytest.mark.parametrize("name", ["ckpt/sft", "tiny", "my-llm", "house-model-7b", ""])
def test_other_models_are_unknown(name):
    assert model_facts(name) is None


def test_every_entry_says_where_it_comes_from_and_can_be_reached():
    assert all(re.match("https://", facts.source) and facts.as_of for facts in [*known_licences(), *known_models()])
    ids = [one.casefold() for facts in known_licences() for one in facts.ids]
    assert len(ids) == len(set(ids))
    earlier: list[str] = []
    for facts in known_models():
        for name in facts.names:
            plain = name.replace("*", "").replace("?", "x")
            assert not any(fnmatchcase(plain, pattern) for pattern in earlier), name
            assert name == name.casefold()
        earlier += facts.names


@pytest.mark.parametrize(
    ("use", "expression", "forbidden", "is_open"),
    [
        (COMMERCIAL, "MIT", 0, False),
        (COMMERCIAL, "CC-BY-NC-4.0", 1, False),
        (UseTable(purpose="research"), "CC-BY-NC-4.0", 0, False),
        (COMPETING, "CC-BY-NC-4.0", 0, False),
        (COMMERCIAL, "CC-BY-NC-4.0 OR MIT", 0, False),
        (COMMERCIAL, "CC-BY-NC-4.0 AND MIT", 1, False),
        (COMMERCIAL, "CC-BY-NC-4.0 OR house rules", 0, True),
        (COMMERCIAL, "(MIT)", 0, True),
        (COMMERCIAL, "unknown", 0, True),
        (COMPETING, "llama3", 1, False),
        (UseTable(train="other"), "llama3", 1, False),
        (UseTable(train="other", family="llama"), "llama3", 0, False),
        (UseTable(train="nothing"), "llama3", 0, False),
    ],
)
def test_licences_against_a_use(use, expression, forbidden, is_open):
    verdict = of_licence(use, expression)
    assert (len(verdict.forbidden), bool(verdict.open)) == (forbidden, is_open)


def test_what_a_recipe_says_goes_before_the_table():
    own = {"terms": "our contract", "names": ["gpt-4o*"], "train_competing": "yes", "source": "contract of 2026-01-05"}
    assert of_model(COMPETING, "gpt-4o")[1].forbidden
    terms, verdict = of_model(UseTable(train="competing", model=[own]), "gpt-4o")
    assert (terms, verdict.is_allowed) == ("our contract", True)
    licence = {"ids": ["house rules"], "commercial": "yes", "source": "our lawyers"}
    assert of_licence(UseTable(purpose="commercial", licence=[licence]), "House Rules").is_allowed


def ref(model, role="policy"):
    return ModelRef(role=role, model=model, revision="r", engine="e", engine_version="1")


class Space:
    """A workspace of versions that name each other."""

    def __init__(self, home):
        self.home = home

    def made(self, name, records, inputs=(), models=(), **fields):
        folder = Folder.open(self.home / name)
        refs = [
            InputRef(name=one.name, version=one.manifest.version, sha256=one.manifest.sha256)
            if hasattr(one, "manifest")
            else one
            for one in inputs
        ]
        drafted = draft(folder, f"build-{name}", records, name=name)
        licences = sorted({row.licence for row in records if hasattr(row, "licence")})
        commit(folder, replace(drafted, inputs=refs, models=[*models], licences=licences, **fields))
        return open_version(name, self.home)


@pytest.fixture
def space(tmp_path):
    return Space(tmp_path)


def parts(found):
    return {part.name: (part.rows, part.through) for part in found}


def test_rows_tell_their_licence_and_who_wrote_them(space):
    rows = [completion(0, model="gpt-4o"), completion(1, model="Qwen3-32B", licence="CC-BY-NC-4.0"), completion(2)]
    lineage = lineage_of(space.made("answers", rows), space.home)
    assert parts(lineage.licences) == {"MIT": (2, None), "CC-BY-NC-4.0": (1, None)}
    assert parts(lineage.models) == {"gpt-4o": (1, None), "Qwen3-32B": (1, None), "tiny": (1, None)}


def test_a_pair_is_of_both_its_writers(space):
    rows = [pair(0), pair(1, model_chosen="b"), pair(2, model_rejected="c")]
    assert parts(lineage_of(space.made("pairs", rows), space.home).models) == {
        "a": (2, None),
        "b": (2, None),
        "c": (1, None),
    }


def test_models_of_ancestors_count_in_every_role(space):
    """prompts written by gpt-4o -> answers by tiny -> pairs judged by gemini -> labels by claude."""
    prompts = space.made("prompts", [prompt()], models=[ref("gpt-4o")])
    answers = space.made("answers", [completion()], [prompts], [ref("tiny")])
    pairs = space.made("pairs", [pair()], [answers], [ref("gemini-2.5-pro", "judge")])
    labels = space.made("labels", [judgement(), judgement(1)], [pairs], [ref("claude-opus-4", "judge")])
    found = lineage_of(labels, space.home)
    assert parts(found.models) == {
        "claude-opus-4": (2, "judge of labels@v1"),
        "gemini-2.5-pro": (2, "judge of pairs@v1"),
        "tiny": (2, "policy of answers@v1"),
        "gpt-4o": (2, "policy of prompts@v1"),
    }
    assert parts(found.licences) == {"MIT": (2, "rows of pairs@v1")}  # labels have none of their own
    assert found.missing == []


def test_writers_whose_rows_were_all_dropped_count_no_more(space):
    """answers by gpt-4o and tiny, filtered to tiny's, judged into pairs: gpt-4o has no part in them."""
    answers = space.made("answers", [completion(0, model="gpt-4o"), completion(1)], [], [ref("gpt-4o"), ref("tiny")])
    kept = space.made("kept", [completion(1)], [answers])
    assert parts(lineage_of(kept, space.home).models) == {"tiny": (1, None)}
    pairs = space.made("pairs", [pair(model_chosen="tiny", model_rejected="tiny")], [kept], [ref("j", "judge")])
    assert set(parts(lineage_of(pairs, space.home).models)) == {"tiny", "j"}


def test_writers_of_what_was_rewritten_still_count(space):
    """answers by gpt-4o, rewritten by tiny: the rows name tiny, and say what gpt-4o said."""
    answers = space.made("answers", [completion(model="gpt-4o")], [], [ref("gpt-4o")])
    rewritten = space.made("rewritten", [completion()], [answers], [ref("tiny")])
    assert parts(lineage_of(rewritten, space.home).models)["gpt-4o"] == (1, "policy of answers@v1")


def test_evaluation_sets_are_no_ancestors(space):
    exam = space.made("exam", [prompt()], models=[ref("gpt-4o")])
    answers = space.made("answers", [completion()])
    clean = space.made("clean", [completion()], [answers, exam], recipe={"kind": "decontaminate"})
    assert set(parts(lineage_of(clean, space.home).models)) == {"tiny"}


def test_an_ancestor_that_is_gone_or_another_is_told(space, tmp_path):
    gone = InputRef(name="gone", version=3, sha256="0" * 64)
    other = replace_ref(space.made("other", [prompt()]))
    found = lineage_of(space.made("answers", [completion()], [gone, other]), space.home)
    assert found.missing == ["gone@v3, an input of answers@v1", "other@v1, an input of answers@v1"]


def replace_ref(version):
    return InputRef(name=version.name, version=1, sha256="f" * 64)


def test_an_ancestor_beside_its_child_is_found_outside_the_workspace(space, tmp_path):
    elsewhere = Space(tmp_path / "elsewhere")
    prompts = elsewhere.made("prompts", [prompt()], models=[ref("gpt-4o")])
    answers = elsewhere.made("answers", [completion()], [prompts])
    assert set(parts(lineage_of(answers, space.home).models)) == {"tiny", "gpt-4o"}


def test_a_conflict_names_the_use_the_term_the_dataset_and_its_rows(space):
    rows = [completion(0, licence="CC-BY-NC-4.0"), completion(1, model="gpt-4o"), completion(2)]
    answers = space.made("answers", rows)
    found = examine(UseTable(purpose="commercial", train="competing"), [answers], [ref("claude-opus-4")], space.home)
    licence, openai, *anthropic = found.conflicts
    assert licence.startswith("use purpose = 'commercial' and train = 'competing': the licence CC-BY-NC-4.0 forbids")
    assert licence.endswith("1 of the 3 rows of answers@v1")
    assert "OpenAI Services Agreement, 3.3(e) forbids training a model that competes" in openai
    assert "https://openai.com/policies/services-agreement/, 2026-01-01" in openai
    assert openai.endswith("gpt-4o, in 1 of the 3 rows of answers@v1")
    assert [one.endswith("claude-opus-4, the policy of this build") for one in anthropic] == [True]
    assert [doubt.rpartition("tiny")[2] for doubt in found.doubts] == [", in 2 of the 3 rows of answers@v1"]


def test_what_is_allowed_is_not_spoken_of(space):
    answers = space.made("answers", [completion(model="Qwen3-32B")])
    found = examine(UseTable(purpose="commercial", train="competing"), [answers], [ref("Mistral-7B-v0.3")], space.home)
    assert (found.conflicts, found.doubts) == ([], [])

"""The engine of a model that names none: the same for builds and for evaluations."""

import pytest

from factory.engines import choose_engine as for_builds
from factory.sampling.choice import engine_for, has_gpu
from factory.sampling.errors import RunError
from pipelines.recipe import ModelTable
from trainer.evaluate.engine import choose_engine as for_evaluations
from trainer.evaluate.settings import EvalSettings


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "https://models.example/v1"])
def test_an_endpoint(url):
    assert engine_for(url).engine == "openai"
    assert for_builds(ModelTable(model=url)).engine == "openai"
    assert for_evaluations(EvalSettings(model=url, data="p@v1")) == "openai"


def test_a_checkpoint(tiny_checkpoint):
    chosen = engine_for(str(tiny_checkpoint))
    assert chosen.engine == "transformers" or has_gpu()
    assert for_builds(ModelTable(model=str(tiny_checkpoint))) == chosen
    assert for_evaluations(EvalSettings(model=str(tiny_checkpoint), data="p@v1")) == chosen.engine


@pytest.mark.parametrize("name", ["nothing", "http", "replay"])
def test_a_folder_that_is_no_checkpoint_is_told_at_once(tmp_path, name):
    with pytest.raises(RunError, match="no such folder"):
        engine_for(str(tmp_path / name))


def test_an_engine_that_is_named_is_taken(tiny_checkpoint):
    for name in ("transformers", "vllm"):
        assert for_builds(ModelTable(model=str(tiny_checkpoint), engine=name)).engine == name
        assert for_evaluations(EvalSettings(model=str(tiny_checkpoint), data="p@v1", engine=name)) == name

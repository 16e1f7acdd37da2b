import pytest

from tests.trainer.report.made import ReportSpace, forty_prompts


@pytest.fixture
def bare(tmp_path, monkeypatch, capsys):
    """A workspace without prompts."""
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return ReportSpace(tmp_path, capsys)


@pytest.fixture
def space(bare):
    """Forty prompts of two families in two levels."""
    bare.version(forty_prompts())
    return bare

"""The API against its own description: cases that schemathesis makes of it, the same ones every time."""

import pytest

from tests.factory.service.fuzzing import Fuzz
from tests.factory.service.rich import rich_workspace

EXAMPLES = 12  # of each call; `python -m bench.fuzz` asks many more
ENDLESS = 3  # of streams


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory):
    home = tmp_path_factory.mktemp("rich")
    fuzz = Fuzz(home, rich_workspace(home))
    yield fuzz
    fuzz.close()


def test_every_call_answers_as_it_says(fuzz):
    service = fuzz.app.state.service
    assert len(fuzz.calls) > 30
    for label in fuzz.calls:
        fuzz.run(label, ENDLESS if label.endswith("/events") else EXAMPLES)
    answered = {status for _, status in service.requests.answered}
    assert {200, 201, 400, 404, 409, 422} <= answered  # the cases reached both what is there and what is not
    assert not service.streams

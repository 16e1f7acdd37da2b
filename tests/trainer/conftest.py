import pytest

from tests.tiny_model import tiny_checkpoint

__all__ = ["tiny_checkpoint"]


@pytest.fixture(scope="session")
def world():
    """One process alone. DeepSpeed bears only one world in the life of a process."""
    from trainer.world import join_world, leave_world

    world = join_world()
    yield world
    leave_world(world)

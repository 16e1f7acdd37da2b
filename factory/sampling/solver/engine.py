"""The engine `solver`: works the questions of generated tasks out by script. It asks nobody, and costs nothing.

All answers to a question are one and the same, whatever the sampling settings. Tokens are counted as 0: there are none.
"""

from __future__ import annotations

from factory.sampling.errors import RowError, RunError
from factory.sampling.reasoning import CLOSE, OPEN
from factory.sampling.solver.families import FAMILIES, solve
from factory.sampling.types import Answer, Capability, EngineStats, SamplingParams
from schemas.manifest import ModelRef
from schemas.records import Message

ENGINE = "solver"
NAME = "reasoning-gym"  # the tasks that it knows, and the only solver there is
VERSION = "1"  # of the solutions: a change in what is written down needs a new one


class SolverEngine:
    """A `Sampler`. `name` is what follows `solver:` in a recipe."""

    capabilities: frozenset[Capability] = frozenset({"seed"})

    def __init__(self, name: str, role: str = "policy") -> None:
        self._name = name
        self._role = role
        self.stats = EngineStats(limit=1)

    @property
    def model(self) -> ModelRef:
        model = f"{ENGINE}:{self._name}"
        return ModelRef(role=self._role, model=model, revision=VERSION, engine=ENGINE, engine_version=VERSION)

    async def start(self) -> None:
        """Raises `RunError` for a name that no solver has."""
        if self._name != NAME:
            raise RunError("bad_solver", f"solver:{self._name}: there is no such solver; known: solver:{NAME}")

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]:
        """Raises `RowError` where the last message is no question of a known family."""
        lacking = params.needs() - self.capabilities
        if lacking:
            raise RunError("unsupported", f"the solver cannot do {', '.join(sorted(lacking))}")
        self.stats.requests += 1
        worked = solve(messages[-1].content) if messages else None
        if worked is None:
            raise RowError("not_solvable", f"the solver knows the tasks {', '.join(FAMILIES)}, worded as they come")
        self.stats.answered += 1
        text = f"{OPEN}\n{worked.reasoning}\n{CLOSE}\n\n{worked.answer}"
        return [Answer(text=text, finish_reason="stop", n_prompt_tokens=0, n_completion_tokens=0)] * n

    async def close(self) -> None:
        return None

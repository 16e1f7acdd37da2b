"""Prompts of reasoning-gym's generated tasks. The same settings and seed give the same prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from judges.base import JudgeError, Verifier
from judges.reasoning_gym import ReasoningGym, Task
from judges.registry import make_verifier
from pipelines.conversations import under_system_prompt
from pipelines.dedupe import EqualRows
from pipelines.mix.mix import turns
from pipelines.prompts_recipe import PromptsRecipe
from pipelines.rows import rejection
from pipelines.task_entries import DrawnTask, Entries, tasks_of
from pipelines.tasks_table import FAMILIES
from pipelines.to_prompt import STAGE, checked
from schemas.canonical import prompt_id
from schemas.errors import DataError
from schemas.manifest import InputRef
from schemas.records import Message, Prompt, Rejection

NOTHING_NEW = 1000  # entries in a row that bring no new prompt: the family has hardly any more


def task_inputs(recipe: PromptsRecipe) -> list[InputRef]:
    return [task.input() for task in tasks_of(recipe)]


def task_prompts(recipe: PromptsRecipe) -> Iterator[Prompt | Rejection]:
    """Entries 0 to size-1 of the recipe's family; or of several tasks `size` different prompts each.

    Raises:
        DataError: no such family, settings that it does not take, or too few different prompts in it.
    """
    verifier = make_verifier(recipe.verifier or ReasoningGym.name)
    drawings = [Drawing(recipe, verifier, task) for task in tasks_of(recipe)]
    if recipe.source == FAMILIES:
        yield from _in_turns(drawings)
    else:
        for _ in range(drawings[0].task.size):
            prompt = drawings[0].prompt()
            yield drawings[0].usable(prompt)


def _in_turns(drawings: list[Drawing]) -> Iterator[Prompt | Rejection]:
    """Drawn task by task, so that none takes a prompt from one before it; then they take turns, so that their shares
    hold all along, whatever part of the rows is read."""
    equal = EqualRows("prompt")
    drawn = [iter([drawing.until_new(equal) for _ in range(drawing.task.size)]) for drawing in drawings]
    for place in turns([drawing.task.size for drawing in drawings]):
        yield from next(drawn[place])


class Drawing:
    """One task, entry by entry."""

    def __init__(self, recipe: PromptsRecipe, verifier: Verifier, task: DrawnTask) -> None:
        """Raises DataError for a family that is not there, or settings that it does not take."""
        self.task = task
        self._recipe, self._verifier, self._entries = recipe, verifier, Entries(task)
        self._next = self._given = 0

    def until_new(self, equal: EqualRows) -> list[Prompt | Rejection]:
        """Entries up to the next prompt that is usable and unlike all before, with why those before it are not."""
        rows: list[Prompt | Rejection] = []
        while len(rows) < NOTHING_NEW:
            row = self.usable(self.prompt())
            rows.append(row if isinstance(row, Rejection) else equal.seen(row) or row)
            if isinstance(rows[-1], Prompt):
                self._given += 1
                return rows
        kinds = Counter(row.kind for row in rows if isinstance(row, Rejection))
        why = ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common())
        raise DataError(
            f"{self.task.named}: {NOTHING_NEW} entries in a row brought no new prompt after {self._given} of "
            f"{self.task.size} ({why}); give it a smaller size, or correct {self.task.key}"
        )

    def prompt(self) -> Prompt:
        """Of the next entry."""
        index, task = self._next, self.task
        self._next += 1
        entry = self._entries.at(index)
        messages = under_system_prompt([Message("user", entry["question"])], self._recipe.system_prompt)
        answer = entry["answer"]
        return Prompt(
            prompt_id=prompt_id(messages),
            prompt=messages,
            ground_truth=None if answer is None else str(answer),
            verifier=self._verifier.name,
            source=task.source,
            source_id=str(index) if task.level is None else f"{task.level}/{index}",
            licence=self._recipe.licence,
            metadata=Task(task.family, task.config, entry).to_json(task.level),
        )

    def usable(self, prompt: Prompt) -> Prompt | Rejection:
        """The prompt, unless no answer to it can be checked, or its own answer does not count."""
        found = checked(prompt, self._verifier, f"{prompt.source} task {prompt.source_id}")
        return found if isinstance(found, Rejection) else _own_answer_counts(found)


def _own_answer_counts(prompt: Prompt) -> Prompt | Rejection:
    """Drops a task whose own answer its scorer does not take: nothing could solve it."""
    if prompt.ground_truth is None or prompt.verifier != ReasoningGym.name:
        return prompt
    try:
        verdict = ReasoningGym().verify(prompt, f"<answer>{prompt.ground_truth}</answer>")
    except JudgeError as err:
        return rejection(prompt.prompt_id, STAGE, err.kind, err.reason, row=prompt)
    if verdict.verdict == "correct":
        return prompt
    reason = f"{prompt.source} task {prompt.source_id}: its own answer does not count: {verdict.reason}"
    return rejection(prompt.prompt_id, STAGE, "own_answer_refused", reason, row=prompt)

"""The second, lenient form of a verdict. Strict is what a reward is given for; flex is for evaluating and watching.

Flex takes an answer that is right in whatever form it stands, and so is right at least as often:

    math                      any candidate answer of the text will do (`judges.math_answers`)
    gsm8k                     the number that the text states, or any candidate answer as `math` reads them
    ifeval, ifbench, if_train IFEval's loose check: without its first or last line, or without asterisks

Every other verifier has one form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from judges.base import verdict
from judges.math_answers.verifier import Math
from schemas.records import Prompt

Facts = Mapping[str, Any]  # the metadata of the strict verdict


def has_two_forms(verifier: str) -> bool:
    return verifier in _FLEX


async def flex(verifier: str, prompt: Prompt, text: str, strict: bool | None, facts: Facts) -> bool | None:
    """Whether an answer is right in any form; None when that cannot be told. `verifier` must have two forms.

    `strict` and `facts`, the metadata, are of the strict verdict on the same text; null where it abstains.

    Raises:
        JudgeError: the check itself broke.
    """
    return True if strict else await _FLEX[verifier](prompt, text, facts)


async def _any_candidate(prompt: Prompt, text: str, facts: Facts) -> bool | None:
    found: bool | None = facts["flex"]
    return found


async def _any_number(prompt: Prompt, text: str, facts: Facts) -> bool | None:
    return await _any_candidate(prompt, text, (await verdict(Math(), prompt, text)).metadata or {})


async def _loose(prompt: Prompt, text: str, facts: Facts) -> bool | None:
    followed: bool = facts["loose"]["all"]
    return followed


_FLEX: dict[str, Callable[[Prompt, str, Facts], Awaitable[bool | None]]] = {
    "gsm8k": _any_number,
    "if_train": _loose,
    "ifbench": _loose,
    "ifeval": _loose,
    "math": _any_candidate,
}

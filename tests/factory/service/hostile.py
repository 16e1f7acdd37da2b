"""Texts that would act where they are not made inert, and a version that has them in every column."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec.structs import replace

from schemas.records import Message
from tests.factory.looking.workspace import version
from tests.schemas.rows import completion, pair, pass_rate, prompt, rejection, trace

AWAY = "https://evil.example"
TEXTS = (
    "<script>document.title='owned';fetch('https://evil.example/s')</script>",
    "<img src=https://evil.example/i onerror=alert(1)><svg onload=alert(2)><body onload=alert(3)>",
    '"><a id=planted href="javascript:alert(4)">x</a><iframe src="javascript:alert(5)"></iframe>',
    "'-alert(6)-' {{7*7}} ${7*7} {% raw %} <%= 7*7 %> #{7*7} {{config}} {{''.__class__}}",
    "![x](https://evil.example/m.png) [y](javascript:alert(7)) <https://evil.example/auto>",
    "</title></style></textarea></pre></script><link rel=stylesheet href=https://evil.example/c>",
    "\u202egnp.exe\u202c \u2066hidden\u2069 \x1b[31mred\x1b[0m \x07 \u200bzero \ufeff \x85 \u2028",
    "<meta http-equiv=refresh content='0;url=https://evil.example/r'><base href=https://evil.example/>",
)
HUGE = "<b>" + "x" * 2_000_000


def hostile_workspace(home: Path) -> dict[str, int]:
    """Versions by name, and how many rows each has."""
    found = {}
    made = {"prompts": prompt, "completions": completion, "traces": trace, "pairs": pair, "rates": pass_rate}
    for name, make in made.items():
        rows = [_poisoned(make(number), text) for number, text in enumerate((*TEXTS, HUGE))]
        dropped = [_poisoned(rejection(number), text) for number, text in enumerate(TEXTS)]
        recipe = {"n": 1, TEXTS[0]: TEXTS[1], "prompt": TEXTS[2]}
        version(home, name, rows, dropped, recipe=recipe, licences=[TEXTS[1]], software={TEXTS[0]: TEXTS[2]})
        found[name] = len(rows)
    return found


def _poisoned(row, text):
    """The text in every column that holds one."""
    changes = {}
    for field in row.__struct_fields__:
        value = getattr(row, field)
        if isinstance(value, list) and value and isinstance(value[0], Message):
            changes[field] = [Message(turn.role, text, text if turn.role == "assistant" else None) for turn in value]
        elif field == "metadata":
            changes[field] = json.dumps({text[:200]: text, "judgements": [{"judge": text[:80], "reason": text}]})
        elif isinstance(value, str) and field not in ("outcome", "finish_reason", "row") and not field.endswith("_id"):
            changes[field] = text if len(text) < 10_000 else text[:10_000]
    return replace(row, **changes)

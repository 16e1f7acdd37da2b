"""`trainer eval`: how often a model is right on a dataset's prompts, and how far it is from a reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from trainer.evaluate.settings import EvalSettings
    from trainer.stop import Terminations

app = App(name="eval", help="Evaluate a model: accuracy strict and flex, pass@k, KL to a reference.")


Many = Annotated[tuple[str, ...], Parameter(consume_multiple=False, negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Choices:
    """How to draw, what else to measure, and where it goes."""

    n: int = 1
    "answers to each prompt"
    k: str | None = None
    "pass@k to report, such as 1,4,8 (default: 1, 2, 4, ... up to --n)"
    temperature: float = 0.0
    "0: the likeliest token each time"
    top_p: float = 1.0
    "draw from the likeliest tokens of this share"
    max_tokens: int = 1024
    "of one answer"
    system_prompt: str | None = None
    "in place of the prompts' own"
    set: Many = ()
    "what the chat template is told besides, as KEY=VALUE: --set chat_template_kwargs.enable_thinking=false"
    reference: str | None = None
    "a checkpoint folder: report the KL of the model from it, on answers at temperature 1"
    kl_data: str | None = None
    "the prompts of the KL (default: those of --data)"
    limit: int | None = None
    "only the first prompts"
    skip_unverified: Annotated[bool, Parameter(negative="")] = False
    "leave out prompts that name no verifier"
    engine: Literal["auto", "transformers", "vllm", "openai"] = "auto"
    "what answers; auto: an endpoint for a URL, vLLM where there is a GPU and a vLLM, else transformers"
    name: str | None = None
    "what the endpoint calls the model, where it serves several"
    seed: int = 0
    "of the answers and of the intervals of pass@k"
    out: Path = Path("eval.json")
    "the report; every answer goes to eval.answers.jsonl beside it"
    json: Annotated[bool, Parameter(negative="")] = False
    "print one JSON object on stdout: the report without its rows"


@app.default
def evaluate(*, model: str, data: str, choices: Choices | None = None) -> int:
    """Evaluate a model on prompts that name a verifier. The same command again goes on, or prints what is there.

    Parameters
    ----------
    model
        a checkpoint folder, or the URL of an endpoint (http://127.0.0.1:8000/v1)
    data
        a dataset version of prompts or pass-rate, such as heldout@v1
    """
    from trainer.evaluate.settings import EvalSettings, parse_ks, parse_settings
    from trainer.stop import heeding_sigterm

    chosen = choices or Choices()
    fields = {name: value for name, value in vars(chosen).items() if name not in ("k", "json", "set")}
    fields |= parse_settings(list(chosen.set))
    settings = EvalSettings(model=model, data=data, ks=parse_ks(chosen.k), **fields)
    return heeding_sigterm(str(chosen.out), lambda terminations: _evaluate(settings, chosen.json, terminations))


def _evaluate(settings: EvalSettings, json: bool, terminations: Terminations) -> int:
    import msgspec

    from schemas.datasets import workspace
    from trainer.evaluate.page import print_page
    from trainer.evaluate.report import to_json
    from trainer.evaluate.run import evaluate as run

    report = run(settings, workspace(), terminations)
    if json:
        found = to_json(report)
        del found["results"]
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print_page(report)
    return 0

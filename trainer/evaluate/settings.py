"""What a person asked for, checked before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import Field

from factory.sampling.choice import is_url
from factory.sampling.types import SamplingParams
from schemas.recipes import Table, load_recipe
from trainer.evaluate.errors import EvalError
from trainer.rows.chat_tokenizer import RESERVED

EngineName = Literal["auto", "transformers", "vllm", "openai"]
MOST_ANSWERS = 4096  # to one prompt


class EvalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation. `ks` are those of pass@k; none: 1, 2, 4, ... up to `n`."""

    model: str  # a checkpoint folder, or the URL of an endpoint
    data: str
    n: int = 1
    ks: tuple[int, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    system_prompt: str | None = None  # in place of the prompts' own
    chat_template_kwargs: dict[str, Any] = {}
    reference: str | None = None
    kl_data: str | None = None  # None: `data`
    limit: int | None = None  # prompts, from the first on
    skip_unverified: bool = False
    engine: EngineName = "auto"
    name: str | None = None  # what the endpoint calls the model, where it serves several
    seed: int = 0
    out: Path = Path("eval.json")

    @property
    def is_endpoint(self) -> bool:
        return is_url(self.model)

    @property
    def answers_path(self) -> Path:
        return self.out.with_name(f"{self.out.stem}.answers.jsonl")

    @property
    def kept_path(self) -> Path:
        return self.out.with_name(f"{self.out.stem}.kept.sqlite")

    @property
    def logs(self) -> Path:
        return self.out.with_name(f"{self.out.stem}.logs")

    @property
    def pass_ks(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.ks))) or tuple(1 << power for power in range(self.n.bit_length()))

    @property
    def sampling(self) -> SamplingParams:
        """Tokens and log-probs are asked for where a KL may use the same answers."""
        return self._params(self.temperature, self.top_p, tokens=self.reference is not None)

    @property
    def kl_sampling(self) -> SamplingParams:
        """From the model's own distribution, neither cooled nor cut: nothing else gives the KL of the model."""
        return self._params(1.0, 1.0, tokens=True)

    def _params(self, temperature: float, top_p: float, tokens: bool) -> SamplingParams:
        return SamplingParams(
            temperature=temperature,
            top_p=top_p,
            max_tokens=self.max_tokens,
            logprobs=tokens,
            token_ids=tokens,
            chat_template_kwargs=self.chat_template_kwargs,
        )


class _Settable(Table):
    """What `--set KEY=VALUE` can say of an evaluation."""

    chat_template_kwargs: dict[str, Any] = Field(default={})


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Fields of `EvalSettings`. Raises RecipeError: an unknown key, or none at all."""
    return load_recipe(_Settable, None, {}, settings).model_dump()


def parse_ks(text: str | None) -> tuple[int, ...]:
    """`1,4,8` as numbers; nothing where nothing is written. Raises EvalError."""
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts):
        raise EvalError(f"--k {text}: write whole numbers with commas between them, such as 1,4,8")
    return tuple(int(part) for part in parts)


def check_settings(settings: EvalSettings) -> None:
    """Raises EvalError for what can be seen without opening a file."""
    for check in (_bad_numbers, _bad_draws, _bad_engine, _bad_template, _bad_out):
        if (problem := check(settings)) is not None:
            raise EvalError(problem)


def _bad_numbers(settings: EvalSettings) -> str | None:
    if not 1 <= settings.n <= MOST_ANSWERS:
        return f"--n {settings.n}: must be 1 to {MOST_ANSWERS}"
    if not 0 <= settings.temperature <= 100:
        return f"--temperature {settings.temperature}: must be 0 to 100"
    if not 0 < settings.top_p <= 1:
        return f"--top-p {settings.top_p}: must be above 0 and at most 1"
    if settings.max_tokens < 1:
        return f"--max-tokens {settings.max_tokens}: must be at least 1"
    if settings.limit is not None and settings.limit < 1:
        return f"--limit {settings.limit}: must be at least 1"
    return None


def _bad_draws(settings: EvalSettings) -> str | None:
    if settings.n > 1 and settings.temperature == 0:
        return f"--n {settings.n} at temperature 0 gives one answer {settings.n} times; add --temperature 1, or --n 1"
    if outside := [k for k in settings.ks if not 1 <= k <= settings.n]:
        return f"--k {outside[0]}: pass@{outside[0]} needs as many answers, and --n is {settings.n}; raise --n"
    return None


def _bad_engine(settings: EvalSettings) -> str | None:
    if settings.is_endpoint and settings.engine not in ("auto", "openai"):
        return f"--engine {settings.engine} serves checkpoint folders; --model is a URL"
    if not settings.is_endpoint and settings.engine == "openai":
        return f"--engine openai needs the URL of an endpoint, and --model is {settings.model!r}"
    if settings.name is not None and not settings.is_endpoint:
        return "--name is what an endpoint calls its model; --model is a folder, which needs none"
    if settings.reference is not None and settings.is_endpoint:
        return "--reference needs the model's own log-probs; give --model as a checkpoint folder"
    if settings.kl_data is not None and settings.reference is None:
        return "--kl-data is for --reference CKPT; give both or neither"
    return None


def _bad_template(settings: EvalSettings) -> str | None:
    if taken := sorted(RESERVED & settings.chat_template_kwargs.keys()):
        return f"--set chat_template_kwargs.{taken[0]}: not for a template to be told; leave it out"
    return None


def _bad_out(settings: EvalSettings) -> str | None:
    if settings.out.suffix != ".json" or settings.out.is_dir():
        return f"--out {settings.out}: name a file that ends in .json"
    return None

"""Training recipes: TOML tables, defaults included. One recipe a kind of training; most tables are shared.

`[engine]` and `[run]` say how to run; everything else decides what the weights become.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.recipes import Table
from trainer.data.prepare import TooLong
from trainer.objectives.preference import NEEDS_REFERENCE, PreferenceLoss

HOW_TO_RUN = ("run",)  # tables that may change between a killed run and the one that goes on


class ModelTable(Table):
    """`dtype`: of weights and activations; the optimiser's copy is fp32 in any case. auto: bf16 on a GPU, else fp32."""

    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    gradient_checkpointing: bool = False
    dropout: float | None = None  # None: as the checkpoint says


class LoraTable(Table):
    """Low-rank adapters on all linear layers but the last (Hu et al. 2021). The export is merged."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: str | tuple[str, ...] = "all-linear"


class RowsTable(Table):
    """How rows become tokens. `max_length` is of one document, prompt and answer together."""

    max_length: int = Field(default=4096, ge=2)
    too_long: TooLong = "drop"
    turns: Literal["all", "last"] = "all"
    reasoning: Literal["field", "inline", "drop"] = "field"
    today: str | None = None  # "2026-01-31", for templates that write the date
    sampled_ids: bool = False  # completions as the ids that were sampled, not tokenised again
    chat_template_kwargs: dict[str, Any] = Field(default={})
    max_dropped_share: float = Field(default=0.1, ge=0, le=1)


class BatchTable(Table):
    """An optimiser step takes rows until it has `rows` of them, or until the next would go over `tokens` tokens.

    `micro_tokens` bounds what one GPU has in one forward pass. It changes memory and speed, not the update.
    """

    rows: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=2)
    micro_tokens: int = Field(default=8192, ge=2)

    @model_validator(mode="after")
    def _has_an_end(self) -> BatchTable:
        if self.rows is None and self.tokens is None:
            raise ValueError("give batch.rows or batch.tokens, or both")
        return self


class OptimizerTable(Table):
    """AdamW (Loshchilov and Hutter 2019). `clip` bounds the norm of the whole gradient; 0 does not."""

    lr: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)  # of matrices; biases and norms are not decayed
    clip: float = Field(default=1.0, ge=0)


class ScheduleTable(Table):
    """The learning rate: straight up over `warmup` (a share of all steps), then down to `final` of the peak."""

    shape: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = Field(default=0.03, ge=0, lt=1)
    final: float = Field(default=0.0, ge=0, le=1)


class EngineTable(Table):
    """DeepSpeed. `zero` 0-3 parts nothing, optimiser state, gradients too, weights too among the GPUs."""

    zero: Literal[0, 1, 2, 3] = 2
    offload_optimizer: bool = False  # to the CPU's memory
    offload_parameters: bool = False  # zero 3 alone

    @model_validator(mode="after")
    def _offload_fits(self) -> EngineTable:
        if self.offload_parameters and self.zero != 3:
            raise ValueError("engine.offload_parameters needs engine.zero = 3")
        if self.offload_optimizer and self.zero == 0:
            raise ValueError("engine.offload_optimizer needs engine.zero of at least 1")
        return self


class RunTable(Table):
    """What is saved and shown. Nothing here changes a weight."""

    checkpoint_every: int = Field(default=200, ge=0)  # steps; 0: only at the end
    keep_checkpoints: int = Field(default=2, ge=1)
    eval_every: int = Field(default=100, ge=0)  # steps; 0: only at the end
    track: Literal["trackio", "wandb", "tensorboard", "mlflow"] | None = None


class TrainRecipe(Table):
    """What all kinds of training share."""

    model: ModelTable = ModelTable()
    lora: LoraTable | None = None
    rows: RowsTable = RowsTable()
    batch: BatchTable
    optimizer: OptimizerTable
    schedule: ScheduleTable = ScheduleTable()
    engine: EngineTable = EngineTable()
    run: RunTable = RunTable()
    epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    kind: str

    @property
    def reference(self) -> str | None:
        """A checkpoint that the recipe names to be held against."""
        return None


class SftRecipe(TrainRecipe):
    kind: Literal["sft"] = "sft"


class DpoTable(Table):
    """`beta` as in the paper of each loss; `nll` weighs the mean negative log-prob of the chosen answers' tokens."""

    loss: PreferenceLoss = "dpo_norm"
    beta: float = Field(default=5.0, gt=0)
    gamma: float = Field(default=0.3, ge=0)  # of simpo alone, a share of beta
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    nll: float = Field(default=0.0, ge=0)
    reference: str | None = None  # a checkpoint; None: the one that training begins with

    @model_validator(mode="after")
    def _all_is_used(self) -> DpoTable:
        if self.label_smoothing and self.loss == "ipo":
            raise ValueError("dpo.label_smoothing has no meaning for the loss ipo; leave it out")
        if self.reference is not None and self.loss not in NEEDS_REFERENCE:
            raise ValueError(f"dpo.reference is not used by the loss {self.loss}; leave it out")
        return self


class DpoRecipe(TrainRecipe):
    kind: Literal["dpo"] = "dpo"
    dpo: DpoTable = DpoTable()

    @property
    def reference(self) -> str | None:
        return self.dpo.reference


class RewardRecipe(TrainRecipe):
    kind: Literal["reward"] = "reward"


Recipe = SftRecipe | DpoRecipe | RewardRecipe


def identity(recipe: TrainRecipe) -> dict[str, Any]:
    """The part of a recipe that decides what the weights become, as JSON."""
    table: dict[str, Any] = recipe.model_dump(mode="json")
    for name in HOW_TO_RUN:
        table.pop(name, None)
    return table

"""The recipe of RLVR: TOML tables, defaults included. What it shares with other kinds of training is in `recipe.py`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.recipes import Table
from trainer.objectives.kl import KlEstimator
from trainer.objectives.presets import PRESETS, Preset
from trainer.recipe import RunTable, TrainRecipe
from trainer.reward_recipe import JudgeRunTable
from trainer.reward_recipe import RewardTable as RewardTable


class PolicyTable(Table):
    """The loss of GRPO and its kin: each is a choice of these. Sources: see `trainer.objectives.policy`.

    `preset` fills in what a paper has; whatever else is given goes over it. `passes`: over each batch. In `cispo` the
    clip bounds the weight, and `clip_low` = 1 leaves it without a lower bound. `importance_cap` (0: none) and
    `importance_mask` are of the trainer's probability over the sampler's, token by token. `mask_cut`: rollouts that the
    length cut train nothing. `kl` is against the reference, with a `kl_weight` above 0: in the loss, k1 has no gradient
    in the mean and that of k2 is the true one, as with `kl_by_ratio` are those of k1 and k3, also off the policy; in
    the reward it is paid before advantages are taken.
    """

    preset: Preset | None = None
    loss: Literal["clip", "cispo", "reinforce"] = "clip"
    advantages: Literal["centred", "standard", "leave_one_out", "gae"] = "centred"
    passes: int = Field(default=1, ge=1)
    ratio: Literal["token", "sequence"] = "token"
    clip_low: float = Field(default=0.2, ge=0, le=1)
    clip_high: float = Field(default=0.272, ge=0)
    divide_by: Literal["tokens", "rollouts", "budget"] = "tokens"
    importance_cap: float = Field(default=2.0, ge=0)
    importance_mask: tuple[float, float] | None = None
    mask_cut: bool = False
    kl: KlEstimator = "k3"
    kl_in: Literal["loss", "reward"] = "loss"
    kl_by_ratio: bool = False
    kl_weight: float = Field(default=0.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, table: Any) -> Any:  # noqa: ANN401 - whatever the recipe has there
        preset = table.get("preset") if isinstance(table, dict) else None
        return {**PRESETS[preset], **table} if isinstance(preset, str) and preset in PRESETS else table

    @model_validator(mode="after")
    def _all_is_used(self) -> PolicyTable:
        if self.loss == "reinforce" and self.ratio == "sequence":
            raise ValueError("policy.ratio is not used by the loss reinforce; leave it out")
        if self.kl_by_ratio and (self.kl_in == "reward" or not self.kl_weight):
            raise ValueError("policy.kl_by_ratio is of a KL in the loss; give policy.kl_weight, too, and no kl_in")
        if self.importance_mask is not None and not 0 <= self.importance_mask[0] <= 1 <= self.importance_mask[1]:
            raise ValueError("policy.importance_mask must have 1 inside its bounds, as in [0.5, 5.0]")
        return self

    @property
    def needs_reference(self) -> bool:
        return self.kl_weight > 0


class ValueTable(Table):
    """PPO's value model, as Tulu 3 has it. `clip` (0: none) is of a value's change in a batch, `weight` of the loss.

    `model`: a reward model, or a language model, whose last layer then begins at random; None: the one that training
    begins with. In the first `warmup` batches it learns alone.
    """

    model: str | None = None
    lr: float | None = Field(default=None, gt=0)  # None: the policy's
    gamma: float = Field(default=1.0, ge=0, le=1)
    lam: float = Field(default=0.95, ge=0, le=1)
    whiten: bool = True
    clip: float = Field(default=0.2, ge=0)
    weight: float = Field(default=0.1, gt=0)
    warmup: int = Field(default=0, ge=0)


class RolloutsTable(Table):
    """One batch is `prompts` groups of `per_prompt` rollouts, in the order in which prompts were drawn.

    `max_age`: of how many batches ago the weights may be that a rollout began with. 0: sampling and learning take
    turns; above it, the next batches are sampled while one is learnt from, and weights change under them.
    `gpus`: those of each replica, as CUDA_VISIBLE_DEVICES names them; none: the first ones, beside the learner.
    """

    prompts: int = Field(default=64, ge=1)
    per_prompt: int = Field(default=8, ge=1)
    max_tokens: int = Field(default=2048, ge=1)
    max_age: int = Field(default=0, ge=0)
    only_with_gradient: bool = True  # a group whose rewards are all equal makes room for the next prompt's
    max_failed_share: float = Field(default=0.1, ge=0, le=1)  # rollouts without a reward
    engine: Literal["auto", "transformers", "vllm"] = "auto"
    replicas: int = Field(default=1, ge=1)  # of vLLM
    tensor_parallel: int = Field(default=1, ge=1)
    gpu_memory_share: float = Field(default=0.9, gt=0, le=1)
    gpus: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _gpus_for_each(self) -> RolloutsTable:
        if not self.gpus:
            return self
        if len(self.gpus) != self.replicas:
            raise ValueError(
                f"rollouts.gpus names {len(self.gpus)} sets for {self.replicas} replicas; name one for each"
            )
        named = [gpu.strip() for replica in self.gpus for gpu in replica.split(",")]
        if "" in named or len(set(named)) != len(named):
            raise ValueError(f'rollouts.gpus = {self.gpus}: name each GPU once, as in ["4", "5"] or ["4,5", "6,7"]')
        if len(named) != self.replicas * self.tensor_parallel:
            each = f"{self.tensor_parallel} GPU{'s' * (self.tensor_parallel > 1)} a replica"
            raise ValueError(f"rollouts.gpus = {self.gpus}: rollouts.tensor_parallel asks for {each}")
        return self


class SignalTable(Table):
    """Which prompts are drawn. Bounds are on pass rates that the data states, `retire_above` on what the run sees.

    `curriculum` begins with the first and goes on with the second.
    """

    min_pass_rate: float | None = Field(default=None, ge=0, le=1)  # of the data: lower ones are left out
    max_pass_rate: float | None = Field(default=None, ge=0, le=1)  # higher ones are left out
    retire_above: float | None = Field(default=None, ge=0, le=1)  # a group that did better is the prompt's last
    curriculum: bool = False  # a prompt is drawn as often as its group is likely to have a gradient


class WatchTable(Table):
    """What is watched every `run.eval_every` batches: the same prompts each time, of --eval or the first of --data."""

    prompts: int = Field(default=128, ge=0)  # 0: nothing is watched
    per_prompt: int = Field(default=1, ge=1)


class KlTable(Table):
    """How far the policy goes from the reference: nats an answer, over the watched prompts."""

    reference: str | None = None  # a checkpoint; None: the one that training begins with
    measured: bool = True  # holds the reference in memory
    budget: float | None = Field(default=None, gt=0)  # beyond it the run ends, and exports the best within


class RlvrRunTable(RunTable):
    """`datasets`: what those of the run's rollouts and pass rates are called, before -rollouts and -pass-rate."""

    datasets: str | None = None  # None: as --out
    judges: JudgeRunTable = JudgeRunTable()


class RlvrRecipe(TrainRecipe):
    """`max_steps` batches. `batch.rows`: rollouts of one update; as many as a batch has, unless it says otherwise."""

    kind: Literal["rlvr"] = "rlvr"
    policy: PolicyTable = PolicyTable()
    value: ValueTable | None = None
    rollouts: RolloutsTable = RolloutsTable()
    signal: SignalTable = SignalTable()
    reward: RewardTable = RewardTable()
    kl: KlTable = KlTable()
    watch: WatchTable = WatchTable()
    run: RlvrRunTable = RlvrRunTable()
    max_steps: int = Field(ge=1)

    @property
    def reference(self) -> str | None:
        return self.kl.reference

    @property
    def needs_reference(self) -> bool:
        return self.policy.needs_reference or (self.kl.measured and self.watch.prompts > 0)

    @model_validator(mode="after")
    def _budget_is_measured(self) -> RlvrRecipe:
        if self.kl.budget is not None and not (self.kl.measured and self.watch.prompts):
            raise ValueError("kl.budget needs kl.measured = true and watch.prompts of at least 1")
        return self

    @model_validator(mode="after")
    def _rollouts_fit(self) -> RlvrRecipe:
        if self.rollouts.max_tokens >= self.rows.max_length:
            raise ValueError(
                f"rollouts.max_tokens = {self.rollouts.max_tokens} leaves no room for a prompt in "
                f"rows.max_length = {self.rows.max_length}, which is of both together; raise the second"
            )
        if self.rows.max_length > self.batch.micro_tokens:
            raise ValueError(
                f"a rollout may have rows.max_length = {self.rows.max_length} tokens, "
                f"more than batch.micro_tokens = {self.batch.micro_tokens}; raise the second, or lower the first"
            )
        return self

    @model_validator(mode="after")
    def _reinforce_updates_once(self) -> RlvrRecipe:
        whole = self.rollouts.prompts * self.rollouts.per_prompt
        is_once = self.policy.passes == 1 and (self.batch.rows is None or self.batch.rows >= whole)
        if self.policy.loss == "reinforce" and not is_once:
            raise ValueError(
                f"the loss reinforce has no ratio to the weights of before the first update: one update a batch; "
                f"set policy.passes = 1 and batch.rows = {whole} (a whole batch), or take another policy.loss"
            )
        return self

    @model_validator(mode="after")
    def _value_is_used(self) -> RlvrRecipe:
        if (self.policy.advantages == "gae") != (self.value is not None):
            raise ValueError('policy.advantages = "gae" needs the table [value], and nothing else uses it')
        if self.value is not None and self.rollouts.only_with_gradient:
            raise ValueError(
                'policy.advantages = "gae" learns from every rollout by itself; set rollouts.only_with_gradient = false'
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, table: dict[str, Any]) -> dict[str, Any]:
        batch = dict(table.get("batch", {}))
        if batch.get("rows") is None and batch.get("tokens") is None:
            rollouts = RolloutsTable(**table.get("rollouts", {}))
            batch["rows"] = rollouts.prompts * rollouts.per_prompt
        # With dropout the trainer's log-probs would not be the sampler's, whatever the weights.
        model = {"dropout": 0.0, **table.get("model", {})}
        return {**table, "batch": batch, "model": model}

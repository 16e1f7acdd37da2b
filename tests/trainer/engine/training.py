"""Training in this process, and the same training written down plainly: what every engine must agree with."""

from __future__ import annotations

from pathlib import Path

import torch

from trainer.data.packing import best_fit
from trainer.data.steps import Rows, plan_spans
from trainer.engine import Engine
from trainer.flops import size_of
from trainer.loop import Data, Trainer
from trainer.model.parted import load_for_engine
from trainer.objectives.table import Objective, objective_of
from trainer.objectives.values import Foretold, value_loss
from trainer.options import Options, open_inputs
from trainer.rlvr_recipe import ValueTable
from trainer.run import prepare_all
from trainer.schedule import lr_share
from trainer.shipped import KINDS
from trainer.world import World

STEPS = 4
ROWS = 16  # of a step


def recipe_of(kind="sft", **tables):
    """A recipe of 4 steps. `tables` go over it, table by table."""
    table = {"batch": {"rows": ROWS}, "optimizer": {"lr": 1e-3, "weight_decay": 0.1}, "max_steps": STEPS}
    table |= {"model": {"dtype": "fp32"}, "schedule": {"warmup": 0.25}}
    for name, changes in tables.items():
        table[name] = {**table.get(name, {}), **changes} if isinstance(changes, dict) else changes
    return KINDS[kind](**table)


def options_for(home: Path, model: Path, data: str, recipe) -> Options:
    return Options(data=[data], model=model, out=home / "out", recipe=recipe, workspace=home)


def rows_of(options: Options, world: World) -> Rows:
    train, _ = prepare_all(open_inputs(options), options.recipe, world)
    return Rows(train, [1.0] * len(train), options.recipe.seed)


def spans_of(options: Options, rows: Rows):
    batch = options.recipe.batch
    return plan_spans(rows, epochs=options.recipe.epochs, batch_rows=batch.rows, batch_tokens=batch.tokens)[:STEPS]


def micro_tokens_for(options: Options, world: World, bins: int) -> int:
    """A bound that cuts the first step into so many micro-batches."""
    rows = rows_of(options, world)
    sizes = [[size.tokens for size in rows.sizes(rows.places(span))] for span in spans_of(options, rows)]
    longest = max(map(max, sizes))
    return next(bound for bound in range(longest, sum(sizes[0]) + 1) if len(best_fit(sizes[0], bound)) == bins)


def _worth(model, micro, reference_N):
    """Values of tokens that are worth what their ids say."""
    returns_S = micro.targets_S % 5 - 2.0
    known = Foretold(torch.zeros_like(returns_S), returns_S, torch.ones_like(returns_S, dtype=torch.bool))
    return value_loss(ValueTable(clip=1.0, weight=1.0), model(micro), known)


VALUES = Objective("conversation", "value", False, _worth)


class Trained:
    """4 steps of a recipe, in this process. `figures`: what each step gave; `weights`: after the last."""

    def __init__(
        self, options: Options, world: World, engine: type[Engine] = Engine, objective: Objective | None = None
    ) -> None:
        recipe, objective = options.recipe, objective or objective_of(options.recipe)
        rows = rows_of(options, world)
        torch.manual_seed(recipe.seed)
        model = load_for_engine(options.model, recipe, objective.head)
        size = size_of(model.model)
        made = engine(model, recipe, world)
        data = Data(rows, spans_of(options, rows), None)
        trainer = Trainer(made, objective, recipe, world, data, size)
        self.figures = [trainer.step(number) for number in range(trainer.steps)]
        self.weights = made.weights()
        made.close()

    def of_each_step(self, name: str) -> list[float]:
        return [figures[name] for figures in self.figures]


class Plain:
    """SFT without an engine, a packing or micro-batches: each row alone, torch's own AdamW and clipping."""

    def __init__(self, options: Options, world: World) -> None:
        from transformers import AutoModelForCausalLM

        recipe, rows = options.recipe, rows_of(options, world)
        model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="eager")
        adam = _adam(model, recipe.optimizer)
        self.losses, self.norms = [], []
        for number, span in enumerate(spans_of(options, rows)):
            documents = [rows.row(place).documents[0] for place in rows.places(span)]
            trained = sum(int(document.trained[1:].sum()) for document in documents)
            loss = sum(_negative_log_prob(model, document) for document in documents) / trained
            adam.zero_grad()
            loss.backward()
            clip = recipe.optimizer.clip or float("inf")
            self.norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), clip)))
            for group in adam.param_groups:
                group["lr"] = recipe.optimizer.lr * lr_share(recipe.schedule, number, STEPS)
            adam.step()
            self.losses.append(loss.item())
        self.weights = {f"model.{name}": weight.detach() for name, weight in model.named_parameters()}


def _adam(model, table):
    decayed = [weight for weight in model.parameters() if weight.ndim >= 2]
    others = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": decayed, "weight_decay": table.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=table.lr, betas=table.betas, eps=table.eps)


def _negative_log_prob(model, document):
    ids_T = torch.from_numpy(document.ids.astype("int64"))
    logits_TV = model(input_ids=ids_T[None], use_cache=False).logits[0]
    logprobs_T = torch.log_softmax(logits_TV[:-1], -1).gather(1, ids_T[1:, None])[:, 0]
    return -(logprobs_T * torch.from_numpy(document.trained[1:])).sum()


def gap(weights, others) -> float:
    """The largest relative difference of a tensor, by norms."""
    assert weights.keys() == others.keys()
    return max(_relative(weights[name].detach().double(), other.detach().double()) for name, other in others.items())


def _relative(weight, other) -> float:
    return float(torch.linalg.vector_norm(weight - other) / torch.linalg.vector_norm(other))

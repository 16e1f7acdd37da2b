"""Which metrics share a panel of a plot, in what unit, and in which order the panels come."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

from trainer.errors import TrainError


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """`names`: the metrics, each with its own line style, solid first; `pattern`: further ones, in their order.

    `plain`: exact, so not smoothed. `is_histogram`: a density over the steps, in a panel for each run.
    """

    title: str
    unit: str
    names: tuple[str, ...] = ()
    pattern: str | None = None
    plain: bool = False
    is_histogram: bool = False

    def labels(self) -> list[str]:
        """What tells its metrics apart: their names without the parts that all of them begin and end with."""
        parts = [name.split("/") for name in self.names]
        while _alike(parts, 0):
            parts = [one[1:] for one in parts]
        while _alike(parts, -1):
            parts = [one[:-1] for one in parts]
        return ["/".join(one) for one in parts]


def _alike(parts: list[list[str]], place: int) -> bool:
    """Whether all have the same part there, and others beside it."""
    return all(len(one) > 1 for one in parts) and len({one[place] for one in parts}) == 1


PANELS = (
    Panel(title="Reward of rollouts", names=("reward",), unit="reward"),
    Panel(title="Reward by judge", pattern=r"reward/(?!std$|penalty_).+", unit="score"),
    Panel(title="Correct answers", pattern=r"correct/.+", unit="share"),
    Panel(title="Correct in any form", pattern=r"flex/.+", unit="share"),
    Panel(title="Lost by form alone", pattern=r"gap/.+", unit="share"),
    Panel(title="Taken by penalties", pattern=r"reward/penalty_.+", unit="reward"),
    Panel(title="Spread of rewards", names=("reward/std",), unit="standard deviation"),
    Panel(
        title="Length of rollouts",
        names=("rollouts/tokens_correct", "rollouts/tokens_wrong", "rollouts/tokens"),
        unit="tokens",
    ),
    Panel(title="Rollouts that came to an end", names=("rollouts/ended",), unit="share"),
    Panel(title="Repeated n-grams", names=("rollouts/repetition",), unit="share"),
    Panel(title="Rollouts without a reward", names=("rollouts/unrewarded",), unit="share"),
    Panel(title="Groups without a gradient", names=("groups/no_gradient",), unit="share"),
    Panel(title="Groups of a batch", names=("groups/learnt", "groups/drawn"), pattern=r"groups/.+", unit="groups"),
    Panel(title="Entropy of the policy", names=("entropy", "rollouts/sampler_entropy"), unit="nats/token"),
    Panel(title="KL to the reference, watched", pattern=r"eval/.+/kl", unit="nats/answer"),
    Panel(title="KL to the reference", names=("reference/kl_k1", "reference/kl_k3"), unit="nats/token"),
    Panel(title="KL of an update", names=("policy/kl_k1", "policy/kl_k3"), unit="nats/token"),
    Panel(title="Tokens held back by the clip", names=("policy/clipped_high", "policy/clipped_low"), unit="share"),
    Panel(title="Ratio of an update, mean", names=("policy/ratio",), unit="ratio"),
    Panel(title="Ratio of an update", names=("histogram/ratio",), unit="ratio", is_histogram=True),
    Panel(title="Sampler against trainer", names=("sampler/logprob_gap", "sampler/kl_k3"), unit="nats/token"),
    Panel(title="Sampler against trainer, gap", names=("sampler/prob_gap",), unit="probability"),
    Panel(title="Importance weight, mean", names=("sampler/importance",), unit="weight"),
    Panel(title="Tokens that the weight's bounds hold", names=("sampler/capped", "sampler/masked"), unit="share"),
    Panel(title="Importance ratio", names=("histogram/importance",), unit="ratio", is_histogram=True),
    Panel(title="Age of rollouts", names=("rollouts/age",), unit="batches"),
    Panel(title="Value", names=("value/mean", "value/return"), unit="reward"),
    Panel(title="Value loss", names=("value/loss",), unit="loss"),
    Panel(title="Values held back by the clip", names=("value/clipped",), unit="share"),
    Panel(title="Loss", names=("loss",), unit="loss"),
    Panel(title="Negative log-likelihood of chosen", names=("loss/nll",), unit="nats/token"),
    Panel(title="Reward margin", names=("rewards/margins",), unit="reward"),
    Panel(title="Rewards", names=("rewards/chosen", "rewards/rejected"), unit="reward"),
    Panel(title="Pairs in the right order", names=("rewards/accuracies",), unit="share"),
    Panel(title="Log-probs of answers", names=("logps/chosen", "logps/rejected"), unit="nats/answer"),
    Panel(title="Log-ratio to the reference", names=("logratio/chosen", "logratio/rejected"), unit="nats/answer"),
    Panel(title="Gradient norm", names=("grad_norm", "value/grad_norm"), unit="norm before clipping"),
    Panel(title="Learning rate", names=("lr",), unit="learning rate", plain=True),
    Panel(title="Length of answers", names=("tokens/chosen", "tokens/rejected"), unit="tokens"),
    Panel(title="Requests to judges", pattern=r"judge/.+/requests", unit="requests"),
    Panel(title="Tokens of judges", pattern=r"judge/.+/(prompt|completion)_tokens", unit="tokens"),
    Panel(title="Answers without a verdict", pattern=r"judge/.+/(failed|abstained)", unit="share"),
    Panel(title="Cost of judges", pattern=r"judge/.+/usd", unit="US dollars"),
    Panel(title="Tokens of a step", names=("tokens", "trained_tokens"), unit="tokens"),
    Panel(title="Rows of a step", names=("rows",), unit="rows"),
    Panel(title="Speed", names=("tokens_per_s",), unit="tokens/s"),
    Panel(title="Speed of learning", names=("learn_tokens_per_s",), unit="tokens/s"),
    Panel(
        title="Time of a step",
        names=("seconds", "rollout_seconds", "learn_seconds", "sync_seconds"),
        unit="seconds",
    ),
    Panel(title="Model FLOPs utilisation", names=("mfu",), unit="share of the peak"),
    Panel(title="Memory, peak", names=("host_gib", "gpu_gib"), unit="GiB", plain=True),
)
TERM = "loss/"  # a loss of several terms has a metric for each
ERROR = "_error"  # of the name of a metric's standard error, which is drawn with the metric


def choose_panels(there: Collection[str], wanted: Sequence[str] | None) -> list[Panel]:
    """The panels of the metrics that are there; of those that are wanted, if any are named.

    The terms of a loss follow the loss, and a metric that the table does not know comes after all others. A wanted
    name may be a part of the metric's: "margin" is rewards/margins where no other metric has it.

    Raises:
        TrainError: a wanted metric is not there, or could be one of several; lists what is there.
    """
    names = _worth_showing(there) if wanted is None else {_one(name, there) for name in wanted}
    shown = {id(panel): _shown(panel, names) for panel in PANELS}
    known = [msgspec.structs.replace(panel, names=shown[id(panel)]) for panel in PANELS if shown[id(panel)]]
    unknown = sorted(names - {name for found in shown.values() for name in found})
    terms = [_alone(name, f"Loss: {name[len(TERM) :]}", "loss") for name in unknown if _is_term(name)]
    others = [_alone(name, name, "value") for name in unknown if not _is_term(name)]
    after = next((place for place, panel in enumerate(known, 1) if "loss" in panel.names), 0)
    return [*known[:after], *terms, *known[after:], *others]


def _shown(panel: Panel, names: Collection[str]) -> tuple[str, ...]:
    """The named ones in their order, then what else has the pattern and no panel of its own."""
    named = [name for name in panel.names if name in names]
    if panel.pattern is None:
        return tuple(named)
    claimed = {name for other in PANELS for name in other.names}
    return (*named, *(name for name in sorted(names) if name not in claimed and re.fullmatch(panel.pattern, name)))


def _alone(name: str, title: str, unit: str) -> Panel:
    return Panel(title=title, names=(name,), unit=unit)


def _is_term(name: str) -> bool:
    return name.startswith(TERM)


def _worth_showing(there: Collection[str]) -> set[str]:
    """The only term of a loss is the loss; a standard error is drawn with what it is of."""
    terms = {name for name in there if _is_term(name)}
    errors = {name for name in there if name.endswith(ERROR) and name.removesuffix(ERROR) in there}
    return set(there) - (terms if len(terms) == 1 else set()) - errors


def _one(wanted: str, there: Collection[str]) -> str:
    if wanted in there:
        return wanted
    found = sorted(name for name in there if wanted in name)
    if len(found) != 1:
        which = f"could be {' or '.join(found)}" if found else f"not there; there are: {', '.join(sorted(there))}"
        raise TrainError(f"--metrics {wanted}: {which}")
    return found[0]

"""Which metrics share a panel of a plot, in what unit, and in which order the panels come."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from trainer.errors import TrainError


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """`names`: the metrics, each with its own line style, solid first. `plain`: exact, so not smoothed."""

    title: str
    names: tuple[str, ...]
    unit: str
    plain: bool = False


PANELS = (
    Panel(title="Reward of rollouts", names=("reward",), unit="reward"),
    Panel(title="Length of rollouts", names=("rollouts/tokens_correct", "rollouts/tokens_wrong"), unit="tokens"),
    Panel(title="Rollouts that came to an end", names=("rollouts/ended",), unit="share"),
    Panel(title="Groups without a gradient", names=("groups/no_gradient",), unit="share"),
    Panel(title="Entropy of the policy", names=("entropy",), unit="nats/token"),
    Panel(title="Sampler against trainer", names=("sampler/logprob_gap", "sampler/kl_k3"), unit="nats/token"),
    Panel(title="Tokens held back by the clip", names=("policy/clipped_high", "policy/clipped_low"), unit="share"),
    Panel(title="KL of an update", names=("policy/kl_k1", "policy/kl_k3"), unit="nats/token"),
    Panel(title="KL to the reference", names=("reference/kl_k1", "reference/kl_k3"), unit="nats/token"),
    Panel(title="Value", names=("value/mean", "value/return"), unit="reward"),
    Panel(title="Loss", names=("loss",), unit="loss"),
    Panel(title="Negative log-likelihood of chosen", names=("loss/nll",), unit="nats/token"),
    Panel(title="Reward margin", names=("rewards/margins",), unit="reward"),
    Panel(title="Rewards", names=("rewards/chosen", "rewards/rejected"), unit="reward"),
    Panel(title="Pairs in the right order", names=("rewards/accuracies",), unit="share"),
    Panel(title="Log-probs of answers", names=("logps/chosen", "logps/rejected"), unit="nats/answer"),
    Panel(title="Log-ratio to the reference", names=("logratio/chosen", "logratio/rejected"), unit="nats/answer"),
    Panel(title="Gradient norm", names=("grad_norm",), unit="norm before clipping"),
    Panel(title="Learning rate", names=("lr",), unit="learning rate", plain=True),
    Panel(title="Length of answers", names=("tokens/chosen", "tokens/rejected"), unit="tokens"),
    Panel(title="Tokens of a step", names=("tokens", "trained_tokens"), unit="tokens"),
    Panel(title="Rows of a step", names=("rows",), unit="rows"),
    Panel(title="Speed", names=("tokens_per_s",), unit="tokens/s"),
    Panel(title="Time of a step", names=("seconds", "rollout_seconds"), unit="seconds"),
    Panel(title="Model FLOPs utilisation", names=("mfu",), unit="share of the peak"),
    Panel(title="GPU memory, peak", names=("gpu_gib",), unit="GiB", plain=True),
)
TERM = "loss/"  # a loss of several terms has a metric for each


def choose_panels(there: Collection[str], wanted: Sequence[str] | None) -> list[Panel]:
    """The panels of the metrics that are there; of those that are wanted, if any are named.

    The terms of a loss follow the loss, and a metric that the table does not know comes after all others. A wanted
    name may be a part of the metric's: "margin" is rewards/margins where no other metric has it.

    Raises:
        TrainError: a wanted metric is not there, or could be one of several; lists what is there.
    """
    names = _worth_showing(there) if wanted is None else {_one(name, there) for name in wanted}
    known = [
        msgspec.structs.replace(panel, names=shown)
        for panel in PANELS
        if (shown := tuple(name for name in panel.names if name in names))
    ]
    unknown = sorted(names - {name for panel in PANELS for name in panel.names})
    terms = [_alone(name, f"Loss: {name[len(TERM) :]}", "loss") for name in unknown if _is_term(name)]
    others = [_alone(name, name, "value") for name in unknown if not _is_term(name)]
    after = sum("loss" in panel.names for panel in known)
    return [*known[:after], *terms, *known[after:], *others]


def _alone(name: str, title: str, unit: str) -> Panel:
    return Panel(title=title, names=(name,), unit=unit)


def _is_term(name: str) -> bool:
    return name.startswith(TERM)


def _worth_showing(there: Collection[str]) -> set[str]:
    """The only term of a loss is the loss."""
    terms = {name for name in there if _is_term(name)}
    return set(there) - (terms if len(terms) == 1 else set())


def _one(wanted: str, there: Collection[str]) -> str:
    if wanted in there:
        return wanted
    found = sorted(name for name in there if wanted in name)
    if len(found) != 1:
        which = f"could be {' or '.join(found)}" if found else f"not there; there are: {', '.join(sorted(there))}"
        raise TrainError(f"--metrics {wanted}: {which}")
    return found[0]

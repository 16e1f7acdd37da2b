"""The last layer, in chunks: log-probs of chosen tokens without ever holding the logits of all of them. And values.

For a vocabulary of 150,000 and 8,192 tokens the logits alone are 5 GB in fp32. Here the forward pass keeps one number a
token (the log of the sum of exponentials); the backward pass makes each chunk's logits again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Of fp32 logits held at once. A processor's caches are small; a GPU needs much work at a time, and each chunk adds once
# to the gradient of the whole weight, which must not cost more than the chunk itself.
CHUNK_BYTES = 512 * 2**20
CPU_CHUNK_BYTES = 16 * 2**20
LEAST_CHUNK = 256  # tokens


class TokenScores(NamedTuple):
    """Of each trained token (S,), in fp32: its log-prob; and of the policy where it is foretold, without gradients,

    typical_S: log sum_v p(v)^2, the log-prob of a typical token
    entropy_S: -sum_v p(v) log p(v), in nats

    These cost another pass over the logits each: they are None unless they were asked for.
    """

    logprobs_S: Tensor
    typical_S: Tensor | None = None
    entropy_S: Tensor | None = None


class _How(NamedTuple):
    chunk: int  # tokens at a time
    typical: bool
    entropy: bool


class ScoringHead(nn.Linear):
    """A model's `lm_head` that also gives log-probs. It owns the weight, so ZeRO-3 gathers it around `forward`."""

    def forward(
        self, hidden_SD: Tensor, targets_S: Tensor | None = None, typical: bool = False, entropy: bool = False
    ) -> Any:  # noqa: ANN401
        """With targets (S,): their `TokenScores`. Without: the logits, as a linear layer gives them."""
        if targets_S is None:
            return super().forward(hidden_SD)
        how = _How(_chunk_size(self.out_features, hidden_SD.device), typical, entropy)
        found = _Scores.apply(hidden_SD, self.weight, self.bias, targets_S, how)  # type: ignore[no-untyped-call]
        return TokenScores(found[0], found[1] if typical else None, found[2] if entropy else None)


class ValueHead(nn.Linear):
    """A model's `score` that computes in fp32, whatever its weights are: between 8 and 16 bf16 has steps of 1/16."""

    def forward(self, hidden_SD: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.float()
        return nn.functional.linear(hidden_SD.float(), self.weight.float(), bias)


class _Scores(torch.autograd.Function):
    """log softmax(h W' + b) at the targets, in fp32: logit minus log-sum-exp. The rest of `TokenScores` beside it."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        hidden_SD: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_S: Tensor,
        how: _How,
    ) -> tuple[Tensor, Tensor, Tensor]:
        logprobs_S = torch.empty(len(targets_S), dtype=torch.float32, device=hidden_SD.device)
        norms_S, typical_S, entropy_S = (torch.empty_like(logprobs_S) for _ in range(3))
        for rows in _chunks(len(targets_S), how.chunk):
            logits_CV = nn.functional.linear(hidden_SD[rows], weight_VD, bias_V).float()
            norms_S[rows] = torch.logsumexp(logits_CV, dim=-1)
            logprobs_S[rows] = logits_CV.gather(1, targets_S[rows, None])[:, 0] - norms_S[rows]
            if how.entropy:
                entropy_S[rows] = torch.special.entr((logits_CV - norms_S[rows, None]).exp_()).sum(-1)
            if how.typical:
                typical_S[rows] = torch.logsumexp(logits_CV.mul_(2), dim=-1) - 2 * norms_S[rows]
        ctx.save_for_backward(hidden_SD, weight_VD, bias_V, targets_S, norms_S)
        ctx.chunk = how.chunk
        ctx.mark_non_differentiable(typical_S, entropy_S)
        return logprobs_S, typical_S, entropy_S

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_S: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        hidden_SD, weight_VD, bias_V, targets_S, norms_S = ctx.saved_tensors
        grad_hidden_SD = torch.empty_like(hidden_SD)
        # Summed over the chunks in fp32: half precision would lose the small ones.
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if weight_VD.requires_grad else None
        grad_bias_V = torch.zeros_like(bias_V, dtype=torch.float32) if bias_V is not None else None
        for rows in _chunks(len(targets_S), ctx.chunk):
            logits_CV = nn.functional.linear(hidden_SD[rows], weight_VD, bias_V).float()
            slope_CV = logits_CV.sub_(norms_S[rows, None]).exp_().neg_()  # in place: it is all that is large here
            slope_CV.scatter_add_(1, targets_S[rows, None], torch.ones_like(slope_CV[:, :1]))
            slope_CV *= grad_S[rows, None]
            if grad_bias_V is not None:
                grad_bias_V += slope_CV.sum(0)
            narrow_CV = slope_CV.to(weight_VD.dtype)
            grad_hidden_SD[rows] = narrow_CV @ weight_VD
            if grad_weight_VD is not None:
                _add_product(grad_weight_VD, narrow_CV.T, hidden_SD[rows])
        return (
            grad_hidden_SD,
            None if grad_weight_VD is None else grad_weight_VD.to(weight_VD.dtype),
            None if grad_bias_V is None else grad_bias_V.to(bias_V.dtype),
            None,
            None,
        )


def _chunk_size(vocabulary: int, device: torch.device) -> int:
    held = CPU_CHUNK_BYTES if device.type == "cpu" else CHUNK_BYTES
    return max(LEAST_CHUNK, held // (4 * vocabulary))


def _add_product(total_VD: Tensor, left_VC: Tensor, right_CD: Tensor) -> None:
    """total += left @ right, `total` in fp32."""
    if left_VC.dtype == total_VD.dtype:
        total_VD.addmm_(left_VC, right_CD)
    else:
        total_VD += left_VC @ right_CD


def _chunks(size: int, chunk: int) -> list[slice]:
    return [slice(start, min(start + chunk, size)) for start in range(0, size, chunk)]


def make_scoring(head: nn.Module) -> None:
    """Turn a model's own last layer, a plain linear one, into a `ScoringHead`. Its weights stay the same objects.

    Doing it twice is doing it once.

    Raises:
        TypeError: it is no plain linear layer.
    """
    _make(head, ScoringHead, "output")


def make_valuing(score: nn.Module) -> None:
    """The same for a `score` layer, which becomes a `ValueHead`. Raises TypeError."""
    _make(score, ValueHead, "score")


def _make(layer: nn.Module, kind: type[nn.Linear], name: str) -> None:
    if type(layer) not in (nn.Linear, kind):
        raise TypeError(f"the model's {name} layer is a {type(layer).__name__}, not a linear layer")
    layer.__class__ = kind

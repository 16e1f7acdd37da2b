"""Muon (Jordan et al. 2024): momentum, with matrices made orthogonal. AdamW for all that is no matrix of a layer."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

MOMENTUM = 0.95
QUINTIC = (3.4445, -4.7750, 2.0315)  # the paper's coefficients of the Newton-Schulz step
ADAM_SHARE = 0.1  # AdamW's learning rate over Muon's


class Muon:
    """`step(lr)` updates all parameters. Matrices of one shape are worked on together, in fp32."""

    def __init__(self, model: nn.Module) -> None:
        import torch

        shapes = defaultdict(list)
        for name, parameter in model.named_parameters():
            if ".layers." in name and parameter.ndim == 2:
                shapes[parameter.shape].append(parameter)
        self.groups = list(shapes.values())
        inside = {id(parameter) for group in self.groups for parameter in group}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in inside]
        self.adam = torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0)
        self.momenta = [torch.zeros(len(group), *group[0].shape) for group in self.groups]

    def step(self, lr: float) -> None:
        import torch

        for table in self.adam.param_groups:
            table["lr"] = lr * ADAM_SHARE
        self.adam.step()
        with torch.no_grad():
            for group, momentum in zip(self.groups, self.momenta, strict=True):
                gradient = torch.stack([parameter.grad for parameter in group])
                momentum.lerp_(gradient, 1 - MOMENTUM)
                update = orthogonal(gradient.lerp(momentum, MOMENTUM))
                scale = max(1.0, update.shape[-2] / update.shape[-1]) ** 0.5
                for parameter, change in zip(group, update, strict=True):
                    parameter.add_(change, alpha=-lr * scale)

    def state_dict(self) -> dict[str, Any]:
        return {"adam": self.adam.state_dict(), "momenta": self.momenta}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.adam.load_state_dict(state["adam"])
        self.momenta = state["momenta"]


def orthogonal(update_NRC: Tensor, steps: int = 5) -> Tensor:
    """Each of the N matrices with its singular values near 1."""
    wide = update_NRC.shape[-2] > update_NRC.shape[-1]
    x = update_NRC.mT if wide else update_NRC
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = QUINTIC
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if wide else x

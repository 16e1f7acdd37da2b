"""A worker of the stand-in for vLLM: what runs inside the real one, around a model that only keeps its weights."""

from types import SimpleNamespace

import torch
import weight_receiver  # by the path that the environment gives, as in vLLM


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, torch.Tensor] = {}

    def load_weights(self, weights) -> None:
        self.loaded = dict(weights)


class Worker(weight_receiver.WeightsWorker):
    def __init__(self, corrupts: bool) -> None:
        self.model = Model()
        self.model_runner = SimpleNamespace(get_model=lambda: self.model)
        self.corrupts = corrupts

    def reload_weights(self, weights_iterator) -> None:
        if self.corrupts:
            weights_iterator = [(name, tensor + (name == "model.norm.weight")) for name, tensor in weights_iterator]
        self.model.load_weights(weights_iterator)

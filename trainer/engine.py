"""DeepSpeed: the one module that imports it. ZeRO, mixed precision, offloading, the optimiser's step."""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.errors import TrainError
from trainer.model.packed import PackedModel
from trainer.recipe import TrainRecipe
from trainer.world import World

_MUON = "deepspeed.runtime.zero.muon.muon_optimizer"


class Engine:
    """A model in training. Losses must come already divided by the counts of the whole step."""

    def __init__(self, model: PackedModel, recipe: TrainRecipe, world: World) -> None:
        self.model = model
        self._world = world
        self._zero = recipe.engine.zero
        with _quiet_stdout():
            self._engine, self._optimizer, _, _ = _deepspeed().initialize(
                model=model,
                model_parameters=_groups(model, recipe.optimizer.weight_decay),
                optimizer=_optimizer(recipe),
                config=config_of(recipe),
            )
        if self._zero == 0 and recipe.model.dtype == "bf16":
            # It has taken a step with gradients of zero, and Adam's bias correction would count from there.
            self._optimizer.optimizer.state.clear()
            self._optimizer.refresh_fp32_params()

    @property
    def module(self) -> PackedModel:
        """To be called in place of the model: ZeRO's hooks hang on it."""
        found: PackedModel = self._engine
        return found

    def set_lr(self, lr: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = lr

    def backward(self, loss: Tensor, *, is_last: bool) -> None:
        """Add the gradient. DeepSpeed averages over ranks where we want the sum, hence the factor.

        Only at the step's last micro-batch are gradients final: told anything else, ZeRO-2 would keep the last one's
        alone (open-instruct 1498).
        """
        self._engine.set_gradient_accumulation_boundary(is_last)
        self._engine.backward(loss * self._world.size, scale_wrt_gas=False)

    def step(self) -> float:
        """Update the weights. Gives the norm of the whole gradient, before clipping."""
        is_bare = isinstance(self._optimizer, torch.optim.Optimizer)  # ZeRO 0 in fp32: nothing of DeepSpeed's around it
        norm = self._norm() if is_bare else None
        self._engine.step()
        return float(self._engine.get_global_grad_norm()) if norm is None else norm

    def save(self, folder: Path, tag: str) -> None:
        """Weights, optimiser and what ZeRO needs, of all ranks, to `folder/tag`."""
        self._engine.save_checkpoint(str(folder), tag=tag, save_latest=False)

    def load(self, folder: Path, tag: str) -> None:
        """What `save` wrote. Raises TrainError when it is not there."""
        found, _ = self._engine.load_checkpoint(str(folder), tag=tag)
        if found is None:
            raise TrainError(f"{folder / tag}: DeepSpeed finds no checkpoint there; remove the folder and run it again")

    def weights(self) -> dict[str, Tensor]:
        """All weights by name, on the CPU of the first rank; elsewhere none. Every rank must call it.

        One at a time: under ZeRO-3 no GPU could hold them all. Of tied weights only the first name is there.
        """
        found, seen = {}, set[int]()
        gathered = _deepspeed().zero.GatheredParameters
        for name, weight in self.model.state_dict(keep_vars=True).items():
            if id(weight) in seen:
                continue
            seen.add(id(weight))
            with gathered([weight], enabled=hasattr(weight, "ds_id")):
                if self._world.is_first:
                    found[name] = weight.detach().to("cpu", copy=True)
        return found

    def close(self) -> None:
        """Let go of hooks and buffers, so that another engine may follow in this process."""
        self._engine.destroy()

    def _norm(self) -> float:
        grads = [p.grad for group in self._optimizer.param_groups for p in group["params"] if p.grad is not None]
        return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad.float()) for grad in grads])))


class Inference:
    """A model that is only asked: no gradients, no optimiser; parted among the GPUs under ZeRO-3."""

    def __init__(self, model: PackedModel, recipe: TrainRecipe, world: World) -> None:
        model.eval()
        self._engine: Any = None
        if recipe.engine.zero < 3:
            self.module = model.to(world.device)
            return
        with _quiet_stdout():
            self._engine = _deepspeed().initialize(model=model, config=config_of(recipe))[0]
        self.module = self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.destroy()


@contextmanager
def parting(recipe: TrainRecipe) -> Iterator[None]:
    """Under ZeRO-3, what transformers loads in here is parted among the ranks as it is read: none holds all of it.

    Its buffers want `restore_buffers` afterwards.
    """
    if recipe.engine.zero < 3:
        yield
        return
    _deepspeed()
    from transformers.integrations.deepspeed import HfDeepSpeedConfig, unset_hf_deepspeed_config

    make: Any = HfDeepSpeedConfig
    kept = make(config_of(recipe))  # transformers itself only refers to it
    try:
        yield
    finally:
        unset_hf_deepspeed_config()  # type: ignore[no-untyped-call]
        del kept


def config_of(recipe: TrainRecipe) -> dict[str, Any]:
    """DeepSpeed's configuration. Batch sizes are ours to keep: it sees one micro-batch at a time."""
    engine, is_half = recipe.engine, recipe.model.dtype == "bf16"
    zero: dict[str, Any] = {"stage": engine.zero, "overlap_comm": False, "contiguous_gradients": True}
    if engine.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    if engine.offload_parameters:
        zero["offload_param"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    config = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "zero_optimization": zero,
        "bf16": {"enabled": is_half},
        "gradient_clipping": recipe.optimizer.clip,
        "steps_per_print": 2**31,
        "wall_clock_breakdown": False,
    }
    if is_half and engine.zero:  # sums of many small numbers; ZeRO 0 has no such choice
        config["data_types"] = {"grad_accum_dtype": "fp32"}
    return config


def _deepspeed() -> Any:  # noqa: ANN401 - untyped
    """The package, told to be quiet and to compile nothing that is not used."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import deepspeed
    import deepspeed.ops

    if _MUON not in sys.modules:
        with _uncompiled():
            import_module(_MUON)
    # Its all-reduce through shared memory serves inference alone; building it costs a compiler and a minute. The table
    # is put in place here, since DeepSpeed would try the compiler on each of its kernels to fill it.
    vars(deepspeed.ops).setdefault("__compatible_ops__", {})["deepspeed_shm_comm"] = False
    # DeepSpeed's affair: it calls what torch has given other names.
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    for handler in logging.getLogger("DeepSpeed").handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
    return deepspeed


def _optimizer(recipe: TrainRecipe) -> Callable[[Iterable[Any]], torch.optim.Optimizer]:
    """AdamW over whatever DeepSpeed makes of the parameters."""
    table = recipe.optimizer
    known: dict[str, Any] = {"lr": table.lr, "betas": table.betas, "eps": table.eps, "weight_decay": table.weight_decay}
    if not recipe.engine.offload_optimizer:
        return partial(torch.optim.AdamW, **known, fused=torch.cuda.is_available())
    _check_compiler()
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    return partial(DeepSpeedCPUAdam, **known, adamw_mode=True)


def _check_compiler() -> None:
    """Raises TrainError when the optimiser of the CPU, which is compiled when it is first used, cannot be."""
    beside = str(Path(sys.executable).parent)  # ninja comes with DeepSpeed, into a folder that may not be on the path
    if shutil.which("ninja") is None:
        os.environ["PATH"] = f"{beside}{os.pathsep}{os.environ['PATH']}"
    compiler = os.environ.get("CXX", "c++")
    missing = [name for name in (compiler, "ninja") if shutil.which(name) is None]
    if missing:
        raise TrainError(
            f"engine.offload_optimizer: DeepSpeed compiles the optimiser for this CPU, and there is no "
            f"{' and no '.join(missing)}; install a C++ compiler and ninja, or set engine.offload_optimizer=false"
        )


def _groups(model: PackedModel, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices are decayed; biases and norms, which have one dimension, are not."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    dims = {id(p): len(getattr(p, "ds_shape", p.shape)) for p in trained}
    matrices = [p for p in trained if dims[id(p)] >= 2]
    others = [p for p in trained if dims[id(p)] < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@contextmanager
def _uncompiled() -> Iterator[None]:
    """DeepSpeed imports an optimiser that hands itself to torch's compiler: seconds, for what is not used here."""
    before = os.environ.get("TORCHDYNAMO_DISABLE")
    os.environ["TORCHDYNAMO_DISABLE"] = "1"
    try:
        yield
    finally:
        del os.environ["TORCHDYNAMO_DISABLE"]
        if before is not None:
            os.environ["TORCHDYNAMO_DISABLE"] = before


@contextmanager
def _quiet_stdout() -> Iterator[None]:
    """Stdout holds results alone: what DeepSpeed prints is dropped, what the compiler that it starts says is not."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)

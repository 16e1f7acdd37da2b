"""From nothing to a checkpoint folder with its manifest."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench.demo_base.corpus import Writers
from bench.demo_base.measure import Cell, mean_of, measure, table
from bench.demo_base.tasks import EACH, HELD_OUT_SEED, LEVELS, evaluation_questions
from bench.demo_base.tokenizer import make_tokenizer
from bench.demo_base.train import POOL, Phase, Run, train
from trainer.tiny.model import save_checkpoint

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

CONTEXT = 512
SAMPLES = 16  # of each held-out prompt
SIZES = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4}
LONG = (3, 5, 7)  # terms of the sums that the model begins with
PHASES = [
    Phase(name="knowledge", steps=2048, lr=(0.02, 0.02), writers=Writers(facts=0.25, terms=LONG)),
    Phase(name="arithmetic", steps=1024, lr=(0.01, 0.002), writers=Writers(facts=0.4, sums=0.6, terms=LONG)),
    Phase(
        name="writers",
        steps=768,
        lr=(0.004, 0.0),
        writers=Writers(careless=0.5, hasty=0.25, slip=0.1, terms=LONG),
    ),
    Phase(name="knowledge again", steps=768, lr=(0.008, 0.002), writers=Writers(facts=0.2, sums=0.6)),
    Phase(name="writers again", steps=384, lr=(0.003, 0.0), writers=Writers(careless=0.4, hasty=0.2, slip=0.06)),
]


def recipe(share: float = 1.0) -> list[Phase]:
    """The shipped recipe, or one with `share` of its steps."""
    return [msgspec.structs.replace(phase, steps=max(POOL, int(phase.steps * share / POOL) * POOL)) for phase in PHASES]


def make_model(tokenizer, seed: int) -> LlamaForCausalLM:
    """Random fp32 weights. Heads of 32 are the smallest that vLLM's CPU build takes."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        num_key_value_heads=SIZES["num_attention_heads"],
        **SIZES,
        **ends,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=True, **ends)
    return model


def make_base(out: Path, phases: list[Phase], seed: int) -> list[Cell]:
    """Train, save and measure. What is needed to go on after a kill lies in `OUT.part` until the end."""
    keep = out.with_name(f"{out.name}.part")
    tokenizer = make_tokenizer(CONTEXT)
    model = make_model(tokenizer, seed)
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens of vocabulary, seed {seed}", flush=True)
    run = Run(model, tokenizer, evaluation_questions(), seed, keep)
    for number, phase in enumerate(phases):
        if number >= run.state.phase:
            train(run, number, phase)
    save_checkpoint(model, tokenizer, out)
    trained = {"seed": seed, "tokens": run.state.tokens, "seconds": round(run.state.seconds)}
    found = measure(out, HELD_OUT_SEED, EACH, SAMPLES)
    print(table(found), flush=True)
    write_manifest(out, model.num_parameters(), phases, trained, found)
    return found


def write_manifest(out: Path, parameters: int, phases: list[Phase], trained: dict[str, Any], found: list[Cell]) -> None:
    manifest = {
        "name": "demo-base",
        "licence": "Apache-2.0",
        "parameters": parameters,
        "made_by": "python -m bench.demo_base",
        "recipe": {"sizes": SIZES, "phases": msgspec.to_builtins(phases), "levels": msgspec.to_builtins(LEVELS)},
        "trained": trained,
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "reasoning-gym")},
        "held_out": {
            "prompts": sum(cell.prompts for cell in found),
            "samples": SAMPLES,
            **{name: round(mean_of(found, name), 4) for name in ("accuracy", "solved", "mixed", "floor", "thinks")},
            "cells": msgspec.to_builtins(found),
        },
        "files": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(out.iterdir())
            if path.name not in ("manifest.json", "README.md")
        },
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")

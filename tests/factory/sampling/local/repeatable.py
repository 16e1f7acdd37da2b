"""A fixed list of requests to a fresh engine or one with a past: run in this process, or as a program of its own."""

import asyncio
import json
import sys

from safetensors.torch import load_file

from factory.sampling.transformers import TransformersEngine, TransformersSettings
from factory.sampling.types import SampleRequest, SamplingParams
from schemas.records import Message


def request(i: int, n: int) -> SampleRequest:
    params = SamplingParams(max_tokens=10 + i * 7 % 40, seed=i, logprobs=True, token_ids=True)
    return SampleRequest([Message("user", f"{i} + 1: " + "how many " * (i * 7 % 30))], n, params)


async def run(folder: str, *, with_a_past: bool) -> list[list[object]]:
    """Token ids and log-probs of each answer, all bits of them."""
    settings = TransformersSettings(checkpoint=folder, device="cpu", max_rows=12, threads=1, version=0)
    engine = TransformersEngine(settings)
    await engine.start()
    weights = {name: tensor * 1.5 for name, tensor in load_file(folder + "/model.safetensors").items()}
    if with_a_past:
        long = SamplingParams(max_tokens=500, seed=1, temperature=0.0)  # leaves a larger cache behind
        await asyncio.gather(*(engine.sample([Message("user", f"{i}")], 1, long) for i in range(12)))
        await engine.update([(name, tensor * 2) for name, tensor in weights.items()], 1)
    await engine.update(weights.items(), 2)
    groups = await engine.sample_many([request(i, 2) for i in range(32)])
    await engine.close()
    return [[answer.token_ids, [x.hex() for x in answer.logprobs]] for group in groups for answer in group]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], with_a_past=False))))

"""What the stand-in for vLLM answers where its weights can change.

Behaviours: `corrupts`: another number arrives; `hangs FILE` and `dies FILE`: at the first update, unless FILE is there;
`refuses`: an error, of a server that lives on.
"""

import json
import os
import sys
import time
from pathlib import Path

SLOW = 9  # the seed of a request that takes a second


class FakeUpdates:
    def __init__(self, behaviour: list[str]) -> None:
        self.worker = None
        self.behaviour = behaviour
        self.calls: list[str] = []
        self.version = "default"

    def answer(self, path: str, headers: dict[str, str], body: dict) -> tuple[int, object]:
        if path == "/inference/v1/generate":
            return 200, self._generated(body)
        assert headers["x-factory-guard"] == os.environ["FACTORY_VLLM_GUARD"]
        self.calls.append(path.removeprefix("/"))
        if path == "/update_weight_version":
            self.version = body["new_version"]
        if path == "/collective_rpc":
            return self._call(body)
        return 200, {}

    def _call(self, body: dict) -> tuple[int, object]:
        kind, *files = self.behaviour or [""]
        if kind == "refuses":
            return 500, {"error": "out of memory"}
        if kind in ("hangs", "dies") and not Path(files[0]).exists():
            Path(files[0]).touch()
            if kind == "dies":
                os._exit(3)
            time.sleep(600)
        if self.worker is None:
            from fake_worker import Worker  # takes torch

            self.worker = Worker(kind == "corrupts")
        return 200, {"results": [getattr(self.worker, body["method"])(*body["args"])]}

    def _generated(self, body: dict) -> dict:
        if body["sampling_params"].get("seed") == SLOW:
            time.sleep(1)
        told = {
            "pid": os.getpid(),
            "environment": sorted(os.environ),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "flags": sys.argv[1:],
            "calls": self.calls,
            "norm": None if self.worker is None else self.worker.model.loaded["model.norm.weight"][0].item(),
            "salt": body.get("cache_salt"),
            "sampling": body["sampling_params"],
            "token_ids": body["token_ids"],
        }
        span = {"version": self.version, "start": 0, "end": 1}
        choice = {"index": 0, "text": json.dumps(told), "token_ids": [1], "finish_reason": "stop"}
        usage = {"prompt_tokens": len(body["token_ids"]), "completion_tokens": 1}
        return {"choices": [choice | {"weight_versions": [span]}], "usage": usage}

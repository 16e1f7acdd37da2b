"""Stands in for vLLM's server: takes its flags, answers its paths, and dies or falls silent when a prompt says so.

Prompts: `echo` answers with pid and environment names; `die` kills the server; `die once FILE` does it unless FILE is
there; `sick` makes /health answer 503, `silent` makes it answer nothing; `slow` takes a second.

Where weights can change it has the routes for that too (see `fake_updates`).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health" and not self.server.health:
            time.sleep(600)
        elif self.path == "/health":
            self._send(self.server.health, {})
        elif self.path == "/version":
            self._send(200, {"version": "9.9.9"})
        else:
            self._send(200, {"data": [{"id": self.server.model, "owned_by": "vllm"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path != "/v1/chat/completions":
            self._send(*self.server.updates.answer(self.path, dict(self.headers), body))
            return
        order, *words = body["messages"][-1]["content"].split()
        if order == "die" and not (words[:1] == ["once"] and Path(words[1]).exists()):
            if words:
                Path(words[1]).touch()
            print("a last word", flush=True)
            os._exit(3)
        if order == "silent":
            self.server.health = 0
        if order == "sick":
            self.server.health = 503
        if order == "slow":
            time.sleep(1)
        told = json.dumps({"pid": os.getpid(), "environment": sorted(os.environ), "flags": sys.argv[1:]})
        choice = {"index": 0, "message": {"content": told}, "finish_reason": "stop"}
        self._send(200, {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

    def _send(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m")
    parser.add_argument("--port", type=int)
    parser.add_argument("--served-model-name")
    parser.add_argument("--model")
    args, _ = parser.parse_known_args()
    behaviour = Path(args.model, "fake_vllm").read_text().split() if Path(args.model, "fake_vllm").exists() else []
    print("starting the fake server", flush=True)
    if behaviour == ["fails"]:
        sys.exit("cannot allocate the cache")
    if behaviour == ["hangs"]:
        time.sleep(600)
    if behaviour == ["stubborn"]:  # like an engine process that outlives its server
        subprocess.Popen(
            [sys.executable, "-c", "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
        )
    server = ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.health, server.model = 200, args.served_model_name
    if "FACTORY_VLLM_GUARD" in os.environ:
        from fake_updates import FakeUpdates  # beside this file

        server.updates = FakeUpdates(behaviour)
    server.serve_forever()


if __name__ == "__main__":
    main()

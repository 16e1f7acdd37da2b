"""`factory serve`: jobs, schedules and the page."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

app = App(name="serve", help="Run jobs and schedules, and show all that is in the workspace as a page and an API.")

Flag = Annotated[bool, Parameter(negative="")]


@app.default
def serve(
    *, host: str | None = None, port: int | None = None, config: Path | None = None, only_show: Flag = False
) -> int:
    """Run jobs and schedules, and show the workspace ($FACTORY_HOME, or ./data) as a page and an API.

    Args:
        host: the address to listen on (127.0.0.1); any other needs a token in FACTORY_TOKEN
        port: the port to listen on (8420)
        config: TOML with policies, limits, trusted hosts; see docs/service.md
        only_show: start no job and fire no schedule; another service does
    """
    from factory.service.app import make_app
    from factory.service.serving import listen
    from factory.service.serving import serve as answer
    from factory.service.settings import read_settings, read_token
    from schemas.datasets import workspace

    runs = False if only_show else None
    flags = {"host": host, "port": port, "run_jobs": runs, "run_schedules": runs}
    settings = read_settings(config, flags)
    token = read_token(settings)
    home = Path(os.path.abspath(workspace()))
    with listen(settings) as listening:
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"http://{name}:{settings.port}/ shows {home}; Ctrl-C ends it, jobs go on", file=sys.stderr, flush=True)
        return answer(make_app(settings, home, token=token), settings, listening)

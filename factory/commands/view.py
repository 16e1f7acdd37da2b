"""`factory view DATASET`: look at one dataset in a browser, or write it as a folder of pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from schemas.errors import DataError

app = App(name="view", help="Look at one dataset in a browser, or write it as a folder of pages to publish.")

Flag = Annotated[bool, Parameter(negative="")]


@app.default
def view(dataset: str, *, port: int = 8421, no_browser: Flag = False) -> int:
    """Show one dataset on http://127.0.0.1 until Ctrl-C. Nothing of it is changed.

    Args:
        dataset: NAME in the workspace, or a folder
        port: the port to listen on
        no_browser: open none, only say where the page is
    """
    import webbrowser

    from factory.service.app import make_app
    from factory.service.serving import listen
    from factory.service.serving import serve as answer
    from factory.service.settings import read_settings

    home, name = _place(dataset)
    settings = read_settings(None, {"port": port, "run_jobs": False, "run_schedules": False})
    with listen(settings) as listening:
        made = make_app(settings, home, only=name, kept=_kept(home))
        where = f"http://127.0.0.1:{port}/datasets/{name}"
        print(f"{where}; Ctrl-C ends it", file=sys.stderr, flush=True)
        if not no_browser:
            webbrowser.open(where)
        return answer(made, settings, listening)


@app.command
def bundle(out: Path, *data: str, rows: int = 200) -> None:
    """Write versions as a folder of pages that needs no service: to publish it, or to send it to somebody.

    Args:
        out: the folder to make
        data: versions, such as pairs@v3; several for several. Folders stand for their latest
        rows: how many rows of each are shown, and of those it rejected
    """
    from factory.looking.library import Library
    from factory.page.bundle import write_bundle

    if not data:
        raise DataError("which versions? write factory view bundle OUT pairs@v3")
    found = []
    for ref in data:
        location, at, version = ref.rpartition("@") if "@" in ref.rpartition("/")[2] else (ref, "", "")
        home, name = _place(location)
        found.append((Library(home, only=name, kept=_kept(home)), f"{name}{at}{version}"))
    written = write_bundle(out, found, rows)
    print(f"{out}: {written:,} pages; open {out / 'index.html'}", file=sys.stderr)


def _place(dataset: str) -> tuple[Path, str]:
    """The workspace that a dataset lies in, and its name there."""
    from schemas.datasets import MANIFESTS, workspace

    has_path = "/" in dataset or dataset.startswith((".", "~"))
    folder = Path(os.path.abspath(Path(dataset).expanduser() if has_path else workspace() / dataset))
    if not (folder / MANIFESTS).is_dir():
        raise DataError(f"{dataset}: no dataset at {folder}; `factory datasets ls` lists what there is")
    return folder.parent, folder.name


def _kept(home: Path) -> Path | None:
    """Where figures are kept that take long to count: in a workspace its own place, else the user's cache."""
    if (home / ".factory").is_dir():
        return None
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "synthetic-data-factory" / "looking"

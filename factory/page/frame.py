"""What is around every page: its title, the way to the others, and what the service has to say."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from factory.page.environment import render
from factory.page.links import Links


class Place(msgspec.Struct, frozen=True):
    """An entry of the navigation. `count`: what is under way there, if anything."""

    name: str
    href: str
    count: int | None = None


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """`here`: the name of the entry that the page belongs to. `form_token`: None where nothing can be changed.

    `policy`: for pages that no service sends headers with. `problems`: what is wrong with the service itself.
    """

    links: Links
    places: list[Place]
    workspace: str
    version: str
    form_token: str | None = None
    has_login: bool = False
    policy: str | None = None
    problems: list[str] = []
    now: float = 0.0


def render_page(template: str, frame: Frame, here: str, title: str, **values: Any) -> str:  # noqa: ANN401 - of a template
    """A whole page."""
    return render(
        template,
        frame=frame,
        links=frame.links,
        here=here,
        title=title,
        now=frame.now or time.time(),
        form_token=frame.form_token,
        **values,
    )

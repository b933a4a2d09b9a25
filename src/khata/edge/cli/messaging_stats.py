"""`khata messaging stats`: how a gateway is, asked over HTTP."""

from __future__ import annotations

import os
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from khata.base.clock import to_iso
from khata.edge.cli.screen import dump, out, short, table
from khata.edge.cli.session import Json
from khata.edge.client.messaging_answers import MessagingHealth, MessagingStats
from khata.errors import Invalid, Unavailable
from khata.settings import settings_from


def stats(
    *,
    url: Annotated[
        str | None, Parameter(help="Of the gateway's HTTP. [env: KHATA_MESSAGING_URL]")
    ] = None,
    key: Annotated[
        str | None, Parameter(help="An API key that reads. [env: KHATA_MESSAGING_KEY]")
    ] = None,
    json: Json = False,
) -> int:
    """How the gateway is: what it counts since it began, its parts, what waits to be stored.

    The key is better told in the environment than on a command line, which others can see.
    """
    # imported here: the client's libraries take a while, and --help needs none of them
    from khata.edge.client.client import Client  # noqa: PLC0415
    from khata.edge.client.messages import requests  # noqa: PLC0415

    credential = key or os.environ.get("KHATA_MESSAGING_KEY")
    if not credential:
        raise Invalid(
            "This needs an API key of the book.",
            expected="--key, or KHATA_MESSAGING_KEY; khata keys create makes one",
        )
    url = url or settings_from().messaging_url
    with Client(url, credential) as client:
        try:
            health = client.send(requests.health())
            found = client.send(requests.stats())
        except Unavailable as error:
            error.details["expected"] = (
                f"a gateway at {url}: khata messaging serve, or its URL in KHATA_MESSAGING_URL"
            )
            raise
    if json:
        dump({"health": health, **msgspec.to_builtins(found)})
    else:
        _show(health, found)
    return 0


def _show(health: MessagingHealth, found: MessagingStats) -> None:
    screen = out()
    screen.print(f"Messaging is {health.status}; {found.waiting} wait for a gateway.")
    for title, figures in (("Gateway", found.gateway), ("Persister", found.persister)):
        if figures:
            shown = table(title, "since it began>")
            for name, value in figures.items():
                shown.add_row(name.replace("_", " "), _text(name, value))
            screen.print(shown)
    if found.parts:
        parts = table("Part", "state", "restarts>", "last error")
        for name, part in found.parts.items():
            parts.add_row(name, part["state"], str(part["restarts"]), part["last_error"] or "")
        screen.print(parts)


def _text(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{kind} {count}" for kind, count in value.items()) or "none"
    if name == "at":
        return short(to_iso(round(value * 1e6)))
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)

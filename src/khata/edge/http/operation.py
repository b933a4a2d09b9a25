"""An operation: one method on one path, as data. The tables of operations are the API.

From these rows come the routes, the OpenAPI document and the labels of the metrics.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from khata.edge.http.wire import Ask, Reply
from khata.engine.command import Command
from khata.errors import ScopeRequired

PARAMS: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`name`: its id in OpenAPI. `scope`: what a key needs, None for anybody. `run`: what it does.

    `query`: a struct of the query's parameters. `body`, `gives`: types of what comes and goes.
    `example`: a body that works. `keyed`: it needs an idempotency key. `more_media`: other types
    of media that it can answer with. `takes`: types of media of a body that is a file. `command`:
    what it submits, where it is for one command.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    run: Callable[[Ask], Awaitable[Reply]]
    gives: Any
    about: str = ""
    scope: str | None = "read"
    status: int = 200
    query: Any = None
    body: Any = None
    example: Any = None
    keyed: bool = False
    more_media: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    hidden: bool = False
    command: type[Command] | None = None

    @property
    def params(self) -> list[str]:
        """The names of the path's parts that vary."""
        return PARAMS.findall(self.path)

    @property
    def route(self) -> str:
        """The path as Litestar writes it."""
        return PARAMS.sub(r"{\1:str}", self.path)


def barred(scopes: Mapping[type[Command], str], ask: Ask) -> frozenset[type[Command]]:
    """The commands whose own operations this key may not use; so it may not use them elsewhere."""
    return frozenset(command for command, scope in scopes.items() if scope not in ask.scopes)


def lacks_scope(command: Command, **details: Any) -> ScopeRequired:
    """That a command came by a way which asks for less than its own operation does."""
    kind = type(command).__struct_config__.tag
    return ScopeRequired(f"{kind} needs the scope admin.", expected="admin", **details)

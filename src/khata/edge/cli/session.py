"""What every command shares: which book, as whom, and how a change is carried out."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import structlog
from cyclopts import App, Group, Parameter

from khata.app import Khata
from khata.base.actor import Actor, actor
from khata.base.clock import Instant, from_iso, to_iso
from khata.domain.access import RequestApproval
from khata.edge.cli.screen import dump, out
from khata.edge.own_sagas import own_from
from khata.engine.command import Command
from khata.engine.database import SQLITE, View
from khata.engine.journal import Receipt
from khata.engine.vault import Vault
from khata.errors import BookNotFound
from khata.settings import vault_keys_from

F = TypeVar("F", bound=Callable[..., Any])

DATABASE: Final = "KHATA_DATABASE_URL"
_BOOK_GROUP: Final = Group("Book", sort_key=10)
_CHANGE_GROUP: Final = Group("Change", sort_key=9)


def _user() -> str:
    """Who is at the keyboard. A container may have a user without a name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid-{os.getuid()}"
    return f"admin:{name}"


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """Which book, and as whom."""

    database: Annotated[
        str,
        Parameter(
            group=_BOOK_GROUP,
            env_var=DATABASE,
            help="sqlite:///book.db or postgresql://user@host/name.",
        ),
    ] = "sqlite:///khata.db"
    book: Annotated[
        str,
        Parameter(group=_BOOK_GROUP, env_var="KHATA_BOOK", help="One of the database's books."),
    ] = "main"
    actor: Annotated[
        str | None,
        Parameter(
            group=_BOOK_GROUP,
            env_var="KHATA_ACTOR",
            help="ROLE:NAME, such as finance:mitu; left out, admin and your user name.",
        ),
    ] = None

    @property
    def name(self) -> str:
        """The book's name. A server's `KHATA_BOOK` may list several; the first is meant."""
        return self.book.partition(",")[0].strip()

    def who(self) -> Actor:
        """The actor. Errors: `Invalid`."""
        return actor(self.actor or _user())


@Parameter(name="*")
@dataclass(frozen=True)
class How:
    """How a change is carried out, and how its answer is shown."""

    key: Annotated[
        str | None,
        Parameter(
            group=_CHANGE_GROUP,
            help="Idempotency key: the same command under the same key happens once.",
        ),
    ] = None
    dry_run: Annotated[
        bool,
        Parameter(
            group=_CHANGE_GROUP,
            negative="",
            show_default=False,
            help="Decide and answer, write nothing.",
        ),
    ] = False
    ask: Annotated[
        str | None,
        Parameter(
            group=_CHANGE_GROUP,
            help="Do not do it, ask for approval, with this reason (see khata approvals).",
        ),
    ] = None
    json: Annotated[
        bool,
        Parameter(
            group=_CHANGE_GROUP,
            negative="",
            show_default=False,
            help="The answer as one JSON object.",
        ),
    ] = False


HERE: Final = Where()
SO: Final = How()
Json = Annotated[
    bool, Parameter(negative="", show_default=False, help="JSON, one object a line, for pipes.")
]
Limit = Annotated[int, Parameter(help="Rows in a page, 1 to 1000.")]
Cursor = Annotated[str | None, Parameter(help="Go on where an earlier page ended.")]
Reason = Annotated[str, Parameter(help="Why; it is kept in the journal.")]


def family(name: str, help: str) -> App:  # noqa: A002 - the library's word
    """A family of commands."""
    return App(
        name=name, help=help, help_epilogue=f"khata {name} COMMAND --help has examples of each."
    )


def command(app: App, name: str, *examples: str) -> Callable[[F], F]:
    """Register the decorated function as a command whose help ends with examples."""

    def register(function: F) -> F:
        app.command(name=name, help_epilogue=_examples(examples))(function)
        return function

    return register


def alone(name: str, *examples: str) -> Callable[[Callable[..., int]], App]:
    """Make the decorated function a command that belongs to no family."""

    def make(function: Callable[..., int]) -> App:
        app = App(name=name, help_epilogue=_examples(examples))
        app.default(function)
        return app

    return make


def _examples(examples: tuple[str, ...]) -> str:
    return "Examples:\n" + "\n".join(f"  $ {example}" for example in examples)


def log_to_stderr(level: str = "info") -> None:
    """Standard output belongs to the answer. A fault is told without the variables it met."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.set_exc_info,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


@contextmanager
def opened(where: Where, *, create: bool = False) -> Iterator[Khata]:
    """The book, closed at the end. Only `create` makes a file or a book that does not exist.

    Errors: `BookNotFound`, and those of `Khata.open`.
    """
    log_to_stderr()
    path = where.database.removeprefix(SQLITE).partition("?")[0]
    if where.database.startswith(SQLITE) and path and not create and not Path(path).exists():
        raise BookNotFound(f"There is no database {where.database}.", got=where.database)
    sagas = own_from(os.environ).sagas
    vault = Vault.of(vault_keys_from(os.environ))
    with Khata.open(where.database, where.name, create=create, sagas=sagas, vault=vault) as book:
        yield book


@contextmanager
def looking(where: Where) -> Iterator[View]:
    """A snapshot to read from, as the actor."""
    with opened(where) as book, book.view(where.who()) as view:
        yield view


def instant(text: str | None) -> Instant | None:
    """The instant of an option; None stays None. Errors: `Invalid`."""
    return None if text is None else from_iso(text)


def carry_out(
    where: Where,
    how: How,
    wanted: Command | Callable[[View], Command],
    show: Callable[[Any], None],
    *,
    create: bool = False,
) -> int:
    """Submit a command, or ask for its approval, and show the answer with `show`.

    `wanted` may be a function of a view, for a command that depends on what is in the book.
    Errors: those of the command.
    """
    who = where.who()
    with opened(where, create=create) as book:
        if isinstance(wanted, Command):
            made = wanted
        else:
            with book.view(who) as view:
                made = wanted(view)
        if how.ask is not None:
            made = RequestApproval(msgspec.to_builtins(made), how.ask)
        receipt = book.submit(made, key=how.key, actor=who, dry_run=how.dry_run)
    if how.json:
        dump(_plain(receipt, dry_run=how.dry_run))
        return 0
    out().print(_headline(receipt, dry_run=how.dry_run), style="dim", soft_wrap=True)
    if how.ask is None:
        show(receipt.result)
    else:
        out().print(
            f"{receipt.result.request} waits for another person: khata approvals approve"
            f" {receipt.result.request}"
        )
    return 0


def _plain(receipt: Receipt, *, dry_run: bool) -> dict[str, Any]:
    return {
        "seq": receipt.seq,
        "key": receipt.key,
        "at": to_iso(receipt.at),
        "replayed": receipt.replayed,
        "dry_run": dry_run,
        "result": receipt.result,
    }


def _headline(receipt: Receipt, *, dry_run: bool) -> str:
    if dry_run:
        return "Dry run: this would happen; nothing was written."
    if receipt.replayed:
        return (
            f"Carried out before, as command {receipt.seq} under the key {receipt.key};"
            " nothing happened twice."
        )
    return f"Command {receipt.seq}, key {receipt.key}."

"""`khata demo`: opens a book, plays the day, proves it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.panel import Panel
from rich.text import Text
from sqlalchemy import make_url

from khata.app import Khata
from khata.edge.cli.demo.beside import play_beside
from khata.edge.cli.demo.evening import play_evening
from khata.edge.cli.demo.heard import play_heard
from khata.edge.cli.demo.market import play_market
from khata.edge.cli.demo.morning import NADIA, play_morning
from khata.edge.cli.demo.old_shop import play_old_shop
from khata.edge.cli.demo.outside import play_outside
from khata.edge.cli.demo.proof import play_proof
from khata.edge.cli.demo.solvent import play_solvent
from khata.edge.cli.demo.stage import Stage, StoryClock
from khata.edge.cli.exits import DONE, FAILED
from khata.edge.cli.screen import out
from khata.edge.cli.session import alone, log_to_stderr
from khata.engine import migrations
from khata.engine.database import Database
from khata.engine.vault import Vault

_WIDTH: Final = 96
_NAME: Final = "demo"


@alone("demo", "khata demo", "khata demo --fast", "khata demo --database sqlite:///day.db")
def demo(
    *,
    database: Annotated[
        str | None,
        Parameter(help="Keep the day's book there, in a book called demo (demo-2, …)."),
    ] = None,
    no_color: Annotated[
        bool, Parameter(negative="", show_default=False, help="Without colours.")
    ] = False,
    fast: Annotated[
        bool, Parameter(negative="", show_default=False, help="Without pauses.")
    ] = False,
) -> int:
    """Play a marketplace day on a real book, and explain it as it goes.

    Without --database the book is in a temporary folder and gone afterwards. It ends with a clean
    verify, and with a corruption that verify must name; the exit code says whether both went so.
    """
    log_to_stderr("critical")  # what goes wrong on purpose is told by the story
    screen = out(no_color=no_color)
    if screen.width > _WIDTH:
        screen = out(no_color=no_color, width=_WIDTH)
    with _book(database) as (book, clock, place):
        stage = Stage(screen, book, clock, fast=fast)
        _open_curtain(screen, place)
        play_morning(stage)
        play_evening(stage)
        play_outside(stage)
        play_market(stage)
        play_old_shop(stage)
        play_beside(stage)
        play_heard(stage)
        play_solvent(stage)
        play_proof(stage)
        _close_curtain(stage, database)
        return DONE if stage.went_well else FAILED


@contextmanager
def _book(url: str | None) -> Iterator[tuple[Khata, StoryClock, str]]:
    clock, vault = StoryClock(), Vault([Vault.new_key()])
    if url is None:
        with tempfile.TemporaryDirectory(prefix="khata-demo-") as folder:
            embedded = f"sqlite:///{Path(folder) / 'demo.db'}"
            with Khata.open(embedded, _NAME, clock=clock, vault=vault) as book:
                yield book, clock, f"an embedded book in {folder}"
    else:
        with Khata.open(url, _free_name(url), clock=clock, vault=vault) as book:
            yield book, clock, f"the book {book.book} of the {book.database.dialect} database"


def _free_name(url: str) -> str:
    """The first of demo, demo-2, demo-3, … that the database does not have."""
    database = Database(url)
    try:
        migrations.migrate(database)
        taken = set(database.books())
    finally:
        database.close()
    return next(
        name
        for number in range(1, len(taken) + 2)
        if (name := _NAME if number == 1 else f"{_NAME}-{number}") not in taken
    )


def _open_curtain(screen: Console, place: str) -> None:
    text = Text.assemble(
        ("A day at the bazaar\n", "bold"),
        "One book, one journal, one way in: whatever happens is a command, decided by a pure "
        "function and committed with everything that it changes, in one transaction.\n",
        (f"Played on {place}.", "dim"),
    )
    screen.print(Panel(text, title="khata demo", title_align="left", border_style="cyan"))


def _close_curtain(stage: Stage, database: str | None) -> None:
    stage.screen.print()
    text = Text("The book was clean, and each corruption was named.", style="bold green")
    if not stage.went_well:
        text = Text("Something did not go as it must; see ✗ above.", style="bold red")
    text.append("\n")
    text.append(_what_next(stage.book.book, database), style="not bold default")
    style = "green" if stage.went_well else "red"
    stage.screen.print(Panel(text, border_style=style))


def _what_next(book: str, database: str | None) -> str:
    if database is None:
        return "Keep a day of your own: khata demo --database sqlite:///day.db"
    url = make_url(database).render_as_string(hide_password=True)
    where = f"--book {book} --database {url}"
    return (
        "The book is kept. Look around:\n"
        f"  khata wallets list {where}\n"
        f"  khata statement {NADIA} {where}\n"
        f"  khata verify {where}"
    )

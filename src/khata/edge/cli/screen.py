"""What is shown: tables with amounts to the right, JSON for pipes, progress for long work.

Without a terminal the same comes out plain: no colour, no progress bars, wide enough not to wrap.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from khata.base.paging import Page

T = TypeVar("T")
_WIDE: Final = 200
_CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160)), "\ufffd")
"""Characters that would command the terminal, when they come out of a book."""
Cell = str | Text | None


def out(*, no_color: bool = False, width: int | None = None) -> Console:
    """Standard output."""
    return _console(sys.stdout.isatty(), width, no_color=no_color)


def err() -> Console:
    """Standard error: errors and progress, so that a pipe gets the answer alone."""
    return _console(sys.stderr.isatty(), None, stderr=True)


class _Screen(Console):
    """A console that lets whoever called it decide what a closed pipe means."""

    def on_broken_pipe(self) -> NoReturn:
        """Pass it on."""
        raise BrokenPipeError


def _console(is_terminal: bool, width: int | None, **options: Any) -> Console:
    if width is None and not is_terminal and "COLUMNS" not in os.environ:
        width = _WIDE
    return _Screen(width=width, highlight=False, emoji=False, markup=False, **options)


# ── tables ───────────────────────────────────────────────────────────────────────────


def table(*columns: str, title: str | None = None) -> Table:
    """A table with these columns; one that ends in `>` has its cells to the right."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
    )
    for column in columns:
        is_amount = column.endswith(">")
        made.add_column(
            column.removesuffix(">"),
            justify="right" if is_amount else "left",
            no_wrap=is_amount,
            overflow="fold",  # a name that is cut off names nothing
        )
    return made


def row(made: Table, *cells: Cell) -> None:
    """A row; what is missing shows as nothing."""
    made.add_row(
        *(
            cell if isinstance(cell, Text) else Text((cell or "").translate(_CONTROLS))
            for cell in cells
        )
    )


def pairs(rows: Sequence[tuple[str, Cell]]) -> Table:
    """Names and values, one below the other."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim")
    made.add_column()
    for name, value in rows:
        row(made, name, value)
    return made


def more(page_next: str | None) -> None:
    """Say that there is more, and how to see it."""
    if page_next is not None:
        err().print(f"More follows: --cursor {page_next}", style="dim", soft_wrap=True)


def dump(value: Any) -> None:
    """One JSON value on a line of its own."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def show_page(page: Page[T], show: Callable[[list[T]], None], *, json: bool) -> None:
    """A page of a list: a line of JSON for each item, or as `show` shows them all; then whether
    more follows.
    """
    if json:
        for item in page.items:
            dump(item)
    else:
        show(page.items)
    more(page.next)


# ── money ────────────────────────────────────────────────────────────────────────────


def money(amount: str, currency: str) -> str:
    """An amount as people read it: `৳1,000.00`, `-€5.00`; `12 XP` where there is no sign."""
    sign, digits = ("-", amount[1:]) if amount.startswith("-") else ("", amount)
    number = f"{Decimal(digits):,f}"
    symbol = _symbol(currency)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {currency}"


def coloured(amount: str, currency: str) -> Text:
    """As `money`, red below zero."""
    return Text(money(amount, currency), style="red" if amount.startswith("-") else "")


@lru_cache
def _symbol(currency: str) -> str | None:
    """The currency's sign where it is one character, as its own country writes it.

    The first two letters of an ISO 4217 code are its country's, which has languages.
    """
    # imported here: it is needed only once something with money is shown
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415
    from babel.languages import get_official_languages  # noqa: PLC0415
    from babel.numbers import UnknownCurrencyError, get_currency_symbol  # noqa: PLC0415

    for language in ("en", *get_official_languages(currency[:2])):
        try:
            symbol = get_currency_symbol(currency, Locale.parse(language))
        except (UnknownLocaleError, UnknownCurrencyError, ValueError):
            continue
        if len(symbol) == 1:
            return str(symbol)
    return None


# ── long work ────────────────────────────────────────────────────────────────────────


@contextmanager
def progress(label: str, *, of_bytes: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error: call what is given with (done, of how many)."""
    screen = err()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn() if of_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    ) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def short(instant: str) -> str:
    """An ISO 8601 time to the second, for a table: `2026-01-31 09:00:00`."""
    return instant[:19].replace("T", " ")

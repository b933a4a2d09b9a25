"""The stage of the demo: a clock that the story sets, and what the audience sees."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.base.clock import DAY, SECOND, Instant, system_clock
from khata.domain import ledger
from khata.domain.ledger import AccountView
from khata.edge.cli.screen import money, row, table
from khata.engine.accounts import SIDE
from khata.engine.command import Command
from khata.engine.journal import Receipt
from khata.errors import KhataError

BDT: Final = "BDT"
_MINUTE: Final = 60 * SECOND
_PAUSE_SECONDS: Final = 0.3
_INDENT: Final = 2


class StoryClock:
    """The clock of the story: yesterday, at the time that a chapter says."""

    def __init__(self) -> None:
        self._midnight = (system_clock() // DAY - 1) * DAY
        self.now: Instant = self._midnight

    def __call__(self) -> Instant:
        """What Khata asks when it wants to know the time."""
        return self.now

    def at(self, text: str) -> Instant:
        """The instant of `10:12` in the story's day."""
        hours, _, minutes = text.partition(":")
        return self._midnight + (int(hours) * 60 + int(minutes)) * _MINUTE

    def tick(self) -> None:
        """A second passes."""
        self.now += SECOND


class Stage:
    """Shows what happens, and remembers whether all went as it must (`went_well`)."""

    def __init__(self, screen: Console, book: Khata, clock: StoryClock, *, fast: bool) -> None:
        self.screen = screen
        self.book = book
        self.clock = clock
        self.went_well = True
        self._fast = fast or not screen.is_terminal
        self._chapter = 0
        self._known: dict[tuple[str, str], AccountView] = {}

    # ── telling ──────────────────────────────────────────────────────────────────────

    def chapter(self, hour: str, title: str, *sentences: str) -> None:
        """A new chapter, at an hour of the day."""
        if not self._fast:
            time.sleep(_PAUSE_SECONDS)
        self._chapter += 1
        self.clock.now = self.clock.at(hour)
        self.screen.print()
        heading = Text.assemble(
            (f" {self._chapter} ", "bold black on cyan"), (f" {title} ", "bold"), (hour, "dim")
        )
        self.screen.print(Rule(heading, align="left", style="dim"))
        self.say(" ".join(sentences))

    def say(self, words: str) -> None:
        """A paragraph; what stands between back-ticks is shown as code."""
        text = Text()
        for at, part in enumerate(words.split("`")):
            text.append(part, style="cyan" if at % 2 else "")
        self.show(text)

    def show(self, what: RenderableType) -> None:
        """Anything else, set in a little."""
        self.screen.print(Padding(what, (0, 0, 0, _INDENT), expand=False))

    def expect(self, ok: bool, what: str) -> None:
        """Say that something held; the demo fails if it did not."""
        self.went_well = self.went_well and ok
        self.show(Text.assemble(("✓ ", "bold green") if ok else ("✗ ", "bold red"), what))

    # ── doing ────────────────────────────────────────────────────────────────────────

    def do(self, command: Command, *, actor: Actor = SYSTEM, key: str | None = None) -> Receipt:
        """Carry out a command a second later, and say which it was."""
        self.clock.tick()
        receipt = self.book.submit(command, actor=actor, key=key)
        kind = self.book.verbs.of(command).kind
        said = f"{kind} as {actor}, command {receipt.seq}" + (f", key {key}" if key else "")
        if receipt.replayed:
            said += ", replayed"
        self.show(Text.assemble(("→ ", "cyan"), (said, "dim")))
        return receipt

    def refused(
        self, command: Command, code: str, *, actor: Actor = SYSTEM, key: str | None = None
    ) -> None:
        """Try a command that the book must refuse with this code, and show how it does."""
        self.clock.tick()
        try:
            self.book.submit(command, actor=actor, key=key)
        except KhataError as error:
            self.show(
                Panel(
                    Text.assemble((f"error[{error.code}]", "bold red"), f": {error.message}"),
                    box=box.ROUNDED,
                    border_style="red",
                    expand=False,
                )
            )
            self.expect(error.code == code, "Refused, and nothing was written.")
        else:
            self.expect(False, f"This should have been refused with {code}.")

    def ask(self, query: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """A query on the book as it stands."""
        return self.book.query(query, *args, **options)

    # ── money ────────────────────────────────────────────────────────────────────────

    def balances(self) -> None:
        """A table of the accounts that changed since the last one, and the sum over all."""
        found = {
            (item.code, item.currency): item for item in self.ask(ledger.accounts, limit=1000).items
        }
        changed = [
            (self._known.get(key), item)
            for key, item in found.items()
            if _has_changed(self._known.get(key), item)
        ]
        if changed:
            self.show(_balances_table(changed))
        else:
            self.say("No balance changed.")
        total = sum(SIDE[item.kind] * Decimal(item.balance) for item in found.values())
        self.expect(total == 0, "Over all accounts, debits and credits are equal.")
        self._known = found

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A plain table."""
        made = table(*columns)
        for cells in rows:
            row(made, *cells)
        self.show(made)


def _balances_table(changed: Sequence[tuple[AccountView | None, AccountView]]) -> Table:
    with_holds = any(Decimal(item.held) for _, item in changed)
    columns = ["account", "before>", "change>", "balance>"]
    made = table(*columns, *(["held>", "available>"] if with_holds else []))
    for before, item in changed:
        row(made, item.code.removeprefix("wallet/"), *_cells(before, item, with_holds=with_holds))
    return made


def _has_changed(before: AccountView | None, item: AccountView) -> bool:
    if before is None:
        return Decimal(item.balance) != 0 or Decimal(item.held) != 0 or item.owner is not None
    return (before.balance, before.held) != (item.balance, item.held)


def _cells(before: AccountView | None, item: AccountView, *, with_holds: bool) -> list[str | Text]:
    was = before.balance if before else str(abs(Decimal(item.balance)) * 0)
    change = Decimal(item.balance) - Decimal(was)
    shown = Text("·", style="dim")
    if change:
        text = money(str(change), item.currency)
        shown = Text(text if change < 0 else f"+{text}", style="red" if change < 0 else "green")
    cells: list[str | Text] = [money(was, item.currency), shown, money(item.balance, item.currency)]
    if with_holds:
        cells += [money(item.held, item.currency), money(item.available, item.currency)]
    return cells

"""Bringing a Beancount file into a book.

Accounts, units and wallets are set up as the file needs them, then each transaction becomes an
entry, in the order of its day. The same file brought in again changes nothing. The book's own
time is when it was told; the transaction's day is kept in the entry's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.base.units import ISO_4217
from khata.domain.ledger import OpenAccount, PostEntry, SetLimits
from khata.domain.setup import DefineSource, DefineUnit, DefineWalletKind
from khata.domain.setup.model import WALLET_KINDS
from khata.domain.wallets import OpenWallet
from khata.edge.files.beancount import entries, names, reading
from khata.edge.files.beancount.reading import FailedBalance, Source
from khata.edge.files.feeding import Fed, Feed, ImportResult, Progress
from khata.edge.files.identity import Identity, Known, Numbered, check_renamed, compare
from khata.engine.command import Command, digest
from khata.errors import AlreadyExists

_EXISTS: Final = frozenset({AlreadyExists.code})
_REASON: Final = "brought in from Beancount, where it was overdrawn"


@dataclass
class BeancountResult(ImportResult):
    """`failed`: balance assertions of the file that do not hold in the file itself.

    `empty`: transactions that move nothing and were left out.
    """

    failed: list[FailedBalance] = field(default_factory=list)
    empty: int = 0


def import_beancount(
    book: Khata,
    path: Path | str,
    *,
    name: str | None = None,
    actor: Actor = SYSTEM,
    progress: Progress | None = None,
) -> BeancountResult:
    """Post every transaction of a Beancount file (see docs/files.md). Stops at a refusal.

    `name`: what the file is known as; left out, its own name. `progress`: told (transactions
    done, of how many). The file is read into memory, as Beancount does. `actor`: an admin.

    Errors: as `reading.read`; `KeyReused` when the file was changed since it was imported other
    than at its end; `AlreadyExists` when it was under another name; `Unavailable`.
    """
    path = Path(path)
    source = reading.read(path)
    units = entries.units_of(source.transactions)
    posts = [
        (number, transaction.line, entry)
        for number, transaction in enumerate(source.transactions, 1)
        if (entry := entries.entry_of(transaction, units)) is not None
    ]
    identity = Identity("beancount", name or path.name)
    numbered = [Numbered(number, entry) for number, _, entry in posts]
    known = _known(book, identity, numbered, named=name is not None)
    result = BeancountResult(replayed=known.count, failed=source.failed)
    result.empty = len(source.transactions) - len(posts)
    done = known.count
    setting_up = [] if known.count == len(posts) else _setting_up(identity, source, units, posts)

    def items() -> Iterator[Fed]:
        nonlocal done
        for number, line, entry in posts:
            if number not in known:
                done += 1
                yield Fed(line, identity.key(number), entry)

    def tell() -> None:
        if progress is not None:
            progress(done, len(posts))

    feed = Feed(book, actor)
    feed.run(setting_up, result, tell)
    if result.stopped_at is None:
        feed.run(items(), result, tell)
    return result


def _known(book: Khata, identity: Identity, lines: list[Numbered], *, named: bool) -> Known:
    with book.view() as view:
        if not named:
            check_renamed(view, identity, iter(lines))
        return compare(view, identity, iter(lines))


def _setting_up(
    identity: Identity,
    source: Source,
    units: dict[str, entries.Unit],
    posts: Iterable[tuple[int, int, PostEntry]],
) -> list[Fed]:
    """What must exist before the first entry. All of it may exist already."""
    posted = [entry for _, _, entry in posts]
    codes = {names.to_code(account) for account in source.opens}
    codes |= {leg.account for entry in posted for leg in entry.legs}
    spoken = ISO_4217.keys() | {unit.code for unit in units.values()}
    parts = sorted(code.split("/") for code in codes if code.startswith("wallet/"))
    wallets = [(owner, kind, unit) for _, owner, kind, unit in parts if unit in spoken]
    commands: list[Command] = [_SOURCE, *_units(units), *_kinds(kind for _, kind, _ in wallets)]
    commands += [OpenWallet(owner, unit, kind) for owner, kind, unit in wallets]
    commands += _overdrafts(entries.deepest(posted))
    return [Fed(0, _key(identity, command), command, _EXISTS, counts=False) for command in commands]


def _key(identity: Identity, command: Command) -> str:
    """The same for the same command: a file that has grown sets up what is new in it."""
    return f"beancount-setup:{identity.name}:{digest(msgspec.json.encode(command)).hex()}"


_SOURCE: Final = DefineSource("beancount", "Imported", "transfer", "transfer", "equity/adjustment")


def _units(units: dict[str, entries.Unit]) -> list[Command]:
    return [
        DefineUnit(unit.code, unit.exponent, commodity)
        for commodity, unit in sorted(units.items())
        if unit.code not in ISO_4217
    ]


def _kinds(kinds: Iterable[str]) -> list[Command]:
    return [
        DefineWalletKind(kind, kind.replace("_", " ").capitalize())
        for kind in sorted(set(kinds) - WALLET_KINDS.keys())
    ]


def _overdrafts(low: dict[tuple[str, str], Decimal]) -> list[Command]:
    """Room below zero for accounts whose past needs it."""
    commands: list[Command] = []
    for (code, unit), depth in sorted(low.items()):
        if depth < 0 and code.startswith("wallet/"):
            commands.append(SetLimits(code, _REASON, overdraft=f"{-depth:f}"))
        elif depth < 0:
            commands += [OpenAccount(code, unit), SetLimits(code, _REASON, floor=None)]
    return commands

"""Reading how a book is set up: its sources, wallet kinds and units, with those built in."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from khata.base.clock import Instant
from khata.base.units import ISO_4217
from khata.domain.setup.model import SOURCES, WALLET_KINDS, Setting, Source, Unit, WalletKind
from khata.domain.setup.scheduling import SCHEDULES, Schedules, Slot
from khata.engine.database import View
from khata.engine.reading import is_storable, looked_up, record, records, select
from khata.engine.tables import JOURNAL
from khata.errors import UnknownCurrency, UnknownSource


def sources(view: View) -> list[Source]:
    """Every transaction source: those built in, then the book's own by name."""
    own = records(view, Source, select(view, Source))
    return [*SOURCES.values(), *sorted(own, key=lambda source: source.name)]


def wallet_kinds(view: View) -> list[WalletKind]:
    """Every wallet kind: those built in, then the book's own by name."""
    own = records(view, WalletKind, select(view, WalletKind))
    return [*WALLET_KINDS.values(), *sorted(own, key=lambda kind: kind.name)]


def units(view: View) -> list[Unit]:
    """The book's own units by code; the currencies of ISO 4217 are in every book."""
    return sorted(records(view, Unit, select(view, Unit)), key=lambda unit: unit.code)


def source_named(view: View, name: str) -> Source:
    """A transaction source by name. Errors: `UnknownSource`."""
    source = SOURCES.get(name) or (record(view, Source, name) if is_storable(name) else None)
    if source is None:
        raise UnknownSource(
            f"{name[:40]!r} is not a transaction source.", expected=sorted(SOURCES), got=name[:40]
        )
    return source


def decimals_of(view: View, currency: str) -> int:
    """Decimals of a currency or of a unit of this book. Errors: `UnknownCurrency`."""
    exponent = ISO_4217.get(currency)
    if exponent is not None:
        return exponent
    unit = record(view, Unit, currency) if is_storable(currency) else None
    if unit is None:
        raise UnknownCurrency(
            f"{currency[:20]!r} is not a currency.",
            expected="an ISO 4217 code or a unit defined in this book",
            got=currency[:20],
        )
    return unit.exponent


def setting_value(view: View, name: str) -> dict[str, Any]:
    """The value of a setting, empty when it was never set."""
    known = record(view, Setting, name)
    return known.value if known else {}


def schedules(view: View) -> Schedules:
    """When the jobs that the clock calls for are done."""
    return msgspec.convert(setting_value(view, SCHEDULES), Schedules)


def slots(view: View) -> dict[str, Instant]:
    """By job, the last slot for which it was done."""
    return {slot.job: slot.slot for slot in records(view, Slot, select(view, Slot))}


def begun_at(view: View) -> Instant | None:
    """When the book's first command was carried out; None when there was none yet."""
    row = view.row(sa.select(looked_up(view, JOURNAL.c.at, sa.literal(1)).label("at")))
    return None if row is None or row.at is None else int(row.at)

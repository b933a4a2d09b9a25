"""Reading commission rules, and previewing what they do. For staff: owners see their sales."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from khata.base.money import Money, to_positive_minor, to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.commissions.model import GENERAL, STANDARD, Rule, RuleState, SharePreview
from khata.domain.commissions.rules import chosen, share_views, shares, state_of
from khata.domain.setup import decimals_of, source_named
from khata.engine.database import View
from khata.engine.reading import checked_text, is_storable, records, select
from khata.engine.tables import table_of
from khata.errors.market import RuleNotFound

_RULES: Final = table_of(Rule)
_LARGEST: Final = 1 << 62
_ALWAYS: Final = "partner"


def rules(
    view: View,
    *,
    name: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RuleState]:
    """The book's own rules with all their versions, by name and version.

    `status`: in_force, superseded, retired. Errors: `NotYours` for owners, `Invalid` limit,
    `InvalidCursor`.
    """
    view.check_owner(None)
    of = _RULES.c
    query = select(view, Rule)
    for column, value in (("name", name), ("status", status)):
        if checked_text(value, column) is not None:
            query = query.where(of[column] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.name, of.version) > from_cursor(cursor, str, int))
    query = query.order_by(of.name, of.version).limit(checked_limit(limit) + 1)
    page = paged(records(view, Rule, query), limit, lambda item: (item.name, item.version))
    return Page([state_of(item) for item in page.items], page.next)


def rule(view: View, name: str, version: int | None = None) -> RuleState:
    """A version of a rule, left out the newest; the built-in `standard` has version 0.

    Errors: `NotYours` for owners, `RuleNotFound`.
    """
    view.check_owner(None)
    if name == STANDARD.name and version in (None, STANDARD.version):
        return state_of(STANDARD)
    query = select(view, Rule).where(_RULES.c.name == name)
    if version is not None:
        query = query.where(_RULES.c.version == version)
    query = query.order_by(_RULES.c.version.desc()).limit(1)
    is_asked = is_storable(name) and (version is None or 0 <= version <= _LARGEST)
    found = records(view, Rule, query) if is_asked else []
    if not found:
        raise RuleNotFound(f"No rule {name[:60]!r} of this version.", got=[name[:60], version])
    return state_of(found[0])


def preview(
    view: View,
    amount: Money,
    *,
    source: str = "order",
    category: str | None = None,
    partner: str | None = None,
    parties: Collection[str] = (),
) -> SharePreview:
    """How a sale of this amount would be shared if it began now: what the sale itself would do.

    `partner`: an owner's name. `parties`: the roles that somebody has in it; a partner is in
    every sale.

    Errors: `NotYours` for owners, `UnknownSource`, `SplitImpossible`, those of an amount and its
    currency; `Invalid` for a part whose role nobody has.
    """
    view.check_owner(None)
    source_named(view, source)
    checked_text(category, "category")
    checked_text(partner, "partner")
    places = decimals_of(view, amount.currency)
    minor = to_positive_minor(amount.amount, places)
    mine = [GENERAL] if partner is None else [GENERAL, partner]
    query = select(view, Rule).where(_RULES.c.open_partner.in_(mine))
    meant = chosen(records(view, Rule, query), source, category, partner)
    present = {role: role for role in (_ALWAYS, *parties)}
    return SharePreview(
        meant.name,
        meant.version,
        source,
        category,
        partner,
        to_text(minor, places),
        amount.currency,
        share_views(shares(meant, minor, amount.currency, places, present), places),
    )

"""Owing and paying back: what other rooms call when money is owed, or has just been earned.

`owe` only writes down that something is owed: who calls it posts the leg that debits the house
account (`account_code`). From there on every debit and credit of that account goes by this room,
so that its balance is what the owner's debts have outstanding.
"""

from __future__ import annotations

from typing import Final

from khata.base.money import MAX_MINOR, to_text
from khata.domain.debts import rules
from khata.domain.debts.model import BAD_DEBT, KINDS, NETTING, Debt, Netting, Repayment, Way
from khata.domain.ledger import Moved, check_reason, enter, house_account
from khata.domain.setup import Source, exponent_of, setting, source_of
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.errors import AmountTooLarge, Invalid, NotYours
from khata.errors.market import DebtNotFound

_MOST_TEXT: Final = 500


def owe(
    book: Book,
    owner: str,
    kind: str,
    unit: str,
    principal: int,
    *,
    fee: int = 0,
    reference: str,
    reason: str,
    wallet: str | None = None,
) -> Debt:
    """Write down that an owner owes `principal` and `fee` (minor units) from now on.

    The caller debits `house_account(account_code(kind, owner))` with both, in an entry of its own.

    Errors: `Invalid`, `UnknownCurrency`, `AmountTooLarge`.
    """
    check_reason(reason)
    if not reference.strip() or len(reference) > _MOST_TEXT:
        raise Invalid("A debt has a reference.", expected="1 to 500 characters", got=reference[:60])
    total = principal + fee
    if min(principal, fee) < 0 or not total:
        raise Invalid("A debt is above zero.", expected="above zero", got=[principal, fee])
    if total > MAX_MINOR:
        raise AmountTooLarge("The debt is too large.", expected=MAX_MINOR, got=total)
    debt = book.add(
        Debt(
            id=book.new_id("dbt"),
            owner=owner,
            open_owner=owner,
            kind=kind,
            account=rules.account_code(kind, owner),
            unit=unit,
            exponent=exponent_of(book, unit),
            principal=principal,
            fee=fee,
            repaid=0,
            written_off=0,
            status="open",
            reference=reference,
            reason=reason,
            wallet=wallet,
            opened_at=book.now,
            settled_at=None,
        )
    )
    _announce(book, debt, "opened", total)
    return debt


def collect(
    book: Book, wallet: Account, earned: int, *, reference: str | None = None
) -> list[Moved]:
    """Net the open debts of a wallet's owner from what the wallet was just credited with.

    `earned`: minor units. One entry for each debt that is paid; what is taken never passes the
    shares of the book's netting, the earning, or what is available without an overdraft.

    Errors: `Invalid` when the setting `netting` makes no sense.
    """
    if wallet.owner is None or earned <= 0:
        return []
    owed = [debt for debt in open_debts(book, wallet.owner) if debt.unit == wallet.unit]
    if not owed:
        return []
    houses = {
        code: house_account(book, code, wallet.unit)
        for code in dict.fromkeys(debt.account for debt in owed)
    }  # an earning comes in, whatever became of what is owed: a frozen one waits, others are paid
    owed = [debt for debt in owed if houses[debt.account].status == "active"]
    account = book.account(wallet.id)
    room = account.available - max(account.floor or 0, 0)
    return [
        pay(book, debt, account, minor, "netted", reference)[1]
        for debt, minor in rules.taken(netting_of(book), owed, earned, room)
    ]


def open_debts(book: Book, owner: str) -> list[Debt]:
    """All that an owner owes in this command's view of the book, in whatever unit."""
    return book.find(Debt, open_owner=owner)


def netting_of(book: Book) -> Netting:
    """How the book nets debts. Errors: `Invalid` when its setting makes no sense."""
    return rules.policy(setting(book, NETTING))


def pay(
    book: Book, debt: Debt, wallet: Account, minor: int, way: Way, reference: str | None = None
) -> tuple[Debt, Moved]:
    """Move `minor` from a wallet to what its owner owes; the debt as it is then, and the entry.

    Errors: those of `enter`. What is netted is not metered: it has just come in.
    """
    moved = _enter(
        book,
        debt,
        wallet,
        minor,
        type_="netting" if way == "netted" else "repayment",
        source=source_of(book, KINDS[debt.kind].source),
        reference=reference or debt.reference,
        metered=way != "netted",
    )
    changed = _lessen(book, debt, minor, way, moved)
    _announce(book, changed, "repaid", minor, way=way, entry=moved.id)
    return changed, moved


def write_off(book: Book, debt: Debt, minor: int, reason: str) -> tuple[Debt, Moved]:
    """Give `minor` of a debt up: the house bears it. Errors: those of `enter`."""
    moved = _enter(
        book,
        debt,
        house_account(book, BAD_DEBT, debt.unit),
        minor,
        type_="write_off",
        source=source_of(book, "adjustment"),
        reference=debt.reference,
        note=reason,
    )
    changed = _lessen(book, debt, minor, "written_off", moved)
    _announce(book, changed, "written_off", minor, entry=moved.id)
    return changed, moved


def debt_of(book: Book, name: str) -> Debt:
    """A debt by its id. Errors: `DebtNotFound`; `NotYours` for an owner of others."""
    debt, owner = book.peek(Debt, name), book.actor.owner
    if owner is not None and (debt is None or debt.owner != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if debt is None:
        raise DebtNotFound(f"No debt {name[:60]!r}.", got=name[:60])
    return debt


def _enter(
    book: Book,
    debt: Debt,
    payer: Account,
    minor: int,
    *,
    type_: str,
    source: Source,
    reference: str,
    note: str | None = None,
    metered: bool = True,
) -> Moved:
    house = house_account(book, debt.account, debt.unit)
    return enter(
        book,
        ((payer.id, minor), (house.id, -minor)),
        type=type_,
        source=source,
        reference=reference,
        note=note,
        metadata={"debt": debt.id},
        metered=metered,
    )


def _lessen(book: Book, debt: Debt, minor: int, way: Way, moved: Moved) -> Debt:
    """The debt after `minor` of it was repaid or given up, and a fact about it."""
    before = rules.fee_outstanding(debt)
    n = len(book.facts.get(Repayment.TABLE.name, ()))
    fee = min(before, minor)
    book.add(Repayment(debt.id, book.seq, n, way, minor, fee, moved.id, book.now))
    given_up = way == "written_off"
    over = minor == rules.outstanding(debt)
    return book.change(
        debt,
        repaid=debt.repaid + (0 if given_up else minor),
        written_off=debt.written_off + (minor if given_up else 0),
        status=("written_off" if given_up else "settled") if over else "open",
        open_owner=None if over else debt.owner,
        settled_at=book.now if over else None,
    )


def _announce(book: Book, debt: Debt, what: str, minor: int, **more: str) -> None:
    book.announce(
        f"debt.{what}",
        debt.id,
        debt.owner,
        debt_kind=debt.kind,
        amount=to_text(minor, debt.exponent),
        outstanding=to_text(rules.outstanding(debt), debt.exponent),
        currency=debt.unit,
        status=debt.status,
        reference=debt.reference,
        **more,
    )

"""`khata solvency …`: cash against what is owed, the brake on payouts, proofs for owners."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import payouts, setup, solvency
from khata.domain.payouts import ApplyBrake, Brake, BrakeLifted, LiftBrake
from khata.domain.setup import Schedules, SetSchedule
from khata.domain.solvency import (
    CheckView,
    Inclusion,
    Position,
    RootView,
    VerifiedView,
    VerifyBalance,
)
from khata.edge.cli.exits import DONE, FAILED
from khata.edge.cli.screen import (
    coloured,
    dump,
    money,
    more,
    out,
    pairs,
    row,
    short,
    show_page,
    table,
)
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Reason,
    Where,
    carry_out,
    command,
    family,
    looking,
    opened,
)
from khata.edge.working import solvency as counting
from khata.errors import Invalid, NotFound, RoleRequired

app: Final = family("solvency", "Cash against what is owed, the brake on payouts, proofs.")
Currency = Annotated[str, Parameter(help="Such as BDT.")]
Of = Annotated[str | None, Parameter(help="Only this currency.")]
Key = Annotated[str | None, Parameter(help="Idempotency key: the same key, the first answer.")]
_MAY_COUNT: Final = ("admin", "finance", "service")


# ── how it stands ────────────────────────────────────────────────────────────────────


@command(app, "show", "khata solvency show", "khata solvency show --json")
def show(*, json: Json = False, where: Where = HERE) -> int:
    """Show how every currency stands now (exit code 1 for a breach); nothing is recorded."""
    with looking(where) as view:
        found = solvency.position(view)
    for item in found.items:
        dump(item) if json else _show(item)
    if not json and not found.items:
        out().print("Nothing was entered yet.")
    broken = any(item.solvent is False or not item.equation for item in found.items)
    return FAILED if broken else DONE


@command(app, "check", "khata solvency check", "khata solvency check --key close-of-day --json")
def check(*, key: Key = None, json: Json = False, where: Where = HERE) -> int:
    """Check every currency and record it; a breach (exit code 1) brakes its payouts."""
    who = where.who()
    _may_count(where)
    with opened(where) as book:
        result = counting.check(book, None, str(who), key=key).result
    if json:
        dump(result)
    else:
        _show_checks(result.items)
        for currency in result.braked:
            out().print(f"Payouts in {currency} are braked now.", style="bold red")
    return FAILED if any(item.breach for item in result.items) else DONE


@command(app, "history", "khata solvency history", "khata solvency history --currency BDT --json")
def history(
    *,
    currency: Of = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List the checks that were recorded, newest first."""
    with looking(where) as view:
        page = solvency.checks(view, currency=currency, cursor=cursor, limit=limit)
    show_page(page, _show_checks, json=json)
    return DONE


@command(
    app,
    "verify-balance",
    "khata solvency verify-balance bank/city 98000.00 BDT --at 2026-01-31T18:00:00Z"
    " --evidence 'Statement 7'",
)
def verify_balance(
    account: Annotated[str, Parameter(help="An account for cash, such as bank/city.")],
    amount: Annotated[str, Parameter(help="What it really held.", allow_leading_hyphen=True)],
    currency: Currency,
    *,
    at: Annotated[str, Parameter(help="When, ISO 8601 with an offset.")],
    evidence: Annotated[str, Parameter(help="Where it is written.")],
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Note what an account for cash really held, as its bank or provider says."""
    told = VerifyBalance(account, Money(amount, currency), at, evidence)
    return carry_out(where, how, told, _show_verified)


# ── the brake and the schedule ───────────────────────────────────────────────────────


@command(app, "brake", "khata solvency brake BDT --reason 'The till is being counted'")
def brake(currency: Currency, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Stop all payouts in a currency, until two people let them go on."""
    return carry_out(where, how, ApplyBrake(currency, reason), _show_brake)


@command(app, "lift", "khata solvency lift BDT --reason 'It was counted' --ask 'All is there'")
def lift(currency: Currency, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Let payouts in a currency go on. It always takes a second person: use --ask."""

    def told(lifted: BrakeLifted) -> None:
        _show_brake(lifted.brake)

    return carry_out(where, how, LiftBrake(currency, reason), told)


@command(app, "brakes", "khata solvency brakes", "khata solvency brakes --json")
def brakes(*, json: Json = False, where: Where = HERE) -> int:
    """List the currencies in which payouts are braked, and why."""
    with looking(where) as view:
        found = payouts.brakes(view)
    for item in found:
        dump(item) if json else _show_brake(item)
    if not json and not found:
        out().print("No payouts are braked.")
    return DONE


@command(
    app,
    "schedule",
    "khata solvency schedule",
    "khata solvency schedule --time-zone Asia/Dhaka --reconciliation 02:00 --solvency hourly",
)
def schedule(
    *,
    time_zone: Annotated[str | None, Parameter(help="Such as Asia/Dhaka.")] = None,
    reconciliation: Annotated[
        str | None, Parameter(help="hourly, off, or a time such as 02:00.")
    ] = None,
    check_at: Annotated[
        str | None,
        Parameter(name="--solvency", help="hourly, off, or a time such as 02:00."),
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Show when workers do what the clock calls for, or change what is named."""
    if (time_zone, reconciliation, check_at) != (None, None, None):
        change = SetSchedule(time_zone, reconciliation, check_at)
        return carry_out(where, how, change, _show_schedule)
    with looking(where) as view:
        found = setup.schedules(view)
    dump(found) if how.json else _show_schedule(found)
    return DONE


# ── proofs of liabilities ────────────────────────────────────────────────────────────


@command(app, "publish", "khata solvency publish BDT", "khata solvency publish BDT --json")
def publish(currency: Currency, *, key: Key = None, json: Json = False, where: Where = HERE) -> int:
    """Publish a proof of what owners are owed in a currency."""
    _may_count(where)
    with opened(where) as book:
        found = counting.publish(book, currency, str(where.who()), key=key).result
    dump(found) if json else _show_root(found)
    return DONE


@command(app, "roots", "khata solvency roots", "khata solvency roots --currency BDT --json")
def roots(
    *,
    currency: Of = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List the proofs of liabilities that were published, newest first."""
    with looking(where) as view:
        page = solvency.roots(view, currency=currency, cursor=cursor, limit=limit)
    for item in page.items:
        dump(item) if json else _show_root(item)
    if not json and not page.items:
        out().print("No proof of liabilities was published.")
    more(page.next)
    return DONE


@command(
    app,
    "prove",
    "khata solvency prove alice --root lpr_1c01 > alice.json",
    "khata solvency prove alice --currency BDT",
)
def prove(
    owner: Annotated[str, Parameter(help="Whose balance.")],
    *,
    root: Annotated[str | None, Parameter(help="The proof's id; left out, the newest.")] = None,
    currency: Annotated[str | None, Parameter(help="The newest of this currency.")] = None,
    where: Where = HERE,
) -> int:
    """Write the proof that an owner's balance is in a published total, as JSON."""
    with opened(where) as book:
        if root is None:
            with book.view(where.who()) as view:
                newest = solvency.roots(view, currency=currency, limit=1).items
            if not newest:
                raise NotFound("No proof of liabilities was published.", got=currency)
            root = newest[0].id
        found = counting.prove(book, owner, root, where.who())
    sys.stdout.write(counting.proof_text(found) + "\n")
    return DONE


@command(app, "verify-proof", "khata solvency verify-proof alice.json 4f4f…")
def verify_proof(
    file: Annotated[Path, Parameter(help="A proof that `prove` wrote.")],
    root: Annotated[str, Parameter(help="The root's hash, from where it was published.")],
) -> int:
    """Check a proof against a published hash (exit code 1 when it fails); needs no book."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Inclusion)
    except (OSError, msgspec.DecodeError) as error:
        raise Invalid(
            f"{file} is not a proof: {error}", expected="a file that `prove` wrote"
        ) from None
    if not solvency.is_included(found, root):
        out().print("NOT in the published total.", style="bold red")
        return FAILED
    balance = money(found.balance, found.currency)
    out().print(f"{balance} of {found.owner} is in the published total: {found.label}")
    return DONE


def _may_count(where: Where) -> None:
    if not where.who().has(*_MAY_COUNT):
        raise RoleRequired("This is not for you to count.", expected=list(_MAY_COUNT))


# ── showing ──────────────────────────────────────────────────────────────────────────

_LINES: Final = (
    ("CASH, as counted", "cash"),
    ("wallets", "wallets"),
    ("escrow", "escrow"),
    ("other liabilities", "other_liabilities"),
    ("LIABILITIES", "liabilities"),
    ("NET", "net"),
    ("overdrawn, not counted", "overdrawn"),
    ("receivables, not counted", "receivables"),
    ("inventory, not counted", "inventory"),
)


def _show(item: Position) -> None:
    made = table(item.currency, "amount>", "verified>", "difference>")
    for cash in item.accounts:
        told = [None if text is None else money(text, item.currency)
                for text in (cash.verified, cash.difference)]  # fmt: skip
        row(made, cash.account, coloured(cash.counted, item.currency), *told)
    for title, name in _LINES:
        row(made, title, coloured(getattr(item, name), item.currency), None, None)
    out().print(made)
    words = {True: "Solvent.", False: "NOT SOLVENT.", None: "No money: it needs no cash."}
    out().print(words[item.solvent], style="bold red" if item.solvent is False else "")
    if not item.equation:
        out().print("The accounting equation does NOT hold.", style="bold red")
    if item.braked:
        out().print(f"Payouts in {item.currency} are braked.", style="bold red")


def _show_checks(items: list[CheckView]) -> None:
    made = table("time", "currency", "cash>", "liabilities>", "net>", "breach", "asked by")
    for item in items:
        amounts = (money(text, item.currency) for text in (item.cash, item.liabilities, item.net))
        row(made, short(item.at), item.currency, *amounts, item.reason, item.asked_by)
    out().print(made if items else "No checks.")


def _show_verified(item: VerifiedView) -> None:
    rows = [
        ("account", item.account),
        ("held", money(item.amount, item.currency)),
        ("at", short(item.at)),
        ("evidence", item.evidence),
        ("by", item.by),
    ]
    out().print(pairs(rows))


def _show_brake(item: Brake) -> None:
    rows = [
        ("payouts in", item.currency),
        ("braked", short(item.at)),
        ("by", item.by),
        ("why", item.reason),
    ]
    out().print(pairs(rows))


def _show_schedule(found: Schedules) -> None:
    out().print(pairs([(name.replace("_", " "), text) for name, text in
                       msgspec.structs.asdict(found).items()]))  # fmt: skip


def _show_root(item: RootView) -> None:
    rows = [
        ("proof", item.id),
        ("root", item.hash),
        ("total", money(item.total, item.currency)),
        ("owners", f"{item.owners:,}"),
        ("label", item.label),
        ("published", short(item.published_at)),
    ]
    out().print(pairs(rows), soft_wrap=True)

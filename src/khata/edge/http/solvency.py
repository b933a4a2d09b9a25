"""The operations of solvency, of the brake on payouts, of the schedule, and of reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain import payouts, setup, solvency
from khata.domain.ledger import BalanceSheet, IncomeStatement, TrialLine
from khata.domain.payouts import ApplyBrake, Brake, LiftBrake
from khata.domain.setup import Schedules, SetSchedule
from khata.domain.solvency import (
    Checked,
    CheckView,
    Inclusion,
    Positions,
    RootView,
    VerifiedView,
    VerifyBalance,
)
from khata.edge import reporting
from khata.edge.client.answers import Receipt
from khata.edge.http.alerts import Alerts
from khata.edge.http.operation import Operation
from khata.edge.http.reading import WriteQuery, body_of, decoded, is_dry, key_of, queried
from khata.edge.http.reads import Nothing, Paged, own, read, viewed
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply
from khata.edge.http.write import receipt_reply, write
from khata.edge.reporting import Report
from khata.edge.working import solvency as counting
from khata.engine.database import View
from khata.engine.journal import Receipt as Kept
from khata.errors import RoleRequired
from khata.settings import Settings

_MAY_COUNT: Final = ("admin", "finance", "service")
_S: Final = "/v1/solvency"
_Day = Annotated[str, msgspec.Meta(description="A day; left out, today.", examples=["2026-01-31"])]
_Zone = Annotated[
    str,
    msgspec.Meta(
        description="A time zone; left out, that of the schedule.", examples=["Asia/Dhaka"]
    ),
]
_encode: Final = msgspec.json.Encoder().encode


class OfCurrency(Paged, frozen=True, kw_only=True):
    """`currency` is an equality."""

    currency: str | None = None


class OwnerAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`owner`: whose; an owner's own when left out."""

    owner: str | None = None


class DayAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As it was at the end of a day in a time zone."""

    on: _Day | None = None
    zone: _Zone | None = None


class PeriodAsked(DayAsked, frozen=True, kw_only=True):
    """`first`: the period's first day; left out, from the beginning. `on`: its last."""

    first: _Day | None = None


class CheckBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing: every currency is checked."""


class RootBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which currency."""

    currency: str


def verified(view: View) -> Page[VerifiedView]:
    """All of them."""
    return Page(solvency.verified(view))


def brakes(view: View) -> Page[Brake]:
    """All of them."""
    return Page(payouts.brakes(view))


# path, command, operation id, tag, status, scope, body that works
_WRITES: Final[tuple[tuple[str, Any, str, str, int, str, Any], ...]] = (
    (f"{_S}/verified-balances", VerifyBalance, "verifyBalance", "solvency", 201, "write",
     {"account": "cash/main", "amount": {"amount": "1000.00", "currency": "BDT"},
      "at": "2026-01-31T18:00:00Z", "evidence": "Statement 7 of City Bank."}),
    ("/v1/payout-brakes", ApplyBrake, "applyPayoutBrake", "solvency", 201, "write",
     {"currency": "BDT", "reason": "The till is being counted."}),
    ("/v1/payout-brakes/{currency}/lift", LiftBrake, "liftPayoutBrake", "solvency", 200, "write",
     {"reason": "The till was counted."}),
    ("/v1/schedules", SetSchedule, "setSchedule", "solvency", 200, "admin",
     {"time_zone": "Asia/Dhaka", "reconciliation": "02:00", "solvency": "hourly"}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    (_S, solvency.position, Nothing, Positions, "getSolvency", "solvency",
     "How every currency stands now: cash, what is owed, and what is left"),
    (f"{_S}/checks", solvency.checks, OfCurrency, Page[CheckView], "listSolvencyChecks",
     "solvency", "Recorded checks, newest first"),
    (f"{_S}/verified-balances", verified, Nothing, Page[VerifiedView], "listVerifiedBalances",
     "solvency", "The last balance of each account that was verified outside"),
    (f"{_S}/roots", solvency.roots, OfCurrency, Page[RootView], "listLiabilityRoots", "solvency",
     "Published proofs of liabilities, newest first"),
    (f"{_S}/roots/{{root}}", solvency.root, Nothing, RootView, "getLiabilityRoot", "solvency",
     "One published proof of liabilities"),
    ("/v1/payout-brakes", brakes, Nothing, Page[Brake], "listPayoutBrakes", "solvency",
     "The currencies in which payouts are braked, and why"),
    ("/v1/schedules", setup.schedules, Nothing, Schedules, "getSchedule", "solvency",
     "When the jobs that the clock calls for are done"),
    ("/v1/reports/trial-balance", reporting.trial_balance, DayAsked, Report[TrialLine],
     "reportTrialBalance", "reports", "Every account's balance at the end of a day"),
    ("/v1/reports/balance-sheet", reporting.balance_sheet, DayAsked, Report[BalanceSheet],
     "reportBalanceSheet", "reports", "What the house had, owed and owned at the end of a day"),
    ("/v1/reports/income-statement", reporting.income_statement, PeriodAsked,
     Report[IncomeStatement], "reportIncomeStatement", "reports",
     "What came in and what was spent from one day to another"),
)  # fmt: skip


def solvency_operations(settings: Settings, threads: Threads, alerts: Alerts) -> list[Operation]:
    """All of them: owners see published roots and their own proofs, the rest is for staff."""
    writes = [
        write(settings, "POST", path, command, name=name, tag=tag, status=status,
              example=example, scope=scope)
        for path, command, name, tag, status, scope, example in _WRITES
    ]  # fmt: skip
    return [
        _counted(settings, threads, f"{_S}/checks", "checkSolvency", CheckBody, Checked, {},
                 "Check every currency now; a breach brakes its payouts",
                 lambda ask, _, **how: counting.check(ask.book, alerts, str(ask.actor), **how)),
        _counted(settings, threads, f"{_S}/roots", "publishLiabilityRoot", RootBody, RootView,
                 {"currency": "BDT"}, "Publish a proof of what owners are owed in a currency",
                 lambda ask, body, **how: counting.publish(
                     ask.book, body.currency, str(ask.actor), **how)),
        _inclusion(threads),
        *writes,
        *(read(threads, *row) for row in _READS),
    ]  # fmt: skip


def _counted(
    settings: Settings,
    threads: Threads,
    path: str,
    name: str,
    body: Any,
    gives: Any,
    example: Any,
    summary: str,
    work: Callable[..., Kept],
) -> Operation:
    """An operation that counts in a snapshot, and records what it found."""
    decoder = msgspec.json.Decoder(body)
    receipts: Any = Receipt

    async def run(ask: Ask) -> Reply:
        key, dry = key_of(ask), is_dry(ask)
        asked = decoded(decoder, await body_of(ask, settings.max_body))
        if ask.actor is None or not ask.actor.has(*_MAY_COUNT):
            raise RoleRequired("This is not for you to count.", expected=list(_MAY_COUNT))
        kept = await threads.carry(work, ask, asked, key=key, dry_run=dry)
        return receipt_reply(kept, key, 201)

    return Operation(
        method="POST",
        path=path,
        name=name,
        tag="solvency",
        summary=summary,
        about="Counted and recorded by the server; the receipt's answer is what it found.",
        run=run,
        gives=receipts[gives],
        scope="write",
        status=201,
        query=WriteQuery,
        body=body,
        example=example,
        keyed=True,
    )


def _inclusion(threads: Threads) -> Operation:
    """An owner's proof. The tree is built anew for it, which takes seconds for many owners."""

    async def run(ask: Ask) -> Reply:
        given = queried(OwnerAsked, ask)
        return Reply(200, await threads.carry(_prove, ask, given.get("owner")), JSON)

    return Operation(
        method="GET",
        path=f"{_S}/roots/{{root}}/inclusion",
        name="getInclusion",
        tag="solvency",
        summary="The proof that an owner's balance is in a published total",
        about="To be checked with examples/verify_inclusion.py against the root's `hash`, taken"
        " from where it was published.",
        run=run,
        gives=Inclusion,
        query=OwnerAsked,
    )


def _prove(ask: Ask, owner: str | None) -> bytes:
    assert ask.actor is not None
    whose = viewed(ask.book, ask.actor, own, owner)
    return _encode(counting.prove(ask.book, whose, ask.param("root"), ask.actor))

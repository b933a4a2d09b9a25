"""The clients: thin shells that send calls, over threads or coroutines.

Every operation of `calls` is a method of both, with the same signature; `each_…` walks all pages.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final, Self, TypeVar

import httpx

from khata.base.paging import Page
from khata.edge.client import (
    calls,
    commission_calls,
    hook_calls,
    payment_calls,
    payout_calls,
    saga_calls,
)
from khata.edge.client.benefit_methods import AsyncBenefitMethods, BenefitMethods
from khata.edge.client.call import Call
from khata.edge.client.earning_methods import AsyncEarningMethods, EarningMethods
from khata.edge.client.escrow_methods import AsyncEscrowMethods, EscrowMethods
from khata.edge.client.legacy_methods import AsyncLegacyMethods, LegacyMethods
from khata.edge.client.loan_methods import AsyncLoanMethods, LoanMethods
from khata.edge.client.methods import asynchronous as _async
from khata.edge.client.methods import each as _each
from khata.edge.client.methods import each_asynchronous as _async_each
from khata.edge.client.methods import sync as _sync
from khata.edge.client.mismatch_methods import AsyncMismatchMethods, MismatchMethods
from khata.edge.client.order_methods import AsyncOrderMethods, OrderMethods
from khata.edge.client.reconciliation_methods import (
    AsyncReconciliationMethods,
    ReconciliationMethods,
)
from khata.edge.client.retrying import AGAIN, Patience, error_of, retry_after, unreached
from khata.edge.client.sale_methods import AsyncSaleMethods, SaleMethods
from khata.edge.client.shadow_methods import AsyncShadowMethods, ShadowMethods
from khata.edge.client.solvency_methods import AsyncSolvencyMethods, SolvencyMethods
from khata.edge.client.squad_methods import AsyncSquadMethods, SquadMethods
from khata.edge.client.stock_methods import AsyncStockMethods, StockMethods
from khata.errors import Invalid

T = TypeVar("T")
_SECONDS: Final = 35.0


class _Attempt:
    """What to do about each try of one call: its answer, another try after a pause, or an error."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._tried = 0

    def failed(self, error: httpx.TransportError) -> float:
        """Seconds until the next try of what reached nobody. Errors: `Unavailable`, `Invalid` for a
        URL that no try can reach.
        """
        if isinstance(error, httpx.UnsupportedProtocol):
            raise Invalid(str(error), expected="a URL that begins with http:// or https://")
        return self._again(None, unreached(type(error).__name__))

    def answered(self, response: httpx.Response) -> float | None:
        """None for a good answer, else seconds until the next try. Errors: what it tells of."""
        if response.is_success:
            return None
        error = error_of(response.status_code, response.content)
        if response.status_code not in AGAIN:
            raise error
        return self._again(retry_after(response.headers), error)

    def _again(self, asked_for: float | None, error: Exception) -> float:
        self._tried += 1
        if self._tried >= self._patience.tries:
            raise error
        return self._patience.pause(self._tried, asked_for, random.random)


class Client(
    BenefitMethods,
    EarningMethods,
    LoanMethods,
    LegacyMethods,
    MismatchMethods,
    StockMethods,
    ShadowMethods,
    SquadMethods,
    OrderMethods,
    ReconciliationMethods,
    EscrowMethods,
    SaleMethods,
    SolvencyMethods,
):
    """A book behind HTTP: `with Client("http://localhost:8080", key) as client: …`.

    Methods raise the errors of `khata.errors`. Thread-safe.
    """

    def __init__(
        self,
        url: str,
        credential: str,
        *,
        patience: Patience | None = None,
        timeout_seconds: float = _SECONDS,
    ) -> None:
        self._patience = patience or Patience()
        self._http = httpx.Client(
            base_url=url, headers=_headers(credential), timeout=timeout_seconds
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Send a call, again and again under its key while that may help; its answer."""
        attempt = _Attempt(self._patience)
        while True:
            try:
                response = self._http.send(_request(self._http, call))
                pause = attempt.answered(response)
            except httpx.TransportError as error:
                pause = attempt.failed(error)
            if pause is None:
                return call.read(response.content)
            time.sleep(pause)

    def walk(self, call: Call[Page[T]]) -> Iterator[T]:
        """The items of all pages."""
        page = self.send(call)
        yield from page.items
        while page.next is not None:
            page = self.send(call.following(page.next))
            yield from page.items

    open_wallet = _sync(calls.open_wallet)
    wallet = _sync(calls.wallet)
    wallets = _sync(calls.wallets)
    my_wallets = _sync(calls.my_wallets)
    balance = _sync(calls.balance)
    transactions = _sync(calls.transactions)
    statement = _sync(calls.statement)
    credit = _sync(calls.credit)
    debit = _sync(calls.debit)
    transfer = _sync(calls.transfer)
    freeze = _sync(calls.freeze)
    unfreeze = _sync(calls.unfreeze)
    bulk = _sync(calls.bulk)
    place_hold = _sync(calls.place_hold)
    hold = _sync(calls.hold)
    holds = _sync(calls.holds)
    capture = _sync(calls.capture)
    void = _sync(calls.void)
    raise_hold = _sync(calls.raise_hold)
    post_entry = _sync(calls.post_entry)
    reverse = _sync(calls.reverse)
    entry = _sync(calls.entry)
    entries = _sync(calls.entries)
    accounts = _sync(calls.accounts)
    trial_balance = _sync(calls.trial_balance)
    khata = _sync(calls.khata)
    khata_totals = _sync(calls.khata_totals)
    create_key = _sync(calls.create_key)
    revoke_key = _sync(calls.revoke_key)
    verify = _sync(calls.verify)
    start_saga = _sync(saga_calls.start_saga)
    saga = _sync(saga_calls.saga)
    sagas = _sync(saga_calls.sagas)
    saga_health = _sync(saga_calls.saga_health)
    why = _sync(saga_calls.why)
    retry_saga = _sync(saga_calls.retry_saga)
    skip_step = _sync(saga_calls.skip_step)
    resolve_saga = _sync(saga_calls.resolve_saga)
    compensate_saga = _sync(saga_calls.compensate_saga)
    cancel_saga = _sync(saga_calls.cancel_saga)
    pause_saga = _sync(saga_calls.pause_saga)
    resume_saga = _sync(saga_calls.resume_saga)
    signal_saga = _sync(saga_calls.signal_saga)
    approve_saga = _sync(saga_calls.approve_saga)
    schedules = _sync(saga_calls.schedules)
    schedule_saga = _sync(saga_calls.schedule_saga)
    unschedule_saga = _sync(saga_calls.unschedule_saga)
    add_bank_account = _sync(payout_calls.add_bank_account)
    bank_account = _sync(payout_calls.bank_account)
    bank_accounts = _sync(payout_calls.bank_accounts)
    set_primary_bank_account = _sync(payout_calls.set_primary_bank_account)
    verify_bank_account = _sync(payout_calls.verify_bank_account)
    block_bank_account = _sync(payout_calls.block_bank_account)
    remove_bank_account = _sync(payout_calls.remove_bank_account)
    initiate_payout = _sync(payout_calls.initiate_payout)
    payout = _sync(payout_calls.payout)
    payouts = _sync(payout_calls.payouts)
    complete_payout = _sync(payout_calls.complete_payout)
    fail_payout = _sync(payout_calls.fail_payout)
    give_back_payout = _sync(payout_calls.give_back_payout)
    create_payout_batch = _sync(payout_calls.create_payout_batch)
    payout_batch = _sync(payout_calls.payout_batch)
    payout_batches = _sync(payout_calls.payout_batches)
    add_endpoint = _sync(hook_calls.add_endpoint)
    endpoints = _sync(hook_calls.endpoints)
    endpoint = _sync(hook_calls.endpoint)
    change_endpoint = _sync(hook_calls.change_endpoint)
    disable_endpoint = _sync(hook_calls.disable_endpoint)
    enable_endpoint = _sync(hook_calls.enable_endpoint)
    rotate_secret = _sync(hook_calls.rotate_secret)
    replay_events = _sync(hook_calls.replay_events)
    deliveries = _sync(hook_calls.deliveries)
    delivery = _sync(hook_calls.delivery)
    resend_delivery = _sync(hook_calls.resend_delivery)
    inbox = _sync(hook_calls.inbox)
    inbox_item = _sync(hook_calls.inbox_item)
    retry_webhook = _sync(hook_calls.retry_webhook)
    discard_webhook = _sync(hook_calls.discard_webhook)
    rejections = _sync(hook_calls.rejections)
    register_payable = _sync(payment_calls.register_payable)
    cancel_payable = _sync(payment_calls.cancel_payable)
    payable = _sync(payment_calls.payable)
    payables = _sync(payment_calls.payables)
    payment_methods = _sync(payment_calls.payment_methods)
    initiate_payment = _sync(payment_calls.initiate_payment)
    payment = _sync(payment_calls.payment)
    payments = _sync(payment_calls.payments)
    confirm_transfer = _sync(payment_calls.confirm_transfer)
    reject_transfer = _sync(payment_calls.reject_transfer)
    refund_payment = _sync(payment_calls.refund_payment)
    refunds = _sync(payment_calls.refunds)
    disputes = _sync(payment_calls.disputes)
    create_booking = _sync(payment_calls.create_booking)
    booking = _sync(payment_calls.booking)
    bookings = _sync(payment_calls.bookings)
    pay_booking = _sync(payment_calls.pay_booking)
    complete_booking = _sync(payment_calls.complete_booking)
    cancel_booking = _sync(payment_calls.cancel_booking)
    refund_booking = _sync(payment_calls.refund_booking)
    define_commission_rule = _sync(commission_calls.define_commission_rule)
    retire_commission_rule = _sync(commission_calls.retire_commission_rule)
    commission_rules = _sync(commission_calls.commission_rules)
    commission_rule = _sync(commission_calls.commission_rule)
    preview_commission = _sync(commission_calls.preview_commission)
    define_source = _sync(commission_calls.define_source)
    define_wallet_kind = _sync(commission_calls.define_wallet_kind)
    sources = _sync(commission_calls.sources)
    wallet_kinds = _sync(commission_calls.wallet_kinds)
    units = _sync(commission_calls.units)
    each_wallets = _each(calls.wallets)
    each_my_wallets = _each(calls.my_wallets)
    each_transactions = _each(calls.transactions)
    each_holds = _each(calls.holds)
    each_entries = _each(calls.entries)
    each_accounts = _each(calls.accounts)
    each_khata = _each(calls.khata)
    each_sagas = _each(saga_calls.sagas)
    each_payables = _each(payment_calls.payables)
    each_payments = _each(payment_calls.payments)
    each_refunds = _each(payment_calls.refunds)
    each_disputes = _each(payment_calls.disputes)
    each_bookings = _each(payment_calls.bookings)
    each_commission_rules = _each(commission_calls.commission_rules)
    each_bank_accounts = _each(payout_calls.bank_accounts)
    each_payouts = _each(payout_calls.payouts)
    each_payout_batches = _each(payout_calls.payout_batches)
    each_deliveries = _each(hook_calls.deliveries)
    each_inbox = _each(hook_calls.inbox)
    each_rejections = _each(hook_calls.rejections)


class AsyncClient(
    AsyncBenefitMethods,
    AsyncEarningMethods,
    AsyncLoanMethods,
    AsyncLegacyMethods,
    AsyncMismatchMethods,
    AsyncStockMethods,
    AsyncShadowMethods,
    AsyncSquadMethods,
    AsyncOrderMethods,
    AsyncReconciliationMethods,
    AsyncEscrowMethods,
    AsyncSaleMethods,
    AsyncSolvencyMethods,
):
    """As `Client`, for coroutines: `async with AsyncClient(url, key) as client: …`."""

    def __init__(
        self,
        url: str,
        credential: str,
        *,
        patience: Patience | None = None,
        timeout_seconds: float = _SECONDS,
    ) -> None:
        self._patience = patience or Patience()
        self._http = httpx.AsyncClient(
            base_url=url, headers=_headers(credential), timeout=timeout_seconds
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """As `Client.send`."""
        attempt = _Attempt(self._patience)
        while True:
            try:
                response = await self._http.send(_request(self._http, call))
                pause = attempt.answered(response)
            except httpx.TransportError as error:
                pause = attempt.failed(error)
            if pause is None:
                return call.read(response.content)
            await asyncio.sleep(pause)

    async def walk(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        """The items of all pages."""
        page = await self.send(call)
        for item in page.items:
            yield item
        while page.next is not None:
            page = await self.send(call.following(page.next))
            for item in page.items:
                yield item

    open_wallet = _async(calls.open_wallet)
    wallet = _async(calls.wallet)
    wallets = _async(calls.wallets)
    my_wallets = _async(calls.my_wallets)
    balance = _async(calls.balance)
    transactions = _async(calls.transactions)
    statement = _async(calls.statement)
    credit = _async(calls.credit)
    debit = _async(calls.debit)
    transfer = _async(calls.transfer)
    freeze = _async(calls.freeze)
    unfreeze = _async(calls.unfreeze)
    bulk = _async(calls.bulk)
    place_hold = _async(calls.place_hold)
    hold = _async(calls.hold)
    holds = _async(calls.holds)
    capture = _async(calls.capture)
    void = _async(calls.void)
    raise_hold = _async(calls.raise_hold)
    post_entry = _async(calls.post_entry)
    reverse = _async(calls.reverse)
    entry = _async(calls.entry)
    entries = _async(calls.entries)
    accounts = _async(calls.accounts)
    trial_balance = _async(calls.trial_balance)
    khata = _async(calls.khata)
    khata_totals = _async(calls.khata_totals)
    create_key = _async(calls.create_key)
    revoke_key = _async(calls.revoke_key)
    verify = _async(calls.verify)
    start_saga = _async(saga_calls.start_saga)
    saga = _async(saga_calls.saga)
    sagas = _async(saga_calls.sagas)
    saga_health = _async(saga_calls.saga_health)
    why = _async(saga_calls.why)
    retry_saga = _async(saga_calls.retry_saga)
    skip_step = _async(saga_calls.skip_step)
    resolve_saga = _async(saga_calls.resolve_saga)
    compensate_saga = _async(saga_calls.compensate_saga)
    cancel_saga = _async(saga_calls.cancel_saga)
    pause_saga = _async(saga_calls.pause_saga)
    resume_saga = _async(saga_calls.resume_saga)
    signal_saga = _async(saga_calls.signal_saga)
    approve_saga = _async(saga_calls.approve_saga)
    schedules = _async(saga_calls.schedules)
    schedule_saga = _async(saga_calls.schedule_saga)
    unschedule_saga = _async(saga_calls.unschedule_saga)
    add_bank_account = _async(payout_calls.add_bank_account)
    bank_account = _async(payout_calls.bank_account)
    bank_accounts = _async(payout_calls.bank_accounts)
    set_primary_bank_account = _async(payout_calls.set_primary_bank_account)
    verify_bank_account = _async(payout_calls.verify_bank_account)
    block_bank_account = _async(payout_calls.block_bank_account)
    remove_bank_account = _async(payout_calls.remove_bank_account)
    initiate_payout = _async(payout_calls.initiate_payout)
    payout = _async(payout_calls.payout)
    payouts = _async(payout_calls.payouts)
    complete_payout = _async(payout_calls.complete_payout)
    fail_payout = _async(payout_calls.fail_payout)
    give_back_payout = _async(payout_calls.give_back_payout)
    create_payout_batch = _async(payout_calls.create_payout_batch)
    payout_batch = _async(payout_calls.payout_batch)
    payout_batches = _async(payout_calls.payout_batches)
    add_endpoint = _async(hook_calls.add_endpoint)
    endpoints = _async(hook_calls.endpoints)
    endpoint = _async(hook_calls.endpoint)
    change_endpoint = _async(hook_calls.change_endpoint)
    disable_endpoint = _async(hook_calls.disable_endpoint)
    enable_endpoint = _async(hook_calls.enable_endpoint)
    rotate_secret = _async(hook_calls.rotate_secret)
    replay_events = _async(hook_calls.replay_events)
    deliveries = _async(hook_calls.deliveries)
    delivery = _async(hook_calls.delivery)
    resend_delivery = _async(hook_calls.resend_delivery)
    inbox = _async(hook_calls.inbox)
    inbox_item = _async(hook_calls.inbox_item)
    retry_webhook = _async(hook_calls.retry_webhook)
    discard_webhook = _async(hook_calls.discard_webhook)
    rejections = _async(hook_calls.rejections)
    register_payable = _async(payment_calls.register_payable)
    cancel_payable = _async(payment_calls.cancel_payable)
    payable = _async(payment_calls.payable)
    payables = _async(payment_calls.payables)
    payment_methods = _async(payment_calls.payment_methods)
    initiate_payment = _async(payment_calls.initiate_payment)
    payment = _async(payment_calls.payment)
    payments = _async(payment_calls.payments)
    confirm_transfer = _async(payment_calls.confirm_transfer)
    reject_transfer = _async(payment_calls.reject_transfer)
    refund_payment = _async(payment_calls.refund_payment)
    refunds = _async(payment_calls.refunds)
    disputes = _async(payment_calls.disputes)
    create_booking = _async(payment_calls.create_booking)
    booking = _async(payment_calls.booking)
    bookings = _async(payment_calls.bookings)
    pay_booking = _async(payment_calls.pay_booking)
    complete_booking = _async(payment_calls.complete_booking)
    cancel_booking = _async(payment_calls.cancel_booking)
    refund_booking = _async(payment_calls.refund_booking)
    define_commission_rule = _async(commission_calls.define_commission_rule)
    retire_commission_rule = _async(commission_calls.retire_commission_rule)
    commission_rules = _async(commission_calls.commission_rules)
    commission_rule = _async(commission_calls.commission_rule)
    preview_commission = _async(commission_calls.preview_commission)
    define_source = _async(commission_calls.define_source)
    define_wallet_kind = _async(commission_calls.define_wallet_kind)
    sources = _async(commission_calls.sources)
    wallet_kinds = _async(commission_calls.wallet_kinds)
    units = _async(commission_calls.units)
    each_wallets = _async_each(calls.wallets)
    each_my_wallets = _async_each(calls.my_wallets)
    each_transactions = _async_each(calls.transactions)
    each_holds = _async_each(calls.holds)
    each_entries = _async_each(calls.entries)
    each_accounts = _async_each(calls.accounts)
    each_khata = _async_each(calls.khata)
    each_sagas = _async_each(saga_calls.sagas)
    each_payables = _async_each(payment_calls.payables)
    each_payments = _async_each(payment_calls.payments)
    each_refunds = _async_each(payment_calls.refunds)
    each_disputes = _async_each(payment_calls.disputes)
    each_bookings = _async_each(payment_calls.bookings)
    each_commission_rules = _async_each(commission_calls.commission_rules)
    each_bank_accounts = _async_each(payout_calls.bank_accounts)
    each_payouts = _async_each(payout_calls.payouts)
    each_payout_batches = _async_each(payout_calls.payout_batches)
    each_deliveries = _async_each(hook_calls.deliveries)
    each_inbox = _async_each(hook_calls.inbox)
    each_rejections = _async_each(hook_calls.rejections)


def _headers(credential: str) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}"}


def _request(http: httpx.Client | httpx.AsyncClient, call: Call[T]) -> httpx.Request:
    return http.build_request(
        call.method, call.path, params=call.query, content=call.body, headers=call.headers()
    )

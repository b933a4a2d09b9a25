"""Who may do what: roles for each verb, owners in their own wallets, four eyes above a limit."""

import pytest

from khata import actor
from khata.base.actor import ROLES, STAFF
from khata.domain import access, khata, wallets
from khata.domain.access import Approve, CreateKey, Reject, RequestApproval, RevokeKey
from khata.domain.holds import CaptureGroup, CaptureHold, PlaceHold, RaiseHold
from khata.domain.khata import AddKhataEntry
from khata.domain.ledger import LegIn, PostEntry, Reverse
from khata.domain.setup import Set
from khata.domain.wallets import Credit, Debit, History, RenameWallet, SetOpeningBalance, Transfer
from khata.errors import (
    AlreadyExists,
    ApprovalClosed,
    ApprovalRequired,
    InsufficientFunds,
    Invalid,
    NotFound,
    NotYours,
    RoleRequired,
    SameApprover,
)
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    OTHER_ADMIN,
    SERVICE,
    SUPPORT,
    a_book,
    balance,
    bdt,
    discrepancies,
    last_refusal,
    owner,
    refused,
)

ADMIN_ONLY = {"admin"}
TILL = {"admin", "finance", "service"}
MONEY = {"admin", "finance"}
SHOP = {"admin", "service"}
DESK = {*MONEY, "support"}
ROLES_OF = {
    "setup.define_unit": ADMIN_ONLY,
    "setup.define_source": ADMIN_ONLY,
    "setup.define_wallet_kind": ADMIN_ONLY,
    "setup.set": ADMIN_ONLY,
    "setup.set_schedule": ADMIN_ONLY,
    "access.create_key": ADMIN_ONLY,
    "access.revoke_key": ADMIN_ONLY,
    "access.request": {"admin", "finance", "support"},
    "access.approve": {"admin", "finance"},
    "access.reject": {"admin", "finance", "support"},
    "khata.add_entry": {"owner", "admin", "service"},
    "ledger.post": TILL,
    "ledger.open_account": TILL,
    "ledger.freeze": {"admin", "finance", "support"},
    "ledger.unfreeze": {"admin", "finance"},
    "ledger.close": {"admin", "finance"},
    "ledger.set_limits": {"admin", "finance"},
    "ledger.reverse": ADMIN_ONLY,
    "wallets.open": {*TILL, "support"},
    "wallets.rename": {"owner", "admin", "support", "service"},
    "wallets.credit": TILL,
    "wallets.debit": TILL,
    "wallets.transfer": {*TILL, "owner"},
    "wallets.opening": TILL,
    "holds.place": {*TILL, "owner"},
    "holds.raise": {*TILL, "owner"},
    "holds.capture": TILL,
    "holds.void": {*TILL, "support"},
    "holds.capture_group": TILL,
    "holds.void_group": {*TILL, "support"},
    "sagas.start": TILL,
    "sagas.signal": TILL,
    "sagas.approve": STAFF,
    "sagas.retry": DESK,
    "sagas.skip": MONEY,
    "sagas.resolve": MONEY,
    "sagas.compensate": MONEY,
    "sagas.cancel": DESK,
    "sagas.pause": DESK,
    "sagas.resume": DESK,
    "sagas.schedule": ADMIN_ONLY,
    "sagas.unschedule": ADMIN_ONLY,
    "payments.register": {"admin", "service"},
    "payments.cancel_payable": {"admin", "service"},
    "payments.initiate": {*TILL, "owner"},
    "payments.confirm_transfer": MONEY,
    "payments.reject_transfer": MONEY,
    "payments.refund": TILL,
    "payouts.add_account": {*TILL, "owner", "support"},
    "payouts.set_primary": {*TILL, "owner", "support"},
    "payouts.verify_account": DESK,
    "payouts.block_account": {*TILL, "support"},
    "payouts.remove_account": {*TILL, "owner"},
    "payouts.initiate": {*TILL, "owner"},
    "payouts.complete": MONEY,
    "payouts.fail": MONEY,
    "payouts.give_back": MONEY,
    "payouts.create_batch": TILL,
    "payouts.brake": MONEY,
    "payouts.lift_brake": MONEY,
    "solvency.verify_balance": TILL,
    "bookings.create": {"admin", "service"},
    "bookings.pay": {*TILL, "owner"},
    "bookings.complete": {"admin", "service"},
    "bookings.cancel": {"admin", "service"},
    "bookings.refund": TILL,
    "webhooks.retry": DESK,
    "webhooks.discard": DESK,
    "webhooks.add_endpoint": ADMIN_ONLY,
    "webhooks.change_endpoint": ADMIN_ONLY,
    "webhooks.disable_endpoint": ADMIN_ONLY,
    "webhooks.enable_endpoint": ADMIN_ONLY,
    "webhooks.rotate_secret": ADMIN_ONLY,
    "webhooks.replay": {"admin", "support"},
    "webhooks.resend": {"admin", "support"},
    "commissions.define": ADMIN_ONLY,
    "commissions.retire": ADMIN_ONLY,
    "debts.repay": {*TILL, "owner"},
    "debts.write_off": MONEY,
    "debts.set_netting": ADMIN_ONLY,
    "trust.record": SHOP,
    "trust.set_rules": ADMIN_ONLY,
    "benefits.create_campaign": ADMIN_ONLY,
    "benefits.change_budget": ADMIN_ONLY,
    "benefits.extend_campaign": ADMIN_ONLY,
    "benefits.pause_campaign": ADMIN_ONLY,
    "benefits.resume_campaign": ADMIN_ONLY,
    "benefits.end_campaign": ADMIN_ONLY,
    "benefits.set_policy": ADMIN_ONLY,
    "benefits.refer": {*SHOP, "support"},
    "benefits.cancel_referral": MONEY,
    "benefits.confirm_kyc": DESK,
    "benefits.pay_bonuses": TILL,
    "escrow.fund": TILL,
    "escrow.release": TILL,
    "escrow.refund": TILL,
    "escrow.delivered": {*SHOP, "logistics", "support"},
    "escrow.dispute": {*TILL, "owner", "support"},
    "escrow.settle": DESK,
    "marketplace.place": SHOP,
    "marketplace.pay": {*TILL, "owner"},
    "marketplace.assign": {*SHOP, "logistics"},
    "marketplace.deliver": {*SHOP, "logistics"},
    "marketplace.cancel": {*SHOP, "support"},
    "marketplace.refund": TILL,
    "squads.create": {*SHOP, "owner"},
    "squads.add_member": {*SHOP, "owner"},
    "squads.join": {*SHOP, "owner"},
    "squads.leave": {*SHOP, "owner"},
    "squads.set_role": {*SHOP, "owner"},
    "squads.set_sharing": {*SHOP, "owner"},
    "squads.close": {*SHOP, "owner"},
    "squads.contribute": {*TILL, "owner"},
    "squads.withdraw": {*TILL, "owner"},
    "squads.forgive": {"admin", "owner"},
    "squads.allot": TILL,
    "squads.purchase": {*TILL, "owner"},
    "squads.pay_sale": SHOP,
    "squads.return_purchase": {*TILL, "owner"},
    "earnings.set_rate": TILL,
    "earnings.count_views": TILL,
    "earnings.bonus": TILL,
    "earnings.delivery": TILL,
    "earnings.set_policy": ADMIN_ONLY,
    "loans.grant": TILL,
    "loans.advance_float": TILL,
    "loans.repay": {*TILL, "owner"},
    "loans.write_off": MONEY,
    "loans.mark_overdue": TILL,
    "inventory.define_item": {*SHOP, "warehouse"},
    "inventory.change_item": {*SHOP, "warehouse"},
    "inventory.receive": {*TILL, "warehouse"},
    "inventory.allocate": {*SHOP, "warehouse"},
    "inventory.give_back": {*SHOP, "warehouse"},
    "inventory.adjust": {*SHOP, "warehouse"},
    "mismatches.sweep": TILL,
    "mismatches.dismiss": MONEY,
    "mismatches.repair": TILL,
    "orders.place": {*TILL, "owner"},
    "orders.pay": {*TILL, "owner"},
    "orders.upload_receipt": {*TILL, "owner", "support"},
    "orders.approve_payment": TILL,
    "orders.reject_payment": TILL,
    "orders.extend_grace": {*TILL, "support"},
    "orders.move": {*SHOP, "warehouse", "logistics"},
    "orders.cancel": {*TILL, "owner", "support"},
    "orders.refund": TILL,
    "orders.set_policy": ADMIN_ONLY,
    "orders.adopt": SHOP,
    "legacy.take_over": SHOP,
    "investments.start": {*TILL, "owner"},
    "investments.cancel": TILL,
    **{
        f"reconciliation.{verb}": TILL
        for verb in ("import_statement", "import_lines", "discard_import", "match", "unmatch")
    },
    "reconciliation.adjust": TILL,
    "reconciliation.resolve": TILL,
    "reconciliation.close_period": {"admin", "finance"},
    "reconciliation.reopen_period": {"admin", "finance"},
    "shadow.define": ADMIN_ONLY,
    "shadow.switch": MONEY,
}
WITHIN = {
    *(f"sagas.{verb}" for verb in ("claim", "renew", "release", "step", "intend", "conclude")),
    *(f"sagas.{verb}" for verb in ("fail", "halt", "fire")),
    *(f"webhooks.{verb}" for verb in ("receive", "reject", "process")),
    "payments.tell",
    "payouts.tell",
    "payouts.reseal",
    *(
        f"reconciliation.record_{what}"
        for what in ("matches", "exceptions", "discrepancies", "run")
    ),
    "shadow.compare",
    "setup.finish_slot",
    "solvency.record",
    "solvency.publish_root",
}
"""Verbs of Khata's own workers, which no door offers."""


def test_the_table_of_roles(database_url):
    """Every verb, with exactly the roles that may ask for it; another role is turned away."""
    with a_book(database_url) as book:
        offered = {verb.kind: set(verb.roles) for verb in book.verbs.offered}
        assert offered == ROLES_OF
        within = {verb.kind: set(verb.roles) for verb in book.verbs if verb.internal}
        assert within == {kind: {"service"} for kind in WITHIN}
        for verb in book.verbs:
            for role in set(ROLES) - verb.roles:
                with pytest.raises(RoleRequired):
                    verb.check(actor(f"{role}:x"))


def test_a_role_that_is_missing_is_named(database_url):
    """The refusal says which roles there would have been, and it is kept."""
    with a_book(database_url, alice="5.00") as book:
        error = refused(book, Credit(ALICE, bdt("1")), actor=SUPPORT)
        assert (type(error), error.details["expected"]) == (RoleRequired, sorted(TILL))
        assert (last_refusal(book).code, last_refusal(book).actor) == (
            "role_required",
            "support:kamal",
        )


# ── owners ───────────────────────────────────────────────────────────────────────────


def test_an_owner_acts_on_their_own_wallet_only(database_url):
    """Every verb that owners have is refused on what is another's, or is not there at all."""
    with a_book(database_url, alice="50.00", bob="50.00") as book:
        held = book.submit(PlaceHold(BOB, bdt("1.00"))).result.id
        bobs = book.query(wallets.wallet, BOB).id
        for target in (BOB, bobs, f"wallet/{BOB}", "nobody/personal/BDT", "escrow/M1", "wal_zzzz"):
            for command in (
                Transfer(target, ALICE, bdt("1")),
                PlaceHold(target, bdt("1")),
                RenameWallet(target, "mine"),
            ):
                assert isinstance(refused(book, command, actor=owner("alice")), NotYours)
        for hold in (held, "hld_zzzz"):
            command = RaiseHold(hold, bdt("1"))
            assert isinstance(refused(book, command, actor=owner("alice")), NotYours)
        line = AddKhataEntry("expense", "Tea", bdt("1"), incoming=False, owner="bob")
        assert isinstance(refused(book, line, actor=owner("alice")), NotYours)
        assert (balance(book), balance(book, BOB)) == ("50.00", "50.00")


def test_an_owner_uses_their_own_wallet(database_url):
    """Each verb that owners have works on what is theirs."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        mine = {"actor": owner("alice")}
        book.submit(Transfer(ALICE, BOB, bdt("1")), **mine)
        held = book.submit(PlaceHold(ALICE, bdt("1")), **mine).result.id
        book.submit(RaiseHold(held, bdt("1")), **mine)
        assert book.submit(RenameWallet(ALICE, "আমার"), **mine).result.title == "আমার"
        tea = AddKhataEntry("expense", "Tea", bdt("1"), incoming=False)
        assert book.submit(tea, **mine).result.owner == "alice"


def test_an_owner_is_not_told_what_others_have(database_url):
    """Who pays learns their own balances, not those of whom they pay; nor does a replay tell."""
    with a_book(database_url, alice="50.00", bob="777.00") as book:
        for _ in range(2):
            pay = Transfer(ALICE, BOB, bdt("1"))
            moved = book.submit(pay, key="k", actor=owner("alice")).result
            mine, theirs = moved.legs
            assert (mine.balance_before, mine.balance_after) == ("50.00", "49.00")
            assert (theirs.amount, theirs.balance_before, theirs.balance_after) == (
                "1.00",
                None,
                None,
            )
        assert discrepancies(book) == []


def test_an_owner_sees_only_what_is_theirs(database_url):
    """Queries are cut to the owner who asks."""
    with (
        a_book(database_url, alice="50.00", bob="777.00") as book,
        book.view(owner("alice")) as view,
    ):
        assert [found.owner for found in wallets.wallets(view).items] == ["alice"]
        for ask in (
            lambda: wallets.wallet(view, BOB),
            lambda: wallets.balance(view, BOB),
            lambda: wallets.transactions(view, BOB),
            lambda: khata.khata_book(view, "bob", since=0, until=1),
            lambda: access.keys(view),
            lambda: access.approvals(view),
        ):
            with pytest.raises(NotYours):
                ask()


# ── four eyes ────────────────────────────────────────────────────────────────────────


def a_careful_book(url):
    """A book where staff need a second person above 100 BDT."""
    return a_book(url, alice="900.00", bob="900.00")


def careful(book):
    book.submit(Set("four_eyes", {"BDT": "100.00"}))


def in_json(amount="100.01"):
    return {
        "kind": "wallets.debit",
        "wallet": ALICE,
        "amount": {"amount": amount, "currency": "BDT"},
    }


def test_above_the_limit_a_second_person_is_needed(database_url):
    """Whatever moves the money; up to the limit one person is enough."""
    with a_careful_book(database_url) as book:
        held = book.submit(PlaceHold(ALICE, bdt("100.01"), group="g")).result.id
        paid = book.submit(Transfer(ALICE, BOB, bdt("100.01"))).result.id
        careful(book)
        much = bdt("100.01")
        halves = [LegIn(ALICE, debit=bdt("50.01")), LegIn(ALICE, debit=bdt("50.00"))]
        for command in (
            Credit(ALICE, much),
            Debit(ALICE, much),
            Transfer(ALICE, BOB, much),
            PostEntry([LegIn(ALICE, debit=much), LegIn("revenue/fee", credit=much)], "fee"),
            PostEntry([*halves, LegIn("revenue/fee", credit=much)], "fee"),
            SetOpeningBalance(ALICE, History(payments_in=much)),
            CaptureHold(held),
            CaptureGroup("g"),
            Reverse(paid, "mistake"),
        ):
            assert isinstance(refused(book, command, actor=ADMIN), ApprovalRequired)
        assert book.submit(Debit(ALICE, bdt("100.00")), actor=ADMIN).result.type == "debit"


def test_machines_and_owners_are_not_staff(database_url):
    """The limit is for people who handle the money of others."""
    with a_careful_book(database_url) as book:
        careful(book)
        for who in (SERVICE, owner("alice")):
            assert book.submit(Transfer(ALICE, BOB, bdt("200.00")), actor=who).seq


def test_another_person_approves(database_url):
    """The command is carried out with the approval, once, and the request tells who decided."""
    with a_careful_book(database_url) as book:
        careful(book)
        asked = book.submit(RequestApproval(in_json(), "rent"), actor=FINANCE).result
        assert balance(book) == "900.00"
        done = book.submit(Approve(asked.request), actor=ADMIN).result
        assert (done.status, done.result["type"], balance(book)) == ("approved", "debit", "799.99")
        view = book.query(access.approval, asked.request)
        assert (view.status, view.asked_by, view.decided_by) == (
            "approved",
            "finance:sumi",
            "admin:rafiq",
        )


def test_who_asked_cannot_approve(database_url):
    """Not under another role either: four eyes are two people."""
    with a_careful_book(database_url) as book:
        careful(book)
        asked = book.submit(RequestApproval(in_json(), "rent"), actor=FINANCE).result.request
        for who in (FINANCE, actor("admin:sumi")):
            assert isinstance(refused(book, Approve(asked), actor=who), SameApprover)
        assert balance(book) == "900.00"


def test_a_request_is_decided_once(database_url):
    """Approved or rejected, it is closed."""
    with a_careful_book(database_url) as book:
        ask = RequestApproval(in_json(), "rent")
        approved, rejected = (book.submit(ask, actor=FINANCE).result.request for _ in range(2))
        book.submit(Approve(approved), actor=ADMIN)
        book.submit(Reject(rejected, "no"), actor=ADMIN)
        for request in (approved, rejected):
            for command in (Approve(request), Reject(request, "no")):
                assert isinstance(refused(book, command, actor=OTHER_ADMIN), ApprovalClosed)
        assert balance(book) == "799.99"


def test_an_approval_does_not_stretch_the_rules(database_url):
    """Money that is not there cannot be approved; the request then stays open."""
    with a_careful_book(database_url) as book:
        asked = book.submit(
            RequestApproval(in_json("900.01"), "rent"), actor=FINANCE
        ).result.request
        assert isinstance(refused(book, Approve(asked), actor=ADMIN), InsufficientFunds)
        assert book.query(access.approval, asked).status == "asked"


def test_who_approves_needs_the_role_for_it(database_url):
    """Finance cannot approve what only an admin may do."""
    with a_careful_book(database_url) as book:
        paid = book.submit(Transfer(ALICE, BOB, bdt("1"))).result.id
        reverse = {"kind": "ledger.reverse", "entry": paid, "reason": "mistake"}
        asked = book.submit(RequestApproval(reverse, "please"), actor=SUPPORT).result.request
        assert isinstance(refused(book, Approve(asked), actor=FINANCE), RoleRequired)
        assert book.submit(Approve(asked), actor=ADMIN).result.status == "approved"


def test_bad_requests(database_url):
    """A request is for a command that exists, does something itself, and has a reason."""
    with a_careful_book(database_url) as book:
        for raw in ({}, {"kind": "x"}, {"kind": "access.approve", "request": "apr_0001"}):
            assert isinstance(refused(book, RequestApproval(raw, "r"), actor=ADMIN), Invalid)
        for reason in ("", " ", "x" * 501):
            error = refused(book, RequestApproval(in_json(), reason), actor=ADMIN)
            assert isinstance(error, Invalid)
        assert isinstance(refused(book, Approve("apr_zzzz"), actor=ADMIN), NotFound)


def test_a_limit_that_is_no_amount_is_not_set(database_url):
    """A bad setting would refuse every movement after it."""
    with a_careful_book(database_url) as book:
        for value in ({"BDT": "much"}, {"BDT": "1.001"}, {"TAKA": "1"}, {"BDT": 100}):
            assert isinstance(refused(book, Set("four_eyes", value)), Invalid)
        assert book.submit(Debit(ALICE, bdt("200")), actor=ADMIN).seq


# ── keys ─────────────────────────────────────────────────────────────────────────────


def test_two_keys_never_share_a_secret(database_url):
    """The second is refused, and the book goes on."""
    key = CreateKey("till", "ab" * 32, ["service"], ["write"])
    with a_book(database_url, alice="5.00") as book:
        first = book.submit(key).result
        assert isinstance(refused(book, key), AlreadyExists)
        book.submit(RevokeKey(first.id))
        assert isinstance(refused(book, key), AlreadyExists)
        assert book.submit(Credit(ALICE, bdt("1.00"))).result.type == "credit"


def test_bad_keys_are_not_made(database_url):
    """A hash in hex, a label, roles and scopes that exist; an owner has no API key."""
    good = {"label": "x", "hash": "0" * 64, "roles": ["admin"], "scopes": ["read"]}
    bad = [{"label": " "}, {"hash": "0" * 63}, {"hash": "Z" * 64}, {"roles": []}]
    bad += [{"roles": ["owner"]}, {"roles": ["king"]}, {"scopes": []}, {"scopes": ["all"]}]
    with a_book(database_url) as book:
        errors = [refused(book, CreateKey(**(good | one))) for one in bad]
        assert {type(error) for error in errors} == {Invalid}
        assert isinstance(refused(book, RevokeKey("key_zzzz")), NotFound)

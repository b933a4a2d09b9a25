"""Customer 94's five orders: found wrong in another system, planned, taken over, repaired.

The rows are those of examples/legacy/customer-94, as that system exports them.
"""

from __future__ import annotations

import csv
import io
from typing import Final

import msgspec

from khata.base.actor import actor
from khata.domain import legacy, mismatches, orders
from khata.domain.legacy import AuditReport, Snapshot
from khata.edge.cli.demo.market import work
from khata.edge.cli.demo.stage import Stage
from khata.edge.cli.mismatches import actions_text
from khata.edge.cli.screen import money
from khata.edge.files.legacy import snapshot_in
from khata.edge.files.legacy_mapping import Mapping
from khata.edge.files.legacy_taking import settled, take_over

ZAINAB: Final = actor("admin:zainab")
_WHY: Final = "The old shop closes; five orders of customer 94."
_RIGHT: Final = "M2511128"

MAPPING: Final = msgspec.convert(
    {
        "name": "old-shop",
        "currency": "IQD",
        "time": "%Y-%m-%d %H:%M:%S",
        "zone": "Asia/Baghdad",
        "thousands": ",",
        "taken_at": "2025-11-28 18:00:00",
        "orders": {
            "columns": {
                "ref": "order_no", "customer": "customer_id",
                "total": "total", "wallet_part": "wallet_part", "received": "bank_received",
                "shown": "status", "placed_at": "created_at",
                "receipt_at": "receipt_uploaded_at",
            },
            "words": {"pending": "pending", "in_review": "in_review", "processing": "preparing"},
        },
        "management": {
            "columns": {"ref": "order_no", "status": "status", "at": "changed_at"},
            "words": {
                "bank_transfer_grace": {"finance": "bank_transfer_grace"},
                "receipt_uploaded": {"finance": "receipt_uploaded"},
                "wallet_partial": {"finance": "wallet_partial"},
                "paid": {"finance": "paid"},
                "warehouse_ready": {"warehouse": "ready"},
                "logistics_dispatched": {"warehouse": "picked", "logistics": "delivered"},
            },
        },
        "wallet_transactions": {
            "columns": {"id": "tx_id", "ref": "order_no", "customer": "customer_id",
                        "sort": "type", "amount": "amount"},
            "words": {"top_up": "ignored", "withdrawal": "ignored", "order_payment": "out"},
        },
        "wallets": {"columns": {"customer": "customer_id", "balance": "balance"}},
    },
    Mapping,
)  # fmt: skip

TABLES: Final = {
    "orders": """\
order_no,customer_id,total,wallet_part,bank_received,status,created_at,receipt_uploaded_at
M2511128,94,2150500.250,0,2150500.250,processing,2025-11-12 10:04:31,2025-11-12 16:20:00
M2511130,94,845250.500,0,845250.500,pending,2025-11-13 09:41:07,2025-11-13 11:02:45
M2511133,94,3999999.995,1500000.005,2499999.990,pending,2025-11-15 14:22:50,2025-11-16 08:30:12
M2511135,94,1234567.890,734567.890,500000,pending,2025-11-16 19:15:22,2025-11-17 10:11:09
M2511138,94,675125.125,0,0,in_review,2025-11-19 12:00:05,2025-11-20 09:47:33
""",
    "management": """\
order_no,status,changed_at
M2511128,bank_transfer_grace,2025-11-12 10:04:31
M2511128,paid,2025-11-13 08:12:40
M2511128,warehouse_ready,2025-11-14 13:30:02
M2511130,bank_transfer_grace,2025-11-13 09:41:07
M2511130,paid,2025-11-13 15:05:19
M2511130,warehouse_ready,2025-11-14 13:31:47
M2511130,logistics_dispatched,2025-11-17 07:55:00
M2511133,wallet_partial,2025-11-16 11:09:58
M2511135,wallet_partial,2025-11-17 12:44:03
M2511135,logistics_dispatched,2025-11-18 07:40:36
M2511138,bank_transfer_grace,2025-11-19 12:00:05
M2511138,receipt_uploaded,2025-11-20 09:47:33
""",
    "wallet_transactions": """\
tx_id,customer_id,order_no,type,amount
WT-77120,94,,top_up,20000000.000
WT-78903,94,,withdrawal,4703224.840
""",
    "wallets": 'customer_id,balance\n94,"15,296,775.160"\n',
}


def export(stage: Stage) -> Snapshot:
    """What the old shop exported."""
    rows = {name: list(csv.DictReader(io.StringIO(text))) for name, text in TABLES.items()}
    return snapshot_in(MAPPING, rows, stage.clock.now)


def play_old_shop(stage: Stage) -> None:
    """Found, planned, repaired, verified."""
    found = export(stage)
    audit(stage, found)
    repair(stage, found)


def audit(stage: Stage, found: Snapshot) -> None:
    """What is wrong, by the rules that hold for orders here."""
    stage.chapter(
        "18:57",
        "Five orders of another shop",
        "An old shop closes, and exports what it has: orders as customers see them, statuses as",
        "its staff do, wallet transactions. The two do not agree. Khata reads the files and judges",
        "them by the rules that it has for its own orders; nothing is written yet.",
    )
    report = legacy.audit(found)
    stage.rows(
        ("order", "what is wrong", "at risk>", "one repair"),
        [
            (
                item.plan.order,
                ", ".join(kind.replace("_", " ") for kind in item.plan.kinds),
                money(item.at_risk, found.unit),
                actions_text(item.plan.actions, found.unit),
            )
            for item in report.repairs
        ],
    )
    stage.expect(
        (len(report.repairs), report.correct) == (4, [_RIGHT]),
        f"Four repairs, and {_RIGHT} is left as it is.",
    )


def repair(stage: Stage, found: Snapshot) -> None:
    """Tried, done, and done again."""
    stage.chapter(
        "18:58",
        "Taken over, and repaired",
        "Customer 94 comes over in one command: the wallet, the five orders as they stand, and a",
        "saga for each repair. The dry run says to the fils what will be.",
    )
    stage.clock.tick()
    tried = take_over(stage.book, found, _WHY, ZAINAB, dry_run=True)
    taken = take_over(stage.book, found, _WHY, ZAINAB, dry_run=False)
    work(stage)
    done = settled(stage.book, found, taken)
    stage.expect(
        done.report == tried.report and not (done.failed or done.waiting),
        "What was done is what the dry run had said.",
    )
    told = [stage.ask(orders.order, order.ref) for order in found.orders]
    stage.rows(
        ("order", "finance", "warehouse", "logistics", "the customer sees"),
        [(it.ref, it.finance, it.warehouse, it.logistics, it.status) for it in told],
    )
    _show_wallet(stage, done.report)
    who = stage.ask(mismatches.repairs, order="M2511133").items[0]
    stage.say(f"Kept for each repair: who ({who.asked_by}), when, why, and `{who.entries[0]}`.")
    again = take_over(stage.book, found, "Once more.", ZAINAB, dry_run=False)
    stage.expect(not again.report.repairs, "A second run finds nothing to do.")
    stage.balances()


def _show_wallet(stage: Stage, report: AuditReport) -> None:
    (wallet,) = report.balances
    stage.expect(
        (wallet.before, wallet.after) == ("15296775.160", "13062207.265"),
        f"The wallet had {money(wallet.before, wallet.currency)} and paid the two parts that it"
        f" owed: {money(wallet.after, wallet.currency)}.",
    )

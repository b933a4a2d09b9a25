"""What answers look like: one example for each type, shown in the API's description."""

from __future__ import annotations

import typing
from typing import Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain.earnings import EarningPolicy
from khata.edge.client.answers import Receipt
from khata.edge.http.legacy_examples import LEGACY_EXAMPLES
from khata.edge.http.messaging_examples import MESSAGING_EXAMPLES
from khata.edge.http.mismatch_examples import MISMATCH_EXAMPLES
from khata.edge.http.order_examples import ORDER_EXAMPLES
from khata.edge.http.reconciliation_examples import RECONCILIATION_EXAMPLES
from khata.edge.http.shadow_examples import SHADOW_EXAMPLES
from khata.edge.http.solvency_examples import REPORT, SOLVENCY_EXAMPLES
from khata.edge.reporting import Report

_AT: Final = "2026-01-31T09:00:00.000000Z"
_PATH: Final = "alice/personal/BDT"
_TEXT: Final[dict[str, Any]] = {"reference": "topup-1", "note": None, "metadata": None}
_LEGS: Final = [
    {"account": f"wallet/{_PATH}", "amount": "1000.00", "balance_before": "0.00",
     "balance_after": "1000.00"},
    {"account": "cash/main", "amount": "1000.00", "balance_before": "0.00",
     "balance_after": "1000.00"},
]  # fmt: skip
_WALLET: Final = {
    "id": "wal_0400", "path": _PATH, "owner": "alice", "kind": "personal", "currency": "BDT",
    "title": "Personal", "status": "active", "balance": "1000.00", "available": "600.00",
}  # fmt: skip
_TRANSACTION: Final = {
    "id": "ent_0800", "seq": 2, "leg": 0, "at": _AT, "type": "credit", "status": "posted",
    "source": "top_up", "amount": "1000.00", "currency": "BDT", "balance_before": "0.00",
    "balance_after": "1000.00", "counterparty": ["cash/main"], **_TEXT, "reverses": None,
    "reversed_by": [],
}  # fmt: skip
_ACCOUNT: Final = {
    "code": f"wallet/{_PATH}", "kind": "liability", "currency": "BDT", "status": "active",
    "balance": "1000.00", "available": "600.00", "floor": "0.00", "overdraft": "0.00",
    "limits": [],
}  # fmt: skip
_KEY: Final = {"id": "key_0400", "label": "shop", "roles": ["service"], "scopes": ["write"]}
_PROBLEM: Final = {
    "type": "urn:khata:problem:insufficient_funds",
    "title": "Insufficient funds",
    "status": 422,
    "detail": "wallet/alice/personal/BDT has 600.00 BDT available, 1000.00 is needed.",
    "code": "insufficient_funds",
    "details": {"available": "600.00", "needed": "1000.00", "currency": "BDT"},
    "request_id": "5f1d7a84db00d2fc",
}
_SAGA: Final = {
    "id": "sag_0400", "name": "checkout", "version": 1, "status": "stuck", "step": "charge",
    "paused": False, "done": ["reserve"], "reference": "M2511128", "code": "declined",
    "message": "The card was declined.", "due_at": None,
    "amount": {"amount": "1000.00", "currency": "BDT"},
}  # fmt: skip
_SCHEDULE: Final = {"name": "nightly", "cron": "0 2 * * *", "zone": "Asia/Dhaka",
                    "saga": "reconcile", "enabled": True}  # fmt: skip
_WINDOW: Final = {
    "days": 1, "started": 120, "open": 3, "completed": 114, "compensated": 2, "resolved": 1,
    "stuck": 1, "success_rate": "0.9744", "mean_compensations": "1.50",
    "mean_compensation_ms": 420, "reasons": [{"code": "declined", "count": 2}],
}  # fmt: skip
_PAYABLE: Final = {
    "subject": "order/M1001", "owner": "alice", "amount": "1000.00", "currency": "BDT",
    "status": "paid", "escrow": "escrow/order/M1001", "country": "BD", "title": None,
    "active": None, "paid_by": "pay_0800", "registered_at": _AT, "paid_at": _AT,
}  # fmt: skip
_PAYMENT: Final = {
    "id": "pay_0800", "status": "paid", "subject": "order/M1001", "wallet": None,
    "owner": "alice", "method": "provider", "provider": "sandbox", "way": "card",
    "charge": "ch_1", "amount": "1000.00", "wallet_part": "0.00", "refunded": "0.00",
    "currency": "BDT", "entries": ["ent_0c00"], "hold": None, "saga": "sag_0801",
    "action_url": None, "code": None, "message": None, "created_at": _AT, "paid_at": _AT,
    "expires_at": _AT,
}  # fmt: skip
_BOOKING: Final = {
    "ref": "B7", "status": "completed", "guest": "alice", "host": "hasan",
    "host_wallet": "hasan/host/BDT", "title": None, "amount": "1000.00", "currency": "BDT",
    "commission_points": 1500, "host_part": "850.00", "commission_part": "150.00",
    "refunded": "0.00", "subject": "booking/B7", "payment": "pay_0800", "payout": "pyo_1000",
    "entries": ["ent_1000"], "reason": None, "created_at": _AT, "confirmed_at": _AT,
    "completed_at": _AT, "cancelled_at": None,
}  # fmt: skip
_ENTRY: Final = {
    "id": "ent_0800", "seq": 2, "at": _AT, "type": "credit", "status": "posted",
    "source": "top_up", **_TEXT, "reverses": None, "reversed_by": [],
    "legs": [{"account": "cash/main", "kind": "asset", "currency": "BDT", "debit": "1000.00",
              "credit": None}],
}  # fmt: skip
_SALE: Final = {
    "ref": "M1001", "subject": "order/M1001", "status": "paid", "customer": "alice",
    "partner": "karim", "creator": "mitu", "video": "V1", "title": None, "category": None,
    "source": "video_order", "currency": "BDT", "price": "1000.00", "delivery_fee": "60.00",
    "benefits": [], "due": "1060.00", "refunded": "0.00", "rule": "standard", "rule_version": 0,
    "legs": [{"name": "partner", "to": "karim/partner/BDT", "share": "800.00", "held": "800.00",
              "received": "0.00", "returned": "0.00", "owed": "0.00"}],
    "release_on": "delivery", "release_days": 0, "escrow": "held", "dispute": None,
    "payment": "pay_0800", "mission": "mis_0801", "saga": "sag_0800", "reason": None,
    "placed_at": _AT, "paid_at": _AT, "delivered_at": None, "completed_at": None,
    "cancelled_at": None,
}  # fmt: skip
_RULE: Final = {
    "name": "groceries", "version": 2, "status": "in_force", "sources": None,
    "category": "groceries", "partner": None,
    "parts": [{"name": "platform", "to": "revenue/commission", "points": 700,
               "tax": {"points": 1500}},
              {"name": "partner", "to": "partner", "rest": True}],
    "reason": None, "since": _AT, "ended_at": None,
}  # fmt: skip
_EARNING: Final = {
    "id": "ern_0801", "owner": "nila", "kind": "video_view", "amount": "250.00", "currency": "BDT",
    "reference": "V1/12500", "wallet": "nila/creator/BDT", "entry": "ent_0800", "at": _AT,
}  # fmt: skip
_VIEWS: Final = {
    "video": "V1", "creator": "nila", "total": 12_500, "paid": "250.00", "currency": "BDT",
    "reports": 1, "counted_at": _AT,
}  # fmt: skip
_CAMPAIGN: Final = {
    "code": "EID-2026", "title": "Eid", "benefit": "percentage", "status": "running",
    "open": True, "currency": "BDT", "points": 1000, "amount": None, "most": "200.00",
    "least": "0.00", "budget": "50000.00", "spent": "1000.00", "left": "49000.00", "uses": 7,
    "most_uses": None, "per_user": 1, "starts_at": _AT, "ends_at": None, "sources": None,
    "categories": None, "partners": None, "payer": "platform",
    "account": "expense/campaigns/EID-2026", "stacks": "alone", "priority": 100,
    "reason": None, "created_at": _AT, "changed_at": _AT,
}  # fmt: skip
_REFERRAL: Final = {
    "referred": "bob", "referrer": "alice", "status": "qualified", "kyc": "referrer",
    "currency": "BDT", "referrer_bonus": "50.00", "referred_bonus": "50.00",
    "subject": "order/M1001", "entries": ["ent_0800"], "reason": None, "created_at": _AT,
    "qualified_at": _AT, "paid_at": None, "cancelled_at": None,
}  # fmt: skip
_MEMBER: Final = {
    "squad": "eid", "owner": "alice", "role": "leader", "status": "active", "wallet": _PATH,
    "weight": 1, "fixed": None, "balance": "700.00", "free": "600.00", "owes": "0.00",
    "covers": "100.00", "contributed": "1000.00", "spent": "300.00", "refunded": "0.00",
    "withdrawn": "0.00", "currency": "BDT", "joined_at": _AT, "left_at": None, "entry": "ent_0800",
}  # fmt: skip
_SQUAD: Final = {
    "ref": "eid", "title": "A goat for Eid", "leader": "alice", "status": "open",
    "wallet": "squad-eid/squad/BDT", "currency": "BDT", "created_at": _AT,
}  # fmt: skip
_ESCROW: Final = {
    "ref": "M1001", "status": "held", "owner": "alice", "payer": _PATH, "payment": None,
    "currency": "BDT", "amount": "1000.00", "paid": "1000.00", "held": "1000.00",
    "refunded": "0.00", "rule": "standard", "rule_version": 0, "release_on": "delivery",
    "release_days": 3, "dispute": None, "saga": "sag_0801", "funded_at": _AT,
    "delivered_at": None,
    "legs": [{"name": name, "to": to, "share": share, "held": share, "received": "0.00",
              "returned": "0.00", "owed": "0.00"}
             for name, to, share in (("platform", "revenue/commission", "50.00"),
                                     ("partner", "bob/partner/BDT", "950.00"))],
    "history": [{"kind": "funded", "by": "service:key_0400", "at": _AT, "amount": "1000.00",
                 "reason": None, "entries": ["ent_0800"]}],
}  # fmt: skip
_RECEIPT: Final = {"seq": 2, "at": _AT, "key": "topup-1", "replayed": False}

_PAYOUT: Final = {
    "id": "pyo_0c00", "reference": "withdrawal-1", "status": "processing", "money": "locked",
    "owner": "alice", "wallet": _PATH, "bank_account": "bnk_0800", "mask": "•••• 9012",
    "amount": "400.00", "fee": "5.00", "currency": "BDT", "provider": "sandbox",
    "provider_id": "po_7", "batch": None, "line": None, "saga": "sag_0c01",
    "entries": ["ent_0c00"], "code": None, "message": None, "created_at": _AT, "locked_at": _AT,
    "processing_at": _AT, "completed_at": None, "failed_at": None, "returned_at": None,
}  # fmt: skip
_TOTAL: Final = {"currency": "BDT", "status": "processing", "count": 1, "amount": "400.00",
                 "fee": "5.00"}  # fmt: skip
_ITEM: Final = {
    "id": "whi_0400", "provider": "sandbox", "event": "evt_1", "type": "charge.paid",
    "status": "applied", "copies": 1, "attempts": 1, "message": "pay_0400 is paid.",
}  # fmt: skip
_ENDPOINT: Final = {
    "id": "whe_0400", "url": "https://shop.example/khata", "events": ["payment.*"],
    "status": "active",
}  # fmt: skip

_DEBT: Final = {
    "id": "dbt_0802", "status": "open", "owner": "alice", "kind": "dhaar_loan",
    "currency": "BDT", "principal": "1000.00", "fee": "50.00", "repaid": "262.50",
    "written_off": "0.00", "outstanding": "787.50", "principal_outstanding": "787.50",
    "fee_outstanding": "0.00", "account": "receivable/dhaar/alice", "wallet": _PATH,
    "reference": "loa_0801", "reason": "A loan was granted.", "opened_at": _AT,
    "settled_at": None,
}  # fmt: skip
_REPAID: Final = {"way": "netted", "amount": "262.50", "fee": "50.00", "currency": "BDT",
                  "entry": "ent_0c00", "at": _AT}  # fmt: skip
_LOAN: Final = {
    "id": "loa_0801", "status": "open", "kind": "dhaar", "owner": "alice", "wallet": _PATH,
    "currency": "BDT", "principal": "1000.00", "fee": "50.00", "repaid": "262.50",
    "written_off": "0.00", "outstanding": "787.50", "principal_outstanding": "787.50",
    "fee_outstanding": "0.00", "overdue": "0.00", "next_due_at": _AT, "next_due": "262.50",
    "debt": "dbt_0802", "reference": "eid", "entry": "ent_0800", "granted_at": _AT,
    "settled_at": None,
}  # fmt: skip
_STOCK_ITEM: Final = {
    "sku": "SHARE-A", "title": "Shares, class A", "kind": "share", "status": "active",
    "currency": "BDT", "price": "50.00", "lots": 1, "received": 10, "remaining": 6,
    "allocated": 4, "lost": 0, "cost": "180.00", "account": "inventory/SHARE-A",
    "created_at": _AT,
}  # fmt: skip
_LOT: Final = {
    "sku": "SHARE-A", "number": 1, "received": 10, "remaining": 6, "allocated": 4, "lost": 0,
    "currency": "BDT", "cost": "300.00", "cost_left": "180.00", "paid_from": "equity/capital",
    "supplier": None, "reference": None, "entry": "ent_0800", "received_at": _AT,
}  # fmt: skip
_ALLOCATION: Final = {
    "id": "alc_0c00", "status": "allocated", "sku": "SHARE-A", "subject": "investment/inv_0800",
    "owner": "alice", "quantity": 4, "returned": 0, "currency": "BDT", "cost": "120.00",
    "lines": [{"lot": 1, "quantity": 4, "returned": 0, "cost": "120.00"}],
    "entries": ["ent_0c00"], "created_at": _AT, "returned_at": None,
}  # fmt: skip
_INVESTMENT: Final = {
    "id": "inv_0800", "reference": "I1001", "status": "completed", "owner": "alice",
    "wallet": _PATH, "sku": "SHARE-A", "quantity": 4, "price": "50.00", "total": "200.00",
    "benefit": "20.00", "paid": "180.00", "credited": "200.00", "currency": "BDT",
    "codes": ["EID-2026"], "paid_from": "cash/main", "evidence": "Bank slip 7.",
    "saga": "sag_0801", "allocation": "alc_0c00", "entries": ["ent_0c00"], "code": None,
    "reason": None, "created_at": _AT, "completed_at": _AT, "ended_at": None,
}  # fmt: skip
_BOOKS: Final = {
    "currency": "BDT", "cash": "200.00", "inventory": "180.00", "receivables": "0.00",
    "other_assets": "0.00", "assets": "380.00", "wallets": "20.00", "escrow": "0.00",
    "payables": "0.00", "other_liabilities": "0.00", "liabilities": "20.00",
    "equity": "300.00", "revenue": "200.00", "expenses": "140.00", "result": "60.00",
    "balanced": True,
}  # fmt: skip

EXAMPLES: Final[dict[str, Any]] = {
    "StockItemState": _STOCK_ITEM,
    "LotState": _LOT,
    "AllocationState": _ALLOCATION,
    "StockDifference": {"sku": "SHARE-A", "lot": 1, "what": "remaining", "expected": "6",
                        "found": "5"},
    "InvestmentState": _INVESTMENT,
    "Holding": {"owner": "alice", "sku": "SHARE-A", "quantity": 4, "paid": "180.00",
                "currency": "BDT"},
    "Books": _BOOKS,
    "WebhookTaken": {"status": "received"},
    "ItemState": _ITEM,
    "ItemView": {**_ITEM, "digest": "0" * 64, "sealed": True, "received_at": _AT, "due_at": None,
                 "settled_at": _AT},
    "RejectionView": {"seq": 2, "at": _AT, "provider": "sandbox", "code": "invalid_signature",
                      "digest": "0" * 64, "source": "203.0.113.7", "missed": 0},
    "EndpointState": {**_ENDPOINT, "description": None, "reason": None, "old_secret_until": None,
                      "created_at": _AT, "changed_at": _AT},
    "NewEndpoint": {**_ENDPOINT, "secret": "whsec_" + "A" * 43 + "="},
    "Wanted": {"endpoint": "whe_0400", "since_seq": 1, "until_seq": 2, "delivery": None},
    "DeliveryView": {"id": "evt_0800_0400", "endpoint": "whe_0400", "seq": 2,
                     "type": "payment.paid", "status": "delivered", "attempts": 1,
                     "next_at": None, "last_status": 200, "last_error": None, "created_at": _AT,
                     "done_at": _AT},
    "Problem": _PROBLEM,
    "WalletState": _WALLET,
    "WalletView": {**_WALLET, "held": "400.00", "floor": "0.00", "overdraft": "0.00",
                   "limits": [], "opened_at": _AT},
    "Balance": {"wallet": _PATH, "currency": "BDT", "balance": "1000.00", "held": "400.00",
                "available": "600.00", "at": _AT},
    "Transaction": _TRANSACTION,
    "Statement": {"wallet": _PATH, "currency": "BDT", "since": _AT, "until": _AT,
                  "opening": "0.00", "closing": "1000.00", "credits": "1000.00",
                  "debits": "0.00", "items": [_TRANSACTION], "next": None},
    "Moved": {"id": "ent_0800", "type": "credit", "source": "top_up", "currency": "BDT",
              "reference": "topup-1", "legs": _LEGS},
    "HoldState": {"id": "hld_0400", "wallet": _PATH, "status": "active", "amount": "400.00",
                  "remaining": "400.00", "captured": "0.00", "currency": "BDT", "group": None,
                  "reference": "order-2511128", "expires_at": _AT, "entry": None},
    "AccountState": _ACCOUNT,
    "AccountView": {**_ACCOUNT, "owner": "alice", "wallet": "wal_0400", "held": "400.00",
                    "opened_at": _AT},
    "EntryView": _ENTRY,
    "TrialLine": {"currency": "BDT", "kind": "asset", "code": "cash/main",
                  "balance": "1000.00"},
    "KhataState": {"owner": "alice", "seq": 3, "kind": "expense", "category": "Rickshaw",
                   "amount": "-400.00", "currency": "BDT", "note": None, "happened_at": _AT},
    "KhataLine": {"id": "kha_0800", "at": _AT, "kind": "transfer", "category": "Top-up",
                  "amount": "1000.00", "currency": "BDT", "wallet": _PATH, "entry": "ent_0800",
                  "note": None, "manual": False},
    "KhataTotal": {"currency": "BDT", "kind": "expense", "category": "Rickshaw",
                   "total": "-400.00"},
    "Decision": {"request": "apr_0400", "status": "asked", "result": None},
    "ApprovalView": {"id": "apr_0400", "status": "asked", "command": {"kind": "wallets.credit"},
                     "reason": "Above the limit.", "asked_by": "finance:key_0400",
                     "asked_at": _AT, "decided_by": None, "decided_at": None},
    "KeyState": {**_KEY, "revoked": True},
    "KeyView": {**_KEY, "created_at": _AT, "revoked_at": None},
    "NewKey": {**_KEY, "revoked": False, "secret": "kh_main_" + "0" * 64},
    "Unit": {"code": "XP", "exponent": 0, "name": "Experience"},
    "Source": {"name": "quiz", "category": "Quizzes", "money_in": "income",
               "money_out": "expense", "against": "expense/quiz"},
    "WalletKind": {"name": "courier", "title": "Courier", "floor": 0, "overdraft": 0},
    "Setting": {"name": "four_eyes", "value": {"BDT": "100000.00"}},
    "BulkAnswer": {"committed": 1, "refused": 1, "replayed": 0,
                   "outcomes": [{"index": 0, **_RECEIPT, "result": {"id": "ent_0800"}},
                                {"index": 1, "key": "b", "error": _PROBLEM}]},
    "JournalView": {"seq": 2, "key": "topup-1", "kind": "wallets.credit",
                    "actor": "service:key_0400", "at": _AT, "command": {}, "result": {},
                    "hash": "0" * 64},
    "RefusalView": {"n": 1, "key": "b", "kind": "wallets.transfer", "actor": "owner:alice",
                    "at": _AT, "code": "insufficient_funds", "detail": "…"},
    "SagaState": {**_SAGA, "plan": ["charge", "confirm"]},
    "SagaView": {**_SAGA, "attempt": 0, "data": {"order": "M2511128"}, "cause": None,
                 "started_by": "service:key_0400", "started_at": _AT, "failed_at": None,
                 "ended_at": None, "call_key": None, "worker": None,
                 "history": [{"seq": 2, "at": _AT, "actor": "service:worker", "what": "done",
                              "step": "reserve", "detail": None, "entries": ["ent_0800"]}]},
    "SagaHealth": {"windows": [_WINDOW], "waiting_for_people": 1, "unknown": 0,
                   "oldest_stuck_seconds": 3600},
    "ScheduleState": _SCHEDULE,
    "ScheduleView": {**_SCHEDULE, "next_at": _AT, "last_at": None},
    "Because": {"seq": 2, "kind": "sagas.step", "actor": "service:worker", "at": _AT,
                "saga": "sag_0400", "step": "reserve", "started_by": "service:key_0400"},
    "PayableState": _PAYABLE,
    "PaymentState": _PAYMENT,
    "RefundState": {"id": "rfd_0c00", "payment": "pay_0800", "status": "succeeded",
                    "origin": "ours", "amount": "400.00", "currency": "BDT",
                    "reason": "One was broken.", "entries": ["ent_0c00"], "saga": "sag_0c01",
                    "code": None, "created_at": _AT},
    "DisputeState": {"id": "dsp_1000", "payment": "pay_0800", "status": "opened",
                     "amount": "1000.00", "currency": "BDT", "entries": ["ent_1000"],
                     "code": "fraudulent", "created_at": _AT},
    "Offered": {"provider": "sandbox", "currencies": ["BDT"],
                "methods": ["card", "mobile_money"], "least": "10.00", "most": None},
    "BookingState": _BOOKING,
    "EscrowState": _ESCROW,
    "SaleState": _SALE,
    "MissionState": {"id": "mis_0801", "sale": "M1001", "status": "assigned", "rider": "rahim",
                     "wallet": "rahim/rider/BDT", "fee": "60.00", "currency": "BDT",
                     "opened_at": _AT, "assigned_at": _AT, "delivered_at": None},
    "Trace": {"subject": "order/M1001", "entries": [_ENTRY], "adds_up": True,
              "effects": [{"account": "wallet/alice/personal/BDT", "currency": "BDT",
                           "gave": "1060.00", "got": "0.00", "net": "-1060.00"}]},
    "Unheld": {"account": "escrow/M1001", "currency": "BDT", "held": "1000.00",
               "balance": "999.00"},
    "DebtState": _DEBT,
    "RepaymentView": _REPAID,
    "Netting": {"order": ["refund", "mover_float", "dhaar_loan"],
                "most": {"refund": 10000, "mover_float": 10000, "dhaar_loan": 5000}},
    "Unexplained": {"account": "receivable/refunds/alice", "currency": "BDT",
                    "balance": "101.50", "outstanding": "100.00", "difference": "1.50"},
    "LoanState": _LOAN,
    "LoanView": {"loan": _LOAN, "repayments": [_REPAID], "more": None,
                 "instalments": [{"due_at": _AT, "principal": "250.00", "fee": "12.50",
                                  "amount": "262.50", "outstanding": "0.00"}]},
    "Marked": {"overdue": [{**_LOAN, "status": "overdue", "overdue": "262.50"}]},
    "DueLoans": {"loans": ["loa_0801"]},
    "CampaignState": _CAMPAIGN,
    "UseState": {"id": "use_0800", "campaign": "EID-2026", "owner": "alice",
                 "subject": "order/M1001", "purchase": "1000.00", "amount": "100.00",
                 "returned": "0.00", "currency": "BDT", "payer": "platform",
                 "status": "granted", "granted_at": _AT, "returned_at": None},
    "BenefitPolicyState": {"points": 5000, "most": {"BDT": "500.00"},
                           "referrer": {"BDT": "50.00"}, "referred": {"BDT": "50.00"},
                           "kyc": "referrer", "most_referrals": None, "most_in_window": None,
                           "window_seconds": None, "changed_at": _AT},
    "BenefitPreview": {"owner": "alice", "amount": "1000.00", "currency": "BDT",
                       "benefits": [{"campaign": "EID-2026", "title": "Eid",
                                     "benefit": "percentage", "payer": "platform",
                                     "amount": "100.00"}],
                       "total": "100.00", "to_pay": "900.00"},
    "ReferralState": _REFERRAL,
    "KycState": {"owner": "alice", "evidence": "Passport seen, file 7.", "confirmed_at": _AT},
    "BonusesPaid": {"owner": "alice", "paid": ["bob"], "waiting": 0},
    "ReferralLiability": {"currency": "BDT", "referrals": 1, "owed": "100.00",
                          "booked": "100.00", "agrees": True},
    "RuleState": _RULE,
    "SharePreview": {"rule": "groceries", "version": 2, "source": "order", "category": "groceries",
                     "partner": "karim", "amount": "1000.00", "currency": "BDT",
                     "shares": [{"name": "platform", "to": "revenue/commission",
                                 "amount": "60.87"},
                                {"name": "platform_tax", "to": "payable/vat", "amount": "9.13"},
                                {"name": "partner", "to": "partner", "amount": "930.00"}]},
    "EarningState": _EARNING,
    "EarningsPaid": {"owner": "nila", "earnings": [_EARNING], "collected": []},
    "EarningTotal": {"kind": "video_view", "currency": "BDT", "count": 1, "total": "250.00"},
    "ViewsState": _VIEWS,
    "ViewsCounted": {"views": _VIEWS, "new": 12_500, "earnings": [_EARNING], "collected": []},
    "RateState": {"creator": "nila", "per_thousand": "20.00", "currency": "BDT", "agreed": False,
                  "set_at": None},
    "PaidMission": {"rider": "rafi", "reference": "M1001", "fee": "60.00", "currency": "BDT",
                    "fee_is_paid": False, "haggled": True, "chain": "2026-01-31", "place": 1,
                    "delivered_at": _AT},
    "EarningPolicy": msgspec.to_builtins(EarningPolicy()),
    "Award": {"owner": "rafi", "event": "delivered", "xp": "15", "score": 545,
              "entry": "ent_0800"},
    "TrustState": {"owner": "rafi", "score": 545, "good": 1, "bad": 0, "events": 1, "xp": "15",
                   "changed_at": _AT},
    "TrustLine": {"event": "delivered", "xp": "15", "good": 1, "bad": 0, "score": 545,
                  "reference": "M1001", "at": _AT},
    "TrustRules": {"events": {"delivered": {"xp": 15, "good": 1}, "late_delivery": {"bad": 1}}},
    "SquadMemberState": _MEMBER,
    "SquadState": {**_SQUAD, "joining": "invited", "sharing": "equal", "rest": None,
                   "balance": "700.00", "unassigned": "0.00", "members": [_MEMBER],
                   "reason": None, "closed_at": None},
    "SquadListed": {**_SQUAD, "members": 3},
    "SquadPurchaseState": {"id": "sqp_0800", "squad": "eid", "reference": "goat-7",
                           "paid_to": "bob/partner/BDT", "sale": None, "status": "made",
                           "amount": "600.00", "returned": "0.00", "currency": "BDT",
                           "parts": [{"owner": "alice", "amount": "600.00",
                                      "returned": "0.00"}],
                           "entries": ["ent_0800"], "made_by": "owner:alice",
                           "created_at": _AT},
    "SquadLineView": {"seq": 2, "squad": "eid", "owner": "alice", "kind": "contribution",
                      "amount": "1000.00", "balance_after": "1000.00", "currency": "BDT",
                      "reference": None, "entry": "ent_0800", "at": _AT},
    "SquadDifference": {"squad": "eid", "what": "wallet", "owner": None, "expected": "701.00",
                        "got": "700.00", "currency": "BDT"},
    "VerifyView": {"ok": True, "book": "main", "seq": 2, "head": "0" * 64, "journal": 2,
                   "postings": 2, "accounts": 2, "seconds": 0.004, "discrepancies": [],
                   "omitted": 0},
    "BankAccountState": {"id": "bnk_0800", "owner": "alice", "number": "•••• 9012",
                         "holder": "A•••• R••••", "bank": "Dutch-Bangla Bank", "country": "BD",
                         "currency": "BDT", "status": "verified", "primary": True,
                         "evidence": "Statement of January seen.", "reason": None,
                         "added_at": _AT, "verified_at": _AT},
    "PayoutState": _PAYOUT,
    "BatchMade": {"id": "bat_1000", "reference": "partners-2026-01",
                  "totals": [{**_TOTAL, "status": "requested"}], "payouts": ["pyo_0c00"]},
    "BatchListed": {"id": "bat_1000", "reference": "partners-2026-01", "lines": 1,
                    "created_by": "finance:key_0400", "created_at": _AT},
    "BatchState": {"id": "bat_1000", "reference": "partners-2026-01", "status": "open",
                   "created_at": _AT, "totals": [_TOTAL],
                   "lines": [{**_PAYOUT, "batch": "bat_1000", "line": 0}]},
    **ORDER_EXAMPLES,
    **MISMATCH_EXAMPLES,
    **LEGACY_EXAMPLES,
    **SHADOW_EXAMPLES,
    **MESSAGING_EXAMPLES,
    **RECONCILIATION_EXAMPLES,
    **SOLVENCY_EXAMPLES,
    "Health": {"status": "ok"},
    "Ready": {"status": "ok", "books": {"main": 2}},
}  # fmt: skip
"""An example for each type of answer, by the type's name."""


def example_of(kind: Any) -> Any:
    """The example of a type; of receipts, pages and lists around what is in them."""
    whole, parts = typing.get_origin(kind), typing.get_args(kind)
    if whole is Receipt:
        return {**_RECEIPT, "result": example_of(parts[0])}
    if whole is Page:
        return {"items": [example_of(parts[0])], "next": None}
    if whole is Report:
        return {**REPORT, "items": [example_of(parts[0])]}
    if whole is list:
        return [example_of(parts[0])]
    return EXAMPLES[kind.__name__]

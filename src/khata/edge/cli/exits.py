"""What the shell is told: one exit code for each family of errors, and what to try next.

0    done
1    verify found discrepancies, or the demo did not go as it must
2    the command line itself was wrong
3    Refused: the rules said no
4    NotFound
5    Conflict
6    Forbidden
7    Unavailable: the same again, with the same key, may work
8    Broken: stop and look
9    Unknown: look before doing it again
130  interrupted
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, Final

from rich.text import Text

from khata.edge.cli.screen import err
from khata.errors import (
    Broken,
    Conflict,
    Forbidden,
    KhataError,
    NotFound,
    Refused,
    Unavailable,
    Unknown,
)

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

EXITS: Final[dict[type[KhataError], int]] = {
    Refused: 3,
    NotFound: 4,
    Conflict: 5,
    Forbidden: 6,
    Unavailable: 7,
    Broken: 8,
    Unknown: 9,
}
"""Family of errors → exit code."""

HINTS: Final[dict[str, str]] = {
    "account_closed": "A closed wallet stays closed; open another one.",
    "account_frozen": "`khata journal` says why; `khata wallets unfreeze` lets it move.",
    "account_not_empty": "Move the balance away and void its holds first.",
    "address_taken": "Stop what is there, or choose another port: --port, KHATA_MESSAGING_PORT,"
    " KHATA_MESSAGING_HTTP_PORT.",
    "already_exists": "It is there already: `khata wallets list` shows it.",
    "already_served": "Stop the other one, or share a stream: KHATA_MESSAGING_NATS.",
    "approval_required": "Run it again with `--ask REASON`; another person then approves it with"
    " `khata approvals approve`.",
    "bank_account_not_found": "`khata payouts accounts list` shows the bank accounts there are.",
    "bank_account_unusable": "Verify one with `khata payouts accounts verify`.",
    "book_corrupted": "`khata verify` names each place. Write nothing before a person has looked.",
    "book_not_found": "Check --database and --book; `khata wallets open` makes the first wallet"
    " and its book.",
    "database_unavailable": "Check --database, and that the server runs. Then the same again, with"
    " the same --key.",
    "entry_not_found": "`khata wallets show` and `khata statement` list entries by id.",
    "escrow_closed": "`khata escrow show` says what became of it.",
    "escrow_disputed": "`khata escrow settle` when they agree; a refund is possible all the same.",
    "escrow_not_found": "`khata escrow list` shows the escrows there are.",
    "grace_ended": "Give more time with `khata orders extend`.",
    "hold_exceeded": "`khata holds list` shows what is left.",
    "hold_not_active": "`khata holds list` shows each hold's status.",
    "hold_not_found": "`khata holds list` shows the holds there are.",
    "idempotency_key_reused": "Use a new --key for a new command; the old one keeps its answer.",
    "insufficient_funds": "`khata wallets show` tells what is available; an overdraft is set with"
    " `khata wallets limits`.",
    "invalid_file": "Correct the line and run it again: what was imported is not imported twice.",
    "limit_exceeded": "Wait until the window has passed, or change it with `khata wallets limits`.",
    "not_yours": "An owner sees and moves only their own; act as another with --actor.",
    "order_not_found": "`khata orders list` shows the orders there are.",
    "payable_closed": "`khata payments list --subject …` shows what was paid.",
    "payable_not_found": "Register it first: `payments.register`, by the API or an import.",
    "payment_active": "`khata payments show` tells how far it is; wait, or let it expire.",
    "payment_not_found": "`khata payments list` shows the payments there are.",
    "provider_not_offered": "`khata payments offered CURRENCY` shows who collects it, and how.",
    "receipt_not_found": "`khata orders receipts` lists those of an order; the files are in the"
    " folder KHATA_RECEIPTS.",
    "refund_exceeded": "Leave the amount out to refund all that is left.",
    "payout_not_found": "`khata payouts list` shows the payouts there are.",
    "release_exceeded": "`khata escrow show` tells what there is; leave the amount out for all.",
    "reversal_exceeded": "Leave --amount out to reverse all that is left.",
    "role_required": "Act under a role that may: --actor ROLE:NAME.",
    "saga_busy": "Say what became of its call with `khata sagas resolve`, or wait for the answer.",
    "saga_not_found": "`khata sagas list` shows the sagas there are.",
    "same_approver": "Let somebody else approve it: --actor ROLE:NAME.",
    "schema_outdated": "Run `khata migrate`.",
    "storage_full": "Make room, then the same again with the same --key.",
    "unknown_currency": "Use an ISO 4217 code such as BDT.",
    "unknown_saga": "Set KHATA_SAGAS to the module that has it, or run the version that does.",
    "vault_key_unknown": "Put the key that is missing back in KHATA_VAULT_KEYS.",
    "vault_missing": "`khata keys vault` makes a key for KHATA_VAULT_KEYS.",
    "wallet_not_found": "`khata wallets list` shows the wallets there are; open one with"
    " `khata wallets open`.",
}
"""Code → what to do next."""

_LONGEST: Final = 300
_MOST_LINES: Final = 20
_SHOWN: Final = (
    "expected",
    "got",
    "available",
    "line",
    "applied",
    "replayed",
    "asked_by",
    "retry_after_seconds",
    "runs",
)


def exit_code(error: KhataError) -> int:
    """The exit code of an error's family."""
    return next((code for family, code in EXITS.items() if isinstance(error, family)), FAILED)


def show_error(error: KhataError) -> int:
    """Write an error for people to standard error; its exit code."""
    lines = [(name, error.details[name]) for name in _SHOWN if name in error.details]
    hint = HINTS.get(error.code)
    if hint is None and error.retryable:
        hint = "The same again, with the same --key."
    _write(error.code, error.message, lines, hint)
    return exit_code(error)


def show_usage(message: str, words: tuple[str, ...]) -> int:
    """Write what is wrong with a command line; its exit code. `words`: the command so far."""
    command = " ".join(("khata", *map(shlex.quote, words)))
    _write("usage", message, [], f"`{command} --help` shows how, with examples.")
    return USAGE


def show_failure(code: str, message: str, hint: str | None = None) -> int:
    """Write that something outside of Khata went wrong, such as a file that cannot be read."""
    _write(code, message, [], hint)
    return FAILED


def _write(code: str, message: str, lines: Sequence[tuple[str, Any]], hint: str | None) -> None:
    screen = err()
    text = Text.assemble((f"error[{code}]", "bold red"), f": {message}")
    for name, value in lines:
        text.append(f"\n  {name}: ", "dim")
        text.append(_plain(value))
    if hint is not None:
        text.append("\n  hint: ", "dim")
        text.append(hint)
    screen.print(text, soft_wrap=True)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        text = ", ".join(value)
        if len(text) > _LONGEST and len(value) <= _MOST_LINES:
            return "".join(f"\n    {one[:_LONGEST]}" for one in value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

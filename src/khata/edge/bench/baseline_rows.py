"""What the baseline stores for a transfer: the same texts as Khata, made the same way.

It has the request as JSON with its digest, the answer as JSON, the legs, and for each leg the line
and category under which an owner finds it in their own book.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, Final, NamedTuple

import msgspec

from khata.base.money import to_text
from khata.domain.wallets import Transfer
from khata.edge.bench.book_side import transfer_of
from khata.edge.bench.figures import CURRENCY, EXPONENT, NOTE, OPENING, Draw, path_of
from khata.errors import BookCorrupted, InsufficientFunds, KeyReused

LINE: Final = "transfer"
CATEGORY: Final = "Transfer"
Found = dict[int, tuple[int, int, int | None]]
"""Account → (balance, held, floor) as they were read under the lock."""
_encode: Final = msgspec.json.Encoder().encode


class Texts(NamedTuple):
    """A transfer as it is stored. `paid`, `received`: the balances afterwards."""

    key: str
    digest: bytes
    at: int
    command: str
    result: str
    reference: str
    note: str
    legs: str
    paid: int
    received: int


def texts_of(key: str, draw: Draw, found: Found) -> Texts:
    """Decide a transfer. Errors: `InsufficientFunds`."""
    source, target, amount, reference = draw
    balance, held, floor = found[source]
    if floor is not None and balance - held - amount < floor:
        raise InsufficientFunds("The source has too little.", account=path_of(source))
    paid, received = balance - amount, found[target][0] + amount
    command = _encode(transfer_of(draw))
    result = {
        "type": "transfer",
        "source": "transfer",
        "currency": CURRENCY,
        "reference": reference,
        "legs": [_leg(source, -amount, paid), _leg(target, amount, received)],
    }
    return Texts(
        key,
        hashlib.sha256(command).digest(),
        time.time_ns() // 1000,
        command.decode(),
        _encode(result).decode(),
        reference,
        NOTE,
        f"[[{source},{-amount}],[{target},{amount}]]",
        paid,
        received,
    )


def _leg(account: int, amount: int, after: int) -> dict[str, str]:
    return {
        "account": f"wallet/{path_of(account)}",
        "amount": to_text(amount, EXPONENT),
        "balance_before": to_text(after - amount, EXPONENT),
        "balance_after": to_text(after, EXPONENT),
    }


def answered(row: Any, draw: Draw) -> str:
    """The stored (digest, result) of a key that is known. Errors: `KeyReused`."""
    digest, result = row
    wanted: Transfer = transfer_of(draw)
    if bytes(digest) != hashlib.sha256(_encode(wanted)).digest():
        raise KeyReused("This key belongs to another request.")
    return str(result)


def opening_rows(accounts: int) -> list[tuple[int, str, int, int | None]]:
    """(id, code, balance, floor) of the accounts; number 0 is where their money came from."""
    rows: list[tuple[int, str, int, int | None]] = [
        (number, f"wallet/{path_of(number)}", OPENING, 0) for number in range(1, accounts + 1)
    ]
    return [(0, "cash/main", -OPENING * accounts, None), *rows]


def check_sum(table: str, total: Any) -> None:
    """Every amount left one account and reached another. Errors: `BookCorrupted`."""
    if total != 0:
        raise BookCorrupted(f"{table} does not add up.", expected=0, got=str(total))

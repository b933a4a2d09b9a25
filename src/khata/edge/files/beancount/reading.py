"""Reading a Beancount file with Beancount's own loader, into plain values.

The loader interpolates missing amounts, books lots, turns pads into transactions and checks
balance assertions. It is an extra (`pip install khata[beancount]`), under a licence of its own.
A Beancount file may name plugins, which are Python modules, and the loader runs them: read files
of people whom you trust.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from khata.errors import Invalid, InvalidFile

_ROOTS: Final = {
    "name_assets": "Assets",
    "name_liabilities": "Liabilities",
    "name_equity": "Equity",
    "name_income": "Income",
    "name_expenses": "Expenses",
}
_MOST_NAMED: Final = 1000
_POSITION: Final = frozenset({"filename", "lineno"})


class Leg(NamedTuple):
    """A posting. `number` is signed, debit positive; `extra`: cost, price and metadata as text."""

    account: str
    number: Decimal
    commodity: str
    extra: dict[str, str]


class Transaction(NamedTuple):
    """A transaction with every amount filled in."""

    line: int
    day: date
    flag: str
    payee: str | None
    narration: str | None
    tags: list[str]
    links: list[str]
    meta: dict[str, str]
    legs: list[Leg]


class FailedBalance(NamedTuple):
    """A balance assertion of the file that does not hold in the file itself."""

    line: int
    message: str


class Source(NamedTuple):
    """What a file holds: accounts with their days, transactions in order."""

    opens: dict[str, date]
    transactions: list[Transaction]
    failed: list[FailedBalance]


def read(path: Path) -> Source:
    """Everything that an import needs of a file and the files that it includes.

    Errors: `InvalidFile` with the line of the first thing that Beancount finds wrong (failed
    balances come back instead); `Invalid` when Beancount is not installed; `OSError`.
    """
    try:
        # imported here: it is an optional extra
        from beancount import loader  # noqa: PLC0415
        from beancount.core import data  # noqa: PLC0415
    except ImportError as error:
        raise Invalid(
            "Reading Beancount files needs Beancount itself.",
            expected="pip install khata[beancount]",
            got=str(error),
        ) from None
    with path.open("rb"):  # a missing file is an OSError, as everywhere
        # its cache is a pickle beside the file: neither to be trusted nor to be left behind
        loader.initialize(use_cache=False)
    entries, errors, options = loader.load_file(str(path))
    failed = [_failed(error) for error in errors if isinstance(error.entry, data.Balance)]
    wrong = [error for error in errors if not isinstance(error.entry, data.Balance)]
    if wrong:
        raise _invalid(wrong[0], len(wrong))
    roots = {options[name]: root for name, root in _ROOTS.items()}
    return Source(
        {
            _account(entry.account, roots): entry.date
            for entry in entries
            if isinstance(entry, data.Open)
        },
        [_transaction(entry, roots) for entry in entries if isinstance(entry, data.Transaction)],
        failed[:_MOST_NAMED],
    )


def _transaction(entry: Any, roots: dict[str, str]) -> Transaction:
    return Transaction(
        int(entry.meta.get("lineno", 0)),
        entry.date,
        entry.flag,
        entry.payee,
        entry.narration,
        sorted(entry.tags or ()),
        sorted(entry.links or ()),
        _texts(entry.meta),
        [_leg(posting, roots) for posting in entry.postings],
    )


def _leg(posting: Any, roots: dict[str, str]) -> Leg:
    extra = _texts(posting.meta or {})
    if posting.cost is not None:
        cost = posting.cost
        words = [f"{cost.number} {cost.currency}", cost.date.isoformat() if cost.date else ""]
        extra["cost"] = ", ".join(part for part in (*words, cost.label or "") if part)
    if posting.price is not None:
        extra["price"] = f"{posting.price.number} {posting.price.currency}"
    if posting.flag:
        extra["flag"] = posting.flag
    units = posting.units
    return Leg(_account(posting.account, roots), units.number, units.currency, extra)


def _account(account: str, roots: dict[str, str]) -> str:
    """The account with Beancount's own word for its root, where a file has another."""
    root, _, rest = account.partition(":")
    return f"{roots.get(root, root)}:{rest}"


def _texts(meta: dict[str, Any]) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in meta.items()
        if name not in _POSITION and not name.startswith("__") and value is not None
    }


def _failed(error: Any) -> FailedBalance:
    return FailedBalance(_line(error), _one_line(error.message))


def _invalid(error: Any, count: int) -> InvalidFile:
    more = f" ({count - 1} more like it or unlike it)" if count > 1 else ""
    return InvalidFile(
        f"Line {_line(error)}: {_one_line(error.message)}{more}",
        line=_line(error),
        expected="a file that bean-check accepts",
        got=_one_line(error.message),
    )


def _line(error: Any) -> int:
    return int((error.source or {}).get("lineno", 0))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]

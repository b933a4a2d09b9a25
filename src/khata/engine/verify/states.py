"""The rows that commands change: each must be as the journal last announced it."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from khata.engine.accounts import Account
from khata.engine.holds import Hold
from khata.engine.records import Key, Row, Spec, spec
from khata.engine.verify.balances import Balances
from khata.engine.verify.explain import one_character
from khata.engine.verify.findings import Findings
from khata.engine.verify.snapshot import Snapshot, getter, place, shapes

_ACCOUNT: Final = spec(Account)
_HOLD: Final = spec(Hold)
_MOST_SEARCHES: Final = 3
_encode: Final = msgspec.json.Encoder().encode


class States:
    """Compares every state table with what the journal announced. `accounts`: rows read."""

    def __init__(
        self,
        snapshot: Snapshot,
        announced: dict[str, dict[Key, bytes]],
        balances: Balances,
        findings: Findings,
    ) -> None:
        self._snapshot = snapshot
        self._announced = announced
        self._balances = balances
        self._findings = findings
        self._held: dict[int, int] = {}
        self._expiry: dict[int, int] = {}
        self._searches = 0
        self.accounts = 0

    def run(self) -> None:
        """Read all states and note what is wrong; holds before the accounts that they bind."""
        self._hold_sums()
        for shape in shapes(facts=False):
            self._compare(shape, self._announced[shape.name])
        self._check_accounts()

    def _compare(self, shape: Spec, announced: dict[Key, bytes]) -> None:
        key_of, digest, accounts = shape.key_in, shape.digest, self._balances.accounts
        refers = "account_id" in shape.names and shape.names.index("account_id")
        for row in self._snapshot.states(shape):
            wanted = announced.pop(key_of(row), None)
            if wanted is None:
                self._findings.add("state", place(shape, row), None, "a row")
            elif bytes.fromhex(digest(row)) != wanted:
                self._altered(shape, row, wanted)
            if refers is not False and row[refers] not in accounts:
                self._findings.add(
                    "reference", place(shape, row, "account_id"), "an account", row[refers]
                )
        for key in announced:
            values = key if isinstance(key, tuple) else (key,)
            pairs = zip(shape.table.key, values, strict=True)
            where = " ".join(f"{name}={value}" for name, value in pairs)
            self._findings.add("missing", f"{shape.name} {where}", "a row", None)

    def _altered(self, shape: Spec, row: Row, wanted: bytes) -> None:
        """A row that is not as announced: name the column when one character tells it."""
        stable = [row[shape.names.index(name)] for name in shape.stable]
        self._searches += 1
        found = None
        if self._searches <= _MOST_SEARCHES:
            found = one_character(
                _encode(stable), lambda tried: hashlib.sha256(tried).digest()[:16] == wanted
            )
        if found is None:
            self._findings.add("state", place(shape, row), wanted, shape.digest(row))
            return
        was = msgspec.json.decode(found)
        for name, right, wrong in zip(shape.stable, was, stable, strict=True):
            if right != wrong:
                self._findings.add("altered", place(shape, row, name), right, wrong)

    def _hold_sums(self) -> None:
        pick = getter(_HOLD, "account_id", "remaining", "status", "expires_at", "open_account")
        for row in self._snapshot.states(_HOLD):
            account_id, remaining, status, expires_at, open_account = pick(row)
            wanted = account_id if status == "active" else None
            if open_account != wanted:
                self._findings.add("held", place(_HOLD, row, "open_account"), wanted, open_account)
            if status != "active":
                continue
            self._held[account_id] = self._held.get(account_id, 0) + remaining
            if expires_at is not None:
                known = self._expiry.get(account_id, expires_at)
                self._expiry[account_id] = min(known, expires_at)

    def _check_accounts(self) -> None:
        pick = getter(_ACCOUNT, "id", "balance", "held", "next_expiry")
        for row in self._snapshot.states(_ACCOUNT):
            self.accounts += 1
            number, balance, held, expiry = pick(row)
            computed: tuple[Any, ...] = (
                self._balances.final(number, balance),
                self._held.get(number, 0),
                self._expiry.get(number),
            )
            if computed != (balance, held, expiry):
                self._account(row, computed, (balance, held, expiry))

    def _account(self, row: Row, computed: tuple[Any, ...], stored: tuple[Any, ...]) -> None:
        checks = (("balance", "balance"), ("held", "held"), ("held", "next_expiry"))
        for (check, column), right, wrong in zip(checks, computed, stored, strict=True):
            if right != wrong:
                self._findings.add(check, place(_ACCOUNT, row, column), right, wrong)

"""What stands beside the journal's pass: the chain of refusals, and reversals within bounds."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import msgspec

from khata.engine.journal import GENESIS, Head, refusal_hash
from khata.engine.verify.balances import read_legs
from khata.engine.verify.findings import Findings
from khata.engine.verify.snapshot import Snapshot

_REVERSALS: Final = (
    "SELECT r.reverses_seq, r.reverses_entry, r.seq, r.entry, r.legs, o.legs FROM entries r"
    " LEFT JOIN entries o ON o.book_id = r.book_id AND o.seq = r.reverses_seq"
    " AND o.entry = r.reverses_entry AND o.seq < r.seq"
    " WHERE r.book_id = :book AND r.reverses_seq IS NOT NULL ORDER BY 1, 2, 3, 4"
)


def check_refusals(snapshot: Snapshot, head: Head, findings: Findings) -> None:
    """The refusals, numbered from 1, form a chain that ends in the head row."""
    due, previous = 1, GENESIS
    suspect: tuple[int, bytes, bytes] | None = None
    for *fields, stored in snapshot.refusals():
        n = fields[0]
        if n != due:
            span = str(due) if n == due + 1 else f"{due}…{n - 1}"
            findings.add("sequence", f"refusals n={span}", "a row", None)
        else:
            computed = refusal_hash(previous, tuple(fields))
            if suspect and refusal_hash(suspect[1], tuple(fields)) == stored:
                computed = stored
                _settle(suspect, suspect[1], findings)
            else:
                _settle(suspect, None, findings)
            suspect = (n, computed, stored) if computed != stored else None
        due, previous = n + 1, stored
    _settle(suspect, head.refusals_hash, findings)
    if suspect and suspect[1] == head.refusals_hash:
        previous = head.refusals_hash
    if head.refusals != due - 1:
        findings.add("head", "books refusals", due - 1, head.refusals)
    if head.refusals_hash != previous:
        findings.add("head", "books refusals_hash", previous, head.refusals_hash)


def _settle(
    suspect: tuple[int, bytes, bytes] | None, following: bytes | None, findings: Findings
) -> None:
    """`following`: the hash on which the next row was built, when it is known."""
    if suspect is not None:
        n, computed, stored = suspect
        if following == computed:
            findings.add("altered", f"refusals n={n} hash", computed, stored)
        else:
            findings.add("refusals", f"refusals n={n}", stored, computed)


def check_reversals(snapshot: Snapshot, findings: Findings) -> None:
    """Reversals refer to an earlier entry and never take back more than it moved."""
    for (seq, entry), group in groupby(snapshot.rows(_REVERSALS), key=lambda row: row[:2]):
        reversals = list(group)
        where = f"entries seq={seq} entry={entry}"
        original = reversals[0][5]
        if original is None:
            by = [list(row[2:4]) for row in reversals]
            findings.add("reversal", where, "an entry before its reversal", by)
            continue
        _check_bounds(where, _sums([original]), _sums([row[4] for row in reversals]), findings)


def _check_bounds(
    where: str, moved: dict[int, int], back: dict[int, int], findings: Findings
) -> None:
    for account_id, amount in back.items():
        most = -moved.get(account_id, 0)
        if not min(most, 0) <= amount <= max(most, 0):
            findings.add("reversal", f"{where} account={account_id}", most, amount)


def _sums(texts: list[str]) -> dict[int, int]:
    """The sum of each account's legs."""
    sums: dict[int, int] = {}
    for text in texts:
        for account_id, amount in _legs(text):
            sums[account_id] = sums.get(account_id, 0) + amount
    return sums


def _legs(text: str) -> list[tuple[int, int]]:
    """Legs that cannot be read are reported where they are compared with their postings."""
    try:
        return read_legs(text)
    except msgspec.MsgspecError:
        return []

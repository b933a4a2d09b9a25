"""Running balances: every posting against its entry, its account and its neighbours.

`apply` is the fast yes to a command whose rows are all as they must be. When it says no,
`findings` says what is wrong and `follow` goes on from what is stored, so that one wrong row
does not make every later one look wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from khata.engine.accounts import Account, Entry, Posting
from khata.engine.records import Row, spec
from khata.engine.verify.snapshot import getter, place

Tables = dict[str, list[Row]]
Finding = tuple[str, str, Any, Any]
"""check, where, expected, got."""

ENTRY: Final = spec(Entry)
POSTING: Final = spec(Posting)
_FIRST: Final = ENTRY.names.index("first_leg")
_LINE: Final = POSTING.names.index("line")
_NO_LINE: Final = (None, None)
LEGS: Final = ENTRY.names.index("legs")
read_legs: Final = msgspec.json.Decoder(list[tuple[int, int]]).decode
UNKNOWN: Final = "?"
"""The unit of an account whose row cannot be trusted: it has been reported once."""


class Balances:
    """Where each account stands after the commands so far. Amounts in minor units."""

    def __init__(self, accounts: Iterable[Row]) -> None:
        pick = getter(spec(Account), "id", "unit", "owner")
        self.accounts: dict[int, tuple[str, str | None]] = {}
        for row in accounts:
            number, unit, owner = pick(row)
            self.accounts[number] = (unit, owner)
        self.running: dict[int, int] = {}
        self._else: dict[int, int] = {}

    def apply(self, seq: int, tables: Tables) -> bool:
        """Post a command's rows if they are as they must be; otherwise nothing has changed."""
        undo: list[tuple[int, int]] = []
        if self._post(seq, tables, undo):
            return True
        for account_id, before in reversed(undo):
            self.running[account_id] = before
        return False

    def _post(self, seq: int, tables: Tables, undo: list[tuple[int, int]]) -> bool:
        running, accounts = self.running, self.accounts
        postings = iter(tables.get("postings", ()))
        for entry in tables.get("entries", ()):
            sums: dict[str, int] = {}
            leg = entry[_FIRST]
            for account_id, amount in read_legs(entry[LEGS]):
                before = running.get(account_id, 0)
                after = before + amount
                row = next(postings, None)
                if row is None or row[:6] != (account_id, seq, leg, entry[1], amount, after):
                    return False
                if account_id not in accounts:
                    return False
                undo.append((account_id, before))
                running[account_id] = after
                unit, owner = accounts[account_id]
                sums[unit] = sums.get(unit, 0) + amount
                if (row[_LINE] is None) is not (owner is None):
                    return False
                leg += 1
            if leg - entry[_FIRST] < 2:  # noqa: PLR2004 - double entry
                return False
            totals = list(sums.values())
            if any(totals) and (UNKNOWN not in sums or sum(totals) != 0):
                return False
        return next(postings, None) is None

    # ── when it is not as it must be ─────────────────────────────────────────────────

    def due(self, seq: int, entries: list[Row], postings: list[Row]) -> list[Row]:
        """The postings that these entries ask for, from the balances so far.

        What an entry does not tell, the owner's line, is taken from the posting itself, or else
        from another one of an owner.
        """
        now: dict[int, int] = {}
        lines = {row[2]: row[_LINE:] for row in postings}
        likely = next((line for line in lines.values() if line[0] is not None), _NO_LINE)
        rows: list[Row] = []
        for entry in entries:
            for leg, (account_id, amount) in enumerate(_legs(entry), entry[_FIRST]):
                before = now.get(account_id, self.running.get(account_id, 0))
                now[account_id] = before + amount
                owned = self.accounts.get(account_id, (UNKNOWN, None))[1] is not None
                line = lines.get(leg, likely if owned else _NO_LINE)
                rows.append((account_id, seq, leg, entry[1], amount, before + amount, *line))
        return rows

    def findings(self, seq: int, tables: Tables) -> Iterator[Finding]:
        """Everything that is wrong with a command's rows among each other."""
        entries, postings = tables.get("entries", []), tables.get("postings", [])
        yield from self._legs_findings(seq, entries, postings)
        yield from self._sum_findings(seq, entries, postings)
        yield from self._continuity_findings(postings)
        yield from self._line_findings(postings)

    def _legs_findings(
        self, seq: int, entries: list[Row], postings: list[Row]
    ) -> Iterator[Finding]:
        known = {entry[1] for entry in entries}
        due = {row[2]: row for row in self.due(seq, entries, postings)}
        have = {row[2]: row for row in postings}
        for leg, row in have.items():
            if row[0] not in self.accounts:
                yield "reference", place(POSTING, row, "account_id"), "an account", row[0]
            if row[3] not in known:
                known.add(row[3])
                yield "missing", f"entries seq={seq} entry={row[3]}", "a row", None
            if not entries:
                continue
            if leg not in due:
                yield "orphan", place(POSTING, row), "a leg of its entry", None
            elif (row[0], row[4]) != (due[leg][0], due[leg][4]):
                yield "legs", place(POSTING, row), [due[leg][0], due[leg][4]], [row[0], row[4]]
        for leg, row in due.items():
            if leg not in have:
                yield "missing", place(POSTING, row), "a row", None

    def _sum_findings(self, seq: int, entries: list[Row], postings: list[Row]) -> Iterator[Finding]:
        sums: dict[tuple[int, str], int] = {}
        counts = {entry[1]: 0 for entry in entries}
        for account_id, _, _, entry, amount, *_ in postings:
            unit = self.accounts.get(account_id, (UNKNOWN, None))[0]
            sums[entry, unit] = sums.get((entry, unit), 0) + amount
            counts[entry] = counts.get(entry, 0) + 1
        for (entry, unit), total in sums.items():
            if total:
                yield "sum", f"postings seq={seq} entry={entry} unit={unit}", 0, total
        for entry, count in counts.items():
            if count < 2:  # noqa: PLR2004 - double entry
                yield "legs", f"postings seq={seq} entry={entry}", "2 or more", count

    def _continuity_findings(self, postings: list[Row]) -> Iterator[Finding]:
        now: dict[int, int] = {}
        for row in postings:
            account_id, amount, after = row[0], row[4], row[5]
            before = now.get(account_id, self.running.get(account_id, 0))
            other = self._else.get(account_id)
            if after != before + amount and (other is None or after != other + amount):
                yield "continuity", place(POSTING, row, "balance_after"), before + amount, after
            now[account_id] = after

    def _line_findings(self, postings: list[Row]) -> Iterator[Finding]:
        for row in postings:
            owner = self.accounts.get(row[0], (UNKNOWN, None))[1]
            if owner is None and row[_LINE] is not None:
                yield "line", place(POSTING, row, "line"), None, row[_LINE]
            if owner is not None and row[_LINE] is None:
                yield "line", place(POSTING, row, "line"), f"a line of {owner}", None

    def follow(self, postings: list[Row]) -> None:
        """Go on from stored postings that may be wrong.

        Where a balance breaks, both ways to go on are kept until the next posting decides.
        """
        for account_id, _, _, _, amount, after, *_ in postings:
            computed = self.running.get(account_id, 0) + amount
            other = self._else.pop(account_id, None)
            if after != computed and (other is None or after != other + amount):
                self._else[account_id] = computed
            self.running[account_id] = after

    def believe(self, tables: Tables) -> None:
        """These rows are proven by their hash: where accounts contradict them, accounts are wrong.

        What an account row says is then taken from here, so that it is reported once and not
        again for each of its postings.
        """
        postings = tables.get("postings", [])
        sums: dict[tuple[int, str], int] = {}
        for account_id, _, _, entry, amount, _, line, _ in postings:
            unit, owner = self.accounts.get(account_id, (UNKNOWN, None))
            self.accounts[account_id] = (unit, None if line is None else owner or UNKNOWN)
            sums[entry, unit] = sums.get((entry, unit), 0) + amount
        doubted = {entry for (entry, _), total in sums.items() if total}
        for row in postings:
            if row[3] in doubted:
                self.accounts[row[0]] = (UNKNOWN, self.accounts[row[0]][1])

    def final(self, account_id: int, stored: int) -> int:
        """The balance that an account must have now; `stored` decides between two ways."""
        if self._else.get(account_id) == stored:
            return stored
        return self.running.get(account_id, 0)


def _legs(entry: Row) -> list[tuple[int, int]]:
    """The legs in an entry, as far as they can be read."""
    try:
        return read_legs(entry[LEGS])
    except msgspec.MsgspecError:
        return []

"""camt.053, the bank statement of ISO 20022, in every version from 001.02 on.

An entry that the bank made of several transactions becomes several lines when their amounts are
there and sum to the entry's; otherwise it stays one line, and matching finds what belongs to it.
"""

from __future__ import annotations

import re
from typing import Final

from khata.edge.files.statements.camt_tree import Node, Reader
from khata.edge.files.statements.neutral import (
    BankLine,
    BankStatement,
    Exponents,
    amount,
    checked,
    iso_day,
    negated,
    refuse,
    shaped,
)

_MARKS: Final = {"CRDT": False, "DBIT": True}
_OPENING: Final = ("OPBD", "PRCD", "OPAV")
_CLOSING: Final = ("CLBD", "CLAV")
_BOOKED: Final = frozenset({"BOOK", None})
_NO_REFERENCE: Final = frozenset({"NOTPROVIDED", "NONREF"})
_COUNT: Final = re.compile(r"[0-9]{1,15}")
_TRUE: Final = frozenset({"true", "1"})
_NAMES: Final = ("Dbtr", "UltmtDbtr"), ("Cdtr", "UltmtCdtr")


def read_camt(raw: bytes, exponents: Exponents) -> list[BankStatement]:
    """All statements of a file. Errors: `StatementRefused`, with reason and line."""
    found: list[BankStatement] = []
    gathered = _Gathered(exponents)

    def take(node: Node) -> None:
        gathered.take(node)

    def end(line: int) -> None:
        nonlocal gathered
        found.append(gathered.statement(line))
        gathered = _Gathered(exponents)

    Reader(take, end).read(raw)
    if not found:
        refuse("empty", "has no statement in it", None, "a Stmt in BkToCstmrStmt", "none")
    return found


class _Gathered:
    """What one `Stmt` said so far."""

    def __init__(self, exponents: Exponents) -> None:
        self._exponents = exponents
        self._currency: str | None = None
        self._exponent = 0
        self._account: str | None = None
        self._id: str | None = None
        self._number: str | None = None
        self._balances: dict[str, tuple[str, str]] = {}
        self._span: tuple[str, str] | None = None
        self._counts: int | None = None
        self._entries = 0
        self._pending = 0
        self._lines: list[BankLine] = []

    def take(self, node: Node) -> None:
        """A part of the statement."""
        if node.tag == "Ntry":
            self._entry(node)
        elif node.tag == "Bal":
            self._balance(node)
        elif node.tag == "Acct":
            self._account = node.word("Id", "IBAN") or node.word("Id", "Othr", "Id")
            if currency := node.word("Ccy"):
                self._in(currency, node.line)
        elif node.tag == "Id":
            self._id = shaped(node.text)
        elif node.tag in {"ElctrncSeqNb", "LglSeqNb"}:
            self._number = self._number or shaped(node.text)
        elif node.tag == "FrToDt":
            since, until = node.word("FrDtTm"), node.word("ToDtTm")
            if since and until:
                self._span = iso_day(since, node.line), iso_day(until, node.line)
        elif node.tag == "TxsSummry":
            counted = node.word("TtlNtries", "NbOfNtries")
            self._counts = int(counted) if counted and _COUNT.fullmatch(counted) else None

    def statement(self, line: int) -> BankStatement:
        """All of it. Errors: `StatementRefused` when something is missing or does not add up."""
        if self._currency is None:
            refuse("currency", "ends a statement without currency", line, "Acct/Ccy", None)
        opening = next((self._balances[x] for x in _OPENING if x in self._balances), None)
        closing = next((self._balances[x] for x in _CLOSING if x in self._balances), None)
        if opening is None or closing is None:
            got = ", ".join(self._balances) or "none"
            refuse("balance", "ends a statement without balances", line, "OPBD and CLBD", got)
        if self._counts is not None and self._counts != self._entries:
            refuse("count", "ends a statement that lacks entries", line, self._counts,
                   self._entries)  # fmt: skip
        days = [item.booked_on for item in self._lines]
        span = self._span or (min([*days, closing[1]]), max([*days, closing[1]]))
        return checked(
            BankStatement(
                "camt.053",
                self._account,
                self._currency,
                self._id or self._number or f"{span[0]}/{span[1]}",
                *span,
                opening[0],
                closing[0],
                self._lines,
                self._pending,
            ),
            self._exponent,
        )

    def _in(self, currency: str, line: int) -> None:
        if self._currency is None:
            self._currency = currency
            self._exponent = self._exponents.of(currency, line)
        elif self._currency != currency:
            refuse("currency", "is in another currency", line, self._currency, currency)

    def _amount(self, node: Node) -> str:
        """The signed amount of a balance, an entry or a transaction."""
        found = node.first("Amt")
        mark = node.word("CdtDbtInd")
        if found is None or mark not in _MARKS:
            refuse("amount", "has no amount", node.line, "Amt and CdtDbtInd", mark)
        self._in(found.attributes.get("Ccy", ""), found.line)
        text = amount(found.text.strip(), self._exponent, found.line)
        if text.startswith("-"):
            refuse("amount", "has a sign beside its mark", found.line, "one of the two", text)
        return negated(text) if _MARKS[mark] else text

    def _balance(self, node: Node) -> None:
        kind = node.word("Tp", "CdOrPrtry", "Cd") or node.word("Tp", "CdOrPrtry", "Prtry") or ""
        at = node.word("Dt", "Dt") or node.word("Dt", "DtTm") or ""
        if kind in {*_OPENING, *_CLOSING}:
            self._balances.setdefault(kind, (self._amount(node), iso_day(at, node.line)))

    def _entry(self, node: Node) -> None:
        self._entries += 1
        status = node.word("Sts") or node.word("Sts", "Cd") or node.word("Sts", "Prtry")
        if status not in _BOOKED:
            self._pending += 1
            return
        whole = self._amount(node)
        parts = node.each("NtryDtls", "TxDtls")
        shares = self._shares(node, parts, whole)
        if shares is None:
            self._lines.append(self._line(node, parts[0] if len(parts) == 1 else None, whole))
        else:
            for part, share in zip(parts, shares, strict=True):
                self._lines.append(self._line(node, part, share))

    def _shares(self, node: Node, parts: list[Node], whole: str) -> list[str] | None:
        """The signed amounts of an entry's transactions, or None when it stays one line."""
        if len(parts) < 2:  # noqa: PLR2004 - several
            return None
        shares = []
        for part in parts:
            own = part.first("Amt") or part.first("AmtDtls", "TxAmt", "Amt")
            if own is None or own.attributes.get("Ccy") != self._currency:
                return None
            text = amount(own.text.strip(), self._exponent, own.line)
            mark = part.word("CdtDbtInd") or node.word("CdtDbtInd") or ""
            shares.append(negated(text) if _MARKS.get(mark) else text)
        return shares if _summed(shares) == _units(whole) else None

    def _line(self, entry: Node, part: Node | None, share: str) -> BankLine:
        booked = entry.word("BookgDt", "Dt") or entry.word("BookgDt", "DtTm")
        valued = entry.word("ValDt", "Dt") or entry.word("ValDt", "DtTm")
        on = iso_day(booked or valued or "", entry.line)
        refs = None if part is None else part.first("Refs")
        own = None if refs is None else refs.word("AcctSvcrRef")
        texts = [] if part is None else [x.text for x in part.each("RmtInf", "Ustrd")]
        structured = part and part.word("RmtInf", "Strd", "CdtrRefInf", "Ref")
        told = "\n".join(texts) or structured or entry.word("AddtlNtryInf")
        return BankLine(
            part.line if part is not None else entry.line,
            share,
            on,
            iso_day(valued, entry.line) if valued else on,
            own or entry.word("AcctSvcrRef") or entry.word("NtryRef"),
            _end_to_end(refs),
            None if part is None else _counterparty(part, share),
            shaped(told),
            _kind(entry),
            entry.word("RvslInd") in _TRUE,
        )


def _end_to_end(refs: Node | None) -> str | None:
    if refs is None:
        return None
    for name in ("EndToEndId", "InstrId", "PmtInfId"):
        found = refs.word(name)
        if found is not None and found not in _NO_REFERENCE:
            return found
    return None


def _counterparty(part: Node, share: str) -> str | None:
    """Who is at the other side: the debtor of what came in, the creditor of what went out."""
    for role in _NAMES[share.startswith("-")]:
        # a name stands right in it, and in later versions within Pty
        name = part.word("RltdPties", role, "Nm") or part.word("RltdPties", role, "Pty", "Nm")
        if name is not None:
            return name
    return None


def _kind(entry: Node) -> str | None:
    domain = entry.first("BkTxCd", "Domn")
    if domain is None:
        return entry.word("BkTxCd", "Prtry", "Cd")
    found = domain.word("Cd"), domain.word("Fmly", "Cd"), domain.word("Fmly", "SubFmlyCd")
    return "/".join(word for word in found if word)


def _units(text: str) -> int:
    """The digits as a number: enough to compare amounts with the same decimals."""
    return int(text.replace(".", ""))


def _summed(texts: list[str]) -> int:
    return sum(_units(text) for text in texts)

"""Statements written as files, in the three formats that are read: for tests, demo and bench."""

from __future__ import annotations

import csv
import io
import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from khata.edge.files.statements.mapping import Columns, Mapping
from khata.edge.files.statements.mt940 import WIDE
from khata.edge.files.statements.neutral import BankLine, BankStatement, Format

COLUMNS: Final = (
    "booked", "value", "amount", "reference", "end_to_end", "counterparty", "text", "kind",
    "currency",
)  # fmt: skip
_SPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001"
_STRUCTURED: Final = 8
"""The version from which a status stands in Cd, and parties in Pty."""
_BLANKS: Final = re.compile(r"\s+")


def sample_mapping(statement: BankStatement) -> Mapping:
    """The mapping with which `write_table`'s file is read."""
    return Mapping(
        Columns(
            "booked", "value", "amount", reference="reference", end_to_end="end_to_end",
            counterparty="counterparty", text="text", kind="kind", currency="currency",
        ),
        account=statement.account,
        number=statement.number,
        opening=statement.opening,
        closing=statement.closing,
    )  # fmt: skip


def write_statement(statement: BankStatement, format: Format) -> bytes:  # noqa: A002 - what it is
    """The statement as a file of this format."""
    if format == "csv":
        return write_table(statement)
    return write_camt(statement) if format == "camt.053" else write_mt940(statement)


def write_table(statement: BankStatement) -> bytes:
    """As CSV; `sample_mapping` reads it."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for line in statement.lines:
        table.writerow((line.booked_on, line.value_on, line.amount, line.reference,
                        line.end_to_end, line.counterparty, line.text, line.kind,
                        statement.currency))  # fmt: skip
    return out.getvalue().encode()


# ── camt.053 ─────────────────────────────────────────────────────────────────────────


def write_camt(statement: BankStatement, version: int = 8) -> bytes:
    """As camt.053.001.`version`."""
    name, currency = escape(statement.number), statement.currency
    account = escape(statement.account or "")
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="{_SPACE}.{version:02d}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>{name}</MsgId><CreDtTm>{statement.to_on}T23:59:59Z</CreDtTm></GrpHdr>\n"
        f"<Stmt><Id>{name}</Id>"
        f"<FrToDt><FrDtTm>{statement.from_on}T00:00:00Z</FrDtTm>"
        f"<ToDtTm>{statement.to_on}T23:59:59Z</ToDtTm></FrToDt>"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>{currency}</Ccy></Acct>\n"
    )
    counted = f"<NbOfNtries>{len(statement.lines)}</NbOfNtries>"
    parts = [
        head,
        _camt_balance("OPBD", statement.opening or "0", currency, statement.from_on),
        _camt_balance("CLBD", statement.closing or "0", currency, statement.to_on),
        f"<TxsSummry><TtlNtries>{counted}</TtlNtries></TxsSummry>\n",
    ]
    parts += [_camt_entry(line, currency, version) for line in statement.lines]
    parts.append("</Stmt></BkToCstmrStmt></Document>\n")
    return "".join(parts).encode()


def _camt_amount(amount: str, currency: str) -> str:
    mark = "DBIT" if amount.startswith("-") else "CRDT"
    return f"<Amt Ccy={quoteattr(currency)}>{amount.lstrip('-')}</Amt><CdtDbtInd>{mark}</CdtDbtInd>"


def _camt_balance(kind: str, amount: str, currency: str, on: str) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
        f"{_camt_amount(amount, currency)}<Dt><Dt>{on}</Dt></Dt></Bal>\n"
    )


def _camt_entry(line: BankLine, currency: str, version: int) -> str:
    status = "<Cd>BOOK</Cd>" if version >= _STRUCTURED else "BOOK"
    role = "Cdtr" if line.amount.startswith("-") else "Dbtr"
    name = f"<Nm>{escape(line.counterparty or '')}</Nm>"
    party = f"<Pty>{name}</Pty>" if version >= _STRUCTURED else name
    kind = f"<Prtry><Cd>{escape(line.kind)}</Cd></Prtry>" if line.kind else ""
    return (
        f"<Ntry>{_camt_amount(line.amount, currency)}"
        f"<RvslInd>{str(line.reversal).lower()}</RvslInd><Sts>{status}</Sts>"
        f"<BookgDt><Dt>{line.booked_on}</Dt></BookgDt><ValDt><Dt>{line.value_on}</Dt></ValDt>"
        f"<AcctSvcrRef>{escape(line.reference or '')}</AcctSvcrRef><BkTxCd>{kind}</BkTxCd>"
        "<NtryDtls><TxDtls>"
        f"<Refs><EndToEndId>{escape(line.end_to_end or 'NOTPROVIDED')}</EndToEndId></Refs>"
        f"<RltdPties><{role}>{party}</{role}></RltdPties>"
        f"<RmtInf><Ustrd>{escape(line.text or '')}</Ustrd></RmtInf>"
        "</TxDtls></NtryDtls></Ntry>\n"
    )


# ── MT940 ────────────────────────────────────────────────────────────────────────────


def write_mt940(statement: BankStatement) -> bytes:
    """As MT940 in UTF-8. Texts are kept but for the blanks at line ends; references are 16 long."""
    numbered = statement.number.isascii() and statement.number.isdigit()
    parts = [f":20:{statement.number[:16]}", f":25:{(statement.account or '')[:35]}"]
    if numbered and len(statement.number) <= 5:  # noqa: PLR2004 - as field 28C has it
        parts.append(f":28C:{statement.number}")
    parts.append(_mt_balance("60F", statement.opening, statement.from_on, statement.currency))
    for line in statement.lines:
        parts += _mt_line(line)
    parts.append(_mt_balance("62F", statement.closing, statement.to_on, statement.currency))
    return "\r\n".join([*parts, "-", ""]).encode()


def _mt_amount(amount: str | None) -> str:
    plain = (amount or "0").lstrip("-").replace(".", ",")
    return plain if "," in plain else f"{plain},"


def _mt_balance(tag: str, amount: str | None, on: str, currency: str) -> str:
    mark = "D" if (amount or "").startswith("-") else "C"
    return f":{tag}:{mark}{on[2:].replace('-', '')}{currency}{_mt_amount(amount)}"


def _mt_line(line: BankLine) -> list[str]:
    value, booked = line.value_on[2:].replace("-", ""), line.booked_on[5:].replace("-", "")
    mark = "D" if line.amount.startswith("-") else "C"
    if line.reversal:
        mark = "RC" if mark == "D" else "RD"
    kind = line.kind if line.kind and re.fullmatch(r"[A-Z][A-Z0-9]{3}", line.kind) else "NTRF"
    reference = f"//{line.reference}" if line.reference else ""
    made = [f":61:{value}{booked}{mark}{_mt_amount(line.amount)}{kind}NONREF{reference}"]
    told = (("EREF", line.end_to_end), ("NAME", line.counterparty), ("REMI", line.text))
    whole = "".join(f"/{code}/{_BLANKS.sub(' ', text)}" for code, text in told if text)
    if whole:
        made.append(f":86:{wrapped(whole)}")
    return made


def wrapped(text: str) -> str:
    """Lines of at most 65 letters that read as the same text: a full one goes on without a blank.

    No line may begin as a field does, so a word with a colon or a dash begins none.
    """
    lines: list[str] = []
    while len(text) > WIDE:
        full = text[WIDE - 1] != " " and text[WIDE] not in " :-"
        if full:
            lines.append(text[:WIDE])
            text = text[WIDE:]
            continue
        breaks = [
            at for at in range(1, WIDE) if text[at] == " " and text[at + 1] not in " :-"
            and text[at - 1] != " "
        ]  # fmt: skip
        if not breaks:
            lines.append(text[: WIDE - 1] + ".")
            text = text[WIDE:].lstrip(" :-")
            continue
        lines.append(text[: breaks[-1]])
        text = text[breaks[-1] + 1 :]
    return "\r\n".join([*lines, text])

"""Which format a file is in, and its statements."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from khata.edge.files.statements.camt import read_camt
from khata.edge.files.statements.mapping import Mapping
from khata.edge.files.statements.mt940 import read_mt940
from khata.edge.files.statements.neutral import (
    FORMATS,
    BankStatement,
    Exponents,
    Format,
    refuse,
)
from khata.edge.files.statements.table import read_table

_HEAD: Final = 4096
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_SWIFT: Final = re.compile(rb"^(\{[1-4]:|:20:)", re.MULTILINE)


def detect(raw: bytes) -> Format:
    """The format that a file looks like: XML is camt.053, SWIFT's fields MT940, the rest CSV."""
    head = raw[:_HEAD]
    for bom in _BOMS:
        head = head.removeprefix(bom)
    if head.replace(b"\x00", b"").lstrip().startswith(b"<"):
        return "camt.053"
    return "mt940" if _SWIFT.search(head) else "csv"


def read_statements(
    raw: bytes,
    *,
    format: Format | None = None,  # noqa: A002 - what it is
    mapping: Mapping | None = None,
    encoding: str | None = None,
    exponents: Exponents | None = None,
) -> list[BankStatement]:
    """The statements in a file. `format`: left out, what it looks like.

    `mapping`: how to read CSV. `encoding`: of MT940 or CSV when it is not UTF-8; XML says its own.
    Errors: `StatementRefused`, with `reason`, `line`, `expected` and `got`.
    """
    known = exponents or Exponents()
    found = detect(raw)
    if not raw.strip():
        refuse("empty", "is empty", None, "a statement", "nothing")
    if format is not None and format != found and "camt.053" in {format, found}:
        refuse("format", "is in another format", None, format, found)
    wanted = format or found
    if wanted == "camt.053":
        return read_camt(raw, known)
    if wanted == "mt940":
        return read_mt940(raw, known, encoding or "utf-8")
    if mapping is None:
        refuse("mapping", "is CSV and needs a mapping", None, "a mapping", list(FORMATS))
    own = encoding or mapping.encoding
    return read_table(raw, msgspec.structs.replace(mapping, encoding=own), known)

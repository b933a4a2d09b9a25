"""Statements of banks and providers as files: CSV, camt.053, MT940."""

from khata.edge.files.statements.mapping import Columns, Mapping, mapping_of, read_mapping
from khata.edge.files.statements.neutral import (
    FORMATS,
    BankLine,
    BankStatement,
    Exponents,
    Format,
)
from khata.edge.files.statements.reading import detect, read_statements

__all__ = [
    "FORMATS",
    "BankLine",
    "BankStatement",
    "Columns",
    "Exponents",
    "Format",
    "Mapping",
    "detect",
    "mapping_of",
    "read_mapping",
    "read_statements",
]

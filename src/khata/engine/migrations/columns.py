"""Columns as the migrations of the rooms write them: short, and alike everywhere."""

from __future__ import annotations

import sqlalchemy as sa


def number(name: str, *, null: bool = False) -> sa.Column[int]:
    """An integer: minor units, an instant, a count."""
    return sa.Column(name, sa.BigInteger, nullable=null)


def text(name: str, *, null: bool = False) -> sa.Column[str]:
    """A text, also where a list or a struct is kept as JSON."""
    return sa.Column(name, sa.Text, nullable=null)


def flag(name: str) -> sa.Column[bool]:
    """Yes or no."""
    return sa.Column(name, sa.Boolean, nullable=False)


def book() -> sa.Column[int]:
    """The book, with which every key begins."""
    return sa.Column("book_id", sa.Integer, nullable=False)

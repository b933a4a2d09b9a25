"""Events: what a command says to the world outside, written with its effect.

A handler announces; consumers of the journal (webhooks, messages, live feeds) read on from where
they stopped. What is not committed was never announced, and what is committed always is.
"""

from __future__ import annotations

from typing import ClassVar

from khata.engine.records import Record, Table


class Event(Record, frozen=True):
    """`type`: `payment.paid`. `subject`: the id of what it is about. `owner`: whom it concerns.

    `data`: a JSON object as text, amounts as decimal strings, nothing secret.
    """

    seq: int
    n: int
    type: str
    subject: str
    owner: str | None
    data: str

    TABLE: ClassVar = Table("events", key=("seq", "n"), facts=True)

"""The content of a spool's frames: records (see `wire.py`) as one JSON array.

A frame is written from many records at once and read back at once, which costs a tenth of doing so
one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from khata.messaging.wire import Change, Line, Mark, Record, direct_line, encode, shared_line
from khata.messaging.wire import record as keep

LEAP: Final = 1 << 20
"""Numbers that are left out at every start. What was delivered and never became durable has
numbers that a killed gateway does not remember; after the leap none of them comes again.
"""
_raws: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_records: Final = msgspec.json.Decoder(list[Record]).decode


def content(payloads: Sequence[bytes]) -> bytes:
    """The content of a frame with these records."""
    return b"[" + b",".join(payloads) + b"]"


def read(content: bytes) -> list[Record]:
    """The records of a frame. Errors: `msgspec.MsgspecError`, `UnicodeError`."""
    return _records(content)


def raw(content: bytes) -> list[bytes]:
    """The same, each as it was put. Errors: as `read`."""
    return [bytes(record) for record in _raws(content)]


def written(record: Record) -> bytes:
    """A record as it was put on a spool."""
    if not isinstance(record, Line):
        return encode(record)
    one, sender = record, encode(record.sender)
    if one.to is not None:
        return direct_line(one.seq, one.id, sender, encode(one.to), one.p, one.at, one.body)
    line = shared_line(one.seq, one.id, sender, one.c, one.p, one.at, one.body)
    return keep(line, one.receivers or ())


def leap(seq: int) -> int:
    """The number behind which a gateway begins that finds `seq` to be the last one kept."""
    return (seq // LEAP + 1) * LEAP


def last_of(records: Iterable[Record]) -> int:
    """The highest number of some records, 0 without one."""
    return max((r.seq for r in records if not isinstance(r, Mark)), default=0)


__all__ = [
    "LEAP",
    "Change",
    "Line",
    "Mark",
    "Record",
    "content",
    "last_of",
    "leap",
    "raw",
    "read",
    "written",
]

"""What the server says, and what is kept, as bytes: written once, for all of both.

    {"t":"hello","user":"bob","seq":812}            who you are, the log's last number
    {"t":"msg","seq":813,"id":…,"from":…,"to":…,"p":"normal","at":…,"body":…}
                                                    in a conversation `c` instead of `to`
    {"t":"ok","n":57}                               the first 57 that you sent are safe
    {"t":"no","n":58,"id":…,"code":…,"message":…,"details":{…}}
                                                    the 58th is not: why, what was expected
    {"t":"at","seq":801}                            you have all up to here: resume after it
    {"t":"gap","after":801,"dropped":12}            copies were dropped: resume to have them
    {"t":"receipt","user":"bob","delivered":[["m1",813],["m2",815]]}
    {"t":"receipt","user":"bob","c":…,"read":815}
    {"t":"presence","user":"bob","online":true}
    {"t":"conversation","seq":814,"c":…,"owner":…,"by":…,"at":…,"add":[…],"remove":[…]}

A *record* is what is kept of a message: its line, and behind it, where the line alone does not say
who gets it, `"for":[…]`. The other records are marks (how far a user got, or read) and changes of
conversations. A record of a log that gives the numbers itself has `seq` 0 until it came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import field

from khata.errors import KhataError
from khata.messaging.model import Message, Priority

encode: Final = msgspec.json.Encoder().encode
_UNNUMBERED: Final = b',"seq":0,'
_AT: Final[dict[Priority, bytes]] = {
    "high": b',"p":"high","at":%d,"body":',
    "normal": b',"p":"normal","at":%d,"body":',
    "low": b',"p":"low","at":%d,"body":',
}
_FRAME: Final = 262_144
"""Bytes of the lines in one frame, at most; a longer line has a frame of its own."""


def direct_line(
    seq: int,
    id: str,  # noqa: A002 - the name it has outside
    sender: bytes,
    to: bytes,
    p: Priority,
    at: int,
    body: msgspec.Raw,
) -> bytes:
    """A message to one user, as it is delivered and kept. `sender`, `to`: JSON, quotes included."""
    head = b'{"t":"msg","seq":%d,"id":' % seq
    return b"".join((head, encode(id), b',"from":', sender, b',"to":', to, _AT[p] % at, body, b"}"))


def shared_line(
    seq: int,
    id: str,  # noqa: A002 - as above
    sender: bytes,
    c: str | None,
    p: Priority,
    at: int,
    body: msgspec.Raw,
) -> bytes:
    """A message to the members of a conversation, or without one to many users."""
    where = b'"c":%b,' % encode(c) if c is not None else b""
    return b'{"t":"msg","seq":%d,"id":%b,"from":%b,%b"p":"%b","at":%d,"body":%b}' % (
        seq,
        encode(id),
        sender,
        where,
        p.encode(),
        at,
        body,
    )


def record(line: bytes, receivers: Iterable[str]) -> bytes:
    """What is kept of a message that several users get."""
    return b'%b,"for":%b}' % (line[:-1], encode(list(receivers)))


def numbered(kept: bytes, seq: int) -> bytes:
    """A record that was kept with `seq` 0, under the number that it got."""
    return kept.replace(_UNNUMBERED, b',"seq":%d,' % seq, 1)


def frames(lines: Sequence[bytes]) -> list[bytes]:
    """What is to be said, in as few frames as may be: an object alone, or an array of several."""
    if len(lines) == 1:
        return [lines[0]]
    whole = b"[" + b",".join(lines) + b"]"
    if len(whole) <= _FRAME:
        return [whole]
    found: list[bytes] = []
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and size + len(line) > _FRAME:
            found.append(b"[" + b",".join(part) + b"]")
            part, size = [], 0
        part.append(line)
        size += len(line)
    return [*found, b"[" + b",".join(part) + b"]"]


def safe(n: int) -> bytes:
    """The first `n` messages that were sent over a connection are on disk, or were refused."""
    return b'{"t":"ok","n":%d}' % n


def at(seq: int) -> bytes:
    """A user has had everything up to `seq`."""
    return b'{"t":"at","seq":%d}' % seq


def said(kind: str, **fields: Any) -> bytes:
    """Anything else. Fields that are None are left out."""
    return encode({"t": kind, **{k: v for k, v in fields.items() if v is not None}})


def refused(error: KhataError, n: int = 0, id: str | None = None, **fields: Any) -> bytes:  # noqa: A002 - as above
    """Why something is not taken, with what was expected and what came, if there is more to say."""
    text, details = error.message, error.details or None
    return said("no", n=n, id=id, **fields, code=error.code, message=text, details=details)


class Line(msgspec.Struct, frozen=True, gc=False, tag_field="t", tag="msg"):
    """A message that was kept. `to`: who got it; else it is for all in `receivers` (`for`)."""

    seq: int
    id: str
    sender: str = field(name="from")
    p: Priority
    at: int
    body: msgspec.Raw
    to: str | None = None
    c: str | None = None
    receivers: list[str] | None = field(name="for", default=None)


class Mark(msgspec.Struct, frozen=True, gc=False, tag_field="t", tag="mark", omit_defaults=True):
    """How far a user is. `delivered`: all up to it arrived. `read`: so far, of `c` or of what
    `other` sent.
    """

    user: str
    delivered: int | None = None
    read: int | None = None
    c: str | None = None
    other: str | None = None


class Change(msgspec.Struct, frozen=True, gc=False, tag_field="t", tag="conversation"):
    """Who came into a conversation and who left. The first one of a conversation makes it for its
    `owner`. One that names another owner came too late to make it, and changes nothing.
    """

    seq: int
    c: str
    owner: str
    by: str
    at: int
    add: list[str]
    remove: list[str]


Record = Line | Mark | Change
read: Final = msgspec.json.Decoder(Record).decode
"""A record that was kept. Errors: `msgspec.MsgspecError` for one that was cut."""


def message_of(line: Line, kept: bytes) -> Message:
    """A message to be delivered again, from its record."""
    if line.receivers is not None:
        kept = shared_line(
            line.seq, line.id, encode(line.sender), line.c, line.p, line.at, line.body
        )
    return Message(line.seq, line.id, line.sender, line.p, kept)

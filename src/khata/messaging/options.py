"""What a gateway may be told: sizes, bounds and patience, with defaults that suit most."""

from __future__ import annotations

import msgspec

from khata.messaging.router import WINDOW


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`queue`: messages that wait in all queues together. `window`: messages on their way to one
    connection; `on_way`: to all of them, before each has a narrow window. `rate`, `burst`: messages
    that a connection may send, in a second and at once. `slow_seconds`: how long a connection may
    neither read nor say what it got, while messages wait. `ping_seconds`: a connection that says
    nothing is asked so often whether it is there, and has `pong_seconds` to answer. `mark_seconds`:
    how often it is kept how far users are. `most_unsafe`: messages that wait for the disk before
    new ones are refused; `most_unsafe_bytes`: of them and of what else came meanwhile. `sessions`:
    connections of one user. `stop_seconds`: how long stopping waits for the disk.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    connections: int = 20_000
    sessions: int = 16
    queue: int = 100_000
    window: int = WINDOW
    on_way: int = 100_000
    rate: int = 2_000
    burst: int = 4_000
    slow_seconds: float = 30.0
    ping_seconds: float = 20.0
    pong_seconds: float = 20.0
    mark_seconds: float = 2.0
    most_unsafe: int = 200_000
    most_unsafe_bytes: int = 256 << 20
    stop_seconds: float = 10.0
    tick_seconds: float = 1.0

"""Whether an address is free, before a server is put there.

Two servers may share a port without noticing, when both ask the system for that, as Granian does
for its workers: a second one would take half of the requests of the first.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from khata.errors import Invalid
from khata.errors.operations import AddressTaken

_SECONDS: Final = 1.0


def check_free(host: str, port: int) -> None:
    """Whether somebody can listen there; port 0 is any that is free.

    Errors: `AddressTaken`; `Invalid` for a host that is none of this machine, or a port that is
    not for this user.
    """
    if not port:
        return
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, proto) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            if not _somebody_answers(host, port):
                return
            raise AddressTaken(
                f"Something else listens at {host}:{port} already.",
                expected="an address that is free",
                got=f"{host}:{port}",
            ) from None
        # a name that is not found has a number of its own kind
        known = error.strerror or os.strerror(error.errno or 0)
        raise Invalid(
            f"Nobody can listen at {host}:{port}: {known}.",
            expected="an address of this machine that this user may have",
            got=f"{host}:{port}",
        ) from None


def _somebody_answers(host: str, port: int) -> bool:
    """Whether more is there than the connections of a server that has just ended, which are in
    nobody's way.
    """
    try:
        with socket.create_connection((host, port), _SECONDS):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:  # it is too busy to answer, or was in the middle of ending
        return True

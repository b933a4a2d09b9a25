"""Where a server may send to: addresses of the public internet, and what the settings allow.

An endpoint's address is whatever somebody typed in, and its name may mean another machine each
time it is asked for. So the name is resolved once, every address that it has is checked, and the
connection goes to the very address that was checked.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from khata.domain.webhooks import check_url
from khata.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], list[str]]

_PORTS: Final = {"http": 80, "https": 443}
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_HIDING: Final = tuple(
    ipaddress.IPv6Network(text)
    # Teredo and other protocols, 6to4, documentation: an IPv4 address may be inside
    for text in ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")
)


class AddressRefused(Exception):  # noqa: N818 - it says what happened, as errors here do
    """Nothing is sent to this address: it is not public, or has none."""


class Target(NamedTuple):
    """Where to connect, and as whom: `address` was checked, `host` is what it was asked for as."""

    url: str
    address: str
    host: str
    scheme: str
    port: int


class Guard:
    """`allow`: networks that may be sent to although they are not public, for development."""

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve | None = None) -> None:
        self._allow: list[Network] = [ipaddress.ip_network(one, strict=False) for one in allow]
        self._resolve = resolve or resolved

    def target(self, url: str) -> Target:
        """Where this is to be sent, resolved and checked. Errors: `AddressRefused`."""
        try:
            check_url(url)
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        except (Invalid, ValueError, KeyError):
            raise AddressRefused("not an address that can be sent to") from None
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise AddressRefused("a name without an address") from None
        if not found or not all(self.allows(one) for one in found):
            raise AddressRefused("an address that is not public")
        rest = parts.path + (f"?{parts.query}" if parts.query else "")
        place = f"[{found[0]}]" if ":" in found[0] else found[0]
        url = f"{parts.scheme}://{place}:{port}{rest or '/'}"
        return Target(url, found[0], parts.netloc, parts.scheme, port)

    def allows(self, text: str) -> bool:
        """Whether this address may be connected to."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:  # with a zone, such as fe80::1%eth0
            return False
        inner = getattr(address, "ipv4_mapped", None) or address
        if any(inner.version == net.version and inner in net for net in self._allow):
            return True
        return is_public(address)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and to one machine of it."""
    if address.version == 6:  # noqa: PLR2004 - the version
        hides = any(address in net for net in _HIDING)
        return address in _GLOBAL_V6 and address.is_global and not hides
    return address.is_global and not (address.is_multicast or address.is_reserved)


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a name, as the machine resolves it. Errors: `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))

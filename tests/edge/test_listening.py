"""A server does not share its address with another that does not know of it."""

import asyncio
import socket
from contextlib import closing, contextmanager

import pytest

from khata.edge.listening import check_free
from khata.edge.messaging.serving import serving
from khata.errors import Invalid
from khata.errors.operations import AddressTaken
from khata.settings import settings_from
from tests.edge.command_line import a_book, khata
from tests.edge.gateway_beside import Beside
from tests.edge.serving import free_port
from tests.servers import sqlite_at

HERE = "127.0.0.1"


@contextmanager
def listening():
    """A port at which somebody listens who would share it."""
    with closing(socket.socket()) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind((HERE, 0))
        found.listen()
        yield found


def test_an_address_where_somebody_listens_is_taken():
    """Also by one who would share it."""
    with listening() as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressTaken, match=f"{HERE}:{port}"):
            check_free(HERE, port)
    check_free(HERE, port)


def test_what_a_server_that_ended_left_behind_does_not_matter():
    """A connection that it closed first is remembered by the system for a minute."""
    with listening() as other:
        address = other.getsockname()
        with closing(socket.create_connection(address)) as client:
            other.accept()[0].close()
            assert client.recv(1) == b""
    check_free(*address)


def test_any_port_will_do_when_none_is_asked_for():
    """The system gives one that is free."""
    check_free(HERE, 0)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_elsewhere_is_refused(host):
    """By name or by number."""
    with pytest.raises(Invalid, match="Nobody can listen"):
        check_free(host, free_port())


def test_the_server_says_that_its_address_is_taken(tmp_path):
    """On the command line, with what to do."""
    url = a_book(sqlite_at(tmp_path / "khata.db"))
    with listening() as other:
        done = khata("serve", "--port", str(other.getsockname()[1]), url=url)
    assert (done.code, "address_taken" in done.err, "--port" in done.err) == (5, True, True)


def test_a_gateway_says_that_an_address_is_taken(tmp_path):
    """Either of its two, before it takes a message."""
    url = a_book(sqlite_at(tmp_path / "khata.db"))

    async def serve(**environment):
        async with serving(settings_from(Beside(url, tmp_path, **environment).environ)):
            raise AssertionError("it served")

    for name in ("KHATA_MESSAGING_PORT", "KHATA_MESSAGING_HTTP_PORT"):
        with listening() as other, pytest.raises(AddressTaken):
            asyncio.run(serve(**{name: str(other.getsockname()[1])}))

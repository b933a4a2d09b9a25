"""A gateway as it is served, and what goes wrong around it: keys are revoked, parts fail for good,
people ask for what is not theirs.
"""

import asyncio
import json

import pytest

from khata import Khata
from khata.domain.access import CreateKey, RevokeKey
from khata.edge.cli import main
from khata.edge.http import guard
from khata.edge.security import hash_key, new_key
from khata.messaging.tables import OUTBOX
from tests.clustering import Talker
from tests.edge.gateway_beside import a_gateway, token, until
from tests.edge.serving import a_key

DEADLINE = 20


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway that looks keys up again after a moment."""
    folder = tmp_path_factory.mktemp("gateway")
    url = f"sqlite:///{folder / 'khata.db'}"
    service = a_key(url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "SOCKET_SECONDS", 0.1)
        patch.setattr(guard, "TRUST_SECONDS", 0.1)
        with a_gateway(url, folder) as found:
            found.service, found.database_url = service, url
            yield found


def run(story):
    asyncio.run(asyncio.wait_for(story, DEADLINE))


def test_a_key_that_is_revoked_loses_its_connections(gateway):
    """Whoever revoked it, in whatever process; and they are told why."""
    with Khata.open(gateway.database_url) as book:
        key = new_key(book.book)
        made = book.submit(CreateKey("shop", hash_key(key), ["service"], ["read", "write"]))

        async def story():
            ours, others = await Talker.connect(gateway.port, key), await connected("alice")
            await asyncio.to_thread(book.submit, RevokeKey(made.result.id))
            handshake = ours.transport
            await ours.transport.wait_disconnected()
            assert ours.of("no")[-1]["code"] == "unauthenticated"
            assert handshake.close_handshake.recv.code.value == 1008
            others.send("alice", "m")
            await others.acked(1)
            with pytest.raises(AssertionError, match="unauthenticated"):
                await Talker.connect(gateway.port, key)
            others.leave()

        async def connected(owner):
            return await Talker.connect(gateway.port, token(owner))

        run(story())


def test_nobody_gets_what_is_anothers(gateway):
    """Not by resuming, reading, watching, or naming a conversation of others."""

    async def story():
        bob, tom = [await Talker.connect(gateway.port, token(name)) for name in ("bob", "tom")]
        bob.say(t="conversation", id="c", c="trip", add=["tom"])
        bob.say(t="send", id="m1", c="trip", body="secret")
        bob.send("tom", "m2", body="secret")
        await tom.messages(2)
        eve = await Talker.connect(gateway.port, token("eve"), receipts=1)
        eve.say(t="resume", after=0)
        eve.say(t="read", seq=9, c="trip")
        eve.say(t="send", id="e1", c="trip", body=1)
        eve.say(t="conversation", id="e2", c="trip", add=["eve"])
        eve.say(t="send", id="e3", to="tom", body=1, **{"from": "bob"})
        eve.say(t="broadcast", id="e4", body=1)
        eve.send("eve", "own")
        await eve.messages(1)
        await eve.until(lambda: eve.safe == 5)
        assert eve.ids() == ["own"]
        assert [no["code"] for no in eve.of("no")] == [
            "not_found", "not_found", "not_found", "forbidden", "forbidden",
        ]  # fmt: skip
        assert "secret" not in json.dumps(eve.said)
        for one in (bob, tom, eve):
            one.leave()

    run(story())


def test_a_part_that_fails_for_good_is_left_and_shown(gateway, monkeypatch, capsys):
    """What waits cannot be opened: the outbox is fenced off, everything else goes on."""
    monkeypatch.setenv("KHATA_MESSAGING_URL", gateway.url)
    monkeypatch.setenv("KHATA_MESSAGING_KEY", gateway.service)
    spoilt = {"book_id": 1, "sender": "bob", "id": "x", "at": 1, "key": "none", "asked": b"?"}
    with Khata.open(gateway.database_url) as book, book.database.changing() as connection:
        connection.execute(OUTBOX.insert().values(spoilt))

    until(lambda: not gateway.gateway.supervisor.well)
    assert main(["messaging", "stats", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(next(line for line in lines if line.startswith('{"health"')))
    assert found["health"]["status"] == "degraded"
    assert found["parts"]["outbox"] == {
        "state": "fenced", "restarts": 5, "last_error": "VaultMissing",
    }  # fmt: skip
    assert {part["state"] for name, part in found["parts"].items() if name != "outbox"} == {
        "running"
    }
    assert main(["messaging", "stats"]) == 0
    shown = capsys.readouterr().out
    assert "Messaging is degraded" in shown
    assert "fenced" in shown

    async def story():
        alice = await Talker.connect(gateway.port, token("alice"))
        alice.send("alice", "still")
        assert "still" in (await alice.messages(1))
        await alice.acked(1)
        alice.leave()

    run(story())

"""What a gateway bears: floods, receivers who read late or too slowly, disks that stand still, and
faults that nobody foresaw. Each costs whoever caused it, and nobody else.
"""

import asyncio
import json

from khata.messaging.gateway import Gateway
from khata.messaging.options import Options
from khata.messaging.spool import Spool
from tests.clustering import Talker, eventually, identify
from tests.edge.test_message_gateway import closed, deaf, gateway, raw, run, unknown


def test_a_flood_is_slowed_and_then_cut_off(tmp_path):
    """Beyond the rate each message is refused; who goes on is closed. Others are served."""

    async def story():
        async with gateway(tmp_path / "spool", rate=10, burst=20) as found:
            eve = await Talker.connect(found.port, "eve")
            bob = await Talker.connect(found.port, "bob")
            for n in range(3000):
                eve.send("bob", f"m{n}")
            assert await closed(eve) == 1008
            assert {line["code"] for line in eve.of("no")} == {"rate_limited"}
            assert 20 <= found.stats.accepted < 100
            bob.send("bob", "own")
            await bob.until(lambda: "own" in [line["id"] for line in bob.got])

    run(story())


def test_a_flood_of_nonsense_is_cut_off_too(tmp_path):
    """What is refused for its form counts like what is sent."""

    async def story():
        async with gateway(tmp_path / "spool", rate=10, burst=20) as found:
            eve = await Talker.connect(found.port, "eve")
            for _ in range(30):
                raw(eve, json.dumps([{"t": "send", "id": "m"}] * 100).encode())
            assert await closed(eve) == 1008
            assert {line["code"] for line in eve.of("no")} == {"invalid_input", "rate_limited"}

    run(story())


def test_who_sends_too_fast_takes_nothing_from_others(tmp_path):
    """Beside a flood another one's messages are acknowledged and come, all of them."""

    async def story():
        async with gateway(tmp_path / "spool", rate=100, burst=200) as found:
            eves = [await Talker.connect(found.port, f"eve{n}") for n in range(3)]
            alice = await Talker.connect(found.port, "alice")
            bob = await Talker.connect(found.port, "bob")
            for n in range(150):
                for eve in eves:
                    eve.send("bob", f"f{n}")
                    eve.send("bob", f"f{n}b")
                alice.send("bob", f"m{n}")
            await alice.acked(150)
            await bob.until(lambda: len([m for m in bob.got if m["from"] == "alice"]) == 150)
            assert not alice.of("no")
            assert all(eve.of("no") for eve in eves)

    run(story())


def test_a_high_message_overtakes_and_a_low_one_still_comes(tmp_path):
    """Behind a receiver who has not said to have got anything: first what is high; then, when it
    reads again, of thirteen messages one is low, and each priority is in its order.
    """

    async def story():
        async with gateway(tmp_path / "spool", window=10) as found:
            alice = await Talker.connect(found.port, "alice")
            bob = await Talker.connect(found.port, "bob")
            bob.answers = False
            wanted = [("normal", 60), ("low", 6), ("high", 80)]
            for p, count in wanted:
                for n in range(count):
                    alice.send("bob", f"{p}{n}", p=p)
            await alice.acked(146)
            await bob.messages(74)
            # ten fill the window; beyond it there is a reserve for what is high
            assert bob.ids() == [f"normal{n}" for n in range(10)] + [f"high{n}" for n in range(64)]
            bob.answers = True
            bob.say(t="got", n=74)
            rest = (await bob.messages(146))[74:]
            for p, count in wanted:
                assert [one for one in bob.ids() if one.startswith(p)] == [
                    f"{p}{n}" for n in range(count)
                ]
            assert rest.index("low0") < 13
            assert rest.index("high79") < rest.index("normal30")
            assert rest.index("low3") < rest.index("normal59")

    run(story())


def test_who_reads_slowly_and_asks_much_is_cut_off(tmp_path):
    """What is told of others waits for nobody without end."""

    async def story():
        async with gateway(tmp_path / "spool", rate=10**6, burst=10**6) as found:
            alice = await Talker.connect(found.port, "alice")
            with await deaf(found.port, "bob"):
                await eventually(lambda: found.router.sessions("bob"))
                (peer,) = found.router.sessions("bob")
                found.router.presence.watch(peer, ["carol"])
                for n in range(200):
                    alice.send("bob", f"m{n}", body="x" * 20_000)
                await eventually(lambda: peer.paused)
                for _ in range(5_000):
                    found.router.presence.set_here("carol", online=True)
                    found.router.presence.set_here("carol", online=False)
                await eventually(lambda: not found.router.sessions("bob"))
            assert found.stats.slow == 1

    run(story())


def test_a_disk_that_stands_still_costs_no_more_than_so_much_memory(tmp_path):
    """Large messages are refused sooner than small ones; when it goes on, all are taken again."""

    async def story():
        spool = Spool(tmp_path)
        options = Options(port=0, tick_seconds=0.02, most_unsafe_bytes=200_000, rate=10**6)
        found = Gateway(options, identify, spool)
        await found.start()
        alice = await Talker.connect(found.port, "alice")
        for n in range(10):
            alice.send("bob", f"m{n}", body="x" * 30_000)
        await eventually(lambda: found.router.refusing == "overloaded")
        alice.send("bob", "late")
        await alice.until(lambda: alice.of("no"))
        assert (alice.of("no")[0]["id"], alice.of("no")[0]["code"]) == ("late", "overloaded")
        spool.start(asyncio.get_running_loop(), found.durable)
        await alice.acked(11)
        await eventually(lambda: found.router.refusing is None)
        alice.send("bob", "again")
        await alice.acked(12)
        assert len(alice.of("no")) == 1
        await found.stop()
        spool.close()

    run(story())


def test_a_fault_while_it_is_looked_who_comes_turns_them_away(tmp_path):
    """They are told to come again, and nothing of what went wrong."""

    async def fails(_):
        raise RuntimeError("secret")

    async def story():
        async with gateway(tmp_path / "spool", fails) as found:
            bob = await unknown(found.port, "bob")
            assert await closed(bob) == 1013
            assert bob.said[0]["code"] == "unavailable"
            assert "secret" not in json.dumps(bob.said)

    run(story())


def test_a_fault_while_the_past_is_read_keeps_nobody_from_the_present(tmp_path):
    """Who comes is told that something may be missing, and gets what is new."""

    async def fails(*_):
        raise OSError("secret")

    async def story():
        async with gateway(tmp_path / "spool", history=fails) as found:
            bob = await Talker.connect(found.port, "bob")
            bob.send("bob", "m")
            assert await bob.messages(1) == ["m"]
            assert bob.of("gap") == [{"t": "gap", "after": 0, "dropped": 0}]

    run(story())

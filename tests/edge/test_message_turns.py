"""How a gateway shares out its turns: between its connections, its log, and other processes."""

import asyncio
import json
import os
import subprocess
import sys

import uvloop
from picows import WSMsgType

from khata.messaging.gateway import Gateway
from khata.messaging.model import Identity
from khata.messaging.options import Options
from tests.clustering import Talker, eventually, identify
from tests.edge.gateway_beside import until

DEADLINE = 20
USERS = 400


class Disk(list):
    """A log that keeps what it is handed, and says so when it is told to."""

    refuses = None

    def __init__(self):
        self.put = self.append
        self.marks = []

    def swap(self, mark):
        self.marks.append(mark)


class Socket:
    """What a peer is sent."""

    closed = False

    def __init__(self):
        self.lines = []

    def write(self, lines):
        self.lines += lines


def bundle(talker, names):
    """Messages to these, in one frame."""
    lines = [{"t": "send", "id": f"m{n}", "to": to, "body": n} for n, to in enumerate(names)]
    talker.transport.send(WSMsgType.TEXT, json.dumps(lines).encode())


def run(story):
    """Run `story(gateway, disk)` with a gateway that listens."""

    async def whole():
        disk = Disk()
        gateway = Gateway(Options(port=0, stop_seconds=0.0, mark_seconds=3600.0), identify, disk)
        await gateway.start()
        try:
            await story(gateway, disk)
        finally:
            await gateway.stop()

    uvloop.run(asyncio.wait_for(whole(), DEADLINE))


def test_while_little_comes_nothing_waits_for_the_end_of_a_turn():
    """One frame brings ninety messages: the first have arrived before the last is read."""

    async def story(gateway, _):
        sockets = [Socket() for _ in range(USERS)]
        for n, socket in enumerate(sockets):
            gateway.router.connect(Identity(f"u{n}"), socket)
        await eventually(lambda: all(socket.lines for socket in sockets))
        seen = []
        sockets[89].write = lambda _: seen.append(sum(len(s.lines) > 1 for s in sockets))
        talker = await Talker.connect(gateway.port, "alice")
        bundle(talker, [f"u{n}" for n in range(90)])
        await eventually(lambda: seen)
        assert seen[0] >= 64
        assert gateway.stats.latency.total > 0

    run(story)


def test_what_waits_for_the_disk_is_handed_over_though_nothing_else_comes():
    """Many at once have the disk asked seldom; the last message is not forgotten."""

    async def story(gateway, disk):
        talker = await Talker.connect(gateway.port, "alice")
        bundle(talker, ["bob"] * 40)
        await eventually(lambda: len(disk.marks) == 1)
        talker.send("bob", "last")
        await eventually(lambda: gateway.stats.accepted == 41)
        gateway.durable(disk.marks[0])
        await eventually(lambda: len(disk.marks) == 2)
        assert gateway.stats.safe < 41
        gateway.durable(disk.marks[1])
        await talker.acked(41)
        assert len(disk) == 41

    run(story)


def test_the_persister_lets_others_go_first(tmp_path):
    """A gateway, and whoever else has work on this machine, does not wait for it."""
    words = [sys.executable, "-m", "khata.messaging.persisting", str(tmp_path), "main"]
    environ = os.environ | {"KHATA_DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"}
    with subprocess.Popen(words, env=environ, stdin=subprocess.PIPE) as process:
        try:
            until(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == 19)
        finally:
            process.kill()

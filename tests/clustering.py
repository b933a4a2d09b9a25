"""What tests of a cluster are made of: gateways over one NATS, and users who talk to them."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager

from picows import WSListener, WSMsgType, ws_connect

from khata.errors import Unauthenticated
from khata.messaging.cluster import Cluster, ClusterOptions
from khata.messaging.gateway import Gateway
from khata.messaging.model import Identity
from khata.messaging.options import Options
from khata.messaging.stream import Limits

DEADLINE = 20
SERVICES = {"shop"}


async def identify(token):
    """The token is the name."""
    if not token:
        raise Unauthenticated("Who is it?")
    return Identity(token, frozenset({"service" if token in SERVICES else "owner"}))


async def eventually(condition):
    """Wait for what no connection tells."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


class Node:
    """A gateway of a cluster, in this process."""

    def __init__(self, urls, space, *, history=None, vault=None, last=0, limits=None, **options):
        self.cluster = Cluster(
            ClusterOptions(
                servers=tuple(urls),
                space=space,
                limits=limits or Limits(size=16 << 20),
                beat_seconds=0.1,
                dead_seconds=1.0,
            ),
            last=last,
            vault=vault,
        )
        self.gateway = Gateway(
            Options(port=0, mark_seconds=0.1, tick_seconds=0.05, **options),
            identify,
            self.cluster.log,
            numbering=False,
            history=self.cluster.completed(history) if history else None,
        )

    async def start(self):
        """Join, catch up, listen."""
        parts = await self.cluster.join(self.gateway.router)
        for name, run in parts.items():
            self.gateway.supervisor.start(name, run)
        self.cluster.log.start(asyncio.get_running_loop(), self.gateway.durable)
        await asyncio.wait_for(self.cluster.caught_up(), DEADLINE)
        await self.gateway.start()

    async def stop(self):
        """Take nothing more, say good-bye."""
        await self.gateway.stop()
        await self.cluster.leave()


@asynccontextmanager
async def gateways(urls, count, space=None, **options):
    """So many gateways of one space."""
    nodes = [Node(urls, space or uuid.uuid4().hex[:8], **options)]
    nodes += [Node(urls, nodes[0].cluster.options.space, **options) for _ in range(count - 1)]
    started = []
    try:
        for node in nodes:
            await asyncio.wait_for(node.start(), DEADLINE)
            started.append(node)
        yield nodes
    finally:
        for node in started:
            await node.stop()


class Talker(WSListener):
    """A user at one gateway: `said` has all that was said to it, `got` the messages among it."""

    @classmethod
    async def connect(cls, port, user, **asked):
        """Connect and wait for the greeting."""
        query = "".join(f"&{name}={value}" for name, value in asked.items())
        port = port.gateway.port if isinstance(port, Node) else port
        url = f"ws://127.0.0.1:{port}/v1/messaging?token={user}{query}"
        # of the other transports some never hear that they were cut off
        _, self = await ws_connect(
            cls, url, use_aiofastnet=False, websocket_handshake_timeout=DEADLINE
        )
        assert self is not None, "it was cut off before it was let in"
        await self.until(lambda: self.of("hello"))
        return self

    def __init__(self):
        self.said = []
        self.got = []
        self.sent = 0
        self.safe = 0
        self.answers = True
        self.closed = False
        self._more = asyncio.Event()

    def on_ws_connected(self, transport):
        self.transport = transport

    def on_ws_disconnected(self, transport):  # noqa: ARG002 - picows' own
        self.closed = True
        self._more.set()

    def on_ws_frame(self, transport, frame):
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        if frame.msg_type is not WSMsgType.TEXT:
            return
        found = json.loads(frame.get_payload_as_bytes())
        for line in found if isinstance(found, list) else [found]:
            self.said.append(line)
            if line["t"] == "msg":
                self.got.append(line)
            elif line["t"] == "ok":
                self.safe = line["n"]
        if self.answers and self.got:
            self.say(t="got", n=len(self.got))
        self._more.set()

    def say(self, **what):
        """Anything."""
        self.transport.send(WSMsgType.TEXT, json.dumps(what).encode())

    def send(self, to, name, body="hello", **more):
        """A message to a user; its number on this connection."""
        self.say(t="send", to=to, id=name, body=body, **more)
        self.sent += 1
        return self.sent

    def of(self, kind):
        """What of one kind was said."""
        return [line for line in self.said if line["t"] == kind]

    def ids(self):
        """The ids of the messages that came, in their order."""
        return [line["id"] for line in self.got]

    async def until(self, condition):
        """Wait until something holds."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                assert not self.closed, self.said[-3:]
                self._more.clear()
                await self._more.wait()

    async def messages(self, count):
        """The first messages' ids, once there are so many."""
        await self.until(lambda: len(self.got) >= count)
        return self.ids()

    async def acked(self, count):
        """Wait until so many that it sent are safe."""
        await self.until(lambda: self.safe >= count)

    def leave(self):
        """Close the connection at once."""
        self.closed = True
        self.transport.disconnect(False)

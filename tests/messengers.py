"""Users over real sockets, who keep what they sent, what was acknowledged, and what came."""

import asyncio
import contextlib

import msgspec
from picows import WSListener, WSMsgType, ws_connect

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Messenger(WSListener):
    """A user who writes and listens, comes back when the connection is lost, and then sends again
    what was not acknowledged, under the same ids.

    `sent`: (to, id), in order. `safe`: how many of them were acknowledged or refused; `refused`:
    what was said of the latter. `came`: (seq, sender, id) of the messages that came, in their
    order, as often as they came. When it hears that something older could not be read, it asks for
    it again, and counts from where it has everything: what came behind that comes once more.
    """

    def __init__(self, name):
        self.name = name
        self.sent = []
        self.safe = 0
        self.came = []
        self.refused = []
        self._whole = None
        self._base = self._written = self._got = 0
        self._transport = None
        self.changed = lambda: None

    @property
    def connected(self):
        """Whether there is a connection now."""
        return self._transport is not None

    async def connect(self, port):
        """Connect, and send again what nobody said to be safe."""
        url = f"ws://127.0.0.1:{port}/v1/messaging?token={self.name}"
        await ws_connect(lambda: self, url)
        self._push()

    def send(self, to):
        """Send a message, now or when there is a connection."""
        self.sent.append((to, f"{self.name}-{len(self.sent)}"))
        self._push()

    def _take(self, seq, sender, id_):
        """A message came. With the first one that lies further back what was missing begins."""
        if self._whole is not None and self.came and seq <= self.came[-1][0]:
            self.came = [one for one in self.came if one[0] <= self._whole]
            self._whole = None
        self.came.append((seq, sender, id_))

    def close(self):
        """Go away."""
        if self._transport is not None:
            self._transport.disconnect()

    def on_ws_connected(self, transport):
        """As picows says. From here on it is counted anew, before anything can come."""
        self._transport = transport
        self._base, self._got, self._written = self.safe, 0, self.safe

    def on_ws_disconnected(self, _):
        """As picows says."""
        self._transport = None
        self.changed()

    def on_ws_frame(self, transport, frame):
        """As picows says."""
        if frame.msg_type != WSMsgType.TEXT:
            return
        said = _decode(frame.get_payload_as_bytes())
        before = self._got
        for one in said if isinstance(said, list) else [said]:
            if one["t"] == "msg":
                self._got += 1
                self._take(one["seq"], one["from"], one["id"])
            elif one["t"] == "ok":
                self.safe = self._base + one["n"]
            elif one["t"] == "at":
                # everything is there again
                self._whole = None
            elif one["t"] == "no" and one["n"]:  # without a number it is about the connection
                self.refused.append(one)
            elif one["t"] == "gap" and not one["dropped"]:
                # the database could not be read: it is asked again in a while
                whole = one["after"]
                self._whole = whole if self._whole is None else min(whole, self._whole)
                asyncio.get_running_loop().call_later(1, self._resume, transport, one["after"])
        if self._got > before:
            transport.send(WSMsgType.TEXT, b'{"t":"got","n":%d}' % self._got)
        self.changed()

    def _resume(self, transport, after):
        if self._transport is transport:
            transport.send(WSMsgType.TEXT, _encode({"t": "resume", "after": after}))

    def _push(self):
        while self._transport is not None and self._written < len(self.sent):
            to, id_ = self.sent[self._written]
            self._written += 1
            line = _encode({"t": "send", "to": to, "id": id_, "body": f"from {self.name}"})
            self._transport.send(WSMsgType.TEXT, line)


class Crowd:
    """Some messengers; what is waited for is looked at whenever one of them hears something."""

    def __init__(self, count):
        self.all = [Messenger(f"u{n}") for n in range(count)]
        self._woken = asyncio.Event()
        for one in self.all:
            one.changed = self._woken.set

    async def connect(self, port):
        """Everybody connects."""
        await asyncio.gather(*(one.connect(port) for one in self.all))

    async def until(self, condition, seconds=30):
        """Wait until something holds. It is looked at whenever somebody hears something, and ten
        times a second. Errors: `AssertionError` with what is amiss.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), 0.1)
            assert asyncio.get_running_loop().time() < deadline, self.complaints()[:20]

    def safe(self):
        """How many messages were acknowledged."""
        return sum(one.safe for one in self.all)

    def acknowledged(self):
        """The ids of those that were, and not refused, with whom they are for."""
        refused = {said["id"] for one in self.all for said in one.refused}
        return {
            id_: to for one in self.all for to, id_ in one.sent[: one.safe] if id_ not in refused
        }

    def complaints(self):
        """What was acknowledged and did not come, and what came out of its order."""
        found, due = [], {one.name: set() for one in self.all}
        for id_, to in self.acknowledged().items():
            due[to].add(id_)
        for one in self.all:
            by_sender = {}
            # of what came again the first time counts
            for sender, id_ in dict.fromkeys((sender, id_) for _, sender, id_ in one.came):
                by_sender.setdefault(sender, []).append(int(id_.rpartition("-")[2]))
            found += [
                f"out of order: {sender} to {one.name}: {ns}"
                for sender, ns in by_sender.items()
                if ns != sorted(ns)
            ]
            missing = due[one.name].difference(id_ for *_, id_ in one.came)
            found += [f"never came: {id_} to {one.name}" for id_ in sorted(missing)]
        return found

    async def close(self):
        """Everybody goes."""
        for one in self.all:
            one.close()
        await self.until(lambda: not any(one.connected for one in self.all))

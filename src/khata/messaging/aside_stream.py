"""What no database can hold, out of a stream that gateways share: kept in a stream beside it, for a
person, sealed as it was. Nothing takes anything out of that one.
"""

from __future__ import annotations

from typing import Final

from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from khata.messaging.link import Link
from khata.messaging.sealing import DataKey
from khata.messaging.stream import ID, KEY, Stream

_ANSWER_SECONDS: Final = 3.0


class AsideStream:
    """Beside `stream`, called like it with `-aside` behind; made when it is first needed."""

    def __init__(self, link: Link, stream: Stream) -> None:
        self.name = f"{stream.name}-aside"
        self.subject = f"{stream.subject}.aside"
        self._link = link
        self._replicas = stream.limits.replicas
        self._there = False

    async def keep(self, name: str, content: bytes, key: DataKey | None) -> None:
        """Keep something under a name, once however soon it comes again. Errors: `FAULTS`."""
        headers = {ID: name}
        if key is not None:
            content = key.seal_frame(content, name.encode())
            headers[KEY] = key.sealed
        await self.keep_raw(content, headers)

    async def keep_raw(self, content: bytes, headers: dict[str, str]) -> None:
        """Keep what cannot even be opened, with its headers. Errors: `FAULTS`."""
        await self._exists()
        sent = self._link.stream.publish(
            self.subject, content, _ANSWER_SECONDS, self.name, dict(headers)
        )
        await self._link.while_up(sent)

    async def _exists(self) -> None:
        if self._there:
            return
        try:
            await self._link.stream.stream_info(self.name)
        except NotFoundError:
            await self._link.stream.add_stream(
                StreamConfig(
                    name=self.name,
                    subjects=[self.subject],
                    retention=RetentionPolicy.LIMITS,
                    storage=StorageType.FILE,
                    num_replicas=self._replicas,
                )
            )
        self._there = True

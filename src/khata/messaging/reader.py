"""Reading a spool from a place on, while it is being written or after a crash."""

from __future__ import annotations

from pathlib import Path

import structlog

from khata.engine.vault import Vault
from khata.messaging import segments
from khata.messaging.sealing import DataKey
from khata.messaging.segments import Frame, Place, Segment

log = structlog.get_logger("khata.messaging")


class Reader:
    """Goes through a spool's frames in their order. `place`: behind the last that was read.

    `damages`: places where a frame was spoilt and others come behind it; those are read on.
    """

    def __init__(self, folder: Path, place: Place, vault: Vault | None) -> None:
        self.place = place
        self.damages = 0
        self._folder = folder
        self._vault = vault
        self._open: Segment | None = None

    @property
    def key(self) -> DataKey | None:
        """What seals the frames of the segment that is being read; None when they are clear."""
        return self._open.key if self._open is not None else None

    def next(self) -> Frame | None:
        """The next whole frame; None when there is nothing new.

        Errors: `VaultMissing`, `VaultKeyUnknown`, `BookCorrupted`.
        """
        while True:
            # asked first: what is written into this segment before the next one begins is seen
            following = self._following()
            segment = self._current()
            whole = segment.at(self.place.offset) if segment is not None else None
            if whole is not None:
                self.place = Place(self.place.segment, whole.end)
                return whole
            if following is None:
                return None
            self._pass_over(segment, following)

    def seek(self, place: Place) -> None:
        """Read on from another place."""
        if place.segment != self.place.segment:
            self.close()
        self.place = place

    def close(self) -> None:
        """Let the file go."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _following(self) -> int | None:
        later = [n for n in segments.numbers(self._folder) if n > self.place.segment]
        return later[0] if later else None

    def _current(self) -> Segment | None:
        if self._open is None:
            try:
                self._open = Segment(self._folder, self.place.segment, self._vault)
            except FileNotFoundError:
                return None
        return self._open

    def _pass_over(self, segment: Segment | None, following: int) -> None:
        """There is no whole frame here, and never will be: go on where the next one begins."""
        at = segment.next_whole(self.place.offset) if segment is not None else None
        if at is None:
            self.close()
            self.place = Place(following, 0)
            return
        self.damages += 1
        log.error("spool_damaged", segment=self.place.segment, offset=self.place.offset, until=at)
        self.place = Place(self.place.segment, at)

"""What a sandbox remembers over a restart: a file with one JSON object a line, only added to.

The last line about a thing holds. A line that was cut off, by a power cut or `kill -9`, is the last
one, and is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from khata.errors import InvalidFile


class Diary:
    """`path`: None for nothing kept. Errors when read: `InvalidFile`."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def lines(self) -> Iterator[tuple[str, Any]]:
        """What was noted: the sort of thing, and the thing."""
        if self._path is None or not self._path.exists():
            return
        whole = self._path.read_bytes()
        kept = whole[: whole.rfind(b"\n") + 1]
        if len(kept) < len(whole):
            # or the next line would be glued to the piece
            self._path.write_bytes(kept)
        for number, line in enumerate(kept.splitlines(), 1):
            try:
                sort, thing = msgspec.json.decode(line, type=tuple[str, Any])
            except (msgspec.MsgspecError, UnicodeError):
                raise InvalidFile("The sandbox's state cannot be read.", line=number) from None
            yield sort, thing

    def note(self, sort: str, thing: Any) -> None:
        """Add a line; it is with the operating system when this returns."""
        if self._path is None:
            return
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode((sort, thing)) + b"\n")

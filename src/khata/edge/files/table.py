"""CSV files, line by line: strict UTF-8, quoting, and the place of everything that is wrong.

A file is read as a stream. A line that makes no sense raises `InvalidFile` with its number and
what was expected, after everything before it was given out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

from khata.errors import InvalidFile

_BOM: Final = b"\xef\xbb\xbf"
_LONGEST_LINE: Final = 1 << 20
"""Bytes. A file without line ends must not be read into memory as one line."""


class Row(NamedTuple):
    """A record of the file: the line it begins at, from 1, and its cells by column."""

    line: int
    cells: dict[str, str]


class Table:
    """An open CSV file whose first line names its columns.

    `columns`: which there may be, None for any; `required`: which there must be. `names`: those
    that there are. `done`: bytes read so far.

    Errors: `InvalidFile`; `OSError` when the file cannot be opened.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None, required: Sequence[str]) -> None:
        self.size = path.stat().st_size
        self.done = 0
        self._line = 0
        self._file = path.open("rb")
        try:
            # strict: a quote in the wrong place is an error, not a guess
            self._reader = csv.reader(self._lines(self._file), strict=True)
            self.names = self._header(columns, required)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Row]:
        names, width = self.names, len(self.names)
        while True:
            start = self._line + 1
            cells = self._next(start)
            if cells is None:
                return
            if not cells:
                continue
            if len(cells) != width:
                raise InvalidFile(
                    f"Line {start} has {len(cells)} cells, the header {width}.",
                    line=start,
                    expected=f"{width} cells: {','.join(names)}",
                    got=len(cells),
                )
            yield Row(start, dict(zip(names, cells, strict=True)))

    def _next(self, start: int) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            raise InvalidFile(
                f"Line {start} is not CSV: {error}.",
                line=start,
                expected='cells with commas between; a cell with commas or quotes in "…"',
                got=str(error),
            ) from None

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        first = True
        while raw := file.readline(_LONGEST_LINE):
            self.done += len(raw)
            self._line += 1
            if len(raw) == _LONGEST_LINE and not raw.endswith(b"\n"):
                raise _unreadable(self._line, "lines of less than 1 MiB", "a longer one")
            if first:
                raw, first = raw.removeprefix(_BOM), False
            if b"\x00" in raw:
                raise _unreadable(self._line, "text", "a NUL")
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                got = f"byte 0x{raw[error.start]:02x} at {error.start + 1}"
                raise _unreadable(self._line, "text in UTF-8", got) from None

    def _header(self, columns: Sequence[str] | None, required: Sequence[str]) -> list[str]:
        names = [name.strip() for name in self._next(1) or []]
        columns = names if columns is None else columns
        wanted = ", ".join(columns)
        if not names:
            raise InvalidFile("The file is empty.", line=1, expected=wanted, got="")
        missing = [name for name in required if name not in names]
        strange = [name for name in names if name not in columns]
        if missing or strange or len(set(names)) < len(names):
            raise InvalidFile(
                "Line 1 must name the columns, each once.",
                line=1,
                expected=f"{', '.join(required)}; and any of {wanted}",
                got=",".join(names)[:200],
            )
        return names


def _unreadable(line: int, expected: str, got: str) -> InvalidFile:
    return InvalidFile(
        f"Line {line} cannot be read: expected {expected}, found {got}.",
        line=line,
        expected=expected,
        got=got,
    )

"""The files of a spool: how they are named, and how frames stand in them.

A spool is a folder. Its segments are numbered from 1 and only ever grow at the end; a process
that begins to write begins a new one, so a segment's end never moves back under a reader. A
segment is a row of *frames*, each of which was written at once:

    magic (4) · records (4) · length (4) · crc32 (4) · content, a JSON array of records

Little-endian. The magic says whether the content is sealed; then the file of the same number that
ends with `.key` has the data key, wrapped by the vault. A frame that is cut short, or does not fit
its crc, is no frame: at the end of a segment it was never acknowledged.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from khata.engine.vault import Vault
from khata.errors import BookCorrupted, VaultMissing
from khata.messaging.sealing import DataKey

CLEAR: Final = b"KSc1"
SEALED: Final = b"KSs1"
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a frame's content, at most."""
_HEAD: Final = struct.Struct("<4sIII")
_PLACE: Final = struct.Struct("<Q")
_LOOK_FOR: Final = 1 << 20
_SUFFIX: Final = ".spool"
_KEY: Final = ".key"


class Place(NamedTuple):
    """A place in a spool: a segment's number, and an offset in it, in bytes."""

    segment: int
    offset: int


class Frame(NamedTuple):
    """A frame that was read. `end`: the offset behind it. `content`: JSON, in clear."""

    end: int
    records: int
    content: bytes


def path_of(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:016d}{_SUFFIX}"


def numbers(folder: Path) -> list[int]:
    """The segments that there are, the oldest first."""
    return sorted(int(path.stem) for path in folder.glob(f"*{_SUFFIX}"))


def total(folder: Path) -> int:
    """Bytes of all segments."""
    found = 0
    for path in folder.glob(f"*{_SUFFIX}"):
        # one that was stored is deleted at any moment
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_size
    return found


def behind(folder: Path, place: Place) -> int:
    """Bytes behind a place."""
    found = 0
    for number in numbers(folder):
        with contextlib.suppress(FileNotFoundError):
            size = path_of(folder, number).stat().st_size
            if number > place.segment:
                found += size
            elif number == place.segment:
                found += max(size - place.offset, 0)
    return found


def frame(content: bytes, records: int, offset: int, key: DataKey | None) -> bytes:
    """A frame to be written at `offset`, sealed when there is a key."""
    if key is not None:
        content = key.seal_frame(content, _PLACE.pack(offset))
    magic = CLEAR if key is None else SEALED
    head = _HEAD.pack(magic, records, len(content), 0)
    return _HEAD.pack(magic, records, len(content), zlib.crc32(content, zlib.crc32(head))) + content


class Segment:
    """One segment, open for reading. Errors: `FileNotFoundError` when it is gone."""

    def __init__(self, folder: Path, number: int, vault: Vault | None) -> None:
        self.number = number
        self._folder = folder
        self._vault = vault
        self._key: DataKey | None = None
        self._file = os.open(path_of(folder, number), os.O_RDONLY)
        self._sealed: str | None = None
        try:
            # now: what is stored is deleted at any moment, and its key right after it
            self._sealed = key_text(folder, number)
        except FileNotFoundError:
            if not path_of(folder, number).exists():
                self.close()
                raise

    @property
    def key(self) -> DataKey | None:
        """What seals its frames; None while none that is sealed was read."""
        return self._key

    def at(self, offset: int) -> Frame | None:
        """The frame that begins at `offset`, None when there is no whole one.

        Errors: `VaultMissing`, `VaultKeyUnknown`, `BookCorrupted`.
        """
        head = os.pread(self._file, _HEAD.size, offset)
        if len(head) < _HEAD.size:
            return None
        magic, records, length, crc = _HEAD.unpack(head)
        if magic not in {CLEAR, SEALED} or length > LARGEST:
            return None
        content = self._read(offset + _HEAD.size, length)
        plain = _HEAD.pack(magic, records, length, 0)
        if content is None or zlib.crc32(content, zlib.crc32(plain)) != crc:
            return None
        if magic == SEALED:
            content = self._opener().open_frame(content, _PLACE.pack(offset))
        return Frame(offset + _HEAD.size + length, records, content)

    def next_whole(self, offset: int) -> int | None:
        """Where the first whole frame begins behind a place where there is none; None when there
        is none any more.
        """
        tail = b""
        while True:
            part = os.pread(self._file, _LOOK_FOR, offset + len(tail))
            window = tail + part
            for at in _places(window):
                if at and self.at(offset + at) is not None:
                    return offset + at
            if not part:
                return None
            keep = min(len(window), len(CLEAR) - 1)
            offset += len(window) - keep
            tail = window[len(window) - keep :]

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def _read(self, offset: int, length: int) -> bytes | None:
        parts = []
        while length:
            part = os.pread(self._file, length, offset)
            if not part:
                return None
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _opener(self) -> DataKey:
        if self._key is None:
            if self._vault is None:
                raise VaultMissing(
                    "The spool is sealed, and no vault key is set to open it.",
                    expected="the key that it was sealed under, in KHATA_VAULT_KEYS",
                )
            if self._sealed is None:
                raise BookCorrupted("The key of a spool's segment is gone.", got=self.number)
            self._key = DataKey.unwrap(self._vault, self._sealed)
        return self._key


def _places(window: bytes) -> list[int]:
    """Where something stands that looks like the beginning of a frame."""
    found = []
    for magic in (CLEAR, SEALED):
        at = window.find(magic)
        while at >= 0:
            found.append(at)
            at = window.find(magic, at + 1)
    return sorted(found)


# ── files beside the segments ────────────────────────────────────────────────────────


def name_of(folder: Path) -> str:
    """The spool's own name, drawn when it was made: databases keep its place under it."""
    path = folder / "name"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep(path, secrets.token_hex(8))
    return path.read_text(encoding="ascii").strip()


def key_path(folder: Path, number: int) -> Path:
    """Where the wrapped data key of a segment is."""
    return folder / f"{number:016d}{_KEY}"


def key_text(folder: Path, number: int) -> str:
    """The wrapped data key of a segment."""
    return key_path(folder, number).read_text(encoding="ascii").strip()


def keep(path: Path, text: str) -> None:
    """Write a small file so that it is there wholly or not at all, whatever happens."""
    draft = path.with_suffix(".draft")
    file = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.write(file, text.encode("ascii"))
        os.fsync(file)
    finally:
        os.close(file)
    draft.replace(path)
    keep_names(path.parent)


def keep_names(folder: Path) -> None:
    """Make durable which files there are."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def drop_before(folder: Path, number: int) -> int:
    """Delete the segments before this one, and their keys; how many files there were."""
    gone = [
        path
        for suffix in (_SUFFIX, _KEY)
        for path in folder.glob(f"*{suffix}")
        if int(path.stem) < number
    ]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)

"""Where receipts are kept: one folder for each book, each file named by the SHA-256 of its bytes.

A file is written under another name, synced, and renamed, so that it is there whole or not at all;
then only does a command name it. A file that no command named is harmless, and swept away later.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from khata.edge.receipts.kinds import check_declared, checked_name, kind_of
from khata.errors import StorageFull, Unavailable
from khata.errors.operations import ReceiptNotFound, ReceiptRefused

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[a-z0-9_-]{1,60}")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PART: Final = "part-"
DAY: Final = 86_400


class Kept(NamedTuple):
    """A file of the store. `sha256`: hex. `type`: its type of media. `size`: bytes."""

    sha256: str
    type: str
    size: int
    name: str


class Swept(NamedTuple):
    """What a sweep found: files that a book knows, and names of those it removed."""

    known: int
    removed: list[str]


class ReceiptStore:
    """The files of a book in a folder of its own below `root`; `most`: bytes in one of them."""

    def __init__(self, root: Path | str, book: str, most: int) -> None:
        self.folder = Path(root) / (book if _NAME.fullmatch(book) else _named(book))
        self.most = most

    def check(self, data: bytes, name: str | None = None, declared: str | None = None) -> Kept:
        """What a file is, without keeping it. `declared`: the type that it was sent as.

        Errors: `ReceiptRefused` with its reason: empty, too_large, unknown_type, truncated,
        type_mismatch, bad_name, name_mismatch.
        """
        if not data:
            raise ReceiptRefused("The file is empty.", reason="empty", expected="1 byte or more")
        if len(data) > self.most:
            raise ReceiptRefused(
                "The file is too large.", reason="too_large", expected=self.most, got=len(data)
            )
        kind = kind_of(data)
        check_declared(kind, declared)
        shown = checked_name(kind, name)
        return Kept(sha256(data).hexdigest(), kind.media, len(data), shown)

    def put(self, data: bytes, name: str | None = None, declared: str | None = None) -> Kept:
        """Keep a file; once, however often it comes. It is on the disk when this returns.

        Errors: those of `check`; `StorageFull`; `Unavailable` when the folder cannot be written.
        """
        kept = self.check(data, name, declared)
        place = self._place(kept.sha256)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            self._write(place, data)
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull("The disk is full; the receipt was not kept.") from error
            raise Unavailable(
                "The folder of receipts cannot be written.", reason=error.strerror
            ) from error
        return kept

    def get(self, digest: str, size: int) -> bytes:
        """The `size` bytes whose SHA-256 this is, counted again.

        Errors: `ReceiptNotFound`: with the reason `altered` when something else is in their place.
        """
        try:
            with self._place(digest).open("rb") as file:
                # what is longer was altered; it need not be read to its end
                data = file.read(size + 1)
        except OSError as error:
            raise ReceiptNotFound("The receipt's file is gone.", reason=error.strerror) from None
        if sha256(data).hexdigest() != digest:
            raise ReceiptNotFound(
                "The receipt's file was altered: it is not what was handed in.", reason="altered"
            )
        return data

    def names(self) -> set[str]:
        """The hashes of the files that are there."""
        return {place.name for place in self._files() if _HASH.fullmatch(place.name)}

    def sweep(self, known: Collection[str], *, older_than: float = DAY) -> Swept:
        """Remove files that no command named, if they came more than `older_than` seconds ago.

        `known`: those of `names` that the book knows; what comes meanwhile is too young to go.
        Parts that were broken off go too.
        """
        found, removed = 0, []
        for place in self._files():
            if place.name in known:
                found += 1
                continue
            with self._alone():
                try:
                    if time.time() - place.stat().st_mtime <= older_than:
                        continue
                    place.unlink()
                except FileNotFoundError:
                    continue
            removed.append(place.name)
        return Swept(found, sorted(removed))

    def _place(self, digest: str) -> Path:
        if not _HASH.fullmatch(digest):
            raise ReceiptNotFound("This is not the name of a receipt's file.", got=digest[:70])
        return self.folder / digest[:2] / digest

    def _files(self) -> Iterator[Path]:
        for place in sorted(self.folder.glob("??/*")):
            if _HASH.fullmatch(place.name) or place.name.startswith(_PART):
                yield place

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeping and sweeping take turns: what comes again is never taken for old."""
        with (self.folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, place: Path, data: bytes) -> None:
        """Also over what is there: it may have been altered, and now it is new again."""
        part = place.with_name(f"{_PART}{secrets.token_hex(8)}")
        try:
            with part.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with self._alone():
                part.replace(place)
        finally:
            part.unlink(missing_ok=True)
        for folder in (place.parent, self.folder):
            _sync(folder)


def _named(book: str) -> str:
    """A folder's name for a book whose own could be a path."""
    return sha256(book.encode("utf-8", "surrogatepass")).hexdigest()


def _sync(folder: Path) -> None:
    """Let a new name outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

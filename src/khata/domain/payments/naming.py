"""Names that are taken: money of what is called so comes and lies by its own room's rules alone."""

from __future__ import annotations

from typing import Final

from khata.engine.book import Book
from khata.engine.records import Record
from khata.errors import AlreadyExists

_ROOMS: Final[dict[str, type[Record]]] = {}


def named_by(word: str, cls: type[Record]) -> None:
    """Register that each record of `cls` takes the name of `word`, a slash and its key."""
    _ROOMS[word] = cls


def taken_by(subject: str) -> list[tuple[type[Record], str]]:
    """The row that takes this name, if it is there: for who has rows looked for at once."""
    word, _, key = subject.partition("/")
    cls = _ROOMS.get(word)
    return [] if cls is None or not key else [(cls, key)]


def check_free(book: Book, subject: str) -> None:
    """Nobody else's money may come to lie under a name that is taken. Errors: `AlreadyExists`."""
    for cls, key in taken_by(subject):
        if book.peek(cls, key) is not None:
            raise AlreadyExists(
                f"{subject} is paid and kept by what is called so already.", got=subject
            )

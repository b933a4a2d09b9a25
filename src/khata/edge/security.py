"""API keys as their holders see them: `kh_<book>_<secret>`, told once; Khata keeps a hash.

The secret is 256 random bits, so a plain SHA-256 cannot be guessed back; the book's name in
front says where to look, and what a leaked key was for.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

_SECRET_BYTES: Final = 32
_KEY: Final = re.compile(r"kh_([A-Za-z0-9_-]+)_[0-9a-f]{64}")


def new_key(book: str) -> str:
    """A fresh key for a book, in clear: to be shown to its holder and forgotten."""
    return f"kh_{book}_{secrets.token_hex(_SECRET_BYTES)}"


def hash_key(key: str) -> str:
    """SHA-256 of the whole key in hex, as `CreateKey` takes it and `key_by_hash` finds it."""
    return hashlib.sha256(key.encode()).hexdigest()


def book_of(key: str) -> str | None:
    """The name of the book that a key is for; None when it is not written like a key."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None

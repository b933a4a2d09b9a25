"""What seals messages at rest: data keys, one for each segment of a spool, wrapped by the vault.

A data key seals with AES-GCM, which is fast enough for every message. The vault's own keys only
wrap data keys, so that changing them means wrapping a few again and no message.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from khata.engine.vault import Vault
from khata.errors import BookCorrupted

NONCE: Final = 12
_KEY: Final = 32
_FRAMES: Final = b"khata messages on the spool 1"
_ROWS: Final = b"khata messages in the database 1"


class DataKey:
    """Seals and opens. `sealed`: the key itself, as the vault wrapped it, to be kept beside."""

    __slots__ = ("_frames", "_rows", "sealed")

    def __init__(self, secret: bytes, sealed: str) -> None:
        self.sealed = sealed
        self._frames = AESGCM(hmac.digest(secret, _FRAMES, hashlib.sha256))
        self._rows = AESGCM(hmac.digest(secret, _ROWS, hashlib.sha256))

    def __repr__(self) -> str:
        return "DataKey()"

    @classmethod
    def new(cls, vault: Vault) -> Self:
        """A key that nobody has used, wrapped under the vault's newest."""
        secret = os.urandom(_KEY)
        return cls(secret, vault.seal(secret.hex()))

    @classmethod
    def unwrap(cls, vault: Vault, sealed: str) -> Self:
        """The key that was wrapped; it is wrapped anew when the vault has a newer key by now.

        Errors: `VaultKeyUnknown`.
        """
        return cls(bytes.fromhex(vault.open(sealed)), vault.reseal(sealed))

    def seal_frame(self, content: bytes, about: bytes) -> bytes:
        """A part of a spool, sealed; `about` must be the same when it is opened."""
        nonce = os.urandom(NONCE)
        return nonce + self._frames.encrypt(nonce, content, about)

    def open_frame(self, sealed: bytes, about: bytes) -> bytes:
        """What was sealed. Errors: `BookCorrupted` when it is not what was sealed."""
        return _opened(self._frames, sealed, about)

    def seal_row(self, body: bytes, about: bytes, nonce: bytes) -> bytes:
        """The body of one message, sealed. `nonce`: 12 bytes of chance, never used before."""
        return nonce + self._rows.encrypt(nonce, body, about)

    def open_row(self, sealed: bytes, about: bytes) -> bytes:
        """The body that was sealed. Errors: `BookCorrupted` when it is not what was sealed."""
        return _opened(self._rows, sealed, about)


def _opened(cipher: AESGCM, sealed: bytes, about: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], about)
    except (InvalidTag, ValueError):
        raise BookCorrupted("A sealed message was changed after it was sealed.") from None

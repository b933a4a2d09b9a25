"""The vault: seals what must be kept and must not be read, such as the number of a bank account.

It stands outside of the book. What enters a command is sealed already, and only who makes a call
to the world outside opens it, for the moment of that call; no handler ever does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from khata.errors import Invalid, VaultKeyUnknown

_SEALED: Final = re.compile(r"gAAAA[A-Za-z0-9_-]{60,8000}={0,2}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_PURPOSE: Final = b"khata fingerprint 1"


class Vault:
    """`keys`: Fernet keys (32 bytes in URL-safe base 64), the newest first: it seals, all open.

    To change keys, put a new one in front, have everything sealed anew, and take the old one away
    once no call that was decided under it is still to be made.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Errors: `Invalid` without a key, or with one that is none; it is not repeated."""
        try:
            self._keys: Final = [Fernet(key.encode()) for key in keys]
        except ValueError:
            raise Invalid(
                "A vault key is 32 bytes in URL-safe base 64.",
                expected="keys that `khata keys vault` made, in KHATA_VAULT_KEYS",
            ) from None
        if not self._keys:
            raise Invalid("A vault needs a key.", expected="one or more keys", got=0)
        self._all: Final = MultiFernet(self._keys)
        self._marks: Final = [hmac.digest(key.encode(), _PURPOSE, hashlib.sha256) for key in keys]

    def __repr__(self) -> str:
        return f"Vault({len(self._keys)} keys)"

    @staticmethod
    def new_key() -> str:
        """A new key, for the first place of `keys`."""
        return Fernet.generate_key().decode()

    @classmethod
    def of(cls, keys: Sequence[str]) -> Self | None:
        """The vault with these keys, None when there are none."""
        return cls(keys) if keys else None

    def seal(self, text: str) -> str:
        """Seal a text under the newest key; never twice the same."""
        return self._all.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text that was sealed. Errors: `VaultKeyUnknown`."""
        try:
            return self._all.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise VaultKeyUnknown(
                "None of the vault's keys opens this.",
                expected="the key that it was sealed under, in KHATA_VAULT_KEYS",
            ) from None

    def reseal(self, sealed: str) -> str:
        """The same under the newest key, untouched when it is already. Errors: as `open`."""
        return sealed if self.is_current(sealed) else self.seal(self.open(sealed))

    def is_current(self, sealed: str) -> bool:
        """Whether it is sealed under the newest key."""
        try:
            self._keys[0].decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True

    def fingerprint(self, text: str) -> str:
        """What tells two equal texts without telling the text: 64 hex digits, under the newest
        key. Without the key nobody can try all the numbers there are.
        """
        return self._fingerprint(self._marks[0], text)

    def fingerprints(self, text: str) -> list[str]:
        """As `fingerprint`, under every key, the newest first: to be compared while keys change."""
        return [self._fingerprint(mark, text) for mark in self._marks]

    @staticmethod
    def _fingerprint(mark: bytes, text: str) -> str:
        return hmac.digest(mark, text.encode(), hashlib.sha256).hex()


def is_sealed(text: str) -> bool:
    """Whether a text looks like one that a vault has sealed, and not like what it hides."""
    return bool(_SEALED.fullmatch(text))


def is_fingerprint(text: str) -> bool:
    """Whether a text looks like a fingerprint."""
    return bool(_FINGERPRINT.fullmatch(text))

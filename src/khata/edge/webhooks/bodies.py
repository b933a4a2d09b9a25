"""Raw bodies as the inbox keeps them: sealed by the vault, or in base 64 where there is none."""

from __future__ import annotations

import base64
import hashlib
import hmac

from khata.domain.webhooks import InboxItem
from khata.engine.vault import Vault
from khata.errors import BookCorrupted, VaultMissing


def digest_of(raw: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(raw).hexdigest()


def kept(raw: bytes, vault: Vault | None) -> str:
    """A body as it is kept; every byte of it comes back."""
    if vault is None:
        return base64.b64encode(raw).decode()
    return vault.seal(raw.decode("latin-1"))


def opened(item: InboxItem, vault: Vault | None) -> bytes:
    """The raw body of an item.

    Errors: `VaultMissing`, `VaultKeyUnknown`; `BookCorrupted` when it is not what came in.
    """
    if not item.sealed:
        raw = base64.b64decode(item.body)
    elif vault is None:
        raise VaultMissing("The webhook is sealed, and no vault key is set.", item=item.id)
    else:
        raw = vault.open(item.body).encode("latin-1")
    if not hmac.compare_digest(digest_of(raw), item.digest):
        raise BookCorrupted("A webhook's body is not what came in.", item=item.id)
    return raw

"""Secrets of endpoints: `whsec_` and 32 random bytes, told once and kept sealed."""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import Final

from khata.engine.vault import Vault
from khata.errors import VaultMissing

_BYTES: Final = 32


def new_secret() -> str:
    """A fresh secret in clear, as Standard Webhooks writes it."""
    return f"whsec_{b64encode(secrets.token_bytes(_BYTES)).decode()}"


def sealed(secret: str, vault: Vault | None) -> str:
    """The secret as a command may hold it. Errors: `VaultMissing`."""
    if vault is None:
        raise VaultMissing(
            "An endpoint's secret is kept sealed, and no vault key is set.",
            expected="KHATA_VAULT_KEYS",
        )
    return vault.seal(secret)

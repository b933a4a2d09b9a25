"""Owners' tokens: JSON Web Tokens of an issuer whose public keys are configured.

Only signatures with a public key count (RS256, ES256, EdDSA); `none` and shared secrets never do,
so a public key cannot be passed off as a secret.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from khata.errors import Invalid, Unauthenticated
from khata.settings import Settings

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA", "Ed25519")
_KINDS: Final = frozenset({"RSA", "EC", "OKP"})
_LONGEST: Final = 8192
_MOST_OWNER: Final = 128


class Claims(NamedTuple):
    """What a valid token says. `book`: None for the default one."""

    owner: str
    book: str | None
    seconds_left: float


class Tokens:
    """Checks tokens against one key set, issuer and audience. `leeway`: seconds."""

    def __init__(self, keys: KeySet, issuer: str, audience: str, leeway: int) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway

    def check(self, text: str) -> Claims:
        """What a token says. Errors: `Unauthenticated`, never saying more than which rule."""
        if len(text) > _LONGEST:
            raise _bad("too long")
        try:
            with warnings.catch_warnings():
                # RFC 9864 renames EdDSA to Ed25519; issuers will use the old name for years
                warnings.simplefilter("ignore", SecurityWarning)
                claims = jwt.decode(text, self._keys, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, KeyError):
            raise _bad("signature") from None
        return self._claims(claims)

    def _claims(self, claims: dict[str, Any]) -> Claims:
        now = time.time()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expires, begins = _seconds(claims, "exp"), _seconds(claims, "nbf")
        owner, book = claims.get("sub"), claims.get("book")
        if claims.get("iss") != self._issuer:
            raise _bad("iss")
        if self._audience not in audiences:
            raise _bad("aud")
        if expires is None or expires + self._leeway <= now:
            raise _bad("exp")
        if begins is not None and begins - self._leeway > now:
            raise _bad("nbf")
        if not isinstance(owner, str) or not 0 < len(owner) <= _MOST_OWNER or "\x00" in owner:
            raise _bad("sub")
        if book is not None and not isinstance(book, str):
            raise _bad("book")
        return Claims(owner, book, expires + self._leeway - now)


def tokens_of(settings: Settings) -> Tokens | None:
    """The checker that the settings ask for, None without a key set.

    Errors: `Invalid` when the key set cannot be read, or holds a key that is not public.
    """
    if not settings.jwks:
        return None
    text = settings.jwks
    try:
        raw = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
        found: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
        kinds = {key["kty"] for key in found["keys"]}
        private = any("d" in key for key in found["keys"])
        keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # checked by the library
    except (OSError, msgspec.MsgspecError, JoseError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(type(error).__name__) from None
    if not kinds or private or not kinds <= _KINDS:
        raise _unreadable("a private or a shared key" if kinds else "no keys")
    return Tokens(
        keys, settings.jwt_issuer or "", settings.jwt_audience or "", settings.jwt_leeway_seconds
    )


def _unreadable(got: str) -> Invalid:
    expected = "a JSON Web Key Set of public keys (RSA, EC, OKP), or the path of one"
    return Invalid(
        f"expected KHATA_JWKS to be {expected}, got {got}.",
        setting="KHATA_JWKS",
        expected=expected,
        got=got,
    )


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    """A claim that is a time, None when it is not there. Errors: `Unauthenticated`."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise _bad(name)
    return value


def _bad(rule: str) -> Unauthenticated:
    return Unauthenticated("This token is not valid.", rule=rule)

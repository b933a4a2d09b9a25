"""What a server is told by its environment: variables that begin with `KHATA_`.

A value that makes no sense stops the start with a sentence that names the variable, what was
expected and what was found. Addresses that may carry a password are never repeated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal

import msgspec

from khata.errors import Invalid

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_KIB: Final = 1024
_BRIEFEST: Final = 0.05
_LONGEST: Final = 300
_LEAST_SECRET: Final = 8
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ADDRESS: Final = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")
_SERVER: Final = re.compile(
    r"((nats|tls|wss?)://)?([^\s/@]+@)?([^\s/@:\[\]]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?/?"
)
_PLACE: Final = re.compile(r"\$[][.\w]*")


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment provider: where it is, and what it and Khata know of each other.

    `name`: what payments call it. `kind`: its API; `sandbox` can be asked for charges, refunds and
    payouts, of the others Khata takes webhooks only. `scheme`: how its webhooks are signed and
    written; None for that of its kind. `webhook_secrets`: several while one replaces another.
    `timeout_seconds`: for one whole call, 0.05 to 300.

    It is shown without its secrets.
    """

    name: str
    kind: Literal["sandbox", "stripe", "razorpay"] = "sandbox"
    base_url: str = ""
    api_key: str = ""
    webhook_secrets: tuple[str, ...] = ()
    scheme: Literal["standard", "stripe", "razorpay"] | None = None
    timeout_seconds: float = 20.0

    def __repr__(self) -> str:
        return f"ProviderConfig(name={self.name!r}, kind={self.kind!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("name", self.name), ("kind", self.kind)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`books`: those that are served; the first is meant when a token names none.

    `jwks`: the path of a JSON Web Key Set, or its text; with it, `jwt_issuer` and `jwt_audience`
    are needed. `max_body`, `max_bulk_body`: bytes. `timeout_seconds`: how long a caller waits for
    a command before hearing `timeout`. `docs`: whether `/docs` is served. `worker`: whether a
    server works its books' sagas off too. `sagas`: modules with sagas of one's own.
    `webhook_rate`: how many webhooks a source may send in an hour. `webhook_allow`: networks (CIDR)
    that events may be sent to although they are not public. `vault_keys`: the newest first.
    `receipts`: the folder of receipts' files; `max_receipt`: the largest of them, in bytes.
    `messaging`: whether a server runs a gateway of messages as well, of its first book.
    `messaging_host`, `messaging_port`: where a gateway listens; `messaging_http_port`: where it
    answers HTTP; `messaging_url`: where that of the first book is found. `messaging_spool`: the
    folder of what waits to be stored; `messaging_nats`: servers that gateways share instead,
    `messaging_replicas`: on how many of them each message is kept.
    `messaging_queue`: messages that wait for users, in all. `messaging_rate`: messages that a
    connection may send in a second. `messaging_batch`: messages that are stored at once, at most;
    `messaging_interval_ms`: how long the first of them waits. `messaging_keep_days`: after which
    messages that have come to everybody are taken out of the database, 0 for never.

    It is shown without what is secret.
    """

    database_url: str = "sqlite:///khata.db"
    books: tuple[str, ...] = ("main",)
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    jwks: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_leeway_seconds: int = 10
    max_body: int = 64 * _KIB
    max_bulk_body: int = 8 * _KIB * _KIB
    timeout_seconds: int = 30
    docs: bool = True
    log_level: str = "info"
    alert_webhook: str | None = None
    providers: tuple[ProviderConfig, ...] = ()
    worker: bool = True
    sagas: tuple[str, ...] = ()
    webhook_rate: int = 100
    webhook_allow: tuple[str, ...] = ()
    vault_keys: tuple[str, ...] = ()
    receipts: str = "khata-receipts"
    max_receipt: int = 10 * _KIB * _KIB
    messaging: bool = False
    messaging_host: str = "127.0.0.1"
    messaging_port: int = 8090
    messaging_http_port: int = 8091
    messaging_url: str = "http://127.0.0.1:8091"
    messaging_spool: str = "khata-spool"
    messaging_nats: tuple[str, ...] = ()
    messaging_replicas: int = 1
    messaging_connections: int = 20_000
    messaging_queue: int = 100_000
    messaging_rate: int = 2_000
    messaging_batch: int = 20_000
    messaging_interval_ms: int = 50
    messaging_keep_days: int = 0

    def __repr__(self) -> str:
        return f"Settings(books={self.books!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("books", self.books)]


def settings_from(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in an environment, defaults for what it does not name.

    Errors: `Invalid`, naming the variable.
    """
    text = environ.get
    defaults = Settings()
    settings = Settings(
        database_url=text("KHATA_DATABASE_URL") or defaults.database_url,
        books=_names(text("KHATA_BOOK")) or defaults.books,
        host=text("KHATA_HOST") or defaults.host,
        port=_number(environ, "KHATA_PORT", defaults.port, 1, 65_535),
        workers=_number(environ, "KHATA_WORKERS", defaults.workers, 1, 64),
        jwks=text("KHATA_JWKS") or None,
        jwt_issuer=text("KHATA_JWT_ISSUER") or None,
        jwt_audience=text("KHATA_JWT_AUDIENCE") or None,
        jwt_leeway_seconds=_number(
            environ, "KHATA_JWT_LEEWAY", defaults.jwt_leeway_seconds, 0, 300
        ),
        max_body=_number(environ, "KHATA_MAX_BODY", defaults.max_body, _KIB, 1 << 30),
        max_bulk_body=_number(
            environ, "KHATA_MAX_BULK_BODY", defaults.max_bulk_body, _KIB, 1 << 30
        ),
        timeout_seconds=_number(environ, "KHATA_TIMEOUT", defaults.timeout_seconds, 1, 3600),
        docs=_flag(environ, "KHATA_DOCS", default=defaults.docs),
        log_level=_choice(environ, "KHATA_LOG_LEVEL", defaults.log_level, LEVELS),
        alert_webhook=_address(environ, "KHATA_ALERT_WEBHOOK"),
        providers=providers_in(text("KHATA_PROVIDERS") or ""),
        worker=_flag(environ, "KHATA_WORKER", default=defaults.worker),
        sagas=_names(text("KHATA_SAGAS")),
        webhook_rate=_number(environ, "KHATA_WEBHOOK_RATE", defaults.webhook_rate, 1, 10**6),
        webhook_allow=_networks(environ, "KHATA_WEBHOOK_ALLOW"),
        vault_keys=vault_keys_from(environ),
        receipts=receipts_from(environ)[0],
        max_receipt=receipts_from(environ)[1],
        messaging_http_port=_number(
            environ, "KHATA_MESSAGING_HTTP_PORT", defaults.messaging_http_port, 1, 65_535
        ),
        messaging=_flag(environ, "KHATA_MESSAGING", default=defaults.messaging),
        messaging_host=text("KHATA_MESSAGING_HOST") or defaults.messaging_host,
        messaging_port=_number(environ, "KHATA_MESSAGING_PORT", defaults.messaging_port, 0, 65_535),
        messaging_spool=text("KHATA_MESSAGING_SPOOL") or defaults.messaging_spool,
        messaging_nats=_servers(environ, "KHATA_MESSAGING_NATS"),
        messaging_replicas=_number(
            environ, "KHATA_MESSAGING_REPLICAS", defaults.messaging_replicas, 1, 5
        ),
        messaging_connections=_number(
            environ, "KHATA_MESSAGING_CONNECTIONS", defaults.messaging_connections, 1, 1_000_000
        ),
        messaging_queue=_number(
            environ, "KHATA_MESSAGING_QUEUE", defaults.messaging_queue, 1, 100_000_000
        ),
        messaging_rate=_number(
            environ, "KHATA_MESSAGING_RATE", defaults.messaging_rate, 1, 1_000_000
        ),
        messaging_batch=_number(
            environ, "KHATA_MESSAGING_BATCH", defaults.messaging_batch, 1, 1_000_000
        ),
        messaging_interval_ms=_number(
            environ, "KHATA_MESSAGING_INTERVAL_MS", defaults.messaging_interval_ms, 1, 60_000
        ),
        messaging_keep_days=_number(
            environ, "KHATA_MESSAGING_KEEP_DAYS", defaults.messaging_keep_days, 0, 36_500
        ),
        messaging_url=_address(environ, "KHATA_MESSAGING_URL") or defaults.messaging_url,
    )
    _check_tokens(settings)
    return settings


def vault_keys_from(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The vault's keys, the newest first; none when none is set."""
    return _names(environ.get("KHATA_VAULT_KEYS"))


def receipts_from(environ: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """The folder of receipts' files, and the bytes that one of them may have. Errors: `Invalid`."""
    defaults = Settings()
    most = _number(environ, "KHATA_MAX_RECEIPT", defaults.max_receipt, 1, 1 << 30)
    return environ.get("KHATA_RECEIPTS") or defaults.receipts, most


def providers_in(text: str) -> tuple[ProviderConfig, ...]:
    """The providers in a JSON list, or in the file that has it; none in an empty text.

    Errors: `Invalid`, naming the place and never what is in it.
    """
    if not text:
        return ()
    if not text.lstrip().startswith(("[", "{")):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            got = error.strerror if isinstance(error, OSError) else "something else"
            raise _wrong("KHATA_PROVIDERS", "a JSON list, or a file with one", str(got)) from None
    try:
        found = msgspec.json.decode(text, type=tuple[ProviderConfig, ...])
    except (msgspec.MsgspecError, UnicodeError) as error:
        # the library's own sentence may hold a piece of a secret; where it was does not
        place = _PLACE.search(str(error))
        fields = ", ".join(ProviderConfig.__struct_fields__)
        got = f"something else at {place[0]}" if place else "something else"
        raise _wrong("KHATA_PROVIDERS", f"a JSON list of objects with {fields}", got) from None
    for config in found:
        _check_provider(config, [other.name for other in found])
    return found


def _check_provider(config: ProviderConfig, names: list[str]) -> None:
    if not _NAME.fullmatch(config.name) or names.count(config.name) > 1:
        raise _wrong("KHATA_PROVIDERS", "providers with names of their own, a-z 0-9 _ -", "another")
    where = f"KHATA_PROVIDERS[{config.name}]"
    address = config.base_url
    if (address or config.kind == "sandbox") and not _ADDRESS.fullmatch(address):
        raise _wrong(f"{where}.base_url", "https://… or http://…, without a password", "another")
    if not all(len(secret) >= _LEAST_SECRET for secret in config.webhook_secrets):
        raise _wrong(f"{where}.webhook_secrets", "8 characters or more each", "fewer")
    if not (config.api_key.isascii() and config.api_key.isprintable()):
        raise _wrong(f"{where}.api_key", "visible ASCII characters", "others")
    if not _BRIEFEST <= config.timeout_seconds <= _LONGEST:
        raise _wrong(f"{where}.timeout_seconds", f"{_BRIEFEST} to {_LONGEST}", "another")


def _check_tokens(settings: Settings) -> None:
    for name, value in (
        ("KHATA_JWT_ISSUER", settings.jwt_issuer),
        ("KHATA_JWT_AUDIENCE", settings.jwt_audience),
    ):
        if settings.jwks and not value:
            raise _wrong(name, "set, because KHATA_JWKS is", "nothing")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _servers(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Addresses of NATS; what is wrong with one is not shown, for it may have a password."""
    found = _names(environ.get(name))
    if not all(_SERVER.fullmatch(server) for server in found):
        raise _wrong(name, "addresses such as nats://10.0.0.5:4222, with commas", "something else")
    return found


def _number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):  # noqa: PLR2004 - before int()
        raise _wrong(name, f"a whole number from {least} to {most}", repr(text[:40]))
    return int(text)


def _networks(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = _names(environ.get(name))
    try:
        return tuple(str(ip_network(one, strict=False)) for one in found)
    except ValueError:
        raise _wrong(name, "networks such as 127.0.0.0/8, ::1", "something else") from None


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environ.get(name, "").lower()
    if text not in {"", "0", "1", "true", "false", "yes", "no"}:
        raise _wrong(name, "1 or 0", repr(text[:40]))
    return text in {"1", "true", "yes"} if text else default


def _choice(environ: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    text = environ.get(name, "").lower()
    if text and text not in allowed:
        raise _wrong(name, f"one of {', '.join(allowed)}", repr(text[:40]))
    return text or default


def _address(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "")
    if text and not text.startswith(("https://", "http://")):
        raise _wrong(name, "an address that begins with https:// or http://", "something else")
    return text or None


def _wrong(name: str, expected: str, got: str) -> Invalid:
    return Invalid(
        f"expected {name} to be {expected}, got {got}.", setting=name, expected=expected, got=got
    )

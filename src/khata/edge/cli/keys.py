"""`khata keys …`: the keys with which programs come in."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from khata.domain import access
from khata.domain.access import CreateKey, RevokeKey
from khata.edge.cli.screen import dump, err, out, row, short, table
from khata.edge.cli.session import (
    HERE,
    SO,
    How,
    Json,
    Where,
    carry_out,
    command,
    family,
    looking,
    opened,
)
from khata.edge.security import hash_key, new_key
from khata.engine.vault import Vault

app: Final = family("keys", "API keys: make, list, revoke.")


@command(
    app,
    "create",
    "khata keys create checkout --role service --scope read --scope write",
    "khata keys create office --role finance --role support --scope read",
)
def create(
    label: Annotated[str, Parameter(help="Which program it is for.")],
    *,
    role: Annotated[
        list[str],
        Parameter(negative="", help="What it acts as: service, finance, … (several times)."),
    ],
    scope: Annotated[
        list[str], Parameter(negative="", help="read, write or admin (several times).")
    ],
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Make an API key. It is shown once: Khata keeps only its hash."""
    key = new_key(where.name)
    with opened(where, create=True) as book:
        receipt = book.submit(CreateKey(label, hash_key(key), role, scope), actor=where.who())
    if json:
        dump(msgspec.structs.asdict(receipt.result) | {"key": key})
        return 0
    made = receipt.result
    out().print(f"{made.id} for {label}: {', '.join(made.roles)}; may {', '.join(made.scopes)}.")
    out().print(key, style="bold", soft_wrap=True)
    err().print("Keep it now: it is not stored and cannot be shown again.", style="yellow")
    return 0


@command(app, "list", "khata keys list", "khata keys list --json | jq .id")
def list_(*, json: Json = False, where: Where = HERE) -> int:
    """List all keys, revoked ones included; never their secrets."""
    with looking(where) as view:
        known = access.keys(view)
    if json:
        for key in known:
            dump(key)
        return 0
    made = table("key", "label", "roles", "scopes", "made", "revoked")
    for key in known:
        row(
            made,
            key.id,
            key.label,
            ", ".join(key.roles),
            ", ".join(key.scopes),
            short(key.created_at),
            short(key.revoked_at) if key.revoked_at else None,
        )
    out().print(made if known else "No keys.")
    return 0


@command(app, "vault", "khata keys vault")
def vault() -> int:
    """Make a key for the vault, which seals bank accounts and messages: for KHATA_VAULT_KEYS."""
    out().print(Vault.new_key(), soft_wrap=True)
    err().print(
        "Put it in front of KHATA_VAULT_KEYS, commas between, and keep a copy: what it seals cannot"
        " be read without it. With older keys behind it, run `khata payouts rotate`, and"
        " `khata messaging rotate` if messages are served.",
        style="yellow",
        soft_wrap=True,
    )
    return 0


@command(app, "revoke", "khata keys revoke key_0401")
def revoke(
    id: Annotated[str, Parameter(help="The key's id, key_….")],  # noqa: A002 - the word people see
    *,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Shut a key out, at once and for good."""
    return carry_out(
        where, how, RevokeKey(id), lambda key: out().print(f"{key.id} ({key.label}) is revoked.")
    )

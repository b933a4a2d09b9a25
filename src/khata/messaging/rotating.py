"""New vault keys for messages: their data keys are wrapped anew, no message is touched.

Put a new key in front of `KHATA_VAULT_KEYS`, start gateways and persisters again, rotate, and take
the old one away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.messaging import segments
from khata.messaging.aside import FOLDER
from khata.messaging.tables import KEYS

_PAGE: Final = 500


def rotate(database: Database, book_id: int, vault: Vault, spools: Iterable[Path] = ()) -> int:
    """Wrap the data keys of a book's messages, and of these spools, under the vault's newest key.
    How many were not. It can be stopped and run again.

    Errors: `VaultKeyUnknown`, `DatabaseUnavailable`.
    """
    changed = sum(_rotate_files(folder, vault) for folder in _folders(spools))
    after = ""
    while True:
        query = (
            sa.select(KEYS.c.id, KEYS.c.sealed)
            .where(KEYS.c.book_id == book_id, KEYS.c.id > after)
            .order_by(KEYS.c.id)
            .limit(_PAGE)
        )
        with database.reading() as connection:
            rows = connection.execute(query).fetchall()
        if not rows:
            return changed
        old = [row for row in rows if not vault.is_current(row.sealed)]
        with database.changing() as connection:
            for row in old:
                mine = (KEYS.c.book_id == book_id, KEYS.c.id == row.id)
                connection.execute(
                    KEYS.update().where(*mine).values(sealed=vault.reseal(row.sealed))
                )
        changed += len(old)
        after = rows[-1].id


def _folders(spools: Iterable[Path]) -> Iterable[Path]:
    for spool in spools:
        yield spool
        if (spool / FOLDER).is_dir():
            yield spool / FOLDER


def _rotate_files(folder: Path, vault: Vault) -> int:
    changed = 0
    for number in segments.numbers(folder):
        # a segment that is clear has no key, and one that was stored is deleted at any moment
        with contextlib.suppress(FileNotFoundError):
            sealed = segments.key_text(folder, number)
            if not vault.is_current(sealed):
                segments.keep(segments.key_path(folder, number), vault.reseal(sealed))
                changed += 1
    return changed

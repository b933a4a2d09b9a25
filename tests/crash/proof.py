"""What must hold after whatever happened: nothing lost, nothing twice, sums right."""

import msgspec
import sqlalchemy as sa

from khata import Khata
from khata.base.money import to_minor
from khata.engine.tables import JOURNAL, METADATA
from khata.engine.verify import verify
from tests.crash.load import WALLETS, wallet


def journal_of(book):
    """Every journal row."""
    with book.database.reading() as connection:
        wanted = sa.select(JOURNAL).where(JOURNAL.c.book_id == book.book_id).order_by(JOURNAL.c.seq)
        return connection.execute(wanted).fetchall()


def complaints(url, acknowledged):
    """All that is wrong with a book: `acknowledged` has the seq that was told for each key."""
    with Khata.open(url) as book:
        report = verify(book.database, book.book_id)
        rows = journal_of(book)
        found = [repr(one) for one in report.discrepancies]
        seqs = [row.seq for row in rows]
        if seqs != list(range(1, len(rows) + 1)):
            found.append("the journal has gaps")
        known = {}
        for row in rows:
            if row.key in known:
                found.append(f"{row.key} was applied twice")
            known[row.key] = row.seq
        found += [
            f"{key} was acknowledged as {seq}, the journal has {known.get(key)}"
            for key, seq in acknowledged.items()
            if known.get(key) != seq
        ]
        return found + _wrong_sums(book, rows)


def _wrong_sums(book, rows):
    """Balances against what the commands in the journal say, computed without Khata."""
    due = dict.fromkeys((wallet(number) for number in range(WALLETS)), 0)
    for row in rows:
        command = msgspec.json.decode(row.command)
        if row.kind in ("wallets.transfer", "wallets.credit"):
            amount = to_minor(command["amount"]["amount"], 2)
            for name, moved in (("wallet", -amount), ("to", amount)):
                if command.get(name) in due:
                    due[command[name]] += amount if row.kind == "wallets.credit" else moved
    accounts = METADATA.tables["accounts"]
    with book.database.reading() as connection:
        have = dict(connection.execute(sa.select(accounts.c.code, -accounts.c.balance)).fetchall())
    wrong = [
        f"{path} has {have[f'wallet/{path}']} instead of {moved}"
        for path, moved in due.items()
        if have[f"wallet/{path}"] != moved
    ]
    total = sum(have.values())
    return wrong if not total else [*wrong, f"all accounts sum to {total}"]

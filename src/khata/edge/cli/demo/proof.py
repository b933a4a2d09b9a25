"""The end of the demo: the book is verified, run again, and tampered with.

Tampering is done to the copy that the replay made in a throw-away folder, past Khata and with
nothing but the file: whoever can write to the disk can do this, and must not go unnoticed.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from khata.app import Khata
from khata.edge.cli.checking import discrepancies_table
from khata.edge.cli.demo.morning import KARIM, MAMUN, NADIA
from khata.edge.cli.demo.stage import Stage
from khata.engine import replay as replaying
from khata.engine import verify as verifying
from khata.engine.database import Database
from khata.engine.verify import Report

_BEFORE: Final = f'"account":"{NADIA}","debit":{{"amount":"1000.00"'.encode()
_AFTER: Final = _BEFORE.replace(b'"1000.00"', b'"9000.00"')
_BOOK: Final = "copy"


def play_proof(stage: Stage) -> None:
    """Verify, replay, tamper."""
    verify_all(stage)
    with tempfile.TemporaryDirectory(prefix="khata-demo-") as folder:
        path = Path(folder) / "copy.db"
        number = run_again(stage, path)
        tamper(stage, path, number)


def verify_all(stage: Stage) -> None:
    """Clean."""
    stage.chapter(
        "19:00",
        "Verify",
        "Every row is read again: the hash chain, the legs, the sums, every running balance.",
    )
    report = stage.book.verify()
    stage.say(
        f"{report.journal} commands, {report.postings} postings, {report.accounts} accounts."
        " Note the head elsewhere, and nobody can rewrite what came before it:"
    )
    stage.say(f"`{report.seq}:{report.head}`")
    stage.expect(report.ok, "Everything agrees.")


def run_again(stage: Stage, path: Path) -> int:
    """The journal is the book; the number of the book in the copy."""
    stage.chapter(
        "19:05",
        "Run it all again",
        "A command's outcome depends on the book and on nothing else. So the journal, run again",
        "into an empty book, gives the same book.",
    )
    with Khata.open(f"sqlite:///{path}", _BOOK) as copy:
        wanted = verifying.verify(stage.book.database, stage.book.book_id).head
        reached = replaying.replay(stage.book, copy)
        stage.expect(reached.hash.hex() == wanted, "The same head hash, to the last bit.")
        return copy.book_id


def tamper(stage: Stage, path: Path, number: int) -> None:
    """Three ways to cheat, in the copy; each is noticed, named, and undone."""
    stage.chapter(
        "23:59",
        "Somebody gets at the file",
        "At night, past Khata and with the file alone, in the throw-away copy.",
    )
    with closing(sqlite3.connect(path)) as file:
        # everything into the one file, so that a byte on the disk is a byte of the book
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for crime in (_flip_byte, _move_money, _thaw):
        said, place, undo = crime(path)
        stage.say(said)
        report = _verify(path, number)
        stage.show(discrepancies_table(report))
        named = [item.where for item in report.discrepancies]
        stage.expect(
            any(where.startswith(place) for where in named), f"Caught: verify names {place}."
        )
        undo()
    stage.expect(_verify(path, number).ok, "With each of them undone, everything agrees again.")


Crime = tuple[str, str, Callable[[], None]]
"""What is said of it, the place that verify must name, and how to undo it."""


def _flip_byte(path: Path) -> Crime:
    """One byte on the disk: the recorded order of 1000 becomes one of 9000."""
    seq = _one(path, "SELECT seq FROM journal WHERE key = 'order-M1001'")
    _swap(path, _BEFORE, _AFTER)
    return (
        "One byte on the disk is flipped: in the journal, Nadia's order of ৳1,000 reads ৳9,000.",
        f"journal seq={seq}",
        lambda: _swap(path, _AFTER, _BEFORE),
    )


def _move_money(path: Path) -> Crime:
    """One stored amount: Karim's share of the order grows by a taka."""
    account = _account(path, KARIM)
    seq = _one(path, "SELECT seq FROM journal WHERE key = 'release-M1001'")
    change = "UPDATE postings SET amount = amount + ? WHERE account_id = ? AND seq = ?"
    _run(path, change, -100, account, seq)
    return (
        "A single amount is changed: what Karim got for the order, from ৳800 to ৳801.",
        f"postings account_id={account} seq={seq}",
        lambda: _run(path, change, 100, account, seq),
    )


def _thaw(path: Path) -> Crime:
    """One status: the frozen wallet is active again, without a command that says so."""
    account = _account(path, MAMUN)
    change = "UPDATE accounts SET status = ? WHERE id = ?"
    _run(path, change, "active", account)
    return (
        "No money is touched this time: Mamun's frozen wallet is set to active.",
        f"accounts id={account}",
        lambda: _run(path, change, "frozen", account),
    )


def _verify(path: Path, number: int) -> Report:
    database = Database(f"sqlite:///{path}")
    try:
        return verifying.verify(database, number)
    finally:
        database.close()


def _account(path: Path, wallet: str) -> int:
    return _one(path, "SELECT id FROM accounts WHERE code = ?", f"wallet/{wallet}")


def _one(path: Path, query: str, *values: object) -> int:
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute(query, values).fetchone()[0])


def _run(path: Path, change: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(change, values)
        file.commit()
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _swap(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(old, new, 1))

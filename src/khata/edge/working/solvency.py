"""Checking solvency, and publishing proofs of liabilities: count in one snapshot, then record it.

The one place where either is done, for the schedule, the HTTP door and the command line.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from threading import Lock
from typing import Final

import msgspec

from khata.app import Khata
from khata.base.actor import WORKER, Actor
from khata.base.clock import Instant
from khata.domain import setup, solvency
from khata.domain.solvency import (
    Checked,
    Inclusion,
    PublishRoot,
    RecordSolvency,
    RootView,
    Tree,
)
from khata.edge.working.parts import Sounds
from khata.edge.working.schedule import Job, slot_key
from khata.engine import reading
from khata.engine.journal import Receipt
from khata.errors import Invalid, KeyReused

_SECRET_BYTES: Final = 32
_MOST_TREES: Final = 4
JOB: Final = "solvency"
SCHEDULED: Final = "schedule"


def check(
    book: Khata,
    alerts: Sounds | None,
    by: str,
    *,
    key: str | None = None,
    slot: Instant | None = None,
    dry_run: bool = False,
) -> Receipt:
    """Count every currency, record it, brake payouts where there is a breach, and tell people.

    `by`: who asked. `key`: with the same one of theirs the first answer comes back, whatever was
    counted since. The result is a `Checked`. Errors: those of `Khata.submit`.
    """
    with book.view() as view:
        found = solvency.position(view)
    figures = [solvency.figure_of(item) for item in found.items]
    command = RecordSolvency(found.as_of, figures, slot, by)
    receipt = _first(book, command, _key("check", by, key), dry_run=dry_run)
    result: Checked = receipt.result
    for item in result.items:
        # one who died between the record and the alert told nobody: who takes the slot up tells
        is_told = receipt.replayed and slot is None
        if item.breach and alerts is not None and not (is_told or dry_run):
            alerts.sound(
                "solvency_breached",
                book=book.book,
                part=item.currency,
                reason=item.reason,
                net=item.net,
            )
    return receipt


def job(alerts: Sounds) -> Job:
    """The check as a worker's job: each slot once."""

    def run(book: Khata, slot: Instant) -> None:
        check(book, alerts, SCHEDULED, key=slot_key(JOB, slot), slot=slot)

    return run


def publish(
    book: Khata, currency: str, by: str, *, key: str | None = None, dry_run: bool = False
) -> Receipt:
    """Publish a proof of what owners are owed in a currency now; the result is a `RootView`.

    Errors: `UnknownCurrency`; `Invalid` when nobody has a balance in it; `KeyReused` when the key
    was for another currency.
    """
    with book.view() as view:
        as_of = reading.head(view).seq
        balances = solvency.owed_to_owners(view, currency, as_of)
        exponent = setup.decimals_of(view, currency)
        label = solvency.label_of(book.scope, currency, exponent, as_of, view.now)
    if not balances:
        raise Invalid(
            f"Nobody has a wallet in {currency} that ever moved.", expected="balances", got=0
        )
    secret = secrets.token_bytes(_SECRET_BYTES)
    tree = Tree(balances, secret, label)
    command = PublishRoot(
        currency, as_of, label, tree.hash, str(tree.total), len(balances), secret.hex(), by
    )
    receipt = _first(book, command, _key("root", by, key), dry_run=dry_run)
    root: RootView = receipt.result
    if root.currency != currency:
        raise KeyReused(
            f"The key was for a proof in {root.currency}.", expected=root.currency, got=currency
        )
    if root.hash == tree.hash and not dry_run:
        TREES.keep((book.scope, root.id), tree)
    return receipt


def _key(what: str, by: str, key: str | None) -> str | None:
    """A key of the caller's as one of the worker's, who submits: no two callers share one."""
    if key is None:
        return None
    digest = hashlib.sha256(f"{by} {key}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"solvency/{what}/{digest}"


def _first(
    book: Khata, command: RecordSolvency | PublishRoot, key: str | None, *, dry_run: bool
) -> Receipt:
    """Submit what was counted; under a key that was used, what was counted first is the answer."""
    try:
        return book.submit(command, key=key, actor=WORKER, dry_run=dry_run)
    except KeyReused as error:
        with book.view() as view:
            (row,) = reading.journal(view, after=error.details["seq"] - 1, limit=1)
        result = book.verbs.of(command).read_result(row.result)
        return Receipt(row.seq, row.key, row.at, result, replayed=True)


# ── proofs ───────────────────────────────────────────────────────────────────────────


class Trees:
    """Trees of roots that were asked for lately: they never change, and take a while to build."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Tree] = OrderedDict()
        self._lock = Lock()

    def keep(self, name: tuple[str, str], tree: Tree) -> None:
        """Keep it; the one that was not asked for longest goes."""
        with self._lock:
            self._known[name] = tree
            self._known.move_to_end(name)
            while len(self._known) > _MOST_TREES:
                self._known.popitem(last=False)

    def forget(self) -> None:
        """Build them anew when they are asked for."""
        with self._lock:
            self._known.clear()

    def of(self, book: Khata, root: str) -> Tree:
        """The tree of a root. Who asks meanwhile waits. Errors: those of `solvency.tree_of`."""
        name = (book.scope, root)
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return self._known[name]
            with book.view() as view:
                tree = solvency.tree_of(view, root)
        self.keep(name, tree)
        return tree


TREES: Final = Trees()


def prove(book: Khata, owner: str, root: str, actor: Actor) -> Inclusion:
    """The proof that an owner's balance is in a published root.

    Errors: `NotYours` for another owner's; `RootNotFound`; `Invalid` when rows were altered since.
    """
    with book.view(actor) as view:
        view.check_owner(owner)
        solvency.root(view, root)
        return solvency.inclusion(view, owner, root, TREES.of(book, root))


def proof_text(proof: Inclusion) -> str:
    """The proof as the JSON that examples/verify_inclusion.py reads."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=2).decode()

"""The book that a handler sees: rows to read, changes to make, entries to post.

Everything a handler does here lands in an overlay of its own. Success merges the overlay in the
cache, where the next command of the batch sees it; a refusal throws it away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from khata.base import ids
from khata.base.actor import Actor
from khata.base.clock import Instant
from khata.base.money import MAX_MINOR
from khata.engine import limits
from khata.engine.accounts import SIDE, Account, Entry, Lines, Velocity
from khata.engine.cache import ABSENT, Address, Cache, Missing, Question
from khata.engine.command import Command, Verbs
from khata.engine.holds import Hold
from khata.engine.records import Key, Record, Row, spec
from khata.errors import AlreadyExists, AmountTooLarge, Invalid, NotFound, Unbalanced

R = TypeVar("R", bound=Record)
Leg = tuple[int, int]
"""(account id, amount in minor units: debit positive, credit negative)."""

_NOTHING: Final = (None, None)
_legs_json: Final = msgspec.json.Encoder().encode


class Touched(Protocol):
    """Where a merge notes which states are new, changed, changed in columns that no index has
    (`plain`), or in volatile columns only (`hot`).

    `rows`: records as they were last digested, with their columns, so that they are encoded once.
    """

    new: dict[Address, None]
    full: dict[Address, None]
    plain: dict[Address, None]
    hot: dict[Address, None]
    rows: dict[Address, tuple[Record, Row]]


class Posted(msgspec.Struct, frozen=True, gc=False):
    """An entry that was just posted: who it is, and each leg's account as it stands after it."""

    seq: int
    entry: int
    first_leg: int
    accounts: list[Account]
    amounts: list[int]


class Book:
    """One command's view of a book, and the only way to change it.

    `now`, `actor`, `seq`: given, never taken from the world. `approved`: the command was asked
    for by one person and approved by another. `asked_at`: when it was asked for.
    """

    __slots__ = (
        "_cache",
        "_changed",
        "_count",
        "_encoded",
        "_entries",
        "_leg",
        "_made",
        "_placed",
        "_rows",
        "_verbs",
        "actor",
        "approved",
        "asked_at",
        "facts",
        "now",
        "seq",
    )

    def __init__(
        self,
        cache: Cache,
        actor: Actor,
        now: Instant,
        seq: int,
        verbs: Verbs,
    ) -> None:
        self._cache = cache
        self._rows: dict[Address, Record] = {}
        self._changed: dict[Address, bool] = {}
        self._placed: dict[Question, set[Key]] = {}
        self._made: set[Key] = set()
        self._encoded: dict[Address, tuple[Record, Row]] = {}
        self._count = 0
        self._leg = 0
        self._entries: list[Row] = []
        self._verbs = verbs
        self.facts: dict[str, list[Row]] = {}
        self.actor = actor
        self.now = now
        self.seq = seq
        self.approved = False
        self.asked_at: Instant | None = None

    # ── reading ──────────────────────────────────────────────────────────────────────

    def peek(self, cls: type[R], key: Key) -> R | None:
        """The row with this key, or None."""
        address = (cls, key)
        row = self._rows.get(address)
        if row is None:
            found = self._cache.rows.get(address, ABSENT)
            if found is ABSENT:
                fact = self._cache.fact(address)
                if fact is None:
                    raise Missing((address,))
                return spec(cls).decode(fact)  # type: ignore[no-any-return]
            return found  # type: ignore[return-value]
        return row  # type: ignore[return-value]

    def get(self, cls: type[R], key: Key) -> R:
        """The row with this key. Errors: `NotFound`."""
        row = self.peek(cls, key)
        if row is None:
            raise NotFound(f"No {cls.__name__.lower()} {key!r}.", got=key)
        return row

    def find(self, cls: type[R], **where: Any) -> list[R]:
        """All rows whose one declared column has this value, in the order of their keys."""
        ((column, value),) = where.items()
        known = self._cache.answers.get((cls, column, value))
        if known is None:
            raise Missing(questions=[(cls, column, value)])
        if not known and not self._placed:
            return []
        placed = self._placed.get((cls, column, value))
        if placed is None and len(known) == 1:
            (key,) = known
            row = self._rows.get((cls, key)) or self._cache.rows[cls, key]
            return [row] if getattr(row, column) == value else []  # type: ignore[list-item]
        keys = known.union(placed or ())
        rows = [self.peek(cls, key) for key in sorted(keys)]
        return [row for row in rows if row is not None and getattr(row, column) == value]

    def foresee(self, cls: type[Record], column: str, values: Iterable[Any]) -> None:
        """Have what `find` will be asked loaded at once; without it, it is one by one."""
        self.expect(answers=((cls, column, value) for value in dict.fromkeys(values)))

    def expect(self, rows: Iterable[Address] = (), answers: Iterable[Question] = ()) -> None:
        """Have what `peek` and `find` will be asked loaded at once; without it, one by one.

        `rows`: (class, key), for states. `answers`: (class, column, value).
        """
        missing = self._cache.lacks((row for row in rows if row not in self._rows), answers)
        if missing is not None:
            raise missing

    def find_one(self, cls: type[R], **where: Any) -> R | None:
        """The one row whose unique column has this value, or None."""
        rows = self.find(cls, **where)
        return rows[0] if rows else None

    # ── changing ─────────────────────────────────────────────────────────────────────

    def new_number(self) -> int:
        """A number that nothing else in this book has."""
        self._count += 1
        if self._count >= ids.PER_COMMAND:
            raise Invalid(
                "One command creates too many things.", expected=f"fewer than {ids.PER_COMMAND}"
            )
        number = ids.number(self.seq, self._count)
        self._made.add(number)
        return number

    def new_id(self, prefix: str) -> str:
        """A readable identifier such as `hld_0x3k`."""
        name = ids.to_text(prefix, self.new_number())
        self._made.add(name)
        return name

    def add(self, record: R) -> R:
        """A new row. A fact joins the journal's hash; a state can be changed later.

        Errors: `AlreadyExists` for a state whose key is taken.
        """
        shape = spec(type(record))
        if shape.table.facts:
            self.facts.setdefault(shape.name, []).append(shape.encode(record))
            return record
        address = (type(record), shape.key_of(record))
        taken = address in self._rows if address[1] in self._made else self.peek(*address)
        if taken:
            raise AlreadyExists(
                f"{type(record).__name__} {address[1]!r} exists already.", got=address[1]
            )
        self._rows[address] = record
        self._note(address, record, indexed=True)
        return record

    def change(self, record: R, **fields: Any) -> R:
        """A changed copy of a row, tracked."""
        shape = spec(type(record))
        changed = msgspec.structs.replace(record, **fields)
        address = (type(record), shape.key_of(record))
        self._rows[address] = changed
        if not shape.hot or not all(name in shape.hot for name in fields):
            indexed = any(
                name in shape.indexed and value != getattr(record, name)
                for name, value in fields.items()
            )
            self._note(address, changed, indexed=indexed)
        return changed

    def _note(self, address: Address, record: Record, *, indexed: bool) -> None:
        """A row is new, or its stable columns changed: `find` must know where it stands now.

        `indexed`: one of them is in an index, which is then to be written too.
        """
        self._changed[address] = indexed or self._changed.get(address, False)
        cls, key = address
        for column in cls.TABLE.finds:
            self._placed.setdefault((cls, column, getattr(record, column)), set()).add(key)

    def perform(self, command: Any) -> Any:
        """Carry out another command as part of this one; its result.

        Errors: `RoleRequired`, and those of the command.
        """
        verb = self._verbs.of(command)
        verb.check(self.actor)
        return verb.handler(self, command)

    @property
    def sagas(self) -> Any:
        """The sagas that this book knows: see `khata.engine.sagas`."""
        return self._verbs.sagas

    def announce(
        self,
        type: str,  # noqa: A002 - the column's name
        subject: str,
        owner: str | None = None,
        **data: Any,
    ) -> None:
        """Tell the world outside, once this command is committed: see `khata.engine.events`."""
        self.announce_to((owner,), type, subject, **data)

    def announce_to(
        self,
        owners: Iterable[str | None],
        type: str,  # noqa: A002 - the column's name
        subject: str,
        **data: Any,
    ) -> None:
        """The same event for each of several owners; for none there is nothing to write."""
        text = msgspec.json.encode(data, order="sorted").decode()
        for owner in owners:
            events = self.facts.setdefault("events", [])
            events.append((self.seq, len(events), type, subject, owner, text))

    def read(self, raw: Mapping[str, Any]) -> Command:
        """The command in a JSON object with `kind` that somebody outside wrote.

        Errors: `UnknownCommand`, also for a verb of Khata's own workers; `Invalid`.
        """
        return self._verbs.read(msgspec.json.encode(raw), from_outside=True)

    # ── posting ──────────────────────────────────────────────────────────────────────

    def account(self, account_id: int) -> Account:
        """The account, with every hold that is past its expiry released."""
        account = self.peek(Account, account_id) or self.get(Account, account_id)
        if account.next_expiry is not None and account.next_expiry <= self.now:
            return self._release_expired(account)
        return account

    def _release_expired(self, account: Account) -> Account:
        released, later = 0, []
        for hold in self.find(Hold, open_account=account.id):
            if hold.expires_at is not None and hold.expires_at <= self.now:
                self.change(hold, status="expired", remaining=0, open_account=None)
                released += hold.remaining
            elif hold.expires_at is not None:
                later.append(hold.expires_at)
        return self.change(
            account, held=account.held - released, next_expiry=min(later, default=None)
        )

    def post(
        self,
        legs: Sequence[Leg],
        *,
        type: str,  # noqa: A002 - the column's name
        source: str,
        reference: str | None = None,
        note: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        lines: Lines | None = None,
        reverses: tuple[int, int] | None = None,
        overdraw: bool = False,
        metered: bool = True,
    ) -> Posted:
        """Post an entry. Amounts in minor units, debit positive.

        `lines`: what owners call it in their own books. `overdraw`: floors do not bind (an
        approved policy says so). `metered`: velocity limits count it.

        Errors: `Unbalanced`, `AmountTooLarge`, `AccountFrozen`, `AccountClosed`,
        `InsufficientFunds`, `LimitExceeded`, `NotFound`.
        """
        seq, first, entry = self.seq, self._leg, len(self._entries)
        postings = self.facts.setdefault("postings", [])
        accounts: list[Account] = []
        sums: dict[str, int] = {}
        for leg, (account_id, amount) in enumerate(legs, first):
            account = self._move(self.account(account_id), amount)
            accounts.append(account)
            sums[account.unit] = sums.get(account.unit, 0) + amount
            line = category = None
            if lines is not None and account.owner is not None:
                came = amount * SIDE[account.kind] > 0
                line = lines.came if came is not lines.mirrored else lines.went
                category = lines.category
            postings.append((account_id, seq, leg, entry, amount, account.balance, line, category))
        self._leg = first + len(accounts)
        if len(accounts) < 2 or any(sums.values()):  # noqa: PLR2004 - double entry
            raise Unbalanced(
                "An entry has two or more legs that sum to zero for each unit.",
                expected=0,
                got={unit: total for unit, total in sums.items() if total},
            )
        for account, (_, amount) in zip(accounts, legs, strict=True):
            if amount * SIDE[account.kind] < 0:
                self._check(account.id, amount, overdraw=overdraw, metered=metered)
        row: Row = (
            seq,
            entry,
            type,
            source,
            reference,
            note,
            msgspec.json.encode(metadata, order="sorted").decode() if metadata else None,
            first,
            _legs_json(legs).decode(),
            *(reverses or _NOTHING),
        )
        self._entries.append(row)
        self.facts["entries"] = self._entries
        return Posted(seq, entry, first, accounts, [amount for _, amount in legs])

    def _move(self, account: Account, amount: int) -> Account:
        if account.status != "active":
            limits.check_status(account)
        balance = account.balance + amount
        if not amount or not -MAX_MINOR <= balance <= MAX_MINOR:
            raise AmountTooLarge(
                f"{account.code}: a leg is not zero and no balance passes {MAX_MINOR}.",
                expected=MAX_MINOR,
                got=balance,
            )
        moved = msgspec.structs.replace(account, balance=balance)
        self._rows[Account, account.id] = moved
        return moved

    def _check(self, account_id: int, amount: int, *, overdraw: bool, metered: bool) -> None:
        """What leaves an account is there, and within its limits."""
        account: Account = self._rows[Account, account_id]  # type: ignore[assignment]
        if account.floor is not None and not overdraw:
            room = limits.headroom(account)
            if room is not None and room < 0:
                before = msgspec.structs.replace(account, balance=account.balance - amount)
                limits.check_headroom(before, limits.leaves(account, amount))
        if metered and account.limits:
            self.meter(account, limits.leaves(account, amount))

    def meter(self, account: Account, amount: int) -> None:
        """Count `amount` as leaving now. Errors: `LimitExceeded`."""
        for limit in account.limits or ():
            known = self.peek(Velocity, (account.id, limit.window_seconds))
            slices = known.slices if known else []
            slices = limits.spend(limit, slices, amount, self.now, account)
            if known:
                self.change(known, slices=slices)
            else:
                self.add(Velocity(account.id, limit.window_seconds, slices))

    # ── what the decision reads off ──────────────────────────────────────────────────

    @property
    def posted(self) -> int:
        """How many entries were posted so far."""
        return len(self._entries)

    def changes(self) -> list[tuple[str, Key, str]]:
        """[table, key, digest] of every state that was added or whose stable columns changed."""
        found = []
        for cls, key in self._changed:
            shape = spec(cls)
            record = self._rows[cls, key]
            row = shape.encode(record)
            self._encoded[cls, key] = (record, row)
            found.append((shape.name, key, shape.digest(row)))
        return found

    def merge(self, batch: Touched) -> None:
        """Put every row of the overlay in the cache, and note in the batch how to write it."""
        cache, changed = self._cache, self._changed
        for address, row in self._rows.items():
            if changed and address in changed:
                if cache.rows.get(address) is None:
                    batch.new[address] = None
                elif changed[address]:
                    batch.full[address] = None
                else:
                    batch.plain[address] = None
                cache.put(address, row)
                batch.rows[address] = self._encoded[address]
            else:
                batch.hot[address] = None
                cache.put_hot(address, row)
        for entry in self._entries:
            cache.put_fact((Entry, (entry[0], entry[1])), entry)

"""`khata shadow …`: beside another system, how far Khata agrees with it, and switching over."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, Self

from cyclopts import Parameter

from khata.app import Khata
from khata.base.actor import Actor
from khata.domain import shadow
from khata.domain.shadow import (
    ComparisonView,
    DefineFlow,
    Difference,
    Event,
    Fed,
    FlowLine,
    FlowReport,
    FlowState,
    Rate,
    SwitchFlow,
)
from khata.edge.cli.exits import DONE, EXITS
from khata.edge.cli.screen import dump, err, out, pairs, row, short, show_page, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Reason,
    Where,
    carry_out,
    command,
    family,
    looking,
    opened,
)
from khata.edge.shadowing import AT_ONCE, feed_all, read_event
from khata.errors import Invalid, InvalidFile, Refused

app: Final = family("shadow", "Beside another system: what differs, and switching over.")
Name = Annotated[str, Parameter(help="The flow, such as checkout.")]
Pairs = list[str] | None
_PERCENT: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?")
_LONGEST: Final = 1 << 20


@command(app, "flows", "khata shadow flows", "khata shadow flows --json")
def flows(
    *, cursor: Cursor = None, limit: Limit = 50, json: Json = False, where: Where = HERE
) -> int:
    """List flows: their mode, whether they are silent, how much matches."""
    with looking(where) as view:
        page = shadow.flows(view, cursor=cursor, limit=limit)
    show_page(page, _show_all, json=json)
    return 0


@command(
    app,
    "define",
    "khata shadow define checkout --field left=legs.0.balance_after",
    "khata shadow define payouts --code NO_MONEY=insufficient_funds --tolerance fee=0.01",
    "khata shadow define refunds --gate 99.5 --least 5000 --ignore id --mask card",
)
def define(
    name: Name,
    *,
    into: Annotated[str, Parameter(help="The book in which commands are tried.")] = "shadow",
    gate: Annotated[str, Parameter(help="How many in a hundred must match.")] = "99",
    least: Annotated[int, Parameter(help="Of at least how many comparisons.")] = 1000,
    window_hours: Annotated[int, Parameter(help="In how many last hours.")] = 168,
    late_seconds: Annotated[int, Parameter(help="When an event is late; 0: never.")] = 300,
    quiet_seconds: Annotated[int, Parameter(help="When the flow counts as silent.")] = 900,
    field: Annotated[
        Pairs, Parameter(help="THEIRS=OURS: their field, our dotted path; may repeat.", negative="")
    ] = None,
    code: Annotated[
        Pairs,
        Parameter(help="THEIRS=OURS: their code of a refusal, ours; may repeat.", negative=""),
    ] = None,
    tolerance: Annotated[
        Pairs, Parameter(help="FIELD=AMOUNT: how far apart it may be; may repeat.", negative="")
    ] = None,
    ignore: Annotated[
        Pairs, Parameter(help="A field that is not compared; may repeat.", negative="")
    ] = None,
    mask: Annotated[
        Pairs, Parameter(help="A field whose values are not kept; may repeat.", negative="")
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Say how a flow is compared, and when it may be relied on. A new one is off.

    Defining it again says all of it anew, but for its mode.
    """
    wanted = DefineFlow(
        name,
        into,
        _basis_points(gate),
        least,
        window_hours * 3600,
        late_seconds,
        quiet_seconds,
        _pairs(field),
        _pairs(code),
        ignore or [],
        _pairs(tolerance),
        mask or [],
    )
    return carry_out(where, how, wanted, _show_state, create=True)


@command(
    app,
    "switch",
    "khata shadow switch checkout shadow --reason 'A trial'",
    "khata shadow switch checkout primary --reason 'It agrees' --ask 'We know the rest'",
    "khata shadow switch checkout off --reason 'Too slow'",
)
def switch(
    flow: Name,
    mode: Annotated[str, Parameter(help="off, shadow or primary.")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Switch a flow, at once. To primary the gate must be open, or a second person approve."""
    return carry_out(where, how, SwitchFlow(flow, mode, reason), _show_state)


@command(
    app,
    "feed",
    "khata shadow feed events.jsonl",
    "tail -f events.jsonl | khata shadow feed - --json",
)
def feed(
    file: Annotated[
        Path, Parameter(help="JSON lines; - for standard input.", allow_leading_hyphen=True)
    ],
    *,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Carry out what another system did in the flow's book, and compare what came of it.

    An event counts once, by its flow and its seq: feed a file again, or go on where it was. What
    comes by standard input is carried out line by line, as it comes.
    """
    tally: Counter[str] = Counter()
    with opened(where) as book, _Beside(book, where) as beside, _reading(file) as lines:
        who = where.who()
        feeder = Actor(who.name, who.roles | {"service"}) if who.owner is None else who
        at_once = 1 if lines is sys.stdin.buffer else AT_ONCE
        for fed in feed_all(book, beside.into, _events(lines), actor=feeder, at_once=at_once):
            tally[fed.status] += 1
            if json:
                dump(fed)
            elif fed.status == "refused":
                err().print(_refused(fed), soft_wrap=True)
    if not json:
        told = ", ".join(f"{count:,} {status}" for status, count in sorted(tally.items()))
        out().print(f"{tally.total():,} events: {told}." if tally else "No events.")
    return EXITS[Refused] if tally["refused"] else DONE


@command(app, "report", "khata shadow report checkout", "khata shadow report checkout --json")
def report(flow: Name, *, json: Json = False, where: Where = HERE) -> int:
    """Show how a flow does: its gate, in what ways it differs, how it was switched."""
    with looking(where) as view:
        found = shadow.report(view, flow)
    if json:
        dump(found)
    else:
        _show_report(found)
    return 0


@command(
    app,
    "mismatches",
    "khata shadow mismatches checkout",
    "khata shadow mismatches checkout --signature 'wallets.debit left:one_unit' --json",
)
def mismatches(
    flow: Name,
    *,
    signature: Annotated[str | None, Parameter(help="Only those that differ so.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List what did not match, newest first, field by field."""
    with looking(where) as view:
        page = shadow.comparisons(
            view, flow, outcome="mismatch", signature=signature, cursor=cursor, limit=limit
        )
    show_page(page, _show_comparisons, json=json)
    return 0


# ── reading ──────────────────────────────────────────────────────────────────────────


class _Beside:
    """The books in which commands are tried, opened once each, made when they do not exist."""

    def __init__(self, book: Khata, where: Where) -> None:
        self._books = {book.book: book}
        self._where = where
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def into(self, name: str) -> Khata:
        """The book with this name, of the same database."""
        if name not in self._books:
            opening = Khata.open(self._where.database, name, create=True)
            self._books[name] = self._open.enter_context(opening)
        return self._books[name]


@contextmanager
def _reading(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream


def _events(lines: BinaryIO) -> Iterator[Event]:
    """Errors: `InvalidFile` at a line that is no event."""
    for number, line in enumerate(iter(lambda: lines.readline(_LONGEST), b""), 1):
        if not line.strip():
            continue
        try:
            yield read_event(line)
        except Invalid as error:
            raise InvalidFile(
                f"Line {number}: {error.message}", line=number, **error.details
            ) from None


def _basis_points(text: str) -> int:
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise Invalid("A gate is a percentage.", expected="such as 99 or 99.5", got=text[:40])
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


def _pairs(texts: Iterable[str] | None) -> dict[str, str]:
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise Invalid(f"{text[:60]!r} has no =.", expected="NAME=VALUE", got=text[:60])
        found[name] = value
    return found


# ── showing ──────────────────────────────────────────────────────────────────────────


def _percent(rate: Rate) -> str:
    known = "" if rate.basis_points is None else f"{shadow.percent(rate.basis_points)} %, "
    return f"{known}{rate.matched:,} of {rate.compared:,}"


def _refused(fed: Fed) -> str:
    return f"{fed.flow} {fed.seq}: {fed.code}: {fed.message}"


def _show_state(item: FlowState) -> None:
    def listed(values: dict[str, str]) -> str:
        return ", ".join(f"{name}={value}" for name, value in values.items())

    rows: list[tuple[str, Any]] = [
        ("flow", item.name),
        ("mode", f"{item.mode} since {short(item.mode_since)}"),
        ("gate", f"{shadow.percent(item.gate)} % of {item.least:,} in {item.window_seconds:,} s"),
        ("into", item.into),
        ("fields", listed(item.fields)),
        ("codes", listed(item.codes)),
        ("tolerances", listed(item.tolerances)),
        ("ignored", ", ".join(item.ignored)),
        ("masked", ", ".join(item.masked)),
    ]
    out().print(pairs([(name, value) for name, value in rows if value]))


def _show_report(found: FlowReport) -> None:
    _show_state(found.flow)
    quiet = found.quiet_for_seconds
    rows: list[tuple[str, Any]] = [
        ("status", found.status if quiet is None else f"{found.status}, quiet for {quiet:,} s"),
        ("window", _percent(found.window)),
        ("in all", _percent(found.total)),
        ("gate is", "open" if found.gate_open else f"closed: {found.why}"),
        ("our errors", str(found.errors)),
        ("dropped", str(found.dropped)),
        ("gaps", str(found.gaps)),
    ]
    out().print(pairs(rows))
    made = table("count>", "signature", "last", "for example")
    for item in found.signatures:
        last = item.last
        row(made, f"{item.count:,}", item.signature, short(last.at),
            f"{last.reference} {_apart(last.differences)}")  # fmt: skip
    if found.signatures:
        out().print(made)
    changes = table("switched", "from", "to", "by", "reason", "matched then")
    for change in found.history:
        forced = " (gate closed)" if change.forced else ""
        row(changes, short(change.at), change.before, change.after + forced, change.by,
            change.reason, _percent(change.rate))  # fmt: skip
    if found.history:
        out().print(changes)


def _show_all(items: list[FlowLine]) -> None:
    made = table("flow", "status", "window", "gate", "errors>", "dropped>", "gaps>")
    for item in items:
        counts = (str(item.errors), str(item.dropped), str(item.gaps))
        gate = "open" if item.gate_open else "closed"
        row(made, item.name, item.status, _percent(item.window), gate, *counts)
    out().print(made if items else "No flows.")


def _show_comparisons(items: list[ComparisonView]) -> None:
    made = table("compared", "seq>", "reference", "signature", "theirs → ours")
    for item in items:
        seq = None if item.number is None else str(item.number)
        row(made, short(item.at), seq, item.reference, item.signature,
            _apart(item.differences) or f"{item.theirs or '-'} → {item.ours or '-'}")  # fmt: skip
    out().print(made if items else "No mismatches.")


def _apart(differences: list[Difference]) -> str:
    return ", ".join(
        f"{item.field} {item.theirs or '-'} → {item.ours or '-'}" for item in differences
    )

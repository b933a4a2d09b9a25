"""`khata sagas …`: watching long ways of several steps, and deciding where a machine cannot."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from cyclopts import Parameter

from khata.base.ids import PER_COMMAND, from_text
from khata.base.money import Money
from khata.domain import sagas
from khata.domain.sagas import (
    ApproveSaga,
    CancelSaga,
    CompensateSaga,
    PauseSaga,
    ResolveSaga,
    ResumeSaga,
    RetrySaga,
    ScheduleSaga,
    SignalSaga,
    SkipStep,
    StartSaga,
    UnscheduleSaga,
)
from khata.edge.cli.screen import dump, out, pairs, short, show_page
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
)
from khata.edge.cli.timelines import (
    show_health,
    show_saga,
    show_sagas,
    show_schedules,
    show_state,
)
from khata.errors import Invalid

app: Final = family("sagas", "Long ways of several steps: watch them, decide for them.")
_SEQ_DIGITS: Final = 18
Run = Annotated[str, Parameter(help="The saga's id, sag_….")]
Data = Annotated[str, Parameter(help='A JSON object, such as {"order": "M1"}.')]


# ── watching ─────────────────────────────────────────────────────────────────────────


@command(
    app,
    "list",
    "khata sagas list --failed",
    "khata sagas list --status waiting --name checkout",
    "khata sagas list --failed --json | jq -r .id",
)
def list_(
    *,
    failed: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="The queue: those that wait for a person, or for an answer from outside.",
        ),
    ] = False,
    status: Annotated[str | None, Parameter(help="running, waiting, stuck, …")] = None,
    name: Annotated[str | None, Parameter(help="Only sagas of this name.")] = None,
    reference: Annotated[str | None, Parameter(help="What they are about.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List sagas, newest first."""
    with looking(where) as view:
        page = sagas.sagas(
            view,
            status=status,
            name=name,
            reference=reference,
            failed=failed,
            cursor=cursor,
            limit=limit,
        )
    show_page(page, show_sagas, json=json)
    return 0


@command(app, "show", "khata sagas show sag_0400", "khata sagas show sag_0400 --json")
def show(run: Run, *, json: Json = False, where: Where = HERE) -> int:
    """Show a saga and its timeline: every step, who decided what, which entries were posted."""
    with looking(where) as view:
        found = sagas.saga(view, run)
    if json:
        dump(found)
    else:
        show_saga(found)
    return 0


@command(app, "health", "khata sagas health", "khata sagas health --json")
def health(*, json: Json = False, where: Where = HERE) -> int:
    """Show how sagas went in the last 24 hours, 7 days and 30 days, and why they failed."""
    with looking(where) as view:
        found = sagas.health(view)
    if json:
        dump(found)
    else:
        show_health(found)
    return 0


@command(app, "why", "khata sagas why 17", "khata sagas why ent_0h00")
def why(
    what: Annotated[str, Parameter(help="An entry, ent_…, or the number of a command.")],
    *,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Say why money moved: by which command, in which step of which saga, on whose behalf."""
    with looking(where) as view:
        found = sagas.why(view, _seq(what))
    if json:
        dump(found)
        return 0
    rows = [
        ("command", f"{found.seq}, {found.kind}"),
        ("by", found.actor),
        ("at", short(found.at)),
        ("saga", found.saga),
        ("step", found.step),
        ("started by", found.started_by),
    ]
    out().print(pairs([(name, cell) for name, cell in rows if cell]))
    return 0


def _seq(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= _SEQ_DIGITS:
        return int(text)
    entry = from_text("ent", text)
    if entry is None:
        raise Invalid(
            f"{text[:60]!r} is neither an entry nor a command.",
            expected="such as ent_0h00, or 17",
            got=text[:60],
        )
    return entry // PER_COMMAND


# ── starting and telling ─────────────────────────────────────────────────────────────


@command(
    app,
    "start",
    'khata sagas start checkout --data \'{"order": "M1"}\' --reference M1',
)
def start(
    name: Annotated[str, Parameter(help="Which saga.")],
    *,
    data: Data = "{}",
    reference: Annotated[str | None, Parameter(help="What it is about.")] = None,
    serial: Annotated[
        str | None, Parameter(help="Sagas with the same text go one after the other.")
    ] = None,
    priority: Annotated[int | None, Parameter(help="1, 0 or -1.", negative="")] = None,
    amount: Annotated[str | None, Parameter(help="The money at stake.")] = None,
    currency: Annotated[str | None, Parameter(help="The currency of that.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Start a saga; a worker takes it up."""
    if (amount is None) != (currency is None):
        raise Invalid("An amount has a currency.", expected="--amount and --currency", got=None)
    stake = Money(amount, currency) if amount and currency else None
    wanted = StartSaga(name, _json(data), reference, serial, priority, stake)
    return carry_out(where, how, wanted, show_state)


@command(app, "signal", 'khata sagas signal sag_0400 receipt --data \'{"file": "r7.pdf"}\'')
def signal(
    run: Run,
    name: Annotated[str, Parameter(help="What happened.")],
    *,
    data: Data = "{}",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Tell a saga that something happened."""
    return carry_out(where, how, SignalSaga(run, name, _json(data)), show_state)


@command(
    app,
    "approve",
    "khata sagas approve sag_0400 --reason 'The receipt fits'",
    "khata sagas approve sag_0400 --reject --reason 'No receipt'",
)
def approve(
    run: Run,
    *,
    reason: Reason,
    reject: Annotated[
        bool, Parameter(negative="", show_default=False, help="Turn it down instead.")
    ] = False,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Approve, or turn down, what a saga waits for; who started it cannot."""
    return carry_out(where, how, ApproveSaga(run, not reject, reason), show_state)


# ── deciding ─────────────────────────────────────────────────────────────────────────


@command(
    app,
    "retry",
    "khata sagas retry sag_0400 --reason 'The bank is back' --dry-run",
    "khata sagas retry sag_0400 --data '{\"wallet\": \"bob/partner/BDT\"}' --reason 'Wrong wallet'",
)
def retry(
    run: Run,
    *,
    reason: Reason,
    data: Annotated[str, Parameter(help="What to change in its input, a JSON object.")] = "{}",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Try the step again at which a saga failed."""
    return carry_out(where, how, RetrySaga(run, reason, _json(data)), show_state)


@command(app, "skip", "khata sagas skip sag_0400 --reason 'The letter was sent by hand'")
def skip(run: Run, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Go on without the step, or the undo, at which a saga is stuck."""
    return carry_out(where, how, SkipStep(run, reason), show_state)


@command(
    app,
    "resolve",
    "khata sagas resolve sag_0400 --outcome done --evidence 'Statement, line 7' --reason Silence",
    "khata sagas resolve sag_0400 --outcome closed --evidence 'Ticket 12' --reason 'Paid in cash'",
)
def resolve(
    run: Run,
    *,
    outcome: Annotated[
        Literal["done", "failed", "closed"],
        Parameter(
            help="Its step was done, or failed and the rest is undone; or the whole saga is closed:"
            " dealt with elsewhere, out of the queue."
        ),
    ],
    evidence: Annotated[str, Parameter(help="How one knows.")],
    reason: Reason,
    data: Annotated[str, Parameter(help="The answer of the step, a JSON object.")] = "{}",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Settle by hand what became of a saga's step, or discard the saga."""
    wanted = ResolveSaga(run, outcome, evidence, reason, _json(data))
    return carry_out(where, how, wanted, show_state)


@command(app, "compensate", "khata sagas compensate sag_0400 --reason 'Sold out' --dry-run")
def compensate(run: Run, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Undo what a stuck saga has done."""
    return carry_out(where, how, CompensateSaga(run, reason), show_state)


@command(app, "cancel", "khata sagas cancel sag_0400 --reason 'The customer asked for it'")
def cancel(run: Run, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Call a saga off and undo what it has done."""
    return carry_out(where, how, CancelSaga(run, reason), show_state)


@command(app, "pause", "khata sagas pause sag_0400 --reason 'The bank does maintenance'")
def pause(run: Run, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Keep workers off a saga."""
    return carry_out(where, how, PauseSaga(run, reason), show_state)


@command(app, "resume", "khata sagas resume sag_0400 --reason 'The bank is back'")
def resume(run: Run, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Let workers go on with a paused saga."""
    return carry_out(where, how, ResumeSaga(run, reason), show_state)


# ── by the clock ─────────────────────────────────────────────────────────────────────


@command(app, "schedules", "khata sagas schedules")
def schedules(*, json: Json = False, where: Where = HERE) -> int:
    """List what is started by the clock."""
    with looking(where) as view:
        found = sagas.schedules(view)
    if json:
        for item in found:
            dump(item)
    else:
        show_schedules(found)
    return 0


@command(
    app,
    "schedule",
    "khata sagas schedule nightly --cron '0 2 * * *' --zone Asia/Dhaka --saga reconcile",
)
def schedule(
    name: Annotated[str, Parameter(help="The schedule's own name.")],
    *,
    cron: Annotated[str, Parameter(help="Minute, hour, day, month, weekday.")],
    saga: Annotated[str, Parameter(help="Which saga to start.")],
    zone: Annotated[str, Parameter(help="The time zone of all that.")] = "UTC",
    data: Data = "{}",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Start a saga by the clock."""
    return carry_out(where, how, ScheduleSaga(name, cron, saga, zone, _json(data)), _scheduled)


@command(app, "unschedule", "khata sagas unschedule nightly --reason 'Done by hand now'")
def unschedule(
    name: Annotated[str, Parameter(help="The schedule's name.")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Stop starting what a schedule is for."""
    return carry_out(where, how, UnscheduleSaga(name, reason), _scheduled)


def _scheduled(state: sagas.ScheduleState) -> None:
    what = f"starts {state.saga} at {state.cron} in {state.zone}" if state.enabled else "is stopped"
    out().print(f"{state.name} {what}.")


def _json(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise Invalid(
            f"{text[:60]!r} is not a JSON object.", expected='{"name": value, …}', got=text[:60]
        ) from None

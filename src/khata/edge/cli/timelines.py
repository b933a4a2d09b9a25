"""How sagas are shown: lists, one with its timeline, what is still to come, figures."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from rich.text import Text

from khata.domain.sagas import SagaHealth, SagaLine, SagaState, SagaView, ScheduleView, Window
from khata.edge.cli.screen import Cell, money, out, pairs, row, short, table

_STYLES: Final = {
    "completed": "green", "done": "green", "resumed": "green",
    "running": "cyan", "waiting": "cyan", "queued": "dim", "intended": "cyan",
    "unknown": "magenta", "failed": "red",
    "stuck": "bold red", "compensation_stuck": "bold red",
    "compensating": "yellow", "compensated": "yellow", "undone": "yellow",
    "skipped": "yellow", "resolved": "yellow", "cancelled": "yellow", "paused": "yellow",
}  # fmt: skip
_LONGEST: Final = 120
_UNITS: Final = {"d": 86_400, "h": 3600, "min": 60}
_ARROW: Final = " → "


def status_text(status: str, *, paused: bool = False) -> Text:
    """A status in its colour."""
    text = Text(status.replace("_", " "), style=_STYLES.get(status, ""))
    return text.append(", paused", style="yellow") if paused else text


def show_sagas(items: Sequence[SagaView]) -> None:
    """A line for each."""
    made = table("saga", "status", "name", "step", "reference", "amount>", "started", "why")
    for item in items:
        row(
            made,
            item.id,
            status_text(item.status, paused=item.paused),
            f"{item.name} {item.version}",
            item.step,
            item.reference,
            money(item.amount.amount, item.amount.currency) if item.amount else None,
            short(item.started_at),
            item.code or item.cause,
        )
    out().print(made if items else "No sagas.")


def show_saga(item: SagaView) -> None:
    """One saga, and its timeline."""
    failure = f"{item.code}: {item.message}" if item.code else None
    amount = money(item.amount.amount, item.amount.currency) if item.amount else None
    rows: list[tuple[str, Cell]] = [
        ("saga", f"{item.id}, {item.name} {item.version}"),
        ("status", status_text(item.status, paused=item.paused)),
        ("step", item.step),
        ("done", _ARROW.join(item.done)),
        ("reference", item.reference),
        ("amount", amount),
        ("undone because of", item.cause),
        ("failure", failure),
        ("data", _brief(item.data) if item.data else None),
        ("call", item.call_key),
        ("worker", item.worker),
        ("due", short(item.due_at) if item.due_at else None),
        ("started", f"{short(item.started_at)} by {item.started_by}"),
        ("ended", short(item.ended_at) if item.ended_at else None),
    ]
    out().print(pairs([(name, cell) for name, cell in rows if cell]))
    show_timeline(item.history)


def show_timeline(lines: Sequence[SagaLine]) -> None:
    """What happened: when, by whom, at which step, with which entries."""
    made = table("time", "seq>", "who", "what", "step", "detail", "entries")
    for line in lines:
        row(
            made,
            short(line.at),
            str(line.seq),
            line.actor,
            status_text(line.what),
            line.step,
            _brief(line.detail) if line.detail else None,
            " ".join(line.entries),
        )
    out().print(made)


def show_state(state: SagaState) -> None:
    """Where a saga stands after a decision, or would stand, and what is to come."""
    where = f" at {state.step}" if state.step else ""
    text = Text.assemble(
        f"{state.id} ({state.name} {state.version}) is ",
        status_text(state.status, paused=state.paused),
        f"{where}.",
    )
    if state.code and state.status not in {"completed", "compensated", "resolved"}:
        text.append(f" Last failure: {state.code}.")
    out().print(text, soft_wrap=True)
    forward = [name for name in state.plan if not name.startswith("undo:")]
    back = [name.removeprefix("undo:") for name in state.plan if name.startswith("undo:")]
    rows: list[tuple[str, Cell]] = [
        ("done", _ARROW.join(state.done)),
        ("to do", _ARROW.join(forward)),
        ("to undo", _ARROW.join(back)),
        ("due", short(state.due_at) if state.due_at else None),
    ]
    shown = [(name, cell) for name, cell in rows if cell]
    out().print(pairs(shown) if state.plan else "Nothing is left to do.")


def show_schedules(items: Sequence[ScheduleView]) -> None:
    """A line for each."""
    made = table("schedule", "cron", "zone", "saga", "status", "next", "last")
    for item in items:
        row(
            made,
            item.name,
            item.cron,
            item.zone,
            item.saga,
            "in force" if item.enabled else "stopped",
            short(item.next_at) if item.next_at else None,
            short(item.last_at) if item.last_at else None,
        )
    out().print(made if items else "No schedules.")


# ── health ───────────────────────────────────────────────────────────────────────────


def show_health(health: SagaHealth) -> None:
    """A column for each window."""
    made = table("", *(f"{_span(window.days)}>" for window in health.windows))
    for name, cell in _FIGURES.items():
        row(made, name, *(cell(window) for window in health.windows))
    out().print(made)
    people = f"Waiting for a person: {health.waiting_for_people}"
    if health.oldest_stuck_seconds is not None:
        people += f", the oldest begun {_age(health.oldest_stuck_seconds)} ago"
    out().print(f"{people}.", style="bold red" if health.waiting_for_people else "")
    out().print(f"Waiting to hear what became of a call: {health.unknown}.")
    reasons = health.windows[-1].reasons
    if reasons:
        listed = table("why, in the longest of these", "sagas>")
        for reason in reasons:
            row(listed, reason.code, str(reason.count))
        out().print(listed)


def _span(days: int) -> str:
    return "24 h" if days == 1 else f"{days} d"


def _age(seconds: int) -> str:
    """In the largest unit of which there are two or more."""
    for unit, length in _UNITS.items():
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _percent(window: Window) -> str:
    return "-" if window.success_rate is None else f"{Decimal(window.success_rate) * 100:.2f} %"


def _milliseconds(window: Window) -> str:
    took = window.mean_compensation_ms
    return "-" if took is None else f"{took:,} ms"


_FIGURES: Final[dict[str, Any]] = {
    "started": lambda window: str(window.started),
    "still open": lambda window: str(window.open),
    "completed": lambda window: str(window.completed),
    "compensated": lambda window: str(window.compensated),
    "resolved by hand": lambda window: str(window.resolved),
    "stuck": lambda window: str(window.stuck),
    "success rate": _percent,
    "undone per failure": lambda window: window.mean_compensations or "-",
    "time to undo": _milliseconds,
}


def _brief(values: dict[str, Any]) -> str:
    text = " ".join(f"{name}={_plain(value)}" for name, value in values.items())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

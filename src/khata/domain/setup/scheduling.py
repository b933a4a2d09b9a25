"""When the work that the clock calls for is done: which jobs there are, and at what time of day.

A job is named here and done by a worker (`khata.edge.working.schedule`). The instants at which it
is due are its slots; the book keeps, for each job, the last slot for which it was done, so that of
several workers, or one that was off, each slot is done once.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

import msgspec

from khata.base.days import zone_of
from khata.domain.setup.commands import acts_alone, keep, setting
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.records import Record, Table
from khata.errors import ApprovalRequired, Invalid

VERBS: Final = Verbs()
SCHEDULES: Final = "schedules"
"""The setting that a `Schedules` is read from."""
HOURLY: Final = "hourly"
OFF: Final = "off"
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Schedules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The setting `schedules`: for each job `hourly`, a time of day such as `02:00` in
    `time_zone`, or `off`.
    """

    time_zone: str = "Asia/Dhaka"
    reconciliation: str = "02:00"
    solvency: str = HOURLY


JOBS: Final = tuple(name for name in Schedules.__struct_fields__ if name != "time_zone")
"""The jobs that can be given a time."""


class Slot(Record, frozen=True):
    """The last slot for which a job was done. `slot`: the instant for which, `done_at`: when."""

    job: str
    slot: int
    done_at: int

    TABLE: ClassVar = Table("schedule_slots", key=("job",))


class SetSchedule(Command, frozen=True, tag="setup.set_schedule", omit_defaults=True):
    """Say when the jobs are done: `hourly`, a time of day such as `02:00`, or `off`.

    What is left out stays as it is. To switch the check of solvency off takes a second person.
    """

    time_zone: str | None = None
    reconciliation: str | None = None
    solvency: str | None = None


class FinishSlot(Command, frozen=True, tag="setup.finish_slot", omit_defaults=True):
    """Note that a job was done for a slot (an instant in microseconds).

    `last`: the slot noted when the job was begun; an earlier one than that may follow it, for a
    clock that was ahead is put right some time.
    """

    job: str
    slot: int
    last: int | None = None


@VERBS.handles(SetSchedule, roles=("admin",))
def set_schedule(book: Book, command: SetSchedule) -> Schedules:
    """Errors: `Invalid` time or time zone; `ApprovalRequired`."""
    given = {
        name: value for name, value in msgspec.structs.asdict(command).items() if value is not None
    }
    after = msgspec.structs.replace(schedules_of(book), **given)
    zone_of(after.time_zone)
    for job in JOBS:
        check_time(getattr(after, job))
    if command.solvency == OFF and acts_alone(book):
        raise ApprovalRequired(
            "Without its check a breach of solvency stops no payout: to switch it off a second"
            " person must approve.",
            expected="an approved request",
            got=OFF,
        )
    keep(book, SCHEDULES, msgspec.to_builtins(after))
    return after


@VERBS.handles(FinishSlot, roles=("service",), internal=True)
def finish_slot(book: Book, command: FinishSlot) -> Slot:
    """Whoever comes second changes nothing. Errors: `Invalid` for an unknown job."""
    if command.job not in JOBS:
        raise Invalid("There is no such job.", expected=list(JOBS), got=command.job[:40])
    known = book.peek(Slot, command.job)
    if known is None:
        return book.add(Slot(command.job, command.slot, book.now))
    if command.last != known.slot and (command.last is not None or command.slot <= known.slot):
        return known
    return book.change(known, slot=command.slot, done_at=book.now)


def schedules_of(book: Book) -> Schedules:
    """The setting `schedules`, and what is usual where it says nothing."""
    return msgspec.convert(setting(book, SCHEDULES), Schedules)


def check_time(text: str) -> None:
    """Errors: `Invalid`."""
    if text not in {HOURLY, OFF} and not _TIME.fullmatch(text):
        raise Invalid(
            f"{text[:40]!r} is not a time at which a job can be done.",
            expected="hourly, off, or a time of day such as 02:00",
            got=text[:40],
        )

"""What each side answered, as plain values that can be compared, and the command that keeps it.

A copy is taken of plain values, structs and dataclasses only. Whatever else the other system's
code may answer is not looked into: to look could change it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any, Final
from uuid import UUID

import msgspec

from khata.domain.shadow import (
    Answer,
    Compare,
    Difference,
    Flow,
    Unread,
    differences,
    head_of,
    plain,
    word,
)
from khata.engine.journal import Receipt
from khata.errors import Broken, Invalid, KhataError

_MOST_ITEMS: Final = 1000
_REST: Final = Unread("<too much>")
_MOST_REFERENCE: Final = 200
_TOO_MUCH: Final = "too_many_fields"


class Ours(msgspec.Struct, frozen=True):
    """What Khata's side came to. `failed`: why it failed, which is no refusal. `seq`: of the
    command in its book.
    """

    answer: Answer | None
    failed: str | None = None
    seq: int | None = None


# ── copies ───────────────────────────────────────────────────────────────────────────


def copied(value: Any) -> Any:
    """A copy as plain values; a thing that is none becomes the name of its type."""
    return _copied(value, [_MOST_ITEMS])


def _copied(value: Any, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        return _REST
    kind = type(value)
    if kind in (str, int, bool, Decimal, type(None)):
        return value
    if kind is float:
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return _copied(value.value, left)
    if kind is dict:
        items = islice(value.items(), _MOST_ITEMS + 1)
        return {str(name): _copied(inner, left) for name, inner in items if type(name) is str}
    if kind in (list, tuple):
        return [_copied(inner, left) for inner in value[: _MOST_ITEMS + 1]]
    names = _names_of(value)
    if names is not None:
        return {name: _copied(getattr(value, name), left) for name in names}
    return Unread(f"<{kind.__name__}>")


def _names_of(value: Any) -> list[str] | None:
    if isinstance(value, msgspec.Struct):
        return list(value.__struct_fields__)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value)]
    return None


# ── answers ──────────────────────────────────────────────────────────────────────────


def answer_of(value: Any) -> Answer:
    """A copied answer: fields of what has names, else one field called `answer`."""
    if isinstance(value, Answer):
        return value
    if isinstance(value, Mapping):
        return Answer(ok=True, fields=dict(value))
    return Answer(ok=True, fields={} if value is None else {"answer": value})


def answer_of_error(error: BaseException) -> Answer:
    """A refusal, by its `code` where it has one, else by the name of its type."""
    code = getattr(error, "code", None)
    return Answer(ok=False, code=code if type(code) is str else type(error).__name__)


def ours_of(outcome: Any) -> Ours:
    """What came of a command: a receipt, or the error that refused it."""
    if isinstance(outcome, Receipt):
        return Ours(answer_of(copied(outcome.result)), seq=outcome.seq)
    return ours_of_error(outcome)


def ours_of_error(error: BaseException) -> Ours:
    """A refusal; or a failure, which says nothing about what Khata would have answered."""
    if isinstance(error, KhataError) and not (error.retryable or isinstance(error, Broken)):
        return Ours(Answer(ok=False, code=error.code))
    return Ours(None, failed=answer_of_error(error).code)


# ── what is kept ─────────────────────────────────────────────────────────────────────


def compared(
    flow: Flow,
    reference: str,
    theirs: Answer | None,
    ours: Ours,
    *,
    kind: str | None = None,
    number: int | None = None,
    event_at: int | None = None,
    dropped: int = 0,
) -> Compare:
    """The command that keeps a comparison. Only differences are kept, and masked ones masked."""
    failed, found = ours.failed, list[Difference]()
    if theirs is not None and theirs.ok and ours.answer is not None and ours.answer.ok:
        try:
            found = differences(flow, theirs, ours.answer)
        except Invalid:
            failed = _TOO_MUCH
    return Compare(
        flow=flow.name,
        reference=plain(reference.strip(), _MOST_REFERENCE) or "-",
        theirs=head_of(theirs, flow.codes),
        ours=f"error:{word(failed)}" if failed else head_of(ours.answer),
        differences=found,
        command=kind,
        number=number,
        carried_as=ours.seq,
        event_at=event_at,
        failed=failed is not None,
        dropped=dropped,
    )

"""Comparing two answers field by field, and naming the way in which they differ. Values only.

Amounts are compared as decimals ("10.0" is "10.00"), everything else as it is written; a field
that holds nothing counts as one that is not there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from khata.domain.shadow.model import MASK, Answer, Difference, Flow, Sort
from khata.errors import Invalid

_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,18})?")
_CODE: Final = re.compile(r"[^\w.:-]+")
_MOST_VALUES: Final = 200
_DEEPEST: Final = 8
MOST_DIFFERENCES: Final = 20
"""As many fields in which two answers differ are kept."""
_MOST_FIELD: Final = 100
_MOST_VALUE: Final = 200
_MOST_CODE: Final = 60
_MOST_SIGNATURE: Final = 300


class Unread(str):
    """What stands for a value that was not looked into. It equals nothing, not even itself: that
    two answers agree is never said of what nobody has seen.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True


# ── values ───────────────────────────────────────────────────────────────────────────


def values_in(name: str, value: Any) -> dict[str, str]:
    """Every value inside a field as a text, by dotted path; what is None is left out.

    Errors: `Invalid` for more than 200 values, or nested deeper than 8.
    """
    found: dict[str, str] = {}
    _gather(name, value, found, 0)
    return found


def _gather(path: str, value: Any, found: dict[str, str], depth: int) -> None:
    if depth > _DEEPEST or len(found) > _MOST_VALUES:
        raise Invalid(
            "An answer has too many fields to compare.",
            expected=f"at most {_MOST_VALUES} values, {_DEEPEST} deep",
            got=path[:60],
        )
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _gather(f"{path}.{name}", inner, found, depth + 1)
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            _gather(f"{path}.{at}", inner, found, depth + 1)
    elif value is not None:
        found[path] = _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Unread):
        return value
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _MOST_CODE:
        return f"{value:f}"
    return str(value)


def at_path(value: Any, path: str) -> Any:
    """What stands at a dotted path, None when nothing does."""
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isascii() and part.isdigit():
            value = value[int(part)] if len(part) < 4 and int(part) < len(value) else None  # noqa: PLR2004 - no list is longer
        else:
            return None
    return value


# ── comparing ────────────────────────────────────────────────────────────────────────


def differences(flow: Flow, theirs: Answer, ours: Answer) -> list[Difference]:
    """The fields in which two answers that both say yes differ, by name: the first of them, and one
    more where there are more than are kept.

    Their fields, and those that the flow names, are compared; what else we say is our own affair.
    Errors: `Invalid` for an answer with too many fields.
    """
    found = []
    for name in sorted({*theirs.fields, *flow.fields}):
        left = values_in(name, theirs.fields.get(name))
        right = values_in(name, at_path(ours.fields, flow.fields.get(name, name)))
        for path in sorted({*left, *right}):
            if not _is_among(path, flow.ignored):
                found += _differing(flow, path, left.get(path), right.get(path))
        if len(found) > MOST_DIFFERENCES:
            break
    return found[: MOST_DIFFERENCES + 1]


def _differing(flow: Flow, path: str, theirs: str | None, ours: str | None) -> list[Difference]:
    sort = sort_of(theirs, ours, flow.tolerances.get(path))
    if sort is None:
        return []
    if _is_among(path, flow.masked):
        theirs, ours = theirs and MASK, ours and MASK
    return [Difference(plain(path, _MOST_FIELD), sort, _cut(theirs), _cut(ours))]


def sort_of(theirs: str | None, ours: str | None, tolerance: str | None = None) -> Sort | None:
    """How two values differ, None when they do not."""
    if theirs == ours:
        return None
    if theirs is None or ours is None:
        return "missing" if ours is None else "extra"
    apart = _apart(theirs, ours, tolerance)
    if apart is None:
        return "value"
    difference, allowed = apart
    if difference <= allowed:
        return None
    return "one_unit" if difference == 1 else "value"


def _apart(theirs: str, ours: str, tolerance: str | None) -> tuple[int, int] | None:
    """How far two amounts are apart and how far they may be, in the smallest unit that either
    writes; None for what is no amount.
    """
    if not (_DECIMAL.fullmatch(theirs) and _DECIMAL.fullmatch(ours)):
        return None
    places = max(_places(theirs), _places(ours))
    allowed = tolerance or "0"
    finer = max(places, _places(allowed))
    apart, scale = abs(_scaled(theirs, finer) - _scaled(ours, finer)), 10 ** (finer - places)
    if apart <= _scaled(allowed, finer):
        return 0, 0
    return apart // scale, 0


def _places(text: str) -> int:
    return len(text.partition(".")[2])


def _scaled(text: str, places: int) -> int:
    whole, _, decimals = text.partition(".")
    return int(whole + decimals.ljust(places, "0"))


def is_amount(text: str) -> bool:
    """Whether a text reads as an amount that is not negative."""
    return _DECIMAL.fullmatch(text) is not None and not text.startswith("-")


def _is_among(path: str, names: Sequence[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in names)


# ── naming ───────────────────────────────────────────────────────────────────────────


def head_of(answer: Answer | None, codes: Mapping[str, str] | None = None) -> str | None:
    """An answer in a word: `ok`, `refused`, `refused:<code>`; their codes in our words."""
    if answer is None or answer.ok:
        return None if answer is None else "ok"
    code = (codes or {}).get(answer.code or "", answer.code)
    return f"refused:{word(code)}" if code else "refused"


def signature_of(
    command: str | None,
    theirs: str | None,
    ours: str | None,
    found: Sequence[Difference],
    *,
    late: bool,
    reordered: bool,
) -> str | None:
    """The canonical name of the way in which two answers differ, None when they agree.

    `theirs`, `ours`: heads. It holds names of fields and codes, never a value.
    """
    parts = [f"{item.field}:{item.sort}" for item in found[:MOST_DIFFERENCES]]
    if len(found) > MOST_DIFFERENCES:
        parts.append("and more")
    if not _agree(theirs, ours):
        parts = [_unlike(theirs, ours)]
    parts += ["late"] if late else []
    parts += ["reordered"] if reordered else []
    if not parts:
        return None
    text = " ".join([command, *parts] if command else parts)
    if len(text) <= _MOST_SIGNATURE:
        return text
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text[: _MOST_SIGNATURE - 10]}… {mark}"


def _agree(theirs: str | None, ours: str | None) -> bool:
    """A refusal without a code agrees with any refusal."""
    if "refused" in (theirs, ours):
        return all(side is not None and side.startswith("refused") for side in (theirs, ours))
    return theirs is not None and theirs == ours


def _unlike(theirs: str | None, ours: str | None) -> str:
    if theirs is None:
        return "extra"
    return "missing" if ours is None else f"{ours}≠{theirs}"


def word(code: str | None) -> str:
    """A code as a signature may have it."""
    return _CODE.sub("_", plain(code or "", _MOST_CODE))


def plain(text: str, most: int) -> str:
    """A text that every database can hold, at most so long."""
    return text[:most].encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _cut(text: str | None) -> str | None:
    return None if text is None else plain(text, _MOST_VALUE)

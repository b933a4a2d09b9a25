"""Sagas of one's own: modules that `KHATA_SAGAS` names, with `SAGAS` and, if wanted, `CALLERS`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from khata.engine.sagas import Saga
from khata.engine.sagas.worker import Caller
from khata.errors import AlreadyExists, Invalid


@dataclass(frozen=True)
class Own:
    """`sagas`: definitions beside the built-in ones. `callers`: who makes their calls, by name."""

    sagas: tuple[Saga, ...] = ()
    callers: Mapping[str, Caller] = field(default_factory=dict)


def own_from(environ: Mapping[str, str]) -> Own:
    """What the modules in an environment's `KHATA_SAGAS` have. Errors: as `own`."""
    text = environ.get("KHATA_SAGAS", "")
    return own([name.strip() for name in text.split(",") if name.strip()])


def own(modules: Sequence[str]) -> Own:
    """What these modules have. The current folder is looked in first, as Python itself does.

    Errors: `Invalid`, naming the module; `AlreadyExists` when two have a caller of one name.
    """
    sagas: list[Saga] = []
    callers: dict[str, Caller] = {}
    for name in modules:
        module = _imported(name)
        found = tuple(getattr(module, "SAGAS", ()))
        if not found or not all(isinstance(saga, Saga) for saga in found):
            raise _wrong(name, "one whose SAGAS is a list of sagas")
        mine: dict[str, Caller] = dict(getattr(module, "CALLERS", {}))
        taken = sorted(mine.keys() & {"providers", *callers})
        if taken:
            raise AlreadyExists(f"{name}: there is a caller {taken[0]} already.", got=taken[0])
        sagas += found
        callers |= mine
    return Own(tuple(sagas), callers)


def _imported(name: str) -> Any:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise _wrong(name, "one that can be imported") from None


def _wrong(name: str, expected: str) -> Invalid:
    return Invalid(
        f"expected KHATA_SAGAS to name modules, {expected}, got {name[:60]!r}.",
        setting="KHATA_SAGAS",
        expected=expected,
        got=name[:60],
    )

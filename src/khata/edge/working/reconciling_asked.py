"""Reconciling now because somebody asked, at whichever door: the same run as the daily one."""

from __future__ import annotations

from typing import Final

from khata.app import Khata
from khata.base.actor import Actor
from khata.domain.reconciliation import RunState
from khata.edge.working import reconciling
from khata.errors import RoleRequired

_ROLES: Final = frozenset({"admin", "finance", "service"})


def reconcile(
    book: Khata,
    actor: Actor,
    *,
    account: str | None = None,
    progress: reconciling.Progress | None = None,
) -> RunState:
    """Run, and note who asked. The worker submits what is found, so whoever asks needs a role.

    Errors: `RoleRequired`, those of `reconciling.run`.
    """
    if actor.roles.isdisjoint(_ROLES):
        raise RoleRequired(
            "Reconciling is for finance.", expected=sorted(_ROLES), got=sorted(actor.roles)
        )
    return reconciling.run(book, account=account, asked_by=str(actor), progress=progress)

"""The jobs that a worker does on time, by their names in the setting `schedules`."""

from __future__ import annotations

from khata.edge.working import reconciling, solvency
from khata.edge.working.parts import Sounds
from khata.edge.working.schedule import Job


def jobs(alerts: Sounds) -> dict[str, Job]:
    """Each a function of a book and a slot; `alerts`: who tells people."""
    return {"reconciliation": reconciling.daily, solvency.JOB: solvency.job(alerts)}

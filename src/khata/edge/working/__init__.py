"""A worker as a whole: what runs for a book in the background, supervised, until it is stopped."""

from khata.edge.working.assembly import Working
from khata.edge.working.crew import Crew, check_books, close_books, open_books
from khata.edge.working.parts import Sounds
from khata.edge.working.schedule import Job, Schedule, slot_key

__all__ = [
    "Crew",
    "Job",
    "Schedule",
    "Sounds",
    "Working",
    "check_books",
    "close_books",
    "open_books",
    "slot_key",
]

"""The workers of one process: one for each of its books, with what came from providers and what
goes out as webhooks, and the providers that they call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from khata.app import Khata
from khata.edge.own_sagas import Own, own
from khata.edge.providers import Providers
from khata.edge.webhooks import Dispatcher, Inbox
from khata.edge.working.assembly import Working
from khata.edge.working.jobs import jobs
from khata.edge.working.overdue import Overdue
from khata.edge.working.parts import Sounds
from khata.edge.working.schedule import Schedule
from khata.edge.working.silence import Silence
from khata.edge.working.sweeping import Sweeping
from khata.engine.sagas.due import check_known
from khata.engine.sagas.worker import Options
from khata.engine.vault import Vault
from khata.settings import Settings

INBOX: Final = "inbox"


class Crew:
    """See the module. `with Crew(books, settings, alerts): …`.

    Errors: `UnknownSaga`; `Invalid` for a provider or a saga of one's own that cannot be used.
    """

    def __init__(
        self,
        books: Mapping[str, Khata],
        settings: Settings,
        alerts: Sounds,
        *,
        mine: Own | None = None,
        options: Options | None = None,
    ) -> None:
        mine = mine or own(settings.sagas)
        vault = next((book.vault for book in books.values()), None)
        self._providers = Providers(settings.providers, vault)
        callers = {"providers": self._providers, **mine.callers}
        self._senders = {
            name: Dispatcher(book, settings, book.clock) for name, book in books.items()
        }
        self.workings: dict[str, Working] = {}
        for name, book in books.items():
            inbox = Inbox(book, self._providers, book.clock, alerts)
            beside = {
                INBOX: inbox.work,
                "webhooks": self._senders[name].work,
                "loans": Overdue(book).work,
                "mismatches": Sweeping(book, alerts).work,
                "shadow": Silence(book, alerts).work,
                "schedule": Schedule(book, jobs(alerts)).work,
            }
            self.workings[name] = Working(
                book, alerts, callers=callers, beside=beside, options=options
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Let all of them begin."""
        for working in self.workings.values():
            working.start()

    def stop(self) -> None:
        """Let all of them finish what is under way, and end."""
        for working in self.workings.values():
            working.tell_to_stop()
        for working in self.workings.values():
            working.stop()
        for sender in self._senders.values():
            sender.close()
        self._providers.close()

    def heard(self) -> None:
        """A provider told something: let those who act on it look at once."""
        for working in self.workings.values():
            working.wake(INBOX)


def open_books(settings: Settings, mine: Own) -> dict[str, Khata]:
    """The books of the settings, by name, made when they do not exist.

    Errors: those of `Khata.open`.
    """
    books: dict[str, Khata] = {}
    try:
        for name in settings.books:
            books[name] = Khata.open(
                settings.database_url, name, sagas=mine.sagas, vault=Vault.of(settings.vault_keys)
            )
    except BaseException:
        close_books(books)
        raise
    return books


def close_books(books: Mapping[str, Khata]) -> None:
    """Finish what was accepted, and let go of the database."""
    for book in books.values():
        book.close()


def check_books(settings: Settings) -> None:
    """Open every book once, and see whether a worker could go on with all of its sagas.

    Errors: those of `Khata.open`, `UnknownSaga`, `Invalid`.
    """
    mine = own(settings.sagas)
    books = open_books(settings, mine)
    try:
        for book in books.values():
            if settings.worker:
                with book.view() as view:
                    check_known(view, book.verbs.sagas)
    finally:
        close_books(books)

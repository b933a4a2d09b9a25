"""A kit for testing sagas: a clock that you set, a world outside that you script, and crashes.

    clock, bank = VirtualClock(), ScriptedCaller()
    with Khata.open(url, clock=clock, sagas=[CHECKOUT]) as book:
        bank.script("charge", "timeout_but_done")
        book.submit(StartSaga("checkout", {"order": "M1"}))
        finish(book, {"bank": bank}, clock)

`finish` works until nothing is due any more, letting the clock jump from one due time to the
next. With `crash_at` the worker dies at that commit, and another one takes over.
"""

from khata.testing.calling import ScriptedCaller
from khata.testing.clock import VirtualClock
from khata.testing.finishing import finish

__all__ = ["ScriptedCaller", "VirtualClock", "finish"]

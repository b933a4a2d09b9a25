"""Shadow mode at work: beside another system's calls, and off its stream of events."""

from khata.edge.shadowing.feeding import AT_ONCE, digits, feed, feed_all, read_event
from khata.edge.shadowing.figures import Flows
from khata.edge.shadowing.inline import Health, Shadowing

__all__ = [
    "AT_ONCE",
    "Flows",
    "Health",
    "Shadowing",
    "digits",
    "feed",
    "feed_all",
    "read_event",
]

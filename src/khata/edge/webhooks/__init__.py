"""Webhooks at the edge: the door for those that come in, and the workers for both directions."""

from khata.edge.webhooks.dispatching import Dispatcher
from khata.edge.webhooks.inbox import Inbox
from khata.edge.webhooks.receiving import MOST_BYTES, TOO_LONG, Hears, Receiver, Sounds

__all__ = ["MOST_BYTES", "TOO_LONG", "Dispatcher", "Hears", "Inbox", "Receiver", "Sounds"]

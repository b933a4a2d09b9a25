"""The clients of messaging: send, broadcast, fetch, listen; see docs/messaging.md.

Every message has an id, given or made, under which it is sent again until it is known to be safe:
by the gateway, or where that is away and a database is named, in the database. So it is stored
once, whatever the network does.
"""

from khata.edge.client.messages.client import AsyncMessagingClient
from khata.edge.client.messages.subscription import Subscription
from khata.edge.client.messages.threaded import Listening, MessagingClient

__all__ = ["AsyncMessagingClient", "Listening", "MessagingClient", "Subscription"]

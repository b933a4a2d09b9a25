"""The Python client: `Client` and `AsyncClient` for a book behind HTTP.

A change has one idempotency key, given or made, and is sent again only under that key; so what is
asked through a client happens once, whatever the network does.
"""

from khata.edge.client.answers import BulkAnswer, BulkOutcome, Problem, Receipt
from khata.edge.client.client import AsyncClient, Client
from khata.edge.client.retrying import Patience

__all__ = [
    "AsyncClient",
    "BulkAnswer",
    "BulkOutcome",
    "Client",
    "Patience",
    "Problem",
    "Receipt",
]

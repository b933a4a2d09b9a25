"""Payment providers: one port (`port.py`), one driver for the network, one adapter for each.

`Providers` is what a worker calls for external steps, and what the door for webhooks asks who
signed what.
"""

from khata.edge.providers.driver import Providers, provider
from khata.edge.providers.port import Flow, Hooks, Provider, Request, Response
from khata.settings import ProviderConfig

__all__ = [
    "Flow",
    "Hooks",
    "Provider",
    "ProviderConfig",
    "Providers",
    "Request",
    "Response",
    "provider",
]

"""A payment provider to try everything with: real HTTP, signed webhooks, and faults on demand.

`khata sandbox serve` runs it; `with local_sandbox() as sandbox:` does so inside a test.
"""

from khata.edge.sandbox.handling import Plan
from khata.edge.sandbox.local import Remote, local_sandbox, plan
from khata.edge.sandbox.server import SandboxServer

__all__ = ["Plan", "Remote", "SandboxServer", "local_sandbox", "plan"]

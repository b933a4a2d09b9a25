"""The command line: `khata …`. Each module here is one command or one family of them.

They parse, call the Python API and show; nothing is decided here. `program` puts them together.
"""

from khata.edge.cli.program import main

__all__ = ["main"]

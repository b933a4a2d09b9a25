"""The HTTP door: Litestar on Granian. `serve(settings)` runs it, `create_app(books)` is it."""

from khata.edge.http.app import create_app
from khata.edge.http.server import serve

__all__ = ["create_app", "serve"]

"""A gateway as `khata messaging serve` runs it: on a loop in a thread, or as a process to kill."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time

import httpx
import uvloop
from joserfc import jwt
from joserfc.jwk import ECKey

from khata.edge.messaging.serving import serving
from khata.settings import settings_from
from tests.edge.serving import free_port

PATIENCE = 30
SERVE = "from khata.edge.cli import main; import sys; sys.exit(main(['messaging', 'serve']))"
KEY = ECKey.generate_key("P-256", {"kid": "ec"})
TOKENS = {
    "KHATA_JWKS": json.dumps({"keys": [KEY.as_dict(private=False)]}),
    "KHATA_JWT_ISSUER": "https://id.example",
    "KHATA_JWT_AUDIENCE": "khata",
}


def token(owner, **claims):
    """The token of an owner."""
    said = {"iss": "https://id.example", "aud": "khata", "sub": owner, "exp": time.time() + 600}
    return jwt.encode({"alg": "ES256", "kid": "ec"}, said | claims, KEY, algorithms=["ES256"])


def until(condition, what="what was waited for"):
    """Wait until something holds; what it gives."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.005)
    return found


class Beside:
    """A gateway of the book `main`; it can be ended and begun again on the same ports."""

    def __init__(self, database_url, folder, **environment):
        self.port, self.http_port = free_port(), free_port()
        self.environ = {
            **os.environ,
            "KHATA_DATABASE_URL": database_url,
            "KHATA_MESSAGING_SPOOL": str(folder / "spool"),
            "KHATA_MESSAGING_PORT": str(self.port),
            "KHATA_MESSAGING_HTTP_PORT": str(self.http_port),
            "KHATA_LOG_LEVEL": "error",
            **TOKENS,
            **environment,
        }
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.socket = f"ws://127.0.0.1:{self.port}/v1/messaging"
        self.thread = self.process = None

    def start(self):
        """Begin in a thread; returns when it answers."""
        self.ready, self.error = threading.Event(), None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.ready.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        until(self.answers, "an answer")
        return self

    def start_process(self):
        """Begin as a process."""
        self.process = subprocess.Popen([sys.executable, "-c", SERVE], env=self.environ)
        until(self.answers, "an answer")
        return self

    def answers(self):
        """Whether it can be asked over HTTP."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health").status_code == 200
        return False

    def stop(self):
        """End in order."""
        if self.thread is not None:
            self.loop.call_soon_threadsafe(self.done.set)
            self.thread.join(PATIENCE)
            self.thread = None
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    def kill(self):
        """End a process at once, without a word."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process = None

    def _run(self):
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._live())
        except Exception as error:
            self.error = error
            raise
        finally:
            self.ready.set()

    async def _live(self):
        self.loop, self.done = asyncio.get_running_loop(), asyncio.Event()
        async with serving(settings_from(self.environ)) as self.gateway:
            self.ready.set()
            await self.done.wait()


@contextlib.contextmanager
def a_gateway(database_url, folder, **environment):
    """A gateway that runs until the end of the block."""
    gateway = Beside(database_url, folder, **environment).start()
    try:
        yield gateway
    finally:
        gateway.stop()

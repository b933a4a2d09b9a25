"""One PostgreSQL for all processes of the suite, started when the first of them asks.

The process that hands the tests out keeps it, for it is the last to end. To begin a server and to
make all the tables takes as long as a hundred tests.
"""

import json
import shutil
import tempfile
import threading
import time
from pathlib import Path

_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 120


class Shared:
    """`folder`: where the others ask, and find the answer."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="khata-shared-"))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        """End the server, and leave nothing behind."""
        self._stop.set()
        self._thread.join()
        shutil.rmtree(self.folder)

    def _run(self):
        while not (self.folder / "asked").exists():
            if self._stop.wait(_LOOK_SECONDS):
                return
        # imported here, so that whoever asks for no server needs no package that loads
        from tests.servers import migrated_database, postgres_server  # noqa: PLC0415

        try:
            with postgres_server() as url, migrated_database(url) as template:
                self._answer(url=url, template=template)
                self._stop.wait()
        except Exception as error:
            self._answer(error=f"{type(error).__name__}: {error}")
            raise

    def _answer(self, **found):
        (self.folder / "new").write_text(json.dumps(found))
        (self.folder / "new").rename(self.folder / "answer")


def asked(folder):
    """The URLs of the server and of a database with all the tables, to be copied."""
    answer = folder / "answer"
    (folder / "asked").touch()
    end = time.monotonic() + _PATIENCE_SECONDS
    while not answer.exists():
        assert time.monotonic() < end, "no PostgreSQL came"
        time.sleep(_LOOK_SECONDS)
    found = json.loads(answer.read_text())
    assert "error" not in found, found["error"]
    return found["url"], found["template"]

"""What is logged of a fault: where it came from, never what the variables held."""

import json
import os
import subprocess
import sys

import pytest

SECRET = "kh_main_c2VjcmV0"
FAULT = """
import structlog
{set_up}

def failing():
    key = "".join(("kh_main_", "c2Vjcm", "V0"))
    raise ValueError("it fell") from inner(key)

def inner(command):
    amount = [command]
    try:
        int(len(amount) * "x")
    except ValueError as error:
        return error

try:
    failing()
except ValueError:
    structlog.get_logger("khata.writer").exception("writer_fault", commands=1)
"""
SERVER = "from khata.engine.logs import set_up; set_up('info')"
SHELL = "from khata.edge.cli.session import log_to_stderr; log_to_stderr()"


def logged(set_up):
    """What a process writes whose fault has a secret in a variable."""
    done = subprocess.run(
        [sys.executable, "-c", FAULT.format(set_up=set_up)],
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("set_up", [SERVER, SHELL])
def test_a_fault_is_logged_without_variables(set_up):
    """The error and its cause are named, with the functions; what they held is not."""
    text = "".join(logged(set_up))
    assert all(word in text for word in ("writer_fault", "ValueError", "it fell", "failing"))
    assert SECRET not in text


def test_a_server_logs_a_fault_as_one_line():
    """JSON, with the cause after the error."""
    (line,) = logged(SERVER)[0].splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("writer_fault", "error")
    assert [part["exc_type"] for part in told["exception"]] == ["ValueError", "ValueError"]


def test_a_command_line_logs_to_standard_error():
    """Standard output belongs to the answer."""
    out, err = logged(SHELL)
    assert (out, "writer_fault" in err) == ("", True)


STORING = """
import sys

import structlog
from khata.messaging import {module}

{module}.main(sys.argv[1:])
structlog.get_logger("khata.messaging").info("not_told")
structlog.get_logger("khata.messaging").warning("told")
"""


@pytest.mark.parametrize(
    ("module", "words"), [("persisting", ["spool", "main"]), ("sharing", ["main", "0.05", "2"])]
)
def test_what_stores_messages_logs_as_its_gateway_does(tmp_path, module, words):
    """Each is a process of its own, and writes to the same output."""
    settings = {
        "KHATA_DATABASE_URL": f"sqlite:///{tmp_path / 'none' / 'khata.db'}",
        "KHATA_MESSAGING_NATS": "nats://127.0.0.1:1",
        "KHATA_LOG_LEVEL": "warning",
    }
    done = subprocess.run(
        [sys.executable, "-c", STORING.format(module=module), *words],
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        timeout=60,
    )
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert (events[-1], "not_told" in events) == ("told", False)

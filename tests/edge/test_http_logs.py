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
SERVER = "from khata.edge.http.logs import set_up; set_up('info')"
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

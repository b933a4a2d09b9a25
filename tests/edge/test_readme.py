"""The documents do what they say: examples in the README, the guide and messaging.md are run.

`console` blocks (a command after each `$ `, its output is for the reader) and `bash` blocks run in
a temporary folder with Khata on the path, `python` blocks there as scripts; one folder for each
document, from top to bottom, so that a later example may use what an earlier one made. `text`
blocks are not run.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "docs" / "messaging.md",
    *sorted((ROOT / "docs" / "guide").glob("**/*.md")),
]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 120


class Example(NamedTuple):
    """A block of a document: its language, its text, and the line it begins at."""

    language: str
    text: str
    line: int


def examples(document: Path) -> list[Example]:
    """The blocks of a document that are meant to be run."""
    text = document.read_text(encoding="utf-8")
    return [
        Example(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in BLOCK.finditer(text)
        if found[1] in {"console", "bash", "sh", "python"}
    ]


def commands(console: str) -> str:
    """The commands of a console block, with the lines that they go on over."""
    kept = []
    goes_on = False
    for line in console.splitlines():
        if line.startswith("$ "):
            kept.append(line[2:])
        elif goes_on or line.startswith("> "):
            kept.append(line.removeprefix("> "))
        else:
            continue
        goes_on = kept[-1].endswith("\\")
    return "\n".join(kept) + "\n"


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS]
)
def test_the_examples_run(document, tmp_path):
    """Every example of a document succeeds, in the order in which one reads them."""
    for example in examples(document):
        done = _run(example, tmp_path)
        assert done.returncode == 0, (
            f"{document.name}, line {example.line}:\n{example.text}\n{done.stdout}{done.stderr}"
        )


def test_a_console_block_is_its_commands():
    """Output is left out; a command may go on over lines."""
    block = "$ khata one \\\n    --two\noutput\n$ cat <<END\n> inside\n> END\nmore\n"
    assert commands(block) == "khata one \\\n    --two\ncat <<END\ninside\nEND\n"


def test_a_failing_example_is_noticed(tmp_path):
    """A block fails with its first failing command, also inside a pipe."""
    assert _run(Example("console", "$ false | cat\n$ true\n", 1), tmp_path).returncode != 0


def _run(example: Example, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }
    if example.language == "python":
        argv = [sys.executable, "-W", "error", "-c", example.text]
    else:
        script = commands(example.text) if example.language == "console" else example.text
        # what an example leaves running (a server, say) ends with it
        ending = "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"
        argv = ["bash", "-euo", "pipefail", "-c", ending + script]
    return subprocess.run(
        argv,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

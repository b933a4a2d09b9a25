"""Running the command line: in this process for speed, or as people do."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

from khata import Khata, Money
from khata.domain.wallets import Credit, OpenWallet
from khata.edge.cli import main

ALICE = "alice/personal/BDT"
BOB = "bob/partner/BDT"


class Done(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON value that it wrote."""
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        """The JSON values that it wrote, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def khata(*words: str, url: str | None = None) -> Done:
    """`khata WORDS --database URL`, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*words, *(["--database", url] if url else [])])
    return Done(code, out.getvalue(), err.getvalue())


def shell(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """`khata WORDS`, as a process of its own without a terminal."""
    environment = {name: value for name, value in os.environ.items() if "KHATA_" not in name}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "khata", *words],
        env=environment,
        text=True,
        check=False,
        timeout=60,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options),
    )


def a_book(url: str) -> str:
    """A book in which Alice has 1,000 taka and Bob has none; its URL."""
    with Khata.open(url, migrate=True) as book:
        book.submit(OpenWallet("alice", "BDT"))
        book.submit(OpenWallet("bob", "BDT", wallet_kind="partner"))
        book.submit(Credit(ALICE, Money("1000.00", "BDT")), key="top-up-1")
    return url


def balance(url: str, wallet: str) -> str:
    """What a wallet has, as the command line says."""
    return str(khata("wallets", "show", wallet, "--json", url=url).json()["balance"])

"""The program: every command in its place, and errors turned into words and exit codes.

Commands load when they are used, so `khata --help` does not wait for the database libraries.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

from cyclopts import App, CycloptsError
from cyclopts.exceptions import MissingArgumentError

from khata.edge.cli.exits import DONE, INTERRUPTED, show_error, show_failure, show_usage
from khata.edge.cli.screen import out
from khata.errors import KhataError

_EPILOGUE: Final = """\
Examples:
  $ khata demo
  $ khata wallets open alice BDT
  $ khata wallets credit alice/personal/BDT 1000.00 --key top-up-1
  $ khata statement alice/personal/BDT
  $ khata verify

The book is sqlite:///khata.db unless --database or KHATA_DATABASE_URL says otherwise.

Exit codes: 0 done, 1 verify found something, 2 usage, 3 refused, 4 not found, 5 conflict,
6 forbidden, 7 unavailable (try again), 8 broken, 9 unknown."""

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo.play:demo", "Play a marketplace day, and explain it as it goes."),
    "wallets": ("wallets:app", "Open wallets, move money, freeze, set limits."),
    "statement": ("statement:statement", "A wallet's movements with running balances."),
    "holds": ("holds:app", "Money set aside: see it, give it back."),
    "payments": ("payments:app", "What is to be paid, what was paid, what goes back."),
    "sales": ("sales:app", "Orders: placed, paid, brought, shared, given back."),
    "orders": ("orders:app", "What customers buy: money, goods and the way between them."),
    "trace": ("trace:trace", "Where the money of an order went, leg by leg."),
    "reverse": ("entries:reverse", "Undo an entry, wholly or in part."),
    "sagas": ("sagas:app", "Long ways of several steps: watch them, decide for them."),
    "payouts": ("payouts:app", "Money that leaves to bank accounts; the accounts."),
    "webhooks": ("webhooks:app", "What providers told us, and who is told of what happens."),
    "commissions": ("commissions:app", "How sales are shared: rules, versions, previews."),
    "escrow": ("escrow:app", "Money between who pays and those who receive."),
    "loans": ("loans:app", "Dhaar in instalments, floats for movers, what is overdue."),
    "debts": ("debts:app", "What owners owe the house, and how it comes back."),
    "campaigns": ("campaigns:app", "What purchases get, who bears it, what is left of budgets."),
    "referrals": ("referrals:app", "Who brought whom, and the bonuses that are owed for it."),
    "earnings": ("earnings:app", "What creators and riders are paid, and by which policy."),
    "trust": ("trust:app", "Trust scores and experience, and what events are worth."),
    "stock": ("inventory:app", "What is kept in pieces: lots, what remains, where it went."),
    "investments": ("investments:app", "Who bought shares, for how much, and what they hold."),
    "books": ("books:books", "What the house has, owes and earned, by currency."),
    "reports": ("reports:app", "Financial statements as of any day."),
    "solvency": ("solvency:app", "Cash against what is owed, the brake on payouts, proofs."),
    "shadow": ("shadow:app", "Beside another system: what differs, and switching over."),
    "squads": ("squads:app", "People who buy together out of one wallet."),
    "reconcile": ("reconcile:app", "Statements of banks and providers, against the book."),
    "approvals": ("approvals:app", "What waits for a second person."),
    "import": ("files:imports", "Bring operations or books in from files."),
    "export": ("files:exports", "Write the book out, for other programs."),
    "journal": ("entries:journal", "Every command that was carried out, or refused."),
    "verify": ("checking:verify", "Prove the whole book, or name what is wrong with it."),
    "replay": ("checking:replay", "Run the journal again into an empty book."),
    "keys": ("keys:app", "API keys: make, list, revoke."),
    "migrate": ("running:migrate", "Bring the database's tables to this version."),
    "serve": ("running:serve", "Serve the HTTP API."),
    "worker": ("worker:worker", "Work sagas off, beside the server or apart from it."),
    "messaging": ("messaging:app", "Messages between people, as they happen."),
    "sandbox": ("sandbox:app", "A payment provider to try everything with."),
}
"""Command → where it is, and what the list of commands says of it."""

_BENCH: Final = "khata.edge.bench.cli"
_HELP_WIDTH: Final = 100
_LEADING: Final = ("--database", "--book", "--actor")


def program() -> App:
    """The whole command line."""
    app = App(
        name="khata",
        help="The money machine of a marketplace: one book, one journal, one way in.",
        help_format="plaintext",
        help_epilogue=_EPILOGUE,
        version=f"khata {version('khata')}",
    )
    for name, (place, help_) in COMMANDS.items():
        app.command(f"khata.edge.cli.{place}", name=name, help=help_)
    # the bench is for who develops Khata: an installation may go without it
    if find_spec(_BENCH):
        app.command(f"{_BENCH}:app", name="bench", help="Measure Khata beside the usual way.")
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; the exit code. `argv`: without the program's name."""
    words = _in_order(list(sys.argv[1:] if argv is None else argv))
    try:
        answer = program()(
            words,
            console=out(width=None if sys.stdout.isatty() else _HELP_WIDTH),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except CycloptsError as error:
        return show_usage(_what(error), tuple(error.command_chain or ()))
    except KhataError as error:
        return show_error(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        return show_failure("file", f"{error.strerror}: {error.filename}")
    return answer if isinstance(answer, int) else DONE


def _in_order(words: list[str]) -> list[str]:
    """`khata --book shop wallets list` means `khata wallets list --book shop`."""
    leading: list[str] = []
    while words and words[0].partition("=")[0] in _LEADING:
        count = 1 if "=" in words[0] else 2
        leading += words[:count]
        words = words[count:]
    return [*words, *leading]


def _what(error: CycloptsError) -> str:
    """The library's sentence on one line."""
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        return f"{error.argument.names[0].lstrip('-').upper()} is missing."
    return " ".join(str(error).split())


def _pipe_closed() -> int:
    """Whoever read our output, such as `head`, had enough. Say nothing, as other tools do."""
    # what is still buffered would fail again when Python ends
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE

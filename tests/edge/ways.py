"""Sagas for the tests of the doors, as a program of one's own would bring them: KHATA_SAGAS."""

import os
from pathlib import Path

from khata import Money
from khata.domain.wallets import Transfer
from khata.engine.sagas import IMPOSSIBLE, NOTHING, ONCE, Approval, Call, Local, Outcome, Saga, Wait

ALICE, SHOP = "alice/personal/BDT", "shop/partner/BDT"
FOLDER = "KHATA_TEST_FOLDER"
"""Names the folder in which the post office keeps its letters."""


def pay(book, run):
    amount = Money(run.data.get("amount", "10.00"), "BDT")
    moved = book.perform(Transfer(ALICE, run.data.get("to", SHOP), amount, source="order"))
    return {"paid": moved.id}


def pay_back(book, run):
    amount = Money(run.data.get("amount", "10.00"), "BDT")
    book.perform(Transfer(run.data.get("to", SHOP), ALICE, amount, source="refund"))


def letter(book, run):
    return {"to": "shop", "saga": run.id, "slow": run.data.get("slow", False)}


def receipt(book, run):
    return run.data.get("signals", {}).get("receipt")


def nothing(book, run):
    return None


CHECKOUT = Saga(
    "checkout",
    1,
    [
        Local(name="pay", do=pay, undo=pay_back, retry=ONCE),
        Call(name="write", to="post", request=letter),
        Local(name="note", do=nothing, undo=NOTHING),
    ],
)
ASKED = Saga(
    "asked",
    1,
    [
        Wait(name="receipt", ready=receipt),
        Approval(name="check", roles=("finance", "support")),
        Local(name="pay", do=pay, undo=NOTHING, retry=ONCE),
    ],
)
FINAL = Saga(
    "final",
    1,
    [
        Local(name="first", do=nothing, undo=IMPOSSIBLE),
        Local(name="pay", do=pay, undo=NOTHING, retry=ONCE),
        Local(name="last", do=nothing, undo=NOTHING),
    ],
)


class Post:
    """A post office that keeps a file for each letter. A slow one says through a pipe that it has
    begun, and writes when another pipe lets it.
    """

    def call(self, intent):
        """Write the letter."""
        folder = Path(os.environ[FOLDER])
        if intent.request["slow"]:
            (folder / "begun").write_text(intent.key)
            (folder / "go").read_text()
        with (folder / f"letter-{intent.request['saga']}").open("a") as paper:
            paper.write(f"{intent.key}\n")
        return Outcome("done", {"letter": intent.key})

    def ask(self, intent):
        """Whether it was written."""
        written = (Path(os.environ[FOLDER]) / f"letter-{intent.request['saga']}").exists()
        return Outcome("done", {"letter": intent.key}) if written else Outcome("absent")


SAGAS = (CHECKOUT, ASKED, FINAL)
CALLERS = {"post": Post()}

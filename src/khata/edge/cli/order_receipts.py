"""`khata orders receipt`, `approve` and their kin: bank transfers of orders, and what shows them.

They belong to the family `khata orders`, which takes them in.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter
from cyclopts.types import ExistingFile

from khata.domain import orders
from khata.domain.orders import (
    ApprovePayment,
    ExtendGrace,
    ReceiptFile,
    RejectPayment,
    UploadReceipt,
)
from khata.edge.cli.orders_shown import money_of, show_order, show_receipt, show_receipts
from khata.edge.cli.screen import dump, err, out
from khata.edge.cli.session import (
    HERE,
    SO,
    How,
    Json,
    Reason,
    Where,
    carry_out,
    command,
    looking,
)
from khata.edge.receipts import ReceiptStore
from khata.engine.database import View
from khata.engine.reading import among
from khata.errors import Invalid
from khata.settings import receipts_from

_BANK: Final = "bank/main"
_HOUR: Final = 3600
_Ref = Annotated[str, Parameter(help="The order's reference, such as M1001.")]


def attach(app: App) -> None:
    """Take these commands into the family of orders."""
    command(
        app,
        "receipt",
        "khata orders receipt M1001 slip.pdf",
        "khata orders receipt M1001 slip.pdf --actor owner:alice",
    )(receipt)
    command(app, "receipts", "khata orders receipts M1001")(receipts)
    command(app, "file", "khata orders file rct_0c00 -o slip.pdf")(file_)
    command(
        app,
        "approve",
        "khata orders approve M1001 --evidence 'Bank line 7'",
        "khata orders approve M1001 500.00 --short wallet --evidence 'Bank line 7'",
    )(approve)
    command(app, "reject", "khata orders reject M1001 --reason 'No such transfer'")(reject)
    command(
        app, "extend", "khata orders extend M1001 2026-02-05T18:00:00+06:00 --reason 'Bank holiday'"
    )(extend)
    command(app, "sweep", "khata orders sweep", "khata orders sweep --older-than-hours 72")(sweep)


def _store(where: Where) -> ReceiptStore:
    folder, most = receipts_from(os.environ)
    return ReceiptStore(folder, where.name, most)


def receipt(
    ref: _Ref,
    file: Annotated[ExistingFile, Parameter(help="A PDF, PNG, JPEG, WebP or HEIC file.")],
    *,
    name: Annotated[
        str | None, Parameter(help="What the customer calls it; left out, the file's own name.")
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Show a bank transfer for an order. The file is kept in the folder KHATA_RECEIPTS."""
    if how.ask is not None:
        raise Invalid("A receipt needs no approval; its payment does.", expected="no --ask")
    store = _store(where)
    with file.open("rb") as stream:
        data = stream.read(store.most + 1)
    shown = name or file.name

    def wanted(view: View) -> UploadReceipt:
        orders.order(view, ref)  # before anything is kept for an order that there is not
        kept = store.check(data, shown) if how.dry_run else store.put(data, shown)
        return UploadReceipt(ref, ReceiptFile(kept.sha256, kept.type, kept.size, kept.name))

    return carry_out(where, how, wanted, show_receipt)


def receipts(ref: _Ref, *, json: Json = False, where: Where = HERE) -> int:
    """The last hundred receipts of an order, newest first."""
    with looking(where) as view:
        found = orders.receipts(view, ref)
    if json:
        for item in found:
            dump(item)
    else:
        show_receipts(found)
    return 0


def file_(
    name: Annotated[str, Parameter(name="receipt", help="The receipt's id, rct_….")],
    *,
    output: Annotated[
        Path, Parameter(name=("--output", "-o"), help="The file to write; there must be none.")
    ],
    where: Where = HERE,
) -> int:
    """Write a receipt's file out, after its hash was counted again."""
    with looking(where) as view:
        found = orders.receipt(view, name)
    data = _store(where).get(found.sha256, found.size)
    with output.open("xb") as stream:
        stream.write(data)
    err().print(f"{found.size:,} bytes, {found.media}, written to {output}.", soft_wrap=True)
    return 0


def approve(
    ref: _Ref,
    amount: Annotated[str | None, Parameter(help="What came; left out, what was due.")] = None,
    *,
    evidence: Annotated[str, Parameter(help="By what it is known, such as a bank's line.")],
    short: Annotated[
        Literal["wallet", "wait"] | None,
        Parameter(help="Of what lacks: the wallet pays it, or the order waits."),
    ] = None,
    wallet: Annotated[
        str | None, Parameter(help="The customer's wallet; left out, the order's.")
    ] = None,
    bank: Annotated[str, Parameter(help="The account where it came in.")] = _BANK,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """The transfer has come: capture it with the wallet's part."""

    def wanted(view: View) -> ApprovePayment:
        came = money_of(view, ref, amount)
        return ApprovePayment(ref, evidence, came, short, wallet, bank)

    return carry_out(where, how, wanted, show_order)


def reject(ref: _Ref, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """The receipt shows no transfer that came: another one may, while the grace runs."""
    return carry_out(where, how, RejectPayment(ref, reason), show_order)


def extend(
    ref: _Ref,
    until: Annotated[str, Parameter(help="An instant with its offset.")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give more time for the transfer."""
    return carry_out(where, how, ExtendGrace(ref, until, reason), show_order)


def sweep(
    *,
    older_than_hours: Annotated[
        int, Parameter(help="Only what came so long ago, 1 hour or more.")
    ] = 24,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Remove files of receipts that no command named: uploads that were refused or broken off."""
    if older_than_hours < 1:
        raise Invalid("An upload may be under way.", expected="1 or more", got=older_than_hours)
    store = _store(where)
    names = store.names()
    with looking(where) as view:
        view.check_owner(None)
        known = {item.sha256 for item in among(view, orders.Receipt, "sha256", names)}
    swept = store.sweep(known, older_than=older_than_hours * _HOUR)
    if json:
        dump(swept._asdict())
    else:
        out().print(f"{swept.known:,} files are receipts, {len(swept.removed):,} were removed.")
    return 0

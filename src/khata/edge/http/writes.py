"""The operations that submit one command each."""

from __future__ import annotations

from typing import Any, Final

from khata.domain.access import RevokeKey
from khata.domain.holds import (
    CaptureGroup,
    CaptureHold,
    PlaceHold,
    RaiseHold,
    VoidGroup,
    VoidHold,
)
from khata.domain.khata import AddKhataEntry
from khata.domain.ledger import (
    CloseAccount,
    FreezeAccount,
    OpenAccount,
    PostEntry,
    Reverse,
    SetLimits,
    UnfreezeAccount,
)
from khata.domain.setup import DefineSource, DefineUnit, DefineWalletKind, Set
from khata.domain.wallets import (
    Credit,
    Debit,
    OpenWallet,
    RenameWallet,
    SetOpeningBalance,
    Transfer,
)
from khata.edge.http.operation import Operation
from khata.edge.http.write import write
from khata.settings import Settings

BDT: Final = {"amount": "1000.00", "currency": "BDT"}
_PART: Final = {"amount": "400.00", "currency": "BDT"}
_WHY: Final = {"reason": "Asked for by the owner."}
_W: Final = "/v1/wallets/{wallet}"
_H: Final = "/v1/holds/{hold}"
_G: Final = "/v1/hold-groups/{group}"

# method, path, command, operation id, tag, status, body that works
_ROWS: Final[tuple[tuple[str, str, Any, str, str, int, Any], ...]] = (
    ("POST", "/v1/wallets", OpenWallet, "openWallet", "wallets", 201,
     {"owner": "alice", "currency": "BDT"}),
    ("PATCH", _W, RenameWallet, "renameWallet", "wallets", 200, {"title": "Savings"}),
    ("POST", f"{_W}/credit", Credit, "credit", "wallets", 200,
     {"amount": BDT, "reference": "topup-1"}),
    ("POST", f"{_W}/debit", Debit, "debit", "wallets", 200, {"amount": _PART}),
    ("POST", f"{_W}/transfer", Transfer, "transfer", "wallets", 200,
     {"to": "bob/personal/BDT", "amount": _PART, "note": "Lunch"}),
    ("POST", f"{_W}/opening-balance", SetOpeningBalance, "setOpeningBalance", "wallets", 200,
     {"history": {"payments_in": BDT, "purchases": _PART}}),
    ("POST", f"{_W}/limits", SetLimits, "setLimits", "wallets", 200,
     {**_WHY, "limits": [{"window_seconds": 86400, "amount": 500000, "count": 20}]}),
    ("POST", f"{_W}/freeze", FreezeAccount, "freezeWallet", "wallets", 200, _WHY),
    ("POST", f"{_W}/unfreeze", UnfreezeAccount, "unfreezeWallet", "wallets", 200, _WHY),
    ("POST", f"{_W}/close", CloseAccount, "closeWallet", "wallets", 200, _WHY),
    ("POST", "/v1/holds", PlaceHold, "placeHold", "holds", 201,
     {"wallet": "alice/personal/BDT", "amount": _PART, "expires_in_seconds": 3600}),
    ("POST", f"{_H}/capture", CaptureHold, "captureHold", "holds", 200,
     {"amount": _PART, "final": True}),
    ("POST", f"{_H}/raise", RaiseHold, "raiseHold", "holds", 200, {"by": _PART}),
    ("POST", f"{_H}/void", VoidHold, "voidHold", "holds", 200, _WHY),
    ("POST", f"{_G}/capture", CaptureGroup, "captureHoldGroup", "holds", 200,
     {"to": "escrow/M1"}),
    ("POST", f"{_G}/void", VoidGroup, "voidHoldGroup", "holds", 200, _WHY),
    ("POST", "/v1/entries", PostEntry, "postEntry", "ledger", 201,
     {"source": "adjustment", "legs": [{"account": "cash/main", "debit": BDT},
                                       {"account": "equity/adjustment", "credit": BDT}]}),
    ("POST", "/v1/entries/{entry}/reversals", Reverse, "reverseEntry", "ledger", 201,
     {"reason": "Charged twice.", "amount": "400.00"}),
    ("POST", "/v1/accounts", OpenAccount, "openAccount", "ledger", 201,
     {"code": "escrow/M1", "currency": "BDT"}),
    ("POST", "/v1/khata", AddKhataEntry, "addKhataEntry", "khata", 201,
     {"line": "expense", "category": "Rickshaw", "amount": _PART, "incoming": False,
      "owner": "alice"}),
)  # fmt: skip

_SET_UP: Final[tuple[tuple[str, str, Any, str, str, int, Any], ...]] = (
    ("DELETE", "/v1/keys/{key}", RevokeKey, "revokeKey", "keys", 200, {}),
    ("POST", "/v1/units", DefineUnit, "defineUnit", "set-up", 201,
     {"code": "XP", "exponent": 0, "name": "Experience"}),
    ("POST", "/v1/sources", DefineSource, "defineSource", "set-up", 201,
     {"name": "quiz", "category": "Quizzes", "money_in": "income", "money_out": "expense",
      "against": "expense/quiz"}),
    ("POST", "/v1/wallet-kinds", DefineWalletKind, "defineWalletKind", "set-up", 201,
     {"name": "courier", "title": "Courier"}),
    ("POST", "/v1/settings", Set, "setSetting", "set-up", 200,
     {"name": "four_eyes", "value": {"BDT": "100000.00"}}),
)  # fmt: skip


def write_operations(settings: Settings) -> list[Operation]:
    """All of them: `write` keys move money, `admin` keys change the set-up."""
    return [
        write(
            settings,
            method,
            path,
            command,
            name=name,
            tag=tag,
            status=status,
            example=example,
            scope=scope,
        )
        for rows, scope in ((_ROWS, "write"), (_SET_UP, "admin"))
        for method, path, command, name, tag, status, example in rows
    ]

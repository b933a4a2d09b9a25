"""Where numbers in clear become sealed ones, before a book hears of them, and are sealed anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from khata.app import Khata
from khata.base.actor import WORKER, Actor
from khata.domain import payouts
from khata.domain.payouts import (
    AddBankAccount,
    BankAccount,
    Reseal,
    checked_number,
    mask_of,
    mask_of_name,
)
from khata.engine.database import View
from khata.engine.job import scoped_key
from khata.engine.vault import Vault
from khata.errors import Invalid, VaultMissing

_MOST_NAME: Final = 140
_PAGE: Final = 500


def vault_of(book: Khata) -> Vault:
    """The book's vault. Errors: `VaultMissing`."""
    return needed(book.vault)


def needed(vault: Vault | None) -> Vault:
    """A vault that must be there. Errors: `VaultMissing`."""
    if vault is None:
        raise VaultMissing(
            "No vault key is set, so nothing can be sealed. Make one with `khata keys vault`, put"
            " it in KHATA_VAULT_KEYS, and keep a copy: what it seals cannot be read without it.",
            expected="one or more keys in KHATA_VAULT_KEYS, the newest first",
        )
    return vault


def sealed_bank_account(
    vault: Vault,
    *,
    owner: str,
    number: str,
    holder: str,
    bank: str,
    country: str,
    currency: str,
) -> AddBankAccount:
    """The command that adds a bank account, its number and holder sealed.

    `number`: in clear; spaces and dashes do not matter. An IBAN's check digits are tested.

    Errors: `Invalid`, which repeats neither number nor holder.
    """
    number = checked_number(number)
    if not holder.strip() or len(holder) > _MOST_NAME or not holder.isprintable():
        raise Invalid("The holder's name has 1 to 140 characters.", expected="1 to 140")
    newest, *former = vault.fingerprints(f"{country}/{number}")
    return AddBankAccount(
        owner,
        vault.seal(number),
        mask_of(number),
        newest,
        vault.seal(holder),
        mask_of_name(holder),
        bank,
        country,
        currency,
        tuple(former),
    )


def sealed_before(
    view: View, vault: Vault, key: str, asked: AddBankAccount, who: Actor
) -> AddBankAccount | None:
    """The command that was carried out under this key, when it was about the same as `asked`.

    Sealing gives another text each time, so what is asked again must be what was sealed first.
    None when there is none, or it was about something else.
    """
    before = payouts.added_under(view, scoped_key(key, who))
    return before if before and _clear(vault, before) == _clear(vault, asked) else None


def _clear(vault: Vault, command: AddBankAccount) -> tuple[str, ...]:
    shown = (command.owner, command.bank, command.country, command.currency)
    return (*shown, vault.open(command.number), vault.open(command.holder))


def rotate(book: Khata, by: Actor, tell: Callable[[int, int | None], None]) -> int:
    """Seal every bank account anew under the newest key; how many were not.

    `tell`: called with (done, of how many). Accounts that are done already are passed over, so it
    can be stopped and run again.

    Errors: `VaultMissing`, `VaultKeyUnknown`.
    """
    vault = vault_of(book)
    with book.view() as view:
        total = payouts.count_of_accounts(view)
    done, changed, after = 0, 0, ""
    tell(done, total)
    while True:
        with book.view() as view:
            found = payouts.sealed_accounts(view, after=after, limit=_PAGE)
        if not found:
            return changed
        old = [account for account in found if not _is_current(vault, account)]
        for account in old:
            book.submit(_resealed(vault, account, by), actor=WORKER)
        done, changed, after = done + len(found), changed + len(old), found[-1].id
        tell(done, total)


def _is_current(vault: Vault, account: BankAccount) -> bool:
    return vault.is_current(account.number) and vault.is_current(account.holder)


def _resealed(vault: Vault, account: BankAccount, by: Actor) -> Reseal:
    print_ = vault.fingerprint(f"{account.country}/{vault.open(account.number)}")
    return Reseal(
        account.id, vault.reseal(account.number), vault.reseal(account.holder), print_, str(by)
    )

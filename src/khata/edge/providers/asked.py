"""What an intent asks of a provider, read from its JSON once and then typed."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from khata.engine.sagas.outcome import Intent
from khata.errors import Invalid

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,19}(\.[0-9]{1,6})?$")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What all have: `amount`, a decimal string; `reference`: our own id of the thing."""

    provider: Text
    op: Text
    amount: Amount
    currency: Currency
    reference: Text


class ChargeAsked(Asked, frozen=True, kw_only=True):
    """`method`: `card`, `mobile_money`, `bank_transfer`. `token`: the provider's, of a card.
    `about`: the order or booking, in words for the payer.
    """

    method: Text = "card"
    token: Text | None = None
    about: Text | None = None


class RefundAsked(Asked, frozen=True, kw_only=True):
    """`charge`: the provider's id."""

    charge: Text


class PayoutAsked(Asked, frozen=True, kw_only=True):
    """`account`, `holder`: sealed."""

    account: str
    holder: str
    bank: Text | None = None
    country: Text | None = None


SHAPES: Final[dict[str, type[ChargeAsked | RefundAsked | PayoutAsked]]] = {
    "charge": ChargeAsked,
    "refund": RefundAsked,
    "payout": PayoutAsked,
}


def asked(intent: Intent) -> ChargeAsked | RefundAsked | PayoutAsked:
    """What it asks. Errors: `Invalid`, before anything is sent."""
    shape = SHAPES.get(str(intent.request.get("op")))
    if shape is None:
        raise Invalid("A provider was asked for something unknown.", expected=list(SHAPES))
    try:
        return msgspec.convert(intent.request, shape)
    except msgspec.ValidationError as error:
        _, _, place = str(error).rpartition(" - at ")
        raise Invalid("What is asked of a provider is incomplete.", got=place[:100]) from None

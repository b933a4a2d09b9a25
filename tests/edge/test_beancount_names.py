"""Names in Beancount and names in a book: each made from the other without loss."""

import pytest
import regex
from beancount.core import account as beancount_account
from beancount.core.amount import CURRENCY_RE
from hypothesis import assume, given
from hypothesis import strategies as st

from khata.base.units import ISO_4217
from khata.domain.wallets import is_owner_name
from khata.edge.files.beancount import names

ROOTS = ("cash", "bank", "asset", "escrow", "liability", "equity", "revenue", "expense")
parts = st.one_of(
    st.text("aAbB1-~:_@.0XZéÉকি", min_size=1, max_size=8),
    st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=8),
    st.sampled_from(["cash", "wallet", "escrow", "BDT", "X--0--a", "~Two--Dashes"]),
).filter(lambda part: "/" not in part)
codes = st.builds(
    lambda root, below: "/".join((root, *below)),
    st.sampled_from(ROOTS),
    st.lists(parts, min_size=1, max_size=4),
)
wallets = parts.filter(is_owner_name).map(lambda owner: f"wallet/{owner}/personal/BDT")
accounts = st.from_regex(
    r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-ZÉ0-9][A-Za-zé0-9\-]{0,8}){1,7}",
    fullmatch=True,
)


@pytest.mark.parametrize(
    ("code", "account"),
    [
        ("wallet/alice/personal/BDT", "Liabilities:Wallet:Alice:Personal:BDT"),
        ("wallet/user-42/rider/BDT", "Liabilities:Wallet:User-42:Rider:BDT"),
        ("escrow/M2511128", "Liabilities:Escrow:M2511128"),
        ("revenue/commission", "Income:Commission"),
        ("equity/opening/payments_in", "Equity:Opening:Payments--5f--in"),
        ("bank/checking", "Assets:Bank:Checking"),
        ("asset/US/bofA/checking", "Assets:US:BofA:Checking"),
        ("asset/cash", "Assets:Cash"),
        ("expense/taxes/Y2020/US/federal:preTax", "Expenses:Taxes:Y2020:US:Federal:PreTax"),
    ],
)
def test_names_read_well(code, account):
    """The common case has no marks in it, either way."""
    assert (names.to_account(code), names.to_code(account)) == (account, code)


@given(codes | wallets)
def test_every_code_comes_back(code):
    """Any owner, any order number: one account, and the same code out of it."""
    assert names.to_code(names.to_account(code)) == code


@given(codes | wallets)
def test_every_account_is_one_that_beancount_accepts(code):
    """By Beancount's own pattern."""
    pattern = beancount_account.ACC_COMP_NAME_RE
    assert regex.fullmatch(rf"[A-Z][a-z]+(:{pattern})+", names.to_account(code))


@given(accounts)
def test_every_beancount_account_comes_back(account):
    """Whatever someone called it, in their own books."""
    assume("--3a--" not in account)
    assert names.to_account(names.to_code(account)) == account


@given(st.from_regex(r"[A-Z][A-Z0-9_]{1,11}", fullmatch=True))
def test_every_unit_is_a_commodity_and_back(unit):
    """Beancount takes it, and it is that unit again."""
    exponent = ISO_4217.get(unit, 2)
    commodity = names.to_commodity(unit, None, exponent)
    assert regex.fullmatch(CURRENCY_RE, commodity)
    assert names.to_unit(commodity, exponent) == (unit, exponent)


@given(st.from_regex(r"[A-Z][A-Z0-9'._-]{0,20}[A-Z0-9]", fullmatch=True), st.integers(0, 8))
def test_every_commodity_has_a_unit_and_its_name_back(commodity, decimals):
    """A unit's code is short and plain; its name keeps what the commodity was called."""
    code, exponent = names.to_unit(commodity, decimals)
    assert regex.fullmatch(r"[A-Z][A-Z0-9_]{1,11}", code)
    if code != commodity and not commodity.endswith(".U"):
        assert names.to_commodity(code, commodity, exponent) == commodity

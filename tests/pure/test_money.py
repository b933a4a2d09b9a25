"""Money at the border: decimal strings outside, minor units inside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base.money import MAX_MINOR, Money, to_minor, to_positive_minor, to_text
from khata.base.units import ISO_4217
from khata.errors import AmountTooLarge, Invalid, InvalidAmount, TooManyDecimals

MINOR = st.integers(-MAX_MINOR, MAX_MINOR)
EXPONENT = st.integers(0, 8)
BAD = [
    *("", " ", "-", ".", "--1", "+1", " 1", "1 ", "1\n", "1.", ".5", "-.5", "1.-5", "1..5"),
    *("1e3", "1E3", "0x10", "1_000", "1,000", "1.5.0", "NaN", "nan", "Infinity", "-inf"),
    *("١٠", "১০", "１", "1٫5", "²", "½", "৳5", "5 BDT", "1\x00", "−1"),
]


@given(MINOR, EXPONENT)
def test_every_amount_survives_the_round_trip(minor, exponent):
    """Minor units written as text are read back as the same number."""
    assert to_minor(to_text(minor, exponent), exponent) == minor


@given(MINOR, EXPONENT)
def test_a_text_has_exactly_the_decimals_of_its_unit(minor, exponent):
    """An amount is shown with all decimals, and a digit before the point."""
    whole, _, decimals = to_text(minor, exponent).partition(".")
    assert (len(decimals), whole.lstrip("-").isdigit()) == (exponent, True)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, max_value=10**15, min_value=0))
def test_it_reads_what_the_decimal_type_writes(amount):
    """`to_minor` agrees with Python's own decimal arithmetic."""
    assert to_minor(f"{amount:f}", 2) == int(amount.scaleb(2))


@given(st.text(max_size=12), EXPONENT)
def test_any_other_text_is_refused_by_name(text, exponent):
    """Whatever is typed, the answer is a number or one of the errors of amounts."""
    try:
        minor = to_minor(text, exponent)
    except (InvalidAmount, TooManyDecimals, AmountTooLarge):
        return
    assert set(text) <= set("0123456789.-")
    assert to_minor(to_text(minor, exponent), exponent) == minor


@pytest.mark.parametrize("text", BAD)
def test_bad_text(text):
    """An amount reads `-?digits[.digits]` in ASCII and nothing else."""
    with pytest.raises(InvalidAmount):
        to_minor(text, 2)


@pytest.mark.parametrize("value", [10**30, 1000, 1.5, float("nan"), None, b"1.00", True])
def test_only_a_text_is_an_amount(value):
    """A number is refused: it may have been a float on its way."""
    with pytest.raises(InvalidAmount):
        to_minor(value, 2)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("15296775.16", "IQD", 15_296_775_160),
        ("1.234", "KWD", 1_234),
        ("1000", "JPY", 1000),
        ("1000.5", "BDT", 100_050),
        ("-0.01", "USD", -1),
        ("0.0001", "CLF", 1),
        ("-0", "BDT", 0),
        ("007", "BDT", 700),
    ],
)
def test_exponents_are_those_of_iso_4217(text, currency, minor):
    """Each currency has the decimals that the standard gives it."""
    assert to_minor(text, ISO_4217[currency]) == minor


@pytest.mark.parametrize(("text", "exponent"), [("1.234", 2), ("1.0", 0), ("1.0000", 3)])
def test_too_many_decimals(text, exponent):
    """A decimal too many is an error even when it is a zero: nothing is rounded silently."""
    with pytest.raises(TooManyDecimals) as caught:
        to_minor(text, exponent)
    assert caught.value.details["expected"] == exponent


@pytest.mark.parametrize("text", ["9999999999999999.99", "-9999999999999999.99"])
def test_the_largest_amount_fits(text):
    """Eighteen digits of minor units, either sign."""
    assert abs(to_minor(text, 2)) == MAX_MINOR


@pytest.mark.parametrize("text", ["10000000000000000.00", "9" * 21, "9" * 5000, "-1" + "0" * 30])
def test_beyond_the_largest(text):
    """What a 64-bit column might not hold is refused, however long it is."""
    with pytest.raises(AmountTooLarge):
        to_minor(text, 2)


@pytest.mark.parametrize("text", ["0", "0.00", "-0", "-1.00"])
def test_moved_amounts_are_above_zero(text):
    """Zero and less cannot be moved."""
    with pytest.raises(InvalidAmount):
        to_positive_minor(text, 2)


def test_every_error_about_an_amount_is_bad_input():
    """A door can answer all of them alike."""
    assert {InvalidAmount, TooManyDecimals, AmountTooLarge} <= set(Invalid.__subclasses__())


def test_money_reads_well():
    """In messages an amount stands before its currency."""
    assert str(Money("1000.00", "BDT")) == "1000.00 BDT"


def test_the_table_of_currencies():
    """Three capital letters each, and the odd exponents where they belong."""
    odd = {"IQD": 3, "BHD": 3, "TND": 3, "JPY": 0, "KRW": 0, "CLF": 4, "BDT": 2, "EUR": 2}
    assert {code: ISO_4217[code] for code in odd} == odd
    assert [code for code in ISO_4217 if not (len(code) == 3 and code.isupper())] == []

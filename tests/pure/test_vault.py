"""The vault seals, opens and changes keys; numbers are checked and masked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.domain.payouts import checked_number, mask_of, mask_of_name
from khata.engine.vault import Vault, is_fingerprint, is_sealed
from khata.errors import Invalid, VaultKeyUnknown

OLD, NEW = Vault.new_key(), Vault.new_key()
IBAN = "GB82 WEST 1234 5698 7654 32"


@given(st.text(max_size=200))
def test_what_is_sealed_can_be_opened(text):
    """Any text comes back; sealed, it neither shows nor looks the same twice."""
    vault = Vault([OLD])
    sealed = vault.seal(text)
    assert vault.open(sealed) == text
    assert is_sealed(sealed)
    assert vault.seal(text) != sealed


def test_new_keys_seal_and_old_ones_still_open():
    """Under a new key in front, what was sealed before opens, and can be sealed anew."""
    sealed = Vault([OLD]).seal("number")
    both = Vault([NEW, OLD])
    assert both.open(sealed) == "number"
    assert not both.is_current(sealed)
    anew = both.reseal(sealed)
    assert both.is_current(anew)
    assert both.reseal(anew) == anew
    assert Vault([NEW]).open(anew) == "number"


@pytest.mark.parametrize("text", ["", "gAAAA", "number", "é"])
def test_what_no_key_opens_is_one_clear_error(text):
    """Another's seal, or none at all."""
    for sealed in (text, Vault([OLD]).seal("number")):
        with pytest.raises(VaultKeyUnknown) as caught:
            Vault([NEW]).open(sealed)
        assert "number" not in str(caught.value) + str(caught.value.details)


@pytest.mark.parametrize("keys", [[], [""], ["short"], [OLD, "x" * 44]])
def test_a_key_that_is_none_is_not_repeated(keys):
    """A start with a wrong key says what a key is, and not what it found."""
    with pytest.raises(Invalid) as caught:
        Vault(keys)
    told = str(caught.value) + str(caught.value.details)
    assert not any(key and key in told for key in keys)
    assert OLD not in repr(Vault([OLD]))


def test_a_fingerprint_tells_the_same_number_and_needs_the_key():
    """The same under one key, another under another; all of them while keys change."""
    old, new, both = Vault([OLD]), Vault([NEW]), Vault([NEW, OLD])
    assert old.fingerprint("1") == old.fingerprint("1") != old.fingerprint("2")
    assert new.fingerprint("1") != old.fingerprint("1")
    assert both.fingerprints("1") == [new.fingerprint("1"), old.fingerprint("1")]
    assert both.fingerprint("1") == new.fingerprint("1")
    assert is_fingerprint(both.fingerprint("1"))


@pytest.mark.parametrize(
    ("text", "number"),
    [("1234-5678 9012", "123456789012"), (IBAN, "GB82WEST12345698765432"), ("ab12", "AB12")],
)
def test_a_number_is_read_as_people_write_it(text, number):
    """Spaces and dashes do not matter."""
    assert checked_number(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "123", "1" * 35, "12_34567", "ACCOUNT", "١٢٣٤٥٦", "1234\n5678", "GB82WEST12345698765433"],
)
def test_a_number_that_is_none_is_refused_without_repeating_it(text):
    """Too short, too long, other characters, check digits that do not fit."""
    with pytest.raises(Invalid) as caught:
        checked_number(text)
    assert not text or text not in str(caught.value) + str(caught.value.details)


@given(st.text("0123456789ABC", min_size=4, max_size=34))
def test_a_mask_hides_four_characters_at_least(number):
    """And shows four at most, the last ones."""
    shown = mask_of(number).removeprefix("••••").strip()
    assert number.endswith(shown)
    assert len(shown) <= min(4, len(number) - 4)


def test_masks_read_like_this():
    """What people see."""
    assert mask_of("123456789") == "•••• 6789"
    assert mask_of_name("Rafiq  Ahmed") == "R•••• A••••"

"""What the environment says of messages."""

import pytest

from khata.errors import Invalid
from khata.settings import settings_from


@pytest.mark.parametrize(
    "text",
    [
        "nats://a:4222",
        "nats://a:4222, nats://b:4222/",
        "tls://user:secret@nats.example:4222",
        "10.0.0.5:4222",
        "wss://[::1]:443",
        "a",
    ],
)
def test_servers_of_nats_are_addresses(text):
    """One or several, with commas."""
    assert ", ".join(settings_from({"KHATA_MESSAGING_NATS": text}).messaging_nats) == text


@pytest.mark.parametrize("text", ["http://a:4222", "nats//a", "nat://a", "nats://a:port", "a b"])
def test_what_is_no_address_of_nats_is_refused(text):
    """By the name of the setting; not by what it says, which may hold a password."""
    with pytest.raises(Invalid, match="KHATA_MESSAGING_NATS") as caught:
        settings_from({"KHATA_MESSAGING_NATS": f"nats://good:1,{text}"})
    assert text not in str(caught.value)

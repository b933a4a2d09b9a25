"""KHATA_PROVIDERS: what is taken, and that errors never repeat what is secret."""

import json

import pytest

from khata.edge.providers import Providers
from khata.errors import Invalid
from khata.settings import settings_from

GOOD = {
    "name": "sandbox",
    "base_url": "http://127.0.0.1:9100",
    "api_key": "sk_hidden",
    "webhook_secrets": ["whsec_aGlkZGVuaGlkZGVu"],
}


def read(told):
    text = told if isinstance(told, str) else json.dumps(told)
    return settings_from({"KHATA_PROVIDERS": text}).providers


def test_without_it_there_are_none():
    """Nobody has to have a provider."""
    assert settings_from({}).providers == ()


def test_a_list_is_read():
    """As JSON in the variable itself."""
    (config,) = read([GOOD])
    assert (config.name, config.kind, config.api_key) == ("sandbox", "sandbox", "sk_hidden")


def test_a_file_is_read(tmp_path):
    """As the path of a file, which keeps secrets out of the list of processes."""
    path = tmp_path / "providers.json"
    path.write_text(json.dumps([GOOD]), encoding="utf-8")
    assert read(str(path)) == read([GOOD])


def test_settings_are_shown_without_secrets():
    """Neither the settings' text nor a provider's has one."""
    settings = settings_from({"KHATA_PROVIDERS": json.dumps([GOOD])})
    told = f"{settings!r} {settings.providers[0]!r} {settings.providers[0].__rich_repr__()}"
    assert "hidden" not in told
    assert "whsec" not in told


@pytest.mark.parametrize(
    "told",
    [
        "[", "{}", "[7]", '["sk_hidden"]', "no/such/sk_hidden/file", "[{}]",
        [GOOD, GOOD],
        [GOOD | {"name": "sk_hidden!"}],
        [GOOD | {"name": ""}],
        [GOOD | {"kind": "sk_hidden"}],
        [GOOD | {"scheme": "sk_hidden"}],
        [GOOD | {"api_key": 7}],
        [GOOD | {"api_key": "sk_hidden\n"}],
        [GOOD | {"sk_hidden": 1}],
        [GOOD | {"base_url": ""}],
        [GOOD | {"base_url": "ftp://sk_hidden"}],
        [GOOD | {"base_url": "http://me:sk_hidden@example.test"}],
        [GOOD | {"webhook_secrets": "sk_hidden"}],
        [GOOD | {"webhook_secrets": ["", "sk_hidden"]}],
        [GOOD | {"timeout_seconds": 0}],
        [GOOD | {"timeout_seconds": 1e9}],
    ],
)  # fmt: skip
def test_mistakes_are_named_and_secrets_are_not(told):
    """The variable, what was expected, and nothing of what was found."""
    with pytest.raises(Invalid) as caught:
        read(told)
    text = f"{caught.value} {caught.value.details}"
    assert "KHATA_PROVIDERS" in text
    assert "hidden" not in text


def test_a_secret_that_is_none_stops_the_start():
    """A Standard Webhooks secret is base64; the error does not repeat it."""
    with pytest.raises(Invalid) as caught:
        Providers(read([GOOD | {"webhook_secrets": ["hidden!hidden!x"]}]))
    assert "hidden" not in f"{caught.value} {caught.value.details}"

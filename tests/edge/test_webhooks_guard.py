"""Where a server may send to, whatever somebody typed in and whatever a name means this time."""

import asyncio
import ipaddress
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from khata.edge.webhooks.guard import AddressRefused, Guard
from khata.edge.webhooks.sending import Letter, Sender
from khata.errors import Invalid
from khata.settings import settings_from
from tests.hooks import SECRET, listening

REFUSED = [
    "0.0.0.0",  # noqa: S104 - never bound to
    "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.8.8.8",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170",
    "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "100.100.100.200",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "::ffff:8.8.8.8", "::ffff:8.8.8.8%eth0", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:db8::1", "2002:7f00:1::", "2002:a00:1::", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%lo", "fec0::1", "ff02::1", "3fff::1", "4000::1", "nonsense", "",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700:4700::1111"]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address):
    """Private, loopback, link-local, multicast, reserved, cloud metadata; IPv4 inside IPv6 too."""
    assert not Guard().allows(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_not(address):
    """Addresses of the public internet."""
    assert Guard().allows(address)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433",
        "0x7f000001", "0177.0.0.1", "0", "[::]", "169.254.169.254",
    ],
)  # fmt: skip
def test_every_way_to_write_this_machine_is_refused(host):
    """As the machine itself resolves it: names, short and odd numbers."""
    with pytest.raises(AddressRefused):
        Guard().target(f"http://{host}:8080/")


def named(*answers):
    """A resolver that answers in turn, the last for ever; what it was asked."""
    left, asked = list(answers), []

    def resolve(host, port):
        asked.append((host, port))
        found = left.pop(0) if len(left) > 1 else left[0]
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found

    return resolve, asked


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::1"], [], None]
)
def test_a_name_with_a_private_address_is_refused(addresses):
    """One is enough, and none is too few."""
    resolve, _ = named(addresses)
    with pytest.raises(AddressRefused):
        Guard(resolve=resolve).target("https://shop.example/hook")


def test_a_name_is_resolved_once_and_the_connection_goes_there():
    """A name that means another machine a moment later (rebinding) is not asked again."""
    resolve, asked = named(["93.184.216.34"], ["127.0.0.1"])
    target = Guard(resolve=resolve).target("https://shop.example/hook?a=1")
    assert (target.url, target.host) == ("https://93.184.216.34:443/hook?a=1", "shop.example")
    assert asked == [("shop.example", 443)]
    with pytest.raises(AddressRefused):
        Guard(resolve=resolve).target("https://shop.example/hook")


def send(guard, url, **how):
    """Send a letter; how it went."""
    sender = Sender(guard, 5.0)
    for name, value in how.items():
        setattr(sender, name, value)
    try:
        letter = Letter("evt_1", url, [SECRET], b"{}")
        return asyncio.run(sender.send(letter, time.time_ns() // 1000))
    finally:
        sender.close()


def test_rebinding_between_check_and_connection_changes_nothing():
    """The second answer would be another machine; it is never asked for."""
    resolve, asked = named(["127.0.0.1"], ["192.0.2.1"])
    with listening() as listener:
        guard = Guard(["127.0.0.0/8"], resolve)
        sent = send(guard, f"http://shop.example:{listener.port}/hook?a=1")
        assert (sent.status, sent.error, len(asked)) == (200, None, 1)
        assert listener.got[0][0]["host"] == f"shop.example:{listener.port}"


def test_the_settings_allow_networks():
    """Those and no others; an IPv4 network holds for its addresses in IPv6 too."""
    guard = Guard(["10.1.0.0/16", "fd00::/8"])
    allowed = ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"]
    assert [guard.allows(one) for one in allowed] == [True] * 3
    assert not any(guard.allows(one) for one in ("10.2.0.1", "127.0.0.1", "fc00::1"))


def test_a_setting_that_is_no_network():
    """It stops the start, naming the variable."""
    found = settings_from({"KHATA_WEBHOOK_ALLOW": "127.0.0.1/8, ::1"})
    assert found.webhook_allow == ("127.0.0.0/8", "::1/128")
    with pytest.raises(Invalid, match="KHATA_WEBHOOK_ALLOW"):
        settings_from({"KHATA_WEBHOOK_ALLOW": "everything"})


# ── certificates ─────────────────────────────────────────────────────────────────────


def a_certificate(folder, name):
    """A certificate that signs itself, for this name; the path of it with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("name", "trusted", "error"),
    [
        ("shop.example", True, None),
        ("other.example", True, "tls"),
        ("shop.example", False, "tls"),
    ],
)
def test_the_certificate_is_the_names(tmp_path, name, trusted, error):
    """Connected by address, the receiver must still prove that it is who was meant."""
    path = a_certificate(tmp_path, name)
    with listening() as listener:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(path)
        listener.server.socket = server.wrap_socket(listener.server.socket, server_side=True)
        listener.server.handle_error = lambda *_: None
        resolve, _ = named(["127.0.0.1"])
        context = ssl.create_default_context(cafile=path if trusted else None)
        url = f"https://shop.example:{listener.port}/"
        sent = send(Guard(["127.0.0.0/8"], resolve), url, _tls=context)
        assert (sent.error, len(listener.got)) == (error, 0 if error else 1)


def test_the_table_is_of_addresses():
    """What the tables above say are addresses are such, so that a misspelt one does not pass."""
    odd = [one for one in REFUSED if "%" not in one and one not in {"nonsense", ""}]
    assert all(ipaddress.ip_address(one) for one in odd + PUBLIC)

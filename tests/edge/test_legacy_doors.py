"""Exports of other systems at the doors: the command line as documented, HTTP, the client."""

import csv
import re
import shlex
from pathlib import Path

import msgspec
import pytest

from khata.domain import legacy
from khata.edge.cli.demo import old_shop
from khata.edge.client import Client
from khata.edge.files.legacy import read_snapshot, snapshot_in
from khata.edge.files.legacy_mapping import TABLES, OrderColumns, read_mapping
from khata.errors import Forbidden
from khata.errors.operations import SnapshotRefused
from tests.edge.command_line import khata
from tests.edge.serving import a_key, serving_sqlite
from tests.servers import sqlite_at

ROOT = Path(__file__).parents[2]
CASE = ROOT / "examples" / "legacy" / "customer-94"
DOC = ROOT / "docs" / "legacy-audit.md"
WHY = "The old shop closes"


def tables():
    """The rows of the reference case, as a request has them."""
    found = {}
    for table in TABLES:
        with (CASE / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            found[table] = list(csv.DictReader(file))
    return found


def mapping():
    return msgspec.to_builtins(read_mapping(CASE / "mapping.toml"))


def test_the_documented_commands_do_what_they_say(database_url, monkeypatch):
    """All of them in their order: an audit without a book, repaired, nothing the second time."""
    monkeypatch.chdir(ROOT)
    lines = re.findall(r"^\$ khata (.+)$", DOC.read_text(encoding="utf-8"), re.MULTILINE)
    said = [khata(*shlex.split(line), url=database_url) for line in lines]
    assert [done.code for done in said] == [0] * len(lines), [done.err for done in said]
    _, planned, told, repaired, again, listed, verified = [done.out for done in said]
    assert repaired.startswith(planned)
    assert "5 orders taken over" in repaired
    assert "0 to repair" in again
    assert "15,296,775.160 IQD" in listed
    assert "Everything agrees" in verified
    report = msgspec.json.decode(told, type=legacy.AuditReport)
    assert [item.plan.order[-2:] for item in report.repairs] == ["30", "33", "35", "38"]
    as_json = ["orders", "repair", "--snapshot", str(CASE), "--reason", "x", "--json"]
    second = khata(*as_json, url=database_url)
    assert msgspec.json.decode(second.out, type=legacy.AuditReport).repairs == []


def test_the_command_line_refuses(tmp_path):
    """One thing to repair at a time; a mapping that is not there; a request for approval."""
    url = sqlite_at(tmp_path / "khata.db")
    case = ["--snapshot", str(CASE)]
    both = khata("orders", "repair", "M1", *case, "--reason", "x", url=url)
    assert (both.code, "one of these" in both.err) == (3, True)
    lost = khata("orders", "audit", *case, "--mapping", "nowhere.toml", url=url)
    assert (lost.code, "snapshot_refused" in lost.err) == (3, True)
    asked = khata("orders", "repair", *case, "--reason", "x", "--ask", "large", url=url)
    assert (asked.code, "waits for another person" in asked.out) == (0, True)


def test_the_documents_name_what_there_is():
    """Every column, every reason, and the example's numbers."""
    text = DOC.read_text(encoding="utf-8")
    assert [name for name in OrderColumns.__struct_fields__ if f"`{name}`" not in text] == []
    sources = [*(ROOT / "src/khata/edge/files").glob("legacy*.py"),
               *(ROOT / "src/khata/domain/legacy").glob("*.py")]  # fmt: skip
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    reasons = set(re.findall(r'(?:reason=|wrong\(\s*)"([a-z_]+)"', code))
    assert len(reasons) > 10
    assert {reason for reason in reasons if f"`{reason}`" not in text} == set()


def test_the_demo_plays_the_reference_case():
    """Its rows are those of the example."""
    rows = {name: list(csv.DictReader(text.splitlines())) for name, text in old_shop.TABLES.items()}
    shown = snapshot_in(old_shop.MAPPING, rows, 0)
    case = read_snapshot(CASE, CASE / "mapping.toml", 0)
    orders = [
        [msgspec.structs.replace(order, line=0, title=None) for order in found.orders]
        for found in (shown, case)
    ]
    assert (orders[0], shown.wallets) == (orders[1], case.wallets)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server whose worker does the repairs."""
    with serving_sqlite(tmp_path_factory.mktemp("legacy")) as running:
        yield running


def test_an_export_through_the_client(server):
    """Judged, tried, taken over; the workers repair; a second time there is nothing."""
    with Client(server.url, server.key) as client:
        report = client.audit_legacy(mapping(), **tables())
        tried = client.take_over_legacy(mapping(), WHY, **tables(), dry_run=True)
        assert tried.report == report
        assert client.legacy_takeovers().items == []
        taken = client.take_over_legacy(mapping(), WHY, **tables())
        assert (taken.report, taken.adopted, len(taken.sagas)) == (report, 5, 4)
        again = client.take_over_legacy(mapping(), WHY, **tables())
        assert again.adopted == 0
        (kept,) = client.each_legacy_takeovers()
        assert (kept.customer, kept.reason, len(kept.repairs)) == ("94", WHY, 4)
        one = legacy.TakeOver("old-shop", "95", "IQD", [], "0" * 64, WHY)
        assert client.take_over_customer(one, dry_run=True).result.adopted == []
        wrong = tables() | {"wallets": [{"customer_id": 94, "currency": "IQD", "balance": "1,2"}]}
        with pytest.raises(SnapshotRefused) as caught:
            client.audit_legacy(mapping(), **wrong)
        told = caught.value.details
        assert (told["file"], told["line"], told["column"]) == ("wallets", 1, "balance")
    reader = a_key(server.database_url, ["support"], ["read", "write"])
    with Client(server.url, reader) as client, pytest.raises(Forbidden):
        client.take_over_customer(one)

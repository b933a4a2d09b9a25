"""Exports of other systems: what is read of them, and how what is wrong is named."""

import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.domain import legacy
from khata.edge.files.legacy import read_snapshot, snapshot_in
from khata.edge.files.legacy_mapping import TABLES, Mapping, read_mapping
from khata.edge.files.legacy_rows import Reader, Row
from khata.edge.files.legacy_taking import command_for, key_of
from khata.errors.operations import SnapshotRefused
from tests.conftest import examples

CASE = Path(__file__).parents[2] / "examples" / "legacy" / "customer-94"
ORDERS, STAFF, MOVED, WALLETS = (f"{name}.csv" for name in TABLES)
MAPPING = "mapping.toml"


@pytest.fixture
def folder(tmp_path):
    """A copy of the reference case, to spoil."""
    return Path(shutil.copytree(CASE, tmp_path / "export"))


def read(folder):
    return read_snapshot(folder, folder / MAPPING, 0)


def swap(folder, file, old, new):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def spoilt(folder, file, old, new):
    """The error of an export in which something stands otherwise."""
    swap(folder, file, old, new)
    with pytest.raises(SnapshotRefused) as caught:
        read(folder)
    return caught.value.details


def test_the_reference_case_is_read():
    """Five orders of customer 94: the last word on each axis counts, times are the zone's."""
    found = read(CASE)
    assert (found.unit, found.exponent, found.wallets) == (
        "IQD",
        3,
        [legacy.LegacyWallet("94", 15_296_775_160)],
    )
    stands = [(order.ref, order.finance, order.warehouse, order.logistics, order.shown)
              for order in found.orders]  # fmt: skip
    assert stands == [
        ("M2511128", "paid", "ready", "waiting", "preparing"),
        ("M2511130", "paid", "picked", "delivered", "pending"),
        ("M2511133", "wallet_partial", "waiting", "waiting", "pending"),
        ("M2511135", "wallet_partial", "picked", "delivered", "pending"),
        ("M2511138", "receipt_uploaded", "waiting", "waiting", "in_review"),
    ]
    third = found.orders[2]
    assert (third.wallet_part, third.wallet_moved, third.received) == (1_500_000_005, 0, 2499999990)
    assert legacy.audit(found).repairs[3].since == "2025-11-21T06:47:33.000000Z"


def test_the_audit_plans_one_repair_for_each_of_four():
    """What the reference case is known for, to the fils."""
    report = legacy.audit(read(CASE))
    assert report.correct == ["M2511128"]
    plans = {item.plan.order: item.plan for item in report.repairs}
    did = {ref: [(a.kind, a.to, a.amount) for a in plan.actions] for ref, plan in plans.items()}
    assert did == {
        "M2511130": [("sync_shown", "delivered", None)],
        "M2511133": [("take_wallet_part", None, "1500000.005"), ("move", "ready", None)],
        "M2511135": [("take_wallet_part", None, "734567.890"), ("schedule_release", None, None)],
        "M2511138": [("approve_receipt", None, "675125.125"), ("move", "ready", None)],
    }
    after = {ref: (plan.after.finance, plan.after.shown) for ref, plan in plans.items()}
    assert after == {
        "M2511130": ("paid", "delivered"),
        "M2511133": ("paid", "preparing"),
        "M2511135": ("paid", "delivered"),
        "M2511138": ("paid", "preparing"),
    }
    (wallet,) = report.balances
    assert (wallet.before, wallet.after) == ("15296775.160", "13062207.265")
    assert (report.from_wallets, report.moved) == ("2234567.895", "2909693.020")


def test_json_and_requests_say_the_same(folder):
    """A table in JSON, numbers and all, and all of it in a request, as the CSV files."""
    csv = read(folder)
    swap(folder, MAPPING, 'file = "wallets.csv"', 'file = "wallets.json"')
    assert read(folder).wallets == csv.wallets
    mapping = folder / "mapping.json"
    mapping.write_bytes(msgspec.json.encode(read_mapping(folder / MAPPING)))
    assert read_snapshot(folder, mapping, 0).orders == csv.orders
    rows = {
        "orders": [{**ROW, "total": "1.500"}],
        "management": [{"order_no": "A1", "status": "paid", "changed_at": "2025-11-13 08:12:40"}],
        "wallet_transactions": [],
        "wallets": [],
    }
    asked = snapshot_in(msgspec.json.decode(mapping.read_bytes(), type=Mapping), rows, 0)
    assert asked.orders[0].total == 1500
    with pytest.raises(SnapshotRefused) as caught:
        snapshot_in(read_mapping(CASE / MAPPING), rows | {"wallets": [{"balance": 1.5}]}, 0)
    assert (caught.value.details["file"], caught.value.details["line"]) == ("wallets", 1)


ROW = {
    "order_no": "A1",
    "customer_id": 94,
    "product": None,
    "total": "1",
    "wallet_part": 0,
    "bank_received": "1.5",
    "refunded": "",
    "status": "pending",
    "created_at": "2025-11-12 10:04:31",
    "receipt_uploaded_at": None,
}


@pytest.mark.parametrize(
    "written", ["١٥٬٢٩٦٬٧٧٥٫١٦٠", "۱۵٬۲۹۶٬۷۷۵٫۱۶۰", "১৫২৯৬৭৭৫٫১৬", "1٬52٬96٬775٫16000"]
)
def test_digits_of_other_scripts_are_digits(folder, written):
    """Arabic, Persian, Bengali; groups of two as in lakh; marks as the mapping declares them."""
    for file, old in ((ORDERS, "."), (MOVED, ".")):
        path = folder / file
        path.write_text(path.read_text(encoding="utf-8").replace(old, "٫"), encoding="utf-8")
    swap(folder, MAPPING, 'decimal = "."', 'decimal = "٫"')
    swap(folder, MAPPING, 'thousands = ","', 'thousands = "٬"')
    swap(folder, WALLETS, '"15,296,775.160"', written)
    swap(folder, STAFF, "2025-11-13 08:12:40", "٢٠٢٥-١١-١٣ ٠٨:١٢:٤٠")
    found = read(folder)
    assert found.wallets[0].balance == 15_296_775_160
    assert found.orders == read(CASE).orders


@given(
    st.integers(0, 10**17),
    st.sampled_from([".", ",", "٫"]),
    st.sampled_from(["", " ", "٬", "'"]),
    st.sampled_from(["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "০১২৩৪৫৬৭৮৯"]),
)
@examples(40)
def test_an_amount_is_read_as_it_was_meant(minor, decimal, thousands, digits):
    """However it is written, as the mapping declares it: the same number of fils."""
    reader = Reader("IQD", 3, "iso", ZoneInfo("UTC"), decimal, thousands)
    whole, rest = divmod(minor, 1000)
    text = f"{whole:,}".replace(",", thousands) + decimal + f"{rest:03}"
    text = text.translate({ord(str(value)): digits[value] for value in range(10)})
    row = Row("orders.csv", 2, {"total": text})
    assert reader.amount(row, "total") == minor
    other = Row("orders.csv", 2, {"total": text.replace(decimal, "." if decimal != "." else ",")})
    with pytest.raises(SnapshotRefused):
        reader.amount(other, "total")


@pytest.mark.parametrize(
    ("file", "old", "new", "reason", "line", "column"),
    [
        (MAPPING, 'total = "total"', 'total = "sum"', "missing_column", 1, "sum"),
        (MAPPING, 'shown = "status"\n', "", "mapping", None, None),
        (MAPPING, 'zone = "Asia/Baghdad"', 'zone = "Asia/Atlantis"', "mapping", None, None),
        (MAPPING, '"%Y-%m-%d %H:%M:%S"', '"%H:%M"', "mapping", None, None),
        (MAPPING, 'thousands = ","', 'thousands = "."', "mapping", None, None),
        (MAPPING, '"IQD"', '"IQX"', "mapping", None, None),
        (MAPPING, 'finance = "paid"', 'finance = "payed"', "mapping", None, None),
        (MAPPING, 'name = "old-shop"', "name = [", "mapping", None, None),
        (MAPPING, 'file = "wallets.csv"', 'file = "../wallets.csv"', "missing_file", 1, None),
        (ORDERS, "M2511130", "M2511128", "duplicate", 3, "order_no"),
        (ORDERS, ",processing,", ",done,", "unknown_word", 2, "status"),
        (ORDERS, "845250.500,0,", "845250.5005,0,", "amount", 3, "total"),
        (ORDERS, "845250.500,0,", "845.250,5,0,", "unreadable", 3, None),
        (ORDERS, "2150500.250,0,", "0,0,", "amount", 2, "total"),
        (ORDERS, "1500000.005", "5000000", "amount", 4, "total"),
        (ORDERS, "2025-11-12 10:04:31", "12.11.2025", "time", 2, "created_at"),
        (ORDERS, "2025-11-12 10:04:31", "2025-11-28 18:00:01", "time", 2, "created_at"),
        (MAPPING, '"old-shop"', '"old shop"', "mapping", None, None),
        (ORDERS, "M2511130,94", "M 1,94", "text", 3, "order_no"),
        (ORDERS, "M2511130,94", "M2511199,94", "no_management", 3, "order_no"),
        (STAFF, "M2511138,bank", "M2511199,bank", "unknown_order", 12, "order_no"),
        (STAFF, "wallet_partial", "walet_partial", "unknown_word", 9, "status"),
        (STAFF, "2025-11-16 11:09:58", "", "time", 9, "changed_at"),
        (STAFF, "M2511133,wallet_partial", "M2511133,warehouse_ready", "no_finance", 9, "status"),
        (MOVED, "WT-78903", "WT-77120", "duplicate", 3, "tx_id"),
        (MOVED, ",,top_up", ",M1,order_payment", "unknown_order", 2, "order_no"),
        (MOVED, "94,,top_up", "95,M2511133,order_hold", "unknown_order", 2, "customer_id"),
        (MOVED, ",,top_up", ",M2511133,order_refund", "amount", 4, "order_no"),
        (WALLETS, "IQD", "USD", "currency", 2, "currency"),
        (WALLETS, "15,296,775.160", "15,29,6775.160", "amount", 2, "balance"),
        (WALLETS, "15,296,775.160", "-1", "amount", 2, "balance"),
        (WALLETS, "94,IQD", "95,IQD", "no_wallet", 4, None),
        (WALLETS, '\n94,IQD,"15,296,775.160"', "", "no_wallet", 4, None),
    ],
)
def test_what_is_wrong_is_named(folder, file, old, new, reason, line, column):
    """File, line, column, what was expected and what stood there."""
    told = spoilt(folder, file, old, new)
    assert (told["reason"], told.get("line"), told.get("column")) == (reason, line, column)
    assert told["file"]
    assert {"expected", "got"} <= told.keys()


@pytest.mark.parametrize(
    ("file", "raw", "line"),
    [
        (ORDERS, b"+M2511139,94,\xe9\n", 7),
        (ORDERS, "order_no,total\nM1,1\n".encode("utf-16"), 1),
        (ORDERS, b"", 1),
        (ORDERS, b'+"M2511139,94\n', 7),
        (ORDERS, b"+M2511139,94\n", 7),
        ("wallets.json", b'[\n{"customer_id": 94, "bal', 2),
        ("wallets.json", b'[\n{"customer_id": 94,}]', 2),
        ("wallets.json", b'{"customer_id": 94}', 1),
        ("wallets.json", b"[94]", 1),
        ("wallets.json", b'[{"customer_id": true, "currency": "IQD", "balance": 1}]', 1),
        ("wallets.json", b'[{"customer_id": "\\ud800", "currency": "IQD", "balance": 1}]', 1),
    ],
)
def test_files_that_cannot_be_read(folder, file, raw, line):
    """Other encodings, open quotes, truncated JSON: refused with the place."""
    if file.endswith("json"):
        swap(folder, MAPPING, 'file = "wallets.csv"', 'file = "wallets.json"')
    before = (folder / file).read_bytes() if raw.startswith(b"+") else b""
    (folder / file).write_bytes(before + raw.removeprefix(b"+"))
    with pytest.raises(SnapshotRefused) as caught:
        read(folder)
    assert (caught.value.details["file"], caught.value.details["line"]) == (file, line)


def test_a_missing_folder_or_mapping_is_said():
    """Nothing is made up for what is not there."""
    for folder, mapping in (("nowhere", CASE / MAPPING), (CASE, "nowhere.toml")):
        with pytest.raises(SnapshotRefused) as caught:
            read_snapshot(folder, mapping, 0)
        assert caught.value.details["reason"] == "missing_file"


def test_an_hour_that_no_clock_showed_is_refused(folder):
    """The night the clocks went forward; the hour that came twice is its first."""
    swap(folder, MAPPING, "Asia/Baghdad", "Europe/Berlin")
    told = spoilt(folder, STAFF, "2025-11-13 08:12:40", "2025-03-30 02:30:00")
    assert (told["reason"], told["line"]) == ("time", 3)
    swap(folder, STAFF, "2025-03-30 02:30:00", "2025-10-26 02:30:00")
    assert read(folder).orders[0].finance == "bank_transfer_grace"  # then it comes first


def test_a_key_is_the_customers_and_the_texts():
    """The same part of the export has the same key, wherever in the file it stands."""
    found = read(CASE)
    ((wallet, orders),) = legacy.customers(found)
    moved = [msgspec.structs.replace(order, line=99) for order in orders]
    keys = [key_of(command_for(found, wallet, these, "x")) for these in (orders, moved, orders[:4])]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0].startswith("legacy:old-shop:94:")

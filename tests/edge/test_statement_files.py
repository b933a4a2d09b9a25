"""Statements of banks as files: CSV with a mapping, camt.053, MT940, good and bad ones."""

from __future__ import annotations

import contextlib
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base.money import to_text
from khata.edge.files.statements import (
    FORMATS,
    BankLine,
    BankStatement,
    Columns,
    Exponents,
    Mapping,
    detect,
    mapping_of,
    read_statements,
)
from khata.edge.files.statements.writing import (
    sample_mapping,
    write_camt,
    write_mt940,
    write_statement,
    write_table,
)
from khata.errors import Invalid
from khata.errors.operations import StatementRefused

LINES = [
    BankLine(0, "100.500", "2026-01-02", "2026-01-03", "bk1", "pay_0101", "علی رضایی",
             "سفارش M2511128", "NTRF"),
    BankLine(0, "-0.250", "2026-01-31", "2026-01-31", "bk2", "pyo_0102", "আলিস রহমান", "ফি", "NCHG",
             reversal=False),
]  # fmt: skip
STATEMENT = BankStatement(
    "csv", "IQ98NBIQ", "IQD", "17", "2026-01-02", "2026-01-31", "10.000", "110.250", LINES
)
PERSIAN = """\
حساب: ۱۲۳۴
تاریخ;شرح;بدهکار;بستانکار;مانده
۱۴/۰۱/۲۰۲۶;"خرید; کارت";;۱٬۲۵۰٫۵۰;۱٬۳۵۰٫۵۰
15/01/2026;کارمزد;۵۰;;1300.5
جمع;;;;
"""
MAPPING = Mapping(
    Columns("تاریخ", debit="بدهکار", credit="بستانکار", balance="مانده", text="شرح"),
    delimiter=";",
    dates="DD/MM/YYYY",
    skip=1,
    skip_end=1,
    currency="IRR",
    account="1234",
)


def plain(line: BankLine) -> tuple:
    return (line.amount, line.booked_on, line.value_on, line.reference, line.end_to_end,
            line.counterparty, line.text, line.reversal)  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
def test_each_format_says_what_was_written_in_any_script(format_):
    """Persian and Bengali names, three decimals, days and balances, through each format."""
    raw = write_statement(STATEMENT, format_)
    assert detect(raw) == format_
    (found,) = read_statements(raw, mapping=sample_mapping(STATEMENT))
    assert [plain(x) for x in found.lines] == [plain(x) for x in LINES]
    for name in ("account", "currency", "number", "from_on", "to_on", "opening", "closing"):
        assert getattr(found, name) == getattr(STATEMENT, name), name
    assert all(raw.decode().split("\n")[x.at - 1] for x in found.lines)


words = st.text(
    st.characters(categories=["L", "Nd", "Mn", "Mc"], include_characters=" :-/'.,&<"), max_size=150
).map(lambda text: " ".join(text.split()))
lines = st.builds(
    lambda minor, on, reference, name, text, back: BankLine(
        0, to_text(minor, 3), on, on, reference or None, None, name or None, text or None, "NTRF",
        back,
    ),
    st.integers(-(10**11), 10**11).filter(bool),
    st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 12, 31)).map(str),
    st.text("abcXYZ019_", max_size=16),
    words.map(lambda text: text.replace("/", "")[:40].strip()),
    words.map(lambda text: text.replace("/", "")),
    st.booleans(),
)  # fmt: skip


@given(st.lists(lines, min_size=1, max_size=6), st.sampled_from(FORMATS), st.integers(2, 10))
def test_what_goes_into_a_file_comes_out_of_it(drawn, format_, version):
    """Whatever amounts and texts: what a bank writes is what is read."""
    drawn = sorted(drawn, key=lambda line: line.booked_on)
    total = sum(int(line.amount.replace(".", "")) for line in drawn)
    days = [line.booked_on for line in drawn]
    made = BankStatement(
        format_, "1", "IQD", "5", min(days), max(days), "1.000", to_text(1000 + total, 3), drawn
    )
    raw = write_camt(made, version) if format_ == "camt.053" else write_statement(made, format_)
    (found,) = read_statements(raw, mapping=sample_mapping(made))
    assert (found.opening, found.closing) == (made.opening, made.closing)
    for before, after in zip(drawn, found.lines, strict=True):
        wanted, got = plain(before), plain(after)
        if format_ == "csv":
            wanted, got = wanted[:-1], got[:-1]
        if format_ == "mt940" and before.text:
            # a word of more than a line is broken; a field's sign begins no line
            text = f"/REMI/{before.text}"
            long = re.search(r"\S{60}", text) or re.search(r"(^|\s)[:\-]", text)
            if long:
                continue
        assert got == wanted


def test_csv_is_read_as_its_mapping_says():
    """Local digits, both kinds of amounts, other encodings, a book's own unit."""
    (found,) = read_statements(PERSIAN.encode(), mapping=MAPPING)
    assert [(x.at, x.amount, x.booked_on, x.text) for x in found.lines] == [
        (3, "1250.50", "2026-01-14", "خرید; کارت"),
        (4, "-50.00", "2026-01-15", "کارمزد"),
    ]
    assert (found.opening, found.closing, found.account) == ("100.00", "1300.50", "1234")
    mapping = mapping_of(
        b'delimiter = "\\t"\ndecimal = ","\nthousands = "."\ndates = "DD.MM.YY HH:mm"\n'
        b'encoding = "windows-1256"\ncurrency = "EUR"\nnewest_first = true\n'
        b'debits = ["S"]\ncredits = ["H"]\nopening = "0"\nclosing = "-999.50"\n'
        b'[columns]\nbooked_on = "Tag"\namount = "Betrag"\nsign = "S/H"\ntext = ["A", "B"]\n',
        is_json=False,
    )
    text = (
        "Tag\tBetrag\tS/H\tA\tB\r\n02.01.26 10:00\t1.000,00\tS\tكتاب\tx\r\n01.01.26 09:00"
        "\t0,5\tH\t\ty\r\n"
    )
    (found,) = read_statements(text.encode("windows-1256"), mapping=mapping)
    assert [(x.amount, x.text) for x in found.lines] == [("0.50", "y"), ("-1000.00", "كتاب x")]
    points = Exponents({"PTS": 0})
    mapping = Mapping(Columns("d", amount="a"), currency="PTS")
    (found,) = read_statements(b"d,a\n2026-01-01,5.00\n", mapping=mapping, exponents=points)
    assert found.lines[0].amount == "5"
    assert found.opening is None


CAMT = """\
<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">
<BkToCstmrStmt><Stmt><Id>S1</Id><Acct><Id><IBAN>DE02</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>PRCD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">5.00000</Amt><CdtDbtInd>DBIT</CdtDbtInd><Dt><Dt>2026-01-01</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">24.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-02</Dt></Dt></Bal>
<Ntry><Amt Ccy="EUR">30</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><DtTm>2026-01-02T23:30:00+06:00</DtTm></BookgDt><AcctSvcrRef>B1</AcctSvcrRef>
<NtryDtls><Btch><NbOfTxs>2</NbOfTxs></Btch>
<TxDtls><Refs><EndToEndId>pay_1</EndToEndId></Refs><Amt Ccy="EUR">10</Amt><RltdPties><Dbtr><Nm>A &amp; B</Nm></Dbtr></RltdPties></TxDtls>
<TxDtls><Refs><EndToEndId>pay_2</EndToEndId></Refs><AmtDtls><TxAmt><Amt Ccy="EUR">20</Amt></TxAmt></AmtDtls></TxDtls>
</NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">1</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>true</RvslInd><Sts>BOOK</Sts><BookgDt><Dt>2026-01-02</Dt></BookgDt><AddtlNtryInf>back</AddtlNtryInf>
<NtryDtls><TxDtls><Amt Ccy="EUR">3</Amt></TxDtls><TxDtls><Amt Ccy="EUR">9</Amt></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">7</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts></Ntry>
</Stmt></BkToCstmrStmt></Document>
"""  # noqa: E501 - as banks write it
MT940 = """\
{1:F01BANK}{2:I940BANK}{4:
:20:REF1
:25:DE02/123
:28C:7/1
:60F:C260101EUR10,
:61:2601020102C5,50NTRF//B1
:86:166?00GUT?20EREF+pay_1 ?21Order 7?32Jane ?33Doe
:62M:C260102EUR15,50
-}
:20:REF1
:25:DE02/123
:28C:7/2
:60M:C260102EUR15,50
:61:2601020103RC0,5NCHGKREF9//B2
extra words
:61:2601030103D1,N123NONREF
:86:plain text
goes on
:62F:C260103EUR14,00
:86:about the whole
-
"""


def test_batches_reversals_and_pages_are_read_as_the_formats_mean_them():
    """A batch is its transactions when they sum up; pages are one statement; signs are right."""
    (found,) = read_statements(CAMT.encode())
    assert (found.account, found.opening, found.closing, found.pending) == (
        "DE02", "-5.00", "24.00", 1)  # fmt: skip
    assert [(x.amount, x.end_to_end, x.counterparty, x.reference, x.reversal, x.text)
            for x in found.lines] == [
        ("10.00", "pay_1", "A & B", "B1", False, None),
        ("20.00", "pay_2", None, "B1", False, None),
        ("-1.00", None, None, None, True, "back"),
    ]  # fmt: skip
    assert {x.booked_on for x in found.lines} == {"2026-01-02"}
    (found,) = read_statements(MT940.encode())
    assert (found.number, found.from_on, found.to_on) == ("7", "2026-01-02", "2026-01-03")
    assert [(x.amount, x.end_to_end, x.counterparty, x.reference, x.reversal, x.text)
            for x in found.lines] == [
        ("5.50", "pay_1", "Jane Doe", "B1", False, "EREF+pay_1 Order 7"),
        ("-0.50", "KREF9", None, "B2", True, "extra words"),
        ("-1.00", None, None, None, False, "plain text goes on"),
    ]  # fmt: skip


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
GOOD_CAMT, GOOD_MT = write_camt(STATEMENT).decode(), write_mt940(STATEMENT).decode()
GOOD_CSV = write_table(STATEMENT).decode()
BAD = [
    ("empty", b""),
    ("empty", b" \n "),
    ("format", b"<html></html>"),
    ("format", GOOD_CAMT.replace("camt.053", "camt.052").encode()),
    ("truncated", GOOD_CAMT[: len(GOOD_CAMT) // 2].encode()),
    ("xml", GOOD_CAMT.encode().replace("علی".encode(), "علي".encode("windows-1256"))),
    ("xml", GOOD_CAMT.replace("</Ntry>", "", 1).encode()),
    ("doctype", GOOD_CAMT.replace("<Document", f"{LAUGHS}<Document").encode()),
    ("doctype", GOOD_CAMT.replace(
        "<Document", '<!DOCTYPE d SYSTEM "file:///etc/passwd"><Document').encode()),
    ("decimals", GOOD_CAMT.replace("100.500", "100.5004").encode()),
    ("amount", GOOD_CAMT.replace("100.500", "1e3").encode()),
    ("amount", GOOD_CAMT.replace("100.500", "9" * 19).encode()),
    ("amount", GOOD_CAMT.replace(">100.500", ">-100.500").encode()),
    ("currency", GOOD_CAMT.replace('Ccy="IQD">100', 'Ccy="USD">100').encode()),
    ("currency", GOOD_CAMT.replace("IQD", "QQQ").encode()),
    ("count", GOOD_CAMT.replace("<NbOfNtries>2", "<NbOfNtries>3").encode()),
    ("sum", GOOD_CAMT.replace("100.500", "100.501").encode()),
    ("balance", GOOD_CAMT.replace("CLBD", "XPCD").encode()),
    ("date", GOOD_CAMT.replace("<Dt>2026-01-02", "<Dt>2026-02-30").encode()),
    ("truncated", GOOD_MT[: GOOD_MT.index(":62F:")].encode()),
    ("truncated", GOOD_MT[: GOOD_MT.index("//bk2")].encode()),
    ("encoding", GOOD_MT.encode("utf-16")[2:] + b"\xff"),
    ("encoding", ":20:x\n:86:\xe9".encode("latin-1")),
    ("encoding", b":20:x\x00"),
    ("balance", GOOD_MT.replace(":60F:", ":64:").encode()),
    ("format", GOOD_MT.replace(":86:", ":99:").encode()),
    ("format", GOOD_MT.replace(":61:", ":61:x").encode()),
    ("date", GOOD_MT.replace(":61:260131", ":61:260231").encode()),
    ("decimals", GOOD_MT.replace("100,500", "100,5001").encode()),
    ("sum", GOOD_MT.replace("100,500", "100,501").encode()),
    ("currency", GOOD_MT.replace(":62F:C260131IQD", ":62F:C260131USD").encode()),
    ("balance", MT940[MT940.index("-}") + 3 :].encode()),
    ("mapping", b"a,b\n1,2\n"),
    ("column", GOOD_CSV.replace("amount", "sum", 1).encode()),
    ("cells", GOOD_CSV.replace(",NTRF,IQD", ",NTRF").encode()),
    ("truncated", GOOD_CSV[: GOOD_CSV.rindex(",NCHG")].encode()),
    ("truncated", GOOD_CSV.replace("ফি", '"ফি').encode()),
    ("currency", GOOD_CSV.replace("NCHG,IQD", "NCHG,EUR").encode()),
    ("amount", GOOD_CSV.replace("100.500", "100,500x").replace("100,500x", '"1 0x"').encode()),
    ("decimals", GOOD_CSV.replace("100.500", "100.5001").encode()),
    ("sum", GOOD_CSV.replace("100.500", "100.501").encode()),
    ("date", GOOD_CSV.replace("2026-01-31", "31.01.2026").encode()),
    ("empty", GOOD_CSV.split("\n")[0].encode()),
    ("encoding", GOOD_CSV.encode("windows-1256", "replace")),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_bad_file_is_refused_with_its_reason(number):
    """Truncated, altered, hostile or of another kind: a reason, and the line if there is one."""
    reason, raw = BAD[number]
    mapping = None if reason == "mapping" else sample_mapping(STATEMENT)
    with pytest.raises(StatementRefused) as caught:
        read_statements(raw, mapping=mapping)
    details = caught.value.details
    assert details["reason"] == reason, (caught.value, details)
    assert {"line", "expected", "got"} <= set(details)
    assert details["line"] is None or 1 <= details["line"] <= raw.count(b"\n") + 1


TRICKY = [
    ("1.234,56", {}, "1234.56"),
    ("12.34.567,8-", {}, "-1234567.80"),
    ("(۱.۲۳۴٫۵۶)", {}, "-1234.56"),
    ("1234.56", {}, None),
    ("1.23", {}, None),
    ("1.2345", {}, None),
    ("1,234.567", {}, None),
    ("5,00;D", {"sign": "s"}, "-5.00"),
    ("5,00;C", {"sign": "s"}, "5.00"),
    ("-5,00;D", {"sign": "s"}, None),
    ("5,00;Dr", {"sign": "s"}, None),
]


@pytest.mark.parametrize(("cells", "more", "amount"), TRICKY)
def test_an_amount_that_may_be_another_one_is_refused(cells, more, amount):
    """Marks of another country than the mapping's, and signs said twice, change no amount."""
    mapping = Mapping(Columns("d", amount="a", **more), delimiter=";", currency="BDT",
                      decimal=",", thousands=".")  # fmt: skip
    raw = f"d;a;s\n2026-01-01;{cells}{'' if ';' in cells else ';'}\n".encode()
    if amount is not None:
        assert read_statements(raw, mapping=mapping)[0].lines[0].amount == amount
        return
    with pytest.raises(StatementRefused) as caught:
        read_statements(raw, mapping=mapping)
    assert (caught.value.details["reason"], caught.value.details["line"]) == ("amount", 2)


def test_a_line_of_mt940_without_a_day_of_its_own_was_booked_between_the_balances():
    """Its value may be of long before, or still to come."""
    for value, booked in (("260107", "2026-01-07"), ("251203", "2026-01-08"),
                          ("260110", "2026-01-08")):  # fmt: skip
        raw = f":20:x\n:25:A\n:28C:1\n:60F:C260106BDT0,\n:61:{value}C5,NTRFx\n:62F:C260108BDT5,\n-"
        (found,) = read_statements(raw.encode())
        assert (found.lines[0].booked_on, found.to_on) == (booked, "2026-01-08")
        assert found.from_on == booked


def test_running_balances_and_marks_are_checked_line_by_line():
    """The first line that does not follow is named."""
    wrong = (("1300.5", "1300.6", 4), ("۵۰;;", "۵۰;۱;", 4), ("۱۴/", "۱۴x", 3))
    for old, new, line in wrong:
        with pytest.raises(StatementRefused) as caught:
            read_statements(PERSIAN.replace(old, new).encode(), mapping=MAPPING)
        assert caught.value.details["line"] == line
    with pytest.raises(StatementRefused, match="another format"):
        read_statements(CAMT.encode(), format="mt940")
    for encoding in ("nonsense", "undefined", "utf\x00", "zip"):
        with pytest.raises(StatementRefused, match="encoding"):
            read_statements(MT940.encode(), encoding=encoding)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = [",
        "[columns]\nbooked_on = 'a'",
        "[columns]\nbooked_on = 'a'\namount = 'b'\ndebit = 'c'\ncredit = 'd'",
        "[columns]\nbooked_on = 'a'\ndebit = 'c'",
        "dates = 'D.M.Y'\n[columns]\nbooked_on = 'a'\namount = 'b'",
        "dates = 'DD.DD.MM.YYYY'\n[columns]\nbooked_on = 'a'\namount = 'b'",
        "delimiter = ';;'\n[columns]\nbooked_on = 'a'\namount = 'b'",
        "decimal = ','\nthousands = ','\n[columns]\nbooked_on = 'a'\namount = 'b'",
        "skip = -1\n[columns]\nbooked_on = 'a'\namount = 'b'",
        "strange = 1\n[columns]\nbooked_on = 'a'\namount = 'b'",
        "x = 1\n" * 20_000,
    ],
)
def test_a_mapping_that_fits_nothing_is_refused(text):
    """A mapping is looked at before any file is."""
    with pytest.raises(Invalid):
        mapping_of(text.encode(), is_json=False)


WHOLE = [GOOD_CAMT, CAMT, GOOD_MT, MT940, GOOD_CSV, PERSIAN]


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=6)), max_size=4),
)
def test_an_altered_file_is_read_or_refused(whole, edits):
    """Bytes cut out and put in anywhere: a statement that adds up, or `statement_refused`."""
    raw = whole.encode()
    for place, cut, put in edits:
        at = int(place * len(raw))
        raw = raw[:at] + put + raw[at + cut :]
    mapping = MAPPING if whole is PERSIAN else sample_mapping(STATEMENT)
    with contextlib.suppress(StatementRefused):
        for found in read_statements(raw, mapping=mapping):
            minor = [int(line.amount.replace(".", "")) for line in found.lines]
            opening, closing = (
                int((x or "").replace(".", "")) for x in (found.opening, found.closing)
            )
            assert opening + sum(minor) == closing

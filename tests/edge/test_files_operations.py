"""Operations out of CSV files: each line once, whatever happens on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.domain import wallets
from khata.edge.files.feeding import Feed, ImportResult
from khata.edge.files.importing import import_operations
from khata.edge.files.sample import make_operations
from khata.edge.files.table import Table
from khata.engine import reading
from khata.engine.committer import Limits
from khata.errors import AlreadyExists, InvalidFile, KeyReused
from tests.builders import ALICE, SUPPORT, a_book, balance, bdt, discrepancies
from tests.servers import sqlite_at

HEADER = "operation,wallet,to,amount,currency,reference,note,group"
LINES = (
    "open,alice/personal/BDT,,,,,,",
    "open,bob/personal/BDT,,,,,,",
    "credit,alice/personal/BDT,,100.00,BDT,,,",
    "transfer,alice/personal/BDT,bob/personal/BDT,30.00,BDT,,,",
)
BOB = "bob/personal/BDT"


def a_file(folder, *lines, name="day.csv", header=HEADER, encoding="utf-8"):
    path = folder / name
    path.write_text("\n".join((header, *lines, "")), encoding=encoding)
    return path


def counts(result):
    return result.applied, result.replayed, result.refusals


@pytest.fixture
def url(tmp_path):
    """An empty database on SQLite."""
    return sqlite_at(tmp_path / "khata.db")


# ── what lines do ────────────────────────────────────────────────────────────────────


def test_lines_are_carried_out_in_order(database_url, tmp_path):
    """Opened, filled, then moved; the book verifies."""
    with a_book(database_url) as book:
        import_operations(book, a_file(tmp_path, *LINES))
        assert (balance(book), balance(book, BOB), discrepancies(book)) == ("70.00", "30.00", [])


def test_a_second_run_changes_nothing(database_url, tmp_path):
    """Every line is known, and the head of the book stays where it was."""
    with a_book(database_url) as book:
        path = a_file(tmp_path, *LINES)
        import_operations(book, path)
        head = book.query(reading.head).hash
        assert counts(import_operations(book, path)) == (0, 4, 0)
        assert book.query(reading.head).hash == head


def test_holds_are_placed_captured_and_voided_by_group(url, tmp_path):
    """A group stands for the holds, whose ids a file cannot know."""
    holds = (
        "hold,alice/personal/BDT,,40.00,BDT,,,order-1",
        "hold,alice/personal/BDT,,10.00,BDT,,,order-2",
        "capture,,bob/personal/BDT,,,,,order-1",
        "void,,,,,,cancelled,order-2",
    )
    with a_book(url) as book:
        import_operations(book, a_file(tmp_path, *LINES, *holds))
        assert (balance(book), balance(book, BOB)) == ("30.00", "70.00")


def test_post_moves_between_any_accounts(url, tmp_path):
    """From the account that is debited to the one that is credited."""
    with a_book(url) as book:
        import_operations(book, a_file(tmp_path, "post,cash/main,equity/capital,500.00,BDT,,,"))
        assert book.query(wallets.balance, "cash/main").balance == "500.00"


@pytest.mark.parametrize("note", ["ঈদ মোবারক", "شكراً جزيلاً", "سپاس، خدا", "a, “b”\nc", "é́"])
def test_text_comes_through_unharmed(url, tmp_path, note):
    """In any script, with commas and line ends in quotes."""
    line = f'credit,alice/personal/BDT,,1.00,BDT,,"{note}",'
    with a_book(url) as book:
        import_operations(book, a_file(tmp_path, *LINES, line))
        last = book.query(wallets.transactions, ALICE).items[0]
        assert last.note == note


def test_a_byte_order_mark_is_no_text(url, tmp_path):
    """As spreadsheets write it."""
    with a_book(url) as book:
        result = import_operations(book, a_file(tmp_path, *LINES, encoding="utf-8-sig"))
        assert result.applied == 4


def test_roles_bind_a_file_too(url, tmp_path):
    """Support may open wallets, and no more."""
    with a_book(url) as book:
        path = a_file(tmp_path, *LINES)
        result = import_operations(book, path, actor=SUPPORT, on_refusal="skip")
        assert {line.code for line in result.refused} == {"role_required"}


# ── what makes no sense ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lend,alice/personal/BDT,,1.00,BDT,,,", "one of open, credit, debit"),
        ("credit,alice/personal/BDT,,1.00,BDT,,", "8 cells"),
        ("credit,alice/personal/BDT,,1.00,BDT,,,,", "8 cells"),
        ('credit,alice/personal/BDT,,"1,00",BDT,,,', "a decimal number"),
        ("credit,alice/personal/BDT,,-1.00,BDT,,,", "a decimal number"),
        ("credit,alice/personal/BDT,,1.00,,,,", "a value for credit"),
        ("transfer,alice/personal/BDT,,1.00,BDT,,,", "a value for transfer"),
        ("open,alice,,,,,,", "OWNER/KIND/CURRENCY"),
        ('credit,"alice"/personal/BDT,,1.00,BDT,,,', "cells with commas between"),
        ('credit,alice/personal/BDT,,1.00,BDT,,"never closed,', "cells with commas between"),
        ("credit,alice\x00/personal/BDT,,1.00,BDT,,,", "text"),
    ],
)
def test_a_malformed_line_is_named(url, tmp_path, line, expected):
    """With its number and what was expected; what stands before it is carried out."""
    with a_book(url) as book:
        with pytest.raises(InvalidFile) as caught:
            import_operations(book, a_file(tmp_path, *LINES, line))
        details = caught.value.details
        assert (details["line"], balance(book, BOB)) == (6, "30.00")
        assert expected in details["expected"]


def test_bytes_that_are_no_utf8_are_named(url, tmp_path):
    """A file in another encoding stops at the first line where it shows."""
    path = a_file(tmp_path, "open,rené/personal/BDT,,,,,,", encoding="latin-1")
    with a_book(url) as book, pytest.raises(InvalidFile, match="UTF-8") as caught:
        import_operations(book, path)
    assert caught.value.details["line"] == 2


@pytest.mark.parametrize("header", ["", "wallet,amount", "operation,wallet,colour", "a,a"])
def test_a_header_must_name_the_columns(url, tmp_path, header):
    """An unknown column may be one that was meant to say something."""
    with a_book(url) as book, pytest.raises(InvalidFile) as caught:
        import_operations(book, a_file(tmp_path, *LINES, header=header))
    assert caught.value.details["line"] == 1


def test_a_corrected_file_goes_on(url, tmp_path):
    """The lines before the malformed one are not carried out again."""
    with a_book(url) as book:
        with pytest.raises(InvalidFile):
            import_operations(book, a_file(tmp_path, *LINES, "lend,,,,,,,"))
        path = a_file(tmp_path, *LINES, "debit,bob/personal/BDT,,5.00,BDT,,,")
        assert counts(import_operations(book, path)) == (1, 4, 0)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(tmp_path, raw):
    """Whatever a file holds, it is read, or refused with a line."""
    path = tmp_path / "any.csv"
    path.write_bytes(b"operation,wallet\n" + raw)
    try:
        with Table(path, ("operation", "wallet"), ()) as table:
            lines = [row.line for row in table]
    except InvalidFile as error:
        lines = [error.details["line"]]
    assert lines == sorted(set(lines))


# ── what is refused ──────────────────────────────────────────────────────────────────

REFUSED = "debit,bob/personal/BDT,,999.00,BDT,,,"
LATER = "debit,bob/personal/BDT,,1.00,BDT,,,"


def test_a_refusal_stops_the_import(url, tmp_path):
    """No line is read beyond the chunks under way."""
    with a_book(url) as book:
        path = a_file(tmp_path, *LINES, REFUSED, *[LATER] * 9)
        result = import_operations(book, path, chunk=1)
        assert (result.stopped_at, balance(book, BOB)) == (6, "29.00")


def test_a_refused_line_may_be_skipped(database_url, tmp_path):
    """It is named, with its code, and its neighbours live."""
    with a_book(database_url) as book:
        path = a_file(tmp_path, *LINES, REFUSED, LATER)
        result = import_operations(book, path, on_refusal="skip")
        named = [(line.line, line.code) for line in result.refused]
        assert (named, balance(book, BOB)) == ([(6, "insufficient_funds")], "29.00")


def test_a_refused_line_is_decided_afresh(url, tmp_path):
    """Once the money is there the same file carries that line out, and no other."""
    with a_book(url) as book:
        path = a_file(tmp_path, *LINES, REFUSED, LATER)
        import_operations(book, path, on_refusal="skip")
        book.submit(wallets.Credit(BOB, bdt("1000.00")))
        assert counts(import_operations(book, path)) == (1, 5, 0)


# ── which file it is ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "lines",
    [
        (*LINES[:2], "credit,alice/personal/BDT,,999.00,BDT,,,", LINES[3]),
        (LINES[0], *LINES[2:]),
        (*LINES[:2], "credit,bob/personal/BDT,,1.00,BDT,,,", *LINES[2:]),
        LINES[:3],
    ],
    ids=["changed", "taken away", "put between", "shortened"],
)
def test_an_edited_file_is_refused_as_a_whole(url, tmp_path, lines):
    """A line that is no longer what it was stops the import before anything happens."""
    with a_book(url) as book:
        import_operations(book, a_file(tmp_path, *LINES))
        head = book.query(reading.head).hash
        with pytest.raises(KeyReused):
            import_operations(book, a_file(tmp_path, *lines))
        assert book.query(reading.head).hash == head


def test_a_file_may_grow_at_its_end(url, tmp_path):
    """Lines that were added are carried out, the others are known."""
    with a_book(url) as book:
        import_operations(book, a_file(tmp_path, *LINES))
        assert counts(import_operations(book, a_file(tmp_path, *LINES, LATER))) == (1, 4, 0)


def test_a_renamed_file_is_recognised(database_url, tmp_path):
    """The same lines under another name would happen twice."""
    with a_book(database_url) as book:
        import_operations(book, a_file(tmp_path, *LINES))
        with pytest.raises(AlreadyExists) as caught:
            import_operations(book, a_file(tmp_path, *LINES, name="copy.csv"))
        assert caught.value.details["expected"] == "day.csv"


def test_a_given_name_is_what_counts(url, tmp_path):
    """The same standing order on another day is another file when someone says so."""
    order = "credit,alice/personal/BDT,,5.00,BDT,,,"
    with a_book(url, alice="0") as book:
        path = a_file(tmp_path, order)
        for day in ("monday", "tuesday", "monday"):
            import_operations(book, path, name=day)
        assert balance(book) == "10.00"


def test_a_refused_line_cannot_be_taken_away_unnoticed(url, tmp_path):
    """The lines after it would each take the number of another."""
    with a_book(url) as book:
        import_operations(book, a_file(tmp_path, *LINES, REFUSED, LATER, LATER), on_refusal="skip")
        with pytest.raises(KeyReused):
            import_operations(book, a_file(tmp_path, *LINES, LATER, LATER))


def test_keys_of_its_own_make_a_file_free(url, tmp_path):
    """With a key on each line the order, the name and the other lines do not matter."""
    header, lines = f"key,{HEADER}", [f"k-{at},{line}" for at, line in enumerate(LINES)]
    with a_book(url) as book:
        import_operations(book, a_file(tmp_path, *lines, header=header))
        path = a_file(tmp_path, lines[3], lines[0], name="other.csv", header=header)
        assert counts(import_operations(book, path)) == (0, 2, 0)


def test_an_import_broken_off_goes_on(database_url, tmp_path):
    """The process ends between two chunks; the next run does the rest, each line once."""
    path = tmp_path / "many.csv"
    make_operations(path, 300, 10, seed=7)
    with a_book(database_url) as book, pytest.raises(KeyboardInterrupt):
        import_operations(book, path, chunk=50, progress=_break_at(2000))
    with a_book(database_url) as book:
        first = book.query(reading.head).seq
        result = import_operations(book, path, chunk=50)
        assert 0 < first < 300
        assert counts(result) == (300 - first, first, 0)


def _break_at(size):
    def tell(done, _):
        if done > size:
            raise KeyboardInterrupt

    return tell


def test_progress_is_told_in_bytes(url, tmp_path):
    """Up to the size of the file."""
    told = []
    with a_book(url) as book:
        path = a_file(tmp_path, *LINES)
        import_operations(book, path, progress=lambda *at: told.append(at), chunk=2)
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


def test_a_busy_book_is_waited_for(url, tmp_path):
    """A chunk larger than a full queue has room for goes in when there is room."""
    with a_book(url, limits=Limits(queue=20)) as book:
        path = tmp_path / "many.csv"
        make_operations(path, 200, 5)
        assert import_operations(book, path, chunk=15).applied == 200


def test_the_sample_is_always_the_same(tmp_path):
    """The same arguments give the same file."""
    texts = []
    for name in ("a", "b"):
        make_operations(tmp_path / name, 50, 4, seed=3)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]


def test_feeding_nothing_does_nothing(url):
    """An empty feed tells once and ends."""
    with a_book(url) as book:
        result = ImportResult()
        Feed(book).run([], result, lambda: None)
        assert result.lines == 0

"""The files of receipts: what is taken, how it is kept, what becomes of it on the disk."""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.edge.receipts import ReceiptStore, checked_name, kind_of
from khata.errors import StorageFull, Unavailable
from khata.errors.operations import ReceiptNotFound, ReceiptRefused
from tests.conftest import examples
from tests.slips import SLIPS, a_jpeg, a_pdf, a_png

MOST = 4096
TYPES = sorted(SLIPS)
PERSIAN = "رسید\u200cبانکی ۱۴۰۵.pdf"


@pytest.fixture
def store(tmp_path):
    return ReceiptStore(tmp_path / "receipts", "main", MOST)


def files(store):
    return sorted(place.name for place in store.folder.glob("??/*"))


def refusal(call, *args):
    with pytest.raises(ReceiptRefused) as refused:
        call(*args)
    return refused.value.details["reason"]


@pytest.mark.parametrize("media", TYPES)
def test_each_kind_is_known_by_its_bytes(store, media):
    """Kept once, read back; cut off anywhere it is refused, as it is under another's name."""
    name, data = SLIPS[media]
    kept = store.put(data, name, media)
    assert (kept.type, kept.size, kept.name) == (media, len(data), name)
    assert store.put(data).sha256 == kept.sha256
    assert store.get(kept.sha256, kept.size) == data
    for end in range(len(data) - (3 if media == "application/pdf" else 0)):
        assert refusal(store.check, data[:end]) in {"empty", "unknown_type", "truncated"}
    other = TYPES[TYPES.index(media) - 1]
    assert refusal(store.check, data, None, other) == "type_mismatch"
    assert refusal(store.check, data, SLIPS[other][0]) == "name_mismatch"
    assert files(store) == [kept.sha256]


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a",
        b"MZ\x90\x00",
        b"PK\x03\x04",
        b"\xff\xd8\xff" * 500,
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1000,
        b"\xff\xd8" + b"\xff" * 4000,
        b"\x00\x00\x00\x08ftypheic" + b"\x00\x00\x00\x08free" * 400,
        b"\x00\x00\x00\x01ftypheic" + b"\xff" * 8,
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    ],
)
def test_what_is_no_receipt_is_refused(store, data):
    """Pages, programs, and what only begins like a picture; sent as whatever."""
    for media in (None, "image/png", "text/html"):
        assert refusal(store.put, data, None, media) in {"unknown_type", "truncated"}
    assert not store.folder.exists()


def test_its_size_has_bounds(store):
    """From one byte to as many as one says."""
    bare = len(a_pdf(""))
    assert store.check(a_pdf("x" * (MOST - bare))).size == MOST
    assert refusal(store.check, a_pdf("x" * (MOST - bare + 1))) == "too_large"
    assert refusal(store.check, b"") == "empty"


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "../../etc/passwd", "a/b.pdf", "a\\b.pdf", "a\0.pdf", "a\n.pdf", "\ud800.pdf",
     "x" * 200 + ".pdf", "slip.pdf.html", "slip", "\u202efdp.exe", "rcs\u202e.pdf", "slip.pdf/"],
)  # fmt: skip
def test_names_that_cannot_be_kept(name):
    """Paths, controls, halves of characters, names that lie."""
    kind = kind_of(a_pdf())
    assert refusal(checked_name, kind, name) in {"bad_name", "name_mismatch"}


def test_names_of_all_languages(store):
    """Unharmed; the same name in two ways of writing it is one."""
    for name in (PERSIAN, "إيصال.PDF", "রসিদ.pdf", "slip 1 (2).Pdf"):
        assert store.check(a_pdf(), name).name == name
    assert store.check(a_pdf(), "re\u0301cu.pdf").name == "r\u00e9cu.pdf"
    assert store.check(a_jpeg()).name == "receipt.jpg"
    assert store.check(a_png(), None, "IMAGE/PNG; q=1").type == "image/png"


@given(
    data=st.binary(max_size=60), head=st.sampled_from([b"", *(s[1][:14] for s in SLIPS.values())])
)
@examples(40)
def test_any_bytes_have_an_answer(data, head):
    """Known or refused, and never a fault."""
    try:
        found = kind_of(head + data).media
    except ReceiptRefused as refused:
        found = refused.details["reason"]
    assert found in {*TYPES, "unknown_type", "truncated"}


def test_what_was_altered_is_not_given_out(store):
    """Altered, longer, shorter, gone, or never there; handed in again it is well."""
    kept = store.put(a_pdf())
    place = store.folder / kept.sha256[:2] / kept.sha256
    for other in (a_pdf("Transfer of 900.00"), a_pdf() + b"\n", a_pdf()[:-1], b""):
        place.write_bytes(other)
        with pytest.raises(ReceiptNotFound) as refused:
            store.get(kept.sha256, kept.size)
        assert refused.value.details["reason"] == "altered"
    store.put(a_pdf())
    assert store.get(kept.sha256, kept.size) == a_pdf()
    place.unlink()
    for digest in (kept.sha256, "0" * 64, "../" * 20 + "etc", "", kept.sha256.upper(), "\0" * 64):
        with pytest.raises(ReceiptNotFound):
            store.get(digest, 10)


def test_books_do_not_share_files(tmp_path):
    """A folder for each book, whatever it is called, and none outside the root."""
    names = ["main", "other", "..", "a/b", "/etc", "", "ب"]
    places = {ReceiptStore(tmp_path, name, MOST).folder for name in names}
    assert len(places) == len(names)
    assert {place.parent for place in places} == {tmp_path}
    assert tmp_path / ".." not in places


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull),
                          (errno.EACCES, Unavailable), (errno.EIO, Unavailable)],
)  # fmt: skip
def test_a_full_disk_leaves_nothing(store, monkeypatch, number, error):
    """Neither a file nor a part of one; the next try is a fresh one."""

    def fails(_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(error):
            store.put(a_pdf())
    assert files(store) == []
    assert store.get(store.put(a_pdf()).sha256, len(a_pdf())) == a_pdf()


def test_a_folder_that_is_none(tmp_path):
    """Something is in the way of the folder: tried again later, nothing is lost."""
    (tmp_path / "receipts").write_bytes(b"")
    with pytest.raises(Unavailable):
        ReceiptStore(tmp_path / "receipts", "main", MOST).put(a_pdf())


def test_one_file_from_many_hands(store):
    """Handed in at once by several, swept meanwhile: whole, and there once."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: (store.put(a_pdf()), store.sweep(())), range(40)))
    assert {kept for kept, _ in made} == {store.check(a_pdf())}
    assert not any(swept.removed for _, swept in made)
    assert len(files(store)) == 1


def test_what_no_command_named_is_swept_away(store):
    """Once it is old; what the book knows stays, and what came again just now."""
    known, orphan, fresh = (store.put(a_pdf(text)).sha256 for text in "abc")
    long_ago = time.time() - 100_000
    broken_off = store.folder / "ab" / "part-1"
    broken_off.parent.mkdir(exist_ok=True)
    broken_off.write_bytes(b"")
    (store.folder / "notes").mkdir()
    (store.folder / "notes" / "readme").write_bytes(b"")
    for digest in (known, orphan, fresh):
        os.utime(store.folder / digest[:2] / digest, (long_ago, long_ago))
    os.utime(broken_off, (long_ago, long_ago))
    store.put(a_pdf("c"))
    swept = store.sweep({known})
    assert (swept.known, swept.removed) == (1, sorted([orphan, "part-1"]))
    assert files(store) == sorted([known, fresh])
    assert store.sweep({known}).removed == []
    assert ReceiptStore(Path("/nowhere"), "main", MOST).sweep(()).removed == []

"""Identifiers, instants, actors, cursors: each says one thing, and reads back as it was."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base import ids
from khata.base.actor import ROLES, SYSTEM, Actor, actor
from khata.base.clock import SECOND, from_iso, to_iso
from khata.base.paging import MAX_LIMIT, checked_limit, from_cursor, paged, to_cursor
from khata.errors import Invalid, InvalidCursor

YEAR_1, YEAR_9999 = -62_135_596_800 * SECOND, 253_402_300_799 * SECOND


# ── identifiers ──────────────────────────────────────────────────────────────────────


@given(st.integers(0, (1 << 63) - 1))
def test_an_identifier_reads_back(value):
    """A number survives as text under its prefix, and under no other."""
    text = ids.to_text("wal", value)
    assert (ids.from_text("wal", text), ids.from_text("ent", text)) == (value, None)


@given(st.integers(1, 1 << 50), st.integers(0, ids.PER_COMMAND - 1))
def test_a_number_tells_command_and_count(seq, count):
    """Two commands never make the same number."""
    assert divmod(ids.number(seq, count), ids.PER_COMMAND) == (seq, count)


@given(st.text(max_size=16))
def test_an_identifier_has_one_spelling(text):
    """A text that is accepted is the one that would be written."""
    value = ids.from_text("wal", text)
    assert value is None or ids.to_text("wal", value) == text


@pytest.mark.parametrize(
    "text",
    ["wal_", "wal_400", "wal_0400 ", "wal_04OO", "wal_00400", "WAL_0400", "0400", "wal_٤٤٤٤"],
)
def test_not_an_identifier(text):
    """Other spellings name nothing."""
    assert ids.from_text("wal", text) is None


def test_identifiers_sort_with_their_numbers():
    """Of equal length, the later one sorts behind."""
    texts = [ids.to_text("hld", value) for value in range(5000, 9000)]
    assert texts == sorted(texts)


# ── time ─────────────────────────────────────────────────────────────────────────────


@given(st.integers(YEAR_1, YEAR_9999))
def test_an_instant_reads_back(instant):
    """Microseconds survive as ISO 8601."""
    assert from_iso(to_iso(instant)) == instant


@pytest.mark.parametrize("text", ["0999-12-31T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z"])
def test_early_years_have_four_digits(text):
    """What is written can be read, in every year that there is."""
    assert to_iso(from_iso(text)) == text


@given(st.datetimes(timezones=st.timezones()))
def test_any_offset_means_the_same_moment(moment):
    """A time with an offset is the moment that it names, to the microsecond."""
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    text = expected.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert to_iso(from_iso(moment.isoformat())) == text


def test_a_date_is_its_first_moment():
    """A date alone is midnight, UTC."""
    assert to_iso(from_iso("2026-01-31")) == "2026-01-31T00:00:00.000000Z"


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2026-02-30", "2026-01-31T09:00:00", "2026-01-31 09:00", "31.01.2026"),
        *("2026-13-01", "2026-01-31T25:00:00Z", "0001-01-01T00:00:00+23:59", "১২"),
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_not_a_time(text):
    """A time without an offset, or one that cannot be written in UTC, is refused."""
    with pytest.raises(Invalid):
        from_iso(text)


def test_times_before_1970():
    """Instants may be negative."""
    assert from_iso("1969-12-31T23:59:59.999999Z") == -1
    assert to_iso(-1) == "1969-12-31T23:59:59.999999Z"


def test_the_epoch_is_zero():
    """Instants count from 1970, in UTC."""
    assert from_iso("1970-01-01T06:00:00+06:00") == 0
    assert datetime.fromtimestamp(0, UTC).isoformat() == "1970-01-01T00:00:00+00:00"


# ── actors ───────────────────────────────────────────────────────────────────────────


@given(
    st.sets(st.sampled_from([role for role in ROLES if role != "owner"]), min_size=1),
    st.text(min_size=1, max_size=200),
)
def test_an_actor_reads_back(roles, name):
    """The journal keeps an actor as text; a replay makes the same actor of it."""
    who = Actor(name, frozenset(roles))
    assert actor(str(who)) == who


@pytest.mark.parametrize(
    "text",
    [
        *("", "admin", "admin:", ":rafiq", "king:rafiq", "admin+:rafiq", "Admin:rafiq"),
        *("admin,finance:x", "owner+admin:alice", "admin:" + "x" * 201),
    ],
)
def test_not_an_actor(text):
    """A name, and roles that exist; an owner has no other role."""
    with pytest.raises(Invalid):
        actor(text)


def test_whose_an_actor_is():
    """Only an owner stands for an owner; the system stands for none."""
    assert [actor("owner:alice").owner, actor("admin:alice").owner, SYSTEM.owner] == [
        "alice",
        None,
        None,
    ]


def test_roles_are_asked_any_of():
    """`has` is true when one of the roles fits."""
    who = actor("finance+support:sumi")
    assert [who.has("finance"), who.has("admin", "support"), who.has("admin")] == [
        True,
        True,
        False,
    ]


# ── pages ────────────────────────────────────────────────────────────────────────────


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_cursor_reads_back(number, text):
    """A position survives, unless it holds what no database can compare."""
    cursor = to_cursor(number, text)
    if "\x00" in text:
        with pytest.raises(InvalidCursor):
            from_cursor(cursor, int, str)
    else:
        assert from_cursor(cursor, int, str) == (number, text)


@given(st.text(max_size=30))
def test_any_other_cursor_is_refused(text):
    """Whatever is sent as a cursor, the answer is a position or `InvalidCursor`."""
    try:
        (position,) = from_cursor(text, int)
    except InvalidCursor:
        return
    assert isinstance(position, int)


@pytest.mark.parametrize(
    "raw", [b"[]", b"[1,2]", b'["1"]', b"[1.5]", b"[true]", b"[9223372036854775808]", b"{}", b"[1"]
)
def test_a_cursor_of_another_list(raw):
    """The position must have the shape that the list gives out."""
    with pytest.raises(InvalidCursor):
        from_cursor(base64.urlsafe_b64encode(raw).decode(), int)


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_the_size_of_a_page(limit):
    """A page has 1 to 1000 items."""
    with pytest.raises(Invalid):
        checked_limit(limit)


def test_the_last_page_has_no_next():
    """The cursor is there exactly when something follows."""
    assert paged([1, 2], 2, lambda item: (item,)).next is None
    page = paged([1, 2, 3], 2, lambda item: (item,))
    assert (page.items, from_cursor(page.next, int)) == ([1, 2], (2,))

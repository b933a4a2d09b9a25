"""Slots of jobs, and days: what the clock says in a time zone."""

import pytest

from khata.base.clock import from_iso, to_iso
from khata.base.days import bounds, day_of, zone_of
from khata.edge.working.schedule import latest_slot
from khata.errors import Invalid

DHAKA, YORK = "Asia/Dhaka", "America/New_York"


@pytest.mark.parametrize(
    ("time", "zone", "now", "slot"),
    [
        ("02:00", DHAKA, "2026-11-21T20:00:00Z", "2026-11-21T20:00:00Z"),
        ("02:00", DHAKA, "2026-11-21T19:59:59.999999Z", "2026-11-20T20:00:00Z"),
        ("hourly", "Asia/Kolkata", "2026-11-21T06:00:00Z", "2026-11-21T05:30:00Z"),
        # the hour from 2 to 3 is left out: at 3, once
        ("02:30", YORK, "2026-03-08T12:00:00Z", "2026-03-08T07:00:00Z"),
        ("02:30", YORK, "2026-03-09T12:00:00Z", "2026-03-09T06:30:00Z"),
        # the hour from 1 to 2 comes twice: once in the first of them, but two full hours
        ("01:30", YORK, "2026-11-01T12:00:00Z", "2026-11-01T05:30:00Z"),
        ("hourly", YORK, "2026-11-01T06:10:00Z", "2026-11-01T06:00:00Z"),
        ("hourly", YORK, "2026-11-01T05:59:00Z", "2026-11-01T05:00:00Z"),
    ],
)
def test_the_latest_slot(time, zone, now, slot):
    """At or before now; through changes of clocks each day has one, each hour has one."""
    found = latest_slot(time, zone, from_iso(now))
    assert found is not None
    assert to_iso(found) == to_iso(from_iso(slot))


def test_a_job_that_is_off_has_no_slot():
    """It is never due."""
    assert latest_slot("off", DHAKA, from_iso("2026-11-21T20:00:00Z")) is None


@pytest.mark.parametrize(
    ("day", "zone", "first", "hours"),
    [
        ("2026-01-31", DHAKA, "2026-01-30T18:00:00Z", 24),
        ("2026-03-08", YORK, "2026-03-08T05:00:00Z", 23),
        ("2026-11-01", YORK, "2026-11-01T04:00:00Z", 25),
        # midnight is skipped: the day begins at one
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", 23),
    ],
)
def test_a_day(day, zone, first, hours):
    """Its first instant, that of the next day, and back."""
    begin, end = bounds(day, zone)
    assert to_iso(begin) == to_iso(from_iso(first))
    assert end - begin == hours * 3_600_000_000
    assert (day_of(begin, zone), day_of(end - 1, zone)) == (day, day)


def test_what_is_no_day_and_no_zone():
    """Refused, whatever is wrong with it, and no file is looked for."""
    for wrong in ("2026-02-30", "", "31.01.2026", "9999-12-31", "20260131",
                  "2026-W05-6"):  # fmt: skip
        with pytest.raises(Invalid):
            bounds(wrong, DHAKA)
    for wrong in ("Dhaka", "", "../etc/passwd", "\0", "x" * 300):
        with pytest.raises(Invalid):
            zone_of(wrong)

"""The bench of messages runs, loses nothing, and tells what it promises. Nothing is timed here."""

import msgspec
import pytest

from khata.edge.bench.ground import ground
from khata.edge.bench.messaging import MessagingReport, bench_messaging
from khata.errors import Invalid

PROMISED = {"rate", "persisted_rate", "p50_us", "p99_us", "rss_mb", "kb_per_connection"}


def test_messages_flow_and_none_is_lost():
    """A gateway, its persister and a load as processes of their own, beside the usual way."""
    with ground("sqlite") as place:
        report = bench_messaging(place, 20, 0.3)
    assert report.messages > 0
    assert report.lost == 0
    assert msgspec.to_builtins(report).keys() >= PROMISED
    assert isinstance(report, MessagingReport)
    assert report.persisted_rate > 0
    assert report.baseline_rate > 0


@pytest.mark.parametrize(("connections", "seconds"), [(1, 1.0), (10**6, 1.0), (10, 0.0)])
def test_what_is_no_load_is_refused(connections, seconds):
    """Before anything is started."""
    with ground("sqlite") as place, pytest.raises(Invalid):
        bench_messaging(place, connections, seconds)

"""The bench of reconciliation runs on both databases and counts what it planted."""

import json

from tests.edge.command_line import khata


def test_the_bench_of_reconciliation_tells_what_it_found(tmp_path, postgres_url):
    """A few lines: every one but the spoiled is matched, and both usual ways did theirs."""
    for database in (f"sqlite:///{tmp_path / 'khata.db'}", postgres_url):
        done = khata("bench", "reconcile", "--lines", "60", "--json", "--database", database)
        report = json.loads(done.out)
        assert (report["planted"], report["exceptions"], report["verified"]) == (5, 5, True)
        assert report["matched"] == report["lines"] - 4
        assert min(report["rate"], report["baseline_rate"], report["script_rate"]) > 0
    shown = khata("bench", "reconcile", "--lines", "60", "--database", f"sqlite:///{tmp_path}/k")
    assert "5 defects, 5 exceptions" in shown.out
    assert khata("bench", "reconcile", "--lines", "3").code == 3

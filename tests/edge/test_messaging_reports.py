"""What a gateway says of itself from time to time."""

import asyncio

import pytest
from structlog.testing import capture_logs

from khata.edge.messaging.reporting import Rates, report
from khata.messaging.persister import Persisted


class Desk:
    """Has taken ten messages more each time that it is looked at."""

    def __init__(self):
        self.rates, self.accepted = Rates(), 0

    def sample(self):
        self.accepted += 10
        self.rates.sample({"accepted": self.accepted})

    def figures(self):
        return {"accepted": self.accepted, **self.rates.shown()}

    def persister(self):
        return {"records": self.accepted, "success": 1.0}


def test_a_report_comes_again_and_again():
    """With counts, rates, and what was stored."""

    async def story(logs):
        task = asyncio.ensure_future(report(Desk(), seconds=0.01, sample_seconds=0.005))
        async with asyncio.timeout(10):
            while len(logs) < 2:  # noqa: ASYNC110 - a log wakes nobody
                await asyncio.sleep(0.005)
        task.cancel()

    with capture_logs() as logs:
        asyncio.run(story(logs))
    first, second, *_ = logs
    assert first["event"] == second["event"] == "messaging_report"
    assert second["accepted"] > first["accepted"]
    assert second["accepted_per_second"] > 0
    assert second["persister"]["success"] == 1.0


def test_a_rate_is_the_mean_of_the_last_seconds():
    """It forgets what was before, and a counter that began anew."""
    rates = Rates()
    assert rates.shown() == {}
    for second in range(30):
        rates.sample({"accepted": 100 * second if second < 10 else 1_000}, float(second))
    assert rates.shown() == {"accepted_per_second": 0.0}
    rates.sample({"accepted": 200}, 30.0)
    assert rates.shown() == {"accepted_per_second": 20.0}


@pytest.mark.parametrize(
    ("batches", "failures", "success"), [(0, 0, 1.0), (3, 1, 0.75), (0, 2, 0.0)]
)
def test_the_share_of_what_the_database_took(batches, failures, success):
    """Of all tries."""
    assert Persisted(batches=batches, failures=failures).success == success

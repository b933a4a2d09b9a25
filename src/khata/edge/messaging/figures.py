"""A gateway's figures for Prometheus, read at the moment they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from khata.edge.messaging.desk import GatewayDesk
from khata.messaging.stats import resident
from khata.messaging.supervising import FENCED

_COUNTS: Final = (
    ("accepted", "Messages that were taken."),
    ("safe", "Messages that were taken and are on disk."),
    ("delivered", "Copies handed to connections."),
    ("got", "Copies that receivers said to have."),
    ("again", "Copies that were on their way when their connection ended."),
    ("dropped", "Copies dropped out of full queues; the messages are stored."),
    ("opened", "Connections that were let in."),
    ("closed", "Connections that ended."),
    ("slow", "Connections closed because they did not read."),
)
_GAUGES: Final = (
    ("connections", "Connections now."),
    ("queued", "Copies that wait for who is away or does not read."),
    ("users", "Users in memory."),
    ("conversations", "Conversations of several."),
    ("accepted_per_second", "Messages taken, over the last ten seconds."),
    ("delivered_per_second", "Copies handed to connections, over the last ten seconds."),
    ("stored_per_second", "Records stored in the database, over the last ten seconds."),
    ("uptime_seconds", "Since the gateway began."),
)
_SHARES: Final = (0.5, 0.9, 0.99, 0.999)
_PERSISTED: Final = (
    ("records", "Records that were stored."),
    ("batches", "Transactions that stored them."),
    ("failures", "Tries to store that the database did not take."),
    ("aside", "Records that no database can hold, set aside."),
)


class Figures(Collector):
    """Counters and gauges of one gateway and of what stores its messages."""

    def __init__(self, desk: GatewayDesk) -> None:
        self._desk = desk

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        figures = self._desk.figures()
        for name, about in _COUNTS:
            yield _counter(f"khata_messaging_{name}", about, figures[name])
        for name, about in _GAUGES:
            value = _number(figures.get(name))
            yield GaugeMetricFamily(f"khata_messaging_{name}", about, value=value)
        yield GaugeMetricFamily(
            "khata_messaging_resident_bytes", "Memory of the gateway's process.", value=resident()
        )
        yield self._refused()
        yield self._latency()
        yield from self._persister()
        yield from self._parts()

    def _refused(self) -> Metric:
        refused = CounterMetricFamily(
            "khata_messaging_refused", "What was answered by no, by code.", labels=["code"]
        )
        for code, count in list(self._desk.gateway.stats.refused.items()):
            refused.add_metric([code], count)
        return refused

    def _latency(self) -> Metric:
        histogram = self._desk.gateway.stats.latency
        latency = GaugeMetricFamily(
            "khata_messaging_latency_seconds",
            "From reading a message to handing it to its receiver's socket, by quantile.",
            labels=["quantile"],
        )
        for share in _SHARES:
            latency.add_metric([str(share)], histogram.percentile(share) / 1e6)
        return latency

    def _persister(self) -> Iterable[Metric]:
        persisted = self._desk.persisted()
        if persisted is None:
            return
        found = msgspec.structs.asdict(persisted)
        for name, about in _PERSISTED:
            yield _counter(f"khata_messaging_persister_{name}", about, found[name])
        yield GaugeMetricFamily(
            "khata_messaging_persister_lag_bytes",
            "Bytes that wait on the spool, or in the stream.",
            value=persisted.lag,
        )
        yield GaugeMetricFamily(
            "khata_messaging_persister_success_ratio",
            "Share of the tries to store that the database took.",
            value=persisted.success,
        )

    def _parts(self) -> Iterable[Metric]:
        restarts = CounterMetricFamily(
            "khata_messaging_restarts", "Parts that failed and were begun again.", labels=["part"]
        )
        fenced = GaugeMetricFamily(
            "khata_messaging_fenced", "1 for a part that is fenced off.", labels=["part"]
        )
        for name, part in self._desk.gateway.supervisor.shown().items():
            restarts.add_metric([name], part["restarts"])
            fenced.add_metric([name], float(part["state"] == FENCED))
        yield restarts
        yield fenced


def _counter(name: str, about: str, value: object) -> Metric:
    return CounterMetricFamily(name, about, value=_number(value))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

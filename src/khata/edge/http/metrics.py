"""Figures for Prometheus: the writers' tallies, and how long requests took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from khata.app import Khata

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COUNTS: Final = (
    ("committed", "Commands carried out."),
    ("refused", "Commands refused."),
    ("replayed", "Commands answered from the journal."),
    ("batches", "Transactions; commands per batch is the size of one."),
    ("reconnects", "Times that the database had to be reached anew."),
    ("reloads", "Times that another process had written the book."),
    ("write_seconds", "Seconds spent on writing batches."),
)


class Metrics:
    """One registry for one server, so that several in one process do not mix."""

    def __init__(self, books: Mapping[str, Khata]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Writers(books))
        self._seconds = Histogram(
            "khata_http_request_seconds",
            "How long requests took, by route and status.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._known: dict[tuple[str, str, int], Any] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        label = (method, route, status)
        known = self._known.get(label)
        if known is None:
            known = self._known[label] = self._seconds.labels(method, route, str(status))
        known.observe(seconds)

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        return generate_latest(self._registry)


class Writers(Collector):
    """Reads the writers' tallies at the moment it is asked."""

    def __init__(self, books: Mapping[str, Khata]) -> None:
        self._books = books

    def collect(self) -> Iterable[Metric]:
        """Counters and gauges, one sample for each book."""
        for name, help_ in _COUNTS:
            counter = CounterMetricFamily(f"khata_writer_{name}", help_, labels=["book"])
            for book, khata in self._books.items():
                counter.add_metric([book], getattr(khata.writer.tally, name))
            yield counter
        waiting = GaugeMetricFamily(
            "khata_writer_waiting", "Commands accepted and not answered yet.", labels=["book"]
        )
        for book, khata in self._books.items():
            waiting.add_metric([book], khata.writer.waiting)
        yield waiting

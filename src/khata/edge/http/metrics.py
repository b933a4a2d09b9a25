"""Figures for Prometheus: the writers' and workers' tallies, open sagas, how long requests took."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from khata.app import Khata
from khata.domain.sagas import counts
from khata.edge.shadowing import Flows
from khata.edge.working import Working
from khata.errors import Unavailable

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
_WORK: Final = (
    ("claimed", "Sagas taken up, again after each pause."),
    ("steps", "Commands that moved sagas."),
    ("calls", "Calls made to the world outside, questions included."),
    ("failures", "Steps that were refused."),
    ("faults", "Steps that failed inside Khata."),
    ("ended", "Sagas brought to their end."),
)
_FRESH_SECONDS: Final = 5.0


class Metrics:
    """One registry for one server, so that several in one process do not mix."""

    def __init__(
        self, books: Mapping[str, Khata], workings: Mapping[str, Working] | None = None
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Writers(books))
        self._registry.register(Runs(books))
        self._registry.register(Flows(books))
        self._registry.register(Workers(workings or {}))
        self._seconds = Histogram(
            "khata_http_request_seconds",
            "How long requests took, by route and status.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._known: dict[tuple[str, str, int], Any] = {}

    def add(self, collector: Collector) -> None:
        """Show these figures too."""
        self._registry.register(collector)

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


class Runs(Collector):
    """How many sagas are open, by status; counted at most every few seconds."""

    def __init__(self, books: Mapping[str, Khata]) -> None:
        self._books = books
        self._counted: dict[str, dict[str, int]] = {}
        self._counted_at = -_FRESH_SECONDS
        self._counting = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """A gauge; a book that cannot be read now keeps the figures that it had."""
        with self._counting:
            if time.monotonic() - self._counted_at >= _FRESH_SECONDS:
                for name, book in self._books.items():
                    with contextlib.suppress(Unavailable):
                        self._counted[name] = book.query(counts)
                self._counted_at = time.monotonic()
            counted = {name: dict(found) for name, found in self._counted.items()}
        gauge = GaugeMetricFamily("khata_sagas", "Open sagas.", labels=["book", "status"])
        for name, found in counted.items():
            for status, runs in found.items():
                gauge.add_metric([name, status], runs)
        yield gauge


class Workers(Collector):
    """Reads what this process's workers did, at the moment it is asked."""

    def __init__(self, workings: Mapping[str, Working]) -> None:
        self._workings = workings

    def collect(self) -> Iterable[Metric]:
        """Counters, one sample for each book, or each part of its worker."""
        for name, help_ in _WORK:
            counter = CounterMetricFamily(f"khata_worker_{name}", help_, labels=["book"])
            for book, working in self._workings.items():
                counter.add_metric([book], getattr(working.tally, name))
            yield counter
        broken = CounterMetricFamily(
            "khata_worker_restarts",
            "Parts of workers that failed and were begun again.",
            labels=["book", "part"],
        )
        for book, working in self._workings.items():
            for part in working.parts:
                broken.add_metric([book, part.name], part.failures)
        yield broken


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

"""Figures of flows for Prometheus, counted at most every few seconds."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from khata.app import Khata
from khata.domain.shadow import FlowLine, flows
from khata.errors import Unavailable

_FRESH_SECONDS: Final = 5.0
_MOST: Final = 1000
_LABELS: Final = ("book", "flow")
_FIGURES: Final[tuple[tuple[str, str, Callable[[FlowLine], int]], ...]] = (
    ("compared", "Comparisons.", lambda line: line.total.compared),
    ("matched", "Comparisons that matched.", lambda line: line.total.matched),
    ("errors", "Comparisons in which Khata failed.", lambda line: line.errors),
    ("dropped", "Comparisons that were given up.", lambda line: line.dropped),
    ("silent", "1 for a flow that is silent.", lambda line: line.status == "silent"),
    ("quiet_seconds", "Since the last one.", lambda line: line.quiet_for_seconds or 0),
)


class Flows(Collector):
    """Gauges for each flow; a book that cannot be read now keeps the figures that it had."""

    def __init__(self, books: Mapping[str, Khata]) -> None:
        self._books = books
        self._read: dict[str, list[FlowLine]] = {}
        self._read_at = -_FRESH_SECONDS
        self._reading = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """What is compared, what matches, and since when it is quiet."""
        with self._reading:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                for name, book in self._books.items():
                    with contextlib.suppress(Unavailable):
                        self._read[name] = book.query(flows, limit=_MOST).items
                self._read_at = time.monotonic()
            lines = [(name, line) for name, found in self._read.items() for line in found]
        mode = GaugeMetricFamily("khata_shadow_mode", "1.", labels=[*_LABELS, "mode"])
        for name, line in lines:
            mode.add_metric([name, line.name, line.mode], 1)
        yield mode
        for figure, help_, value in _FIGURES:
            gauge = GaugeMetricFamily(f"khata_shadow_{figure}", help_, labels=_LABELS)
            for name, line in lines:
                gauge.add_metric([name, line.name], value(line))
            yield gauge

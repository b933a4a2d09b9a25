"""`khata bench …`: what each bench is asked, and how its figures are shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Annotated, Final

from cyclopts import Parameter
from rich.table import Table

from khata.edge.bench.baseline_postgres import Style
from khata.edge.bench.bulk import BulkReport, bench_bulk
from khata.edge.bench.checkout import CheckoutReport, bench_checkout
from khata.edge.bench.checkouts import CheckoutLoad
from khata.edge.bench.ground import Ground, ground
from khata.edge.bench.importing import ImportReport, bench_import
from khata.edge.bench.ledger import Compared, LedgerReport, Load, bench_ledger
from khata.edge.bench.messaging import MessagingReport, bench_messaging
from khata.edge.bench.orchestrating import SagaReport, bench_sagas
from khata.edge.bench.reconciling import ReconcileReport, bench_reconcile
from khata.edge.bench.serving import HttpReport, bench_http
from khata.edge.cli.screen import dump, err, out, row, table
from khata.edge.cli.session import command, family, log_to_stderr

app: Final = family("bench", "Measure Khata beside the usual way.")
_EVERY: Final = ("sqlite", "postgres")
_CALLERS: Final = (64, 512)
_CONNECTIONS: Final = 64
_IN_FLIGHT: Final = 256
_CHECKING_OUT: Final = 256
_TALKING: Final = 1000
Report = (
    LedgerReport
    | BulkReport
    | HttpReport
    | ImportReport
    | SagaReport
    | CheckoutReport
    | ReconcileReport
    | MessagingReport
)

Where = Annotated[
    str,
    Parameter(
        name="--database",
        help="sqlite, postgres, or the URL of either. An empty database is made there and removed"
        " afterwards; postgres is the server of KHATA_DATABASE_URL, or one from the wheel.",
    ),
]
Seconds = Annotated[float, Parameter(help="How long each measurement takes.")]
Lines = Annotated[int, Parameter(help="How many lines.")]
Connections = Annotated[int, Parameter(help="Connections that send one request after another.")]
Json = Annotated[
    bool, Parameter(negative="", show_default=False, help="The figures as one JSON object.")
]


@command(
    app,
    "ledger",
    "khata bench ledger",
    "khata bench ledger --database postgres --callers 64 --seconds 10 --json",
)
def ledger(
    *,
    database: Where = "sqlite",
    callers: Annotated[int, Parameter(help="Callers, each with one transfer at a time.")] = 512,
    seconds: Seconds = 5.0,
    accounts: Annotated[int, Parameter(help="Wallets to move money between.")] = 1000,
    seed: Annotated[int, Parameter(help="What the transfers are drawn from.")] = 1,
    baseline: Annotated[
        Style,
        Parameter(
            help="On PostgreSQL: plain sends statement by statement, packed in two round trips."
        ),
    ] = "plain",
    json: Json = False,
) -> int:
    """Single transfers: Khata and the usual way in one run, without and with one hot account."""
    load = Load(callers, seconds, accounts, seed, baseline)
    with _on(database) as place:
        report = bench_ledger(place, load)
    return _told(report, json=json)


@command(app, "bulk", "khata bench bulk", "khata bench bulk --database postgres --lines 500000")
def bulk(*, database: Where = "sqlite", lines: Lines = 100_000, json: Json = False) -> int:
    """Many transfers handed in at once, each on its own, every one durable."""
    with _on(database) as place:
        report = bench_bulk(place, lines)
    return _told(report, json=json)


@command(app, "http", "khata bench http", "khata bench http --database postgres --connections 128")
def http(
    *,
    database: Where = "sqlite",
    connections: Connections = _CONNECTIONS,
    seconds: Seconds = 5.0,
    json: Json = False,
) -> int:
    """A server process under load from another process: single transfers, then bulk requests."""
    with _on(database) as place:
        report = bench_http(place, connections, seconds)
    return _told(report, json=json)


@command(app, "import", "khata bench import", "khata bench import --lines 1000000 --json")
def import_(*, database: Where = "sqlite", lines: Lines = 100_000, json: Json = False) -> int:
    """A long CSV file of operations: the rate from start to end, and the memory it takes."""
    with _on(database) as place:
        report = bench_import(place, lines)
    return _told(report, json=json)


@command(app, "sagas", "khata bench sagas", "khata bench sagas --database postgres --json")
def sagas(
    *,
    database: Where = "sqlite",
    in_flight: Annotated[int, Parameter(help="Sagas under way at the same time.")] = _IN_FLIGHT,
    seconds: Seconds = 5.0,
    json: Json = False,
) -> int:
    """Sagas of four ledger steps, beside a plain loop that commits each step on its own."""
    with _on(database) as place:
        report = bench_sagas(place, in_flight, seconds)
    return _told(report, json=json)


@command(
    app,
    "checkout",
    "khata bench checkout",
    "khata bench checkout --database postgres --callers 64 --json",
)
def checkout(
    *,
    database: Where = "sqlite",
    callers: Annotated[
        int, Parameter(help="Callers, each with one checkout at a time.")
    ] = _CHECKING_OUT,
    seconds: Seconds = 5.0,
    json: Json = False,
) -> int:
    """Checkouts of four requests, Khata and the usual way: hold, escrow, split, partial refund."""
    load = CheckoutLoad(callers, seconds)
    with _on(database) as place:
        report = bench_checkout(place, load)
    return _told(report, json=json)


@command(
    app,
    "reconcile",
    "khata bench reconcile",
    "khata bench reconcile --lines 100000 --database postgres --json",
)
def reconcile(*, database: Where = "sqlite", lines: Lines = 100_000, json: Json = False) -> int:
    """A statement as long as the book, read, imported and matched, beside a query for each line."""
    with _on(database) as place:
        report = bench_reconcile(place, lines)
    return _told(report, json=json)


@command(
    app,
    "messaging",
    "khata bench messaging",
    "khata bench messaging --database postgres --connections 10000 --seconds 10 --json",
)
def messaging(
    *,
    database: Where = "sqlite",
    connections: Annotated[int, Parameter(help="Users, each with a connection.")] = _TALKING,
    seconds: Seconds = 5.0,
    at: Annotated[
        float, Parameter(help="Messages a second at which to measure latency; 0: half of the most.")
    ] = 0.0,
    json: Json = False,
) -> int:
    """Users who write to one another: a gateway and its persister, then the usual way."""
    with _on(database) as place:
        report = bench_messaging(place, connections, seconds, at=at)
    return _told(report, json=json)


@command(app, "all", "khata bench all", "khata bench all --seconds 2 --json")
def all_(*, seconds: Seconds = 5.0, lines: Lines = 100_000, json: Json = False) -> int:
    """Ledger (with 64 and with 512 callers), bulk, http, sagas, checkout, on both databases."""
    found: dict[str, Report] = {}
    for database in _EVERY:
        with _on(database) as place:
            for name, report in _each(place, seconds, lines):
                found[f"{name} {database}"] = report
                if not json:
                    show(report)
    if json:
        dump(found)
    return 0


def _each(place: Ground, seconds: float, lines: int) -> Iterator[tuple[str, Report]]:
    for callers in _CALLERS:
        yield f"ledger {callers}", bench_ledger(place, Load(callers, seconds))
    yield "bulk", bench_bulk(place, lines)
    yield "http", bench_http(place, _CONNECTIONS, seconds)
    yield "sagas", bench_sagas(place, _IN_FLIGHT, seconds)
    yield "checkout", bench_checkout(place, CheckoutLoad(_CHECKING_OUT, seconds))


def _on(database: str) -> AbstractContextManager[Ground]:
    log_to_stderr()
    err().print("Measuring …", style="dim")
    return ground(database)


def _told(report: Report, *, json: bool) -> int:
    if json:
        dump(report)
    else:
        show(report)
    return 0


# ── tables ───────────────────────────────────────────────────────────────────────────


def show(report: Report) -> None:
    """A report as a table."""
    match report:
        case LedgerReport():
            _show_ledger(report)
        case BulkReport():
            _show_bulk(report)
        case HttpReport():
            _show_http(report)
        case ImportReport():
            _show_import(report)
        case SagaReport():
            _show_sagas(report)
        case CheckoutReport():
            _show_checkout(report)
        case ReconcileReport():
            _show_reconcile(report)
        case MessagingReport():
            _show_messaging(report)
    words = [report.versions["database"], f"Python {report.versions['python']}"]
    if not isinstance(report, MessagingReport) and report.verified:
        words.append("verified")
    out().print(f"{', '.join(words)}.\n", style="dim")


def _show_ledger(report: LedgerReport) -> None:
    title = f"Single transfers on {report.database}, {report.callers} callers"
    made = table("", "transfers/s>", "p50 ms>", "p99 ms>", "ratio>", title=title)
    _both(made, "uniform", report, report.baseline)
    _both(made, "one hot account", report.hot, report.baseline)
    out().print(made)


def _both(made: Table, name: str, found: Compared, style: str) -> None:
    row(
        made,
        f"Khata, {name}",
        f"{found.rate:,.0f}",
        f"{found.p50_ms:.1f}",
        f"{found.p99_ms:.1f}",
        f"{found.ratio:.1f}",
    )
    row(
        made,
        f"the usual way ({style}), {name}",
        f"{found.baseline_rate:,.0f}",
        f"{found.baseline_p50_ms:.1f}",
        f"{found.baseline_p99_ms:.1f}",
    )


def _show_bulk(report: BulkReport) -> None:
    made = table("", "transfers/s>", "ratio>", title=f"{report.lines:,} in bulk, {report.database}")
    row(made, "Khata, in bulk", f"{report.rate:,.0f}", f"{report.ratio:.1f}")
    row(made, "the usual way, one by one", f"{report.baseline_rate:,.0f}")
    out().print(made)


def _show_http(report: HttpReport) -> None:
    title = f"One HTTP server on {report.database}, {report.connections} connections"
    made = table("", "transfers/s>", "p50 ms>", "p99 ms>", title=title)
    times = f"{report.p50_ms:.1f}", f"{report.p99_ms:.1f}"
    row(made, "single", f"{report.rate:,.0f}", *times)
    times = f"{report.bulk_p50_ms:.1f}", f"{report.bulk_p99_ms:.1f}"
    row(made, f"bulk, {report.bulk_lines} a request", f"{report.bulk_rate:,.0f}", *times)
    out().print(made)


def _show_import(report: ImportReport) -> None:
    title = f"{report.lines:,} lines of CSV on {report.database}"
    made = table("", "lines/s>", title=title)
    for number, rate in enumerate(report.rates, 1):
        row(made, f"tenth {number}", f"{rate:,.0f}")
    row(made, "in all", f"{report.rate:,.0f}")
    out().print(made)
    out().print(
        f"The end at {report.end_to_start:.0%} of the start; {report.peak_mb:,.0f} MiB at most;"
        f" verified in {report.verify_seconds:.1f} s."
    )


def _show_sagas(report: SagaReport) -> None:
    title = f"Sagas of four ledger steps on {report.database}, {report.in_flight} in flight"
    made = table("", "steps/s>", "sagas/s>", "p50 ms>", "p99 ms>", "ratio>", title=title)
    row(
        made,
        "Khata",
        f"{report.steps_per_second:,.0f}",
        f"{report.sagas_per_second:,.0f}",
        f"{report.p50_ms:.1f}",
        f"{report.p99_ms:.1f}",
        f"{report.ratio:.1f}",
    )
    row(made, "a plain loop", f"{report.baseline_steps_per_second:,.0f}")
    out().print(made)
    out().print(f"To undo four steps took {report.compensation_ms:,} ms in the mean.")


def _show_checkout(report: CheckoutReport) -> None:
    title = f"Checkouts of four requests on {report.database}, {report.callers} callers"
    made = table("", "checkouts/s>", "p50 ms>", "p99 ms>", "ratio>", title=title)
    row(
        made,
        "Khata",
        f"{report.rate:,.0f}",
        f"{report.p50_ms:.1f}",
        f"{report.p99_ms:.1f}",
        f"{report.ratio:.1f}",
    )
    row(
        made,
        "the usual way",
        f"{report.baseline_rate:,.0f}",
        "",
        f"{report.baseline_p99_ms:.1f}",
    )
    out().print(made)
    out().print(f"Of a hundred requests 99 took at most {report.request_p99_ms:,.1f} ms.")


def _show_reconcile(report: ReconcileReport) -> None:
    title = f"A statement of {report.lines:,} lines on {report.database}"
    made = table("", "seconds>", "lines/s>", "Khata to it>", title=title)
    row(made, "read and taken in", f"{report.import_seconds:.1f}")
    row(made, "matched", f"{report.match_seconds:.1f}", f"{report.match_rate:,.0f}")
    row(made, "in all", f"{report.seconds:.1f}", f"{report.rate:,.0f}")
    usual = "a query for each line, matching alone"
    row(made, f"{usual}, a transaction each", "", f"{report.baseline_rate:,.0f}",
        f"{report.ratio:.2f}")  # fmt: skip
    script = f"{report.script_rate:,.0f}", f"{report.script_ratio:.2f}"
    row(made, f"{usual}, a commit every 1,000", "", *script)
    out().print(made)
    out().print(
        f"{report.matched:,} matches; {report.planted} defects, {report.exceptions} exceptions."
        f" The usual way was measured on {report.baseline_lines:,} lines."
    )


def _show_messaging(report: MessagingReport) -> None:
    title = f"Messages between {report.connections:,} connections, {report.database}"
    made = table("", "messages/s>", "stored/s>", "p50 µs>", "p99 µs>", "ratio>", title=title)
    row(
        made,
        "Khata",
        f"{report.rate:,.0f}",
        f"{report.persisted_rate:,.0f}",
        f"{report.p50_us:,.0f}",
        f"{report.p99_us:,.0f}",
        f"{report.ratio:.1f}",
    )
    row(made, "the usual way", f"{report.baseline_rate:,.0f}")
    out().print(made)
    out().print(
        f"{report.messages:,} messages, {report.lost} lost; inside at {report.half_rate:,.0f} a"
        f" second; {report.rss_mb:,.0f} MiB, {report.kb_per_connection:.1f} KiB for a connection."
    )

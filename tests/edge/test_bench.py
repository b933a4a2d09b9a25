"""The benches run, tell what they promise, and leave books that verify. Nothing is timed here."""

import pytest

from khata.edge.bench.bulk import bench_bulk
from khata.edge.bench.checkout import bench_checkout
from khata.edge.bench.checkouts import CheckoutLoad, checkouts
from khata.edge.bench.figures import Sample, draws, figures_of, percentile
from khata.edge.bench.ground import ground
from khata.edge.bench.importing import bench_import, tenths
from khata.edge.bench.ledger import Load, bench_ledger
from khata.edge.bench.orchestrating import bench_sagas
from khata.edge.bench.serving import bench_http
from khata.errors import Invalid
from tests.edge.command_line import khata

SECONDS = 0.2
SIDE_BY_SIDE = {
    "rate",
    "p50_ms",
    "p99_ms",
    "baseline_rate",
    "baseline_p50_ms",
    "baseline_p99_ms",
    "ratio",
}
CHECKOUT = {
    "rate",
    "p50_ms",
    "p99_ms",
    "request_p99_ms",
    "baseline_rate",
    "baseline_p99_ms",
    "ratio",
    "callers",
    "seconds",
    "database",
    "versions",
    "verified",
}
ABOUT = {"database", "callers", "seconds", "accounts", "seed", "baseline", "versions", "verified"}


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """A ground for benches, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        where = f"sqlite:///{tmp_path / 'khata.db'}"
    else:
        where = request.getfixturevalue("postgres_url")
    with ground(where) as found:
        yield found


def a_load(**options):
    return Load(**({"callers": 20, "seconds": SECONDS, "accounts": 50} | options))


def test_both_sides_of_a_ledger_bench_get_work_done(place):
    """Khata and the baseline both finish transfers, and both books add up in the end."""
    report = bench_ledger(place, a_load())
    assert (report.verified, min(report.ratio, report.hot.ratio) > 0) == (True, True)


def test_the_packed_baseline_does_the_same(postgres_url):
    """Two round trips leave what eight leave: tables that add up."""
    with ground(postgres_url) as place:
        report = bench_ledger(place, a_load(baseline="packed"))
    assert (report.baseline, report.verified, report.ratio > 0) == ("packed", True, True)


def test_a_bulk_bench_counts_every_line(place):
    """What was handed in is what the rate is made of."""
    report = bench_bulk(place, 2_500, baseline_seconds=SECONDS)
    assert (report.verified, round(report.rate * report.seconds)) == (
        True,
        pytest.approx(2_500, rel=0.01),
    )


def test_an_http_bench_serves_and_verifies(postgres_url):
    """A real server answers single and bulk requests from another process."""
    with ground(postgres_url) as place:
        report = bench_http(place, 4, SECONDS)
    assert (report.verified, report.rate > 0, report.bulk_rate > 0) == (True, True, True)


def test_an_import_bench_tells_ten_rates(place):
    """A rate for each tenth of the file, and how much memory it took."""
    report = bench_import(place, 500)
    assert (report.verified, len(report.rates), report.peak_mb > 0) == (True, 10, True)


def test_a_saga_bench_ends_what_it_starts(place):
    """Sagas run to their ends beside the plain loop; the book verifies."""
    report = bench_sagas(place, 16, SECONDS)
    assert (report.verified, report.steps_per_second > 0) == (True, True)
    assert report.baseline_steps_per_second > 0
    assert report.compensation_ms < 5000


def test_both_sides_of_a_checkout_bench_check_out(place):
    """Khata and the baseline both finish checkouts, and both books add up in the end."""
    load = CheckoutLoad(20, SECONDS, customers=30, partners=3, creators=3)
    report = bench_checkout(place, load)
    assert (report.verified, report.rate > 0, report.baseline_rate > 0) == (True, True, True)
    assert report.request_p99_ms <= report.p99_ms


def test_the_checkout_bench_prints_one_json_object(tmp_path):
    """The keys that programs read, and none besides."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    words = ["--callers", "8", "--seconds", str(SECONDS), "--json"]
    assert set(khata("bench", "checkout", *words, url=url).json()) == CHECKOUT


def test_the_checkout_bench_shows_a_table(tmp_path):
    """People see both sides."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    done = khata("bench", "checkout", "--callers", "8", "--seconds", str(SECONDS), url=url)
    assert (done.code, done.out.count("the usual way")) == (0, 1)


def test_the_ledger_bench_prints_one_json_object(tmp_path):
    """The keys that programs read, the same under `hot`."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    words = ["--callers", "8", "--seconds", str(SECONDS), "--accounts", "20", "--json"]
    told = khata("bench", "ledger", *words, url=url).json()
    assert (set(told), set(told["hot"])) == (SIDE_BY_SIDE | ABOUT | {"hot"}, SIDE_BY_SIDE)


def test_the_ledger_bench_shows_a_table(tmp_path):
    """People see both sides, with and without a hot account."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    done = khata("bench", "ledger", "--callers", "8", "--seconds", str(SECONDS), url=url)
    assert done.out.count("one hot account") == 2


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["bulk", "--lines", "1000"], {"rate", "baseline_rate", "ratio"}),
        (["http", "--connections", "2", "--seconds", "0.3"], {"rate", "p99_ms", "bulk_rate"}),
        (
            ["sagas", "--in-flight", "8", "--seconds", "0.3"],
            {"steps_per_second", "sagas_per_second", "p99_ms", "baseline_steps_per_second"},
        ),
        (["import", "--lines", "200"], {"rate", "start_rate", "end_rate", "peak_mb"}),
    ],
)
def test_every_bench_speaks_json(tmp_path, words, keys):
    """One object on standard output with the keys that are promised."""
    told = khata("bench", *words, "--json", url=f"sqlite:///{tmp_path / 'khata.db'}").json()
    assert keys <= set(told)


def test_nothing_is_left_behind(tmp_path):
    """The folder is as empty as before."""
    with ground(f"sqlite:///{tmp_path / 'khata.db'}") as place:
        bench_bulk(place, 10, baseline_seconds=0.05)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_database_is_refused():
    """The error says what would do."""
    with pytest.raises(Invalid, match="needs a database"), ground("oracle"):
        pass


@pytest.mark.parametrize("wrong", [{"callers": 0}, {"accounts": 1}, {"seconds": 0}])
def test_a_load_without_load_is_refused(wrong):
    """Nobody, nowhere, never: none of them can be measured."""
    with pytest.raises(Invalid):
        a_load(**wrong)


@pytest.mark.parametrize("wrong", [{"callers": 0}, {"seconds": 0}, {"creators": 0}])
def test_a_load_of_checkouts_without_load_is_refused(wrong):
    """It takes somebody on every side, and some time."""
    with pytest.raises(Invalid, match="no load of checkouts"):
        CheckoutLoad(**wrong)


def test_a_checkout_bench_without_callers_tells_why(tmp_path):
    """The command line says what would do, and makes no database."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    done = khata("bench", "checkout", "--callers", "0", url=url)
    assert (done.code, "no load of checkouts" in done.err, list(tmp_path.iterdir())) == (
        3,
        True,
        [],
    )


def test_checkouts_are_drawn_odd_and_the_same_from_the_same_seed(seed):
    """Both sides can be given one and the same list, of amounts that do not share evenly."""
    load = CheckoutLoad(customers=5, partners=4, creators=3, seed=seed)
    drawn = checkouts(load, count=300)
    assert (drawn, {draw.amount % 2 for draw in drawn}) == (checkouts(load, count=300), {1})
    assert all(0 < draw.back < draw.amount for draw in drawn)


def test_those_who_check_out_are_who_they_are_drawn_as(seed):
    """Customers, partners and creators have numbers of their own, before the platform's."""
    load = CheckoutLoad(customers=5, partners=4, creators=3, seed=seed)
    drawn = checkouts(load, count=500)
    seen = [{getattr(draw, who) for draw in drawn} for who in ("customer", "partner", "creator")]
    assert seen == [set(range(1, 6)), set(range(6, 10)), set(range(10, load.platform))]


def test_transfers_are_drawn_the_same_from_the_same_seed(seed):
    """Both sides can be given one and the same list."""
    assert draws(seed, 100, hot=False, count=50) == draws(seed, 100, hot=False, count=50)


@pytest.mark.parametrize("hot", [True, False])
def test_no_drawn_transfer_goes_in_a_circle(seed, hot):
    """Source and target differ, and both exist."""
    drawn = draws(seed, 3, hot=hot, count=500)
    assert {(d.source != d.target, {d.source, d.target} <= {1, 2, 3}) for d in drawn} == {
        (True, True)
    }


def test_hot_transfers_all_pay_into_one_account(seed):
    """That is what makes it hot."""
    assert {draw.target for draw in draws(seed, 100, hot=True, count=200)} == {1}


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_was_measured(share, value):
    """Nearest rank: of the numbers 1 to 100 the p-th percentile is p."""
    assert percentile(range(1, 101), share) == value


def test_figures_add_slices_up():
    """A rate is all requests over all of the time."""
    figures = figures_of([Sample([0.001] * 10, 1.0), Sample([0.003] * 30, 1.0)])
    assert (figures.rate, figures.p50_ms, figures.done) == (20.0, 3.0, 40)


def test_a_steady_import_has_ten_equal_rates():
    """Moments on a straight line give the same rate everywhere, wherever the moments lie."""
    assert set(tenths([(0.0, 0), (3.0, 30), (3.5, 35), (10.0, 100)], 100)) == {10.0}

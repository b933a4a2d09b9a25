"""Sagas over HTTP: every operation, every role, and nothing that is only for Khata's workers."""

import pytest
import sqlalchemy as sa

from khata import Khata
from khata.app import VERBS
from khata.domain.access import Approve, RequestApproval
from khata.domain.wallets import RenameWallet
from khata.edge.client import Client
from khata.edge.http.bulk import AnyCommand
from khata.engine.command import Verbs
from khata.engine.sagas.commands import VERBS as INTERNAL
from khata.errors import RoleRequired, UnknownCommand
from tests.builders import ADMIN, OTHER_ADMIN, SERVICE, a_book, refused
from tests.edge.serving import Asks, a_key, serving_sqlite
from tests.edge.ways import CALLERS, FOLDER, SAGAS

WHY = {"reason": "It was looked at."}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that leaves the work to the tests; Alice has 1,000 taka."""
    folder = tmp_path_factory.mktemp("sagas")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        with serving_sqlite(folder, KHATA_SAGAS="tests.edge.ways", KHATA_WORKER="0") as found:
            with found.http() as http:
                asks = Asks(http)
                asks.wallet("alice", "1000.00")
                body = {"owner": "shop", "currency": "BDT", "wallet_kind": "partner"}
                asks.post("/v1/wallets", body)
            yield found


@pytest.fixture
def asks(server):
    with server.http() as http:
        yield Asks(http)


def worked(server):
    """Let a worker do what is due."""
    with Khata.open(server.database_url, sagas=SAGAS) as book:
        book.worker(CALLERS).work()


def started(server, asks, name, *, work=True, **data):
    """The id of a saga that a worker has moved as far as it goes."""
    made = asks.post("/v1/sagas", {"name": name, "data": data, "reference": "M1"})
    assert made.status_code == 201, made.text
    if work:
        worked(server)
    return made.json()["result"]["id"]


def stuck(server, asks):
    """One that waits for a person at its second step."""
    return started(server, asks, "final", amount="99999.00")


def shown(asks, saga):
    """Where a saga stands."""
    found = asks.get(f"/v1/sagas/{saga}").json()
    return found["status"], found["step"]


def code(answer):
    """What was refused, and why."""
    return answer.status_code, answer.json()["code"]


# ── watching ─────────────────────────────────────────────────────────────────────────


def test_a_saga_tells_its_history(server, asks):
    """Who did what at which step, and which entries that posted; the journal says why."""
    found = asks.get(f"/v1/sagas/{started(server, asks, 'checkout')}").json()
    (pay,) = [line for line in found["history"] if line["entries"]]
    because = asks.get(f"/v1/journal/{pay['seq']}/why").json()
    assert (found["status"], pay["step"], pay["actor"]) == ("completed", "pay", "service:worker")
    assert (because["saga"], because["step"]) == (found["id"], "pay")


def test_lists_are_filtered(server, asks):
    """The failed ones, those of a name, those about something."""
    saga = stuck(server, asks)
    failed = asks.get("/v1/sagas", failed=True).json()["items"]
    assert saga in [item["id"] for item in failed]
    assert {item["status"] for item in failed} == {"stuck"}
    assert asks.get("/v1/sagas", name="nothing").json()["items"] == []
    assert asks.get("/v1/sagas", reference="M1", limit=1).json()["next"]


def test_health(server, asks):
    """Three windows, whose counts agree with the list."""
    stuck(server, asks)
    found = asks.get("/v1/sagas/health").json()
    assert [window["days"] for window in found["windows"]] == [1, 7, 30]
    assert found["waiting_for_people"] == len(asks.get("/v1/sagas", failed=True).json()["items"])


@pytest.mark.parametrize("seq", ["0", "99999999", "x", "9" * 40])
def test_why_of_no_command(asks, seq):
    """There is none: 404."""
    assert asks.get(f"/v1/journal/{seq}/why").status_code == 404


def test_open_sagas_are_counted_for_prometheus(server, asks):
    """A gauge for each status."""
    stuck(server, asks)
    lines = asks.get("/metrics").text.splitlines()
    (line,) = [x for x in lines if x.startswith('khata_sagas{book="main",status="stuck"}')]
    assert float(line.split()[-1]) > 0


# ── deciding ─────────────────────────────────────────────────────────────────────────


def test_a_preview_tells_the_plan(server, asks):
    """With dry_run nothing is written, and one sees what would come next."""
    saga = stuck(server, asks)
    told = asks.post(f"/v1/sagas/{saga}/retry", WHY, dry_run=True).json()["result"]
    assert (told["status"], told["plan"]) == ("running", ["pay", "last"])
    assert shown(asks, saga) == ("stuck", "pay")


@pytest.mark.parametrize(
    ("verb", "body", "after"),
    [
        ("retry", {**WHY, "data": {"amount": "1.00"}}, ("completed", "")),
        ("skip", WHY, ("completed", "")),
        ("resolve", {**WHY, "outcome": "done", "evidence": "Ticket 1"}, ("completed", "")),
        ("resolve", {**WHY, "outcome": "closed", "evidence": "Ticket 1"}, ("resolved", "")),
        ("pause", WHY, ("stuck", "pay")),
    ],
)
def test_a_decision(server, asks, verb, body, after):
    """What a person decides is what happens."""
    saga = stuck(server, asks)
    answer = asks.post(f"/v1/sagas/{saga}/{verb}", body)
    worked(server)
    assert (answer.status_code, shown(asks, saga)) == (200, after)


def test_what_cannot_be_undone(server, asks):
    """Beyond the point of no return there is no way back."""
    saga = stuck(server, asks)
    for verb in ("compensate", "cancel"):
        assert code(asks.post(f"/v1/sagas/{saga}/{verb}", WHY)) == (422, "irreversible")


def test_signal_and_approval(server, asks):
    """A saga waits for an event, then for a person."""
    saga = started(server, asks, "asked")
    asks.post(f"/v1/sagas/{saga}/signals", {"name": "receipt", "data": {"file": "r7.pdf"}})
    worked(server)
    mine = asks.post(f"/v1/sagas/{saga}/approval", {**WHY, "approved": True})
    with server.http(a_key(server.database_url, ["finance"])) as http:
        other = Asks(http).post(f"/v1/sagas/{saga}/approval", {**WHY, "approved": True})
    worked(server)
    assert (code(mine), other.status_code) == ((403, "same_approver"), 200)
    assert shown(asks, saga) == ("completed", "")


def test_pausing_and_resuming(server, asks):
    """Nothing moves in between."""
    saga = started(server, asks, "checkout", work=False)
    asks.post(f"/v1/sagas/{saga}/pause", WHY)
    worked(server)
    before = shown(asks, saga)
    asks.post(f"/v1/sagas/{saga}/resume", WHY)
    worked(server)
    assert (before, shown(asks, saga)) == (("running", "pay"), ("completed", ""))


def test_schedules(asks):
    """Made, listed, stopped."""
    body = {"name": "nightly", "cron": "0 2 * * *", "saga": "checkout", "zone": "Asia/Dhaka"}
    made = asks.post("/v1/sagas/schedules", body)
    listed = asks.get("/v1/sagas/schedules").json()["items"]
    ended = asks.post("/v1/sagas/schedules/nightly/unschedule", WHY)
    assert (made.status_code, listed[0]["cron"], ended.status_code) == (201, "0 2 * * *", 200)
    assert ended.json()["result"]["enabled"] is False


def test_the_client_does_all_of_it(server):
    """The typed calls start, show, preview and decide."""
    with Client(server.url, server.key) as client:
        saga = client.start_saga("final", {"amount": "99999.00"}, reference="M7").result.id
        worked(server)
        assert client.saga(saga).history[-1].what == "stuck"
        assert client.retry_saga(saga, "A try.", dry_run=True).result.plan == ["pay", "last"]
        closed = client.resolve_saga(saga, "closed", "Paid in cash.", evidence="Ticket 7")
        assert closed.result.status == "resolved"
        assert [item.id for item in client.each_sagas(reference="M7")] == [saga]
        assert client.why(closed.seq).kind == "sagas.resolve"
        assert client.saga_health().windows[0].resolved > 0


# ── who may ──────────────────────────────────────────────────────────────────────────


def test_support_may_try_again_and_not_skip(server, asks):
    """Trying again moves nothing that was not decided before; letting a step go is more."""
    saga = stuck(server, asks)
    with server.http(a_key(server.database_url, ["support"])) as http:
        support = Asks(http)
        tried = support.post(f"/v1/sagas/{saga}/retry", WHY, dry_run=True)
        skipped = support.post(f"/v1/sagas/{saga}/skip", WHY)
        body = {**WHY, "outcome": "done", "evidence": "None."}
        resolved = support.post(f"/v1/sagas/{saga}/resolve", body)
    assert tried.status_code == 200
    assert [code(skipped), code(resolved)] == [(403, "role_required")] * 2


def test_a_reader_decides_nothing(server, asks):
    """A key that may only read starts and decides nothing; schedules need one for the set-up."""
    saga = stuck(server, asks)
    with server.http(a_key(server.database_url, scopes=["read"])) as http:
        reader = Asks(http)
        answers = [
            reader.post("/v1/sagas", {"name": "checkout", "data": {}}),
            reader.post(f"/v1/sagas/{saga}/retry", WHY),
            reader.post("/v1/sagas/schedules/nightly/unschedule", WHY),
        ]
        assert reader.get(f"/v1/sagas/{saga}").status_code == 200
    assert [code(answer) for answer in answers] == [(403, "scope_required")] * 3


# ── what is only for Khata's own workers ─────────────────────────────────────────────

KINDS = sorted(verb.kind for verb in VERBS if verb.internal)
LINES = {
    "sagas.claim": {"worker": "me", "sagas": [], "seconds": 60},
    "sagas.renew": {"worker": "me", "sagas": [], "seconds": 60},
    "sagas.release": {"worker": "me", "sagas": []},
    "sagas.step": {"saga": "sag_0400", "step": "pay", "fence": 0},
    "sagas.intend": {"saga": "sag_0400", "step": "pay", "fence": 0, "scope": "main"},
    "sagas.conclude": {
        "saga": "sag_0400", "step": "pay", "fence": 0, "outcome": {"status": "done"}
    },
    "sagas.fail": {
        "saga": "sag_0400", "step": "pay", "fence": 0, "code": "x", "message": "x",
        "retryable": False,
    },
    "sagas.halt": {"saga": "sag_0400", "step": "pay", "fence": 0, "code": "x", "message": "x"},
    "sagas.fire": {"schedule": "nightly", "due_at": None, "next_at": None},
}  # fmt: skip


def test_all_verbs_of_workers_are_internal():
    """None was forgotten, and each of them is tried below."""
    assert {verb.kind for verb in INTERNAL} == LINES.keys() <= set(KINDS)


def test_no_bulk_has_them(asks):
    """Each line is refused as unknown, and its neighbour lives."""
    commands = [{"kind": kind, **LINES[kind]} for kind in LINES]
    commands.append({"kind": "wallets.rename", "wallet": "alice/personal/BDT", "title": "Mine"})
    lines = [{"key": f"bulk-{i}", "command": command} for i, command in enumerate(commands)]
    outcomes = asks.post("/v1/bulk", {"lines": lines}).json()["outcomes"]
    codes = [outcome.get("error", {}).get("code") for outcome in outcomes]
    assert codes == ["unknown_command"] * len(LINES) + [None]


def test_no_type_of_a_door_has_them():
    """The union of what a bulk decodes has every other verb and none of these."""
    kinds = {command.__struct_config__.tag for command in AnyCommand.__args__}
    assert kinds == {verb.kind for verb in VERBS} - set(KINDS)


@pytest.mark.parametrize("kind", LINES)
def test_no_request_for_approval_carries_them(asks, kind):
    """What nobody may ask, nobody may ask to be approved."""
    body = {**WHY, "command": {"kind": kind, **LINES[kind]}}
    assert code(asks.post("/v1/approvals", body)) == (400, "unknown_command")


def test_no_kind_is_listed_among_what_is_expected(asks):
    """An error that lists the commands lists those that one may send."""
    answer = asks.post("/v1/approvals", {**WHY, "command": {"kind": "nothing.at_all"}})
    assert set(answer.json()["details"]["expected"]).isdisjoint(KINDS)


def test_who_approves_performs_none_of_them(database_url):
    """Even when a request with one is in the book, approving it is refused."""
    with a_book(database_url, alice="0") as book:
        wanted = {"kind": "wallets.rename", "wallet": "alice/personal/BDT", "title": "Mine"}
        request = book.submit(RequestApproval(wanted, "Please."), actor=ADMIN).result.request
        forged = '{"kind":"sagas.release","worker":"me","sagas":[]}'
        with book.database.changing() as connection:
            connection.execute(sa.text("UPDATE approvals SET command = :it"), {"it": forged})
    with Khata.open(database_url) as book:
        error = refused(book, Approve(request), actor=OTHER_ADMIN)
    assert type(error) is UnknownCommand


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.internal], ids=lambda v: v.kind)
def test_a_program_may_not_either(verb):
    """The role of a machine is not enough: a key's name is never that of Khata's workers."""
    with pytest.raises(RoleRequired):
        verb.check(SERVICE)


def test_reading_from_outside_keeps_the_rest():
    """What a door may offer is read as before."""
    verbs = Verbs(VERBS)
    raw = b'{"kind":"wallets.rename","wallet":"alice/personal/BDT","title":"Mine"}'
    assert isinstance(verbs.read(raw, from_outside=True), RenameWallet)

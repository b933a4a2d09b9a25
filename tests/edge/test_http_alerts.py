"""Alerts: a person hears of a book that does not prove, and a deaf webhook harms nobody."""

import http.server
import json
import threading

import pytest
import sqlalchemy as sa

from khata.edge.http.alerts import Alerts
from tests.edge.serving import Asks, free_port, serving_sqlite


class Inbox(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["content-length"])
        self.server.heard.append(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def inbox():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_book_that_was_altered_is_told_of(tmp_path, inbox):
    """A changed balance is found by `verify`, logged as critical and posted."""
    webhook = f"http://127.0.0.1:{inbox.server_port}/"
    with serving_sqlite(tmp_path, KHATA_ALERT_WEBHOOK=webhook) as server, server.http() as http:
        Asks(http).wallet("alice", "5.00")
        engine = sa.create_engine(server.database_url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE accounts SET balance = balance - 1"))
        engine.dispose()
        told = http.get("/v1/verify").json()
    assert told["ok"] is False
    assert [alert["alert"] for alert in inbox.heard] == ["book_has_discrepancies"]
    assert any('"critical"' in line for line in server.lines)


def test_a_book_that_breaks_is_told_of(tmp_path, inbox):
    """When an invariant falls under a command, people hear of it and no more traffic comes."""
    webhook = f"http://127.0.0.1:{inbox.server_port}/"
    with serving_sqlite(tmp_path, KHATA_ALERT_WEBHOOK=webhook) as server, server.http() as http:
        asks = Asks(http)
        ref = asks.wallet("alice")
        engine = sa.create_engine(server.database_url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE books SET seq = seq - 1"))
        engine.dispose()
        amount = {"amount": "1.00", "currency": "BDT"}
        refused = asks.post(f"/v1/wallets/{ref}/credit", {"amount": amount})
        ready = http.get("/ready")
    assert (refused.status_code, refused.json()["code"]) == (500, "book_corrupted")
    assert ready.status_code == 503
    assert [alert["alert"] for alert in inbox.heard] == ["book_is_broken"]


def test_the_same_alert_goes_out_once_a_minute(inbox):
    """A storm of the same is one message."""
    alerts = Alerts(f"http://127.0.0.1:{inbox.server_port}/")
    for _ in range(5):
        alerts.sound("on_fire", book="main")
    alerts.close()
    assert len(inbox.heard) == 1


def test_a_deaf_webhook_harms_nobody():
    """It is logged, and that is all."""
    alerts = Alerts(f"http://127.0.0.1:{free_port()}/")
    alerts.sound("on_fire")
    alerts.close()

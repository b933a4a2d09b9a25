"""The served description and the server agree, for requests that fit it and some that do not."""

import pytest
import schemathesis
from hypothesis import given
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from khata.edge.http.alerts import Alerts
from khata.edge.http.approvals import approval_operations
from khata.edge.http.benefits import benefit_operations
from khata.edge.http.commissions import commission_operations
from khata.edge.http.earnings import earning_operations
from khata.edge.http.escrow import escrow_operations
from khata.edge.http.hooks import hook_operations
from khata.edge.http.inventory import stock_operations
from khata.edge.http.legacy import legacy_operations
from khata.edge.http.loans import loan_operations
from khata.edge.http.marketplace import marketplace_operations
from khata.edge.http.messaging import messaging_operations
from khata.edge.http.mismatches import mismatch_operations
from khata.edge.http.orders import order_operations
from khata.edge.http.payments import payment_operations
from khata.edge.http.payouts import payout_operations
from khata.edge.http.reads import read_operations
from khata.edge.http.reconciliation import reconciliation_operations
from khata.edge.http.sagas import saga_operations
from khata.edge.http.shadow import shadow_operations
from khata.edge.http.solvency import solvency_operations
from khata.edge.http.squads import squad_operations
from khata.edge.http.threads import Threads
from khata.edge.http.writes import write_operations
from khata.engine.vault import Vault
from khata.settings import Settings
from tests.conftest import examples
from tests.edge.serving import Asks, serving_sqlite
from tests.hooks import a_receiver

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OTHERS = ["bulk", "getStatement", "createKey", "verify", "health", "ready", "metrics"]
NAMES = [
    operation.name
    for operation in [
        *write_operations(Settings()),
        *read_operations(Threads()),
        *saga_operations(Settings(), Threads()),
        *payment_operations(Settings(), Threads()),
        *payout_operations(Settings(), Threads()),
        *commission_operations(Settings(), Threads()),
        *benefit_operations(Settings(), Threads()),
        *escrow_operations(Settings(), Threads()),
        *marketplace_operations(Settings(), Threads()),
        *legacy_operations(Settings(), Threads()),
        *loan_operations(Settings(), Threads()),
        *earning_operations(Settings(), Threads()),
        *stock_operations(Settings(), Threads()),
        *squad_operations(Settings(), Threads()),
        *order_operations(Settings(), Threads()),
        *mismatch_operations(Settings(), Threads()),
        *shadow_operations(Settings(), Threads(), {}, {}),
        *approval_operations(Settings(), Threads(), {}),
        *reconciliation_operations(Settings(), Threads()),
        *solvency_operations(Settings(), Threads(), Alerts()),
        *hook_operations(Settings(), Threads(), {}, a_receiver()),
        *messaging_operations(lambda _: None),
    ]
] + OTHERS


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schema")
    settings = {"KHATA_VAULT_KEYS": Vault.new_key(), "KHATA_RECEIPTS": str(folder / "receipts")}
    with serving_sqlite(folder, **settings) as found:
        with found.http() as http:
            Asks(http).wallet("alice", "1000.00")
        yield found


@pytest.fixture(scope="module")
def operations(server):
    """The operations of the served description by id."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.definition.raw["operationId"]: operation for operation in found}


def test_all_operations_are_tried(operations):
    """None is served that is not in this list."""
    assert sorted(operations) == sorted(NAMES)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_keeps_to_its_description(server, operations, name, mode):
    """Whatever is asked, the answer is one that the description has, and no fault."""
    operation = operations[name]
    if mode is GenerationMode.NEGATIVE and not (
        operation.body
        or operation.query
        # a path takes any text: without a credential there is nothing else to get wrong
        or (operation.path_parameters and operation.definition.raw["security"])
    ):
        pytest.skip("nothing about this request can be wrong")

    @examples(4)
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case):
        response = case.call(headers={"Authorization": f"Bearer {server.key}"})
        case.validate_response(response, checks=CHECKS)

    holds()

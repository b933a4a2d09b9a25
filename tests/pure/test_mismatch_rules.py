"""What is wrong with an order, and the one repair of it: the rule table, case by case."""

from pathlib import Path

from msgspec.structs import replace

from khata.base.clock import DAY, SECOND
from khata.domain.mismatches import RULES, Mismatch, after, derived, found, plan_of
from khata.domain.mismatches.finding import is_news
from khata.domain.mismatches.rules import ORDER
from khata.domain.orders import Standing

NOW = 1_000 * DAY
WELL = Standing(
    ref="M1",
    customer="alice",
    unit="BDT",
    exponent=2,
    total=100_00,
    finance="paid",
    warehouse="waiting",
    logistics="waiting",
    shown="confirmed",
    wallet_part=40_00,
    wallet_moved=40_00,
    captured=100_00,
    refunded=0,
    receipt_at=None,
    finance_since=NOW - 2 * DAY,
    grace_ends_at=None,
    delivered_at=None,
    release_scheduled=True,
    reserved=0,
)


def standing(**facts):
    """An order that stands well but for these facts; what is shown follows unless it is given."""
    made = replace(WELL, **facts)
    return made if "shown" in facts else replace(made, shown=derived(made))


PARTIAL = standing(finance="wallet_partial", captured=60_00, wallet_moved=0)
UPLOADED = standing(
    finance="receipt_uploaded", receipt_at=NOW - DAY, captured=0, wallet_moved=40_00, held=40_00
)
SENT = {"warehouse": "picked", "logistics": "delivered"}


def seen(order, now=NOW):
    """(kinds, what the plan does) of an order; carried out, it leaves nothing to find."""
    plan = plan_of(order, founds := found(order, now))
    stands = order
    for action in plan.actions:
        stands = after(stands, action)
    assert stands == plan.after
    assert found(stands, now) == []
    assert plan_of(stands, []).actions == []
    did = [(each.kind, each.to or each.amount) for each in plan.actions]
    return [each.kind for each in founds], did


def test_every_kind_is_found_and_repaired():
    """Each rule by itself, with the repair that follows from it."""
    cases = {
        "wallet_part_missing": (
            PARTIAL,
            [("take_wallet_part", 40_00), ("move", "ready")],
        ),
        "receipt_stuck": (
            replace(UPLOADED, receipt_at=NOW - 2 * DAY),
            [("approve_receipt", 60_00), ("move", "ready")],
        ),
        "refund_exceeds": (
            standing(finance="refunded", refunded=110_00),
            [("reclaim_refund", 1000)],
        ),
        "stock_kept": (
            standing(finance="cancelled", captured=0, wallet_moved=0, reserved=3),
            [("release_stock", 0)],
        ),
        "release_missing": (
            standing(**SENT, release_scheduled=False),
            [("schedule_release", 0)],
        ),
        "status_differs": (standing(**SENT, shown="pending"), [("sync_shown", "delivered")]),
    }
    assert list(cases) == [rule.kind for rule in RULES]
    for kind, (order, does) in cases.items():
        assert seen(order) == ([kind], does), kind
    assert found(WELL, NOW) == []


def test_a_receipt_is_stuck_only_beyond_its_time():
    """To the microsecond; how long it may wait is the caller's to say."""
    order = UPLOADED
    assert found(order, NOW) == []
    (one,) = found(order, NOW + 1)
    assert (one.since, one.at_risk) == (NOW, 60_00)
    assert found(order, NOW + 1, receipt_seconds=86_401) == []
    assert found(order, NOW, receipt_seconds=1)[0].since == NOW - DAY + SECOND


def test_an_order_has_one_repair_for_all_that_is_wrong():
    """Money first, then the axes, and last what is shown; each action once."""
    delivered = replace(PARTIAL, **SENT, shown="pending", release_scheduled=True)
    assert seen(delivered) == (
        ["wallet_part_missing", "status_differs"],
        [
            ("take_wallet_part", 40_00),
            ("schedule_release", 0),
        ],
    )
    both = replace(UPLOADED, receipt_at=0, wallet_moved=10_00, held=10_00)
    assert seen(both) == (
        ["wallet_part_missing", "receipt_stuck"],
        [("take_wallet_part", 30_00), ("approve_receipt", 60_00), ("move", "ready")],
    )


def test_a_wallet_part_that_does_not_make_it_paid_waits_under_a_hold():
    """The bank part is still to come: nothing moves on, and the escrow stays as it is."""
    order = replace(PARTIAL, captured=0)
    assert seen(order) == (["wallet_part_missing"], [("take_wallet_part", 40_00)])
    plan = plan_of(order, found(order, NOW))
    assert (plan.after.captured, plan.from_wallet, plan.moved) == (0, 40_00, 40_00)


def test_what_is_not_wrong_is_left_alone():
    """A wrong status alone sends no order on to the warehouse."""
    assert seen(standing(shown="pending")) == (["status_differs"], [("sync_shown", "confirmed")])


def test_the_documents_have_the_rule_table():
    """Row by row, in the order of the table, and every action is explained."""
    page = (Path(__file__).parents[2] / "docs" / "mismatches.md").read_text(encoding="utf-8")
    rows = [f"| `{r.kind}` | {r.says} | {', '.join(f'`{a}`' for a in r.actions)} |" for r in RULES]
    assert "\n".join(rows) in page
    for action in ORDER:
        assert f"| `{action}` | " in page


def test_a_look_writes_only_what_is_new():
    """A dismissed mismatch comes back when more is at risk, and not before."""
    (item,) = found(PARTIAL, NOW)
    known = Mismatch(
        id="msm_0",
        order="M1",
        watched="M1",
        kind=item.kind,
        status="dismissed",
        customer="alice",
        unit="BDT",
        exponent=2,
        at_risk=item.at_risk,
        actions=[],
        since=0,
        found_at=0,
        by_sweep=False,
        ended_at=0,
        ended_by="finance:sumi",
        reason="He knows.",
        repair=None,
    )
    for status, at_risk, news in (
        ("dismissed", 40_00, False),
        ("dismissed", 50_00, False),
        ("dismissed", 39_99, True),
        ("open", 40_00, True),
    ):
        assert is_news([item], [replace(known, status=status, at_risk=at_risk)]) is news
    same = replace(known, status="open", actions=item.actions)
    assert not is_news([item], [same])
    assert is_news([], [same])
    assert is_news([item], [])
    assert not is_news([], [])

"""What tests of orders are made of: a house with tea in stock, a seller, customers, a clock."""

from contextlib import contextmanager

from khata import actor
from khata.domain import inventory, ledger, orders, wallets
from khata.domain.orders import Line, ReceiptFile
from khata.testing import VirtualClock, finish
from tests.builders import a_book, bdt, discrepancies

WAREHOUSE, LOGISTICS = actor("warehouse:jamal"), actor("logistics:samir")
DAY = 86_400
RESERVED, GOODS, SALES = "asset/reserved_stock", "expense/cost_of_goods", "revenue/sales"
PHONE = Line(1, title="একটি ফোন", price=bdt("100.00"))
TEA = Line(2, sku="TEA")


class House:
    """A book where things are ordered, with short words for what is asked of it."""

    def __init__(self, book, clock):
        self.book, self.clock = book, clock

    def place(self, ref="M1", lines=(PHONE,), who=None, **fields):
        command = orders.PlaceOrder(ref, fields.pop("customer", "alice"), list(lines), **fields)
        return self.do(command, who)

    def do(self, command, who=None):
        return self.book.submit(command, **({"actor": who} if who else {})).result

    def upload(self, ref="M1", sign="a", who=None):
        file = ReceiptFile(sign * 64, "image/png", 1000, "رسید.png")
        return self.do(orders.UploadReceipt(ref, file), who)

    def approve(self, ref="M1", amount=None, who=None, **fields):
        money = None if amount is None else bdt(amount)
        return self.do(orders.ApprovePayment(ref, "seen at the bank", money, **fields), who)

    def move(self, *states, ref="M1", reason=None):
        """`ready`, `picked`, `dispatched` and so on, one after the other."""
        for state in states:
            axis = "warehouse" if state in {"ready", "picked", "restocked"} else "logistics"
            done = self.do(orders.MoveOrder(ref, axis, state, reason))
        return done

    def cancel(self, ref="M1", reason="not wanted", **fields):
        return self.do(orders.CancelOrder(ref, reason, **fields))

    def refund(self, amount=None, ref="M1", **fields):
        money = None if amount is None else bdt(amount)
        return self.do(orders.RefundOrder(ref, "scratched", money, **fields))

    def order(self, ref="M1"):
        return self.book.query(orders.order, ref)

    def axes(self, ref="M1"):
        found = self.order(ref)
        return found.finance, found.warehouse, found.logistics, found.status

    def history(self, ref="M1", *axes):
        lines = self.book.query(orders.history, ref).items
        return [f"{line.axis} {line.after}" for line in lines if not axes or line.axis in axes]

    def amounts(self, *codes):
        lines = self.book.query(ledger.trial_balance)
        there = {line.code: line.balance for line in lines}
        return [there.get(code, "0.00") for code in codes]

    def wallet(self, name="alice/personal/BDT"):
        """Balance and available."""
        found = self.book.query(wallets.wallet, name)
        return found.balance, found.available

    def stock(self):
        """Remaining and allocated."""
        found = self.book.query(inventory.item, "TEA")
        return found.remaining, found.allocated

    def told(self):
        """What was told of orders, oldest first."""
        with self.book.database.reading() as connection:
            rows = connection.exec_driver_sql(
                f"SELECT type FROM events WHERE book_id = {self.book.book_id}"
                " AND type >= 'order.' AND type < 'order/' ORDER BY seq, n"
            )
            return [found[0] for found in rows]

    def pass_by(self, days):
        return finish(self.book, {}, self.clock, until_seconds=days * DAY)

    def is_sound(self):
        assert discrepancies(self.book) == []


@contextmanager
def a_house(url, **balances):
    """Ten pieces of tea at 5.00 that had cost 30.00; alice, unless told otherwise, has 1000.00."""
    clock = VirtualClock()
    balances = balances or {"alice": "1000.00"}
    with a_book(url, clock=clock, **balances) as book:
        book.submit(inventory.DefineItem("TEA", "Tea", bdt("5.00")))
        book.submit(inventory.ReceiveStock("TEA", 10, bdt("30.00")))
        book.submit(wallets.OpenWallet("sami", "BDT", "partner"))
        yield House(book, clock)

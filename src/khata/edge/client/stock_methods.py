"""The clients' methods about stock, investments and the books of the house."""

from __future__ import annotations

from khata.edge.client import stock_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class StockMethods:
    """For `Client`."""

    define_item = sync(stock_calls.define_item)
    change_item = sync(stock_calls.change_item)
    stock_item = sync(stock_calls.stock_item)
    stock_items = sync(stock_calls.stock_items)
    receive_stock = sync(stock_calls.receive_stock)
    stock_lots = sync(stock_calls.stock_lots)
    allocate_stock = sync(stock_calls.allocate_stock)
    give_stock_back = sync(stock_calls.give_stock_back)
    adjust_stock = sync(stock_calls.adjust_stock)
    stock_allocation = sync(stock_calls.stock_allocation)
    stock_allocations = sync(stock_calls.stock_allocations)
    check_stock = sync(stock_calls.check_stock)
    start_investment = sync(stock_calls.start_investment)
    cancel_investment = sync(stock_calls.cancel_investment)
    investment = sync(stock_calls.investment)
    investments = sync(stock_calls.investments)
    holdings = sync(stock_calls.holdings)
    admin_books = sync(stock_calls.admin_books)
    each_stock_items = each(stock_calls.stock_items)
    each_stock_lots = each(stock_calls.stock_lots)
    each_stock_allocations = each(stock_calls.stock_allocations)
    each_investments = each(stock_calls.investments)


class AsyncStockMethods:
    """For `AsyncClient`."""

    define_item = asynchronous(stock_calls.define_item)
    change_item = asynchronous(stock_calls.change_item)
    stock_item = asynchronous(stock_calls.stock_item)
    stock_items = asynchronous(stock_calls.stock_items)
    receive_stock = asynchronous(stock_calls.receive_stock)
    stock_lots = asynchronous(stock_calls.stock_lots)
    allocate_stock = asynchronous(stock_calls.allocate_stock)
    give_stock_back = asynchronous(stock_calls.give_stock_back)
    adjust_stock = asynchronous(stock_calls.adjust_stock)
    stock_allocation = asynchronous(stock_calls.stock_allocation)
    stock_allocations = asynchronous(stock_calls.stock_allocations)
    check_stock = asynchronous(stock_calls.check_stock)
    start_investment = asynchronous(stock_calls.start_investment)
    cancel_investment = asynchronous(stock_calls.cancel_investment)
    investment = asynchronous(stock_calls.investment)
    investments = asynchronous(stock_calls.investments)
    holdings = asynchronous(stock_calls.holdings)
    admin_books = asynchronous(stock_calls.admin_books)
    each_stock_items = each_asynchronous(stock_calls.stock_items)
    each_stock_lots = each_asynchronous(stock_calls.stock_lots)
    each_stock_allocations = each_asynchronous(stock_calls.stock_allocations)
    each_investments = each_asynchronous(stock_calls.investments)

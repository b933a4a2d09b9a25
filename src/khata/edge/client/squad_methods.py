"""The methods of the clients that are about squads."""

from __future__ import annotations

from khata.edge.client import squad_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class SquadMethods:
    """What a client says about squads."""

    create_squad = sync(squad_calls.create_squad)
    squad = sync(squad_calls.squad)
    squads = sync(squad_calls.squads)
    add_squad_member = sync(squad_calls.add_squad_member)
    join_squad = sync(squad_calls.join_squad)
    leave_squad = sync(squad_calls.leave_squad)
    set_squad_role = sync(squad_calls.set_squad_role)
    set_squad_sharing = sync(squad_calls.set_squad_sharing)
    close_squad = sync(squad_calls.close_squad)
    contribute_to_squad = sync(squad_calls.contribute_to_squad)
    withdraw_from_squad = sync(squad_calls.withdraw_from_squad)
    purchase_as_squad = sync(squad_calls.purchase_as_squad)
    pay_sale_as_squad = sync(squad_calls.pay_sale_as_squad)
    return_squad_purchase = sync(squad_calls.return_squad_purchase)
    forgive_squad_member = sync(squad_calls.forgive_squad_member)
    allot_in_squad = sync(squad_calls.allot_in_squad)
    squad_lines = sync(squad_calls.squad_lines)
    squad_purchases = sync(squad_calls.squad_purchases)
    squad_purchase = sync(squad_calls.squad_purchase)
    squad_differences = sync(squad_calls.squad_differences)
    each_squads = each(squad_calls.squads)
    each_squad_lines = each(squad_calls.squad_lines)
    each_squad_purchases = each(squad_calls.squad_purchases)
    each_squad_differences = each(squad_calls.squad_differences)


class AsyncSquadMethods:
    """The same, for coroutines."""

    create_squad = asynchronous(squad_calls.create_squad)
    squad = asynchronous(squad_calls.squad)
    squads = asynchronous(squad_calls.squads)
    add_squad_member = asynchronous(squad_calls.add_squad_member)
    join_squad = asynchronous(squad_calls.join_squad)
    leave_squad = asynchronous(squad_calls.leave_squad)
    set_squad_role = asynchronous(squad_calls.set_squad_role)
    set_squad_sharing = asynchronous(squad_calls.set_squad_sharing)
    close_squad = asynchronous(squad_calls.close_squad)
    contribute_to_squad = asynchronous(squad_calls.contribute_to_squad)
    withdraw_from_squad = asynchronous(squad_calls.withdraw_from_squad)
    purchase_as_squad = asynchronous(squad_calls.purchase_as_squad)
    pay_sale_as_squad = asynchronous(squad_calls.pay_sale_as_squad)
    return_squad_purchase = asynchronous(squad_calls.return_squad_purchase)
    forgive_squad_member = asynchronous(squad_calls.forgive_squad_member)
    allot_in_squad = asynchronous(squad_calls.allot_in_squad)
    squad_lines = asynchronous(squad_calls.squad_lines)
    squad_purchases = asynchronous(squad_calls.squad_purchases)
    squad_purchase = asynchronous(squad_calls.squad_purchase)
    squad_differences = asynchronous(squad_calls.squad_differences)
    each_squads = each_asynchronous(squad_calls.squads)
    each_squad_lines = each_asynchronous(squad_calls.squad_lines)
    each_squad_purchases = each_asynchronous(squad_calls.squad_purchases)
    each_squad_differences = each_asynchronous(squad_calls.squad_differences)

"""What pieces cost when they leave a lot and come back: nothing is lost in rounding."""

from hypothesis import given
from hypothesis import strategies as st

from khata.domain.inventory import rules
from khata.domain.inventory.model import Line, Lot

PIECES, COSTS = st.integers(1, 10**12), st.integers(1, 10**18)


def a_lot(number=1, pieces=3, cost=1000, *, taken=0):
    """A lot out of which so many pieces were taken."""
    return Lot(
        sku="TEA",
        number=number,
        open_sku="TEA",
        received=pieces,
        remaining=pieces - taken,
        allocated=taken,
        lost=0,
        unit="BDT",
        exponent=2,
        cost=cost,
        cost_left=cost - cost * taken // pieces,
        even_cost=cost,
        even_pieces=pieces,
        even_taken=taken,
        lost_cost=0,
        paid_from="cash/main",
        supplier=None,
        reference=None,
        entry="ent_0400",
        received_at=0,
    )


def test_a_cost_that_does_not_divide_is_spread():
    """10.00 over three pieces: 3.33, 3.33, 3.34."""
    assert [rules.cost_of(a_lot(taken=taken), 1) for taken in range(3)] == [333, 333, 334]


@given(pieces=PIECES, cost=COSTS, data=st.data())
def test_an_emptied_lot_has_cost_nothing_left(pieces, cost, data):
    """However it is emptied, the pieces together cost what the lot cost, each its even part."""
    taken, total = 0, 0
    while taken < pieces:
        some = data.draw(st.integers(1, pieces - taken)) if taken < 5 else pieces - taken
        part = rules.cost_of(a_lot(pieces=pieces, cost=cost, taken=taken), some)
        assert abs(part * pieces - cost * some) < pieces
        taken, total = taken + some, total + part
    assert total == cost


@given(quantity=PIECES, cost=COSTS, data=st.data())
def test_what_comes_back_brings_all_of_its_cost(quantity, cost, data):
    """In any parts, never more than it took, and in the end exactly that."""
    lines, left, total = [Line(1, quantity, cost)], quantity, 0
    while left:
        some = data.draw(st.integers(1, left)) if quantity - left < 5 else left
        (back,), lines = rules.last_taken_first(lines, some)
        left, total = left - some, total + back.cost
        assert (back.quantity, back.cost >= 0, total <= cost) == (some, True, True)
    assert (total, lines) == (cost, [Line(1, quantity, cost, quantity, cost)])


def test_the_oldest_goes_first_and_the_last_taken_comes_back_first():
    """Two lots and a part of a third; four pieces back."""
    lots = [a_lot(3, 9, 900), a_lot(1, 2, 100), a_lot(2, 3, 600)]
    lines = rules.first_in_first_out(lots, 7)
    assert lines == [Line(1, 2, 100), Line(2, 3, 600), Line(3, 2, 200)]
    back, after = rules.last_taken_first(lines, 4)
    assert back == [Line(3, 2, 200), Line(2, 2, 400)]
    assert after == [Line(1, 2, 100), Line(2, 3, 600, 2, 400), Line(3, 2, 200, 2, 200)]


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=6), data=st.data())
def test_first_in_first_out_takes_what_is_asked(sizes, data):
    """Only the last lot that is touched keeps pieces."""
    wanted = data.draw(st.integers(1, sum(sizes)))
    lots = [a_lot(number, size, 7 * size) for number, size in enumerate(sizes, 1)]
    lines = rules.first_in_first_out(lots, wanted)
    assert sum(line.quantity for line in lines) == wanted
    assert [line.lot for line in lines] == list(range(1, len(lines) + 1))
    assert all(line.quantity == sizes[line.lot - 1] for line in lines[:-1])

"""The page about orders says what the tables of the code say, line by line."""

import re
from itertools import product
from pathlib import Path

from khata.domain.orders.rules import DEFAULT, STATES, TRANSITIONS, status_of

PAGE = (Path(__file__).parents[2] / "docs" / "orders.md").read_text(encoding="utf-8")


def quoted(names):
    return ", ".join(f"`{name}`" for name in names)


def rows_below(heading):
    """The rows of the table that has these columns, as lists of cells."""
    head = "| " + " | ".join(heading) + " |\n"
    assert PAGE.count(head) == 1, head
    lines = PAGE.split(head)[1].splitlines()[1:]
    end = next((at for at, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end]]


def moves():
    """Rows of the table of moves; those that differ only in where they begin are one."""
    found = {}
    for row in TRANSITIONS:
        found.setdefault((row.axis, row.after, row.by, row.roles, row.needs), []).append(row.before)
    return [
        [
            axis,
            quoted(befores),
            f"`{after}`",
            ", ".join(name.removeprefix("orders.") for name in by),
            ", ".join(roles),
            "; ".join(f"{other} {quoted(states)}" for other, states in needs),
        ]
        for (axis, after, by, roles, needs), befores in found.items()
    ]


def test_the_axes_are_those_of_the_code():
    """Each with its states, in their order."""
    rows = {row[0]: row[1] for row in rows_below(["axis", "states", "who moves it"])}
    assert rows == {f"`{axis}`": quoted(states) for axis, states in STATES.items()}


def test_the_moves_are_those_of_the_code():
    """Every one, with who may and what it needs."""
    assert rows_below(["axis", "from", "to", "by", "roles", "needs"]) == moves()


def test_what_customers_see_is_as_the_page_says():
    """For all ways in which an order can stand, the first line that fits."""
    rows = rows_below(["finance", "warehouse", "logistics", "the customer sees"])
    rules = [[re.findall(r"`(\w+)`", cell) for cell in row] for row in rows]
    for stands in product(*STATES.values()):
        fits = (
            status
            for *cells, [status] in rules
            if all(not cell or state in cell for cell, state in zip(cells, stands, strict=True))
        )
        assert next(fits) == status_of(*stands), stands


def test_how_long_it_may_take_is_as_the_page_says():
    """The default of each state, and of the days."""
    rows = rows_below(["state", "seconds"])
    assert rows == [[f"`{state}`", str(seconds)] for state, seconds in DEFAULT.sla.items()]
    days = f"{DEFAULT.grace_days} days of grace, {DEFAULT.release_days} days until the release"
    assert days in " ".join(PAGE.split())

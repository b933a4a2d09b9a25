"""Proofs of liabilities: the tree, and the program that owners check it with."""

import copy
import json
import runpy
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base.money import to_text
from khata.domain.solvency import Inclusion, Tree
from khata.domain.solvency import is_included as is_included_here

VERIFIER = Path(__file__).parents[2] / "examples" / "verify_inclusion.py"
is_included = runpy.run_path(str(VERIFIER))["is_included"]
SECRET, LABEL = b"s" * 32, "khata liabilities 1 BDT 2 main 7 2026-01-31T09:00:00Z"
FIVE = {"alice": 100_000, "bob": 250, "করিম": 1, "zoe": 0, "dan": 10**18}


def proof(tree, owner):
    """As it goes through the doors: JSON."""
    minor = tree.balances[owner]
    found = Inclusion("lpr_1", tree.hash, LABEL, "BDT", owner, to_text(minor, 2), str(minor),
                      str(tree.total), tree.parts(owner))  # fmt: skip
    return msgspec.to_builtins(found)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(0, 10**18), min_size=1,
                       max_size=40))  # fmt: skip
def test_every_owner_is_in_the_total(balances):
    """Whatever the balances: the total is their sum, and each owner's proof holds, for them."""
    balances = {name: n for name, n in balances.items() if name.isprintable()} or {"a": 1}
    tree = Tree(balances, SECRET, LABEL)
    assert tree.total == sum(balances.values())
    assert tree.hash == Tree(dict(reversed(balances.items())), SECRET, LABEL).hash
    assert all(holds(proof(tree, owner), tree.hash) for owner in balances)
    assert Tree(balances, b"t" * 32, LABEL).hash != tree.hash


def holds(found, root):
    """What the program says of a proof; the same as Khata's own check."""
    try:
        held = is_included(found, root)
    except (ValueError, OverflowError):
        held = False
    assert is_included_here(msgspec.convert(found, Inclusion), root) is held
    return held


def changes():
    """(Name, what is done to a proof): none may pass."""

    def part(found):
        return found["parts"][0]

    def step(found):
        return part(found)["path"][0]

    def flip(text):
        return ("0" if text[0] != "0" else "1") + text[1:]

    return {
        "a larger balance": lambda found: found.update(balance="1000.01"),
        "a larger part": lambda found: part(found).update(amount=f"{part(found)['amount']}1"),
        "the point elsewhere": lambda found: found.update(balance="100.000"),
        "no point": lambda found: found.update(balance="100000"),
        "two points": lambda found: found.update(balance="10.00.00"),
        "a sign": lambda found: found.update(balance="+1000.00"),
        "zeros before it": lambda found: found.update(balance="01000.00"),
        "a low line": lambda found: found.update(balance="1_000.00"),
        "other digits": lambda found: found.update(balance="১০০০.০০"),
        "another currency": lambda found: found.update(currency="KWD"),
        "a part less": lambda found: found["parts"].pop(),
        "a part less, and its amount": lambda found: found.update(
            parts=found["parts"][:1], balance=to_text(int(part(found)["amount"]), 2)
        ),
        "four parts": lambda found: found.update(parts=found["parts"] * 2),
        "no part": lambda found: found.update(parts=[], balance="0.00"),
        "one part twice": lambda found: found.update(parts=[part(found)] * 2),
        "parts changed about": lambda found: found["parts"].reverse(),
        "another owner": lambda found: found.update(owner="bob"),
        "another nonce": lambda found: part(found).update(nonce=flip(part(found)["nonce"])),
        "another sibling": lambda found: step(found).update(hash=flip(step(found)["hash"])),
        "a longer sibling": lambda found: step(found).update(hash=step(found)["hash"] + "00"),
        "a shorter nonce": lambda found: part(found).update(nonce=part(found)["nonce"][2:]),
        "the other side": lambda found: step(found).update(
            side="left" if step(found)["side"] == "right" else "right"
        ),
        "siblings changed about": lambda found: part(found)["path"].reverse(),
        "a step less": lambda found: part(found)["path"].pop(),
        "another sum": lambda found: step(found).update(sum=str(int(step(found)["sum"]) + 1)),
        "a sum below zero": lambda found: step(found).update(sum="-1"),
        "an amount below zero": lambda found: part(found).update(amount="-1"),
        "another total": lambda found: found.update(total="1"),
        "a sign before the total": lambda found: found.update(total=f"+{found['total']}"),
        "another label": lambda found: found.update(label=LABEL + "!"),
    }  # fmt: skip


@pytest.mark.parametrize("name", changes())
def test_what_was_tampered_with_is_not_included(name):
    """Balance, path, sums, sides, label: whichever is touched, the proof fails."""
    tree = Tree(FIVE, SECRET, LABEL)
    found = proof(tree, "alice")
    assert holds(copy.deepcopy(found), tree.hash)
    changes()[name](found)
    assert not holds(found, tree.hash)


def test_a_house_that_subtracts_is_found_out():
    """A sibling below zero, by which a total could be made smaller, cannot even be hashed."""
    with pytest.raises(ValueError, match="below zero"):
        Tree({"alice": 5, "nobody": -3}, SECRET, LABEL)


def test_neighbours_tell_nothing_of_anybody():
    """What a path shows is no balance, and other in each tree: parts are drawn from a secret."""
    tree = Tree(FIVE, SECRET, LABEL)
    shown = {step.sum for part in tree.parts("bob") for step in part.path[:1]}
    assert shown.isdisjoint({"100000", "250", str(10**18)})
    other = Tree(FIVE, b"t" * 32, LABEL)
    assert {part.nonce for part in tree.parts("bob")}.isdisjoint(
        {part.nonce for part in other.parts("bob")}
    )


def test_the_program_says_it_with_its_exit_code(tmp_path):
    """As an owner runs it: with a file, and the root from where it was published."""
    tree = Tree(FIVE, SECRET, LABEL)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(proof(tree, "করিম")))
    for root, code in ((tree.hash, 0), ("0" * 64, 1)):
        assert subprocess.run([sys.executable, VERIFIER, file, root], check=False,
                              capture_output=True).returncode == code  # fmt: skip
    assert len(VERIFIER.read_text().splitlines()) <= 30

"""A Merkle sum tree over owners' balances: a root that commits to a total, and to every leaf.

Each owner has `PARTS` leaves, among which the balance is divided by chance, and all leaves stand
in the order of their nonces. Nonces are made of a secret, so nobody can guess whose leaf a
neighbour's is, and what a path shows of a neighbour is a part of what somebody unknown has.

    leaf = H(0 ‖ nonce ‖ part ‖ amount ‖ owner)    node = H(1 ‖ left sum ‖ left ‖ right sum ‖ right)
    root = H(2 ‖ total ‖ top ‖ label)

H is SHA-256; nonces and hashes have 32 bytes, sums 16 bytes without a sign, `part` one: nothing
can be read in two ways, and no sum below zero can be written. A node without a neighbour goes up
as it is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from khata.domain.solvency.model import Inclusion, PathStep, ProofPart

PARTS: Final = 2
"""Leaves of each owner."""
_SUM: Final = 16
_Node = tuple[int, bytes]
_sha: Final = hashlib.sha256


class Tree:
    """`balances`: minor units by owner, none below zero. `secret`: 32 bytes. `label`: what the
    root is about. The same three give the same tree.
    """

    def __init__(self, balances: Mapping[str, int], secret: bytes, label: str) -> None:
        if not balances or min(balances.values()) < 0:
            message = "a tree has leaves, and none below zero"
            raise ValueError(message)
        self._secret = secret
        self.balances = dict(balances)
        leaves = sorted(
            leaf for owner, balance in balances.items() for leaf in self._leaves(owner, balance)
        )
        self._places = {leaf[0]: place for place, leaf in enumerate(leaves)}
        self._levels: list[list[_Node]] = [[(amount, leaf) for _, amount, leaf in leaves]]
        while len(self._levels[-1]) > 1:
            self._levels.append(_above(self._levels[-1]))
        self.total, top = self._levels[-1][0]
        self.hash = _sha(b"\x02" + _node(self.total, top) + label.encode()).hexdigest()

    def _leaves(self, owner: str, balance: int) -> list[tuple[bytes, int, bytes]]:
        """(nonce, amount, hash) of each of an owner's leaves."""
        name, found, left = owner.encode(), [], balance
        for part in range(PARTS):
            nonce = self._drawn("nonce", owner, part)
            amount = left
            if part < PARTS - 1:
                amount = int.from_bytes(self._drawn("share", owner, part), "big") % (left + 1)
            left -= amount
            packed = b"\x00" + nonce + bytes([part]) + amount.to_bytes(_SUM, "big") + name
            found.append((nonce, amount, _sha(packed).digest()))
        return found

    def _drawn(self, what: str, owner: str, part: int) -> bytes:
        """What only who has the secret can draw."""
        return hmac.digest(self._secret, f"{what} {part} {owner}".encode(), "sha256")

    def parts(self, owner: str) -> list[ProofPart]:
        """The owner's leaves with their paths. Errors: `KeyError` for who has none."""
        return [
            ProofPart(nonce.hex(), str(amount), self._path(self._places[nonce]))
            for nonce, amount, _ in self._leaves(owner, self.balances[owner])
        ]

    def _path(self, place: int) -> list[PathStep]:
        path = []
        for level in self._levels[:-1]:
            beside = place ^ 1
            if beside < len(level):
                amount, digest = level[beside]
                side = "left" if beside < place else "right"
                path.append(PathStep(side, digest.hex(), str(amount)))
            place //= 2
        return path


def _above(level: list[_Node]) -> list[_Node]:
    made = []
    for place in range(0, len(level) - 1, 2):
        (left, one), (right, other) = level[place], level[place + 1]
        digest = _sha(b"\x01" + _node(left, one) + _node(right, other)).digest()
        made.append((left + right, digest))
    return made + level[len(level) - len(level) % 2 :]


def _node(amount: int, digest: bytes) -> bytes:
    return amount.to_bytes(_SUM, "big") + digest


def is_included(proof: Inclusion, root: str) -> bool:
    """Whether a proof shows its balance to be in the total of the root with this hash.

    What examples/verify_inclusion.py does without Khata.
    """
    try:
        held, total, tops = 0, 0, []
        for number, part in enumerate(proof.parts):
            total, top = _climbed(proof.owner.encode(), number, part)
            held += int(part.amount)
            tops.append(_sha(b"\x02" + _node(total, top) + proof.label.encode()).hexdigest())
    except (ValueError, OverflowError):
        return False
    # texts are compared as they stand: 10700 minor units are 107.00, and neither 1.0700 nor 10700
    whole, _, decimals = proof.balance.partition(".")
    digits = str(held).zfill(len(decimals) + 1)
    about = [proof.currency, str(len(decimals))]
    return (
        tops == [root] * PARTS
        and (proof.total, whole + decimals) == (str(total), digits)
        and proof.label.split()[3:5] == about
    )


def _climbed(owner: bytes, number: int, part: ProofPart) -> _Node:
    amount = int(part.amount)
    packed = _bytes(part.nonce) + bytes([number]) + amount.to_bytes(_SUM, "big")
    digest = _sha(b"\x00" + packed + owner).digest()
    for step in part.path:
        mine, beside = _node(amount, digest), _node(int(step.sum), _bytes(step.hash))
        pair = mine + beside if step.side == "right" else beside + mine
        digest = _sha(b"\x01" + pair).digest()
        amount += int(step.sum)
    return amount, digest


def _bytes(text: str) -> bytes:
    """32 bytes out of hex. Errors: `ValueError`, `OverflowError` for what is not."""
    return int(text, 16).to_bytes(32, "big")

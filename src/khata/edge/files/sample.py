"""A file of operations as a marketplace writes them, for benchmarks and trials."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Final

from khata.edge.files.operations import COLUMNS

_NOTES: Final = (
    *[""] * 3,
    "ঈদ মোবারক",
    "شكراً جزيلاً",
    "سپاس، خدا نگهدار",
    'two "small" bags, red',
)
_FLOAT: Final = "1000000.00"


def make_operations(path: Path | str, lines: int, wallets: int, seed: int = 1) -> None:
    """Write a CSV file with `lines` operations on `wallets` wallets (two lines for each of them
    come first: opened, then filled). The same arguments give the same file; none is refused.
    """
    chance = random.Random(seed)  # noqa: S311 - load is drawn by chance, not secrets
    names = [f"user-{number:06d}/personal/BDT" for number in range(wallets)]
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS[1:9], lineterminator="\n")
        writer.writeheader()
        left = lines
        for name in names[: lines // 2]:
            writer.writerow({"operation": "open", "wallet": name})
            writer.writerow(
                {"operation": "credit", "wallet": name, "amount": _FLOAT, "currency": "BDT",
                 "source": "top_up", "reference": "float"}
            )  # fmt: skip
            left -= 2
        for number in range(left):
            writer.writerow(_operation(chance, names, number))


def _operation(chance: random.Random, names: list[str], number: int) -> dict[str, str]:
    row = {
        "wallet": chance.choice(names),
        "amount": f"{chance.randint(1, 2000) / 100:.2f}",
        "currency": "BDT",
        "reference": f"ref-{number:08d}",
        "note": chance.choice(_NOTES),
    }
    draw = chance.random()
    if draw < 0.75 and len(names) > 1:  # noqa: PLR2004 - three of four are transfers
        while (to := chance.choice(names)) == row["wallet"]:
            continue
        return row | {"operation": "transfer", "to": to, "source": "c2c_sale"}
    if draw < 0.9:  # noqa: PLR2004 - then come top-ups, last withdrawals
        return row | {"operation": "credit", "source": "top_up"}
    return row | {"operation": "debit", "source": "withdrawal"}

"""Is my balance in the published total? python verify_inclusion.py PROOF.json ROOT_HASH"""

import json
import sys
from hashlib import sha256


def pack(text, length=16, base=10):  # always so long; what is below zero is an OverflowError
    return int(text, base).to_bytes(length, "big")


def is_included(proof, root):
    held, total, tops = 0, 0, []
    for number, part in enumerate(proof["parts"]):
        leaf = pack(part["nonce"], 32, 16) + bytes([number]) + pack(part["amount"])
        node = sha256(b"\0" + leaf + proof["owner"].encode()).digest()
        held, total = held + int(part["amount"]), int(part["amount"])
        for step in part["path"]:
            pair = [pack(str(total)) + node, pack(step["sum"]) + pack(step["hash"], 32, 16)]
            node = sha256(b"\1" + b"".join(pair[:: 1 if step["side"] == "right" else -1])).digest()
            total += int(step["sum"])
        tops.append(sha256(b"\2" + pack(str(total)) + node + proof["label"].encode()).hexdigest())
    whole, _, rest = proof["balance"].partition(".")
    said = [root, root, proof["total"], whole + rest, proof["currency"], str(len(rest))]
    return said == [*tops, str(total), str(held).zfill(len(rest) + 1), *proof["label"].split()[3:5]]


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        sys.exit(0 if is_included(json.load(file), sys.argv[2]) else "NOT in the total")

"""The one pass over the journal and all facts, in order of `seq`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from khata.engine.journal import GENESIS, Head, chain
from khata.engine.records import Key
from khata.engine.verify.balances import Balances
from khata.engine.verify.explain import Step, explain, explain_character
from khata.engine.verify.findings import Findings
from khata.engine.verify.snapshot import END, Snapshot, Stream, shapes

Progress = Callable[[int, int], None]
"""Told now and then: commands verified so far, and how many there are."""

_MOST_SEARCHES: Final = 3
"""A search for one altered character takes up to a second, so only the first few get one."""
_read_changes: Final = msgspec.json.Decoder(list[tuple[str, Any, str]]).decode


class Walk:
    """See the module. After `run`, `announced` has the last digest of every state by table."""

    def __init__(
        self,
        snapshot: Snapshot,
        head: Head,
        balances: Balances,
        findings: Findings,
        progress: Progress | None,
        anchor: tuple[int, bytes] | None,
    ) -> None:
        self._snapshot = snapshot
        self._head = head
        self.balances = balances
        self._findings = findings
        self._progress = progress
        self._anchor = anchor
        self._anchored = False
        self.streams = [Stream(snapshot, shape) for shape in shapes(facts=True)]
        self.announced: dict[str, dict[Key, bytes]] = {
            shape.name: {} for shape in shapes(facts=False)
        }
        self._suspect: tuple[Step, bytes] | None = None
        self._searches = 0
        self.journal = 0

    def run(self) -> None:  # noqa: C901 - the hot loop: a call for each part would double its cost
        """Read everything and note what is wrong."""
        due, last_at, previous = 1, 0, GENESIS
        sha256, streams, apply = hashlib.sha256, self.streams, self.balances.apply
        anchor = self._anchor[0] if self._anchor else -1
        for rows in self._snapshot.journal():
            for seq, key, digest, kind, actor, at, command, result, changes, stored in rows:
                known = seq == due
                if not known:
                    self._gap(due, seq)
                due = seq + 1
                facts = []
                for stream in streams:
                    if stream.seq < seq:
                        self._orphans(stream, seq)
                    if stream.seq == seq:
                        facts.append((stream.name, stream.rows))
                        stream.step()
                row = (seq, key, kind, actor, at, command, result)
                computed = chain(previous, row, digest, changes, facts) if known else stored
                if (
                    computed != stored
                    or self._suspect is not None
                    or at < last_at
                    or sha256(command.encode()).digest()[:16] != digest
                    or not apply(seq, dict(facts))
                ):
                    step = Step(row, digest, changes, facts, previous, stored)
                    self._look(step, computed, last_at)
                if changes is not None:
                    self._note(seq, changes)
                if seq == anchor:
                    self._check_anchor(stored)
                last_at, previous = at, stored
            self.journal += len(rows)
            if self._progress is not None:
                self._progress(due - 1, self._head.seq)
        self._finish(due, last_at, previous)

    def _finish(self, due: int, last_at: int, previous: bytes) -> None:
        suspect = self._suspect
        self._settle_suspect(self._head.hash)
        if suspect is not None and suspect[1] == self._head.hash:
            previous = suspect[1]
        for stream in self.streams:
            self._orphans(stream, END)
        add, head = self._findings.add, self._head
        if head.seq != due - 1:
            add("head", "books seq", due - 1, head.seq)
        if head.hash != previous:
            add("head", "books hash", previous, head.hash)
        if head.at != last_at:
            add("head", "books at", last_at, head.at)
        if self._anchor is not None and not self._anchored:
            seq, expected = self._anchor
            got = GENESIS if seq == 0 else None
            if got != expected:
                add("anchor", f"journal seq={seq} hash", expected, got)

    def _check_anchor(self, stored: bytes) -> None:
        assert self._anchor is not None
        self._anchored = True
        seq, expected = self._anchor
        if stored != expected:
            self._findings.add("anchor", f"journal seq={seq} hash", expected, stored)

    # ── rows that have no place ──────────────────────────────────────────────────────

    def _gap(self, due: int, seq: int) -> None:
        self._settle_suspect(None)
        if seq < due:
            self._findings.add("sequence", f"journal seq={seq}", None, "a row")
            return
        span = str(due) if seq == due + 1 else f"{due}…{seq - 1}"
        self._findings.add("sequence", f"journal seq={span}", "a row", None)

    def _orphans(self, stream: Stream, before: int) -> None:
        """Facts of commands that the journal does not have."""
        while stream.seq < before:
            got = f"{len(stream.rows)} row(s)"
            self._findings.add("orphan", f"{stream.name} seq={stream.seq}", "a journal row", got)
            if stream.name == "postings":
                self.balances.follow(stream.rows)
            stream.step()

    # ── rows that are not right ──────────────────────────────────────────────────────

    def _look(self, step: Step, computed: bytes, last_at: int) -> None:
        """A command that is not as it must be, or that follows one whose hash is not."""
        suspect = self._suspect
        if suspect is not None and step._replace(previous=suspect[1]).hash() == step.stored:
            computed = step.stored
            self._settle_suspect(suspect[1])
        else:
            self._settle_suspect(None)
        if computed != step.stored:
            # beyond what is listed, counting is enough: a search for each would take hours
            repair = None if self._findings.omitted else explain(step, self.balances)
            if repair is not None:
                for altered in repair.altered:
                    self._findings.add("altered", *altered)
                step, computed = repair.step, step.stored
            else:
                self._suspect = (step, computed)
        self._check(step, last_at)

    def _check(self, step: Step, last_at: int) -> None:
        add, where = self._findings.add, f"journal seq={step.seq}"
        if step.row[4] < last_at:
            add("time", f"{where} at", f"{last_at} or later", step.row[4])
        wanted = hashlib.sha256(step.row[5].encode()).digest()[:16]
        if wanted != step.digest:
            add("digest", f"{where} digest", wanted, step.digest)
        tables = dict(step.facts)
        if not self.balances.apply(step.seq, tables):
            for finding in self.balances.findings(step.seq, tables):
                add(*finding)
            self.balances.follow(tables.get("postings", []))
            if self._suspect is None:
                self.balances.believe(tables)

    def _settle_suspect(self, following: bytes | None) -> None:
        """Say what is wrong with the last command whose hash was not right.

        `following`: the hash that the next row, or the head, was built on, when it is known.
        """
        if self._suspect is None:
            return
        step, computed = self._suspect
        where = f"journal seq={step.seq}"
        if following == computed:
            self._findings.add("altered", f"{where} hash", computed, step.stored)
        else:
            self._searches += 1
            found = explain_character(step) if self._searches <= _MOST_SEARCHES else []
            for altered in found:
                self._findings.add("altered", *altered)
            if not found:
                tables = "".join(f", its {name}" for name, _ in step.facts)
                self._findings.add("hash", where + tables, step.stored, computed)
        self._suspect = None

    def _note(self, seq: int, changes: str) -> None:
        try:
            for table, key, digest in _read_changes(changes):
                self.announced[table][_key(key)] = bytes.fromhex(digest)
        except (msgspec.MsgspecError, KeyError, ValueError):
            self._findings.add("changes", f"journal seq={seq} changes", "digests", changes[:200])


def _key(value: Any) -> Key:
    return tuple(value) if type(value) is list else value

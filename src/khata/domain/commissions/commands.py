"""Defining and retiring commission rules, and finding the one that a sale is shared by.

A rule is never changed: what is defined again under its name is its next version, which takes
over at once, while every sale keeps the version by which it was begun.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from khata.domain.commissions.checking import checked_parts
from khata.domain.commissions.model import GENERAL, STANDARD, Part, Rule, RuleState
from khata.domain.commissions.rules import chosen, overlaps, state_of
from khata.domain.ledger import check_reason
from khata.domain.setup import exponent_of, source_of
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import AlreadyExists, Invalid, InvalidTransition
from khata.errors.market import RuleNotFound, RuleOverlap

VERBS: Final = Verbs()
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_CATEGORY: Final = re.compile(r"[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?")
_PARTNER: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,128}")
_MOST_SOURCES: Final = 50


class DefineRule(Command, frozen=True, tag="commissions.define", omit_defaults=True):
    """Say how sales are shared, from now on. A known name makes the next version of that rule.

    For sales of this `category`, of this `partner` (an owner's name), of these `sources`; what is
    left out is any.
    """

    name: str
    parts: list[Part]
    category: str | None = None
    partner: str | None = None
    sources: list[str] | None = None


class RetireRule(Command, frozen=True, tag="commissions.retire"):
    """Take a rule out of force. Sales that were begun by it are shared by it all the same."""

    name: str
    reason: str


@VERBS.handles(DefineRule, roles=("admin",))
def define(book: Book, command: DefineRule) -> RuleState:
    """Errors: `Invalid`, `RuleInvalid`, `RuleOverlap`, `UnknownSource`, `UnknownCurrency`, those
    of an amount; `AlreadyExists` for the name of the built-in rule.
    """
    _check_names(command)
    known = book.find_one(Rule, newest=command.name)
    rule = Rule(
        name=command.name,
        version=known.version + 1 if known else 1,
        parts=checked_parts(command.parts, partial(exponent_of, book)),
        sources=_sources(book, command.sources),
        category=command.category,
        partner=command.partner,
        status="in_force",
        newest=command.name,
        open_partner=command.partner or GENERAL,
        reason=None,
        since=book.now,
        ended_at=None,
    )
    _check_overlap(book, rule)
    if known and known.status == "in_force":
        known = book.change(known, status="superseded", open_partner=None, ended_at=book.now)
    if known:
        book.change(known, newest=None)
    return state_of(book.add(rule))


def _check_names(command: DefineRule) -> None:
    if not _NAME.fullmatch(command.name):
        raise Invalid(
            f"{command.name[:60]!r} is not the name of a rule.",
            expected="1 to 60 lower-case letters, digits, _ and -",
            got=command.name[:60],
        )
    if command.name == STANDARD.name:
        raise AlreadyExists(
            "The standard rule is built in: give one for every sale another name.",
            got=command.name,
        )
    if command.category is not None and not _CATEGORY.fullmatch(command.category):
        raise Invalid(
            "A category has 1 to 100 characters, and no spaces around them.",
            expected="such as groceries",
            got=command.category[:60],
        )
    if command.partner is not None and not _PARTNER.fullmatch(command.partner):
        raise Invalid(
            "A partner is named by an owner's name.",
            expected="1 to 128 characters without spaces or slashes",
            got=command.partner[:60],
        )


def _sources(book: Book, names: list[str] | None) -> list[str] | None:
    """The sources of a rule, in order. Errors: `UnknownSource`, `Invalid`."""
    if names is None:
        return None
    if not 0 < len(names) <= _MOST_SOURCES or len(set(names)) < len(names):
        raise Invalid(
            "A rule names one source or several, each once, or is for every one.",
            expected=f"1 to {_MOST_SOURCES} sources, or none given",
            got=names[:_MOST_SOURCES],
        )
    return sorted(source_of(book, name).name for name in names)


def _check_overlap(book: Book, rule: Rule) -> None:
    for other in book.find(Rule, open_partner=rule.open_partner):
        if other.name != rule.name and overlaps(rule, other):
            raise RuleOverlap(
                f"The rule {other.name} is in force for the same sales.",
                rule=other.name,
                version=other.version,
                category=other.category,
                partner=other.partner,
                sources=other.sources,
            )


@VERBS.handles(RetireRule, roles=("admin",))
def retire(book: Book, command: RetireRule) -> RuleState:
    """Errors: `Invalid`, `RuleNotFound`; `InvalidTransition` unless in force, or for `standard`."""
    check_reason(command.reason)
    if command.name == STANDARD.name:
        raise InvalidTransition(
            "The standard rule is built in: another one for every sale takes its place.",
            expected="a rule of this book",
            got=command.name,
        )
    rule = book.find_one(Rule, newest=command.name)
    if rule is None:
        raise RuleNotFound(f"No rule {command.name[:60]!r}.", got=command.name[:60])
    if rule.status != "in_force":
        raise InvalidTransition(
            f"{rule.name} is {rule.status} already.", expected="in_force", got=rule.status
        )
    return state_of(
        book.change(
            rule,
            status="retired",
            open_partner=None,
            reason=command.reason,
            ended_at=book.now,
        )
    )


# ── for other rooms ──────────────────────────────────────────────────────────────────


def rule_for(book: Book, *, source: str, category: str | None, partner: str | None) -> Rule:
    """The rule by which a sale is shared that begins now: the most specific in force, in its
    newest version; `STANDARD` when none is for it. `partner`: an owner's name.
    """
    rules = book.find(Rule, open_partner=GENERAL)
    if partner is not None:
        rules = rules + book.find(Rule, open_partner=partner)
    return chosen(rules, source, category, partner)


def rule_at(book: Book, name: str, version: int) -> Rule:
    """A version of a rule, in force or not; `standard` has version 0. Errors: `RuleNotFound`."""
    if (name, version) == (STANDARD.name, STANDARD.version):
        return STANDARD
    rule = book.peek(Rule, (name, version))
    if rule is None:
        raise RuleNotFound(f"No rule {name[:60]!r} of version {version}.", got=[name[:60], version])
    return rule

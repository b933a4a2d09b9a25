"""Creating and revoking API keys; asking for, approving and rejecting commands."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from khata.base.actor import ROLES
from khata.domain.access.model import SCOPES, ApiKey, Approval
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import AlreadyExists, ApprovalClosed, Invalid, NotFound, SameApprover

VERBS: Final = Verbs()
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_MOST_TEXT: Final = 500


class CreateKey(Command, frozen=True, tag="access.create_key"):
    """Let a program in. The caller makes the secret and hands in only its SHA-256, in hex."""

    label: str
    hash: str
    roles: list[str]
    scopes: list[str]


class RevokeKey(Command, frozen=True, tag="access.revoke_key"):
    """Shut a key out, at once and for good."""

    id: str


class KeyState(msgspec.Struct, frozen=True):
    """A key as its caller is told of it, without anything secret."""

    id: str
    label: str
    roles: list[str]
    scopes: list[str]
    revoked: bool


class RequestApproval(Command, frozen=True, tag="access.request"):
    """Ask for a command that needs a second person. `command`: its JSON, with `kind`."""

    command: dict[str, Any]
    reason: str


class Approve(Command, frozen=True, tag="access.approve"):
    """Approve a request: its command is carried out in the same transaction."""

    request: str


class Reject(Command, frozen=True, tag="access.reject"):
    """Turn a request down."""

    request: str
    reason: str


class Decision(msgspec.Struct, frozen=True):
    """What became of a request. `result`: what its command answered, once approved."""

    request: str
    status: str
    result: Any = None


@VERBS.handles(CreateKey, roles=("admin",))
def create_key(book: Book, command: CreateKey) -> KeyState:
    """Errors: `Invalid`, `AlreadyExists` when another key has this secret."""
    if not _HASH.fullmatch(command.hash):
        raise Invalid("A key's hash is 64 hex digits.", expected="SHA-256 in hex")
    _check_text(command.label, "label")
    _check_subset(command.roles, tuple(role for role in ROLES if role != "owner"), "roles")
    _check_subset(command.scopes, SCOPES, "scopes")
    if book.find(ApiKey, hash=command.hash):
        raise AlreadyExists("Another key has this secret.", expected="a new secret")
    key = ApiKey(
        book.new_id("key"),
        command.label,
        command.hash,
        sorted(set(command.roles)),
        sorted(set(command.scopes)),
        book.now,
    )
    return _key_state(book.add(key))


@VERBS.handles(RevokeKey, roles=("admin",))
def revoke_key(book: Book, command: RevokeKey) -> KeyState:
    """Errors: `NotFound`. Revoking twice changes nothing."""
    key = book.get(ApiKey, command.id)
    if key.revoked_at is None:
        key = book.change(key, revoked_at=book.now)
    return _key_state(key)


@VERBS.handles(RequestApproval, roles=("admin", "finance", "support"))
def request_approval(book: Book, command: RequestApproval) -> Decision:
    """Who approves needs the role for it, who asks does not.

    Errors: `Invalid`, `UnknownCommand`.
    """
    _check_text(command.reason, "reason")
    inner = book.read(command.command)
    if isinstance(inner, RequestApproval | Approve | Reject):
        raise Invalid("A request is for another command.", expected="a command that does something")
    approval = Approval(
        book.new_id("apr"),
        msgspec.json.encode(inner).decode(),
        command.reason,
        str(book.actor),
        book.now,
        "asked",
    )
    book.add(approval)
    return Decision(approval.id, approval.status)


@VERBS.handles(Approve, roles=("admin", "finance"))
def approve(book: Book, command: Approve) -> Decision:
    """Errors: `NotFound`, `ApprovalClosed`, `SameApprover`, and those of the command itself."""
    approval = _open(book, command.request)
    if _person(approval.asked_by) == book.actor.name:
        raise SameApprover("Who asked cannot approve.", asked_by=approval.asked_by)
    book.change(approval, status="approved", decided_by=str(book.actor), decided_at=book.now)
    book.approved, book.asked_at = True, approval.asked_at
    result = book.perform(book.read(msgspec.json.decode(approval.command)))
    return Decision(approval.id, "approved", msgspec.to_builtins(result))


@VERBS.handles(Reject, roles=("admin", "finance", "support"))
def reject(book: Book, command: Reject) -> Decision:
    """Errors: `NotFound`, `ApprovalClosed`, `Invalid`."""
    _check_text(command.reason, "reason")
    approval = _open(book, command.request)
    book.change(approval, status="rejected", decided_by=str(book.actor), decided_at=book.now)
    return Decision(approval.id, "rejected")


def _open(book: Book, name: str) -> Approval:
    approval = book.peek(Approval, name)
    if approval is None:
        raise NotFound(f"No request {name[:60]!r}.", got=name[:60])
    if approval.status != "asked":
        raise ApprovalClosed(
            f"{approval.id} is {approval.status} already.", expected="asked", got=approval.status
        )
    return approval


def _person(actor: str) -> str:
    return actor.partition(":")[2]


def _key_state(key: ApiKey) -> KeyState:
    return KeyState(key.id, key.label, key.roles, key.scopes, key.revoked_at is not None)


def _check_text(text: str, name: str) -> None:
    if not text.strip() or len(text) > _MOST_TEXT or "\x00" in text:
        raise Invalid(f"Give a {name} of 1 to 500 characters.", expected=name, got=text[:60])


def _check_subset(given: list[str], allowed: tuple[str, ...], name: str) -> None:
    if not given or not set(given) <= set(allowed):
        raise Invalid(
            f"{name} are one or more of {', '.join(allowed)}.", expected=list(allowed), got=given
        )

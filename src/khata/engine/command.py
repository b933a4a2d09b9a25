"""Commands and their handlers.

A command is a tagged, frozen struct that says what is wanted. Its handler, registered beside
it, is a plain pure function `(book, command) -> result`. A handler whose outcome must change is
never edited: it becomes a new version of the command with a new tag, so that a journal can be
run again for ever.
"""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from khata.base.actor import Actor
from khata.engine.cache import Address, Question
from khata.errors import Invalid, RoleRequired, UnknownCommand

C = TypeVar("C", bound="Command")
Handler = Callable[[Any, Any], Any]
Reads = Callable[[Any], tuple[Iterable[Address], Iterable[Question]]]
"""Which rows and answers a command will ask for, as far as itself tells."""
_WITHIN: Final = ("worker", "system")
"""Names of actors that no key and no token can have."""


class Command(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True, gc=False):
    """What someone wants. Subclasses set `tag="room.verb"`."""


class Verb:
    """A command class with its handler, the roles that may ask, and the type of its result.

    `internal`: only for Khata's own workers; no door offers it. `reads`: what of it is not in
    memory is loaded for all commands of a batch at once, before the first of them is decided.
    """

    def __init__(
        self,
        command: type[Command],
        handler: Handler,
        roles: tuple[str, ...],
        *,
        internal: bool = False,
        reads: Reads | None = None,
    ) -> None:
        self.internal: Final = internal
        self.reads: Final = reads
        self.command: Final = command
        self.kind: Final = str(command.__struct_config__.tag)
        self.handler: Final = handler
        self.roles: Final = frozenset(roles)
        self.result: Final[type] = typing.get_type_hints(handler)["return"]
        self._results: Final = msgspec.json.Decoder(self.result)
        self.read: Final = msgspec.json.Decoder(command).decode

    def check(self, actor: Actor) -> None:
        """Refuse an actor without one of the roles. Errors: `RoleRequired`."""
        if self.roles.isdisjoint(actor.roles):
            raise RoleRequired(
                f"{self.kind} is not for {'+'.join(sorted(actor.roles))}.",
                expected=sorted(self.roles),
                got=sorted(actor.roles),
            )
        if self.internal and actor.name not in _WITHIN:
            raise RoleRequired(f"{self.kind} is for Khata's own workers.", expected=list(_WITHIN))

    def read_result(self, text: str) -> Any:
        """The result that the journal kept."""
        return self._results.decode(text)


class Verbs:
    """The verbs of a room, or of several: `@VERBS.handles(Credit, roles=("service",))`.

    `sagas`: the definitions (`khata.engine.sagas.Sagas`) that their handlers may start.
    """

    def __init__(self, *rooms: Verbs, sagas: Any = None) -> None:
        self.sagas: Any = sagas
        self._by_class: dict[type, Verb] = {}
        self._by_kind: dict[str, Verb] = {}
        for verb in (verb for room in rooms for verb in room):
            self._add(verb)

    def __iter__(self) -> typing.Iterator[Verb]:
        return iter(self._by_class.values())

    def _add(self, verb: Verb) -> None:
        if verb.kind in self._by_kind:
            message = f"two commands are called {verb.kind}"
            raise TypeError(message)
        self._by_class[verb.command] = verb
        self._by_kind[verb.kind] = verb

    def handles(
        self,
        command: type[C],
        *,
        roles: Iterable[str],
        internal: bool = False,
        reads: Reads | None = None,
    ) -> Callable[[Callable[[Any, C], Any]], Callable[[Any, C], Any]]:
        """Register the decorated function as the handler of `command`."""

        def register(handler: Callable[[Any, C], Any]) -> Callable[[Any, C], Any]:
            self._add(Verb(command, handler, tuple(roles), internal=internal, reads=reads))
            return handler

        return register

    def of(self, command: Command) -> Verb:
        """The verb of a command. Errors: `UnknownCommand`."""
        verb = self._by_class.get(type(command))
        if verb is None:
            raise UnknownCommand(
                f"{type(command).__name__} is not a command of this book.",
                expected=sorted(verb.kind for verb in self.offered),
                got=type(command).__name__,
            )
        return verb

    @property
    def offered(self) -> list[Verb]:
        """Those that a door may offer: all but the internal ones."""
        return [verb for verb in self if not verb.internal]

    def read(self, raw: bytes | str, *, from_outside: bool = False) -> Command:
        """The command in a JSON text with its `kind`.

        `from_outside`: it came through a door, so that internal verbs do not exist for it.

        Errors: `UnknownCommand`; `Invalid` when a field is missing, unknown or of a wrong type.
        """
        try:
            kind = msgspec.json.decode(raw, type=_Kind).kind
        except msgspec.MsgspecError as error:
            raise Invalid(str(error), expected="a JSON object with `kind`") from None
        verb = self._by_kind.get(kind)
        if verb is None or (from_outside and verb.internal):
            raise UnknownCommand(
                f"No command is called {kind[:80]!r}.",
                expected=sorted(verb.kind for verb in self.offered),
                got=kind[:80],
            )
        try:
            return verb.read(raw)
        except msgspec.MsgspecError as error:
            raise Invalid(f"{kind}: {error}", expected=kind) from None


class _Kind(msgspec.Struct):
    kind: str


def digest(body: bytes) -> bytes:
    """What an idempotency key stands for: 16 bytes of SHA-256 over the command's JSON."""
    return hashlib.sha256(body).digest()[:16]

"""How a call becomes a method: of a client over threads, and of one over coroutines.

A client's methods about one subject may stand in a class of their own, from which it inherits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from khata.base.paging import Page
from khata.edge.client.call import Call

P = ParamSpec("P")
T = TypeVar("T")


class Sends(Protocol):
    """Sends calls and waits in a thread."""

    def send(self, call: Call[T]) -> T:
        """Its answer."""

    def walk(self, call: Call[Page[T]]) -> Iterator[T]:
        """The items of all pages."""


class SendsAsync(Protocol):
    """Sends calls and awaits."""

    async def send(self, call: Call[T]) -> T:
        """Its answer."""

    def walk(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        """The items of all pages."""


def sync(build: Callable[P, Call[T]]) -> Callable[Concatenate[Sends, P], T]:
    """A method that sends a call."""

    def method(self: Sends, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(build(*args, **kwargs))

    method.__doc__ = build.__doc__
    return method


def each(build: Callable[P, Call[Page[T]]]) -> Callable[Concatenate[Sends, P], Iterator[T]]:
    """A method that walks all pages of a call."""

    def method(self: Sends, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.walk(build(*args, **kwargs))

    method.__doc__ = build.__doc__
    return method


def asynchronous(build: Callable[P, Call[T]]) -> Callable[Concatenate[SendsAsync, P], Awaitable[T]]:
    """As `sync`, to be awaited."""

    def method(self: SendsAsync, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self.send(build(*args, **kwargs))

    method.__doc__ = build.__doc__
    return method


def each_asynchronous(
    build: Callable[P, Call[Page[T]]],
) -> Callable[Concatenate[SendsAsync, P], AsyncIterator[T]]:
    """As `each`, to be walked by `async for`."""

    def method(self: SendsAsync, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.walk(build(*args, **kwargs))

    method.__doc__ = build.__doc__
    return method

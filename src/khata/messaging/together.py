"""Questions that are answered together: those that come while others are answered share the work.

Ten thousand users who come back at once ask ten thousand times for what only a look through the
whole rest of the spool can tell; so it is looked through for all of them at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
MOST: Final = 500


class Together(Generic[Q, A]):
    """`answer`: gives each question its answer, or the error that it has, in their order. It is
    called on a thread, with at most `most` questions, one call at a time.
    """

    def __init__(
        self, answer: Callable[[Sequence[Q]], Sequence[A | Exception]], *, most: int = MOST
    ) -> None:
        self._answer = answer
        self._most = most
        self._asked: list[tuple[Q, asyncio.Future[A]]] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "khata-history")

    async def ask(self, question: Q) -> A:
        """The answer, or its error raised."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[A] = loop.create_future()
        self._asked.append((question, mine))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run(loop))
        return await mine

    def close(self) -> None:
        """Finish what is being answered, and end the thread."""
        self._thread.shutdown(cancel_futures=True)

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._asked:
            part, self._asked = self._asked[: self._most], self._asked[self._most :]
            questions = [question for question, _ in part]
            answers: Sequence[A | Exception]
            try:
                answers = await loop.run_in_executor(self._thread, self._answer, questions)
            except Exception as error:  # noqa: BLE001 - whoever asked hears of it
                answers = [error] * len(part)
            for (_, future), answer in zip(part, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

"""A slow call that must not hold up the event loop: in a thread of its own, one at a time, shared by all who ask."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Errand(Generic[T]):
    """`call` in a thread. Callers that ask while it runs get the same answer; the process may end without waiting."""

    def __init__(self, call: Callable[[], T], name: str) -> None:
        self._call = call
        self._name = name
        self._answer: asyncio.Future[T] | None = None

    async def run(self) -> T:
        """The answer of the call, or its exception; to be given up at will, the call itself goes on."""
        if self._answer is None or self._answer.done():
            loop = asyncio.get_running_loop()
            self._answer = loop.create_future()
            # a daemon: an executor's threads are waited for at exit, however long Redis hangs
            threading.Thread(target=self._run, args=(loop, self._answer), name=self._name, daemon=True).start()
        return await asyncio.shield(self._answer)

    def _run(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[T]) -> None:
        try:
            found = self._call()
        except Exception as fault:  # noqa: BLE001 - the outermost frame of this thread; who asked gets it
            _hand(loop, answer.set_exception, fault)
        else:
            _hand(loop, answer.set_result, found)


def _hand(loop: asyncio.AbstractEventLoop, give: Callable[[Any], None], what: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits any more
        loop.call_soon_threadsafe(give, what)

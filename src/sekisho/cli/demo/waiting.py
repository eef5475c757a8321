"""Waiting for what has to happen: no longer than it may take, and not at all once the demo is over."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any, TypeVar

T = TypeVar("T")

SECONDS = 15.0
"""How long any one thing may take; on an idle machine all of them take milliseconds."""


class DidNotHappen(Exception):
    """A step did not happen; the text says why, for the person at the terminal."""


class Patience:
    """Shared by everything that waits, so that a dead node or Ctrl-C ends all waiting at once."""

    def __init__(self) -> None:
        self._over: Future[str] = Future()

    def end(self, why: str) -> None:
        """Nothing is worth waiting for any more; the first reason counts."""
        if not self._over.done():
            self._over.set_result(why)

    @property
    def ended(self) -> str | None:
        """Why there is nothing to wait for any more."""
        return self._over.result() if self._over.done() else None

    def check(self) -> None:
        """:raises DidNotHappen: nothing is worth beginning any more"""
        if self.ended is not None:
            raise DidNotHappen(self.ended)

    def wait(self, future: Future[T], what: str, seconds: float = SECONDS) -> T:
        """The future's result.

        :raises DidNotHappen: it failed, or took too long, or the demo is over
        """
        either: tuple[Future[Any], Future[Any]] = (future, self._over)
        wait(either, timeout=seconds, return_when=FIRST_COMPLETED)
        if future.done():
            try:
                return future.result()
            except CancelledError:
                raise DidNotHappen(f"{what}: given up") from None
            except DidNotHappen:
                raise
            except Exception as error:
                raise DidNotHappen(f"{what}: {error}") from error
        self.check()
        raise DidNotHappen(f"{what}: nothing for {seconds:g} s")

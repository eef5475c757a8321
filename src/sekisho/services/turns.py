"""Whose turn it is among the accounts, where only a few may go at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from sekisho.aws.errors import ThrottlingException

WAITING = 50
"""How many of one account may wait in a line; who comes then is sent away at once."""
LONG = 1.0
"""Seconds after which what is under way lets another account go beside it."""
BESIDE = 1
"""How many may do so, in all lines together."""
PATIENCE = 20.0
"""Seconds that anybody waits for a turn."""


class Turns:
    """Lines by name. In each of them one goes at a time, and the accounts that wait take turns, however many
    of one account wait. What goes on for long lets another account go beside it. Times are wire time.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._lines = {name: _Line() for name in names}
        self._rank = list(self._lines.values())
        """The line from which somebody may go beside another comes first."""

    @asynccontextmanager
    async def take(self, name: str, account: str) -> AsyncIterator[None]:
        """:raises ThrottlingException: too many of the account wait already, or its turn does not come"""
        line = self._lines[name]
        if line.going:
            await self._wait(line, account)
        else:
            line.begin(account)
        try:
            yield
        finally:
            self._end(line, account)

    def waiting(self, name: str) -> int:
        """How many wait in a line."""
        return sum(len(turns) for turns in self._lines[name].waiting.values())

    async def _wait(self, line: _Line, account: str) -> None:
        turn = line.add(account)
        self._go_on()
        try:
            async with asyncio.timeout(PATIENCE):
                await turn.wait()
        except BaseException as error:
            if turn.is_set():  # it has come at the same moment
                self._end(line, account)
            else:
                line.remove(account, turn)
            if isinstance(error, TimeoutError):
                raise ThrottlingException(
                    f"the queries before this one took longer than {PATIENCE:.0f} s; try again"
                ) from None
            raise

    def _end(self, line: _Line, account: str) -> None:
        del line.going[account]
        self._go_on()

    def _go_on(self) -> None:
        """Have go whoever may now, and see to it that this is asked again when something has taken long."""
        now = asyncio.get_running_loop().time()
        for line in list(self._rank):
            while account := line.next():
                if line.going:
                    if sum(max(0, len(one.going) - 1) for one in self._rank) >= BESIDE:
                        break
                    if line.long_at > now:
                        line.ask_at(line.long_at, self._go_on)
                        break
                    self._rank.remove(line)
                    self._rank.append(line)
                line.let_go(account)


class _Line:
    def __init__(self) -> None:
        self.going: dict[str, float] = {}
        """Account → since when."""
        self.waiting: dict[str, deque[asyncio.Event]] = {}
        """The account whose turn is next comes first."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def long_at(self) -> float:
        """When all that is under way will have taken long."""
        return max(self.going.values()) + LONG

    def begin(self, account: str) -> None:
        self.going[account] = asyncio.get_running_loop().time()

    def add(self, account: str) -> asyncio.Event:
        turns = self.waiting.get(account, ())
        if len(turns) >= WAITING:
            raise ThrottlingException(f"{WAITING} queries of this account wait for their turn already")
        turn = asyncio.Event()
        self.waiting.setdefault(account, deque()).append(turn)
        return turn

    def remove(self, account: str, turn: asyncio.Event) -> None:
        self.waiting[account].remove(turn)
        if not self.waiting[account]:
            del self.waiting[account]

    def next(self) -> str | None:
        """The account whose turn it is, of those that wait and have nothing under way."""
        return next((account for account in self.waiting if account not in self.going), None)

    def let_go(self, account: str) -> None:
        turns = self.waiting.pop(account)
        turn = turns.popleft()
        if turns:
            self.waiting[account] = turns  # behind the others
        self.begin(account)
        turn.set()

    def ask_at(self, when: float, ask: Callable[[], None]) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(when, self._ask, ask)

    def _ask(self, ask: Callable[[], None]) -> None:
        self._timer = None
        ask()

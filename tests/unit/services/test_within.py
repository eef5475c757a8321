"""What may have to wait has a bound, and nobody pays for it who need not wait."""

from __future__ import annotations

import asyncio

import pytest

from sekisho.services.within import within


def test_what_need_not_wait_makes_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async def ready() -> int:
            return 7

        def refuse(seconds: float) -> None:
            raise AssertionError("a timer was made")

        monkeypatch.setattr(asyncio, "timeout", refuse)
        assert await within(1.0, ready()) == 7

    asyncio.run(go())


def test_what_waits_several_times_gives_its_result() -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()

        async def slow() -> list[int]:
            found = []
            for number in range(3):
                future = loop.create_future()
                loop.call_later(0.01, future.set_result, number)
                found.append(await future)
            await asyncio.sleep(0)
            return found

        assert await within(10.0, slow()) == [0, 1, 2]

    asyncio.run(go())


def test_what_takes_too_long_is_ended_where_it_waits() -> None:
    async def go() -> None:
        ended = []

        async def never() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append(True)

        with pytest.raises(TimeoutError):
            await within(0.02, never())
        assert ended == [True]

    asyncio.run(go())


@pytest.mark.parametrize("first", [True, False])
def test_what_fails_fails(first: bool) -> None:
    async def go() -> None:
        async def failing() -> None:
            if not first:
                await asyncio.sleep(0.01)
            raise LookupError("nobody")

        with pytest.raises(LookupError, match="nobody"):
            await within(1.0, failing())

    asyncio.run(go())


def test_a_failure_may_be_handled_within() -> None:
    async def go() -> None:
        async def handling() -> str:
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_exception, LookupError())
            try:
                await future
            except LookupError:
                await asyncio.sleep(0.01)
                return "handled"
            return "not failed"

        assert await within(1.0, handling()) == "handled"

    asyncio.run(go())


def test_who_is_cancelled_cancels_what_it_waits_for() -> None:
    async def go() -> None:
        ended = asyncio.Event()

        async def never() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.set()

        task = asyncio.ensure_future(within(10.0, never()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(go())

"""What every bus does: nodes tell each other things. One body, every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from sekisho.bus import Bus, Exchange, LocalBus
from sekisho.mqtt.message import Message

A, B = "111111111111", "222222222222"
HERE, THERE = "eu-west-1", "us-east-1"

Join = Callable[[int], AbstractAsyncContextManager[list[Bus]]]


@asynccontextmanager
async def local(how_many: int) -> AsyncIterator[list[Bus]]:
    exchange = Exchange()
    buses: list[Bus] = [LocalBus(exchange) for _ in range(how_many)]
    try:
        yield buses
    finally:
        for bus in buses:
            await bus.close()


@pytest.fixture(params=[local])
def join(request: pytest.FixtureRequest) -> Join:
    """Several buses that hear each other, as several nodes have; closed at the end."""
    found: Join = request.param
    return found


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 20))


def message(topic: str, payload: bytes = b"", account: str = A, region: str = HERE) -> Message:
    return Message(account, region, topic, payload, qos=1, client_id="c", received_at=12.5)


async def say(bus: Bus, topic: str, payload: bytes = b"", account: str = A, region: str = HERE) -> None:
    await bus.publish(account, region, topic, message(topic, payload, account, region))


class Ear:
    """A handler that remembers; the bus may tell it at once or a little later."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Message] = asyncio.Queue()

    def __call__(self, message: Message) -> None:
        self.heard.put_nowait(message)

    async def topics(self, last: str) -> list[str]:
        """What was heard, up to the topic that was published last."""
        found: list[str] = []
        while last not in found:
            found.append((await self.heard.get()).topic)
        return found


class SlowEar(Ear):
    """The handler may also return what must be awaited."""

    async def take(self, message: Message) -> None:
        await asyncio.sleep(0)
        self.heard.put_nowait(message)

    def __call__(self, message: Message) -> Any:
        return self.take(message)


@pytest.mark.parametrize("kind", [Ear, SlowEar])
def test_the_others_hear_and_the_sender_does_not(join: Join, kind: type[Ear]) -> None:
    async def body() -> None:
        async with join(3) as buses:
            ears = [kind() for _ in buses]
            for bus, ear in zip(buses, ears, strict=True):
                await bus.subscribe("*", "*", "#", ear)
            await say(buses[0], "from/0")
            await say(buses[1], "from/1")
            await say(buses[2], "from/2")
            await say(buses[0], "last")
            assert await ears[1].topics("last") == ["from/0", "from/2", "last"]
            assert await ears[2].topics("last") == ["from/0", "from/1", "last"]
            await say(buses[1], "really last")
            assert await ears[0].topics("really last") == ["from/1", "from/2", "really last"]

    run(body())


def test_a_message_arrives_whole(join: Join) -> None:
    properties = {"content_type": "text/plain", "user_property": (("k", "v"), ("k", "ü"))}
    sent = Message(A, HERE, "a/ü/ /b.c", bytes(range(256)), 1, False, properties, "c", "p", "::1", 12.5, "t")

    async def body() -> None:
        async with join(2) as (here, there):
            ear = Ear()
            await there.subscribe(A, HERE, "a/#", ear)
            await here.publish(A, HERE, sent.topic, sent)
            got = await ear.heard.get()
            for name in Message.__slots__:
                if not name.startswith("_"):
                    assert getattr(got, name) == getattr(sent, name), name

    run(body())


FILTERS = {
    "a/b": ["a/b"],
    "a/+": ["a/b", "a/"],
    "a/#": ["a/b", "a/b/c", "a/"],
    "+/b": ["a/b", "/b", "ü/b"],
    "+/+": ["a/b", "a/", "/b", "ü/b", "a b/*", "a b/x"],
    "/b": ["/b"],
    "ü/b": ["ü/b"],
    "a.b": ["a.b"],
    "a b/*": ["a b/*"],
    "$aws/events/#": ["$aws/events/x"],
}
TOPICS = ["a/b", "a/b/c", "a/", "/b", "ü/b", "a.b", "a b/*", "a b/x", "$aws/events/x", "other"]


@pytest.mark.parametrize("filter", FILTERS)
def test_filters(join: Join, filter: str) -> None:
    async def body() -> None:
        async with join(2) as (here, there):
            ear = Ear()
            await there.subscribe(A, HERE, filter, ear)
            await there.subscribe(A, HERE, "the/end", ear)
            for topic in (*TOPICS, "the/end"):
                await say(here, topic)
            assert await ear.topics("the/end") == [*FILTERS[filter], "the/end"]

    run(body())


def test_hash_alone_is_everything(join: Join) -> None:
    """Also what begins with $: nodes are not clients."""

    async def body() -> None:
        async with join(2) as (here, there):
            ear = Ear()
            await there.subscribe(A, HERE, "#", ear)
            for topic in TOPICS:
                await say(here, topic)
            assert await ear.topics(TOPICS[-1]) == TOPICS

    run(body())


@pytest.mark.parametrize(
    ("account", "region", "heard"),
    [
        (A, HERE, ["A here"]),
        (A, "*", ["A here", "A there"]),
        ("*", HERE, ["A here", "B here"]),
        ("*", "*", ["A here", "A there", "B here", "B there"]),
        ("333333333333", HERE, []),
    ],
)
def test_accounts_and_regions_are_apart(join: Join, account: str, region: str, heard: list[str]) -> None:
    async def body() -> None:
        async with join(2) as (here, there):
            ear, end = Ear(), Ear()
            await there.subscribe(account, region, "t", ear)
            await there.subscribe("*", "*", "end", end)
            await there.subscribe("*", "*", "end", ear)
            for name, a in (("A", A), ("B", B)):
                for words, r in (("here", HERE), ("there", THERE)):
                    await say(here, "t", f"{name} {words}".encode(), a, r)
            await say(here, "end")
            await end.topics("end")
            got = []
            while (next := await ear.heard.get()).topic != "end":
                got.append(next.payload.decode())
            assert got == heard

    run(body())


def test_one_of_a_group_is_told(join: Join) -> None:
    async def body() -> None:
        async with join(4) as (here, *others):
            ears = [Ear() for _ in others]
            outside = Ear()
            for bus, ear in zip(others, ears, strict=True):
                await bus.subscribe(A, HERE, "work/#", ear, group="workers")
            await others[0].subscribe(A, HERE, "work/#", outside)
            await others[0].subscribe(A, HERE, "end", outside)
            for ear, bus in zip(ears, others, strict=True):
                await bus.subscribe(A, HERE, "end", ear)
            for number in range(20):
                await say(here, f"work/{number}")
            await say(here, "end")
            done: list[str] = []
            for ear in ears:
                done += (await ear.topics("end"))[:-1]
            everything = [f"work/{number}" for number in range(20)]
            assert sorted(done) == sorted(everything)
            assert await outside.topics("end") == [*everything, "end"]

    run(body())


def test_each_group_is_told(join: Join) -> None:
    async def body() -> None:
        async with join(3) as (here, one, two):
            ears = {name: Ear() for name in ("a", "b")}
            for bus in (one, two):
                for name, ear in ears.items():
                    await bus.subscribe(A, HERE, "work", ear, group=name)
            await say(here, "work", b"1")
            await say(here, "work", b"2")
            for ear in ears.values():
                assert sorted([(await ear.heard.get()).payload for _ in range(2)]) == [b"1", b"2"]
                assert ear.heard.empty()

    run(body())


def test_a_handler_that_fails_keeps_nobody_from_hearing(join: Join) -> None:
    async def body() -> None:
        async with join(3) as (here, one, two):
            ear = Ear()

            def fail(message: Message) -> None:
                raise RuntimeError("a handler that fails")

            await one.subscribe(A, HERE, "#", fail)
            await one.subscribe(A, HERE, "#", ear)
            await two.subscribe(A, HERE, "#", ear)
            await say(here, "a")
            assert [(await ear.heard.get()).topic for _ in range(2)] == ["a", "a"]

    run(body())


def test_a_closed_bus_hears_nothing(join: Join) -> None:
    async def body() -> None:
        async with join(3) as (here, there, leaver):
            gone, ear = Ear(), Ear()
            await leaver.subscribe(A, HERE, "#", gone)
            await there.subscribe(A, HERE, "#", ear)
            await leaver.close()
            await leaver.close()  # again: nothing happens
            await say(here, "after")
            assert await ear.topics("after") == ["after"]
            assert gone.heard.empty()

    run(body())


def test_a_bus_may_leave_while_it_is_told(join: Join) -> None:
    """And those behind it in line are told all the same."""

    async def body() -> None:
        async with join(4) as (here, leaver, other, last):
            ears = Ear(), Ear()

            async def leave(message: Message) -> None:
                await leaver.close()

            await leaver.subscribe(A, HERE, "#", leave)
            await other.subscribe(A, HERE, "#", ears[0])
            await last.subscribe(A, HERE, "#", ears[1])
            await say(here, "a")
            for ear in ears:
                assert (await ear.heard.get()).topic == "a"

    run(body())


def test_a_bus_says_whether_another_may_listen(join: Join) -> None:
    async def body() -> None:
        async with join(2) as (here, there):
            assert here.remote
            assert there.remote

    run(body())


def test_a_lone_local_bus_is_not_remote() -> None:
    async def body() -> None:
        bus = LocalBus()
        ear = Ear()
        await bus.subscribe("*", "*", "#", ear)
        assert not bus.remote
        await say(bus, "to nobody")
        assert ear.heard.empty()
        await bus.close()

    run(body())

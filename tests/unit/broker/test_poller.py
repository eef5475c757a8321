"""The poller, with real sockets on the loop that the node has."""

import asyncio
import contextlib
import socket

import pytest
import uvloop

from sekisho.broker.poller import Poller


def run(test):
    """In a loop of its own, with a poller; what went wrong in a callback is collected."""

    async def body():
        loop = asyncio.get_running_loop()
        faults = []
        loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))
        poller = Poller(loop)
        with contextlib.ExitStack() as undo:
            undo.callback(lambda: poller.close() if not poller._epoll.closed else None)
            await asyncio.wait_for(test(poller, undo, faults), 10)

    uvloop.run(body())


def pair(undo):
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
        undo.callback(sock.close)
    return ours, theirs


async def turns(count=5):
    """Long enough for the loop to have asked the system several times."""
    for _ in range(count):
        await asyncio.sleep(0)


class Written:
    """Something to flush that notes when it was."""

    def __init__(self, notes, name):
        self.notes, self.name = notes, name

    def flush(self):
        self.notes.append(self.name)


def test_what_a_batch_made_is_written_once_all_of_it_was_taken():
    async def test(poller, undo, faults):
        notes, done = [], asyncio.Event()
        written = Written(notes, "flush")
        pairs = [pair(undo) for _ in range(3)]
        for _, theirs in pairs:
            theirs.send(b"x")

        def take(ours):
            notes.append(ours.recv(9))
            poller.add(written)
            poller.remove_reader(ours.fileno())
            if len(notes) == 3:
                done.set()

        for ours, _ in pairs:
            poller.add_reader(ours.fileno(), lambda ours=ours: take(ours))
        await done.wait()
        assert notes == [b"x", b"x", b"x", "flush", "flush", "flush"]

    run(test)


def test_what_is_added_between_batches_is_flushed_too():
    async def test(poller, undo, faults):
        notes = []
        poller.add(Written(notes, "a"))
        poller.add(Written(notes, "b"))
        assert notes == []
        await turns()
        assert notes == ["a", "b"]

    run(test)


def test_a_flush_may_make_something_to_flush():
    async def test(poller, undo, faults):
        notes = []

        class First:
            def flush(self):
                notes.append("first")
                poller.add(Written(notes, "second"))

        poller.add(First())
        await turns()
        assert notes == ["first", "second"]

    run(test)


def test_reading_and_writing_are_waited_for_by_themselves():
    async def test(poller, undo, faults):
        ours, theirs = pair(undo)
        notes = []
        poller.add_reader(ours.fileno(), lambda: notes.append(ours.recv(9)))
        await turns()
        assert notes == []  # writable, but nobody waits for that

        def write():
            notes.append("writable")
            poller.remove_writer(ours.fileno())

        poller.add_writer(ours.fileno(), write)
        await turns()
        assert notes == ["writable"]
        theirs.send(b"x")
        while len(notes) == 1:
            await asyncio.sleep(0)
        assert notes == ["writable", b"x"]

    run(test)


@pytest.mark.parametrize("waits", ["add_reader", "add_writer"])
def test_the_end_of_a_connection_wakes_who_waits(waits):
    async def test(poller, undo, faults):
        ours, theirs = pair(undo)
        if waits == "add_writer":
            with contextlib.suppress(BlockingIOError):
                while True:
                    ours.send(bytes(65536))
        woken = asyncio.Event()
        getattr(poller, waits)(ours.fileno(), woken.set)
        theirs.close()
        await woken.wait()

    run(test)


def test_the_end_of_a_connection_wakes_nobody_while_nobody_waits():
    """epoll tells of it whatever was asked for: a paused connection must be taken out."""

    async def test(poller, undo, faults):
        ours, theirs = pair(undo)
        poller.add_reader(ours.fileno(), lambda: None)
        poller.remove_reader(ours.fileno())
        theirs.close()
        await turns()
        assert poller._epoll.poll(0) == []

    run(test)


def test_sockets_may_go_after_the_poller():
    async def test(poller, undo, faults):
        ours, _ = pair(undo)
        poller.add_reader(ours.fileno(), lambda: None)
        poller.close()
        poller.remove_reader(ours.fileno())
        poller.remove_writer(ours.fileno())

    run(test)


def test_a_fault_costs_no_other_its_turn():
    async def test(poller, undo, faults):
        notes = []
        pairs = [pair(undo) for _ in range(2)]

        def take(ours):
            ours.recv(9)
            poller.add(broken)
            raise RuntimeError("ours")

        class Broken:
            def flush(self):
                notes.append("flush")
                raise OSError("flush")

        broken = Broken()
        for ours, theirs in pairs:
            theirs.send(b"x")
            poller.add_reader(ours.fileno(), lambda ours=ours: take(ours))
        while len(notes) < 2:
            await asyncio.sleep(0)
        assert [type(fault) for fault in faults] == [RuntimeError, RuntimeError, OSError, OSError]

    run(test)


def test_who_was_taken_out_by_another_of_the_same_batch_is_not_called():
    async def test(poller, undo, faults):
        pairs = [pair(undo) for _ in range(2)]
        notes = []

        def take(number):
            notes.append(number)
            for ours, _ in pairs:
                poller.remove_reader(ours.fileno())

        for number, (ours, theirs) in enumerate(pairs):
            theirs.send(b"x")
            poller.add_reader(ours.fileno(), lambda number=number: take(number))
        await turns()
        assert len(notes) == 1

    run(test)

"""A bucket that is deleted while something is put into it keeps nothing, also for who has its name next."""

from __future__ import annotations

import asyncio

import pytest

from contract.test_s3_policies import ROOT, STRANGER, Door
from sekisho.services.buckets import DELETION, KIND, PLACE
from sekisho.store import tables


class Slow(Door):
    """Its folder stops before an object is there, or before a listing, until it is told to go on."""

    def hold(self, name: str) -> tuple[asyncio.Event, asyncio.Event]:
        reached, go = asyncio.Event(), asyncio.Event()
        objects = self.objects
        plain = getattr(objects, name)

        async def slow(*arguments):
            setattr(objects, name, plain)
            reached.set()
            await go.wait()
            return await plain(*arguments)

        setattr(objects, name, slow)
        return reached, go


async def keys(door, who):
    status, _, _ = await door.ask(who, "GET", "/shared?list-type=2")
    assert status == 200
    return await door.objects.list("shared", "", "", 9)


def test_a_put_that_ends_after_the_bucket_leaves_nothing(database_url, tmp_path):
    async def run():
        async with Slow(database_url, tmp_path) as door:
            assert (await door.ask(ROOT, "PUT", "/shared"))[0] == 200
            reached, go = door.hold("put")
            put = asyncio.create_task(door.ask(ROOT, "PUT", "/shared/k", b"secret"))
            await reached.wait()
            assert (await door.ask(ROOT, "DELETE", "/shared"))[0] == 204
            assert (await door.ask(STRANGER, "PUT", "/shared"))[0] == 200
            go.set()
            assert (await put)[:2] == (404, "NoSuchBucket")
            assert await keys(door, STRANGER) == []

    asyncio.run(run())


def test_a_put_in_the_middle_of_a_deletion_is_taken_back_or_keeps_the_bucket(database_url, tmp_path):
    """The deletion looks twice whether there is anything; the second time finds what came between."""

    async def run():
        async with Slow(database_url, tmp_path) as door:
            assert (await door.ask(ROOT, "PUT", "/shared"))[0] == 200
            put_at, put_go = door.hold("put")
            put = asyncio.create_task(door.ask(ROOT, "PUT", "/shared/k", b"1"))
            await put_at.wait()
            # The first look is over when the second is held.
            plain = door.objects.list
            looks = 0
            reached, go = asyncio.Event(), asyncio.Event()

            async def counting(*arguments):
                nonlocal looks
                looks += 1
                if looks == 2:
                    reached.set()
                    await go.wait()
                return await plain(*arguments)

            door.objects.list = counting
            deletion = asyncio.create_task(door.ask(ROOT, "DELETE", "/shared"))
            await reached.wait()
            put_go.set()
            assert (await put)[:2] == (409, "OperationAborted")
            go.set()
            assert (await deletion)[0] == 204
            assert await plain("shared", "", "", 9) == []

    asyncio.run(run())


@pytest.mark.parametrize("age, status", [(0.0, 409), (DELETION + 1, 200)])
def test_a_deletion_that_a_node_has_left_behind_is_over_after_a_while(database_url, tmp_path, age, status):
    async def run():
        async with Slow(database_url, tmp_path) as door:
            assert (await door.ask(ROOT, "PUT", "/shared"))[0] == 200
            [row] = await door.store.fetch(*tables.get_resource(*PLACE, KIND, "shared"))
            since = door.clock.real() - age
            body = row["body"][:-1] + f',"deletingSince":{since}}}'
            await door.store.commit([tables.update_resource(*PLACE, KIND, "shared", 1, body, 1.0)])
            assert (await door.ask(ROOT, "PUT", "/shared/k", b"1"))[0] == status
            found = await door.objects.list("shared", "", "", 9)
            assert [info.key for info in found] == (["k"] if status == 200 else [])

    asyncio.run(run())

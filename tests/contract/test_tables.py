"""The tables' verbs, on both drivers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from contract.stores import opened
from sekisho.store import tables
from sekisho.store.statement import Conflict, Statement
from sekisho.store.trimming import SLICE, trim_table

A, R = "123456789012", "eu-west-1"
IDS = ["", " ", "-", "A", "B", "Z", "_", "a", "a:b", "b", "~", "é", "関", "🚪"]
"""In the order of their UTF-8 bytes."""


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def test_a_resource_lives(database_url: str) -> None:
    async def body() -> None:
        place = (A, R, "thing", "lamp")
        async with opened(database_url) as store:
            get = tables.get_resource(*place)
            assert await tables.fetch_one(store, get) is None
            await store.commit([tables.guard_absent(*place), tables.insert_resource(*place, '{"a":1}', 10.0)])
            expected = {"account": A, "region": R, "kind": "thing", "id": "lamp"}
            assert await store.fetch(*get) == [
                expected | {"version": 1, "body": '{"a":1}', "created": 10.0, "updated": 10.0}
            ]
            await store.commit([tables.update_resource(*place, 1, "{}", 20.5)])
            assert await store.fetch(*get) == [
                expected | {"version": 2, "body": "{}", "created": 10.0, "updated": 20.5}
            ]
            await store.commit([tables.guard_version(*place, 2), tables.guard_fewer(A, R, "thing", 2)])
            await store.commit([tables.insert_resource(*place, "[]", 30.0, expect=None)])
            for stale in (
                tables.insert_resource(*place, "[]", 30.0),
                tables.update_resource(*place, 1, "[]", 30.0),
                tables.delete_resource(*place, 1),
                tables.guard_version(*place, 1),
                tables.guard_absent(*place),
                tables.guard_fewer(A, R, "thing", 1),
                tables.guard_version(A, "us-east-1", "thing", "lamp", 2),
            ):
                with pytest.raises(Conflict):
                    await store.commit([stale])
            await store.commit([tables.delete_resource(*place, 2), tables.guard_absent(*place)])
            assert await store.fetch(*get) == []

    run(body())


@pytest.mark.parametrize("ascending", [True, False])
def test_resources_page_by_id(database_url: str, ascending: bool) -> None:
    async def body() -> None:
        wanted = IDS[1:] if ascending else IDS[:0:-1]
        async with opened(database_url) as store:
            for id in reversed(IDS[1:]):
                await store.commit([tables.insert_resource(A, R, "thing", id, "{}", 1.0)])
            await store.commit([tables.insert_resource(A, R, "policy", "x", "{}", 1.0)])
            for start in ("", None):
                found: list[str] = []
                after = start
                while True:
                    rows = await store.fetch(*tables.page_resources(A, R, "thing", after, 3, ascending))
                    if not rows:
                        break
                    found += [row["id"] for row in rows]
                    after = found[-1]
                assert found == wanted

    run(body())


@pytest.mark.parametrize("ascending", [True, False])
def test_resources_page_by_creation(database_url: str, ascending: bool) -> None:
    async def body() -> None:
        made = [(float(number // 3) + 0.1, f"id{number}") for number in range(10)]
        async with opened(database_url) as store:
            for created, id in reversed(made):
                await store.commit([tables.insert_resource(A, R, "thing", id, "{}", created)])
            found: list[tuple[float, str]] = []
            while True:
                after = found[-1] if found else None
                query = tables.page_resources_by_created(A, R, "thing", after, 4, ascending)
                rows = await store.fetch(*query)
                if not rows:
                    break
                found += [(row["created"], row["id"]) for row in rows]
            assert found == (made if ascending else made[::-1])

    run(body())


def test_links_are_read_from_both_ends(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            for target in ("t2", "t1", "t3"):
                await store.commit([tables.insert_link(A, R, "attached", "s1", target, "{}", 1.0)])
            await store.commit([tables.insert_link(A, R, "attached", "s0", "t2", "{}", 2.0)])
            await store.commit([tables.insert_link(A, R, "attached", "s1", "t2", '{"again":1}', 3.0)])
            rows = await store.fetch(*tables.links_from(A, R, "attached", "s1", "", 2))
            assert [row["target"] for row in rows] == ["t1", "t2"]
            rows = await store.fetch(*tables.links_from(A, R, "attached", "s1", "t1", 9))
            assert [(row["target"], row["body"], row["created"]) for row in rows] == [
                ("t2", '{"again":1}', 1.0),
                ("t3", "{}", 1.0),
            ]
            rows = await store.fetch(*tables.links_to(A, R, "attached", "t2", "", 9))
            assert [row["source"] for row in rows] == ["s0", "s1"]
            rows = await store.fetch(*tables.links_to(A, R, "attached", "t2", "s0", 9))
            assert [row["source"] for row in rows] == ["s1"]

            await store.commit(
                [
                    tables.guard_links_from_count(A, R, "attached", "s1", 3),
                    tables.guard_links_to_count(A, R, "attached", "t2", 2),
                    tables.guard_no_links_from(A, R, "other", "s1"),
                    tables.guard_no_links_to(A, R, "other", "t2"),
                    tables.guard_link(A, R, "attached", "s0", "t2"),
                    tables.guard_no_link(A, R, "attached", "s0", "t1"),
                ]
            )
            for false in (
                tables.guard_links_from_count(A, R, "attached", "s1", 2),
                tables.guard_links_from_count(A, R, "attached", "s1", 4),
                tables.guard_links_to_count(A, R, "attached", "t2", 1),
                tables.guard_no_links_from(A, R, "attached", "s1"),
                tables.guard_no_links_to(A, R, "attached", "t2"),
                tables.guard_link(A, R, "attached", "s0", "t1"),
                tables.guard_no_link(A, R, "attached", "s0", "t2"),
                tables.delete_link(A, R, "attached", "s0", "t1", expect=1),
            ):
                with pytest.raises(Conflict):
                    await store.commit([false])
            await store.commit([tables.delete_link(A, R, "attached", "s0", "t2")] * 2)
            await store.commit([tables.guard_no_links_from(A, R, "attached", "s0")])

    run(body())


def test_change_numbers_grow_and_are_never_given_twice(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:

            async def last() -> int:
                return int((await store.fetch(*tables.last_change()))[0]["seq"])

            assert await last() == 0
            for number in range(10):
                at = [5.0, 1.0][number % 2] + number
                await store.commit([tables.append_change(A, R, "thing", f"t{number}", "updated", at)])
            rows = await store.fetch(*tables.read_changes(0, 100))
            changes = [tables.Change(**row) for row in rows]
            assert [change.id for change in changes] == [f"t{number}" for number in range(10)]
            assert changes[3][1:] == (A, R, "thing", "t3", "updated", 4.0)
            numbers = [change.seq for change in changes]
            assert numbers == sorted(set(numbers))
            rows = await store.fetch(*tables.read_changes(numbers[4], 2))
            assert [row["seq"] for row in rows] == numbers[5:7]

            await trim_table(store, "change", 5)
            assert [row["seq"] for row in await store.fetch(*tables.read_changes(0, 100))] == numbers[5:]
            await trim_table(store, "change", 0)
            assert [row["seq"] for row in await store.fetch(*tables.read_changes(0, 100))] == numbers[9:]
            await store.commit([Statement("DELETE FROM change", expect=1)])
            await store.commit([tables.append_change(A, R, "thing", "after", "created", 1.0)])
            assert await last() > numbers[9]

    run(body())


def test_a_lease_has_one_owner(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:

            async def take(owner: str, now: float) -> bool:
                return await tables.hold_lease(store, "sweep", owner, now, 30)

            owners = [f"node{number}" for number in range(20)]
            got = await asyncio.gather(*[take(owner, 100.0) for owner in owners])
            assert got.count(True) == 1
            winner = owners[got.index(True)]
            other = owners[got.index(False)]
            assert await take(winner, 110.0)
            assert not await take(other, 139.9)
            assert await take(other, 140.0)
            assert not await take(winner, 141.0)
            await store.commit([tables.release_lease("sweep", winner)])
            assert not await take(winner, 141.0)
            await store.commit([tables.release_lease("sweep", other)])
            assert await take(winner, 141.0)
            rows = (await store.commit([tables.take_lease("sweep", winner, 150.0, 5)]))[0]
            assert rows == [{"name": "sweep", "owner": winner, "until": 155.0}]

    run(body())


def test_refusals_page_newest_first(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            for number in range(12):
                refusal = tables.append_refusal(
                    at=float(number),
                    account=A,
                    region=R,
                    client_id=f"c{number % 2}",
                    certificate_id=f"cert{number % 3}",
                    thing_name=None if number % 4 else "lamp",
                    body=f'{{"n":{number}}}',
                )
                await store.commit([refusal])

            async def page(before: int | None, limit: int, **filters: str) -> list[tuple[int, float]]:
                query = tables.page_refusals({"account": A, "region": R, **filters}, before, limit)
                return [(row["seq"], row["at"]) for row in await store.fetch(*query)]

            first = await page(None, 5)
            assert [at for _, at in first] == [11, 10, 9, 8, 7]
            assert [at for _, at in await page(first[-1][0], 99)] == [6, 5, 4, 3, 2, 1, 0]
            assert [at for _, at in await page(None, 99, client_id="c1")] == [11, 9, 7, 5, 3, 1]
            assert [at for _, at in await page(None, 99, client_id="c1", certificate_id="cert0")] == [9, 3]
            assert [at for _, at in await page(None, 2, thing_name="lamp")] == [8, 4]
            assert await page(None, 99, account="999999999999") == []
            for wrong in ({"account": A}, {"account": A, "region": R, "body": "x"}):
                with pytest.raises(ValueError, match="found by"):
                    tables.page_refusals(wrong, None, 1)

            await trim_table(store, "refusal", 12)
            assert len(await page(None, 99)) == 12
            await trim_table(store, "refusal", 3)
            assert [at for _, at in await page(None, 99)] == [11, 10, 9]
            await trim_table(store, "refusal", 0)
            assert await page(None, 99) == []

    run(body())


def test_the_audit_is_kept_and_trimmed(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            lines = [
                {
                    "at": float(number),
                    "account": A,
                    "region": R,
                    "principal": "arn:aws:iam::123456789012:user/me",
                    "service": "iot",
                    "operation": "CreateThing",
                    "resource": "arn:aws:iot:eu-west-1:123456789012:thing/lamp",
                    "outcome": "Success",
                    "request_id": f"r{number}",
                    "source_ip": "::1",
                    "detail": "{}",
                }
                for number in range(4)
            ]
            for line in lines:
                await store.commit([tables.append_audit(**line)])
            names = ", ".join(lines[0])
            assert await store.fetch(f"SELECT {names} FROM audit ORDER BY seq") == lines
            await trim_table(store, "audit", 1)
            assert await store.fetch(f"SELECT {names} FROM audit") == lines[3:]
            with pytest.raises(ValueError, match="only audit"):
                await trim_table(store, "resource", 1)

    run(body())


def test_very_many_rows_go_in_several_commits(database_url: str) -> None:
    async def body() -> None:
        async with opened(database_url) as store:
            change = tables.append_change(A, R, "thing", "t", "updated", 1.0)
            for _ in range(4):
                await store.commit([change] * (SLICE // 2))
            await trim_table(store, "change", 10)
            left = await store.fetch("SELECT COUNT(*) AS count, MAX(seq) - MIN(seq) AS span FROM change")
            assert left == [{"count": 10, "span": 9}]

    run(body())

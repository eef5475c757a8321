"""Rows that are kept between units of work: an old one never gets through a commit."""

from __future__ import annotations

import pytest

from contract.stores import on_store
from sekisho.services.hints import Hints
from sekisho.services.work import Work
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.statement import Conflict

PLACE = ("111111111111", "us-east-1")
CHANGE = Change(1, *PLACE, "policy", "p", "updated", 1.0)


def work_with(store, hints):
    work = Work(store, *PLACE, 1.0)
    work.hints = hints
    return work


async def attach(work):
    """Read the policy, and write something because of it."""
    policy = await work.get("policy", "p")
    work.link("attached-policy", "p", f"{policy['text']}-{policy['version']}")
    await work.commit()


async def targets(store):
    rows = await store.fetch(*tables.links_from(*PLACE, "attached-policy", "p", after="", limit=9))
    return [row["target"] for row in rows]


def test_what_has_changed_since_it_was_kept_does_not_get_through(database_url):
    async def body(store):
        hints = Hints()
        await store.commit([tables.insert_resource(*PLACE, "policy", "p", '{"text":"old"}', 1.0)])
        await attach(work_with(store, hints))
        await store.commit([tables.update_resource(*PLACE, "policy", "p", 1, '{"text":"new"}', 2.0)])
        with pytest.raises(Conflict):
            await attach(work_with(store, hints))
        await attach(work_with(store, None))
        hints.clear()
        assert (await work_with(store, hints).get("policy", "p"))["text"] == "new"
        assert await targets(store) == ["new-2", "old-1"]

    on_store(database_url, body)


def test_what_was_deleted_is_not_there_for_a_commit(database_url):
    async def body(store):
        hints = Hints()
        await store.commit([tables.insert_resource(*PLACE, "policy", "p", '{"text":"old"}', 1.0)])
        assert await work_with(store, hints).get("policy", "p") is not None
        await store.commit([tables.delete_resource(*PLACE, "policy", "p", 1)])
        with pytest.raises(Conflict):
            await attach(work_with(store, hints))
        hints.forget(CHANGE)
        assert await work_with(store, hints).get("policy", "p") is None
        await store.commit([tables.insert_resource(*PLACE, "policy", "p", '{"text":"again"}', 1.0)])
        assert await work_with(store, hints).get("policy", "p") is not None  # absence is not kept
        assert await targets(store) == []

    on_store(database_url, body)


def test_other_kinds_are_read_each_time(database_url):
    async def body(store):
        hints = Hints()
        await store.commit([tables.insert_resource(*PLACE, "thing", "t", '{"n":1}', 1.0)])
        assert (await work_with(store, hints).get("thing", "t"))["n"] == 1
        await store.commit([tables.update_resource(*PLACE, "thing", "t", 1, '{"n":2}', 2.0)])
        assert (await work_with(store, hints).get("thing", "t"))["n"] == 2

    on_store(database_url, body)


def test_that_there_is_none_of_a_few_kinds_is_kept_and_proved(database_url):
    async def body(store):
        hints = Hints()
        assert await work_with(store, hints).get("certificatevalidity", "default") is None
        await store.commit([tables.insert_resource(*PLACE, "certificatevalidity", "default", '{"n":1}', 1.0)])
        work = work_with(store, hints)
        assert await work.get("certificatevalidity", "default") is None
        await work.put("thing", "t", {"n": 1})
        with pytest.raises(Conflict):
            await work.commit()
        hints.forget(CHANGE._replace(kind="certificatevalidity", id="default"))
        assert await work_with(store, hints).get("certificatevalidity", "default") is not None

    on_store(database_url, body)


def test_what_is_taken_to_be_bare_and_is_not_does_not_get_through(database_url):
    async def body(store):
        await store.commit([tables.insert_link(*PLACE, "attached-policy", "p", "cert", "{}", 1.0)])
        work = work_with(store, None)
        work.is_bare("cert")
        assert await work.all_links_to("attached-policy", "cert") == []
        work.link("attached-policy", "q", "cert")
        with pytest.raises(Conflict):
            await work.commit()
        assert len(await work_with(store, None).all_links_to("attached-policy", "cert")) == 1

    on_store(database_url, body)


def test_what_is_likely_is_proved_by_the_commit_and_read_by_who_does_not_hope(database_url):
    async def body(store):
        hints = Hints()

        async def type_of(hopeful):
            work = Work(store, *PLACE, 1.0, hopeful)
            found = await work.get_likely("thingtype", "p", hints)
            work.link("thing-type", "t", "p")
            return found, work

        assert (await type_of(True))[0] is None  # absence is not kept
        await store.commit([tables.insert_resource(*PLACE, "thingtype", "p", '{"text":"old"}', 1.0)])
        found, work = await type_of(True)
        assert found["text"] == "old" and not work.unproved
        await store.commit([tables.update_resource(*PLACE, "thingtype", "p", 1, '{"text":"new"}', 2.0)])
        found, work = await type_of(True)
        assert found["text"] == "old" and work.unproved
        with pytest.raises(Conflict):
            await work.commit()
        found, work = await type_of(False)
        assert found["text"] == "new" and not work.unproved
        found, work = await type_of(True)
        assert found["text"] == "new" and work.unproved
        await work.commit()
        hints.forget(CHANGE._replace(kind="thingtype"))
        assert not (await type_of(True))[1].unproved

    on_store(database_url, body)

"""Refusals on both drivers: what is kept of one is bounded, whatever its client has made it of."""

from __future__ import annotations

import asyncio

import orjson

from sekisho.services.refusals import LONGEST, WAITING, Refusals
from sekisho.store.store import open_store

PLACE = ("123456789012", "eu-west-1")


def test_what_is_kept_of_refusals_is_bounded(database_url):
    async def body() -> None:
        store = await open_store(database_url)
        try:
            refusals = Refusals(store, keep=2 * WAITING)
            for number in range(WAITING + 5):
                refusals.record(
                    *PLACE, {"at": 1.0, "clientId": str(number), "resource": "/" + "a\0" * 20_000}
                )
            await refusals.flush()
            rows = await store.fetch("SELECT client_id, body FROM refusal ORDER BY seq", {})
            assert [row["client_id"] for row in rows] == [str(number) for number in range(WAITING)]
            kept = orjson.loads(rows[0]["body"])
            assert kept["resource"] == ("/" + "a\0" * 20_000)[:LONGEST]
        finally:
            await store.close()

    asyncio.run(body())

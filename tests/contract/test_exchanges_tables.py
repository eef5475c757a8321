"""The tables ``received``, ``flight`` and ``will``, on both drivers."""

from __future__ import annotations

from contract.test_sessions_tables import PAYLOAD, A, R, keep, put
from sekisho.store import exchanges, retained, sessions, wills
from sekisho.store.store import Store

LAMP = (A, R, "lamp")


async def received(store: Store, client_id: str = "lamp") -> list[int]:
    rows = await store.fetch(*exchanges.read_received(A, R, client_id))
    return sorted(row["packet_id"] for row in rows)


async def flights(store: Store) -> list[tuple]:
    rows = await store.fetch(*exchanges.read_flights(*LAMP))
    return [(r["packet_id"], r["id"], r["flag"], r["identifiers"], r["topic"], r["payload"]) for r in rows]


def fly(packet_id: int, message: int, client_id: str = "lamp", **more):
    values = {"retain": False, "identifiers": "[]"} | more
    return exchanges.put_flight(A, R, client_id, packet_id, message=message, **values)


def test_received_identifiers_are_kept_once_and_forgotten(run):
    async def body(store: Store) -> None:
        for packet_id in (1, 65535, 1):
            await store.commit([exchanges.put_received(*LAMP, packet_id)])
        await store.commit([exchanges.put_received(A, R, "other", 1)])
        assert await received(store) == [1, 65535]
        await store.commit([exchanges.delete_received(*LAMP, 1)])
        assert (await received(store), await received(store, "other")) == ([65535], [1])

    run(body)


def test_a_flight_from_publish_to_pubcomp(run):
    async def body(store: Store) -> None:
        await put(store, 8, "lamp")
        await put(store, 9, "lamp")
        await store.commit([fly(2, 8, retain=True, identifiers="[7]"), fly(1, 9), fly(1, 9, "other")])
        first = (2, 8, 1, "[7]", "t/8", PAYLOAD)
        assert await flights(store) == [first, (1, 9, 0, "[]", "t/9", PAYLOAD)]
        gone = sessions.delete_entry(*LAMP, 9)
        await store.commit([exchanges.release_flight(*LAMP, 1), gone, sessions.delete_body(9)])
        assert await flights(store) == [(1, 0, 0, "[]", None, None), first]
        await store.commit([exchanges.delete_flight(*LAMP, 1)])
        assert await flights(store) == [first]
        await put(store, 10, "lamp")
        await store.commit([fly(2, 10)])  # its identifier has been given to another
        assert await flights(store) == [(2, 10, 0, "[]", "t/10", PAYLOAD)]

    run(body)


def test_a_flight_whose_message_is_not_the_sessions_any_more(run):
    async def body(store: Store) -> None:
        await put(store, 8, "other")
        await store.commit([fly(1, 8)])
        assert await flights(store) == [(1, 8, 0, "[]", None, None)]

    run(body)


def test_what_is_in_flight_does_not_expire(run):
    """[MQTT-4.3.3-7]"""

    async def body(store: Store) -> None:
        await put(store, 1, "lamp", expires=10.0)
        await put(store, 2, "lamp", expires=10.0)
        await store.commit([fly(5, 1)])
        assert [row["id"] for row in await store.fetch(*sessions.expired_messages(11.0, 9))] == [2]
        await store.commit([exchanges.release_flight(*LAMP, 5)])
        assert [row["id"] for row in await store.fetch(*sessions.expired_messages(11.0, 9))] == [1, 2]

    run(body)


def test_a_session_ends_with_its_exchanges(run):
    async def body(store: Store) -> None:
        await store.commit([fly(1, 0), exchanges.put_received(*LAMP, 1)])
        await store.commit([exchanges.put_received(A, R, "other", 1)])
        await store.commit(sessions.delete_session(*LAMP))
        assert (await flights(store), await received(store), await received(store, "other")) == ([], [], [1])

    run(body)


def test_wills(run):
    async def body(store: Store) -> None:
        for client_id in ("b", "a", "a"):
            await store.commit(
                [wills.put_will(A, R, client_id, payload=PAYLOAD, detail='{"a":1}', delay=5.0, due=0.0)]
            )
        row = {"account": A, "region": R, "payload": PAYLOAD, "detail": '{"a":1}', "delay": 5.0, "due": 0.0}
        assert await store.fetch(*wills.page_wills(A, R, "", 1)) == [row | {"client_id": "a"}]
        assert await store.fetch(*wills.page_wills(A, R, "a", 9)) == [row | {"client_id": "b"}]
        await store.commit([wills.put_will(A, R, "b", payload=b"", detail="{}", delay=6.0, due=7.5)])
        changed = {"payload": b"", "detail": "{}", "delay": 6.0, "due": 7.5, "client_id": "b"}
        await store.commit([wills.delete_will(A, R, "a"), wills.delete_will(A, "us-east-1", "b")])
        assert await store.fetch(*wills.page_wills(A, R, "", 9)) == [row | changed]

    run(body)


def test_retained_topics_below_a_prefix(run):
    async def body(store: Store) -> None:
        for topic in ("a", "a/", "a/b", "a/b/c", "a/é", "a0", "a.", "b/a"):
            await store.commit([keep(topic)])
        page = await store.fetch(*retained.page_topics_below(A, R, "a/", "", 3))
        assert [row["topic"] for row in page] == ["a/", "a/b", "a/b/c"]
        page = await store.fetch(*retained.page_topics_below(A, R, "a/", "a/b/c", 3))
        assert [row["topic"] for row in page] == ["a/é"]

    run(body)

"""What is on the node's revocation lists, as it is read and kept."""

from __future__ import annotations

import random

from contract.stores import on_store
from sekisho.logic.revocation import RECORD, record_of, serial_text
from sekisho.services.revoked_entries import MOST_NEWS, NOWHERE, PAGE, REVOKED, Entries
from sekisho.services.work import dumps
from sekisho.store import tables

ONE, OTHER = "1" * 64, "2" * 64


async def revoke(store, *numbers, issuer=ONE):
    for number in numbers:
        body = dumps({"certificateId": "0" * 64, "issuer": issuer, "revokedAt": float(number)})
        await store.commit([tables.insert_resource(*NOWHERE, REVOKED, serial_text(number), body, 1.0)])


def numbers(records: bytes) -> list[int]:
    found = [(int.from_bytes(serial, "big"), at) for serial, at in RECORD.iter_unpack(records)]
    assert all(float(number) == at for number, at in found)
    return [number for number, _ in found]


def test_they_are_in_order_and_of_one_ca(database_url):
    async def body(store):
        some = random.Random(1).sample(range(1, 10_000), PAGE + 20)
        await revoke(store, *some)
        await revoke(store, 5, 20_001, issuer=OTHER)
        entries = Entries(store)
        assert numbers(await entries.of(ONE)) == sorted(some)
        assert numbers(await entries.of(OTHER)) == [5, 20_001]
        assert await entries.of("3" * 64) == b""

    on_store(database_url, body)


def test_what_is_heard_of_later_is_put_in_its_place_once(database_url):
    async def body(store):
        entries = Entries(store)
        await revoke(store, 10, 30)
        entries.heard(serial_text(30))
        assert numbers(await entries.of(ONE)) == [10, 30]
        await revoke(store, 5, 20, 40)
        assert numbers(await entries.of(ONE)) == [10, 30]
        for number in (40, 20, 5, 20, 10):
            entries.heard(serial_text(number))
        entries.heard(serial_text(99))  # it was told of, and its commit is undone
        assert numbers(await entries.of(ONE)) == [5, 10, 20, 30, 40]

    on_store(database_url, body)


def test_much_news_is_read_as_a_whole(database_url):
    async def body(store):
        entries = Entries(store)
        await revoke(store, 1)
        await entries.of(ONE)
        await revoke(store, 2, 3)
        for number in range(MOST_NEWS + 5):
            entries.heard(serial_text(number))
        assert numbers(await entries.of(ONE)) == [1, 2, 3]

    on_store(database_url, body)


def test_a_record_sorts_as_its_serial_number_does():
    some = [0, 1, 255, 256, 2**64, 2**159 - 1]
    assert sorted(record_of(serial_text(number), 1.0) for number in reversed(some)) == [
        record_of(serial_text(number), 1.0) for number in some
    ]

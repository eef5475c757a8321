"""Certificates that several devices use, as the node has seen it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.making import UNKNOWN_ID, arn, refused
from interop.devices import ANYTHING, until


@pytest.fixture
def shared(factory, name):
    """Makes a device whose certificate is used twice at once."""

    def make(number: int):
        device = factory(f"{name}-{number}", statements=ANYTHING)
        with device.online(f"{device.name}-a") as one, device.online(f"{device.name}-b") as two:
            one.ping()
            two.ping()
        return device

    return make


def test_two_at_once(own, shared):
    before = datetime.now(UTC) - timedelta(seconds=5)
    device = shared(1)
    [found] = own.list_shared_certificates(certificateId=device.certificate_id)["sharedCertificates"]
    assert before < found.pop("lastAt") <= datetime.now(UTC)
    assert found == {
        "certificateId": device.certificate_id,
        "certificateArn": arn(f"cert/{device.certificate_id}"),
        "clientIds": [f"{device.name}-a", f"{device.name}-b"],
        "sourceIps": ["127.0.0.1"],
        "concurrentConnections": 1,
        "takenBack": 0,
    }


def test_one_after_the_other_is_no_double_use(own, factory, name):
    device = factory(name, statements=ANYTHING)
    mine = {"certificateId": device.certificate_id}
    for client_id in ("a", "b", "a"):
        with device.online(f"{device.name}-{client_id}") as wire:
            wire.ping()
        until(lambda: not own.list_connections(live=True, **mine)["connections"])
    page = own.list_shared_certificates(**mine)
    assert page["sharedCertificates"] == []
    assert own.list_shared_certificates(certificateId=UNKNOWN_ID)["sharedCertificates"] == []


def test_pages(own, shared):
    made = sorted(shared(number).certificate_id for number in range(3))
    pages = own.get_paginator("list_shared_certificates").paginate(PaginationConfig={"PageSize": 1})
    pages = [[one["certificateId"] for one in page["sharedCertificates"]] for page in pages]
    assert max(map(len, pages)) == 1
    assert [id for page in pages for id in page if id in made] == made


def test_a_token_of_ones_own(own):
    with refused("InvalidRequestException", 400, "not one that this operation gave"):
        own.list_shared_certificates(nextToken="?")

"""Indexing that is turned off and on again at once, on a node of many accounts."""

from __future__ import annotations

import pytest

from api.conftest import placed
from api.test_fleet_indexing import found, turn_off, turn_on

ACCOUNTS = 100


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request, tmp_path):
    """With so many accounts, what they are configured to have takes a while to read."""
    with placed(request, tmp_path / "node") as house:
        own = house.node.client("sekisho")
        for number in range(ACCOUNTS):
            own.create_account(accountId=f"7{number:011}")
        yield house


def test_what_is_active_can_be_asked(house):
    iot = house.node.client("iot")
    for _ in range(40):
        turn_off(iot)
        turn_on(iot)
        for _ in range(3):
            assert found(iot, "thingName:none") == []

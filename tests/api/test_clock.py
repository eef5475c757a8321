"""The civil clock: registry and certificates follow it, signatures do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.making import UNCHECKED, UNKNOWN_ID, csr, refused

FUTURE = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_civil_time_is_real_unless_turned(own):
    before = datetime.now(UTC) - timedelta(milliseconds=10)
    answer = own.describe_clock()
    assert before <= answer["now"] <= datetime.now(UTC) + timedelta(milliseconds=10)
    assert (answer["frozen"], answer["rate"]) == (False, 1.0)


def test_turned_to_a_moment_and_frozen(turned, iot, name):
    answer = turned.set_clock(to=FUTURE, frozen=True)
    assert (answer["now"], answer["frozen"]) == (FUTURE, True)
    assert turned.describe_clock()["now"] == FUTURE
    iot.create_thing_type(thingTypeName=name)
    metadata = iot.describe_thing_type(thingTypeName=name)["thingTypeMetadata"]
    assert metadata["creationDate"] == FUTURE


def test_advanced(turned):
    turned.set_clock(to=FUTURE, frozen=True)
    assert turned.set_clock(advanceSeconds=90.5)["now"] == FUTURE + timedelta(seconds=90.5)
    assert turned.set_clock(advanceSeconds=-90.5)["now"] == FUTURE


def test_sped_up(turned):
    turned.set_clock(to=FUTURE, frozen=True)
    answer = turned.set_clock(rate=1_000_000)
    assert (answer["frozen"], answer["rate"]) == (False, 1_000_000)
    later = turned.describe_clock()["now"]
    assert later > FUTURE
    assert turned.set_clock(frozen=False)["rate"] == 1_000_000


def test_unfrozen(turned):
    turned.set_clock(to=FUTURE, frozen=True)
    answer = turned.set_clock(frozen=False)
    assert (answer["frozen"], answer["rate"]) == (False, 1.0)
    assert turned.describe_clock()["now"] >= FUTURE


def test_reset(turned):
    turned.set_clock(to=FUTURE, frozen=True)
    answer = turned.set_clock(reset=True)
    assert abs(answer["now"] - datetime.now(UTC)) < timedelta(seconds=5)
    assert (answer["frozen"], answer["rate"]) == (False, 1.0)


def test_signatures_are_held_against_real_time(turned, iot):
    turned.set_clock(to=FUTURE, frozen=True)
    assert iot.describe_endpoint()["endpointAddress"]


@pytest.mark.parametrize(
    "members, words",
    [
        ({"frozen": True, "rate": 2.0}, ["frozen", "rate"]),
        ({"reset": True, "advanceSeconds": 1.0}, ["reset"]),
        ({"rate": -1.0}, ["rate"]),
    ],
)
def test_nonsense(node, members, words):
    own = node.client("sekisho", config=UNCHECKED)
    before = own.describe_clock()
    with refused("InvalidRequestException", 400, *words):
        own.set_clock(**members)
    after = own.describe_clock()
    assert (after["frozen"], after["rate"]) == (before["frozen"], before["rate"])


@pytest.mark.parametrize(
    "members",
    [{"to": datetime(9999, 12, 31, tzinfo=UTC)}, {"advanceSeconds": 3e11}, {"advanceSeconds": -3e11}],
)
def test_the_ends_of_time(turned, iot, name, members):
    """Whatever the clock says, the node goes on and can be set back."""
    try:
        turned.set_clock(**members)
        turned.describe_clock()
        iot.create_thing_type(thingTypeName=name)
    except turned.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    turned.set_clock(reset=True)
    assert abs(turned.describe_clock()["now"] - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(("year", "bound"), [(1900, "1950"), (2050, "2049")])
def test_a_moment_that_no_certificate_can_begin_at(turned, iot, year, bound):
    turned.set_clock(to=datetime(year, 6, 1, tzinfo=UTC), frozen=True)
    with refused("InvalidRequestException", 400, bound):
        iot.create_certificate_from_csr(certificateSigningRequest=csr())
    with refused("InvalidRequestException", 400, bound):
        iot.create_keys_and_certificate()


def test_an_ownership_token_that_is_gone_has_expired(own):
    assert own.expire_ownership_token(ownershipTokenId=UNKNOWN_ID)["expired"] is True

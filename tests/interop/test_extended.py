"""`mqtt.profile = "extended"`: what AWS IoT lacks, and `sekisho explain` telling that it does."""

from __future__ import annotations

import pytest

from interop.devices import until
from interop.places import UNLIMITED, place

EXTENDED = "mqtt.profile=extended"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with place(tmp_path_factory.mktemp("extended"), UNLIMITED, EXTENDED) as home:
        yield home


@pytest.fixture(params=[4, 5], ids=["3.1.1", "5"])
def version(request):
    return request.param


@pytest.fixture
def name(request):
    """A client id and topic of the test's own."""
    return request.node.name.translate(str.maketrans("[]", "--"))[:100]


@pytest.fixture
def writer(home, name):
    with home.online(f"w-{name}"[:100], 5) as wire:
        yield wire


def told(home, client_id, words):
    """What explain has about a client that AWS would have done otherwise; waits until there is something."""

    def found():
        return [r for r in home.refusals(client_id) if r["decision"] == "EXTENDED" and words in r["reason"]]

    return until(found)


# --- # -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("persistent", [False, True])
def test_hash_matches_its_parent(home, name, version, writer, persistent):
    """Section 4.7.1.2, which AWS deviates from."""
    wire = home.persistent(name, version)[0] if persistent else home.online(name, version)
    with wire:
        wire.subscribe(f"{name}/#")
        for topic in (name, f"{name}/a", f"{name}x", f"{name}/"):
            writer.publish(topic, b"", qos=1)
        topics = [wire.message().topic for _ in range(3)]
        assert topics == [name, f"{name}/a", f"{name}/"]
        assert wire.messages() == []
    (record,) = told(home, name, "/#")
    assert (record["action"], record["resource"]) == ("iot:Receive", name)
    assert record["effect"] == "it was delivered; AWS IoT delivers only what is below"


def test_a_session_that_is_away_gets_the_parent_too(home, name, version, writer):
    home.subscribed_and_gone(name, f"{name}/#", version=version)
    writer.publish(name, b"kept", qos=1)
    with home.persistent(name, version)[0] as wire:
        assert wire.message().payload == b"kept"


def test_a_filter_that_aws_would_match_too_is_not_told(home, name, writer):
    with home.online(name) as wire:
        wire.subscribe(f"{name}/#", name)
        writer.publish(name, b"", qos=1)
        assert wire.message().topic == name
    assert home.refusals(name) == []


def test_one_record_a_second_of_each_kind(home, name, writer):
    with home.online(name) as wire:
        wire.subscribe(f"{name}/+/#")
        for number in range(100):
            writer.publish(f"{name}/{number}", b"", qos=1)
        for _ in range(100):
            wire.message()
    assert 1 <= len(told(home, name, "/#")) < 100


def test_what_was_done_is_not_counted_as_refused(home, name, writer):
    before = home.own.describe_broker()["refused"]
    with home.online(name) as wire:
        wire.subscribe(f"{name}/#")
        writer.publish(name, b"", qos=1)
        wire.message()
    assert told(home, name, "/#")
    assert home.own.describe_broker()["refused"] == before

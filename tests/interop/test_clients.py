"""What every client must be able to do here, whoever wrote it: scenarios by clients.

The clients are in ``clients``. ``wire`` is the other end, made of plain bytes; ``line`` is the client's way
to the node, and cutting it is how a client vanishes. The device may use topics below ``matrix`` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from interop.clients import KINDS, Client, Door, Kind, Line, Loop
from interop.clients.javascript import JavaScript
from interop.devices import allow, until
from interop.packets import Will
from interop.wire import Wire

POLICY = [
    allow("Connect", "client/matrix-*"),
    allow("Publish", "topic/matrix/*"),
    allow("RetainPublish", "topic/matrix/*"),
    allow("Receive", "topic/matrix/*"),
    allow("Subscribe", "topicfilter/matrix/*", "topicfilter/$share/*/matrix/*"),
]


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def javascript() -> Iterator[None]:
    """The process of all JavaScript clients ends with these tests."""
    yield
    JavaScript.close_all()


@pytest.fixture(scope="module")
def matrix_device(device):
    return device("matrix", statements=POLICY)


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys(), scope="module")
def kind(request) -> Kind:
    if issubclass(request.param.make, JavaScript):
        request.getfixturevalue("javascript")
    return request.param


@pytest.fixture
def line(node, loop, kind) -> Iterator[Line]:
    line = Line(loop, node.address(kind.door))
    yield line
    line.close()


class Names(NamedTuple):
    """A test's own client id and topic."""

    client_id: str
    topic: str


@pytest.fixture
def name(request) -> Names:
    number = request.node.name.replace(" ", "_").replace("[", "/").replace("]", "").replace("-", "/")
    return Names(f"matrix-{number.replace('/', '-')}", f"matrix/{number.replace('.', '_')}")


@pytest.fixture
def client(kind, matrix_device, line, name):
    """Connects the client: its filters, and ``clean``, ``qos``, ``will`` as ``Client`` has them."""

    def connect(*filters: str, client_id: str = name.client_id, **more: Any) -> Client:
        return kind.make(Door(matrix_device, line), kind.version, client_id, *filters, **more)

    return connect


@pytest.fixture
def wire(matrix_device, name) -> Iterator[Wire]:
    with matrix_device.online(f"{name.client_id}-wire", 5) as wire:
        yield wire


# --- connect ------------------------------------------------------------------------------------------------


def test_it_connects(client, name, iot_data):
    with client() as here:
        assert here.session_present in (False, None)
        found = iot_data.get_connection(clientId=name.client_id)
        assert found["connected"]
        assert found["cleanSession"]


# --- publish and subscribe ----------------------------------------------------------------------------------

PAYLOADS = [b"", b"\x00\xff binary", "grüße".encode(), b"x" * 20_000]


@pytest.mark.parametrize("qos", [0, 1])
def test_it_publishes(client, wire, name, qos):
    wire.subscribe(name.topic)
    with client() as here:
        for payload in PAYLOADS:
            here.publish(name.topic, payload, qos)
            assert wire.message()[:3] == (name.topic, payload, qos)


@pytest.mark.parametrize("qos", [0, 1])
def test_it_subscribes(client, wire, name, qos):
    """To a wildcard; it gets the lower QoS of the publish and the subscription."""
    with client(f"{name.topic}/+", qos=qos) as here:
        for sent in (0, 1):
            for payload in PAYLOADS:
                wire.publish(f"{name.topic}/{sent}", payload, qos=sent)
                assert here.message() == (f"{name.topic}/{sent}", payload, min(qos, sent), False)


# --- persistent sessions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("away", ["left", "cut"])
def test_it_resumes_its_session_and_gets_what_waited(client, line, wire, name, iot_data, away):
    with client(name.topic, clean=False) as here:
        assert not here.session_present
        if away == "cut":
            line.cut()
            until(lambda: not iot_data.get_connection(clientId=name.client_id)["connected"])
    line.mend()
    wire.publish(name.topic, b"QoS 0 does not wait", qos=0)
    waiting = [b"%d" % number for number in range(3)]
    for payload in waiting:
        wire.publish(name.topic, payload)
    with client(clean=False) as here:
        assert here.session_present in (True, None)
        assert [message.payload for message in here.messages(len(waiting))] == waiting
        wire.publish(name.topic, b"live")
        assert here.message().payload == b"live"
    with client() as here:
        assert not here.session_present


# --- wills --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("qos", "retain"), [(0, False), (1, True)])
def test_its_will_is_published_when_it_vanishes(client, line, wire, name, qos, retain):
    wire.subscribe(name.topic)
    with client(will=Will(name.topic, b"last words", qos, retain)):
        line.cut()
        assert wire.message()[:3] == (name.topic, b"last words", qos)
    line.mend()
    if retain:
        with client(name.topic) as here:
            assert here.message() == (name.topic, b"last words", 1, True)
    wire.publish(name.topic, b"", retain=True)


def test_its_will_is_not_published_when_it_leaves(client, wire, name, iot_data):
    wire.subscribe(name.topic)
    with client(clean=False, will=Will(name.topic, b"last words", 1)) as here:
        pass
    until(lambda: not iot_data.get_connection(clientId=name.client_id)["connected"])
    wire.publish(name.topic, b"end")
    assert wire.message().payload == (b"end" if here.withdraws_will else b"last words")


# --- retained messages --------------------------------------------------------------------------------------


def test_it_is_given_retained_messages(client, wire, name, iot_data):
    """To a subscription that is exactly the topic, never to a wildcard (AWS IoT Developer Guide, MQTT)."""
    wire.publish(name.topic, b"kept", retain=True)
    with client(name.topic) as here:
        assert here.message() == (name.topic, b"kept", 1, True)
        wire.publish(name.topic, b"kept, too", retain=True)
        assert here.message() == (name.topic, b"kept, too", 1, False)
    parent = name.topic.rpartition("/")[0]
    with client(f"{parent}/+") as here:
        wire.publish(f"{parent}/end", b"end")
        assert here.message().payload == b"end"
    wire.publish(name.topic, b"", retain=True)


def test_it_retains(client, wire, name, iot_data):
    with client() as here:
        here.publish(name.topic, b"kept", retain=True)
        kept = iot_data.get_retained_message(topic=name.topic)
        assert (kept["payload"], kept["qos"]) == (b"kept", 1)
        here.publish(name.topic, b"", retain=True)
        with pytest.raises(iot_data.exceptions.ResourceNotFoundException):
            iot_data.get_retained_message(topic=name.topic)


# --- shared subscriptions -----------------------------------------------------------------------------------


def test_each_message_of_a_shared_subscription_goes_to_one_member(client, wire, name):
    """Chosen at random: one of two gets none of 30 messages in one run of half a milliard."""
    group = f"$share/g/{name.topic}"
    sent = [b"%d" % number for number in range(30)]
    with client(group) as one, client(group, client_id=f"{name.client_id}-2") as other:
        for payload in sent:
            wire.publish(name.topic, payload)
        until(lambda: one.inbox.qsize() + other.inbox.qsize() == len(sent))
        shares = [[got.payload for got in member.messages(member.inbox.qsize())] for member in (one, other)]
    assert sorted(shares[0] + shares[1]) == sorted(sent)
    assert all(shares)


def test_a_shared_subscription_waits_for_its_persistent_member(client, wire, name):
    group = f"$share/g/{name.topic}"
    with client(group, clean=False):
        pass
    wire.publish(name.topic, b"waits")
    with client(clean=False) as here:
        assert here.message() == (name.topic, b"waits", 1, False)
    with client():
        pass

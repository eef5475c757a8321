"""How long a client of a custom authorizer stays: refreshes, the end that its function sets, and what becomes
of it when the authorizer changes. The node may be asked for seconds, where AWS begins with five minutes."""

from __future__ import annotations

import json

import pytest

from interop.authorizing import create, events, last_refusal, query, username, wire
from interop.devices import Factory, allow, until
from interop.sockets import SocketWire
from interop.wire import Closed
from sekisho.mqtt.reasons import Reason


@pytest.fixture(scope="module")
def iot(gate):
    return gate.client("iot")


@pytest.fixture(scope="module")
def plain(iot):
    return create(iot, "plain-times")


class Function:
    """What the function answers to one client, and how often it was called for it."""

    def __init__(self, folder, authorizer):
        self.answers = folder / "answers"
        self.record = folder / "events"
        self.username = username(name=authorizer, answers=self.answers, record=self.record)
        self.query = query(name=authorizer, answers=self.answers, record=self.record)

    def allows(self, *topics, **more):
        statements = [
            allow("Connect", "*"),
            allow("Publish", *(f"topic/{one}" for one in topics)),
            allow("Subscribe", "*"),
            allow("Receive", "*"),
        ]
        document = {"Version": "2012-10-17", "Statement": statements}
        grant = {"isAuthenticated": True, "principalId": "a", "policyDocuments": [document]}
        self.answer(grant | more)

    def answer(self, document):
        new = self.answers.with_suffix(".new")
        new.write_text(json.dumps(document))
        new.rename(self.answers)

    @property
    def calls(self):
        return len(events(self.record))


@pytest.fixture
def function(tmp_path, plain):
    return Function(tmp_path, plain)


@pytest.fixture(params=["mqtt", "websocket"])
def connect(request, gate, function):
    """Makes a connection that its authorizer has let in."""

    def connect(client_id, version=5):
        client = wire(gate) if request.param == "mqtt" else SocketWire(gate, f"/mqtt?{function.query}")
        user = function.username if request.param == "mqtt" else None
        assert client.connect(client_id, version, username=user).code == 0
        return client

    return connect


def test_a_refresh_brings_other_policies_to_the_live_connection(function, connect, name):
    function.allows("first", refreshAfterInSeconds=1)
    with connect(name) as client:
        client.subscribe("second")
        assert client.publish("first", b"", qos=1) in (Reason.SUCCESS, Reason.NO_MATCHING_SUBSCRIBERS)
        assert client.publish("second", b"no", qos=1) == Reason.NOT_AUTHORIZED
        function.allows("second", refreshAfterInSeconds=1)
        until(lambda: client.publish("second", b"yes", qos=1) == Reason.SUCCESS)
        assert client.message().payload == b"yes"
        assert client.publish("first", b"", qos=1) == Reason.NOT_AUTHORIZED
        calls = function.calls
        until(lambda: function.calls >= calls + 2)  # again and again
        client.ping()
    first, second, *_ = events(function.record)
    assert first == second


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"isAuthenticated": False}, "does not authenticate"),
        ({"isAuthenticated": 1}, "isAuthenticated is a number"),
        ([], "answered a list"),
    ],
)
def test_a_refresh_that_fails_ends_the_connection(gate, function, connect, name, answer, words):
    function.allows("first", refreshAfterInSeconds=1)
    with connect(name) as client:
        function.answer(answer)
        assert client.until_closed() == Reason.NOT_AUTHORIZED
    assert words in last_refusal(gate, clientId=name)["reason"]


def test_a_refresh_that_takes_the_connect_away_ends_the_connection(gate, function, connect, name):
    function.allows("first", refreshAfterInSeconds=1)
    with connect(name) as client:
        function.answer({"isAuthenticated": True, "principalId": "a", "policyDocuments": []})
        assert client.until_closed() == Reason.NOT_AUTHORIZED


def test_the_connection_ends_when_its_time_is_over(gate, iot, function, connect, name, tmp_path):
    device = Factory(gate, iot, tmp_path)("observer", statements=[allow("*", "*")])
    # What a refresh says of the end does not count.
    function.allows("first", disconnectAfterInSeconds=2, refreshAfterInSeconds=1)
    with device.online(f"observer-{name}"[:100]) as observer:
        observer.subscribe(f"$aws/events/presence/disconnected/{name}")
        with connect(name) as client:
            function.allows("first", disconnectAfterInSeconds=86400)
            assert client.until_closed() == Reason.MAXIMUM_CONNECT_TIME
        event = json.loads(observer.message().payload)
    assert event["disconnectReason"] == "CUSTOMAUTH_TTL_EXPIRATION"
    assert event["clientInitiatedDisconnect"] is False


def test_a_client_of_3_1_1_is_closed_when_its_time_is_over(function, connect, name):
    function.allows("first", disconnectAfterInSeconds=1)
    with connect(name, 4) as client, pytest.raises(Closed):
        client.message()


@pytest.mark.parametrize("seconds", [0, 86401])
def test_times_out_of_their_range_let_nobody_in(gate, function, name, seconds):
    function.allows("first", disconnectAfterInSeconds=seconds)
    with wire(gate) as client:
        assert client.connect(name, 5, username=function.username).code == Reason.NOT_AUTHORIZED
    assert f"disconnectAfterInSeconds is {seconds}, not 1 to 86400" in last_refusal(gate)["reason"]


def test_a_deactivated_authorizer_holds_until_the_refresh(gate, iot, tmp_path, name):
    create(iot, name)
    function = Function(tmp_path, name)
    function.allows("first")
    lasting = function.username
    with wire(gate) as stays:
        until(lambda: accepted(gate, f"probe-{name}"[:100], lasting))
        assert stays.connect(f"stays-{name}"[:100], 5, username=lasting).code == 0
        function.allows("first", refreshAfterInSeconds=1)
        with wire(gate) as goes:
            assert goes.connect(f"goes-{name}"[:100], 5, username=lasting).code == 0
            iot.update_authorizer(authorizerName=name, status="INACTIVE")
            iot.delete_authorizer(authorizerName=name)
            assert goes.until_closed() == Reason.NOT_AUTHORIZED
        assert stays.publish("first", b"", qos=1) in (Reason.SUCCESS, Reason.NO_MATCHING_SUBSCRIBERS)
    assert "does not exist" in last_refusal(gate, clientId=f"goes-{name}"[:100])["reason"]


def accepted(node, client_id, user):
    with wire(node) as client:
        return client.connect(client_id, 5, username=user).code == 0

"""iot-data: SendDirectMessage."""

from __future__ import annotations

import contextlib

import pytest

from api.data_plane import CONTENT, USER, refused
from api.data_plane import device as device
from api.data_plane import name as name
from interop.devices import allow


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("confirmation", [False, True])
def test_a_message_to_one_client_that_has_not_subscribed(data, device, name, version, confirmation):
    # A larger timeout is of no account: nobody waits for it.
    with device.online(name, version) as wire, device.online(f"other-{name}", version) as other:
        other.subscribe(name)
        wire.sock.settimeout(0.1)
        acknowledging = contextlib.nullcontext()
        if confirmation:
            acknowledging = Acknowledging(wire)
        with acknowledging:
            answer = data.send_direct_message(
                clientId=name,
                topic=name,
                payload=b"only you",
                confirmation=confirmation,
                userProperties=[{"a": "1"}],
                contentType="x",
            )
        assert (answer["message"], bool(answer["traceId"])) == ("OK", True)
        message = wire.message()
        assert (message.topic, message.payload, message.qos) == (name, b"only you", int(confirmation))
        if version == 5:
            assert message.properties == {USER: [(b"a", b"1")], CONTENT: b"x"}
        assert other.messages() == []


class Acknowledging:
    """Reads, and so acknowledges, one message on the side."""

    def __init__(self, wire):
        from threading import Thread

        self._thread = Thread(target=lambda: wire._inbox.append(wire.publication()))

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *error):
        self._thread.join(15)
        assert not self._thread.is_alive()


def test_a_client_that_does_not_acknowledge(data, device, name):
    with device.online(name) as wire:
        with refused("GatewayTimeoutException", 504, name):
            data.send_direct_message(clientId=name, topic="a", confirmation=True, timeout=1)
        assert wire.message().qos == 1


def test_a_client_that_is_away_gets_nothing(data, device, name):
    with device.online(name, clean=False) as wire:
        wire.disconnect()
    with refused("ResourceNotFoundException", 404, name, "not connected"):
        data.send_direct_message(clientId=name, topic="a", payload=b"x")
    with device.online(name, clean=False) as wire:
        assert wire.messages() == []


def test_a_receiver_needs_the_right_to_receive(data, own, factory):
    statements = [allow("Connect", "client/*"), allow("Receive", "topic/mine/*")]
    device = factory(statements=statements)
    with device.online() as wire:
        data.send_direct_message(clientId=device.name, topic="mine/x", payload=b"x")
        with refused("ForbiddenException", 403, device.name, "yours/x"):
            data.send_direct_message(clientId=device.name, topic="yours/x", payload=b"x")
        assert [message.topic for message in wire.messages()] == ["mine/x"]
        # Said for once, and explained: it is the receiver's policy that is wanting.
        [refusal] = own.list_refusals(clientId=device.name)["refusals"]
        assert (refusal["action"], refusal["decision"]) == ("iot:Receive", "IMPLICIT_DENY")


def test_a_packet_that_is_larger_than_the_client_takes(data, device, name):
    with device.online(name, 5, properties=b"\x27\x00\x00\x00\x64") as wire:
        for confirmation in (False, True):
            with refused("RequestEntityTooLargeException", 413, name):
                data.send_direct_message(
                    clientId=name, topic="a", payload=bytes(100), confirmation=confirmation
                )
        assert wire.messages() == []


@pytest.mark.parametrize(
    ("members", "code", "status"),
    [
        ({"payload": bytes(131_073)}, "RequestEntityTooLargeException", 413),
        ({"topic": "a/+"}, "InvalidRequestException", 400),
        ({"topic": "$aws/things/x/shadow/update"}, "InvalidRequestException", 400),
        ({"confirmation": True, "timeout": 0}, "InvalidRequestException", 400),
        ({"confirmation": True, "timeout": 16}, "InvalidRequestException", 400),
        ({"clientId": "$x"}, "InvalidRequestException", 400),
    ],
)
def test_what_a_direct_message_must_not_be(data, members, code, status):
    with refused(code, status):
        data.send_direct_message(**{"clientId": "x", "topic": "a"} | members)

"""The cases of the codec's tables as a client's bytes, at a connection."""

import pytest

from sekisho.mqtt.codec import Framer, decode, encode
from sekisho.mqtt.connection import Connection, State
from sekisho.mqtt.packets import Connack, Disconnect, Violation
from sekisho.mqtt.profile import EXTENDED, STRICT, Limits
from sekisho.mqtt.reasons import ALLOWED
from unit.mqtt.bad_cases import BAD
from unit.mqtt.cases import GOOD, LONG, N, connect

FROM_SERVER = {0x20: "CONNACK", 0x90: "SUBACK", 0xB0: "UNSUBACK", 0xD0: "PINGRESP"}

# Well-formed, but not what this server takes from a client -> reason.
NOT_TAKEN = {
    "3.1.3 CONNECT, empty client identifier": 0x85,
    "3.1.2.11 CONNECT 5, every property": 0x8C,
    "3.3.2.3.4 PUBLISH 5, alias only": 0x82,
    "3.3.2.3.8 PUBLISH 5, several subscription identifiers": 0x82,
    "3.14.2.2 DISCONNECT 5, session expiry": 0x82,
}


def fresh(version, raw):
    """A connection that may be sent these bytes: at its start for a CONNECT, else open."""
    connection = Connection(EXTENDED, Limits(), 0.0)
    if raw[0] >> 4 != 1:
        connection.receive(encode(connect(version), version), 0.0)
        connection.accept(False, None, N)
        connection.data_to_send()
    return connection


def expected(name, packet, raw):
    if raw[0] & 0xF0 in FROM_SERVER or raw[0] >> 4 == 15:
        return 0x82
    return NOT_TAKEN.get(name, packet)


@pytest.mark.parametrize("pieces", ["whole", "byte by byte"])
@pytest.mark.parametrize("name", [*GOOD, *LONG])
def test_what_is_well_formed(name, pieces):
    version, text, packet = (GOOD | LONG)[name]
    raw = bytes.fromhex(text)
    connection = fresh(version, raw)
    steps = [raw] if pieces == "whole" else [raw[at : at + 1] for at in range(len(raw))]
    (heard,) = [packet for step in steps for packet in connection.receive(step, 1.0)]
    found = heard.reason if isinstance(heard, Violation) else heard
    assert found == expected(name, packet, raw)


@pytest.mark.parametrize("profile", [STRICT, EXTENDED], ids=["strict", "extended"])
@pytest.mark.parametrize("name", BAD)
def test_what_is_malformed_ends_the_connection(name, profile):
    """With its reason, where the version has a packet that says it [MQTT-4.13.1-1] [MQTT-3.1.4-1]
    [3.1.1 MQTT-4.8.0-1] [3.1.1 MQTT-3.1.4-1]."""
    version, text, reason, words = BAD[name]
    raw = bytes.fromhex(text)
    connection = fresh(version, raw)
    connection.profile = profile
    (heard,) = connection.receive(raw + b"\xc0\0", 1.0)
    assert isinstance(heard, Violation)
    if raw[0] in FROM_SERVER:
        assert (heard.reason, heard.text) == (0x82, f"{FROM_SERVER[raw[0]]} is not a client's to send")
    else:
        assert heard.reason == reason
        assert words in heard.text
    assert connection.receive(b"\xc0\0", 2.0) == []
    said_version = connection.version
    connection.disconnect(*heard)
    assert connection.state is State.CLOSED
    answers = [
        decode(first, body, said_version or 4) for first, body in Framer().feed(connection.data_to_send())
    ]
    if raw[0] >> 4 != 1:
        told = Disconnect(heard.reason, {"reason_string": heard.text})
        assert answers == ([told] if version == 5 else [])
    elif said_version == 5:
        assert answers == [Connack(heard.reason, False, {"reason_string": heard.text})]
    elif profile is EXTENDED and heard.reason == 0x84:
        assert answers == [Connack(0x84, False, N)]
    else:
        assert answers == []


def test_every_packet_type_is_among_the_cases():
    good = {type(packet).__name__.upper() for _, _, packet in GOOD.values()}
    assert good >= set(ALLOWED) | {"CONNECT", "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ", "PINGRESP"}
    assert {bytes.fromhex(text)[0] >> 4 for _, text, _, _ in BAD.values()} == set(range(16)) - {5, 7}
    assert set(NOT_TAKEN) <= set(GOOD)

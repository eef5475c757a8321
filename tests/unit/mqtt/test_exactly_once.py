"""QoS 2 from a client as a table: what each packet means after those before it (section 4.3.3)."""

import pytest

from sekisho.mqtt.exactly_once import MOST, Arrival, Received

# name -> steps; `PUBLISH` and `PUBREL` are the client's, `taken` and `released` the server's.
CASES = {
    "MQTT-4.3.3-8 a new message": [("PUBLISH", Arrival.NEW)],
    "MQTT-4.3.3-10 again after PUBREC": [
        ("PUBLISH", Arrival.NEW),
        ("taken", None),
        ("PUBLISH", Arrival.AGAIN),
    ],
    "again before PUBREC": [("PUBLISH", Arrival.NEW), ("PUBLISH", Arrival.PENDING)],
    "MQTT-4.3.3-11 released": [
        ("PUBLISH", Arrival.NEW),
        ("taken", None),
        ("PUBREL", Arrival.RELEASE),
        ("PUBREL", Arrival.PENDING),
        ("released", None),
    ],
    "MQTT-4.3.3-10 again between PUBREL and PUBCOMP": [
        ("PUBLISH", Arrival.NEW),
        ("taken", None),
        ("PUBREL", Arrival.RELEASE),
        ("PUBLISH", Arrival.AGAIN),
    ],
    "MQTT-4.3.3-12 new after PUBCOMP": [
        ("PUBLISH", Arrival.NEW),
        ("taken", None),
        ("PUBREL", Arrival.RELEASE),
        ("released", None),
        ("PUBLISH", Arrival.NEW),
    ],
    "3.7.2.1 PUBREL of nothing": [("PUBREL", Arrival.UNKNOWN)],
    "3.7.2.1 PUBREL after PUBCOMP": [
        ("PUBLISH", Arrival.NEW),
        ("taken", None),
        ("PUBREL", Arrival.RELEASE),
        ("released", None),
        ("PUBREL", Arrival.UNKNOWN),
    ],
    "PUBREL before PUBREC": [("PUBLISH", Arrival.NEW), ("PUBREL", Arrival.EARLY)],
}


@pytest.mark.parametrize("name", CASES)
def test_what_arrives(name):
    received = Received()
    for step, expected in CASES[name]:
        match step:
            case "PUBLISH":
                arrival = received.publish(7)
                assert arrival is expected
                if arrival is Arrival.NEW:
                    received.taking(7)
            case "PUBREL":
                assert received.release(7) is expected
            case "taken":
                received.taken(7)
            case "released":
                received.released(7)
    assert received.publish(8) is Arrival.NEW  # another identifier is another exchange


def test_what_a_session_kept():
    received = Received()
    received.resume([3])
    assert received.publish(3) is Arrival.AGAIN
    assert received.release(3) is Arrival.RELEASE
    assert received.publish(4) is Arrival.NEW


def test_there_is_an_end():
    received = Received()
    received.resume(list(range(1, MOST + 1)))
    assert received.publish(MOST + 1) is Arrival.FULL
    assert received.publish(MOST) is Arrival.AGAIN
    received.release(1)
    received.released(1)
    assert received.publish(MOST + 1) is Arrival.NEW

"""Scripts of a connection's beginning: CONNECT, what it is answered, and its deadlines."""

from dataclasses import replace

import pytest

from sekisho.mqtt.codec import encode
from sekisho.mqtt.connection import Connection, State, effective_keep_alive
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Auth, Connack, Disconnect, Pingreq, Pingresp, Puback, Suback
from sekisho.mqtt.profile import EXTENDED, STRICT
from unit.mqtt.scripts import LIMITS, N, connect, opened, publish, sent, subscribe, told, violation, will

# -- CONNECT


@pytest.mark.parametrize("version", [4, 5])
def test_a_whole_life(version):
    connection = Connection(STRICT, LIMITS, 0.0)
    assert (connection.state, connection.version) == (State.AWAITING_CONNECT, 0)
    packet = connect(version)
    assert connection.receive(encode(packet, version), 1.0) == [packet]
    assert (connection.state, connection.version) == (State.CONNECTING, version)
    connection.accept(True, 60, N)
    assert connection.state is State.OPEN
    assert sent(connection) == [Connack(0, True, N)]
    assert told(connection, subscribe("a/#")) == [subscribe("a/#")]
    connection.send(Suback(1, (0,), N))
    connection.queue(Message("1", "r", "a/b", b"hi").wire(version))
    assert connection.pending > 0
    assert sent(connection) == [Suback(1, (0,), N), publish()]
    assert connection.pending == 0
    assert connection.data_to_send() == b""
    assert told(connection, Pingreq()) == [Pingreq()]
    assert connection.data_to_send() == b""  # nothing is answered by itself
    connection.send(Pingresp())
    assert sent(connection) == [Pingresp()]
    assert told(connection, Disconnect(0, N)) == [Disconnect(0, N)]
    assert told(connection, Pingreq()) == []  # [MQTT-3.14.4-1] [3.1.1 MQTT-3.14.4-2]
    connection.disconnect(0x8B)
    assert connection.data_to_send() == b""
    assert (connection.state, connection.deadline) == (State.CLOSED, None)


def test_what_the_peer_wants_is_read_from_connect():
    connection = opened(
        receive_maximum=3, maximum_packet_size=1000, topic_alias_maximum=7, request_problem_information=0
    )
    assert connection.peer_receive_maximum == 3
    assert connection.peer_maximum_packet_size == 1000
    assert connection.peer_alias_maximum == 7
    assert connection.wants_problem_information is False
    plain = opened()
    assert (plain.peer_receive_maximum, plain.peer_alias_maximum) == (65535, 0)
    assert plain.wants_problem_information is True


def test_packets_behind_connect_come_with_it():
    """A client may send without waiting for the CONNACK (section 3.1.4)."""
    connection = Connection(STRICT, LIMITS, 0.0)
    raw = encode(connect(), 5) + encode(publish(), 5) + encode(Pingreq(), 5)
    assert connection.receive(raw, 1.0) == [connect(), publish(), Pingreq()]
    assert connection.state is State.CONNECTING


LEVEL_3 = bytes.fromhex("100f 0006 4d5149736470 03 02 003c 0001 63")
LEVEL_6 = bytes.fromhex("100d 0004 4d515454 06 02 003c 0001 63")

# name -> (profile, packet or bytes, reason)
REFUSED = {
    "MQTT-3.1.0-1, 3.1.1 MQTT-3.1.0-1 first packet": (STRICT, encode(publish(), 4), 0x82),
    "MQTT-3.1.0-1 first byte alone": (STRICT, b"G", 0x82),
    "3.1.2.2 level 3": (STRICT, LEVEL_3, 0x84),
    "MQTT-3.1.2-2, 3.1.1 MQTT-3.1.2-2 level 6": (EXTENDED, LEVEL_6, 0x84),
    "3.1.1 MQTT-3.1.3-8 empty identifier, session kept": (EXTENDED, connect(4, "", clean=False), 0x85),
    "3.1.1 MQTT-3.1.3-9 identifier rejected": (EXTENDED, connect(4, "$c"), 0x85),
    "AWS: empty identifier in 3.1.1": (STRICT, connect(4, ""), 0x85),
    "AWS: identifier starts with $": (STRICT, connect(4, "$c"), 0x85),
    "MQTT-3.1.3-8 AWS: identifier starts with $ in 5": (STRICT, connect(5, "$c"), 0x85),
    "AWS: identifier of 129 bytes": (STRICT, connect(5, "a" + "ä" * 64), 0x85),
    "MQTT-3.2.2-12 will of QoS 2": (STRICT, connect(will=will(qos=2)), 0x9B),
    "will of QoS 2 in 3.1.1": (STRICT, connect(4, will=will(qos=2)), 0x9B),
    "will topic with a wildcard": (STRICT, connect(will=will("a/#")), 0x90),
    "empty will topic": (STRICT, connect(4, will=will("")), 0x90),
    "will topic too deep": (STRICT, connect(will=will("a/b/c/d/e/f/g/h/i")), 0x90),
    "MQTT-3.2.2-13 retained will": (
        replace(STRICT, retain_available=False),
        connect(will=will(retain=True)),
        0x9A,
    ),
    "will delay": (replace(STRICT, will_delay=False), connect(will=will(will_delay_interval=5)), 0x83),
    "MQTT-3.3.2-14 response topic of the will": (STRICT, connect(will=will(response_topic="+")), 0x82),
    "MQTT-4.12.0-1 enhanced authentication": (STRICT, connect(authentication_method="m"), 0x8C),
    "receive maximum 0": (STRICT, bytes.fromhex("1010 0004 4d515454 05 02 003c 03 210000 0000"), 0x82),
    "packet too large": (STRICT, b"\x10\xff\xff\x7f", 0x95),
    "length of five bytes": (STRICT, b"\x10\xff\xff\xff\xff", 0x81),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_connect_that_is_refused(name):
    """[MQTT-3.2.2-6] [MQTT-3.2.2-7] [3.1.1 MQTT-3.2.2-4] [3.1.1 MQTT-3.2.2-5]"""
    profile, packet, reason = REFUSED[name]
    raw = packet if isinstance(packet, bytes) else encode(packet, 4)
    connection = Connection(profile, LIMITS, 0.0)
    packets = connection.receive(raw, 1.0)
    assert violation(packets).reason == reason
    assert len(packets) == 1
    assert packets[0].text
    assert connection.receive(encode(connect(), 5), 2.0) == []
    connection.disconnect(*packets[0])
    assert connection.state is State.CLOSED
    answer = sent(connection)
    if connection.version == 5:
        assert answer == [Connack(reason, False, {"reason_string": packets[0].text})]
    elif profile.silent_refusal_v3:
        assert answer == []
    else:
        assert answer == [Connack(reason, False, N)]


def test_a_will_too_large():
    limits = replace(LIMITS, payload=10)
    connection = Connection(STRICT, limits, 0.0)
    assert violation(connection.receive(encode(connect(will=will(payload=bytes(11))), 5), 1.0)).reason == 0x97
    assert opened(limits=limits, will=will(payload=bytes(10))).state is State.OPEN


@pytest.mark.parametrize("client_id", ["c", "a" * 128, "ä" * 64, "a/b#+ $", ""])
def test_client_identifiers_that_are_fine(client_id):
    assert opened(5, client_id=client_id).state is State.OPEN


def test_enhanced_authentication_where_there_is_one():
    connection = opened(profile=replace(STRICT, enhanced_auth=True), authentication_method="m")
    packet = Auth(0x19, {"authentication_method": "m"})
    assert told(connection, packet) == [packet]


@pytest.mark.parametrize(
    ("profile", "reason", "answer"),
    [
        (EXTENDED, 0x87, [Connack(0x87, False, N)]),
        (EXTENDED, 0x86, [Connack(0x86, False, N)]),
        (EXTENDED, 0x9B, []),  # [3.1.1 MQTT-3.2.2-6]: no return code says so
        (STRICT, 0x87, []),
        (STRICT, 0x86, [Connack(0x86, False, N)]),  # AWS answers a custom authorizer's refusal
    ],
)
def test_refusing_3_1_1(profile, reason, answer):
    connection = Connection(profile, LIMITS, 0.0)
    connection.receive(encode(connect(4), 4), 1.0)
    connection.refuse(reason, "no")
    assert sent(connection) == answer
    assert connection.state is State.CLOSED


def test_a_reason_that_the_packet_cannot_carry_becomes_unspecified():
    """[MQTT-3.2.2-8] [MQTT-3.14.2-1]"""
    connection = Connection(STRICT, LIMITS, 0.0)
    connection.receive(encode(connect(), 5), 1.0)
    connection.refuse(0x8E, "")
    assert sent(connection) == [Connack(0x80, False, N)]
    connection = opened()
    connection.disconnect(0x85)
    assert sent(connection) == [Disconnect(0x80, N)]


def test_a_reason_string_that_does_not_fit_is_left_out():
    """[MQTT-3.14.2-3]"""
    connection = opened(maximum_packet_size=20)
    connection.disconnect(0x87, "x" * 50)
    assert sent(connection) == [Disconnect(0x87, N)]
    connection = opened()
    connection.disconnect(0x87, "x" * 70_000)
    assert sent(connection) == [Disconnect(0x87, {"reason_string": "x" * 1000})]


def test_a_reason_string_of_a_puback_that_does_not_fit_is_left_out():
    """[MQTT-3.4.2-2]"""
    connection = opened(maximum_packet_size=13)
    connection.acknowledge(1, 0x87, "shrt")
    connection.acknowledge(2, 0x87, "longer")
    assert sent(connection) == [Puback(1, 0x87, {"reason_string": "shrt"}), Puback(2, 0x87, N)]


@pytest.mark.parametrize(("size", "takes"), [(7, False), (8, True)])
def test_a_connack_that_is_larger_than_the_peer_takes(size, takes):
    connection = Connection(STRICT, LIMITS, 0.0)
    connection.receive(encode(connect(maximum_packet_size=size), 5), 1.0)
    assert connection.takes({"server_keep_alive": 60}) is takes
    connection.accept(False, None, {"server_keep_alive": 60})
    assert sent(connection) == ([Connack(0, False, {"server_keep_alive": 60})] if takes else [])


def test_answers_out_of_turn():
    connection = Connection(STRICT, LIMITS, 0.0)
    with pytest.raises(RuntimeError):
        connection.accept(False, None, N)
    with pytest.raises(RuntimeError):
        connection.send(Pingresp())
    connection = opened()
    with pytest.raises(RuntimeError):
        connection.accept(False, None, N)
    with pytest.raises(RuntimeError):
        connection.refuse(0x87, "")
    connection.disconnect(0x8B)
    connection.data_to_send()
    connection.accept(False, None, N)
    connection.refuse(0x87, "")
    connection.disconnect(0x8B)
    connection.send(Pingresp())
    connection.acknowledge(1)
    connection.acknowledge(1, 0x87, "no")
    assert connection.publish("a", b"", 1, False, N, "token") == 0
    assert connection.receive(encode(Pingreq(), 5), 2.0) == []
    assert connection.data_to_send() == b""
    assert connection.state is State.CLOSED


# -- time


@pytest.mark.parametrize(
    ("requested", "effective"),
    [(0, 1200), (1, 30), (29, 30), (30, 30), (60, 60), (1200, 1200), (65535, 1200)],
)
def test_effective_keep_alive(requested, effective):
    assert effective_keep_alive(requested, LIMITS) == effective


def test_deadlines():
    connection = Connection(STRICT, LIMITS, 100.0)
    assert connection.deadline == 110.0
    raw = encode(connect(keep_alive=60), 5)
    connection.receive(raw[:5], 101.0)
    assert connection.deadline == 110.0
    connection.receive(raw[5:], 102.0)
    assert connection.deadline == 102.0 + 90
    connection.accept(False, 40, N)
    assert connection.deadline == 102.0 + 60
    ping = encode(Pingreq(), 5)
    connection.receive(ping[:1], 120.0)
    assert connection.deadline == 102.0 + 60  # [MQTT-3.1.2-22], [3.1.1 MQTT-3.1.2-24]: packets, not bytes
    connection.receive(ping[1:], 121.0)
    assert connection.deadline == 121.0 + 60
    connection.disconnect(0x8D)
    assert connection.deadline is None


def test_no_keep_alive_no_deadline():
    connection = Connection(STRICT, LIMITS, 0.0)
    connection.receive(encode(connect(), 5), 1.0)
    connection.accept(False, 0, N)
    assert connection.deadline is None
    told(connection, Pingreq())
    assert connection.deadline is None

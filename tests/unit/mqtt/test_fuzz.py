"""Random and mutated bytes: only documented outcomes; and cutting a stream differently changes nothing."""

import random
from dataclasses import replace

import pytest

from sekisho.mqtt.codec import Framer, MalformedPacket, decode, encode
from sekisho.mqtt.connection import Connection, State
from sekisho.mqtt.packets import (
    NO_PROPERTIES,
    Connect,
    Disconnect,
    Pingreq,
    Puback,
    Publish,
    Pubrel,
    Subscribe,
    Subscription,
    Unsubscribe,
    Violation,
    Will,
)
from sekisho.mqtt.profile import EXTENDED, STRICT, Limits
from sekisho.mqtt.reasons import Reason

N = NO_PROPERTIES
USER = {"user_property": (("k", "v"), ("k", "ä"))}


def script(version):
    props = USER if version == 5 else N
    alias = {"topic_alias": 3} if version == 5 else N
    will = Will("w/t", b"gone", 1, True, {"will_delay_interval": 5, **USER} if version == 5 else N)
    yield Connect(version, "client", True, 60, "user", b"pass", will, props)
    yield Subscribe(
        1, (Subscription("a/#", 1, False, False, 0), Subscription("$share/g/+", 0, False, False, 0)), props
    )
    yield Publish("a/b", b"x" * 200, 0, False, False, 0, alias)
    yield Publish("" if version == 5 else "a", b"", 1, True, False, 9, alias)
    yield Puback(1, 0x10 if version == 5 else 0, N)
    yield Publish(
        "c/ü", bytes(range(256)), 2, False, True, 10, {"content_type": "t", **USER} if version == 5 else N
    )
    yield Pubrel(10, 0, N)
    yield Unsubscribe(2, ("a/#", "b"), props)
    yield Pingreq()
    yield Disconnect(4 if version == 5 else 0, props)


STREAMS = {version: b"".join(encode(packet, version) for packet in script(version)) for version in (4, 5)}
LIMITS = replace(Limits(), packet=2000, payload=1000)


def run(pieces, profile):
    connection = Connection(profile, LIMITS, 0.0)
    packets = []
    for now, piece in enumerate(pieces):
        packets += connection.receive(piece, float(now))
    return packets, connection.version, connection.state


def judge(packets):
    for packet in packets[:-1]:
        assert not isinstance(packet, Violation)
    if packets and isinstance(packets[-1], Violation):
        assert packets[-1].reason in Reason._value2member_map_
        assert packets[-1].text


def mutated(rng, raw):
    data = bytearray(raw)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0 if at < len(data):
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 1 if at < len(data) and len(data) > 1:
                del data[at : at + rng.randint(1, 4)]
                data = data or bytearray(b"\x10")
            case 2:
                data[at:at] = rng.randbytes(rng.randint(1, 4))
            case 3:
                data[at:at] = data[at : at + rng.randint(1, 30)]
    return bytes(data)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("profile", [replace(STRICT, will_delay=True), EXTENDED])
def test_a_cut_anywhere_gives_the_same_packets(version, profile):
    raw = STREAMS[version]
    whole = run([raw], profile)
    assert len(whole[0]) > 3
    assert whole == run([raw[at : at + 1] for at in range(len(raw))], profile)
    for cut in range(len(raw) + 1):
        assert run([raw[:cut], raw[cut:]], profile) == whole


def test_the_whole_script_is_read():
    for version in (4, 5):
        packets, seen, state = run([STREAMS[version]], EXTENDED)
        assert len(packets) == len(list(script(version)))
        assert not isinstance(packets[-1], Violation)
        assert (seen, state) == (version, State.CONNECTING)


def test_random_bytes_into_decode():
    rng = random.Random(1)
    outcomes = set()
    for _ in range(8000):
        first = rng.choice((rng.randrange(256), rng.randrange(16) << 4 | rng.choice((0, 2))))
        body = rng.choice((b"", b"\0\1a", b"\0\1\0", b"\0\4MQTT\5\2\0\0")) + rng.randbytes(rng.randrange(20))
        version = rng.choice((4, 5))
        try:
            packet = decode(first, body, version)
        except MalformedPacket as error:
            assert error.text
            outcomes.add(error.reason)
        else:
            outcomes.add(type(packet).__name__)
            again = encode(packet, version)
            ((first, body),) = Framer().feed(again)
            assert decode(first, body, version) == packet
    assert {0x81, 0x82, 0x84, "Publish", "Puback", "Pingreq"} <= outcomes


def test_mutated_streams_into_a_connection():
    rng = random.Random(2)
    ends = set()
    for number in range(8000):
        raw = mutated(rng, STREAMS[rng.choice((4, 5))])
        profile = rng.choice((STRICT, EXTENDED))
        whole = run([raw], profile)
        judge(whole[0])
        ends.add(whole[0][-1].reason if whole[0] and isinstance(whole[0][-1], Violation) else None)
        if number % 4 == 0:
            cuts = sorted(rng.randrange(len(raw) + 1) for _ in range(rng.randint(1, 5)))
            pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
            assert run(pieces, profile) == whole
    assert {0x81, 0x82, 0x84, 0x90, 0x95, 0x9B, None} <= ends


def test_random_bytes_into_an_open_connection():
    rng = random.Random(3)
    for _ in range(4000):
        version = rng.choice((4, 5))
        connection = Connection(rng.choice((STRICT, EXTENDED)), LIMITS, 0.0)
        connection.receive(encode(next(script(version)), version), 0.0)
        if connection.state is State.CONNECTING:
            connection.accept(False, None, N)
        packets = connection.receive(rng.randbytes(rng.randrange(1, 60)), 1.0)
        judge(packets)
        for packet in packets:
            if isinstance(packet, Violation):
                connection.disconnect(packet.reason, packet.text)
                assert connection.state is State.CLOSED

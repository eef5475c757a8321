"""MQTT over WebSocket without a socket: frames against wsproto's client, upgrades against their rules."""

import base64
import json
import os
import random

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, Request, TextMessage

from interop.packets import packet
from sekisho.broker.frames import MESSAGE, WHOLE, Frames, framed, framed_each
from sekisho.broker.upgrade import HEADERS, BadUpgrade, Upgrade, opens, refusal

SIZES = [0, 1, 2, 3, 4, 5, 125, 126, 127, 128, 200, 65_535, 65_536, 70_001]


@pytest.fixture
def client():
    return Connection(ConnectionType.CLIENT)


@pytest.fixture
def frames():
    return Frames(Connection(ConnectionType.SERVER))


def payload_of(frames, data, step):
    """What comes out when the data comes in pieces."""
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    return b"".join(payload for piece in pieces for payload in frames.receive(piece))


def frame(first, payload, *, mask=b"abcd"):
    """A masked frame of fewer than 126 bytes."""
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([first, 0x80 | len(payload)]) + mask + masked


# --- what comes in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_frame_is_its_payload(client, frames, size):
    payload = os.urandom(size)
    assert frames.receive(client.send(BytesMessage(payload))) == [payload]
    assert not frames.unusual


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000, 16_384])
def test_a_frame_may_come_in_any_pieces(client, frames, size, step):
    """[MQTT-6.0.0-2] [3.1.1 MQTT-6.0.0-2]"""
    if size > 1000 and step < 7:
        step *= 997
    payload = os.urandom(size)
    data = client.send(BytesMessage(payload)) + client.send(BytesMessage(b"next"))
    assert payload_of(frames, data, step) == payload + b"next"


@pytest.mark.parametrize("step", [1, 5, 100, 10_000])
def test_a_message_may_be_fragmented_with_pings_in_between(client, frames, step):
    parts = [os.urandom(size) for size in (3, 0, 200, 20_000, 1)]
    data = b"".join(
        client.send(BytesMessage(part, message_finished=part is parts[-1])) + client.send(Ping(b"p"))
        for part in parts
    )
    assert payload_of(frames, data + client.send(BytesMessage(b"whole")), step) == b"".join(parts) + b"whole"
    assert frames.replies == framed_control(0x8A, b"p") * len(parts)


def test_many_frames_of_one_read_are_all_there_in_order(client, frames):
    payloads = [os.urandom(random.Random(n).randrange(300)) for n in range(200)]
    assert frames.receive(b"".join(client.send(BytesMessage(p)) for p in payloads)) == payloads


def test_a_large_incomplete_frame_is_not_kept(client, frames):
    data = client.send(BytesMessage(bytes(10 * WHOLE)))
    taken = sum(len(payload) for payload in frames.receive(data[: 5 * WHOLE]))
    assert taken > 4 * WHOLE
    assert len(frames._rest) < WHOLE


@pytest.mark.parametrize(
    "sizes", [(0,), (127,), (128,), (2, 0, 200, 130, 1), (127, 128, 16_383, 16_384, 70_000, 3)]
)
def test_each_packet_is_sent_in_a_frame_of_its_own(client, sizes):
    packets = [packet(0x30, bytes(size)) for size in sizes]
    client.receive_data(framed_each(b"".join(packets)))
    assert [bytes(event.data) for event in client.events() if event.message_finished] == packets


def test_a_ping_is_answered_with_its_payload(client, frames):
    assert frames.receive(client.send(Ping(b"are you there"))) == []
    client.receive_data(frames.replies)
    assert list(client.events()) == [Pong(b"are you there")]


def test_a_pong_that_nobody_asked_for_is_nothing(client, frames):
    assert frames.receive(client.send(Pong(b"x"))) == []
    assert not frames.unusual


def test_a_close_is_answered_once(client, frames):
    data = client.send(BytesMessage(b"last")) + client.send(CloseConnection(1000, "bye"))
    assert frames.receive(data + b"garbage after it") == [b"last"]
    assert frames.over and frames.failure is None
    client.receive_data(frames.close(1000))
    assert [type(event) for event in client.events()] == [CloseConnection]
    assert frames.close(1000) == b""


def test_our_close_is_answered_and_that_is_the_end(client, frames):
    client.receive_data(frames.close(1003, "words"))
    (closed,) = client.events()
    assert (closed.code, closed.reason) == (1003, "words")
    answer = client.send(closed.response())
    assert frames.receive(answer) == []
    assert frames.over
    assert frames.close(1000) == b""


def test_after_our_close_pings_are_not_answered(client, frames):
    frames.close(1000)
    frames.receive(client.send(Ping(b"")))
    assert frames.replies == b""


BAD = {
    "a text frame": (frame(0x81, b"text"), 1003),
    "a text frame that is not UTF-8": (frame(0x81, b"\xff"), 1003),
    "a long text frame that is not UTF-8": (b"\x81\xfe\x80\x00abcd" + bytes(200), 1003),
    "a text frame inside another message": (frame(0x02, b"x") + frame(0x81, b"y"), 1002),
    "a message inside another that begins empty": (frame(0x02, b"") + frame(0x82, b"y"), 1002),
    "a text frame inside another that begins empty": (frame(0x02, b"") + frame(0x81, b"y"), 1002),
    "no mask": (b"\x82\x01x", 1002),
    "no mask, no payload": (b"\x82\x00", 1002),
    "a reserved bit": (frame(0xC2, b"x"), 1002),
    "a reserved opcode": (frame(0x83, b"x"), 1002),
    "a reserved control opcode": (frame(0x8B, b"x"), 1002),
    "a fragmented ping": (frame(0x09, b"x"), 1002),
    "a continuation of nothing": (frame(0x80, b"x"), 1002),
    "a new message inside another": (frame(0x02, b"x") + frame(0x82, b"y"), 1002),
    "a close of one byte": (frame(0x88, b"x"), 1002),
    "a close with a code for no wire": (frame(0x88, (1006).to_bytes(2)), 1002),
    "a close whose reason is not text": (frame(0x88, (1000).to_bytes(2) + b"\xff"), 1007),
    "a ping of 126 bytes": (b"\x89\xfe\x00\x7eabcd" + bytes(126), 1002),
    "a length of two bytes that fits in none": (b"\x82\xfe\x00\x01abcdx", 1002),
    "a length of eight bytes that fits in two": (
        b"\x82\xff" + (200).to_bytes(8) + b"abcd" + bytes(200),
        1002,
    ),
    "a message beyond the limit": (b"\x82\xff" + (MESSAGE + 1).to_bytes(8) + b"abcd", 1009),
    "a length with its first bit set": (b"\x82\xff" + (1 << 63).to_bytes(8) + b"abcd", 1009),
}


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_frame_ends_it_with_its_code(client, frames, name, step):
    """[MQTT-6.0.0-1] [3.1.1 MQTT-6.0.0-1]"""
    data, code = BAD[name]
    before = client.send(BytesMessage(b"good"))
    received = payload_of(frames, before + data, step)
    assert received.startswith(b"good")
    assert frames.failure is not None and frames.failure.code == code and frames.failure.words
    assert frames.receive(before) == []
    client.receive_data(frames.close(*frames.failure))
    (closed,) = client.events()
    assert closed.code == code


def test_a_fragmented_message_beyond_the_limit_is_refused(client, frames):
    for _ in range(MESSAGE >> 20):
        frames.receive(client.send(BytesMessage(bytes(1 << 20), message_finished=False)))
        assert frames.failure is None
    assert frames.receive(client.send(BytesMessage(b"x"))) == []
    assert frames.failure.code == 1009


def test_ordinary_messages_do_not_add_up(client, frames):
    parts = client.send(BytesMessage(bytes(1 << 20), message_finished=False))
    parts += client.send(BytesMessage(b""))
    for _ in range((MESSAGE >> 20) + 1):
        frames.receive(parts)
    assert frames.failure is None


def test_random_traffic_says_what_wsproto_says(client):
    chance = random.Random(5)
    for _ in range(200):
        ours, theirs = (
            Frames(Connection(ConnectionType.SERVER)),
            Connection(ConnectionType.SERVER),
        )
        data = bytearray()
        for _ in range(chance.randrange(1, 6)):
            data += frame(
                chance.choice([0x82, 0x82, 0x02, 0x80, 0x89]), chance.randbytes(chance.randrange(90))
            )
        if chance.random() < 0.5:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        data = bytes(data)
        theirs.receive_data(data)
        events = list(theirs.events())
        expected = b"".join(event.data for event in events if isinstance(event, BytesMessage))
        wrong = any(isinstance(event, CloseConnection | TextMessage) for event in events)
        got = payload_of(ours, data, chance.choice([1, 7, 1000]))
        if wrong:
            assert ours.over or ours.failure is not None or len(ours._rest) > 0
        else:
            assert ours.failure is None
        # Of an incomplete frame at the end wsproto gives the part that is there.
        assert expected.startswith(got)


# --- what goes out ------------------------------------------------------------------------------------------


def framed_control(first, payload):
    return bytes([first, len(payload)]) + payload


@pytest.mark.parametrize("size", SIZES)
def test_what_is_framed_is_one_binary_message(client, size):
    payload = os.urandom(size)
    client.receive_data(framed(payload))
    (event,) = client.events()
    assert isinstance(event, BytesMessage)
    assert (bytes(event.data), event.message_finished) == (payload, True)


# --- the upgrade --------------------------------------------------------------------------------------------


KEY = base64.b64encode(b"0123456789abcdef").decode()
GOOD = {
    "Host": "localhost:8443",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "mqtt",
}


def request(changes={}, target="/mqtt?X-Amz-Signature=1"):  # noqa: B006
    headers = {**GOOD, **changes}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode()


def test_a_request_is_what_signatures_look_at():
    upgrade = Upgrade()
    upgrade.receive(request({"X-Amz-Date": "now"}, "/mqtt?a=%2F&b"))
    assert upgrade.request.method == "GET"
    assert (upgrade.request.raw_path, upgrade.request.query) == ("/mqtt", "a=%2F&b")
    assert upgrade.request.headers["host"] == "localhost:8443"
    assert upgrade.request.headers["x-amz-date"] == "now"
    assert "%2F" not in repr(upgrade.request)


@pytest.mark.parametrize("step", [1, 10, 1000])
def test_a_request_may_come_in_pieces_and_frames_behind_it_are_kept(step):
    upgrade = Upgrade()
    data = request()
    for at in range(0, len(data), step):
        assert upgrade.request is None
        upgrade.receive(data[at : at + step])
    upgrade.receive(frame(0x82, b"early"))
    answer, connection, early = upgrade.accept()
    assert Frames(connection).receive(early) == [b"early"]
    assert answer.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("other, mqttv3.1, mqtt", "mqttv3.1")],
)
def test_another_implementation_takes_the_answer(offered, chosen):
    """[MQTT-6.0.0-4] [3.1.1 MQTT-6.0.0-4]"""
    theirs = WSConnection(ConnectionType.CLIENT)
    offer = Request("localhost", "/mqtt", subprotocols=offered.split(", "))
    upgrade = Upgrade()
    upgrade.receive(theirs.send(offer))
    theirs.receive_data(upgrade.accept()[0])
    (accepted,) = theirs.events()
    assert isinstance(accepted, AcceptConnection)
    assert accepted.subprotocol == chosen


WRONG = {
    "no upgrade": (request({"Upgrade": None}), 400),
    "another upgrade": (request({"Upgrade": "h2c"}), 400),
    "no connection header": (request({"Connection": "keep-alive"}), 400),
    "no key": (request({"Sec-WebSocket-Key": None}), 400),
    "no version": (request({"Sec-WebSocket-Version": None}), 400),
    "an old version": (request({"Sec-WebSocket-Version": "8"}), 426),
    "no subprotocol": (request({"Sec-WebSocket-Protocol": None}), 400),
    "MQTT-6.0.0-3, 3.1.1 MQTT-6.0.0-3 another subprotocol": (
        request({"Sec-WebSocket-Protocol": "wamp"}),
        400,
    ),
    "no host": (request({"Host": None}), 400),
    "a host that is no name": (request({"Host": "\xff" * 70}), 400),
    "a body": (request({"Content-Length": "3"}) + b"abc", 400),
    "a chunked body": (request({"Transfer-Encoding": "chunked"}), 400),
    "not HTTP": (b"GET /mqtt\r\n\r\n", 400),
    "a head without end": (b"GET /mqtt?" + b"x" * (HEADERS + 1), 431),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_upgrade_is_refused_with_words(name):
    data, status = WRONG[name]
    with pytest.raises(BadUpgrade) as caught:
        Upgrade().receive(data)
    assert caught.value.status == status
    assert caught.value.words


@pytest.mark.parametrize(
    ("first", "answer"),
    [
        (b"", None),
        (b"GET", None),
        (b"GET /mqtt", None),
        (b"GET /mqtt HTTP", True),
        (b"GET /mqtt?", True),
        (b"GET /mqttx", False),
        (b"GET /mqt ", False),
        (b"POST", False),
        (b"G\x00", False),
    ],
)
def test_the_first_bytes_say_whose_they_are(first, answer):
    assert opens(first) is answer


def test_a_refusal_is_plain_http():
    head, _, body = refusal(403, "ForbiddenException", "Forbidden", "t-1").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"x-amzn-errortype: ForbiddenException" in head
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body) == {"message": "Forbidden", "traceId": "t-1"}
    assert b"sec-websocket-version: 13" in refusal(426, "x", "y", "z")

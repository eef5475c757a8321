"""Where the fuzzer begins: the named cases of the tests, as its targets read them."""

from __future__ import annotations

from collections.abc import Iterator

from sekisho.broker.upgrade import OPENING
from sekisho.mqtt.codec import encode
from sekisho.mqtt.packets import Publish
from unit.broker.test_websocket import BAD as BAD_FRAMES
from unit.broker.test_websocket import WRONG, frame, request
from unit.mqtt.bad_cases import BAD
from unit.mqtt.cases import GOOD, LONG, N
from unit.mqtt.test_fuzz import STREAMS
from unit.mqtt.test_topics import FILTERS, MATCHES, TOPICS
from unit.web.test_ordinary import ORDINARY, OTHER

PRESIGNED = (
    b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20231114%2Feu-west-1%2F"
    b"iotdevicegateway%2Faws4_request&X-Amz-Date=20231114T221320Z&X-Amz-Expires=300&"
    b"X-Amz-SignedHeaders=host&X-Amz-Signature=" + b"0" * 64
)
AUTHORIZATION = (
    b"authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/eu-west-1/iot/aws4_request, "
    b"SignedHeaders=host;x-amz-date, Signature=" + b"0" * 64
)


def seeds(target: str) -> Iterator[bytes]:
    """The first bytes are choices and cuts (`pieces`)."""
    match target:
        case "decoder" | "packet" | "connection":
            for version, text, *_ in (*GOOD.values(), *LONG.values(), *BAD.values()):
                raw = bytes.fromhex(text)
                which = version == 5
                if target == "packet":
                    yield bytes([which, raw[0]]) + raw[2:]
                elif target == "decoder":
                    yield bytes([which, 0x80]) + raw
                else:
                    yield bytes([0x03 | which << 2, 0x00]) + raw
            for version, raw in STREAMS.items():
                if target == "decoder":
                    yield bytes([version == 5, 0x02, 5, 9]) + raw
                elif target == "connection":
                    yield b"\x00\x80" + raw
                    again = b"".join(
                        encode(Publish("a/b", b"x", qos, False, False, qos * number, N), version)
                        for number in range(1, 4)
                        for qos in (0, 1)
                    )
                    yield bytes([0x02 | (version == 5) << 2, 0x02, 7, 20]) + again + b"\x40\x02\x00\x01" * 3
        case "websocket":
            for first in (0x82, 0x02, 0x80, 0x89, 0x8A, 0x88, 0x81):
                yield b"\x80" + frame(first, b"\x03\xe8bye") + frame(0x82, b"more")
            for raw, _ in BAD_FRAMES.values():
                yield b"\x01\x03" + raw
        case "upgrade":
            yield b"\x0a\x10\x20" + request()[OPENING:] + frame(0x82, b"early")
            yield b"\x08" + request(target="/mqtt?" + PRESIGNED.decode())[OPENING:]
            yield b"\x00" + request(target="/mqtt")[OPENING:]
            for raw, _ in WRONG.values():
                if len(raw) < 1000:
                    yield b"\x88" + raw[OPENING:]
        case "signature":
            yield b"\x00/mqtt\n" + PRESIGNED + b"\nhost:localhost"
            yield b"\x00/mqtt\n" + PRESIGNED + b"&X-Amz-Security-Token=t%2B+&a\nhost:localhost"
            yield b"\x03/topics/a%2F../b\nqos=1\n" + AUTHORIZATION + b"\nhost:h\nx-amz-date:20231114T221320Z"
            yield b"\x01/\n\n" + AUTHORIZATION + b"\nhost:h\ndate:Tue, 14 Nov 2023 22:13:20 GMT"
        case "head":
            yield from (data for data in (*ORDINARY.values(), *OTHER.values()) if len(data) < 1000)
        case "topics":
            for filter, topic in MATCHES:
                yield f"{filter}\n$share/g/{filter}\n{topic}".encode()
            for text in (*TOPICS, *FILTERS):
                yield f"{text}\n{text}".encode()

"""The data types of MQTT (section 1.5): reading them strictly from bytes, and writing them."""

from struct import Struct
from struct import error as StructError

from sekisho.mqtt.reasons import Reason

UINT16 = Struct("!H")
UINT32 = Struct("!I")

MAX_REMAINING = 268_435_455
"""The largest variable byte integer, and so the largest remaining length (section 1.5.5)."""


class MalformedPacket(Exception):
    """Bytes that are no packet of this protocol. `reason` is the MQTT 5 code, `text` says what is wrong."""

    def __init__(self, reason: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


def malformed(text: str) -> MalformedPacket:
    return MalformedPacket(Reason.MALFORMED_PACKET, text)


def protocol_error(text: str) -> MalformedPacket:
    return MalformedPacket(Reason.PROTOCOL_ERROR, text)


def read_uint16(body: bytes, at: int, what: str) -> tuple[int, int]:
    """The two-byte integer at `at`, and where the next field starts."""
    try:
        return UINT16.unpack_from(body, at)[0], at + 2
    except StructError:
        raise malformed(f"the packet ends within {what}") from None


def read_varint(body: bytes, at: int, what: str) -> tuple[int, int]:
    """The variable byte integer at `at`, shortest form only [MQTT-1.5.5-1], and where the next starts."""
    value = 0
    for index in range(4):
        if at + index >= len(body):
            raise malformed(f"the packet ends within {what}")
        byte = body[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if byte == 0 and index:
                raise malformed(f"{what} is not in its shortest form")
            return value, at + index + 1
    raise malformed(f"{what} takes more than four bytes")


def read_binary(body: bytes, at: int, what: str) -> tuple[bytes, int]:
    """The length-prefixed bytes at `at`, and where the next field starts."""
    length, start = read_uint16(body, at, what)
    end = start + length
    if end > len(body):
        raise malformed(f"the packet ends within {what}")
    return body[start:end], end


def read_string(body: bytes, at: int, what: str) -> tuple[str, int]:
    """The UTF-8 string at `at`, and where the next field starts.

    Ill-formed UTF-8, which includes encoded surrogates [MQTT-1.5.4-1], and U+0000 [MQTT-1.5.4-2] are errors;
    a byte order mark is a character like any other [MQTT-1.5.4-3].
    """
    raw, end = read_binary(body, at, what)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise malformed(f"{what} is not well-formed UTF-8") from None
    if "\0" in text:
        raise malformed(f"{what} contains U+0000")
    return text, end


def varint(value: int) -> bytes:
    """A variable byte integer. Raises ValueError beyond 268,435,455."""
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value < 0x200000:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    if value <= MAX_REMAINING:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14 & 0x7F | 0x80, value >> 21))
    raise ValueError(f"{value} is beyond what a variable byte integer can say")


def binary(value: bytes, what: str) -> bytes:
    """Length-prefixed bytes. Raises ValueError beyond 65,535 bytes."""
    if len(value) > 0xFFFF:
        raise ValueError(f"{what} is longer than 65535 bytes")
    return UINT16.pack(len(value)) + value


def string(value: str, what: str) -> bytes:
    """A length-prefixed UTF-8 string. Raises ValueError beyond 65,535 bytes, for surrogates, for U+0000."""
    if "\0" in value:
        raise ValueError(f"{what} contains U+0000")
    try:
        return binary(value.encode(), what)
    except UnicodeEncodeError:
        raise ValueError(f"{what} contains a surrogate") from None

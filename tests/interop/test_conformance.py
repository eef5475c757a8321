"""The watch over every packet notices what it is there for."""

import pytest

from interop.conformance import Watch
from interop.packets import connect_packet, whole_packets
from interop.places import long, short

CONNACK4, CONNACK5 = "20 02 00 00", "20 03 00 00 00"

# what -> (version, packets of a node, of which only the last is wrong)
WRONG = {
    "a packet before CONNACK": (4, "d0 00"),
    "a DISCONNECT before CONNACK": (5, "e0 01 80"),
    "a second CONNACK": (4, CONNACK4, CONNACK4),
    "something after a refusal": (5, "20 03 00 87 00", "e0 01 87"),
    "something after a DISCONNECT": (5, CONNACK5, "e0 01 8b", "d0 00"),
    "a DISCONNECT in 3.1.1": (4, CONNACK4, "e0 00"),
    "a client's packet": (5, CONNACK5, "c0 00"),
    "AUTH": (5, CONNACK5, "f0 00"),
    "reserved flags": (4, CONNACK4, "d1 00"),
    "a length longer than need be": (4, CONNACK4, "d0 80 00"),
    "reserved flags in CONNACK": (4, "20 02 02 00"),
    "a session with a refusal": (5, "20 03 01 87 00"),
    "a return code that is none": (4, "20 02 00 06"),
    "a reason that is not CONNACK's": (5, "20 03 00 8e 00"),
    "an authentication method": (5, "20 07 00 00 04 15 0001 6d"),
    "a reason that is not PUBACK's": (5, CONNACK5, "40 03 0001 8f"),
    "a reason that is not SUBACK's": (5, CONNACK5, "90 04 0001 00 90"),
    "a reason of 5 in 3.1.1": (4, CONNACK4, "90 03 0001 87"),
    "a reason that is not UNSUBACK's": (5, CONNACK5, "b0 04 0001 00 01"),
    "a reason that is a client's": (5, CONNACK5, "e0 01 04"),
    "a session expiry of the server's": (5, CONNACK5, "e0 07 8b 05 11 00000001"),
    "a packet larger than the client takes": (5, CONNACK5, "30 2c 0001 61 00" + 40 * "78"),
    "a topic with a wildcard": (4, CONNACK4, "30 03 0001 2b"),
    "a duplicate of QoS 0": (4, CONNACK4, "38 03 0001 61"),
    "packet identifier 0": (4, CONNACK4, "32 05 0001 61 0000"),
    "a packet identifier in use": (4, CONNACK4, "32 05 0001 61 0001", "32 05 0001 61 0001"),
    "a duplicate of nothing": (4, CONNACK4, "3a 05 0001 61 0001"),
    "more than the window": (5, CONNACK5, "32 06 0001 61 0001 00", "32 06 0001 61 0002 00"),
    "an alias above the maximum": (5, CONNACK5, "30 07 0001 61 03 23 0003"),
}


def watch(version):
    """Of a client that takes 40 bytes, one message and two aliases."""
    properties = long(0x27, 40) + short(0x21, 1) + short(0x22, 2) if version == 5 else b""
    watch = Watch()
    for packet in whole_packets(connect_packet("c", version, properties=properties)):
        watch.sent(*packet)
    return watch


def show(watch, *packets):
    for text in packets:
        raw = bytes.fromhex(text)
        (packet,) = whole_packets(raw)
        watch.saw(*packet, len(raw))


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_noticed(name):
    version, *right, wrong = WRONG[name]
    seen = watch(version)
    show(seen, *right)
    with pytest.raises(AssertionError):
        show(seen, wrong)


@pytest.mark.parametrize(("present", "right"), [("00", False), ("01", True)])
def test_a_duplicate_of_qos_2_may_be_an_earlier_connections(present, right):
    seen = watch(5)
    show(seen, f"20 03 {present} 00 00")
    duplicate = "3c 06 0001 61 0001 00"
    if right:
        show(seen, duplicate)
    else:
        with pytest.raises(AssertionError):
            show(seen, duplicate)


def test_what_is_right_is_let_be():
    seen = watch(5)
    show(seen, CONNACK5, "d0 00", "90 04 0001 00 01", "30 07 0001 61 03 23 0002", "32 06 0001 61 0001 00")
    show(seen, "3a 06 0001 61 0001 00")
    seen.sent(0x40, b"\0\1")
    show(seen, "32 06 0001 61 0001 00", "e0 01 8b")

"""Cutting a byte stream into packets."""

import pytest

from sekisho.mqtt.codec import Framer, MalformedPacket

PING = b"\xc0\0"
FRAME = (0xC0, b"")
LARGE = b"\x30\x80\x02" + bytes(256)
STREAM = PING + b"\x40\x02\0\1" + LARGE + b"\x30\x03\0\1a" + PING
FRAMES = [FRAME, (0x40, b"\0\1"), (0x30, bytes(256)), (0x30, b"\0\1a"), FRAME]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 259, 1000])
def test_pieces_of_any_size_give_the_same_packets(size):
    framer = Framer()
    frames = []
    for start in range(0, len(STREAM), size):
        frames += framer.feed(STREAM[start : start + size])
    assert frames == FRAMES
    assert framer.idle


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_a_cut_anywhere_gives_the_same_packets(cut):
    framer = Framer()
    assert framer.feed(STREAM[:cut]) + framer.feed(STREAM[cut:]) == FRAMES


def test_too_large_is_known_from_the_header_alone():
    framer = Framer(259)
    assert framer.feed(LARGE) == [(0x30, bytes(256))]
    with pytest.raises(MalformedPacket) as caught:
        framer.feed(b"\x30\x81\x02")
    assert caught.value.reason == 0x95
    assert framer.idle  # nothing of it is held


def test_the_maximum_counts_the_header():
    assert Framer(7).feed(b"\x30\x05abcde") == [(0x30, b"abcde")]
    with pytest.raises(MalformedPacket):
        Framer(6).feed(b"\x30\x05abcde")


@pytest.mark.parametrize("raw", [b"\x30\x80\x80\x80\x80", b"\x30\xff\xff\xff\xff\x7f"])
def test_a_length_of_five_bytes_is_malformed(raw):
    """Section 2.1.4: at most four bytes."""
    with pytest.raises(MalformedPacket) as caught:
        Framer().feed(raw)
    assert caught.value.reason == 0x81


def test_the_largest_length_is_understood():
    framer = Framer()
    assert framer.feed(b"\x30\xff\xff\xff\x7f") == []
    assert not framer.idle


def test_good_packets_before_a_bad_one_are_delivered_and_nothing_after():
    framer = Framer(100)
    assert framer.feed(PING + PING + b"\x30\xff\x7f" + PING) == [FRAME, FRAME]
    assert framer.error is not None
    assert framer.error.reason == 0x95
    with pytest.raises(MalformedPacket):
        framer.feed(PING)

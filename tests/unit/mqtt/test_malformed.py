"""Bytes that are no packet, each case named after the clause that it breaks."""

import pytest

from sekisho.mqtt.codec import Framer, MalformedPacket, decode
from unit.mqtt.bad_cases import BAD


@pytest.mark.parametrize("name", BAD)
def test_malformed(name):
    version, text, reason, words = BAD[name]
    framer = Framer()
    (frame,) = framer.feed(bytes.fromhex(text))
    assert framer.idle  # the length in the table is right
    with pytest.raises(MalformedPacket) as caught:
        decode(*frame, version)
    assert caught.value.reason == reason
    assert words in caught.value.text

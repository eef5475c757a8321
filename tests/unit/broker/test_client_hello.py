"""The server name in a ClientHello, as clients write it and as nobody should."""

from __future__ import annotations

import random
import ssl

import pytest

from sekisho.broker.client_hello import HEAD, LONGEST, server_name, wanted


def hello(name: str | None, *, version: ssl.TLSVersion | None = None, alpn: tuple[str, ...] = ()) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


VERSIONS = [None, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["iot.example.com", "IOT.Example.com", "a." * 120 + "example", "x"])
def test_the_name_is_found(name, version):
    data = hello(name, version=version, alpn=("x-amzn-mqtt-ca",))
    assert wanted(data) == len(data)
    assert server_name(data) == name.lower()


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_name_there_is_none(version):
    assert server_name(hello(None, version=version)) == ""


def test_a_part_tells_how_much_is_wanted_and_never_a_name_that_is_not_whole():
    data = hello("iot.example.com")
    for size in range(len(data)):
        part = data[:size]
        assert wanted(part) == (HEAD if size < HEAD else len(data))
        assert server_name(part) in ("", "iot.example.com")


@pytest.mark.parametrize(
    "data",
    [b"", b"\x10", b"GET / HTTP/1.1\r\n\r\n", b"\x10\x20\x00\x04MQTT", b"\x80\x2e\x01\x00\x02", bytes(300)],
)
def test_what_is_no_handshake_waits_for_nothing_and_has_no_name(data):
    assert wanted(data) == (len(data) or HEAD)
    assert server_name(data) == ""


def test_a_record_that_says_it_is_longer_than_one_can_be_is_bounded():
    assert wanted(b"\x16\x03\x01\xff\xff" + bytes(10)) == LONGEST


def test_damage_is_never_more_than_a_name_that_is_not_found():
    chance = random.Random("hello")
    data = hello("iot.example.com")
    for _ in range(20_000):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        found = server_name(bytes(damaged[: chance.randint(0, len(damaged))]))
        assert isinstance(found, str)
        assert len(found) < len(data)

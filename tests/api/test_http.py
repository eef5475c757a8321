"""HTTP as such: requests one after the other, in pieces, and those that could be read in two ways."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from api.raw import address, signed
from unit.web.test_ordinary import OTHER

PATIENCE = 10
HEALTH = b"GET /_sekisho/health HTTP/1.1\r\nhost: a\r\n\r\n"


class Line:
    """A connection to the node's API."""

    def __init__(self, node) -> None:
        self.sock = socket.create_connection(address(node), PATIENCE)
        self.file = self.sock.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, bodyless: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, fields and body of the next answer; status 0 when there is none."""
        line = self.file.readline()
        if not line:
            return 0, {}, b""
        fields = {}
        while (field := self.file.readline().strip()) != b"":
            name, _, value = field.decode().partition(":")
            fields[name.lower()] = value.strip()
        if bodyless:
            return int(line.split()[1]), fields, b""
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.file.readline(), 16):
                body += self.file.read(size)
                self.file.readline()
            self.file.readline()
            return int(line.split()[1]), fields, body
        length = int(fields["content-length"]) if "content-length" in fields else -1  # to the end
        return int(line.split()[1]), fields, self.file.read(length)


@pytest.fixture
def line(node):
    line = Line(node)
    with contextlib.closing(line):
        yield line


def wire(request) -> tuple[bytes, bytes]:
    """Head and body of a signed request."""
    fields = {"content-length": str(len(request.body)), **request.headers}
    text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{request.method} {request.target} HTTP/1.1\r\n{text}\r\n".encode(), request.body


def creation(node, name) -> tuple[bytes, bytes]:
    body = b'{"attributePayload":{"attributes":{"a":"1"}}}'
    head, body = wire(signed(node, "POST", f"/things/{name}", body))
    return (head if b"host:" in head.lower() else head.replace(b"\r\n", b"\r\nhost: a\r\n", 1)), body


def test_requests_one_after_the_other(line):
    for _ in range(3):
        line.send(HEALTH)
        status, _, body = line.answer()
        assert (status, b'"ok"' in body) == (200, True)


def test_requests_ahead(line):
    line.send(HEALTH * 300)
    assert [line.answer()[0] for _ in range(300)] == [200] * 300


def test_an_ordinary_request_and_then_another_kind(line):
    """From the first that is not ordinary on, h11 has the connection; nothing of what came is lost."""
    odd = HEALTH.replace(b"\r\n\r\n", b"\r\nx: \x01\r\n\r\n")
    line.send(
        HEALTH + HEALTH.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n") + HEALTH + odd + HEALTH
    )
    assert [line.answer()[0] for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_a_head_in_pieces(line, cut):
    line.send(HEALTH[:cut])
    time.sleep(0.05)
    line.send(HEALTH[cut:])
    assert line.answer()[0] == 200


def test_a_body_in_pieces(line, node, name):
    head, body = creation(node, name)
    line.send(head)
    for at in range(len(body)):
        time.sleep(0.002)
        line.send(body[at : at + 1])
    assert line.answer()[0] == 200
    line.send(HEALTH)
    assert line.answer()[0] == 200


def test_head_has_no_body(line):
    line.send(HEALTH.replace(b"GET", b"HEAD") + HEALTH)
    status, fields, _ = line.answer(bodyless=True)
    assert status in (200, 405)
    assert line.answer()[0] == 200, fields


def test_the_connection_is_closed_when_asked(line):
    line.send(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert line.answer()[0] == 200
    assert line.answer()[0] == 0


def test_who_leaves_in_the_middle_of_a_body_has_asked_nothing(line, node, iot, name):
    head, body = creation(node, name)
    line.send(head + body[:-1])
    line.close()
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=name)


@pytest.mark.parametrize("case", OTHER)
def test_what_could_be_read_in_two_ways_hides_no_second_request(line, case):
    """Behind a request of another kind comes one of its own: it is answered as a second, or the connection is
    closed; it never becomes a part of another and answers twice."""
    data = OTHER[case]
    line.send(data + HEALTH)
    line.sock.shutdown(socket.SHUT_WR)
    answers = []
    with contextlib.suppress(ConnectionResetError):
        while (status := line.answer()[0]) != 0:
            answers.append(status)
    assert len([status for status in answers if status != 100]) <= 2
    if case in ("length and chunked", "two lengths", "a folded first field", "two hosts", "no host"):
        assert answers == [400]


@pytest.mark.parametrize("length", [b"content-length: 99999999999", b"transfer-encoding: chunked"])
def test_a_body_without_end_is_answered_and_no_longer_read(line, length):
    line.send(b"POST /things/a HTTP/1.1\r\nhost: a\r\n" + length + b"\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(40):
            line.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    with contextlib.suppress(ConnectionError):
        status, fields, _ = line.answer()
        assert (status, fields["connection"]) == (413, "close")
    with contextlib.suppress(ConnectionError):
        assert line.answer()[0] == 0

"""Ordinary requests: what is taken is what h11 takes, and whatever could be read in two ways is not taken.

RFC 9112: 2.2 (line ends), 3 (request line), 3.2 (Host), 5 (field syntax), 6 (message body).
"""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.web.ordinary import LONGEST_BODY, MOST_FIELDS, answer_head, has_no_body, read_head

HOST = b"host: a\r\n"


def head(*fields: bytes, line: bytes = b"POST /things/a HTTP/1.1", end: bytes = b"\r\n") -> bytes:
    return line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + end


ORDINARY = {
    "no body": head(b"Host: a", line=b"GET / HTTP/1.1"),
    "a body": head(b"Host: a", b"Content-Length: 4") + b"body",
    "an empty body": head(b"host: a", b"content-length: 0"),
    "the longest body": head(b"host: a", b"content-length: 65536"),
    "zeros before the length": head(b"host: a", b"content-length: 000007") + b"1234567",
    "a query": head(b"host: a", line=b"GET /things?maxResults=1&x=%2F?a HTTP/1.1"),
    "an encoded path": head(b"host: a", line=b"DELETE /a%2Fb//../c HTTP/1.1"),
    "something behind": head(b"host: a") + head(b"host: b"),
    "no white space": head(b"host:a", b"x:y"),
    "much white space": head(b"host: \t a \t ", b"x:  y  z\t"),
    "an empty value": head(b"host: a", b"x:", b"y: "),
    "a field twice": head(b"host: a", b"x: 1", b"X: 2"),
    "bytes beyond ASCII": head(b"host: a", b"x: \xe9\xff"),
    "keep-alive": head(b"host: a", b"Connection: Keep-Alive"),
    "an empty host": head(b"host:"),
    "HEAD": head(b"host: a", line=b"HEAD /a HTTP/1.1"),
    "PUT": head(b"host: a", line=b"PUT /a HTTP/1.1"),
    "PATCH": head(b"host: a", line=b"PATCH /a HTTP/1.1"),
    "odd names": head(b"host: a", b"!#$%&'*+-.^_`|~9: 1"),
    "many fields": head(b"host: a", *[b"x: 1"] * (MOST_FIELDS - 1)),
}

OTHER = {
    "nothing": b"",
    "a part of a head": head(b"host: a", end=b""),
    "a part of a line": b"GET / HT",
    "length and chunked": head(b"host: a", b"content-length: 5", b"transfer-encoding: chunked")
    + b"0\r\n\r\n",
    "chunked": head(b"host: a", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked, oddly": head(b"host: a", b"Transfer-Encoding:\tx chunked"),
    "two lengths": head(b"host: a", b"content-length: 5", b"content-length: 6") + b"123456",
    "a length twice": head(b"host: a", b"content-length: 5", b"Content-Length: 5") + b"12345",
    "a list of lengths": head(b"host: a", b"content-length: 5, 5") + b"12345",
    "a length with a sign": head(b"host: a", b"content-length: +5") + b"12345",
    "a negative length": head(b"host: a", b"content-length: -1"),
    "a hexadecimal length": head(b"host: a", b"content-length: 0x5") + b"12345",
    "a length with a space": head(b"host: a", b"content-length: 1 0"),
    "an empty length": head(b"host: a", b"content-length:"),
    "a length in other digits": head(b"host: a", b"content-length: \xb2"),
    "a long length": head(b"host: a", b"content-length: 00000000000000005") + b"12345",
    "a long body": head(b"host: a", b"content-length: %d" % (LONGEST_BODY + 1)),
    "a space before the colon": head(b"host: a", b"content-length : 5") + b"12345",
    "a space before the name": head(b"host: a", b" content-length: 5") + b"12345",
    "a folded field": head(b"host: a", b"x: 1", b" transfer-encoding: chunked"),
    "a folded first field": head(b" host: a"),
    "no name": head(b"host: a", b": 5"),
    "no colon": head(b"host: a", b"x"),
    "a name that is none": head(b"host: a", b"x(y): 5"),
    "line feeds": b"GET / HTTP/1.1\nhost: a\n\n",
    "a line feed in the head": b"GET / HTTP/1.1\r\nhost: a\ncontent-length: 5\r\n\r\n12345",
    "a line feed at the end": b"GET / HTTP/1.1\r\nhost: a\r\n\n",
    "a carriage return": head(b"host: a", b"x: 1\rcontent-length: 5") + b"12345",
    "a null": head(b"host: a", b"x: \0"),
    "a control character": head(b"host: a", b"x: \x1f"),
    "a line end before it": b"\r\n" + head(b"host: a"),
    "no host": head(b"x: 1"),
    "no fields": head(line=b"GET / HTTP/1.1"),
    "two hosts": head(b"host: a", b"Host: b"),
    "a whole URL": head(b"host: a", line=b"GET http://b/ HTTP/1.1"),
    "an authority": head(b"host: a", line=b"CONNECT b:1 HTTP/1.1"),
    "an asterisk": head(b"host: a", line=b"OPTIONS * HTTP/1.1"),
    "an old version": head(b"host: a", line=b"GET / HTTP/1.0"),
    "an odd version": head(b"host: a", line=b"GET / HTTP/1.10"),
    "a new version": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": head(b"host: a", line=b"GET /"),
    "a space in the target": head(b"host: a", line=b"GET /a b HTTP/1.1"),
    "two spaces": head(b"host: a", line=b"GET  / HTTP/1.1"),
    "a tab": head(b"host: a", line=b"GET\t/ HTTP/1.1"),
    "a target beyond ASCII": head(b"host: a", line=b"GET /\xe9 HTTP/1.1"),
    "a method in lower case": head(b"host: a", line=b"get / HTTP/1.1"),
    "another method": head(b"host: a", line=b"TRACE / HTTP/1.1"),
    "a wait": head(b"host: a", b"Expect: 100-continue", b"content-length: 5"),
    "an upgrade": head(b"host: a", b"upgrade: websocket", b"connection: upgrade"),
    "an end": head(b"host: a", b"connection: close"),
    "an end among others": head(b"host: a", b"connection: keep-alive, close"),
    "a proxy's word": head(b"host: a", b"X-Forwarded-For: 1.2.3.4"),
    "too many fields": head(b"host: a", *[b"x: 1"] * MOST_FIELDS),
    "too long a head": head(b"host: a", b"x: " + b"1" * 32_768),
    "TLS": bytes.fromhex("1603010200010001fc0303"),
}


def as_h11_reads(data: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], int]:
    """Method, target, fields, and how many bytes of ``data`` are behind the head."""
    connection = h11.Connection(h11.SERVER, 65_536)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request), request
    behind, _ = connection.trailing_data
    return request.method, request.target, [(bytes(n), bytes(v)) for n, v in request.headers], len(behind)


def check(data: bytes) -> bool:
    """Whether a request is taken; when it is, h11 reads the same."""
    found = read_head(data)
    if found is None:
        return False
    method, target, fields, behind = as_h11_reads(data)
    path, _, query = target.partition(b"?")
    assert (found.method, found.path, found.query) == (method, path, query)
    assert found.fields == fields
    assert len(data) - found.start == behind
    lengths = [int(value) for name, value in fields if name == b"content-length"]
    assert [found.length] == (lengths or [0])
    assert not any(name == b"transfer-encoding" for name, _ in fields)
    assert read_head(bytearray(data)) == found
    return True


@pytest.mark.parametrize("data", ORDINARY.values(), ids=ORDINARY)
def test_ordinary(data):
    assert check(data)


@pytest.mark.parametrize("data", OTHER.values(), ids=OTHER)
def test_not_ordinary(data):
    assert not check(data)


PIECES = st.sampled_from(
    [
        *(
            b"GET",
            b"POST",
            b" ",
            b"/",
            b"/a?b",
            b"HTTP/1.1",
            b"HTTP/1.0",
            b"\r\n",
            b"\n",
            b"\r",
            b"\t",
            b"\0",
        ),
        *(b"host", b"Host: a\r\n", b"content-length: 3\r\n", b"Content-Length", b":", b",", b"3", b"+"),
        *(b"connection: close\r\n", b"transfer-encoding: chunked\r\n", b"x: y\r\n", b"\xff", b"\x1f"),
        *(b"expect", b"\r\n\r\n", b"abc"),
    ]
)


@given(
    st.lists(PIECES, max_size=24).map(b"".join),
    st.sampled_from([b"", b"POST /a HTTP/1.1\r\n", head(b"host: a")[:-2]]),
)
def test_whatever_comes(rest, begin):
    check(begin + rest)


@given(st.sampled_from([*ORDINARY.values(), *OTHER.values()]), st.data())
def test_one_byte_changed(data, draw):
    if data:
        at = draw.draw(st.integers(0, min(len(data), 200) - 1))
        check(data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :])


def test_long_values_take_no_time_to_refuse():
    """Each of these would take a pattern that goes back over its steps longer than the test may."""
    for filling in (b" " * 32_000, b"\t " * 16_000, b"a: \r\n" * 6_000, b"a" * 32_000, b"a:b\r\n " * 4_000):
        for _ in range(20):
            assert read_head(b"GET / HTTP/1.1\r\nhost: a\r\nx:" + filling + b"\0") is None


def test_an_answers_head():
    assert answer_head(404, [(b"a", b"b"), (b"c", b"")]) == b"HTTP/1.1 404 Not Found\r\na: b\r\nc: \r\n\r\n"
    assert answer_head(599, []) == b"HTTP/1.1 599 \r\n\r\n"


@pytest.mark.parametrize(
    "field", [(b"a", b"b\r\nc: d"), (b"a\r\nb", b"c"), (b"a b", b"c"), (b"", b"c"), (b"a", b"\0")]
)
def test_a_field_that_would_begin_another(field):
    with pytest.raises(ValueError, match="cannot carry"):
        answer_head(200, [(b"x", b"y"), field])


def test_answers_without_a_body():
    assert has_no_body(b"HEAD", 200)
    assert has_no_body(b"GET", 304)
    assert not has_no_body(b"GET", 200)

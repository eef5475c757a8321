"""What comes before MQTT: the upgrade to WebSocket, its frames, and signatures of Version 4."""

from __future__ import annotations

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage

from fuzz.pieces import choices, cut
from sekisho.aws import canonical
from sekisho.aws.errors import AwsError, InvalidSignatureException
from sekisho.aws.request import Request
from sekisho.aws.sigv4 import credential_of, verify
from sekisho.broker.frames import WHOLE, Frames
from sekisho.broker.upgrade import OPENINGS, BadUpgrade, HttpRequest, Upgrade, refusal
from unit.web.test_ordinary import check

NOW = 1_700_000_000.0


# --- WebSocket frames --------------------------------------------------------------------------------------


def unframed(pieces: list[bytes]) -> tuple[bytes, int | None, bool, bytes]:
    """What comes out of a client's frames: payloads, the code of a failure, whether it closed, answers."""
    frames = Frames(Connection(ConnectionType.SERVER))
    payload = b""
    for piece in pieces:
        payload += b"".join(frames.receive(piece))
        assert len(frames._rest) <= WHOLE + 14
    code = None
    if frames.failure is not None:
        code = frames.failure.code
        assert frames.failure.words
        close = frames.close(*frames.failure)
        assert close[:1] == b"\x88"
        assert int.from_bytes(close[2:4]) == code
    assert frames.close(1000) == b"" or frames.failure is None
    return payload, code, frames.over, frames.replies


def websocket(data: bytes) -> None:
    """Whole and in pieces the frames say the same, and never more than wsproto reads in them."""
    whole, pieces = cut(data)
    told = unframed([whole])
    assert unframed(pieces) == told
    assert sum(map(len, (told[0], told[3]))) <= len(whole)
    theirs = Connection(ConnectionType.SERVER)
    theirs.receive_data(whole)
    read = b"".join(bytes(event.data) for event in theirs.events() if isinstance(event, BytesMessage))
    assert read.startswith(told[0])


# --- the upgrade -------------------------------------------------------------------------------------------


def upgraded(pieces: list[bytes]) -> tuple[int, HttpRequest | None, bytes]:
    """The status of a refusal or of the answer, 0 while there is neither; the request; what came behind."""
    upgrade = Upgrade()
    try:
        for piece in filter(None, pieces):  # a read that brings nothing is the end of the connection
            upgrade.receive(piece)
    except BadUpgrade as bad:
        assert bad.words
        assert refusal(bad.status, "x", bad.words, "t").startswith(b"HTTP/1.1 %d " % bad.status)
        return bad.status, None, b""
    if upgrade.request is None:
        return 0, None, b""
    answer, _, early = upgrade.accept()
    assert answer.startswith(b"HTTP/1.1 101 ")
    return 101, upgrade.request, early


def upgrade(data: bytes) -> None:
    """What follows the opening, whole and in pieces, is the same; its signature can be judged."""
    opening = OPENINGS[(data[0] if data else 0) >> 3 & 1]
    whole, pieces = cut(data)
    whole, pieces = opening + whole, [opening, *pieces]
    told = upgraded([whole])
    assert upgraded(pieces) == told
    status, request, early = told
    if request is None:
        return
    assert status == 101
    assert whole.endswith(early)
    assert request.method == "GET"
    assert all(name == name.lower() for name in request.headers)
    judge(Request(*request))


# --- signatures --------------------------------------------------------------------------------------------


def judge(request: Request) -> None:
    """A signature that nobody made: it says in AWS's words what is wrong with it, and is never right."""
    try:
        credential = credential_of(request)
    except AwsError as error:
        assert error.message
        return
    assert credential.signature not in repr(credential)
    assert len(bytes.fromhex(credential.signature)) == 32
    assert 1 <= len(credential.signed_headers) <= 100
    assert credential.expires is None or 1 <= credential.expires <= 604_800
    for late in (0.0, 1e6):
        try:
            verify(request, credential, "a secret of nobody", credential.timestamp + late)
        except InvalidSignatureException as error:
            assert error.message
        else:
            raise AssertionError("a signature that nobody made was taken")


def signature(data: bytes) -> None:
    """Lines: path, query, then headers. Canonical forms are stable; no signature is right by chance."""
    how, rest = choices(data)
    lines = rest.decode("latin-1").split("\n")
    path, query = lines[0], lines[1] if len(lines) > 1 else ""
    headers = {}
    for line in lines[2:20]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value
    fields = canonical.query_fields(query)
    assert canonical.as_sent(fields).count("&") == max(len(fields) - 1, 0)
    encoded = canonical.encoded(fields)
    assert canonical.encoded(canonical.query_fields(encoded)) == encoded
    assert encoded.isascii()
    once = canonical.path(path, "iotdevicegateway")
    assert once.startswith("/")
    assert once.isascii()
    judge(Request("POST" if how & 1 else "GET", path, query, headers, b"body" if how & 2 else b""))


# --- requests that are read without h11 --------------------------------------------------------------------


def head(data: bytes) -> None:
    """What is taken for an ordinary request is what h11 reads in it, also with a beginning that is one."""
    check(data)
    check(b"POST /a HTTP/1.1\r\nhost: a\r\n" + data)

"""Handshakes and records by both ways: around pyOpenSSL, and by pyOpenSSL's own methods."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from sekisho.broker import tls_io

PUBLIC = tls_io.Ways(
    tls_io._public_handle, tls_io._public_handshake, tls_io._public_read, tls_io._public_write
)
DIRECT = tls_io._direct()
ACCEPTS = {"direct": tls_io._direct_accept_any(), "public": tls_io._public_accept_any}


def made(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    )
    builder = builder.serial_number(7).not_valid_before(now - datetime.timedelta(days=1))
    return builder.not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()), key


class Talk:
    """A server by one of the ways, on a socket that does not block, and a client that nobody vouches for."""

    def __init__(self, ways: tls_io.Ways, accept_any: Callable[[SSL.Context], None], folder: Path) -> None:
        certificate, key = made("server")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        accept_any(context)
        self.certificate, own = made("stranger")
        file = folder / "stranger.pem"
        pem = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(self.certificate.public_bytes(Encoding.PEM) + pem)
        self.client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client_context.check_hostname = False
        self.client_context.verify_mode = ssl.CERT_NONE
        self.client_context.load_cert_chain(file)
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.tls = SSL.Connection(context, self.ours)
        self.tls.set_accept_state()
        self.ways, self.handle = ways, ways.handle(self.tls)
        self.client: Any = None

    def shake_hands(self) -> None:
        def connect() -> None:
            self.client = self.client_context.wrap_socket(self.theirs)

        assert not self.ways.handshake(self.tls, self.handle), "nobody has said anything yet"
        thread = threading.Thread(target=connect)
        thread.start()
        socket_is_readable(self.ours)
        while not self.ways.handshake(self.tls, self.handle):
            socket_is_readable(self.ours)
        thread.join()

    def read(self) -> bytes:
        while True:
            try:
                return self.ways.read(self.tls, self.handle)
            except SSL.WantReadError:
                socket_is_readable(self.ours)


def socket_is_readable(sock: socket.socket) -> None:
    sock.setblocking(True)
    sock.settimeout(10)
    sock.recv(1, socket.MSG_PEEK)
    sock.setblocking(False)


@pytest.fixture(params=["direct", "public"])
def talk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Talk]:
    ways, accept_any = {"direct": DIRECT, "public": PUBLIC}[request.param], ACCEPTS[request.param]
    assert ways is not None and accept_any is not None, "this pyOpenSSL has other names: see tls_io"
    talk = Talk(ways, accept_any, tmp_path)
    yield talk
    talk.ours.close()
    (talk.client or talk.theirs).close()


def test_a_stranger_comes_in_with_its_certificate(talk: Talk) -> None:
    talk.shake_hands()
    assert talk.tls.get_peer_certificate(as_cryptography=True) == talk.certificate


def test_what_is_said_is_heard(talk: Talk) -> None:
    talk.shake_hands()
    talk.client.sendall(b"hello")
    assert talk.read() == b"hello"
    assert talk.ways.write(talk.tls, talk.handle, b"x" * 1000) == 1000
    assert talk.client.recv(2000) == b"x" * 1000


def test_nothing_to_read_is_said(talk: Talk) -> None:
    talk.shake_hands()
    with pytest.raises(SSL.WantReadError):
        talk.ways.read(talk.tls, talk.handle)


def test_who_speaks_no_tls_is_told_apart(talk: Talk) -> None:
    talk.theirs.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00" * 10)
    with pytest.raises(SSL.Error) as caught:
        talk.ways.handshake(talk.tls, talk.handle)
    assert not isinstance(caught.value, SSL.WantReadError)
    assert "wrong version number" in str(caught.value)


def test_who_has_gone_without_a_word_hears_none(talk: Talk) -> None:
    talk.shake_hands()
    assert not tls_io.has_gone(talk.ours)
    talk.client.sendall(b"last")
    talk.client.close()
    assert not tls_io.has_gone(talk.ours), "what it sent is still to be read"
    assert talk.read() == b"last"
    assert tls_io.has_gone(talk.ours)

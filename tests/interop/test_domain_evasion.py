"""Ways around what a domain demands, none of which leads in."""

from __future__ import annotations

import http.client
import socket
import ssl

import pytest

from interop.devices import until
from interop.domains import device as device
from interop.domains import domain as domain
from interop.domains import operator as operator
from interop.domains import who as who
from interop.packets import connect_packet
from interop.wire import tls_context
from nodes import running

CONNACK = 0x20


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("evasion") / "node") as node:
        yield node


# --- the certificate, where something else is asked for ----------------------------------------------------


def asks(domain, who, target):
    """The status of a request for credentials by a device's certificate."""
    host, ca = domain.host, domain.operator.ca

    class Connection(http.client.HTTPSConnection):
        def connect(self):
            http.client.HTTPConnection.connect(self)
            self.sock = tls_context(ca, who.identity).wrap_socket(self.sock, server_hostname=host)

    connection = Connection(*domain.operator.node.address("https"), timeout=10)
    try:
        connection.request("GET", target, headers={"host": host})
        return connection.getresponse().status
    finally:
        connection.close()


CREDENTIALS = "/role-aliases/nobody/credentials"
MARKED = f"{CREDENTIALS}?X-Amz-Signature=1"
NO_ALIAS = 404
"""The answer to who has been let in and asks for an alias that does not exist."""


def test_what_only_looks_signed_is_not_taken_for_its_certificate(domain, who):
    assert asks(domain, who, CREDENTIALS) == NO_ALIAS
    domain.change(authenticationType="AWS_SIGV4", applicationProtocol="HTTPS")
    until(lambda: asks(domain, who, CREDENTIALS) == 403)
    assert asks(domain, who, MARKED) in (400, 403)


@pytest.mark.parametrize("authentication", ["CUSTOM_AUTH", "CUSTOM_AUTH_X509"])
def test_a_certificate_alone_gets_no_credentials_where_an_authorizer_decides(domain, who, authentication):
    domain.change(authenticationType=authentication, applicationProtocol="HTTPS")
    until(lambda: asks(domain, who, CREDENTIALS) == 403)


# --- a ClientHello in two records --------------------------------------------------------------------------


def in_two(hello: bytes, at: int) -> bytes:
    """The same message, with its first bytes in a record of their own (RFC 8446, 5.1)."""
    head, body = hello[:3], hello[5:]
    return b"".join(head + len(part).to_bytes(2) + part for part in (body[:at], body[at:]))


def answer(domain, who, *, cut: int | None, newest: ssl.TLSVersion) -> bytes:
    """The first byte of a CONNACK that comes of a CONNECT; nothing if the connection ends."""
    context = tls_context(domain.operator.ca, who.identity)
    context.maximum_version = newest
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(came, goes, server_hostname=domain.host)
    with socket.create_connection(domain.operator.node.mqtt, 10) as sock:

        def until_done(step):
            nonlocal cut
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    data = goes.read()
                    if cut is not None:
                        data, cut = in_two(data, cut), None
                    if data:
                        sock.sendall(data)
                    if more := sock.recv(65536):
                        came.write(more)
                    else:
                        came.write_eof()

        try:
            until_done(tls.do_handshake)
            tls.write(connect_packet("evades"))
            sock.sendall(goes.read())
            return until_done(lambda: tls.read(1))
        except (ssl.SSLError, OSError):
            return b""


def test_a_name_in_a_second_record_leads_to_no_other_rules(domain, who):
    """Whoever reads the first record alone finds no name in it, and would let in by the rules for none."""
    connack = bytes([CONNACK])
    assert answer(domain, who, cut=None, newest=ssl.TLSVersion.TLSv1_2) == connack
    domain.change(tlsConfig={"securityPolicy": "IoTSecurityPolicy_TLS13_1_3_2022_10"})
    until(lambda: answer(domain, who, cut=None, newest=ssl.TLSVersion.TLSv1_2) == b"")
    assert answer(domain, who, cut=None, newest=ssl.TLSVersion.TLSv1_3) == connack
    for cut in (1, 30, 60):
        assert answer(domain, who, cut=cut, newest=ssl.TLSVersion.TLSv1_2) == b""

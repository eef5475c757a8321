"""The TLS contexts of a node's listeners: the default one, and those of the names that have a domain
configuration, chosen by SNI before a handshake begins."""

from __future__ import annotations

import socket

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL

from sekisho.broker import client_hello
from sekisho.broker.stapling import Stapling
from sekisho.broker.tls import Key, server_context
from sekisho.logic.domains import Domain
from sekisho.services.domains import Served

log = structlog.get_logger("sekisho.tls")


class Contexts:
    """``named`` is empty as long as no name has a configuration: then nobody looks at a ClientHello."""

    def __init__(
        self, certificate: x509.Certificate, key: Key, ca: x509.Certificate, stapling: Stapling
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._ca = ca
        self._stapling = stapling
        self.default = server_context(certificate, key, [ca])
        self.named: dict[str, SSL.Context] = {}

    def told(self, name: str, domain: Domain | None, served: Served | None) -> None:
        """A host name has another domain: new handshakes are by it, old connections stay as they are."""
        if domain is None:
            self.named.pop(name, None)
            self._stapling.drop(name)
            return
        try:
            self.named[name] = self._context(domain, served)
        except Exception as error:
            # The last one stays: a name must not be without a certificate because of a new one.
            log.error("a domain cannot be served", domain=name, error=type(error).__name__)

    def _context(self, domain: Domain, served: Served | None) -> SSL.Context:
        if served is None:
            return server_context(self._certificate, self._key, [self._ca], domain.policy)
        key = serialization.load_pem_private_key(served.key.encode(), password=None)
        chain = x509.load_pem_x509_certificates(served.chain.encode()) if served.chain else []
        leaf = x509.load_pem_x509_certificate(served.certificate.encode())
        context = server_context(leaf, key, chain, domain.policy)
        if domain.stapling:
            self._stapling.put(domain.name, leaf, chain[0] if chain else None)
            context.set_ocsp_server_callback(self._staple, domain.name)
        else:
            self._stapling.drop(domain.name)
        return context

    def _staple(self, connection: SSL.Connection, name: str | None) -> bytes:
        return self._stapling.answer(name or "")

    def choose(self, sock: socket.socket) -> str:
        """The name that the client on a non-blocking socket asks for, '' for none, whose context is in
        ``named`` or else the default one.

        Raises BlockingIOError as long as its first record is not whole; the socket is readable next when it
        may be.
        """
        data = sock.recv(client_hello.LONGEST, socket.MSG_PEEK)
        wanted = client_hello.wanted(data)
        asked = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        if data and len(data) < wanted and asked != wanted:
            # Else the socket would be readable all the time, and nothing to be done. So it is when the client
            # has ended in the middle: who is woken by less than was asked for does not ask again.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
            raise BlockingIOError
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        return client_hello.server_name(data)

    def is_right(self, looked: str, name: str) -> bool:
        """Whether a handshake by the context of the name ``looked`` (`choose`) may stand now that the client
        has said ``name``: a ClientHello in several records says what its first has not."""
        return looked == name.lower() or not {looked, name.lower()} & self.named.keys()

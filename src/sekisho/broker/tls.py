"""The TLS side of the device listeners: any client certificate gets through, the registry decides later.

A platform must accept certificates that no CA of its own vouches for, so the verify callback lets the
handshake finish (TLS itself proves that the peer has the key), and the registry says at CONNECT who it is, by
SHA-256 of the DER. Real AWS endpoints do the same (aws-iot-device-sdk-embedded-C, issue 1920).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL, crypto

from sekisho.broker.tls_io import accept_any
from sekisho.logic.domains import DEFAULT_POLICY, POLICIES

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ALPN_MQTT_X509 = b"x-amzn-mqtt-ca"
ALPN_MQTT = b"mqtt"
ALPN_HTTP_X509 = b"x-amzn-http-ca"
ALPN_HTTP = b"http/1.1"
ALPN = (ALPN_MQTT_X509, ALPN_MQTT, ALPN_HTTP_X509, ALPN_HTTP)
"""AWS IoT Developer Guide, Device communication protocols."""

CHAIN = 4
"""Of what a client sends above its certificate, how much is looked at."""


VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


def server_context(
    certificate: x509.Certificate, key: Any, chain: Sequence[x509.Certificate], policy: str = DEFAULT_POLICY
) -> SSL.Context:
    """By one of AWS IoT's security policies; no session tickets, as AWS IoT. ``chain`` is what stands above
    the certificate."""
    oldest, newest, ciphers = POLICIES[policy]
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(VERSIONS[oldest])
    context.set_max_proto_version(VERSIONS[newest])
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    # Without an id of its own a server that asks for certificates refuses every resumption attempt with an
    # error instead of a full handshake (OpenSSL, SSL_CTX_set_session_id_context).
    context.set_session_id(b"sekisho")
    context.set_cipher_list(ciphers.encode())
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.use_certificate(crypto.X509.from_cryptography(certificate))
    context.use_privatekey(crypto.PKey.from_cryptography_key(key))
    for above in chain:
        context.add_extra_chain_cert(crypto.X509.from_cryptography(above))
    context.check_privatekey()
    accept_any(context)
    context.set_alpn_select_callback(_select_alpn)
    return context


def _select_alpn(connection: SSL.Connection, offered: Sequence[bytes]) -> Any:
    for protocol in offered:
        if protocol in ALPN:
            return protocol
    return SSL.NO_OVERLAPPING_PROTOCOLS


def peer_certificate_der(connection: SSL.Connection) -> bytes | None:
    # Not as cryptography's: that would read it, and raise at whatever a stranger has put into it.
    certificate = connection.get_peer_certificate()
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) if certificate is not None else None


def peer_chain(connection: SSL.Connection) -> tuple[str, ...]:
    """The ids of what the peer has sent above its own certificate, of the first few."""
    return tuple(hashlib.sha256(der).hexdigest() for der in peer_chain_ders(connection))


def peer_chain_ders(connection: SSL.Connection) -> tuple[bytes, ...]:
    """What the peer has sent above its own certificate, the first few.

    On a server OpenSSL's list does not have the peer's own (SSL_get_peer_cert_chain(3))."""
    chain = connection.get_peer_cert_chain()
    if not chain:
        return ()
    return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in chain[:CHAIN])

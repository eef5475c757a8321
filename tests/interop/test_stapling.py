"""OCSP stapling: what a responder says of a domain's certificate goes with each of its handshakes."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from api.authorities import Authority
from interop.devices import until
from interop.domains import operator as operator
from interop.domains import s_client
from nodes import running

HOUR = timedelta(hours=1)
STAPLING = {"enableOCSPCheck": True}


class Responder:
    """Answers about one certificate, as it is told to."""

    def __init__(self):
        self.asked = []
        self.answer = b""
        responder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = self.rfile.read(int(self.headers["content-length"]))
                responder.asked.append((self.path, self.headers["content-type"], request))
                self.send_response(200)
                self.send_header("content-length", str(len(responder.answer)))
                self.end_headers()
                self.wfile.write(responder.answer)

            def log_message(self, *_):
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/status"

    def says(self, domain, status=ocsp.OCSPCertStatus.GOOD, *, signer=None, ends=HOUR, about=None):
        authority = domain.operator.authority
        issuer = authority.issued.certificate
        now = datetime.now(UTC)
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=(about or domain.papers).certificate,
            issuer=issuer,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=now - HOUR,
            next_update=now + ends,
            revocation_time=now - HOUR if revoked else None,
            revocation_reason=None,
        )
        signer = signer or authority
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.issued.certificate)
        signed = builder.sign(signer.key, hashes.SHA256())
        self.answer = signed.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("stapling") / "node") as node:
        yield node


@pytest.fixture
def responder():
    responder = Responder()
    yield responder
    responder.server.shutdown()
    responder.server.server_close()


@pytest.fixture
def domain(operator, responder):
    domain = operator.domain(ocsp=responder.url)
    yield domain
    domain.delete()


def told(node, domain):
    return s_client(node, domain.host, "-status", "-CAfile", domain.operator.ca)


@pytest.mark.parametrize(
    ("status", "words"),
    [(ocsp.OCSPCertStatus.GOOD, "Cert Status: good"), (ocsp.OCSPCertStatus.REVOKED, "Cert Status: revoked")],
)
def test_an_answer_goes_with_the_handshake(node, domain, responder, status, words):
    responder.says(domain, status)
    assert "no response sent" in told(node, domain)
    domain.change(serverCertificateConfig=STAPLING)
    until(lambda: words in told(node, domain))
    assert "OCSP Response Status: successful" in told(node, domain)
    path, kind, request = responder.asked[0]
    assert (path, kind) == ("/status", "application/ocsp-request")
    number = domain.papers.certificate.serial_number
    assert ocsp.load_der_ocsp_request(request).serial_number == number
    assert len(responder.asked) == 1  # and for every handshake after it
    domain.change(serverCertificateConfig={"enableOCSPCheck": False})
    until(lambda: "no response sent" in told(node, domain))


def test_a_new_certificate_is_asked_about(node, domain, responder):
    responder.says(domain)
    domain.change(serverCertificateConfig=STAPLING)
    until(lambda: "Cert Status: good" in told(node, domain))
    responder.answer = b""
    domain.papers = domain.bring(ocsp=responder.url)
    until(lambda: len(responder.asked) == 2)
    assert "no response sent" in told(node, domain)


def says_why(node, domain, words):
    return any(domain.host in line and words in line for line in node.log.splitlines())


WRONG = {
    "is not of this time": {"ends": -HOUR / 2},
    "has not signed it": {"signer": Authority("Somebody Else")},
    "cannot be read": 20,
    "more than 4096": 5000,
}


@pytest.mark.parametrize("words", WRONG)
def test_an_answer_that_is_not_right_is_not_stapled(node, domain, responder, words):
    how = WRONG[words]
    if isinstance(how, dict):
        responder.says(domain, **how)
    else:
        responder.answer = bytes(how)
    domain.change(serverCertificateConfig=STAPLING)
    until(lambda: says_why(node, domain, words))
    assert "no response sent" in told(node, domain)
    assert "Verify return code: 0 (ok)" in told(node, domain)


def test_an_answer_about_another_certificate_is_not_stapled(node, domain, responder, operator):
    responder.says(domain, about=operator.authority.issued)
    domain.change(serverCertificateConfig=STAPLING)
    until(lambda: says_why(node, domain, "another certificate"))
    assert "no response sent" in told(node, domain)


def test_a_responder_that_is_away_costs_nothing_but_the_answer(node, operator):
    domain = operator.domain(ocsp="http://127.0.0.1:1/", serverCertificateConfig=STAPLING)
    until(lambda: says_why(node, domain, "no OCSP answer"))
    assert "no response sent" in told(node, domain)
    domain.delete()

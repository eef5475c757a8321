"""The input of a bulk registration: lines out of a stream, and each line made ready to be registered.

Source: AWS IoT Developer Guide, "Bulk registration" (one JSON object of template parameters a line), and AWS
General Reference, AWS IoT quotas (256,000 characters a line).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sekisho.logic.certificate_issue import NOT_AFTER, issue_device_certificate
from sekisho.logic.certificates import BadCsr, certificate_pem, parse_csr
from sekisho.logic.json_text import kind_of
from sekisho.logic.templates import Template, TemplateError, expand, parse_template

MOST_CHARACTERS = 256_000
MOST_BYTES = 4 * MOST_CHARACTERS
"""A character of UTF-8 has at most four."""


class Line(NamedTuple):
    """``number`` from 1, ``offset`` of its first byte, ``end`` of the byte after its line end.

    ``text`` is None for a line that is too long to be kept.
    """

    number: int
    offset: int
    end: int
    text: bytes | None


class Lines:
    """Cuts a stream at its line ends; holds no more than one line, and of a longer one nothing."""

    def __init__(self, number: int = 0, offset: int = 0) -> None:
        self._number = number
        self._start = offset
        self._end = offset
        self._kept: bytearray | None = bytearray()

    def feed(self, data: bytes) -> Iterator[Line]:
        at = 0
        while at < len(data):
            cut = data.find(b"\n", at)
            piece_end = len(data) if cut < 0 else cut
            if self._kept is not None:
                if len(self._kept) + piece_end - at > MOST_BYTES:
                    self._kept = None
                else:
                    self._kept += data[at:piece_end]
            self._end += piece_end - at
            if cut < 0:
                return
            self._end += 1
            at = cut + 1
            yield self._line()

    def finish(self) -> Iterator[Line]:
        """The last line, if it has no line end."""
        if self._end > self._start:
            yield self._line()

    def _line(self) -> Line:
        self._number += 1
        text = bytes(self._kept) if self._kept is not None else None
        line = Line(self._number, self._start, self._end, text)
        self._start = self._end
        self._kept = bytearray()
        return line


class Issuer(NamedTuple):
    """The CA for a worker process: its certificate, and its key in PKCS#8, both DER; and where its
    revocation list is, if its certificates are to say so."""

    certificate: bytes
    key: bytes
    crl_url: str = ""

    def __repr__(self) -> str:
        return "Issuer()"


class Ready(NamedTuple):
    """A line that can be registered, or the ``error`` that says why it cannot; ``thing`` is its thing's name.

    ``certificate`` is the PEM of the certificate that was issued for its signing request.
    """

    parameters: dict[str, str] | None
    thing: str = ""
    certificate: str | None = None
    error: str | None = None


def make_ready(
    issuer: Issuer | None,
    template_body: str,
    lines: list[bytes | None],
    now: float,
    not_after: datetime = NOT_AFTER,
) -> list[Ready]:
    """Parse, expand and sign, for a worker process: signing is most of what a line costs.

    Without an ``issuer``, whose key may be in a token, what is to be signed is left to who registers it.
    """
    return [_ready(issuer, template_body, line, now, not_after) for line in lines]


def _ready(
    issuer: Issuer | None, template_body: str, line: bytes | None, now: float, not_after: datetime
) -> Ready:
    try:
        parameters = parameters_of(line)
        plan = expand(template_of(template_body), parameters, {})
        certificate = None
        if plan.certificate is not None and plan.certificate.csr is not None:
            csr = parse_csr(plan.certificate.csr)
            if issuer is not None:
                ca, key = _loaded(issuer)
                signed = issue_device_certificate(
                    ca, key, csr.public_key(), csr.subject, now, not_after, crl_url=issuer.crl_url
                )
                certificate = certificate_pem(signed)
    except TemplateError as error:
        return Ready(None, error=f"Invalid provisioning template: {error}")
    except BadCsr as error:
        return Ready(None, error=f"The certificate signing request is not usable: {error}")
    except BadLine as error:
        return Ready(None, error=str(error))
    return Ready(parameters, plan.thing.name if plan.thing is not None else "", certificate)


class BadLine(ValueError):
    """The line is none that can be registered."""


def parameters_of(line: bytes | None) -> dict[str, str]:
    """The template's parameters that a line gives; BadLine says what is wrong with it."""
    if line is None:
        raise BadLine(f"the line has more than {MOST_CHARACTERS} characters")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise BadLine("the line is not UTF-8") from None
    if len(text) > MOST_CHARACTERS:
        raise BadLine(f"the line has more than {MOST_CHARACTERS} characters")
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadLine("the line is not JSON") from None
    if not isinstance(found, dict):
        raise BadLine(f"the line must be a JSON object, not {kind_of(found)}")
    for name, value in found.items():
        if not isinstance(value, str):
            raise BadLine(f"the value of {name[:80]!r} must be a string, not {kind_of(value)}")
    return found


@lru_cache(maxsize=16)
def template_of(body: str) -> Template:
    return parse_template(body, "REGISTER_THING")


@lru_cache(maxsize=2)
def _loaded(issuer: Issuer) -> tuple[x509.Certificate, Any]:
    key = serialization.load_der_private_key(issuer.key, password=None)
    return x509.load_der_x509_certificate(issuer.certificate), key

"""Certificate revocation lists (RFC 5280, section 5): the node's own are made, others' read and checked."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

MOST_CHARS = 900_000
"""Characters of PEM that are read; some 16,000 entries."""


UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a list that is damaged."""


class BadRevocationList(ValueError):
    """Not a list that can be honoured; the words say why."""


def serial_text(serial: int) -> str:
    """A serial number as text that sorts: 40 hex digits, for the 20 bytes that RFC 5280, 4.1.2.2 allows."""
    return f"{serial:040x}"


RECORD = struct.Struct(">20sd")
"""An entry of a list on its way to a worker: serial number, and epoch seconds."""


def record_of(serial: str, at: float) -> bytes:
    """An entry as 28 bytes, which sort by the serial number (`serial_text`)."""
    return RECORD.pack(bytes.fromhex(serial), at)


def make_revocation_list(
    ca_pem: str,
    ca_key_der: bytes,
    number: int,
    records: bytes,
    this_update: float,
    next_update: float,
) -> bytes:
    """`sign_revocation_list` for a worker process."""
    ca = x509.load_pem_x509_certificate(ca_pem.encode())
    key = cast(rsa.RSAPrivateKey, serialization.load_der_private_key(ca_key_der, None))
    return sign_revocation_list(ca, key, number, records, this_update, next_update)


def sign_revocation_list(
    ca: x509.Certificate,
    key: rsa.RSAPrivateKey,
    number: int,
    records: bytes,
    this_update: float,
    next_update: float,
) -> bytes:
    """A signed list in DER, of ``records`` (`record_of`) one after another.

    Takes a millisecond for the signature and three microseconds for each entry.
    """
    entries = [
        x509.RevokedCertificateBuilder(int.from_bytes(serial, "big"), _moment(at)).build()
        for serial, at in RECORD.iter_unpack(records)
    ]
    # All at once: add_revoked_certificate copies what is there already, each time.
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=entries)
        .issuer_name(ca.subject)
        .last_update(_moment(this_update))
        .next_update(_moment(next_update))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(ca), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), UTC)


def _authority_key(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    known = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


class ForeignList(NamedTuple):
    """What another CA's list says: its number if it has one, times in epoch seconds, the serial numbers on it
    (`serial_text`), sorted."""

    number: int | None
    this_update: float
    next_update: float | None
    serials: list[str]


def parse_revocation_list(pem: str, ca_pem: str, now: float) -> ForeignList:
    """Read a PEM list that the CA has signed and that is in force ``now`` (epoch seconds).

    Raises `BadRevocationList`; also for what cannot be honoured whole: a list of changes only, or of another
    scope than all of the CA's certificates (RFC 5280, 5.2.4 and 5.2.5). A long list takes some 50 ms.
    """
    if len(pem) > MOST_CHARS:
        raise BadRevocationList(f"the list has {len(pem)} characters, more than {MOST_CHARS}")
    ca = x509.load_pem_x509_certificate(ca_pem.encode())
    try:
        found = x509.load_pem_x509_crl(pem.encode())
        critical = [extension.oid for extension in found.extensions if extension.critical]
        issuer, since, until = found.issuer, found.last_update_utc, found.next_update_utc
        read = ForeignList(
            _number(found),
            since.timestamp(),
            until.timestamp() if until is not None else None,
            sorted(serial_text(entry.serial_number) for entry in found if not _removed(entry)),
        )
    except UNREADABLE as error:
        raise BadRevocationList(f"not a revocation list in PEM: {error}") from None
    if issuer != ca.subject:
        raise BadRevocationList("the list is of another issuer than the CA certificate")
    try:
        usage = ca.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            raise BadRevocationList("the key usage of the CA certificate does not include cRLSign")
    except x509.ExtensionNotFound:
        pass
    if not _signed(found, ca):
        raise BadRevocationList("the CA certificate's key has not signed the list")
    if critical:
        names = ", ".join(oid.dotted_string for oid in critical)
        raise BadRevocationList(f"the list has a critical extension that is not supported: {names}")
    moment = _moment(now)
    if since > moment:
        raise BadRevocationList(f"the list is not in force before {since.isoformat()}")
    if until is not None and until <= moment:
        raise BadRevocationList(f"the list was to be replaced at {until.isoformat()}")
    return read


def _signed(found: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    key: Any = ca.public_key()
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        return False
    try:
        return found.is_signature_valid(key)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False


def _number(found: x509.CertificateRevocationList) -> int | None:
    try:
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _removed(entry: x509.RevokedCertificate) -> bool:
    """Whether it is on the list only to be taken off (RFC 5280, 5.3.1)."""
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return False
    return reason is x509.ReasonFlags.remove_from_crl

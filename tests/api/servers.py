"""Server certificates for tests: from an authority of one's own, as an operator would bring them."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from api.authorities import Authority, Issued

SERVER_AUTH = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)


def named(*names: str) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False


def asked_at(url: str) -> tuple[x509.ExtensionType, bool]:
    """The extension that names an OCSP responder."""
    place = x509.UniformResourceIdentifier(url)
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
    return x509.AuthorityInformationAccess([access]), False


def server(
    authority: Authority, *names: str, key: Any = None, usage: bool = True, ocsp: str = "", **how: Any
) -> Issued:
    """A certificate of an authority for these names, with a P-256 key of its own unless told."""
    extensions = (named(*names), *((SERVER_AUTH,) if usage else ()), *((asked_at(ocsp),) if ocsp else ()))
    key = key or ec.generate_private_key(ec.SECP256R1())
    return authority.sign(names[0], key, extensions=extensions, **how)


def brought(issued: Issued, *chain: Any) -> dict[str, bytes]:
    """The members of ImportCertificate."""
    members = {"Certificate": issued.pem.encode(), "PrivateKey": issued.key_pem}
    if chain:
        members["CertificateChain"] = "".join(one.pem for one in chain).encode()
    return members

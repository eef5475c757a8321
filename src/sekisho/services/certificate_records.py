"""A certificate as the registry keeps it, and the rows by which those of one CA are found."""

from __future__ import annotations

from cryptography import x509

from sekisho.logic.certificates import certificate_id, certificate_pem
from sekisho.services.call import Call
from sekisho.services.taken import refuse_taken
from sekisho.services.work import Document, Work


def issued_kind(ca_certificate_id: str) -> str:
    """The kind of the rows of one CA's certificates: their ids, as old as the certificates' own rows."""
    return f"issued/{ca_certificate_id}"


def description(call: Call, kind: str, certificate: x509.Certificate, status: str, mode: str) -> Document:
    """What a device certificate (``cert``) and that of a CA (``cacert``) have in common.

    The PEM is written anew from the DER: the id depends on nothing else, and what stood around it is not ours
    to keep.
    """
    id = certificate_id(certificate)
    arn = call.arn(kind, id)
    return {
        "certificateId": id,
        "certificateArn": arn,
        "certificatePem": certificate_pem(certificate),
        "status": status,
        "ownedBy": call.account,
        "certificateMode": mode,
        "customerVersion": 1,
        "generationId": f"{arn}:1",
        "validity": {
            "notBefore": certificate.not_valid_before_utc.timestamp(),
            "notAfter": certificate.not_valid_after_utc.timestamp(),
        },
    }


async def put_new_certificate(
    call: Call,
    certificate: x509.Certificate,
    status: str,
    mode: str = "DEFAULT",
    ca_certificate_id: str | None = None,
    *,
    issued: bool = False,
) -> Document:
    """A device certificate that has just been registered, or ``issued`` with a random serial number: then
    nobody can have it yet."""
    body = description(call, "cert", certificate, status, mode) | {"caCertificateId": ca_certificate_id}
    if issued:
        call.work.is_new("cert", body["certificateId"], body["certificateArn"])
    return await put_certificate(call.work, body)


async def put_certificate(work: Work, body: Document) -> Document:
    """A certificate that is new to this account, in the list of its CA as well."""
    if body.get("caCertificateId"):
        await work.put(issued_kind(body["caCertificateId"]), body["certificateId"], {})
    return await work.put("cert", body["certificateId"], body)


async def drop_certificate(work: Work, certificate: Document) -> None:
    """The opposite of `put_certificate`."""
    if certificate.get("caCertificateId"):
        await work.delete(issued_kind(certificate["caCertificateId"]), certificate["certificateId"])
    await work.delete("cert", certificate["certificateId"])


async def drop_attachments(work: Work, certificate: Document) -> None:
    """Detach every policy and thing of a certificate that goes."""
    arn = certificate["certificateArn"]
    for kind in ("attached-policy", "thing-principal"):
        for link in await work.all_links_to(kind, arn):
            work.unlink(kind, link.source, arn)


async def require_unregistered(call: Call, id: str, kind: str) -> None:
    existing = await call.work.get_unlikely(kind, id)
    if existing is not None:
        refuse_taken(existing, "certificate", id, "The certificate is already provisioned or registered")

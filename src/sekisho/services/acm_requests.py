"""RequestCertificate: a server certificate from the node's own CA, at once.

AWS's are from a public CA and wait for a proof that the domain is the caller's. A node has no public CA, and
whose a domain is in its network is its operator's to say: the certificate is ISSUED in the answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from sekisho.aws.errors import InvalidParameterException
from sekisho.logic.certificate_issue import load_server_key, make_server_certificate, new_server_key
from sekisho.logic.server_certificates import ServerCertificate
from sekisho.services.call import Call
from sekisho.services.server_certificates import (
    ISSUED,
    KIND,
    certificate_arn,
    certificate_document,
    put_certificate_tags,
    require_room,
    sealed_for,
)
from sekisho.services.unique import new_uuid
from sekisho.services.work import Document

DEFAULT_ALGORITHM = "RSA_2048"
ALGORITHMS = (DEFAULT_ALGORITHM, "EC_prime256v1", "EC_secp384r1")
"""AWS Certificate Manager API Reference, RequestCertificate, KeyAlgorithm: what public certificates have."""

MOST_NAMES = 10
"""AWS Certificate Manager quotas: names of one certificate."""

TOKEN_SECONDS = 3600.0
"""How long a token means the same request (botocore, RequestCertificate, IdempotencyToken)."""


async def request_certificate(
    call: Call,
    DomainName: str,
    SubjectAlternativeNames: Sequence[str] | None = None,
    IdempotencyToken: str | None = None,
    ValidationMethod: str | None = None,
    KeyAlgorithm: str | None = None,
    Tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    names = list(dict.fromkeys([DomainName, *(SubjectAlternativeNames or ())]))
    if len(names) > MOST_NAMES:
        raise InvalidParameterException(f"a certificate can have at most {MOST_NAMES} names")
    algorithm = KeyAlgorithm or DEFAULT_ALGORITHM
    if algorithm not in ALGORITHMS:
        raise InvalidParameterException(f"KeyAlgorithm {algorithm} is not one of {', '.join(ALGORITHMS)}")
    id = new_uuid()
    if IdempotencyToken is not None:
        same = f"{call.account}/{call.region}/{IdempotencyToken}/{algorithm}/{','.join(names)}"
        known = await call.work.get(KIND, str(uuid.uuid5(uuid.NAMESPACE_URL, same)))
        if known is None:
            id = str(uuid.uuid5(uuid.NAMESPACE_URL, same))
        elif call.now < known["madeAt"] + TOKEN_SECONDS:
            return {"CertificateArn": known["certificateArn"]}
    await require_room(call)
    arn = certificate_arn(call.region, call.account, id)
    ca = call.deps.keyring.server
    key = load_server_key(await call.deps.workers.run(new_server_key, algorithm))
    leaf, private = make_server_certificate(ca.certificate, ca.key, names, call.now, key=key)
    papers = ServerCertificate(leaf, (ca.certificate,), private)
    context = sealed_for(call.account, call.region, id)
    made = certificate_document(arn, papers, ISSUED, call.deps.keyring, context, call.now)
    await put_certificate_tags(call, arn, Tags)
    await call.work.put(KIND, id, made | {"validationMethod": ValidationMethod or "DNS"})
    return {"CertificateArn": arn}

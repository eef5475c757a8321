"""Server certificates in the database: found by their ARNs, read, and whose they are in use by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import botocore
from cryptography import x509

from sekisho.aws.errors import (
    InvalidArnException,
    InvalidTagException,
    LimitExceededException,
    ResourceNotFoundException,
    TooManyTagsException,
)
from sekisho.logic.arns import parse_arn, partition_of
from sekisho.logic.certificates import certificate_pem, parse_certificate
from sekisho.logic.server_certificates import ServerCertificate, key_algorithm, names_of, read_chain
from sekisho.services.access import Sealer
from sekisho.services.call import Call
from sekisho.services.tagging import MOST as MOST_TAGS
from sekisho.services.work import Document, Work

KIND = "acmcertificate"
USE = "acm-use"
"""The kind of the links from a domain configuration's name to the ARN of a certificate that it needs."""

ISSUED, IMPORTED = "AMAZON_ISSUED", "IMPORTED"
"""``Type``: from the node's own CA, or brought along."""

SERVICE = "acm"


MOST = 2500
"""AWS General Reference, AWS Certificate Manager quotas: ACM certificates of an account in a Region."""


def certificate_arn(region: str, account: str, id: str) -> str:
    return f"arn:{partition_of(region)}:{SERVICE}:{region}:{account}:certificate/{id}"


def sealed_for(account: str, region: str, id: str) -> str:
    """The context that a certificate's key is sealed for."""
    return f"{KIND}/{account}/{region}/{id}"


def id_of(call: Call, arn: str) -> str:
    """The id of a certificate of the caller's; InvalidArnException, or ResourceNotFoundException for
    another's."""
    try:
        found = parse_arn(arn)
    except ValueError as error:
        raise InvalidArnException(str(error)) from None
    kind, _, id = found.resource.partition("/")
    if found.service != SERVICE or kind != "certificate" or not id:
        raise InvalidArnException(f"{arn} is not the ARN of a certificate of ACM")
    if arn != certificate_arn(call.region, call.account, id):
        raise not_there(arn)
    return id


def not_there(arn: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Could not find certificate {arn}")


async def require_certificate(call: Call, arn: str) -> Document:
    """The document of a certificate, by its ARN; for the operations of `acm`."""
    found = await call.work.get(KIND, id_of(call, arn))
    if found is None:
        raise not_there(arn)
    return found


async def require_room(call: Call) -> None:
    found, _ = await call.work.page(KIND, "", MOST)
    if len(found) >= MOST:
        raise LimitExceededException(f"there are {MOST} certificates already, the most that there may be")


async def put_certificate_tags(call: Call, arn: str, tags: Sequence[Mapping[str, str]] | None) -> None:
    """Add tags; TooManyTagsException past 50, InvalidTagException for a key of AWS's own."""
    if not tags:
        return
    for tag in tags:
        if tag["Key"].lower().startswith("aws:"):
            raise InvalidTagException(f"{tag['Key']}: keys that begin with aws: are AWS's own")
    existing = await call.work.get("tags", arn) or {"tags": {}}
    merged = existing["tags"] | {tag["Key"]: tag.get("Value", "") for tag in tags}
    if len(merged) > MOST_TAGS:
        raise TooManyTagsException(f"a certificate can have at most {MOST_TAGS} tags")
    await call.work.put("tags", arn, {"tags": merged})


def certificate_document(
    arn: str, papers: ServerCertificate, kind: str, keyring: Sealer, context: str, now: float
) -> Document:
    """A certificate as the database has it: the key sealed, and what is shown read from it once."""
    leaf = papers.leaf
    names = names_of(leaf)
    return {
        "certificateArn": arn,
        "type": kind,
        "certificatePem": certificate_pem(leaf),
        "chainPem": papers.chain_pem,
        "key": keyring.seal(papers.key_pem, context),
        "domainName": names[0],
        "names": names,
        "keyAlgorithm": key_algorithm(leaf),
        "notBefore": leaf.not_valid_before_utc.timestamp(),
        "notAfter": leaf.not_valid_after_utc.timestamp(),
        "madeAt": now,
    }


def leaf_of(document: Document) -> x509.Certificate:
    return parse_certificate(document["certificatePem"])


def chain_of(document: Document) -> list[x509.Certificate]:
    return read_chain(document["chainPem"])


async def users_of(work: Work, arn: str) -> list[str]:
    """The names of the domain configurations that need a certificate; at most ten in an account."""
    return [link.source for link in await work.links_to(USE, arn)]


@cache
def public_roots() -> dict[bytes, x509.Certificate]:
    """The CAs of Mozilla's bundle, which AWS IoT takes for the public ones, by their subjects in DER."""
    bundle = Path(botocore.__file__).with_name("cacert.pem").read_bytes()
    return {one.subject.public_bytes(): one for one in x509.load_pem_x509_certificates(bundle)}

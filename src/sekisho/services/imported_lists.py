"""Beyond AWS: revocation lists of registered CAs, imported and from then on honoured."""

from __future__ import annotations

from sekisho.aws.errors import ConflictException, InvalidRequestException, ResourceNotFoundException
from sekisho.logic.revocation import BadRevocationList, ForeignList, parse_revocation_list
from sekisho.services.call import Call
from sekisho.services.issuers import CA
from sekisho.services.revoked import IMPORTED
from sekisho.services.work import Document


async def import_revocation_list(call: Call, caCertificateId: str, revocationList: str) -> Document:
    """A later list takes the place of an earlier one, never the other way: an old list frees nobody."""
    id = caCertificateId.lower()
    ca = await call.require(CA, id)
    try:
        found = await call.deps.workers.run(
            parse_revocation_list, revocationList, ca["certificatePem"], call.now
        )
    except BadRevocationList as error:
        raise InvalidRequestException(f"The revocation list is not usable: {error}") from None
    existing = await call.work.get(IMPORTED, id)
    if existing is not None:
        _check_later(existing, found)
    body = {
        "caCertificateId": id,
        "number": str(found.number) if found.number is not None else None,
        "thisUpdate": found.this_update,
        "nextUpdate": found.next_update,
        "serials": found.serials,
        "importedAt": call.now,
    }
    return _shown(await call.work.put(IMPORTED, id, body))


async def describe_revocation_list(call: Call, caCertificateId: str) -> Document:
    found = await call.work.get(IMPORTED, caCertificateId.lower())
    if found is None:
        raise ResourceNotFoundException(
            f"No revocation list of CA certificate {caCertificateId} has been imported"
        )
    return _shown(found)


def _check_later(existing: Document, found: ForeignList) -> None:
    before, number = existing.get("number"), found.number
    if before is not None and number is None:
        raise ConflictException(f"the list has no number, and the one in force has the number {before}")
    if before is not None and number is not None and number < int(before):
        raise ConflictException(f"the list has the number {number}, the one in force {before}")
    if found.this_update < existing["thisUpdate"]:
        raise ConflictException("the list is older than the one in force")


def _shown(body: Document) -> Document:
    return body | {"entries": len(body["serials"])}

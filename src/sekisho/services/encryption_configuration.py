"""With whose key an account's data is encrypted at rest: there is no KMS here, so with the node's."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException, NotImplementedException
from sekisho.services.call import Call
from sekisho.services.work import Document

KIND = "encryptionconfiguration"
OWNED = "AWS_OWNED_KMS_KEY"


async def describe_encryption_configuration(call: Call) -> Document:
    found = await call.work.get(KIND, "") or {"encryptionType": OWNED}
    return found | {"configurationDetails": {"configurationStatus": "HEALTHY"}}


async def update_encryption_configuration(
    call: Call, encryptionType: str, kmsKeyArn: str | None = None, kmsAccessRoleArn: str | None = None
) -> None:
    """A key of the customer's would be in KMS, which is not here; saying again what holds succeeds."""
    if encryptionType != OWNED:
        raise NotImplementedException(f"encryptionType {encryptionType} is not implemented by this node")
    if kmsKeyArn is not None or kmsAccessRoleArn is not None:
        raise InvalidRequestException(f"kmsKeyArn and kmsAccessRoleArn are not for {OWNED}")
    await call.work.put(KIND, "", {"encryptionType": encryptionType})

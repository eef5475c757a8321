"""Claims of trusted users: a certificate for five minutes, good for provisioning by one template.

It is no device's certificate: nothing lists or describes it, and no policy is attached to it. What it may do
follows from its template (`sekisho.logic.claims`).

Source: AWS IoT Developer Guide, "Provisioning by trusted user"; the `iot` service model.
"""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.certificates import certificate_id, certificate_pem
from sekisho.services.call import Call
from sekisho.services.identity import CLAIM
from sekisho.services.issuing import issue_claim
from sekisho.services.work import Document

LIFETIME = 300.0
"""Seconds that a claim is good for."""


async def create_provisioning_claim(call: Call, templateName: str) -> Document:
    template = await call.require("provisioningtemplate", templateName)
    if template["type"] != "FLEET_PROVISIONING":
        raise InvalidRequestException(
            f"Provisioning template {templateName} is not one for fleet provisioning"
        )
    certificate, private_pem, public_pem = await issue_claim(call, call.now + LIFETIME)
    id = certificate_id(certificate)
    expires = certificate.not_valid_after_utc.timestamp()
    await call.work.put(
        CLAIM,
        id,
        {
            "certificateArn": call.arn("cert", id),
            "status": "ACTIVE",
            "templateName": templateName,
            "validity": {"notBefore": certificate.not_valid_before_utc.timestamp(), "notAfter": expires},
        },
    )
    return {
        "certificateId": id,
        "certificatePem": certificate_pem(certificate),
        "keyPair": {"PublicKey": public_pem, "PrivateKey": private_pem},
        "expiration": expires,
    }

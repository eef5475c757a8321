"""Which validity a certificate gets that is issued now: its template's, its account's, or AWS's."""

from __future__ import annotations

import contextlib

import orjson

from sekisho.logic.policy import MalformedPolicy, NamedPolicy, PolicySet, parse_policy
from sekisho.logic.validity import AWS, Validity, soonest
from sekisho.services.call import Call
from sekisho.services.identity import CLAIM
from sekisho.services.policy_attachments import ATTACHED, MOST
from sekisho.store import tables

ACCOUNT = "certificatevalidity"
"""The kind of the one resource, ``default``, that an account and region may have."""

TEMPLATE = "templatevalidity"
"""The kind of a template's validity; its id is the template's name."""

DEFAULT = "default"

TEMPLATES = 100
"""Templates of an account and region that may have a validity of their own: a claim is held against all."""

PROVISION = "$aws/provisioning-templates/{}/provision/json"


async def account_validity(call: Call) -> Validity:
    return await call.work.get(ACCOUNT, DEFAULT) or AWS


async def claim_validity(call: Call) -> Validity:
    """For a certificate that a device asks for before it names a template (fleet provisioning by claim).

    A trusted user's claim is for one template. What another claim is for is what the claim's policies say:
    of the templates with a validity of their own that they let it provision by, the one by which the
    certificate ends first. AWS has no such setting.
    """
    claim = await call.work.get(CLAIM, call.caller.certificate_id)
    if claim is not None:
        return await call.work.get(TEMPLATE, claim["templateName"]) or await account_validity(call)
    rows = await call.deps.store.fetch(
        *tables.page_resources(call.account, call.region, TEMPLATE, None, TEMPLATES)
    )
    if rows:
        bound = (await _policies(call)).bind({"iot:ClientId": call.caller.client_id})
        found = [
            orjson.loads(row["body"])
            for row in rows
            if bound.decide("iot:Publish", call.arn("topic", PROVISION.format(row["id"]))).allowed
        ]
        chosen = soonest(found, call.now)
        if chosen is not None:
            return chosen
    return await account_validity(call)


async def _policies(call: Call) -> PolicySet:
    """The policies on the certificate with which the device asks."""
    arn = call.arn("cert", call.caller.certificate_id)
    named = []
    for link in await call.work.links_to(ATTACHED, arn, limit=MOST):
        policy = await call.work.get("policy", link.source)
        if policy is not None:
            version = policy["defaultVersionId"]
            text = policy["versions"][version]["policyDocument"]
            # One that was stored when the rules were laxer allows nothing.
            with contextlib.suppress(MalformedPolicy):
                named.append(NamedPolicy(link.source, version, parse_policy(text)))
    return PolicySet(named)

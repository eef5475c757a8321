"""What a policy says and surely does not mean: CheckPolicy, beyond AWS."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.lint import Place, lint
from sekisho.logic.policy import MalformedPolicy, parse_policy
from sekisho.services.call import Call
from sekisho.services.policies import version_of
from sekisho.services.work import Document


async def check_policy(
    call: Call,
    policyDocument: str | None = None,
    policyName: str | None = None,
    policyVersionId: str | None = None,
) -> Document:
    if (policyDocument is None) == (policyName is None):
        raise InvalidRequestException("give either policyDocument or policyName")
    if policyDocument is None:
        made = await call.require("policy", policyName or "")
        policyDocument = version_of(made, policyVersionId or made["defaultVersionId"])["policyDocument"]
    elif policyVersionId is not None:
        raise InvalidRequestException("policyVersionId goes with policyName")
    try:
        policy = parse_policy(policyDocument)
    except MalformedPolicy as error:
        return {"malformed": str(error), "findings": []}
    return {"findings": [one._asdict() for one in lint(policy, Place(call.region, call.account))]}

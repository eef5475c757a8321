"""sts GetCallerIdentity."""

from __future__ import annotations

from sekisho.services.call import Call
from sekisho.services.work import Document


async def get_caller_identity(call: Call) -> Document:
    principal = call.caller.principal
    return {"Account": principal.account, "Arn": principal.arn, "UserId": principal.user_id}

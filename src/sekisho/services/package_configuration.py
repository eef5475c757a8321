"""Whether jobs keep the packages of things up to date in their shadows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.aws.errors import NotImplementedException, ValidationException
from sekisho.services.call import Call
from sekisho.services.permission import require_allowed
from sekisho.services.work import Document

KIND = "packageconfiguration"


async def get_package_configuration(call: Call) -> Document:
    return await call.work.get(KIND, "") or {"versionUpdateByJobsConfig": {"enabled": False}}


async def update_package_configuration(
    call: Call, versionUpdateByJobsConfig: Mapping[str, Any] | None = None, clientToken: str | None = None
) -> None:
    """Nothing here runs jobs, so that what they would do cannot be turned on; a role may be kept for then."""
    given = dict(versionUpdateByJobsConfig or {})
    if given.get("enabled"):
        raise NotImplementedException("versionUpdateByJobsConfig.enabled is not implemented by this node")
    role = given.get("roleArn")
    if role is not None:
        if not role.startswith("arn:"):
            raise ValidationException(f"versionUpdateByJobsConfig.roleArn: {role} is not an ARN")
        require_allowed(call, "iam:PassRole", role)
    before = await get_package_configuration(call)
    now = {**before["versionUpdateByJobsConfig"], **given}
    await call.work.put(KIND, "", {"versionUpdateByJobsConfig": now})

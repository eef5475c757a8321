"""Role aliases: the names by which devices ask for a role's credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import LimitExceededException
from sekisho.services.call import Call
from sekisho.services.paging import DEFAULT_PAGE, key, token
from sekisho.services.roles import CREDENTIALS, check_passing
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import require_free
from sekisho.services.work import Document

KIND = "rolealias"
MOST = 100
"""AWS General Reference, AWS IoT quotas: role aliases of an account in a Region."""

DURATION = 3600
"""Seconds that credentials live unless told (botocore, CreateRoleAlias)."""


async def create_role_alias(
    call: Call,
    roleAlias: str,
    roleArn: str,
    credentialDurationSeconds: int | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    """The creator must be allowed iam:PassRole on the role; whether the role exists, and whether it may last
    so long, is seen when credentials are asked for."""
    check_passing(call, roleArn, "roleArn", CREDENTIALS)
    words = f"Role alias {roleAlias} already exists"
    await require_free(call, KIND, roleAlias, "roleAlias", words)
    found, _ = await call.work.page(KIND, "", MOST)
    if len(found) >= MOST:
        raise LimitExceededException(f"there are {MOST} role aliases already, the most that there may be")
    arn = call.arn(KIND, roleAlias)
    await put_tags(call, arn, tags)
    return await call.work.put(
        KIND,
        roleAlias,
        {
            "roleAlias": roleAlias,
            "roleAliasArn": arn,
            "roleArn": roleArn,
            "owner": call.account,
            "credentialDurationSeconds": credentialDurationSeconds or DURATION,
        },
    )


async def describe_role_alias(call: Call, roleAlias: str) -> Document:
    return {"roleAliasDescription": await call.require(KIND, roleAlias)}


async def update_role_alias(
    call: Call, roleAlias: str, roleArn: str | None = None, credentialDurationSeconds: int | None = None
) -> Document:
    alias = await call.require(KIND, roleAlias)
    if roleArn is not None:
        check_passing(call, roleArn, "roleArn", CREDENTIALS)
    given = {"roleArn": roleArn, "credentialDurationSeconds": credentialDurationSeconds}
    changed = {name: value for name, value in given.items() if value is not None}
    return await call.work.put(KIND, roleAlias, alias | changed)


async def delete_role_alias(call: Call, roleAlias: str) -> None:
    alias = await call.require(KIND, roleAlias)
    await drop_tags(call, alias["roleAliasArn"])
    await call.work.delete(KIND, roleAlias)


async def list_role_aliases(
    call: Call, pageSize: int | None = None, marker: str | None = None, ascendingOrder: bool | None = None
) -> Document:
    """In alphabetical order, downwards unless told (botocore, ascendingOrder)."""
    page, after = await call.work.page(
        KIND, key(marker), pageSize or DEFAULT_PAGE, ascending=bool(ascendingOrder)
    )
    return {"roleAliases": [name for name, _ in page], "nextMarker": token(after)}

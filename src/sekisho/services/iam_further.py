"""What tools ask about before they delete a user: kinds of credentials that nothing here makes."""

from __future__ import annotations

from sekisho.aws.errors import NoSuchEntityException
from sekisho.services.access import root
from sekisho.services.call import Call
from sekisho.services.iam import USER, require
from sekisho.services.iam_users import user_name
from sekisho.services.work import Document


async def list_mfa_devices(
    call: Call, UserName: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return await _none(call, UserName, "MFADevices")


async def list_virtual_mfa_devices(
    call: Call, AssignmentStatus: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return {"VirtualMFADevices": [], "IsTruncated": False}


async def list_ssh_public_keys(
    call: Call, UserName: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return await _none(call, UserName, "SSHPublicKeys")


async def list_signing_certificates(
    call: Call, UserName: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return await _none(call, UserName, "Certificates")


async def list_service_specific_credentials(
    call: Call, UserName: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return await _none(call, UserName, "ServiceSpecificCredentials")


async def get_login_profile(call: Call, UserName: str | None = None) -> Document:
    """There is no console that anybody could have a password for."""
    raise await _no_password(call, UserName)


async def delete_login_profile(call: Call, UserName: str | None = None) -> None:
    raise await _no_password(call, UserName)


async def _none(call: Call, name: str | None, member: str) -> Document:
    await _owner(call, name)
    return {member: [], "IsTruncated": False}


async def _owner(call: Call, name: str | None) -> str:
    """Whose credentials are meant: those of the user of that name, else of who asks."""
    if name is None and call.caller.principal.arn == root(call.account).arn:
        return "root"
    return str((await require(call, USER, user_name(call, name)))["UserName"])


async def _no_password(call: Call, name: str | None) -> NoSuchEntityException:
    return NoSuchEntityException(f"Login Profile for User {await _owner(call, name)} cannot be found.")

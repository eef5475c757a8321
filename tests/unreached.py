"""Errors of the models that no caller can bring about here, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EVERYWHERE: Mapping[str, str] = {
    "ThrottlingException": "requests of the API are not throttled",
    "InternalException": "a mistake of ours; none is known",
    "InternalFailureException": "a mistake of ours; none is known",
    "InternalServerException": "a mistake of ours; none is known",
    "ServiceFailureException": "a mistake of ours; none is known",
    "ServiceUnavailableException": "a database that does not answer; tests/scale does that to a whole node",
    "UnauthorizedException": "whoever may not is answered AccessDeniedException, as AWS does today",
}
"""Error → why no test of an operation raises it, for all operations."""

INVALID, MISSING = "InvalidRequestException", "ResourceNotFoundException"

LIMIT, CONFLICT = "LimitExceededException", "ConflictException"


def each(code: str, operations: str) -> list[tuple[str, str]]:
    return [(operation, code) for operation in operations.split()]


REASONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "there is nothing in the input that could be wrong": [
        ("ClearDefaultAuthorizer", INVALID),
        ("DescribeDefaultAuthorizer", INVALID),
        ("DescribeEncryptionConfiguration", INVALID),
        ("GetIndexingConfiguration", INVALID),
        ("GetLoggingOptions", INVALID),
        ("GetRegistrationCode", INVALID),
    ],
    "deleting what is not there succeeds, as the guide says": [("DeleteThing", MISSING)],
    "nothing but itself can be in the way": [
        ("DeleteCertificateProvider", "DeleteConflictException"),
        ("DeleteProvisioningTemplate", "DeleteConflictException"),
        ("DeleteRoleAlias", "DeleteConflictException"),
    ],
    "it names nothing that could be missing": [
        ("ListBillingGroups", MISSING),
        ("CreateGroup", "NoSuchEntity"),
    ],
    "a permissions boundary is not implemented, by name": [("CreateUser", "NoSuchEntity")],
    "nothing here has a limit": [
        ("CreateProvisioningTemplate", LIMIT),
        ("DetachPolicy", LIMIT),
        ("GetEffectivePolicies", LIMIT),
        ("ListAttachedPolicies", LIMIT),
        ("ListTargetsForPolicy", LIMIT),
        ("AssociateSbomWithPackageVersion", "ServiceQuotaExceededException"),
        ("CreatePackage", "ServiceQuotaExceededException"),
        ("CreatePackageVersion", "ServiceQuotaExceededException"),
        *each(
            "LimitExceeded", "DeleteAccessKey DeletePolicy DeletePolicyVersion DeleteRole DeleteRolePolicy"
        ),
        *each("LimitExceeded", "DeleteUser DeleteUserPolicy DetachRolePolicy DetachUserPolicy"),
        *each("LimitExceeded", "SetDefaultPolicyVersion UpdateAccessKey DeleteGroup DeleteGroupPolicy"),
        *each("LimitExceeded", "DeleteInstanceProfile DeleteLoginProfile DetachGroupPolicy UpdateGroup"),
        *each("LimitExceeded", "RemoveRoleFromInstanceProfile RemoveUserFromGroup UpdateUser"),
    ],
    "a second role is one too many, the same one as well": [
        ("AddRoleToInstanceProfile", "EntityAlreadyExists"),
    ],
    "nobody has a password that could be about to change": [
        *each("EntityTemporarilyUnmodifiable", "DeleteLoginProfile UpdateUser"),
    ],
    "more tags than may be are too long a list, so a ValidationException": [
        ("CreateInstanceProfile", "LimitExceeded"),
        ("CreateUser", "LimitExceeded"),
        ("ImportCertificate", "TooManyTagsException"),
        ("RequestCertificate", "TooManyTagsException"),
    ],
    "what two ask for at once is done one after the other, each on what the other has left": [
        ("DeleteCertificate", CONFLICT),
        ("ImportCertificate", CONFLICT),
        ("AssociateSbomWithPackageVersion", CONFLICT),
        ("UpdatePackageConfiguration", CONFLICT),
        ("CreateProvisioningTemplateVersion", "ConflictingResourceUpdateException"),
        ("DeleteProvisioningTemplate", "ConflictingResourceUpdateException"),
        ("DeleteProvisioningTemplateVersion", "ConflictingResourceUpdateException"),
        ("UpdateProvisioningTemplate", "ConflictingResourceUpdateException"),
        *each("ConcurrentModification", "CreatePolicy CreateRole CreateUser DeleteRole DeleteUser TagPolicy"),
        *each("ConcurrentModification", "TagRole TagUser UntagPolicy UntagRole UntagUser UpdateUser"),
        *each("ConcurrentModification", "CreateInstanceProfile TagInstanceProfile UntagInstanceProfile"),
    ],
    "its certificates are given at the creation, and not changed": [
        ("UpdateDomainConfiguration", "CertificateValidationException"),
    ],
    "what the model forbids is a ValidationError, as IAM answers": [
        *each("InvalidInput", "AttachRolePolicy AttachUserPolicy CreatePolicyVersion DeletePolicy"),
        *each("InvalidInput", "AttachGroupPolicy DetachGroupPolicy ListAttachedGroupPolicies"),
        ("UntagInstanceProfile", "InvalidInput"),
        *each(
            "InvalidInput", "DeletePolicyVersion DetachRolePolicy DetachUserPolicy GetPolicy GetPolicyVersion"
        ),
        *each("InvalidInput", "ListAttachedRolePolicies ListAttachedUserPolicies ListEntitiesForPolicy"),
        *each(
            "InvalidInput", "ListPolicyTags ListPolicyVersions SetDefaultPolicyVersion UntagPolicy UpdateRole"
        ),
    ],
    "none of AWS's own policies that are here is for something else alone": [
        *each("PolicyNotAttachable", "AttachGroupPolicy AttachRolePolicy AttachUserPolicy"),
    ],
    "there are no service-linked roles": [
        *each("UnmodifiableEntity", "AttachRolePolicy DeleteRole DeleteRolePolicy DetachRolePolicy"),
        *each("UnmodifiableEntity", "AddRoleToInstanceProfile RemoveRoleFromInstanceProfile"),
        *each("UnmodifiableEntity", "PutRolePolicy UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription"),
    ],
    "who may not is answered AccessDeniedException; ForbiddenException is for devices": [
        *each("ForbiddenException", "DeleteConnection GetConnection ListSubscriptions"),
    ],
    "another method is another operation, or none that is known": [
        *each("MethodNotAllowedException", "GetRetainedMessage ListRetainedMessages Publish"),
    ],
    "the member that it is about is not implemented, by name": [
        ("RequestCertificate", "InvalidArnException"),
        ("RequestCertificate", "InvalidDomainValidationOptionsException"),
        ("AssumeRole", "ExpiredTokenException"),
        ("AssumeRole", "InvalidContextAssertion"),
        ("ListServiceSpecificCredentials", "NotSupportedService"),
    ],
    "tags that cannot be are an InvalidTagException, or not there to be removed": [
        ("AddTagsToCertificate", "InvalidParameterException"),
        ("RemoveTagsFromCertificate", "InvalidParameterException"),
        ("RemoveTagsFromCertificate", "InvalidTagException"),
    ],
    "2500 certificates take minutes to import": [
        ("ImportCertificate", LIMIT),
        ("RequestCertificate", LIMIT),
    ],
    "an index of what there is by then is built before anybody asks": [
        *each("IndexNotReadyException", "CreateFleetMetric UpdateFleetMetric"),
    ],
    "what is requested is issued at once": [("GetCertificate", "RequestInProgressException")],
    "there are no organizations": [
        *each("TagPolicyException", "AddTagsToCertificate ImportCertificate RemoveTagsFromCertificate"),
        *each("TagPolicyException", "RequestCertificate"),
    ],
    "all regions of a node are enabled": [
        *each("RegionDisabledException", "AssumeRole GetSessionToken"),
    ],
}
"""Reason → operations with the code of the error that cannot be raised, or not yet."""

UNREACHED: Mapping[tuple[str, str], str] = {one: reason for reason, these in REASONS.items() for one in these}

FAILING: frozenset[tuple[str, str]] = frozenset({("iam", "GetLoginProfile"), ("iam", "DeleteLoginProfile")})
"""Operations that cannot succeed: there is no console, so nobody has a password for it."""

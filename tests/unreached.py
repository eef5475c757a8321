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

REASONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "there is nothing in the input that could be wrong": [
        ("ClearDefaultAuthorizer", INVALID),
        ("DescribeDefaultAuthorizer", INVALID),
        ("DescribeEncryptionConfiguration", INVALID),
        ("GetIndexingConfiguration", INVALID),
        ("GetLoggingOptions", INVALID),
        ("GetRegistrationCode", INVALID),
    ],
    "it has a boolean at most, and what is none is a SerializationException": [
        ("CreateKeysAndCertificate", INVALID),
    ],
    "deleting what is not there succeeds, as the guide says": [("DeleteThing", MISSING)],
    "it names nothing that could be missing": [("ListBillingGroups", MISSING)],
    "a permissions boundary is not implemented, by name": [("CreateUser", "NoSuchEntity")],
}
"""Reason → operations with the code of the error that cannot be raised, or not yet."""

UNREACHED: Mapping[tuple[str, str], str] = {one: reason for reason, these in REASONS.items() for one in these}

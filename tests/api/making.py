"""What tests of the API make: keys, signing requests, policies; and how they say what must be refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROLE = "arn:aws:iam::000000000000:role/provisioning"
UNKNOWN_ID = "0" * 64
NOT_IMPLEMENTED = "NotImplementedException"

KEY = ec.generate_private_key(ec.SECP256R1())
"""One key for every device of these tests: what is issued differs all the same."""

UNCHECKED = Config(parameter_validation=False, retries={"total_max_attempts": 1})
"""Lets a client send what boto3 itself would refuse."""


def arn(resource: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:iot:{region}:{account}:{resource}"


def csr(common_name: str = "device", key: Any = KEY, **names: str) -> str:
    """A PEM signing request; ``names`` are further attributes of the subject, by their NameOID names."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    attributes += [x509.NameAttribute(getattr(NameOID, oid), value) for oid, value in names.items()]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class Certificate(NamedTuple):
    id: str
    arn: str
    pem: str


def certificate(iot: Any, common_name: str = "device", *, active: bool = True) -> Certificate:
    made = iot.create_certificate_from_csr(certificateSigningRequest=csr(common_name), setAsActive=active)
    return Certificate(made["certificateId"], made["certificateArn"], made["certificatePem"])


def document(*resources: str, action: str = "iot:Publish") -> str:
    """A policy that allows ``action`` on topics."""
    wanted = [arn(f"topic/{resource}") for resource in resources or ("a",)]
    statement = {"Effect": "Allow", "Action": action, "Resource": wanted}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def template(resources: dict[str, Any], *parameters: str, **more: Any) -> str:
    """A provisioning template whose parameters are all strings."""
    declared = {parameter: {"Type": "String"} for parameter in parameters}
    return json.dumps({"Parameters": declared, "Resources": resources, **more})


def thing_resource(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Name"}, **properties}}


@contextlib.contextmanager
def refused(code: str, status: int, *words: str, modelled: bool = True) -> Iterator[None]:
    """boto3 must raise the error as the class of that name, with that HTTP status and these words in it.

    ``modelled`` False: the service's model does not know the error, so boto3 raises a plain ClientError.
    """
    with pytest.raises(ClientError) as caught:
        yield
    response = caught.value.response
    found = (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])
    assert found == (code, status), response
    assert type(caught.value).__name__ == (code if modelled else "ClientError")
    assert response["ResponseMetadata"]["RequestId"]
    for word in words:
        assert word in response["Error"]["Message"]


@contextlib.contextmanager
def not_implemented(*words: str) -> Iterator[None]:
    with refused(NOT_IMPLEMENTED, 501, *words, modelled=False):
        yield


def listed(client: Any, method: str, member: str, **members: Any) -> list[Any]:
    """Everything that a listing tells, over all of its pages."""
    return [item for page in client.get_paginator(method).paginate(**members) for item in page[member]]

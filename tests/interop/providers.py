"""Devices that ask for credentials: an HTTPS client with a certificate, and boto3 clients with the answer."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import quote

from interop.devices import allow
from interop.wire import tls_context

ACCOUNT = "000000000000"
SERVICE = "credentials.iot.amazonaws.com"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


def ask(node: Any, identity: tuple[str, str] | None, alias: str, thing: str | None = None) -> Answer:
    """``GET /role-aliases/<alias>/credentials``, as ``curl --cert … --key …`` does it."""
    context = tls_context(node.ca, identity)
    connection = http.client.HTTPSConnection(*node.address("https"), context=context, timeout=10)
    headers = {} if thing is None else {"x-amzn-iot-thingname": thing}
    try:
        connection.request("GET", f"/role-aliases/{quote(alias, safe='')}/credentials", headers=headers)
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, json.loads(answer.read()))
    finally:
        connection.close()


def client(node: Any, credentials: dict[str, str], service: str) -> Any:
    """A boto3 client with what the credentials provider has answered."""
    return node.client(
        service,
        aws_access_key_id=credentials["accessKeyId"],
        aws_secret_access_key=credentials["secretAccessKey"],
        aws_session_token=credentials["sessionToken"],
    )


def trusting(service: str = SERVICE, **condition: Any) -> str:
    """A trust policy for the credentials provider."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        **condition,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def may_assume(alias: str) -> list[dict[str, Any]]:
    """What a device's IoT policy must say."""
    return [allow("AssumeRoleWithCertificate", f"rolealias/{alias}")]


def role_and_alias(node: Any, name: str, *statements: dict[str, Any], **more: Any) -> str:
    """A role that the provider may assume, with an inline policy, and an alias of the same name for it."""
    iam, iot = node.client("iam"), node.client("iot")
    trust = more.pop("trust", trusting())
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more.pop("role", {}))["Role"]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="least", PolicyDocument=document)
    iot.create_role_alias(roleAlias=name, roleArn=role["Arn"], **more)
    return name

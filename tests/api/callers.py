"""Callers with policies of their own: users, and sessions of roles."""

from __future__ import annotations

import json

from api.making import ACCOUNT, refused

SERVICE = "credentials.iot.amazonaws.com"


def trust(principal=None):
    statement = {
        "Effect": "Allow",
        "Principal": principal or {"Service": SERVICE},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(*actions, resource="*", effect="Allow", **more):
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(iam, name, **more):
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(), **more)["Role"]


def denied(*words, code="AccessDeniedException"):
    return refused(code, 403, "is not authorized to perform", *words, modelled=False)


def user(node, iam, name, *documents):
    """A user with inline policies, and how clients with a key of it are made."""
    iam.create_user(UserName=name)
    for n, one in enumerate(documents):
        iam.put_user_policy(UserName=name, PolicyName=f"p{n}", PolicyDocument=one)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return with_credentials(node, key)


def with_credentials(node, key):
    def client(service):
        return node.client(
            service,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            aws_session_token=key.get("SessionToken"),
        )

    return client


def assume(sts, name, session="session", **more):
    return sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName=session, **more)


def assumable(iam, name, *documents, principal=None, **more):
    """A role for the account, with inline policies."""
    trusting = trust(principal or {"AWS": ACCOUNT})
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting, **more)["Role"]
    for n, one in enumerate(documents):
        iam.put_role_policy(RoleName=name, PolicyName=f"p{n}", PolicyDocument=one)
    return made


def may_list(client):
    try:
        client.list_things(maxResults=1)
    except client.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException"
        return False
    return True


def is_refused(sts):
    try:
        sts.get_caller_identity()
    except sts.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidClientTokenId"
        return True
    return False


def is_assumed(sts, name):
    try:
        assume(sts, name)
    except sts.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"
        assert (
            "is not authorized to perform: sts:AssumeRole on resource" in error.response["Error"]["Message"]
        )
        return False
    return True

"""Errors of IAM and ACM, an operation and an error a line, that no story of the other tests meets."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from api.authorities import Authority
from api.callers import policy, trust, user
from api.making import ACCOUNT, REGION, UNCHECKED, refused
from api.servers import brought, server
from interop.devices import until

TWICE = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
MANY = [{"Key": f"new-{number}", "Value": ""} for number in range(30)]
OURS = [{"Key": "aws:a", "Value": ""}]
OTHER = f"arn:aws:acm:{REGION}:{ACCOUNT}:other/x"


def long(most):
    """A policy that is longer than it may be."""
    return policy(*(f"iot:{'x' * 100}{number}" for number in range(most // 100)))


def trusting(most):
    """A trust policy that is longer than it may be."""
    names = [f"{number}{'x' * 50}.amazonaws.com" for number in range(most // 50)]
    return trust({"Service": names})


@pytest.fixture(scope="module")
def made(node):
    """A role, a user, a group, a policy and ten more that are attached to the latter two; all that can
    have tags with thirty."""
    iam = node.client("iam")
    tags = [{"Key": str(number), "Value": ""} for number in range(30)]
    iam.create_role(RoleName="table", AssumeRolePolicyDocument=trust(), Tags=tags)
    iam.create_user(UserName="table", Tags=tags)
    iam.create_group(GroupName="table")
    arns = [
        iam.create_policy(PolicyName=f"table-{n}", PolicyDocument=policy("iot:*"), Tags=tags)["Policy"]["Arn"]
        for n in range(11)
    ]
    for arn in arns[1:]:
        iam.attach_user_policy(UserName="table", PolicyArn=arn)
        iam.attach_group_policy(GroupName="table", PolicyArn=arn)
    key = iam.create_access_key(UserName="table")["AccessKey"]["AccessKeyId"]
    authority = Authority("table")
    served = brought(server(authority, "table.example.com"), authority)
    arn = node.client("acm").import_certificate(**served)["CertificateArn"]
    return {
        "role": {"RoleName": "table"},
        "user": {"UserName": "table"},
        "group": {"GroupName": "table"},
        "policy": {"PolicyArn": arns[0]},
        "key": {"UserName": "table", "AccessKeyId": key},
        "new": {"PolicyName": "table-new"},
        "certificate": {"CertificateArn": arn},
        "import": served,
        "request": {"DomainName": "table.example.com"},
        "other": {"CertificateArn": OTHER},
        "import of other": served | {"CertificateArn": OTHER},
    }


QUERY = "InvalidQueryException"
DOCUMENT, TRUST = {"PolicyDocument": policy("iot:*")}, {"AssumeRolePolicyDocument": trust()}
EXISTS, TWO = ("EntityAlreadyExists", 409), ("InvalidInput", 400)
LIMIT, MALFORMED, OTHER_ARN = (
    ("LimitExceeded", 409),
    ("MalformedPolicyDocument", 400),
    ("InvalidArnException", 400),
)


@pytest.mark.parametrize(
    ("operation", "of", "more", "error"),
    [
        ("iam.create_policy", "", {"PolicyName": "table-0"} | DOCUMENT, EXISTS),
        ("iam.create_user", "user", {}, EXISTS),
        ("iam.create_role", "", {"RoleName": "new", "Tags": TWICE} | TRUST, TWO),
        ("iam.create_user", "", {"UserName": "new", "Tags": TWICE}, TWO),
        ("iam.create_policy", "new", {"Tags": TWICE} | DOCUMENT, TWO),
        ("iam.tag_policy", "policy", {"Tags": TWICE}, TWO),
        ("iam.tag_user", "user", {"Tags": TWICE}, TWO),
        ("iam.update_access_key", "key", {"Status": "Expired"}, TWO),
        ("iam.attach_user_policy", "user", {"PolicyArn": "{policy}"}, LIMIT),
        ("iam.attach_group_policy", "group", {"PolicyArn": "{policy}"}, LIMIT),
        ("iam.create_policy", "new", {"PolicyDocument": long(6200)}, LIMIT),
        ("iam.create_policy_version", "policy", {"PolicyDocument": long(6200)}, LIMIT),
        ("iam.create_role", "", {"RoleName": "new", "AssumeRolePolicyDocument": trusting(9000)}, LIMIT),
        ("iam.update_assume_role_policy", "role", {"PolicyDocument": trusting(9000)}, LIMIT),
        ("iam.put_user_policy", "user", {"PolicyName": "a", "PolicyDocument": long(2100)}, LIMIT),
        ("iam.put_group_policy", "group", {"PolicyName": "a", "PolicyDocument": long(5200)}, LIMIT),
        ("iam.tag_policy", "policy", {"Tags": MANY}, LIMIT),
        ("iam.tag_role", "role", {"Tags": MANY}, LIMIT),
        ("iam.tag_user", "user", {"Tags": MANY}, LIMIT),
        ("iam.create_policy", "new", {"PolicyDocument": "{}"}, MALFORMED),
        ("iam.create_policy_version", "policy", {"PolicyDocument": "{}"}, MALFORMED),
        ("iam.put_user_policy", "user", {"PolicyName": "a", "PolicyDocument": "{}"}, MALFORMED),
        ("iam.put_group_policy", "group", {"PolicyName": "a", "PolicyDocument": "{}"}, MALFORMED),
        ("iam.update_assume_role_policy", "role", {"PolicyDocument": "{}"}, MALFORMED),
        ("acm.add_tags_to_certificate", "other", {"Tags": [{"Key": "a"}]}, OTHER_ARN),
        ("acm.delete_certificate", "other", {}, OTHER_ARN),
        ("acm.get_certificate", "other", {}, OTHER_ARN),
        ("acm.import_certificate", "import of other", {}, OTHER_ARN),
        ("acm.list_tags_for_certificate", "other", {}, OTHER_ARN),
        ("acm.remove_tags_from_certificate", "other", {"Tags": [{"Key": "a"}]}, OTHER_ARN),
        ("acm.import_certificate", "import", {"Tags": OURS}, ("InvalidTagException", 400)),
        ("acm.request_certificate", "request", {"Tags": OURS}, ("InvalidTagException", 400)),
    ],
)
def test_an_error(node, made, operation, of, more, error):
    service, _, method = operation.partition(".")
    members = made.get(of, {}) | more
    if members.get("PolicyArn") == "{policy}":
        members["PolicyArn"] = made["policy"]["PolicyArn"]
    with pytest.raises(ClientError) as caught:
        getattr(node.client(service, config=UNCHECKED), method)(**members)
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == error
    assert response["Error"]["Message"]


BUCKETS = {"bucketsAggregationType": {"termsAggregation": {"maxBuckets": 1}}}


@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("get_cardinality", {"queryString": "*", "aggregationField": "a.b"}, "InvalidAggregationException"),
        ("get_buckets_aggregation", {"queryString": "(", "aggregationField": "thingName"} | BUCKETS, QUERY),
        ("get_cardinality", {"queryString": "("}, QUERY),
        ("get_percentiles", {"queryString": "("}, QUERY),
        ("get_statistics", {"queryString": "("}, QUERY),
    ],
)
def test_what_an_index_cannot_be_asked(node, operation, members, code):
    account = re.search(r"\d{12}", node.command("account", "create"))[0]
    iot = node.client("iot", account=account)
    iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
    until(lambda: iot.describe_index(indexName="AWS_Things")["indexStatus"] == "ACTIVE")
    with refused(code, 400):
        getattr(iot, operation)(**members)


def test_a_thousand_levels_of_logging_and_no_more(node):
    account = re.search(r"\d{12}", node.command("account", "create"))[0]
    iot = node.client("iot", account=account)
    iot.set_v2_logging_options(roleArn=f"arn:aws:iam::{account}:role/a", defaultLogLevel="INFO")

    def level(number):
        target = {"targetType": "CLIENT_ID", "targetName": str(number)}
        iot.set_v2_logging_level(logTarget=target, logLevel="INFO")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(level, range(1000)))
    with refused("LimitExceededException", 410, "1000"):
        level(1000)
    level(999)


def test_who_may_not_delete_a_certificate_is_told(node, iam, made, name):
    statement = {"Effect": "Allow", "Action": "acm:DescribeCertificate", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with refused("AccessDeniedException", 400, "acm:DeleteCertificate"):
        user(node, iam, name, text)("acm").delete_certificate(**made["certificate"])

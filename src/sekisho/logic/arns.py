"""Amazon Resource Names: built from a table, and taken apart."""

from __future__ import annotations

from typing import NamedTuple

from sekisho.logic.json_text import shown

# kind → what follows the account; Service Authorization Reference, "Resource types defined by AWS IoT".
RESOURCE_FORMATS = {
    "authorizer": "authorizer/{}",
    "billinggroup": "billinggroup/{}",
    "cacert": "cacert/{}",
    "cert": "cert/{}",
    "certificateprovider": "certificateprovider/{}",
    "client": "client/{}",
    "domainconfiguration": "domainconfiguration/{}",
    "dynamicthinggroup": "dynamicthinggroup/{}",
    "fleetmetric": "fleetmetric/{}",
    "index": "index/{}",
    "job": "job/{}",
    "jobtemplate": "jobtemplate/{}",
    "package": "package/{}",
    "policy": "policy/{}",
    "provisioningtemplate": "provisioningtemplate/{}",
    "rolealias": "rolealias/{}",
    "rule": "rule/{}",
    "thing": "thing/{}",
    "thinggroup": "thinggroup/{}",
    "thingtype": "thingtype/{}",
    "topic": "topic/{}",
    "topicfilter": "topicfilter/{}",
    "topictrigger": "topictrigger/{}",
}

# AWS General Reference, "Amazon Resource Names": each partition and how its Regions begin.
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
_PARTS = ("arn", "partition", "service", "region", "account", "resource")


class Arn(NamedTuple):
    """``arn:partition:service:region:account:resource``; region and account may be empty (IAM, S3)."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def partition_of(region: str) -> str:
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


def iot_arn(region: str, account: str, resource: str) -> str:
    """An AWS IoT ARN around a resource as it stands in a policy, such as ``topic/a/b``."""
    return f"arn:{partition_of(region)}:iot:{region}:{account}:{resource}"


def arn(region: str, account: str, kind: str, name: str) -> str:
    """The ARN of one resource; ``kind`` is a key of `RESOURCE_FORMATS` (else KeyError)."""
    return iot_arn(region, account, RESOURCE_FORMATS[kind].format(name))


def thing_arn(region: str, account: str, name: str) -> str:
    return arn(region, account, "thing", name)


def certificate_arn(region: str, account: str, certificate_id: str) -> str:
    return arn(region, account, "cert", certificate_id)


def policy_arn(region: str, account: str, name: str) -> str:
    return arn(region, account, "policy", name)


def parse_arn(text: str) -> Arn:
    """Take an ARN apart; the resource keeps its own colons. ValueError says which part is missing."""
    parts = text.split(":", 5)
    if parts[0] != "arn":
        raise ValueError(f'{shown(text)} is not an ARN: it does not begin with "arn:"')
    if len(parts) < 6:
        raise ValueError(f"{shown(text)} is not an ARN: the {_PARTS[len(parts)]} part is missing")
    for name, part in zip(_PARTS, parts, strict=True):
        if not part and name not in ("region", "account"):
            raise ValueError(f"{shown(text)} is not an ARN: the {name} part is empty")
    return Arn(*parts[1:])


def kind_and_name(resource: str) -> tuple[str, str]:
    """``topic/a/b`` → ``("topic", "a/b")``; the name is empty where there is no slash."""
    kind, _, name = resource.partition("/")
    return kind, name

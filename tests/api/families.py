"""Families of resources that are made, read, listed, changed and deleted by name, and what they answer."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from api.authorities import self_signed
from api.making import document, template, thing_resource

MISSING, TAKEN = "ResourceNotFoundException", "ResourceAlreadyExistsException"
INVALID, HELD, STATE = "InvalidRequestException", "DeleteConflictException", "CertificateStateException"
CONFLICT, FULL = "ConflictException", "VersionsLimitExceededException"

Calls = Callable[..., Any]


@dataclass
class Plain:
    """What a family does, by name and one of two values; a call's answer is '' or the code of its error."""

    values: tuple[str, str]
    create: Calls
    read: Calls
    names: Calls
    """All names of the family, in the order of its listing, in pages of a size."""
    update: Calls
    delete: Calls
    more: dict[str, Calls] = field(default_factory=dict)
    """Further steps."""
    taken: str = TAKEN
    same: str = TAKEN
    """Creation of what there is, with the value that it has."""
    unknown: str = MISSING
    """Deletion of what there is not."""
    held: dict[str, str] = field(default_factory=dict)
    """The value of what cannot be deleted, and the error."""
    fresh: str | None = None
    """The value of all that is made, where creation takes none."""

    def steps(self) -> tuple[str, ...]:
        return ("create", "create", *(self.more or ("update",)), "delete")

    def call(self, step: str, name: str, value: str) -> None:
        (self.more.get(step) or getattr(self, step))(name, value)

    def after(self, state: dict[str, Any], step: str, name: str, value: str) -> tuple[dict[str, Any], str]:
        """The state after a step, by name, and the answer."""
        state = copy.deepcopy(state)
        return state, getattr(self, f"then_{step}")(state, name, value)

    def empty(self, name: str) -> None:
        """Delete what there may be; what is held first becomes what is not."""
        free = next((value for value in self.values if value not in self.held), "")
        for step in ("update", "delete") if free else ():
            with contextlib.suppress(ClientError):
                self.call(step, name, free)

    def then_create(self, state: dict[str, Any], name: str, value: str) -> str:
        value = self.fresh or value
        if name in state:
            return self.same if state[name] == value else self.taken
        state[name] = value
        return ""

    def then_update(self, state: dict[str, Any], name: str, value: str) -> str:
        if name not in state:
            return MISSING
        state[name] = value
        return ""

    def then_delete(self, state: dict[str, Any], name: str, value: str) -> str:
        if name not in state:
            return self.unknown
        if state[name] in self.held:
            return self.held[state[name]]
        del state[name]
        return ""


class Versioned(Plain):
    """A state is the default version, the last one, and the versions with their values."""

    def then_create(self, state: dict[str, Any], name: str, value: str) -> str:
        if name in state:
            return TAKEN
        state[name] = (1, 1, {1: value})
        return ""

    def then_add(self, state: dict[str, Any], name: str, value: str) -> str:
        """A version that becomes the default one if its value is the second of the two."""
        if name not in state:
            return MISSING
        default, last, versions = state[name]
        if len(versions) == 5:
            return FULL
        chosen = last + 1 if value == self.values[1] else default
        state[name] = (chosen, last + 1, versions | {last + 1: value})
        return ""

    def then_choose(self, state: dict[str, Any], name: str, value: str) -> str:
        """The first version becomes the default one again."""
        if name not in state or 1 not in state[name][2]:
            return MISSING
        state[name] = (1, *state[name][1:])
        return ""

    def then_drop(self, state: dict[str, Any], name: str, value: str) -> str:
        """The second version."""
        if name not in state or 2 not in state[name][2]:
            return MISSING
        default, last, versions = state[name]
        if default == 2:
            return HELD
        state[name] = (default, last, {number: one for number, one in versions.items() if number != 2})
        return ""

    def then_delete(self, state: dict[str, Any], name: str, value: str) -> str:
        if name not in state:
            return MISSING
        if len(state[name][2]) > 1:
            return HELD
        del state[name]
        return ""


class Whole(Versioned):
    """What is deleted with all of its versions."""

    def then_delete(self, state: dict[str, Any], name: str, value: str) -> str:
        return "" if state.pop(name, None) else MISSING


def listed(iot: Any, method: str, result: str, of: Callable[[Any], str], **members: Any) -> Calls:
    def names(size: int) -> list[str]:
        pages = iot.get_paginator(method).paginate(**members, PaginationConfig={"PageSize": size})
        pages = [page[result] for page in pages]
        assert all(len(page) <= size for page in pages)
        return [of(one) for page in pages for one in page]

    return names


@cache
def mine(name: str) -> tuple[str, str]:
    """A certificate by the name of its subject: PEM and id."""
    made = self_signed(name)
    return made.pem, made.id


def families(iot: Any, acm: Any, account: str) -> dict[str, Plain]:
    roles = tuple(f"arn:aws:iam::{account}:role/{name}" for name in "ab")
    function = f"arn:aws:lambda:us-east-1:{account}:function:f"

    @cache
    def issued(name: str) -> str:
        return str(acm.request_certificate(DomainName=f"{name}.example.com")["CertificateArn"])

    def domain(name: str, _: str) -> None:
        iot.create_domain_configuration(
            domainConfigurationName=name,
            domainName=f"{name}.example.com",
            serverCertificateArns=[issued(name)],
        )

    def body(value: str) -> str:
        return template({"thing": thing_resource(AttributePayload={"a": value})}, "Name")

    def propagated(key: str) -> Any:
        attribute = {"userPropertyKey": key, "thingAttribute": "a"}
        return {"mqtt5Configuration": {"propagatingAttributes": [attribute]}}

    def policy(name: str) -> Any:
        found = iot.get_policy(policyName=name)
        numbers = [
            int(one["versionId"]) for one in iot.list_policy_versions(policyName=name)["policyVersions"]
        ]
        each = {
            n: iot.get_policy_version(policyName=name, policyVersionId=str(n))["policyDocument"]
            for n in numbers
        }
        assert found["policyDocument"] == each[int(found["defaultVersionId"])]
        values = {document(value): value for value in "xy"}
        return int(found["defaultVersionId"]), {n: values[each[n]] for n in sorted(each)}

    def templated(name: str) -> Any:
        found = iot.describe_provisioning_template(templateName=name)
        versions = iot.list_provisioning_template_versions(templateName=name)["versions"]
        each = {
            one["versionId"]: iot.describe_provisioning_template_version(
                templateName=name, versionId=one["versionId"]
            )["templateBody"]
            for one in versions
        }
        assert found["templateBody"] == each[found["defaultVersionId"]]
        values = {body(value): value for value in "xy"}
        return found["defaultVersionId"], {n: values[each[n]] for n in sorted(each)}

    iot.create_package(packageName="package")
    return {
        "policies": Versioned(
            ("x", "y"),
            lambda name, value: iot.create_policy(policyName=name, policyDocument=document(value)),
            policy,
            listed(iot, "list_policies", "policies", lambda one: one["policyName"]),
            lambda name, _: iot.set_default_policy_version(policyName=name, policyVersionId="1"),
            lambda name, _: iot.delete_policy(policyName=name),
            {
                "add": lambda name, value: iot.create_policy_version(
                    policyName=name, policyDocument=document(value), setAsDefault=value == "y"
                ),
                "choose": lambda name, _: iot.set_default_policy_version(
                    policyName=name, policyVersionId="1"
                ),
                "drop": lambda name, _: iot.delete_policy_version(policyName=name, policyVersionId="2"),
            },
        ),
        "templates": Whole(
            ("x", "y"),
            lambda name, value: iot.create_provisioning_template(
                templateName=name, templateBody=body(value), provisioningRoleArn=roles[0]
            ),
            templated,
            listed(iot, "list_provisioning_templates", "templates", lambda one: one["templateName"]),
            lambda name, _: iot.update_provisioning_template(templateName=name, defaultVersionId=1),
            lambda name, _: iot.delete_provisioning_template(templateName=name),
            {
                "add": lambda name, value: iot.create_provisioning_template_version(
                    templateName=name, templateBody=body(value), setAsDefault=value == "y"
                ),
                "choose": lambda name, _: iot.update_provisioning_template(
                    templateName=name, defaultVersionId=1
                ),
                "drop": lambda name, _: iot.delete_provisioning_template_version(
                    templateName=name, versionId=2
                ),
            },
        ),
        "thing types": Plain(
            ("x", "y"),
            lambda name, value: iot.create_thing_type(
                thingTypeName=name, thingTypeProperties=propagated(value)
            ),
            lambda name: iot.describe_thing_type(thingTypeName=name)["thingTypeProperties"][
                "mqtt5Configuration"
            ]["propagatingAttributes"][0]["userPropertyKey"],
            listed(iot, "list_thing_types", "thingTypes", lambda one: one["thingTypeName"]),
            lambda name, value: iot.update_thing_type(
                thingTypeName=name, thingTypeProperties=propagated(value)
            ),
            lambda name, _: iot.delete_thing_type(thingTypeName=name),
            same="",
            held={"x": INVALID, "y": INVALID},  # they must be deprecated, for five minutes
        ),
        "billing groups": Plain(
            ("x", "y"),
            lambda name, value: iot.create_billing_group(
                billingGroupName=name, billingGroupProperties={"billingGroupDescription": value}
            ),
            lambda name: iot.describe_billing_group(billingGroupName=name)["billingGroupProperties"][
                "billingGroupDescription"
            ],
            listed(iot, "list_billing_groups", "billingGroups", lambda one: one["groupName"]),
            lambda name, value: iot.update_billing_group(
                billingGroupName=name, billingGroupProperties={"billingGroupDescription": value}
            ),
            lambda name, _: iot.delete_billing_group(billingGroupName=name),
            same="",
            unknown="",
        ),
        "authorizers": Plain(
            ("ACTIVE", "INACTIVE"),
            lambda name, value: iot.create_authorizer(
                authorizerName=name, authorizerFunctionArn=function, signingDisabled=True, status=value
            ),
            lambda name: iot.describe_authorizer(authorizerName=name)["authorizerDescription"]["status"],
            listed(iot, "list_authorizers", "authorizers", lambda one: one["authorizerName"]),
            lambda name, value: iot.update_authorizer(authorizerName=name, status=value),
            lambda name, _: iot.delete_authorizer(authorizerName=name),
            held={"ACTIVE": HELD},
        ),
        "domain configurations": Plain(
            ("ENABLED", "DISABLED"),
            domain,
            lambda name: iot.describe_domain_configuration(domainConfigurationName=name)[
                "domainConfigurationStatus"
            ],
            listed(
                iot,
                "list_domain_configurations",
                "domainConfigurations",
                lambda one: one["domainConfigurationName"],
            ),
            lambda name, value: iot.update_domain_configuration(
                domainConfigurationName=name, domainConfigurationStatus=value
            ),
            lambda name, _: iot.delete_domain_configuration(domainConfigurationName=name),
            held={"ENABLED": INVALID},
            fresh="ENABLED",
        ),
        "role aliases": Plain(
            roles,
            lambda name, value: iot.create_role_alias(roleAlias=name, roleArn=value),
            lambda name: iot.describe_role_alias(roleAlias=name)["roleAliasDescription"]["roleArn"],
            listed(iot, "list_role_aliases", "roleAliases", str),
            lambda name, value: iot.update_role_alias(roleAlias=name, roleArn=value),
            lambda name, _: iot.delete_role_alias(roleAlias=name),
        ),
        "packages": Plain(
            ("x", "y"),
            lambda name, value: iot.create_package(packageName=name, description=value),
            lambda name: iot.get_package(packageName=name)["description"],
            listed(iot, "list_packages", "packageSummaries", lambda one: one["packageName"]),
            lambda name, value: iot.update_package(packageName=name, description=value),
            lambda name, _: iot.delete_package(packageName=name),
            taken=CONFLICT,
            same=CONFLICT,
            unknown="",
        ),
        "package versions": Plain(
            ("x", "y"),
            lambda name, value: iot.create_package_version(
                packageName="package", versionName=name, description=value
            ),
            lambda name: iot.get_package_version(packageName="package", versionName=name)["description"],
            listed(
                iot,
                "list_package_versions",
                "packageVersionSummaries",
                lambda one: one["versionName"],
                packageName="package",
            ),
            lambda name, value: iot.update_package_version(
                packageName="package", versionName=name, description=value
            ),
            lambda name, _: iot.delete_package_version(packageName="package", versionName=name),
            taken=CONFLICT,
            same=CONFLICT,
            unknown="",
        ),
        "certificates": Plain(
            ("ACTIVE", "INACTIVE"),
            lambda name, value: iot.register_certificate_without_ca(
                certificatePem=mine(name)[0], status=value
            ),
            lambda name: iot.describe_certificate(certificateId=mine(name)[1])["certificateDescription"][
                "status"
            ],
            listed(iot, "list_certificates", "certificates", lambda one: one["certificateId"]),
            lambda name, value: iot.update_certificate(certificateId=mine(name)[1], newStatus=value),
            lambda name, _: iot.delete_certificate(certificateId=mine(name)[1]),
            held={"ACTIVE": STATE},
        ),
    }

"""What a provisioning template says for one device: the thing, the certificate and the policies to be.

Source: AWS IoT Developer Guide, "Provisioning templates".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sekisho.logic.json_text import kind_of
from sekisho.logic.template_document import (
    CHOICES,
    IMPLICIT,
    OVERRIDES,
    Resource,
    Template,
    TemplateKind,
    choice,
    json_object,
    parse_template,
)
from sekisho.logic.template_functions import TemplateError, Values, evaluate, evaluate_text, evaluate_texts

__all__ = [
    "IMPLICIT",
    "Plan",
    "PlannedCertificate",
    "PlannedPolicy",
    "PlannedThing",
    "Resource",
    "Template",
    "TemplateError",
    "TemplateKind",
    "expand",
    "parse_template",
    "unnamed_policy_name",
]


@dataclass(frozen=True, slots=True)
class PlannedThing:
    """``override_settings``: AttributePayload, ThingTypeName, ThingGroups, BillingGroup → what to do with a
    thing that differs."""

    logical: str
    name: str
    attributes: Mapping[str, str]
    type_name: str | None
    groups: tuple[str, ...]
    billing_group: str | None
    override_settings: Mapping[str, str]
    package_versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlannedCertificate:
    """Exactly one of ``certificate_id``, ``csr`` and ``pem`` is there; ``ca_pem`` only beside ``pem``."""

    logical: str
    certificate_id: str | None
    csr: str | None
    pem: str | None
    ca_pem: str | None
    status: str
    principal_type: str
    override_settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlannedPolicy:
    """The ``name`` of a policy that exists, or a ``document`` for one named by `unnamed_policy_name`."""

    logical: str
    name: str | None
    document: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What one device is to get."""

    thing: PlannedThing | None
    certificate: PlannedCertificate | None
    policies: tuple[PlannedPolicy, ...]
    device_configuration: Mapping[str, str]


def expand(template: Template, parameters: Mapping[str, str], implicit: Mapping[str, str]) -> Plan:
    """What a template says for one device; raises `TemplateError`.

    ``implicit`` holds the ``AWS::IoT::Certificate::…`` values; nothing given by a device replaces them. Then
    come ``parameters``, then defaults. Parameters that the template does not declare are ignored; a declared
    one without any value is an error.
    """
    values = Values(_resolved(template, parameters, implicit), template.mappings)
    thing: PlannedThing | None = None
    certificate: PlannedCertificate | None = None
    policies: list[PlannedPolicy] = []
    for resource in template.resources:
        match resource.type:
            case "AWS::IoT::Thing":
                thing = _thing(resource, values)
            case "AWS::IoT::Certificate":
                certificate = _certificate(resource, values)
            case _:
                policies.append(_policy(resource, values))
    configuration = _map(template.device_configuration, "DeviceConfiguration", values)
    return Plan(thing, certificate, tuple(policies), configuration)


def _resolved(
    template: Template, parameters: Mapping[str, str], implicit: Mapping[str, str]
) -> dict[str, str]:
    resolved = {name: value for name, value in implicit.items() if name in IMPLICIT[template.kind]}
    for name, default in template.parameters.items():
        value = implicit.get(name, parameters.get(name, default))
        if value is None:
            raise TemplateError(f"Parameters.{name}: no value is given and it has no Default")
        if not isinstance(value, str):
            raise TemplateError(f"Parameters.{name}: the value must be a string, not {kind_of(value)}")
        resolved[name] = value
    return resolved


def _map(found: Mapping[str, Any], path: str, values: Values) -> dict[str, str]:
    return {name: evaluate_text(value, f"{path}.{name}", values) for name, value in found.items()}


def _chosen(resource: Resource, name: str, default: str, values: Values) -> str:
    path = f"Resources.{resource.logical}.Properties.{name}"
    return choice(evaluate_text(resource.properties.get(name, default), path, values), CHOICES[name], path)


def _settings(resource: Resource, values: Values) -> dict[str, str]:
    path = f"Resources.{resource.logical}.OverrideSettings"
    known = OVERRIDES[resource.type]
    return {
        name: choice(evaluate_text(value, f"{path}.{name}", values), known[name], f"{path}.{name}")
        for name, value in resource.overrides.items()
    }


def _text(resource: Resource, name: str, values: Values) -> str | None:
    if name not in resource.properties:
        return None
    return evaluate_text(resource.properties[name], f"Resources.{resource.logical}.Properties.{name}", values)


def _thing(resource: Resource, values: Values) -> PlannedThing:
    path = f"Resources.{resource.logical}.Properties"
    properties = resource.properties
    return PlannedThing(
        logical=resource.logical,
        name=evaluate_text(properties["ThingName"], f"{path}.ThingName", values),
        attributes=_map(properties.get("AttributePayload", {}), f"{path}.AttributePayload", values),
        type_name=_text(resource, "ThingTypeName", values),
        groups=tuple(evaluate_texts(properties.get("ThingGroups", []), f"{path}.ThingGroups", values)),
        billing_group=_text(resource, "BillingGroup", values),
        override_settings=_settings(resource, values),
        package_versions=_map(properties.get("PackageVersions", {}), f"{path}.PackageVersions", values),
    )


def _certificate(resource: Resource, values: Values) -> PlannedCertificate:
    return PlannedCertificate(
        logical=resource.logical,
        certificate_id=_text(resource, "CertificateId", values),
        csr=_text(resource, "CertificateSigningRequest", values),
        pem=_text(resource, "CertificatePem", values),
        ca_pem=_text(resource, "CACertificatePem", values),
        status=_chosen(resource, "Status", "ACTIVE", values),
        principal_type=_chosen(resource, "ThingPrincipalType", "NON_EXCLUSIVE_THING", values),
        override_settings=_settings(resource, values),
    )


def _policy(resource: Resource, values: Values) -> PlannedPolicy:
    if "PolicyName" in resource.properties:
        return PlannedPolicy(resource.logical, _text(resource, "PolicyName", values), None)
    path = f"Resources.{resource.logical}.Properties.PolicyDocument"
    document = evaluate(resource.properties["PolicyDocument"], path, values)
    if isinstance(document, dict):
        document = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    elif not isinstance(document, str):
        raise TemplateError(f"{path}: must be a string or an object, not {kind_of(document)}")
    return PlannedPolicy(resource.logical, None, json_object(document, path))


def unnamed_policy_name(document: str) -> str:
    """The name of a policy that a template gives only as a document: its SHA-1, 40 upper-case hex digits."""
    raw = document.encode("utf-8", "surrogatepass")
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest().upper()

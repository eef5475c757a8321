"""The document of a provisioning template: read and checked once.

Source: AWS IoT Developer Guide, "Provisioning templates" and "Just-in-time provisioning"; the `iot` service
model (sizes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sekisho.logic.json_text import BadJson, kind_of, read_object, shown
from sekisho.logic.template_functions import Scope, TemplateError, check, gives_list, is_function

TemplateKind = Literal["FLEET_PROVISIONING", "JITP", "REGISTER_THING"]

MAX_CHARS = 10_240

_IMPLICIT_NAMES = (
    "Country",
    "Organization",
    "OrganizationalUnit",
    "DistinguishedNameQualifier",
    "StateName",
    "CommonName",
    "SerialNumber",
    "Id",
)
# The parameters that each kind has without declaring them.
IMPLICIT: dict[TemplateKind, frozenset[str]] = {
    "FLEET_PROVISIONING": frozenset({"AWS::IoT::Certificate::Id"}),
    "JITP": frozenset(f"AWS::IoT::Certificate::{name}" for name in _IMPLICIT_NAMES),
    "REGISTER_THING": frozenset(),
}

_SECTIONS = ("Parameters", "Mappings", "Resources", "DeviceConfiguration")
_RESOURCE_KEYS = ("Type", "Properties", "OverrideSettings")

# Resource type → property → its shape.
_PROPERTIES: dict[str, dict[str, str]] = {
    "AWS::IoT::Thing": {
        "ThingName": "text",
        "AttributePayload": "map",
        "ThingTypeName": "text",
        "ThingGroups": "texts",
        "BillingGroup": "text",
        "PackageVersions": "map",
    },
    "AWS::IoT::Certificate": {
        "CertificateSigningRequest": "text",
        "CertificateId": "text",
        "CertificatePem": "text",
        "CACertificatePem": "text",
        "Status": "text",
        "ThingPrincipalType": "text",
    },
    "AWS::IoT::Policy": {"PolicyName": "text", "PolicyDocument": "document"},
}
# The guide's list of properties spells one of them both ways.
_ALIASES = {"CertificateID": "CertificateId"}

CHOICES = {
    "Status": ("ACTIVE", "INACTIVE"),
    "ThingPrincipalType": ("EXCLUSIVE_THING", "NON_EXCLUSIVE_THING"),
}
_PLAIN = ("DO_NOTHING", "REPLACE", "FAIL")
# Resource type → what OverrideSettings may name → what it may say.
OVERRIDES: dict[str, dict[str, tuple[str, ...]]] = {
    "AWS::IoT::Thing": {
        "AttributePayload": (*_PLAIN, "MERGE"),
        "ThingTypeName": _PLAIN,
        "ThingGroups": (*_PLAIN, "MERGE"),
        "BillingGroup": _PLAIN,
    },
    "AWS::IoT::Certificate": {"Status": _PLAIN},
    "AWS::IoT::Policy": {},
}
# The guide's prose writes most of these settings in capitals, its examples do not.
_OVERRIDE_ALIASES = {
    "ATTRIBUTE_PAYLOAD": "AttributePayload",
    "THING_TYPE_NAME": "ThingTypeName",
    "THING_GROUPS": "ThingGroups",
    "BILLING_GROUP": "BillingGroup",
}
_SOURCES = ("CertificateSigningRequest", "CertificateId", "CertificatePem")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a template, its property names and override settings in their usual spelling."""

    logical: str
    type: str
    properties: Mapping[str, Any]
    overrides: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template; ``parameters`` maps each declared name to its default or None."""

    kind: TemplateKind
    parameters: Mapping[str, str | None]
    mappings: Mapping[str, Mapping[str, Mapping[str, Any]]]
    resources: tuple[Resource, ...]
    device_configuration: Mapping[str, Any]


def parse_template(text: str, kind: TemplateKind) -> Template:
    """Read and check a template; raises `TemplateError` with the place in the document."""
    if len(text) > MAX_CHARS:
        raise TemplateError(f"the template has {len(text)} characters, more than {MAX_CHARS}")
    try:
        document = read_object(text)
    except BadJson as error:
        raise TemplateError(f"the template: {error}") from None
    _keys(document, _SECTIONS, "the template", "section")
    if "DeviceConfiguration" in document and kind != "FLEET_PROVISIONING":
        raise TemplateError("DeviceConfiguration: only fleet provisioning templates have one")
    parameters = _parameters(document.get("Parameters", {}), kind)
    mappings = _mappings(document.get("Mappings", {}))
    scope = Scope(frozenset(parameters) | IMPLICIT[kind], mappings)
    if "Resources" not in document:
        raise TemplateError("the template has no Resources")
    found = _object(document["Resources"], "Resources")
    resources = tuple(_resource(logical, one, scope, kind) for logical, one in found.items())
    for limited in ("AWS::IoT::Thing", "AWS::IoT::Certificate"):
        same = [resource.logical for resource in resources if resource.type == limited]
        if len(same) > 1:
            raise TemplateError(
                f"Resources: at most one {limited} is possible, here are {', '.join(map(shown, same))}"
            )
    configuration = _object(document.get("DeviceConfiguration", {}), "DeviceConfiguration")
    _check_map(configuration, "DeviceConfiguration", scope)
    return Template(kind, parameters, mappings, resources, configuration)


def _object(found: Any, path: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TemplateError(f"{path}: must be an object, not {kind_of(found)}")
    return found


def _keys(found: dict[str, Any], known: tuple[str, ...], path: str, what: str) -> None:
    for key in found:
        if key not in known:
            raise TemplateError(f"{path}: unknown {what} {shown(key)}; known are {', '.join(known)}")


def _parameters(found: Any, kind: TemplateKind) -> dict[str, str | None]:
    parameters: dict[str, str | None] = {}
    for written, declared in _object(found, "Parameters").items():
        path = f"Parameters.{written}"
        # The guide's own examples declare "ThingName " and refer to "ThingName".
        name = written.strip()
        if not name or name in parameters:
            raise TemplateError(f"{path}: {'an empty name' if not name else 'declared twice'}")
        _keys(_object(declared, path), ("Type", "Default"), path, "key")
        if declared.get("Type") != "String":
            raise TemplateError(f'{path}.Type: must be "String"')
        default = declared.get("Default")
        if default is not None and not isinstance(default, str):
            raise TemplateError(f"{path}.Default: must be a string, not {kind_of(default)}")
        if kind == "JITP" and default is None and name not in IMPLICIT[kind]:
            raise TemplateError(
                f"{path}: just-in-time provisioning has no such parameter and it has no Default; "
                f"there are {', '.join(sorted(IMPLICIT[kind]))}"
            )
        parameters[name] = default
    return parameters


def _mappings(found: Any) -> dict[str, dict[str, dict[str, Any]]]:
    for name, first in _object(found, "Mappings").items():
        for key, second in _object(first, f"Mappings.{name}").items():
            path = f"Mappings.{name}.{key}"
            if is_function(second):
                raise TemplateError(f"{path}: functions are not possible in Mappings")
            for last, value in _object(second, path).items():
                fine = isinstance(value, str) or (
                    isinstance(value, list) and all(isinstance(one, str) for one in value)
                )
                if not fine:
                    words = (
                        "functions are not possible in Mappings" if is_function(value) else "must be a string"
                    )
                    raise TemplateError(f"{path}.{last}: {words}")
    return dict(found)


def _resource(logical: str, found: Any, scope: Scope, kind: TemplateKind) -> Resource:
    path = f"Resources.{logical}"
    _keys(_object(found, path), _RESOURCE_KEYS, path, "key")
    type_name = found.get("Type")
    if not isinstance(type_name, str) or type_name not in _PROPERTIES:
        what = shown(type_name) if isinstance(type_name, str) else "none"
        raise TemplateError(f"{path}.Type: unknown resource type {what}; known are {', '.join(_PROPERTIES)}")
    if type_name == "AWS::IoT::Policy":
        scope = scope._replace(joins=False)
    properties: dict[str, Any] = {}
    for written, value in _object(found.get("Properties", {}), f"{path}.Properties").items():
        name = _ALIASES.get(written, written)
        place = f"{path}.Properties.{written}"
        shape = _PROPERTIES[type_name].get(name)
        if shape is None or name in properties:
            words = "is there twice" if name in properties else f"is no property of {type_name}"
            raise TemplateError(
                f"{place}: {shown(written)} {words}; it has {', '.join(_PROPERTIES[type_name])}"
            )
        _check_shape(shape, value, place, scope)
        if name in CHOICES and isinstance(value, str):
            choice(value, CHOICES[name], place)
        properties[name] = value
    _RULES[type_name](properties, path, kind)
    return Resource(logical, type_name, properties, _overrides(found, type_name, path, scope))


def _check_shape(shape: str, value: Any, path: str, scope: Scope) -> None:
    match shape:
        case "text":
            _check_text(value, path, scope)
        case "map":
            _check_map(_object(value, path), path, scope)
        case "texts":
            if is_function(value):
                check(value, path, scope)
            elif isinstance(value, list):
                for index, one in enumerate(value):
                    _check_text(one, f"{path}[{index}]", scope)
            else:
                raise TemplateError(f"{path}: must be a list of strings, not {kind_of(value)}")
        case _:
            if not isinstance(value, (str, dict)):
                raise TemplateError(f"{path}: must be a string or an object, not {kind_of(value)}")
            check(value, path, scope)
            if isinstance(value, str):
                json_object(value, path)


def _check_text(value: Any, path: str, scope: Scope) -> None:
    if not isinstance(value, str) and (not is_function(value) or gives_list(value)):
        raise TemplateError(f"{path}: must be a string or a function that gives one, not {kind_of(value)}")
    check(value, path, scope)


def _check_map(found: dict[str, Any], path: str, scope: Scope) -> None:
    if is_function(found):
        raise TemplateError(f"{path}: must be an object with plain names, not a function")
    for name, value in found.items():
        _check_text(value, f"{path}.{name}", scope)


def json_object(text: str, path: str) -> str:
    try:
        read_object(text)
    except BadJson as error:
        raise TemplateError(f"{path}: {error}") from None
    return text


def choice(value: str, choices: tuple[str, ...], path: str) -> str:
    """One of the choices, in any case: the guide's examples write "Active"."""
    if value.upper() not in choices:
        raise TemplateError(f"{path}: {shown(value)} is none of {', '.join(choices)}")
    return value.upper()


def _overrides(found: dict[str, Any], type_name: str, path: str, scope: Scope) -> dict[str, Any]:
    path = f"{path}.OverrideSettings"
    known = OVERRIDES[type_name]
    overrides: dict[str, Any] = {}
    for written, value in _object(found.get("OverrideSettings", {}), path).items():
        name = _OVERRIDE_ALIASES.get(written, written)
        place = f"{path}.{written}"
        if name not in known:
            words = f"known are {', '.join(known)}" if known else "policies have none"
            raise TemplateError(f"{place}: {shown(written)} is no override setting of {type_name}; {words}")
        if name in overrides:
            raise TemplateError(f"{place}: is there in two spellings")
        _check_text(value, place, scope)
        if isinstance(value, str):
            choice(value, known[name], place)
        overrides[name] = value
    return overrides


def _thing_rules(properties: dict[str, Any], path: str, kind: TemplateKind) -> None:
    if "ThingName" not in properties:
        raise TemplateError(f"{path}.Properties: a thing needs a ThingName")


def _certificate_rules(properties: dict[str, Any], path: str, kind: TemplateKind) -> None:
    sources = [name for name in _SOURCES if name in properties]
    if len(sources) != 1:
        have = ", ".join(sources) or "none"
        raise TemplateError(
            f"{path}.Properties: a certificate needs exactly one of {', '.join(_SOURCES)}, here is {have}"
        )
    if "CACertificatePem" in properties and sources != ["CertificatePem"]:
        raise TemplateError(f"{path}.Properties.CACertificatePem: goes only with CertificatePem")
    if kind != "REGISTER_THING" and sources != ["CertificateId"]:
        raise TemplateError(f"{path}.Properties.{sources[0]}: {kind} templates take only CertificateId")


def _policy_rules(properties: dict[str, Any], path: str, kind: TemplateKind) -> None:
    if len(properties) != 1:
        words = "not both" if properties else "here is none"
        raise TemplateError(f"{path}.Properties: a policy needs PolicyName or PolicyDocument, {words}")


_RULES = {
    "AWS::IoT::Thing": _thing_rules,
    "AWS::IoT::Certificate": _certificate_rules,
    "AWS::IoT::Policy": _policy_rules,
}

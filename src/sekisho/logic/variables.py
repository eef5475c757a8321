"""A connection's policy variables.

Source: AWS IoT Developer Guide, "AWS IoT Core policy variables" with its pages on basic, thing and X.509
certificate variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

_MAX_VALUE = 1024
_MAX_ITEMS = 5
_WILDCARDS = frozenset("*$+?#")
_SPECIAL = frozenset(',"\\+=<>;')

_NAME_ATTRIBUTES = {
    NameOID.DN_QUALIFIER: "DistinguishedNameQualifier",
    NameOID.COUNTRY_NAME: "Country",
    NameOID.ORGANIZATION_NAME: "Organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OrganizationalUnit",
    NameOID.STATE_OR_PROVINCE_NAME: "State",
    NameOID.COMMON_NAME: "CommonName",
    NameOID.SERIAL_NUMBER: "SerialNumber",
    NameOID.TITLE: "Title",
    NameOID.SURNAME: "Surname",
    NameOID.GIVEN_NAME: "GivenName",
    NameOID.INITIALS: "Initials",
    NameOID.PSEUDONYM: "Pseudonym",
    NameOID.GENERATION_QUALIFIER: "GenerationQualifier",
}

# AWS IoT Developer Guide, "Just-in-time provisioning": the parameters, all from the subject's name.
_PROVISIONING_PARAMETERS = {
    NameOID.COUNTRY_NAME: "Country",
    NameOID.ORGANIZATION_NAME: "Organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OrganizationalUnit",
    NameOID.DN_QUALIFIER: "DistinguishedNameQualifier",
    NameOID.STATE_OR_PROVINCE_NAME: "StateName",
    NameOID.COMMON_NAME: "CommonName",
    NameOID.SERIAL_NUMBER: "SerialNumber",
}

_DIRECTORY_NAMES = {
    NameOID.COMMON_NAME: "cn",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "ou",
    NameOID.ORGANIZATION_NAME: "o",
    NameOID.LOCALITY_NAME: "l",
    NameOID.STATE_OR_PROVINCE_NAME: "st",
    NameOID.COUNTRY_NAME: "c",
    NameOID.STREET_ADDRESS: "street",
    NameOID.DOMAIN_COMPONENT: "dc",
    NameOID.USER_ID: "uid",
}

_ALTERNATIVES = ("RFC822Name", "DNSName", "DirectoryName", "UniformResourceIdentifier", "IPAddress")

CERTIFICATE_VARIABLES = (
    *(
        f"iot:Certificate.{whose}.{name}"
        for whose in ("Subject", "Issuer")
        for name in (
            *_NAME_ATTRIBUTES.values(),
            *(f"AlternativeName.{alternative}" for alternative in _ALTERNATIVES),
        )
    ),
    "iot:Certificate.SerialNumber",
    "iot:Certificate.AvailableKeys",
)
"""The names of all that a certificate may have."""

Thing = tuple[str, str | None, Mapping[str, str]]


def certificate_attributes(cert: x509.Certificate) -> dict[str, list[str]]:
    """The ``iot:Certificate.*`` values that a certificate has, each name with all its values in order.

    Values of names carry a backslash before ``, " \\ + = < > ;`` as the guide wants them written in policies;
    the certificate's serial number is a decimal integer.
    """
    found: dict[str, list[str]] = {"iot:Certificate.SerialNumber": [str(cert.serial_number)]}
    for whose, name, extension in (
        ("Subject", cert.subject, x509.SubjectAlternativeName),
        ("Issuer", cert.issuer, x509.IssuerAlternativeName),
    ):
        for oid, attribute in _NAME_ATTRIBUTES.items():
            values = [_escaped(value) for value in _name_values(name, oid)]
            if values:
                found[f"iot:Certificate.{whose}.{attribute}"] = values
        for kind, value in _alternatives(cert, extension):
            found.setdefault(f"iot:Certificate.{whose}.AlternativeName.{kind}", []).append(value)
    return found


def _name_values(name: x509.Name, oid: ObjectIdentifier) -> list[str]:
    values = (attribute.value for attribute in name.get_attributes_for_oid(oid))
    return [value for value in values if isinstance(value, str) and value]


def _escaped(value: str) -> str:
    return "".join("\\" + character if character in _SPECIAL else character for character in value)


def _alternatives(
    cert: x509.Certificate, extension: type[x509.SubjectAlternativeName] | type[x509.IssuerAlternativeName]
) -> list[tuple[str, str]]:
    try:
        names = cert.extensions.get_extension_for_class(extension).value
    except x509.ExtensionNotFound:
        return []
    found = []
    for name in names:
        match name:
            case x509.RFC822Name(value=value):
                found.append(("RFC822Name", value))
            case x509.DNSName(value=value):
                found.append(("DNSName", value))
            case x509.DirectoryName(value=value):
                found.append(("DirectoryName", value.rfc4514_string(_DIRECTORY_NAMES)))
            case x509.UniformResourceIdentifier(value=value):
                found.append(("UniformResourceIdentifier", value))
            case x509.IPAddress(value=value):
                found.append(("IPAddress", str(value)))
    return found


def subject_parameters(cert: x509.Certificate, certificate_id: str) -> dict[str, str]:
    """The ``AWS::IoT::Certificate::*`` parameters of just-in-time provisioning that the subject has.

    ``SerialNumber`` is the subject's attribute 2.5.4.5, not the certificate's serial number.
    """
    found = {"AWS::IoT::Certificate::Id": certificate_id}
    for oid, parameter in _PROVISIONING_PARAMETERS.items():
        values = _name_values(cert.subject, oid)
        if values:
            found[f"AWS::IoT::Certificate::{parameter}"] = values[0]
    return found


def connection_variables(
    *,
    client_id: str,
    certificate_id: str | None,
    certificate: Mapping[str, Sequence[str]] | None,
    thing: Thing | None,
    source_ip: str | None,
    domain_name: str | None,
) -> dict[str, str | list[str]]:
    """All variables of a connection, by the names that policies use.

    ``certificate`` is what `certificate_attributes` gave; ``thing`` is the attached thing's name, type and
    attributes, or None where no thing counts. Of several certificate values the bare name is the first,
    ``.1`` the second, ``.List`` all (at most five). One that is longer than 1024 characters or holds a
    wildcard (``* $ + ? #``) is left out, so that its variable stays unresolved; ``.List``, which is for
    comparing only, keeps it.
    """
    found: dict[str, str | list[str]] = {"iot:ClientId": client_id}
    basic = {"iot:CertificateId": certificate_id, "aws:SourceIp": source_ip, "iot:DomainName": domain_name}
    found.update({name: value for name, value in basic.items() if value})
    found["iot:Connection.Thing.IsAttached"] = "true" if thing else "false"
    if thing:
        name, type_name, attributes = thing
        found["iot:Connection.Thing.ThingName"] = name
        if type_name:
            found["iot:Connection.Thing.ThingTypeName"] = type_name
        for attribute, value in attributes.items():
            found[f"iot:Connection.Thing.Attributes[{attribute}]"] = value
    if certificate:
        _add_certificate(found, certificate)
    return found


def _add_certificate(found: dict[str, str | list[str]], certificate: Mapping[str, Sequence[str]]) -> None:
    for name, values in certificate.items():
        several = list(values[:_MAX_ITEMS])
        for index, value in enumerate(several):
            if len(value) <= _MAX_VALUE and not _WILDCARDS.intersection(value):
                found[f"{name}.{index}" if index else name] = value
        found[f"{name}.List"] = several
    found["iot:Certificate.AvailableKeys"] = list(certificate)

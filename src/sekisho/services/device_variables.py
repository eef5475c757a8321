"""The policy variables of a device: of its connection, of a request without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography import x509

from sekisho.logic.variables import certificate_attributes, connection_variables
from sekisho.services.identity import Identity

OF_CONNECTIONS = ("iot:ClientId", "iot:Connection.")
"""How the variables begin that only a connection has."""

OF_CERTIFICATES = "iot:Certificate."
"""How the variables begin that come from the certificate itself."""


def attributes_of(identity: Identity, der: bytes | None) -> Mapping[str, Any]:
    """The policy variables of the certificate that was presented, if the policies ask for any: to read a
    certificate takes a quarter of a CONNECT. None when there is something in it that cannot be read."""
    if der is None or not identity.policies.mentions(OF_CERTIFICATES):
        return {}
    try:
        return certificate_attributes(x509.load_der_x509_certificate(der))
    except (
        ValueError,
        TypeError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return {}


def variables_of(
    identity: Identity, attributes: Mapping[str, Any], client_id: str, address: str, domain: str
) -> dict[str, Any]:
    """The policy variables of a connection; ``attributes`` are its certificate's."""
    thing = identity.thing
    return dict(identity.context) | connection_variables(
        client_id=client_id,
        certificate_id=identity.certificate_id,
        certificate=attributes,
        thing=(thing.name, thing.type_name, thing.attributes) if thing is not None else None,
        source_ip=address,
        domain_name=domain,
    )


def request_variables(
    identity: Identity, attributes: Mapping[str, Any], address: str, domain: str
) -> dict[str, Any]:
    """The policy variables of an HTTPS request: without a connection there is no client id and no thing (AWS
    IoT Developer Guide, Thing policy variables)."""
    variables = variables_of(identity, attributes, "", address, domain)
    return {name: value for name, value in variables.items() if not name.startswith(OF_CONNECTIONS)}

"""What the factory does to a device: make its key, sign its request, or take the certificate that it has."""

from __future__ import annotations

import contextlib
import hashlib
import json
import string
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from sekisho.cli.factory.handover import Device
from sekisho.cli.factory.line import Prepared, Refused
from sekisho.logic.certificates import (
    MAX_CERTIFICATE_CHARS,
    BadCertificate,
    BadCsr,
    certificate_id,
    certificate_pem,
    parse_certificate,
    parse_csr,
)
from sekisho.logic.manifest import Chip
from sekisho.logic.templates import TemplateError, expand, parse_template

KEYS = ("p256", "p384", "rsa2048", "rsa3072")
_NAME = frozenset(string.ascii_letters + string.digits + ":_-")
MAX_NAME = 128
SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def check_name(name: str) -> str:
    """A thing's name as the `iot` service model has it, which is also a safe file name; raises `Refused`."""
    if not 1 <= len(name) <= MAX_NAME or not _NAME.issuperset(name):
        raise Refused(f"{name!r} is not a thing name: 1 to {MAX_NAME} of letters, digits, ':', '_' and '-'")
    return name


def key_hash(key: PublicKeyTypes) -> str:
    """SHA-256 of a public key's SubjectPublicKeyInfo, in hex."""
    return hashlib.sha256(key.public_bytes(*SPKI)).hexdigest()


def plain_template(policy: str | None, thing_type: str | None) -> str:
    """The template of a run that names none: a thing, its certificate by CSR, a policy that exists."""
    thing: dict[str, Any] = {"ThingName": {"Ref": "ThingName"}}
    if thing_type is not None:
        thing["ThingTypeName"] = thing_type
    request = {"CertificateSigningRequest": {"Ref": "CSR"}, "Status": "ACTIVE"}
    resources: dict[str, Any] = {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": thing},
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": request},
    }
    if policy is not None:
        resources["policy"] = {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": policy}}
    parameters = {"ThingName": {"Type": "String"}, "CSR": {"Type": "String"}}
    return json.dumps({"Parameters": parameters, "Resources": resources})


class Registering:
    """What `Make` and `Sign` share: RegisterThing, which does all of a device or nothing of it."""

    def __init__(self, iot: Any, template: str, parameters: Mapping[str, str]) -> None:
        """Raises `Refused` if the template can be no device's. ``parameters`` are every device's."""
        self._iot, self._template, self._parameters = iot, template, parameters
        try:
            parsed = parse_template(template, "REGISTER_THING")
        except TemplateError as error:
            raise Refused(f"the template: {error}") from None
        self._parsed = parsed
        kinds = {resource.type for resource in parsed.resources}
        if not {"AWS::IoT::Thing", "AWS::IoT::Certificate"} <= kinds:
            raise Refused("the template needs a thing and a certificate")
        if "CSR" not in parsed.parameters:
            raise Refused(
                "the template needs a parameter CSR for the certificate's CertificateSigningRequest"
            )

    def settle(self, prepared: Prepared, earlier: Set[str], lose: Callable[[str], None]) -> Device:
        given = {"ThingName": prepared.name, "SerialNumber": prepared.name, "CSR": prepared.pem}
        parameters = {
            name: value
            for name, value in (given | dict(self._parameters)).items()
            if name in self._parsed.parameters
        }
        try:
            plan = expand(self._parsed, parameters, {})
        except TemplateError as error:
            raise Refused(f"the template: {error}") from None
        if plan.thing is None or plan.certificate is None or plan.certificate.csr != prepared.pem:
            raise Refused("the template does not use the parameter CSR for the certificate")
        thing = plan.thing.name
        found = self._left_behind(thing, prepared.key_hash, earlier, lose)
        if found is None:
            answer = self._iot.register_thing(templateBody=self._template, parameters=parameters)
            found = answer["certificatePem"]
            if earlier:
                # A request of the run that died may have been waiting in the node until now.
                self._left_behind(thing, prepared.key_hash, earlier, lose)
        certificate = x509.load_pem_x509_certificate(found.encode())
        return Device(prepared.name, thing, certificate_id(certificate), found, prepared.private_key)

    def _left_behind(
        self, thing: str, own: str, earlier: Set[str], lose: Callable[[str], None]
    ) -> str | None:
        """The certificate that an unseen answer gave this key; those of keys that are lost are removed."""
        try:
            pages = self._iot.get_paginator("list_thing_principals").paginate(thingName=thing)
            principals = [arn for page in pages for arn in page["principals"]]
        except self._iot.exceptions.ResourceNotFoundException:
            return None
        kept = None
        for arn in principals:
            described = self._described(arn)
            if described is None:
                continue
            whose = key_hash(
                x509.load_pem_x509_certificate(described["certificatePem"].encode()).public_key()
            )
            if whose == own:
                kept = described["certificatePem"]
            elif whose in earlier:
                lose(described["certificateId"])
                self.clean(described["certificateId"])
            else:
                raise Refused(f"thing {thing} has a certificate already, {described['certificateId']}")
        return kept

    def _described(self, arn: str) -> dict[str, Any] | None:
        _, _, number = arn.partition(":cert/")
        if not number:
            return None
        with contextlib.suppress(self._iot.exceptions.ResourceNotFoundException):
            found: dict[str, Any] = self._iot.describe_certificate(certificateId=number)
            return dict(found["certificateDescription"])
        return None

    def clean(self, certificate_id: str) -> None:
        """Remove a certificate whose key died with the process that made it: it is nobody's."""
        with contextlib.suppress(self._iot.exceptions.ResourceNotFoundException):
            self._iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            found = self._iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
            arn = found["certificateArn"]
            for thing in self._iot.list_principal_things(principal=arn)["things"]:
                self._iot.detach_thing_principal(thingName=thing, principal=arn)
            self._iot.delete_certificate(certificateId=certificate_id, forceDelete=True)


class Make(Registering):
    """The key is made here and leaves in the encrypted hand-over only."""

    def __init__(self, iot: Any, template: str, parameters: Mapping[str, str], key: str) -> None:
        super().__init__(iot, template, parameters)
        self._key = key

    def prepare(self, name: str) -> Prepared:
        check_name(name)
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        match self._key:
            case "p256":
                key = ec.generate_private_key(ec.SECP256R1())
            case "p384":
                key = ec.generate_private_key(ec.SECP384R1())
            case kind:
                key = rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
        # A common name has at most 64 characters (RFC 5280, ub-common-name).
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Prepared(name, key_hash(key.public_key()), request.public_bytes(Encoding.PEM).decode(), pem)


class Sign(Registering):
    """The device has its key and has sent a request; ``files`` by device name."""

    def __init__(
        self, iot: Any, template: str, parameters: Mapping[str, str], files: Mapping[str, Path]
    ) -> None:
        super().__init__(iot, template, parameters)
        self._files = files

    def prepare(self, name: str) -> Prepared:
        check_name(name)
        text = read_pem(self._files[name])
        try:
            request = parse_csr(text)
        except BadCsr as error:
            raise Refused(f"{self._files[name].name}: {error}") from None
        pem = request.public_bytes(Encoding.PEM).decode()
        return Prepared(name, key_hash(request.public_key()), pem)


class Taking:
    """A certificate that someone else has issued is registered without its CA; thing and policy are made fit.

    Each step is one that may be done again.
    """

    def __init__(self, iot: Any, policy: str | None, thing_type: str | None) -> None:
        self._iot, self._policy, self._thing_type = iot, policy, thing_type

    def clean(self, certificate_id: str) -> None:
        """Nothing is ever made here that would have to go."""

    def settle(self, prepared: Prepared, earlier: Set[str], lose: Callable[[str], None]) -> Device:
        certificate = x509.load_pem_x509_certificate(prepared.pem.encode())
        number = certificate_id(certificate)
        thing = {} if self._thing_type is None else {"thingTypeName": self._thing_type}
        self._iot.create_thing(thingName=prepared.name, **thing)
        try:
            answer = self._iot.register_certificate_without_ca(certificatePem=prepared.pem, status="ACTIVE")
            arn = answer["certificateArn"]
        except self._iot.exceptions.ResourceAlreadyExistsException:
            arn = self._there(number)
        if self._policy is not None:
            self._iot.attach_policy(policyName=self._policy, target=arn)
        self._iot.attach_thing_principal(thingName=prepared.name, principal=arn)
        return Device(prepared.name, prepared.name, number, prepared.pem)

    def _there(self, number: str) -> str:
        try:
            found = self._iot.describe_certificate(certificateId=number)["certificateDescription"]
        except ClientError:
            raise Refused(f"certificate {number} is registered by another account") from None
        if found["status"] != "ACTIVE":
            raise Refused(f"certificate {number} is registered already and {found['status']}")
        return str(found["certificateArn"])


class Import(Taking):
    """Certificates out of files by device name."""

    def __init__(
        self, iot: Any, policy: str | None, thing_type: str | None, files: Mapping[str, Path]
    ) -> None:
        super().__init__(iot, policy, thing_type)
        self._files = files

    def prepare(self, name: str) -> Prepared:
        check_name(name)
        try:
            certificate = parse_certificate(read_pem(self._files[name]))
        except BadCertificate as error:
            raise Refused(f"{self._files[name].name}: {error}") from None
        return Prepared(name, key_hash(certificate.public_key()), certificate_pem(certificate))


class Manifest(Taking):
    """The entries of a vendor's manifest by the name of their thing, or of the entry if it cannot be used."""

    def __init__(
        self, iot: Any, policy: str | None, thing_type: str | None, entries: Mapping[str, Chip | str]
    ) -> None:
        super().__init__(iot, policy, thing_type)
        self._entries = entries

    def prepare(self, name: str) -> Prepared:
        entry = self._entries[name]
        if isinstance(entry, str):
            raise Refused(entry)
        check_name(name)
        certificate = x509.load_pem_x509_certificate(entry.certificate.encode())
        return Prepared(name, key_hash(certificate.public_key()), entry.certificate)


def read_pem(path: Path) -> str:
    """The text of a small file; raises `Refused`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CERTIFICATE_CHARS + 1)
    except OSError as error:
        raise Refused(f"{path.name}: {error.strerror}") from None
    if len(content) > MAX_CERTIFICATE_CHARS:
        raise Refused(f"{path.name}: more than {MAX_CERTIFICATE_CHARS} bytes")
    return content.decode(errors="replace")

"""A device whose private key never leaves a PKCS #11 token: it makes the key there, has the token sign the
request for a certificate, gets one by fleet provisioning, and has the token sign its TLS handshakes.

    pip install awsiotsdk python-pkcs11 cryptography
    softhsm2-util --init-token --free --label press-7 --pin 4321 --so-pin 8765
    PKCS11_PIN=4321 python secure_element.py --serial press-7 --template factory \\
        --endpoint localhost:8883 --ca .sekisho/ca.pem --claim claim.crt claim.key \\
        --module /usr/lib/softhsm/libsofthsm2.so --token press-7

What is kept on the disk is the certificate, which is no secret. The claim is for the first start only. Where
the factory signs instead, `--request` prints the request of the token's key; the answer goes to SERIAL.crt.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import pkcs11
from awscrt import mqtt, mqtt_request_response
from awscrt.io import Pkcs11Lib
from awsiot import iotidentity, mqtt_connection_builder
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pkcs11.util.ec import encode_named_curve_parameters

WITHIN = 30.0
"""Seconds for each answer of the node."""


class TokenKey(ec.EllipticCurvePrivateKey):
    """A P-256 key in a token, as much of it as signing a request needs."""

    curve = ec.SECP256R1()
    key_size = 256

    def __init__(self, public: Any, private: Any) -> None:
        # CKA_EC_POINT is a DER octet string around the uncompressed point (PKCS #11 v2.40, 2.3.3).
        point = public[pkcs11.Attribute.EC_POINT][2:]
        self._public = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, point)
        self._private = private

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        digest = hashes.Hash(hashes.SHA256())
        digest.update(data)
        raw = self._private.sign(digest.finalize(), mechanism=pkcs11.Mechanism.ECDSA)
        return encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))

    def _no(self, *_: Any, **__: Any) -> Any:
        raise TypeError("the key does not leave its token")

    exchange = private_numbers = private_bytes = __copy__ = __deepcopy__ = _no


def signed_request(module: str, token: str, pin: str, label: str) -> str:
    """A signing request (PEM) for the token's key of that label, which is made there if there is none.

    The key is sensitive and cannot be extracted: nothing, this program included, can read it.
    """
    kept = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
    curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    with pkcs11.lib(module).get_token(token_label=token).open(rw=True, user_pin=pin) as session:
        found = list(session.get_objects({pkcs11.Attribute.LABEL: label}))
        if not found:
            domain = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
            found = list(domain.generate_keypair(store=True, label=label, private_template=kept))
        halves = {half.object_class: half for half in found}
        key = TokenKey(halves[pkcs11.ObjectClass.PUBLIC_KEY], halves[pkcs11.ObjectClass.PRIVATE_KEY])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def provision(connection: mqtt.Connection, template: str, serial: str, csr: str) -> tuple[str, str]:
    """Fleet provisioning by CSR: the certificate (PEM) and the name of the thing."""
    options = mqtt_request_response.ClientOptions(
        max_request_response_subscriptions=4, max_streaming_subscriptions=1
    )
    client = iotidentity.IotIdentityClientV2(connection, options)
    made = client.create_certificate_from_csr(
        iotidentity.CreateCertificateFromCsrRequest(certificate_signing_request=csr)
    ).result(WITHIN)
    registered = client.register_thing(
        iotidentity.RegisterThingRequest(
            template_name=template,
            certificate_ownership_token=made.certificate_ownership_token,
            parameters={"SerialNumber": serial},
        )
    ).result(WITHIN)
    return made.certificate_pem, registered.thing_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument(
        "--serial", required=True, help="serial number, and the label of the key in the token"
    )
    parser.add_argument("--request", action="store_true", help="print a signing request, and end")
    parser.add_argument("--endpoint", help="host:port of MQTT over TLS")
    parser.add_argument("--ca", help="PEM file of the CA that the device trusts")
    parser.add_argument("--template", help="provisioning template, for the first start")
    parser.add_argument("--claim", nargs=2, metavar=("CERTIFICATE", "KEY"), help="for the first start")
    parser.add_argument("--module", required=True, help="the token's PKCS #11 library")
    parser.add_argument("--token", required=True, help="the token's label")
    parser.add_argument("--folder", default=".", type=Path, help="where the certificate is kept")
    arguments = parser.parse_args()
    pin = os.environ["PKCS11_PIN"]
    if arguments.request:
        print(signed_request(arguments.module, arguments.token, pin, arguments.serial), end="")
        return
    host, _, port = arguments.endpoint.rpartition(":")
    where: dict[str, Any] = {"endpoint": host, "port": int(port), "ca_filepath": arguments.ca}
    kept = arguments.folder / f"{arguments.serial}.crt"

    if not kept.exists():
        csr = signed_request(arguments.module, arguments.token, pin, arguments.serial)
        certificate, key = arguments.claim
        claim = mqtt_connection_builder.mtls_from_path(
            cert_filepath=certificate, pri_key_filepath=key, client_id=f"new-{arguments.serial}", **where
        )
        claim.connect().result(WITHIN)
        pem, thing = provision(claim, arguments.template, arguments.serial, csr)
        claim.disconnect().result(WITHIN)
        print(f"provisioned as {thing}", flush=True)
        kept.write_text(pem)

    device = mqtt_connection_builder.mtls_with_pkcs11(
        pkcs11_lib=Pkcs11Lib(file=arguments.module),
        user_pin=pin,
        token_label=arguments.token,
        private_key_label=arguments.serial,
        cert_filepath=str(kept),
        client_id=arguments.serial,
        **where,
    )
    device.connect().result(WITHIN)
    published, _ = device.publish(f"devices/{arguments.serial}/hello", "from a token", mqtt.QoS.AT_LEAST_ONCE)
    published.result(WITHIN)
    print(f"connected as {arguments.serial}, the key in token {arguments.token}", flush=True)
    device.disconnect().result(WITHIN)


if __name__ == "__main__":
    main()

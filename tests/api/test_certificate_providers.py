"""Certificate providers: a function signs what devices ask for over MQTT."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.making import arn, csr, refused
from api.newcomer import Newcomer
from interop.devices import ANYTHING, new_key

SIGN = "arn:aws:lambda:us-east-1:000000000000:function:sign"
FOR = ["CreateCertificateFromCsr"]


@pytest.fixture
def provider(iot, name):
    iot.create_certificate_provider(
        certificateProviderName=name, lambdaFunctionArn=SIGN, accountDefaultForOperations=FOR
    )
    yield name
    if any(iot.list_certificate_providers()["certificateProviders"]):
        iot.delete_certificate_provider(certificateProviderName=name)


@pytest.fixture
def newcomer(factory, name):
    claim = factory("claim", thing=False, statements=ANYTHING)
    with claim.online(f"newcomer-{name}") as wire:
        yield Newcomer(wire, "unused")


# --- the API -----------------------------------------------------------------------------------------------


def test_create_describe_list_update_delete(iot, name, provider):
    wanted = {"certificateProviderName": name, "certificateProviderArn": arn(f"certificateprovider/{name}")}
    assert iot.list_certificate_providers()["certificateProviders"] == [wanted]
    found = iot.describe_certificate_provider(certificateProviderName=name)
    found.pop("ResponseMetadata")
    assert found.pop("creationDate") == found.pop("lastModifiedDate")
    assert found == wanted | {"lambdaFunctionArn": SIGN, "accountDefaultForOperations": FOR}
    answer = iot.update_certificate_provider(
        certificateProviderName=name, lambdaFunctionArn=f"{SIGN}:2", accountDefaultForOperations=FOR
    )
    answer.pop("ResponseMetadata")
    assert answer == wanted
    found = iot.describe_certificate_provider(certificateProviderName=name)
    assert found["lambdaFunctionArn"] == f"{SIGN}:2"
    iot.delete_certificate_provider(certificateProviderName=name)
    assert iot.list_certificate_providers()["certificateProviders"] == []
    for call in (iot.describe_certificate_provider, iot.delete_certificate_provider):
        with refused("ResourceNotFoundException", 404, name):
            call(certificateProviderName=name)
    with refused("ResourceNotFoundException", 404, name):
        iot.update_certificate_provider(certificateProviderName=name, lambdaFunctionArn=SIGN)


def test_there_is_one_in_an_account(iot, name, provider):
    with refused("LimitExceededException", 410, name):
        iot.create_certificate_provider(
            certificateProviderName="other", lambdaFunctionArn=SIGN, accountDefaultForOperations=FOR
        )
    with refused("ResourceAlreadyExistsException", 409, name):
        iot.create_certificate_provider(
            certificateProviderName=name, lambdaFunctionArn=SIGN, accountDefaultForOperations=FOR
        )


def test_the_same_client_token_is_the_same_request(iot, name):
    request = {
        "certificateProviderName": name,
        "lambdaFunctionArn": SIGN,
        "accountDefaultForOperations": FOR,
        "clientToken": str(uuid.uuid4()),
        "tags": [{"Key": "team", "Value": "factory"}],
    }
    first = iot.create_certificate_provider(**request)
    try:
        again = iot.create_certificate_provider(**request)
        assert again["certificateProviderArn"] == first["certificateProviderArn"]
        tags = iot.list_tags_for_resource(resourceArn=first["certificateProviderArn"])["tags"]
        assert tags == request["tags"]
    finally:
        iot.delete_certificate_provider(certificateProviderName=name)


@pytest.mark.parametrize("target", ["sign", SIGN.replace("us-east-1", "eu-west-1"), "arn:aws:s3:::bucket"])
def test_what_is_no_function_of_the_account(iot, name, target):
    with refused("InvalidRequestException", 400, "lambdaFunctionArn"):
        iot.create_certificate_provider(
            certificateProviderName=name, lambdaFunctionArn=target, accountDefaultForOperations=FOR
        )
    assert iot.list_certificate_providers()["certificateProviders"] == []


# --- signing -----------------------------------------------------------------------------------------------


def issuer(made):
    return x509.load_pem_x509_certificate(made["certificatePem"].encode()).issuer.rfc4514_string()


def test_while_there_is_one_it_signs_for_devices_and_for_nobody_else(iot, newcomer, provider):
    key, _ = new_key()
    made = newcomer.csr("a device", key)
    assert made.accepted, made.body
    certificate = x509.load_pem_x509_certificate(made.body["certificatePem"].encode())
    spki = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    assert certificate.public_key().public_bytes(*spki) == key.public_key().public_bytes(*spki)
    assert "CN=a device" in certificate.subject.rfc4514_string()
    assert issuer(made.body) == "CN=an authority of one's own"
    described = iot.describe_certificate(certificateId=made.body["certificateId"])["certificateDescription"]
    assert (described["status"], described["certificatePem"]) == (
        "PENDING_ACTIVATION",
        made.body["certificatePem"],
    )
    # The API's own operation of that name, and keys over MQTT, are the node's as ever.
    over_http = iot.create_certificate_from_csr(certificateSigningRequest=csr())
    assert "authority of one's own" not in issuer(over_http)
    assert "authority of one's own" not in issuer(newcomer.keys().body)
    iot.delete_certificate_provider(certificateProviderName=provider)
    assert "authority of one's own" not in issuer(newcomer.csr().body)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path fits a subject's organization, 64 characters at most."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_it_gets_the_documented_event(newcomer, provider, name, short):
    record = short / "events"
    assert newcomer.csr("a device", ORGANIZATION_NAME=f"record {record}").accepted
    (event,) = map(json.loads, record.read_text().splitlines())
    assert set(event) == {"certificateSigningRequest", "principalId", "clientId"}
    assert event["clientId"] == f"newcomer-{name}"
    assert len(event["principalId"]) == 64
    assert event["certificateSigningRequest"].startswith("-----BEGIN CERTIFICATE REQUEST-----")


REFUSALS = {
    "no pem": "no certificatePem",
    "a number": "a number as certificatePem",
    "not pem": "not PEM",
    "raise": "raised ValueError",
    "other key": "another public key",
    "other subject": "another subject",
}


def test_a_certificate_that_is_not_the_one_asked_for_is_refused(newcomer, provider, own, name, iot):
    known = [c["certificateId"] for c in iot.list_certificates(pageSize=5)["certificates"]]
    for wish, words in REFUSALS.items():
        answer = newcomer.csr("a device", ORGANIZATION_NAME=wish)
        assert not answer.accepted
        assert (answer.body["statusCode"], answer.body["errorCode"]) == (500, "InternalError")
        assert provider in answer.body["errorMessage"]
        assert words in answer.body["errorMessage"]
        refusal = own.list_refusals(clientId=f"newcomer-{name}", maxResults=1)["refusals"][0]
        assert refusal["reason"] == answer.body["errorMessage"]
    assert [c["certificateId"] for c in iot.list_certificates(pageSize=5)["certificates"]] == known
    assert newcomer.csr().accepted


def test_one_that_is_registered_already_is_not_taken_over(newcomer, provider, short):
    key, _ = new_key()
    wish = {"ORGANIZATION_NAME": f"keep {short / 'pem'}"}
    first = newcomer.csr("a device", key, **wish)
    assert first.accepted, first.body
    again = newcomer.csr("a device", key, **wish)
    assert not again.accepted
    assert "registered already" in again.body["errorMessage"]

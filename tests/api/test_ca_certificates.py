"""CAs of one's own: registration codes, proofs, registering, describing, listing, changing, deleting."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from api.authorities import CA_TRUE, DAY, DEVICE_KEY, Authority, issue, name_of
from api.making import ROLE, UNKNOWN_ID, arn, refused, template, thing_resource

INVALID = "CertificateValidationException"
WRONG_CODE = "RegistrationCodeValidationException"
BODY = json.dumps(
    {
        "Parameters": {"AWS::IoT::Certificate::CommonName": {"Type": "String"}},
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {"ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"}},
            }
        },
    }
)


def code(iot) -> str:
    return iot.get_registration_code()["registrationCode"]


def described(iot, id):
    return iot.describe_ca_certificate(certificateId=id)["certificateDescription"]


def config_of(iot, id):
    return iot.describe_ca_certificate(certificateId=id).get("registrationConfig")


@pytest.fixture
def ca(name) -> Authority:
    return Authority(name)


# --- the registration code ---


def test_a_registration_code_stays_until_it_is_deleted(iot):
    first = iot.get_registration_code()["registrationCode"]
    assert len(first) == 64
    assert int(first, 16) >= 0
    assert code(iot) == first
    iot.delete_registration_code()
    with refused("ResourceNotFoundException", 404):
        iot.delete_registration_code()
    assert code(iot) != first


# --- with proof of the key ---


def test_register_with_proof(iot, ca):
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = iot.register_ca_certificate(caCertificate=ca.pem, verificationCertificate=ca.proof(code(iot)))
    assert (made["certificateId"], made["certificateArn"]) == (ca.id, arn(f"cacert/{ca.id}"))
    found = described(iot, ca.id)
    assert before < found.pop("creationDate") <= found.pop("lastModifiedDate") <= datetime.now(UTC)
    assert found.pop("generationId")
    assert found == {
        "certificateId": ca.id,
        "certificateArn": arn(f"cacert/{ca.id}"),
        "certificatePem": ca.pem,
        "status": "INACTIVE",
        "ownedBy": "000000000000",
        "autoRegistrationStatus": "DISABLE",
        "certificateMode": "DEFAULT",
        "customerVersion": 1,
        "validity": {
            "notBefore": ca.issued.certificate.not_valid_before_utc,
            "notAfter": ca.issued.certificate.not_valid_after_utc,
        },
    }
    assert config_of(iot, ca.id) is None


def test_active_and_automatic_from_the_beginning(iot, ca):
    ca.register(iot, active=True, allowAutoRegistration=True)
    found = described(iot, ca.id)
    assert (found["status"], found["autoRegistrationStatus"]) == ("ACTIVE", "ENABLE")


def test_the_proof_must_have_the_code(iot, ca):
    code(iot)
    with refused(WRONG_CODE, 400, "registration code"):
        iot.register_ca_certificate(caCertificate=ca.pem, verificationCertificate=ca.proof("0" * 64))


def test_a_code_that_was_deleted_proves_nothing(iot, ca):
    old = code(iot)
    iot.delete_registration_code()
    for _ in range(2):
        with refused(WRONG_CODE, 400):
            iot.register_ca_certificate(caCertificate=ca.pem, verificationCertificate=ca.proof(old))
        code(iot)


def test_the_proof_must_be_signed_with_the_key_of_the_ca(iot, ca, name):
    impostor = Authority(name)
    with refused(INVALID, 400, "not signed with the key"):
        iot.register_ca_certificate(caCertificate=ca.pem, verificationCertificate=impostor.proof(code(iot)))


def test_the_proof_must_be_valid(iot, ca):
    with refused(INVALID, 400, "verification certificate", "expired at"):
        iot.register_ca_certificate(
            caCertificate=ca.pem, verificationCertificate=ca.proof(code(iot), begins=-2 * DAY, ends=-DAY)
        )
    with refused(INVALID, 400, "verification certificate", "not PEM"):
        iot.register_ca_certificate(caCertificate=ca.pem, verificationCertificate="x")


# --- the modes ---


def test_sni_only_needs_no_proof_and_takes_none(iot, ca):
    with refused("InvalidRequestException", 400, "must be absent"):
        iot.register_ca_certificate(
            caCertificate=ca.pem, certificateMode="SNI_ONLY", verificationCertificate=ca.proof(code(iot))
        )
    iot.register_ca_certificate(caCertificate=ca.pem, certificateMode="SNI_ONLY")
    assert described(iot, ca.id)["certificateMode"] == "SNI_ONLY"


@pytest.mark.parametrize("mode", [{}, {"certificateMode": "DEFAULT"}])
def test_default_needs_a_proof(iot, ca, mode):
    with refused("InvalidRequestException", 400, "verificationCertificate is needed"):
        iot.register_ca_certificate(caCertificate=ca.pem, **mode)


# --- what a CA may be ---


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"extensions": ()}, "CA:TRUE"),
        ({"extensions": ((x509.BasicConstraints(False, None), True),)}, "CA:TRUE"),
        (
            {
                "extensions": (
                    CA_TRUE,
                    (x509.KeyUsage(True, False, False, False, False, False, True, False, False), True),
                )
            },
            "keyCertSign",
        ),
        ({"begins": -2 * DAY, "ends": -DAY}, "expired at"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, "secp256k1"),
    ],
    ids=["no constraints", "a leaf", "may not sign", "expired", "curve"],
)
def test_what_is_no_ca(iot, name, how, words):
    with refused(INVALID, 400, "CA certificate is not usable", words):
        iot.register_ca_certificate(caCertificate=Authority(name, **how).pem, certificateMode="SNI_ONLY")


def test_a_ca_below_another(iot, name, ca):
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    between = ca.sign(f"{name}-between", key, extensions=(CA_TRUE, (usage, True)))
    iot.register_ca_certificate(caCertificate=between.pem, certificateMode="SNI_ONLY", setAsActive=True)
    assert described(iot, between.id)["status"] == "ACTIVE"


# --- how many ---


def test_a_ca_is_registered_once(iot, ca):
    ca.register(iot)
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
        ca.register(iot, mode="SNI_ONLY")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert (response["resourceId"], response["resourceArn"]) == (ca.id, arn(f"cacert/{ca.id}"))


def test_ten_of_one_subject(iot, name):
    made = [Authority(name) for _ in range(11)]
    for one in made[:10]:
        one.register(iot, mode="SNI_ONLY", active=False)
    with refused("LimitExceededException", 410, "10 CA certificates"):
        made[10].register(iot, mode="SNI_ONLY")
    Authority(f"{name}-other").register(iot, mode="SNI_ONLY")
    iot.delete_ca_certificate(certificateId=made[0].id)
    made[10].register(iot, mode="SNI_ONLY")


# --- listing ---


def test_list(iot, name, turned):
    made = []
    for number in range(3):
        turned.set_clock(advanceSeconds=1)
        made.append(Authority(f"{name}-{number}").register(iot, mode="SNI_ONLY"))

    def found(**order):
        pages = iot.get_paginator("list_ca_certificates").paginate(PaginationConfig={"PageSize": 2}, **order)
        everything = [one for page in pages for one in page["certificates"]]
        assert {*everything[0]} == {"certificateArn", "certificateId", "status", "creationDate"}
        return [one["certificateId"] for one in everything if one["certificateId"] in made]

    assert found() == made[::-1]
    assert found(ascendingOrder=True) == made
    page = iot.list_ca_certificates(pageSize=1)
    assert [one["certificateId"] for one in page["certificates"]] == [made[2]]
    assert page["nextMarker"]


def test_list_those_of_a_template(iot, name):
    iot.create_provisioning_template(
        templateName=name, templateBody=BODY, provisioningRoleArn=ROLE, type="JITP", enabled=True
    )
    made = [Authority(f"{name}-{number}") for number in range(4)]
    for number, one in enumerate(made):
        config = {"registrationConfig": {"templateName": name}} if number % 2 else {}
        one.register(iot, mode="SNI_ONLY", **config)
    pages = iot.get_paginator("list_ca_certificates").paginate(
        templateName=name, PaginationConfig={"PageSize": 1}
    )
    found = {one["certificateId"] for page in pages for one in page["certificates"]}
    assert found == {made[1].id, made[3].id}


# --- what it provisions by ---


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"roleArn": ROLE}, "either templateBody or templateName"),
        ({"templateBody": BODY}, "needs roleArn"),
        ({"templateBody": BODY, "roleArn": ROLE, "templateName": "x"}, "either"),
        ({"templateBody": "{}", "roleArn": ROLE}, "Invalid provisioning template"),
        (
            {"templateBody": template({"thing": thing_resource()}, "Name"), "roleArn": ROLE},
            "no such parameter",
        ),
    ],
    ids=["nothing", "no role", "both", "empty", "a parameter that no certificate has"],
)
def test_configurations_that_are_none(iot, ca, config, words):
    with refused("InvalidRequestException", 400, words):
        ca.register(iot, mode="SNI_ONLY", registrationConfig=config)
    ca.register(iot, mode="SNI_ONLY")
    with refused("InvalidRequestException", 400, words):
        iot.update_ca_certificate(certificateId=ca.id, registrationConfig=config)


def test_a_named_template_must_be_one_for_it(iot, ca, name):
    with refused("ResourceNotFoundException", 404, name):
        ca.register(iot, mode="SNI_ONLY", registrationConfig={"templateName": name})
    iot.create_provisioning_template(
        templateName=name, templateBody=template({}), provisioningRoleArn=ROLE, enabled=True
    )
    with refused("InvalidRequestException", 400, "JITP"):
        ca.register(iot, mode="SNI_ONLY", registrationConfig={"templateName": name})


def test_the_configuration_comes_back(iot, ca):
    config = {"templateBody": BODY, "roleArn": ROLE}
    ca.register(iot, mode="SNI_ONLY", allowAutoRegistration=True, registrationConfig=config)
    assert config_of(iot, ca.id) == config
    iot.update_ca_certificate(certificateId=ca.id, removeAutoRegistration=True)
    assert config_of(iot, ca.id) is None
    assert described(iot, ca.id)["autoRegistrationStatus"] == "DISABLE"


# --- changing ---


def test_update(iot, ca, turned):
    ca.register(iot, active=False)
    turned.set_clock(advanceSeconds=60)
    iot.update_ca_certificate(certificateId=ca.id, newStatus="ACTIVE", newAutoRegistrationStatus="ENABLE")
    found = described(iot, ca.id)
    assert (found["status"], found["autoRegistrationStatus"]) == ("ACTIVE", "ENABLE")
    assert found["customerVersion"] == 2
    assert found["lastModifiedDate"] > found["creationDate"]
    iot.update_ca_certificate(certificateId=ca.id, newStatus="ACTIVE")
    assert described(iot, ca.id) == found
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    found = described(iot, ca.id)
    assert (found["status"], found["autoRegistrationStatus"]) == ("INACTIVE", "ENABLE")


@pytest.mark.parametrize(
    "more",
    [
        {"newAutoRegistrationStatus": "ENABLE"},
        {"registrationConfig": {"templateBody": BODY, "roleArn": ROLE}},
    ],
)
def test_an_update_that_contradicts_itself(iot, ca, more):
    ca.register(iot)
    with refused("InvalidRequestException", 400, "removeAutoRegistration excludes"):
        iot.update_ca_certificate(certificateId=ca.id, removeAutoRegistration=True, **more)


def test_an_unknown_ca(iot):
    for operation in (iot.describe_ca_certificate, iot.update_ca_certificate, iot.delete_ca_certificate):
        with refused("ResourceNotFoundException", 404, f"CA certificate {UNKNOWN_ID}"):
            operation(certificateId=UNKNOWN_ID)


# --- deleting ---


def test_delete(iot, ca):
    ca.register(iot, active=True)
    with refused("CertificateStateException", 406, "must be deactivated", ca.id):
        iot.delete_ca_certificate(certificateId=ca.id)
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    iot.delete_ca_certificate(certificateId=ca.id)
    with refused("ResourceNotFoundException", 404, ca.id):
        iot.describe_ca_certificate(certificateId=ca.id)
    ca.register(iot, mode="SNI_ONLY")
    assert described(iot, ca.id)["certificateMode"] == "SNI_ONLY"


# --- tags ---


def test_tags(iot, ca):
    ca.register(iot, active=False, tags=[{"Key": "line", "Value": "1"}])
    resource = arn(f"cacert/{ca.id}")
    iot.tag_resource(resourceArn=resource, tags=[{"Key": "shift", "Value": "b"}])
    found = iot.list_tags_for_resource(resourceArn=resource)["tags"]
    assert found == [{"Key": "line", "Value": "1"}, {"Key": "shift", "Value": "b"}]
    iot.delete_ca_certificate(certificateId=ca.id)
    with refused("ResourceNotFoundException", 404):
        iot.list_tags_for_resource(resourceArn=resource)
    ca.register(iot)
    assert iot.list_tags_for_resource(resourceArn=resource)["tags"] == []


def test_two_common_names(iot, name):
    """The code may be any of them."""
    ca = Authority(name)
    both = x509.Name([*name_of("first"), *name_of(code(iot))])
    proof = issue(both, ca.name, ca.key, DEVICE_KEY).pem
    assert iot.register_ca_certificate(caCertificate=ca.pem, verificationCertificate=proof)

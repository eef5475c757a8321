"""Fleet provisioning in CBOR: the same flow as in JSON, byte for byte another encoding, in both profiles."""

from __future__ import annotations

import cbor2
import pytest

from api.making import ROLE
from api.newcomer import CREATE, CSR, PROVISION, Newcomer
from interop.claiming import body
from interop.devices import ANYTHING, document
from interop.places import place

TEMPLATE = "cbor"


@pytest.fixture(scope="module", params=["strict", "extended"])
def home(request, tmp_path_factory):
    with place(tmp_path_factory.mktemp(request.param), f"mqtt.profile={request.param}") as home:
        home.iot.create_policy(policyName="made", policyDocument=document(*ANYTHING))
        home.iot.create_provisioning_template(
            templateName=TEMPLATE, templateBody=body(), enabled=True, provisioningRoleArn=ROLE
        )
        home.claim = home.device("claim", thing=False, statements=ANYTHING)
        yield home


@pytest.fixture
def newcomer(home, name, version):
    with home.claim.online(name, version) as wire:
        yield Newcomer(wire, TEMPLATE, "cbor")


def test_by_csr_and_by_keys(home, newcomer, version):
    made = newcomer.csr()
    assert made.accepted, made.body
    assert set(made.body) == {"certificateId", "certificatePem", "certificateOwnershipToken"}
    serial = f"csr-{version}"
    answer = newcomer.register(made.body["certificateOwnershipToken"], SerialNumber=serial)
    assert answer == (
        True,
        {"thingName": f"made-{serial}", "deviceConfiguration": {"topic": f"devices/{serial}"}},
    )
    keys = newcomer.keys()
    assert set(keys.body) == {"certificateId", "certificatePem", "privateKey", "certificateOwnershipToken"}
    assert newcomer.register(keys.body["certificateOwnershipToken"], SerialNumber=f"keys-{version}").accepted
    # A map of nothing is as good as nothing.
    assert newcomer.ask(CREATE.format("cbor"), {}).accepted


REJECTED = {
    "JSON": (CSR, b'{"certificateSigningRequest": "x"}', 400, "InvalidParameters", "not a CBOR map"),
    "not a map": (CSR, cbor2.dumps(["x"]), 400, "InvalidParameters", "a list"),
    "nothing but the half": (CSR, b"\xa1\x61", 400, "InvalidParameters", "cut off"),
    "nested without end": (CSR, b"\xa1\x61a" + b"\x81" * 100_000, 400, "InvalidParameters", "nested deeper"),
    "a tag": (CSR, cbor2.dumps({"a": cbor2.CBORTag(1, 1)}), 400, "InvalidParameters", "a tag"),
    "a length that is only claimed": (CSR, b"\xbb" + b"\xff" * 8, 400, "InvalidParameters", "cut off"),
    "no CSR": (CSR, {}, 400, "InvalidParameters", "certificateSigningRequest"),
    "nothing": (CSR, b"", 400, "InvalidParameters", "certificateSigningRequest"),
    "a CSR that is a number": (CSR, {"certificateSigningRequest": 7}, 400, "", "certificateSigningRequest"),
    "a CSR that is none": (CSR, {"certificateSigningRequest": "hello"}, 400, "", "PEM"),
    "bytes where text belongs": (CSR, {"certificateSigningRequest": b"x"}, 400, "", "a byte string"),
    "no token": (PROVISION, {"parameters": {}}, 400, "InvalidCertificateOwnershipToken", "cannot be empty"),
    "an unknown token": (
        PROVISION,
        {"certificateOwnershipToken": "x" * 80, "parameters": {}},
        400,
        "InvalidCertificateOwnershipToken",
        "unknown",
    ),
    "parameters of another type": (
        PROVISION,
        {"certificateOwnershipToken": "x", "parameters": {"SerialNumber": 1.5}},
        400,
        "InvalidParameters",
        "SerialNumber",
    ),
    "parameters that are a list": (
        PROVISION,
        {"certificateOwnershipToken": "x", "parameters": ["SerialNumber"]},
        400,
        "InvalidParameters",
        "parameters",
    ),
    "a member that is not known": (
        PROVISION,
        {"certificateOwnershipToken": "x", "colour": "red"},
        501,
        "NotImplementedException",
        "colour",
    ),
}


def test_every_refusal_comes_in_cbor_and_is_explained(home, newcomer, name):
    for what, (topic, request, status, code, words) in REJECTED.items():
        topic = topic.format(TEMPLATE, "cbor") if topic is PROVISION else topic.format("cbor")
        answer = newcomer.ask(topic, request)
        assert not answer.accepted, what
        assert set(answer.body) == {"statusCode", "errorCode", "errorMessage"}
        assert answer.body["statusCode"] == status, (what, answer.body)
        assert answer.body["errorCode"] == code or not code, (what, answer.body)
        assert words in answer.body["errorMessage"], (what, answer.body)
        refusal = home.refusals(name, maxResults=1)[0]
        assert refusal["reason"] == answer.body["errorMessage"]
        assert refusal["resource"] == topic


def test_an_answer_is_in_the_encoding_of_its_topic(home, newcomer, name, version):
    with home.claim.online(f"{name}-json", version) as wire:
        assert Newcomer(wire, TEMPLATE, "json").keys().accepted
    assert newcomer.keys().accepted

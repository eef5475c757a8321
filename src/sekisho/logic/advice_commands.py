"""The commands of each method of `logic/advice.py`, and the files that they name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sekisho.logic.advice import Advice, Method, Situation


class Place(NamedTuple):
    account: str
    region: str

    def arn(self, resource: str) -> str:
        return f"arn:aws:iot:{self.region}:{self.account}:{resource}"


THING = "${iot:Connection.Thing.ThingName}"
RESERVED = ("$aws/certificates/create*", "$aws/provisioning-templates/devices/provision/*")

POLICY = "aws iot create-policy --policy-name device --policy-document file://policy.json"
P256 = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc"
NEW_CA = (
    f"openssl req -x509 {P256} -days 3650 -subj '/CN=Press works CA' "
    "-addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem"
)
TEMPLATE = (
    "aws iot create-provisioning-template --template-name devices --enabled "
    "--template-body file://template.json --provisioning-role-arn arn:aws:iam::{account}:role/provisioning"
)
REGISTER_CA = (
    "aws iot register-ca-certificate --ca-certificate file://ca.pem --set-as-active "
    "--allow-auto-registration --registration-config templateName=devices"
)

PROOF = (
    f"openssl req -new {P256} -keyout proof.key -out proof.csr "
    "-subj /CN=$(aws iot get-registration-code --query registrationCode --output text)",
    "openssl x509 -req -in proof.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out proof.pem",
)

COMMANDS: dict[Method, tuple[str, ...]] = {
    "manifest": (
        POLICY,
        "sekisho manifest import manifest.json --ca vendor.pem --policy device",
    ),
    "sign": (
        "mkdir -p csrs",
        f"openssl req -new {P256} -subj /CN=press-1 -keyout press-1.key -out csrs/press-1.csr",
        POLICY,
        "sekisho factory sign --csrs csrs --policy device --out batch-1",
    ),
    "make": (
        "openssl req -x509 -newkey rsa:3072 -days 90 -noenc -subj /CN=line-7 "
        "-keyout line-7.key -out line-7.crt",
        POLICY,
        "sekisho factory make --count 10 --name 'press-{n:05}' --policy device "
        "--recipient line-7.crt --out batch-1",
        "sekisho factory open batch-1/press-00001.p7m --certificate line-7.crt --key line-7.key",
    ),
    "jitp": (
        POLICY,
        f"{TEMPLATE} --type JITP",
        REGISTER_CA,
    ),
    "trusted-user": (
        POLICY,
        TEMPLATE,
        "aws iot create-provisioning-claim --template-name devices",
    ),
    "claim": (
        POLICY,
        TEMPLATE,
        "aws iot create-policy --policy-name claim --policy-document file://claim-policy.json",
        f"openssl req -new {P256} -subj /CN=claim -keyout claim.key -out claim.csr",
        "aws iot attach-policy --policy-name claim --target "
        "$(aws iot create-certificate-from-csr --set-as-active --certificate-pem-outfile claim.crt "
        "--certificate-signing-request file://claim.csr "
        "--query certificateArn --output text)",
    ),
}


def commands_for(at: Situation, advice: Advice, place: Place) -> tuple[str, ...]:
    """The commands, one a line, for a shell in which ``eval "$(sekisho env)"`` has been done.

    A CA of one's own is made; another's is there as ``ca.pem``.
    """
    lines = list(COMMANDS[advice.method])
    if advice.method == "jitp":
        own = at.ca == "own" and at.element != "vendor"
        lines = ([NEW_CA] if own else []) + lines
        if advice.mode == "DEFAULT":
            lines[1:1] = PROOF
            lines[-1] += " --verification-certificate file://proof.pem"
        else:
            lines[-1] += " --certificate-mode SNI_ONLY"
    return tuple(line.replace("{account}", place.account) for line in lines)


def files_for(advice: Advice, place: Place) -> Mapping[str, str]:
    """The files that the commands name and that are the same for everyone, by name."""
    files = {"policy.json": _shown(_policy(place))}
    if advice.method in ("jitp", "trusted-user", "claim"):
        files["template.json"] = _shown(_template(advice.method))
    if advice.method == "claim":
        files["claim-policy.json"] = _shown(_claim_policy(place))
    return files


def _policy(place: Place) -> dict[str, Any]:
    """A device's own client id and topics, and nothing else."""
    topic = f"devices/{THING}/*"
    return _document(
        ("Connect", place.arn(f"client/{THING}")),
        ("Publish", place.arn(f"topic/{topic}")),
        ("Receive", place.arn(f"topic/{topic}")),
        ("Subscribe", place.arn(f"topicfilter/{topic}")),
    )


def _claim_policy(place: Place) -> dict[str, Any]:
    """Provisioning, and nothing else."""
    topics = [place.arn(f"topic/{topic}") for topic in RESERVED]
    return _document(
        ("Connect", place.arn("client/new-*")),
        ("Publish", *topics),
        ("Receive", *topics),
        ("Subscribe", *(place.arn(f"topicfilter/{topic}") for topic in RESERVED)),
    )


def _document(*statements: tuple[str, ...]) -> dict[str, Any]:
    listed = [
        {"Effect": "Allow", "Action": f"iot:{action}", "Resource": list(resources)}
        for action, *resources in statements
    ]
    return {"Version": "2012-10-17", "Statement": listed}


def _template(method: Method) -> dict[str, Any]:
    serial = "AWS::IoT::Certificate::CommonName" if method == "jitp" else "SerialNumber"
    parameters = [serial, *(["AWS::IoT::Certificate::Id"] if method == "jitp" else [])]
    certificate = {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"}
    return {
        "Parameters": {name: {"Type": "String"} for name in parameters},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": serial}}},
            "certificate": {"Type": "AWS::IoT::Certificate", "Properties": certificate},
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "device"}},
        },
    }


def _shown(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"

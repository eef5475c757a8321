"""What can be done with a certificate in each of its states, and what becomes of it: the whole table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.authorities import Authority, Issued
from api.conftest import OTHER_ACCOUNTS
from api.making import document, template, thing_resource
from interop.wire import Closed, Wire

STATE = "CertificateStateException"
FAILURE = "ResourceRegistrationFailureException"
EXISTS = "ResourceAlreadyExistsException"
GONE = "deleted"
IN, CLOSED = "is let in", "is closed without CONNACK"

ACTIVE, INACTIVE, REVOKED = "ACTIVE", "INACTIVE", "REVOKED"
PENDING_ACTIVATION, PENDING_TRANSFER = "PENDING_ACTIVATION", "PENDING_TRANSFER"
STATES = (ACTIVE, INACTIVE, REVOKED, PENDING_ACTIVATION, PENDING_TRANSFER)

SAME = "as it was"
"""The state afterwards, where an action changes nothing."""

# Action → for each of STATES: what it answers, and the state afterwards.
TABLE: dict[str, tuple[tuple[str, str], ...]] = {
    "connect": ((IN, SAME), (CLOSED, SAME), (CLOSED, SAME), (CLOSED, SAME), (CLOSED, SAME)),
    "to ACTIVE": (("", ACTIVE), ("", ACTIVE), (STATE, SAME), ("", ACTIVE), (STATE, SAME)),
    "to INACTIVE": (("", INACTIVE), ("", INACTIVE), (STATE, SAME), ("", INACTIVE), (STATE, SAME)),
    "to REVOKED": (("", REVOKED), ("", REVOKED), ("", REVOKED), ("", REVOKED), (STATE, SAME)),
    "to PENDING_ACTIVATION": ((STATE, SAME),) * 5,
    "to PENDING_TRANSFER": ((STATE, SAME),) * 5,
    "to REGISTER_INACTIVE": ((STATE, SAME),) * 5,
    "delete": ((STATE, SAME), ("", GONE), ("", GONE), ("", GONE), (STATE, SAME)),
    "delete by force": ((STATE, SAME), ("", GONE), ("", GONE), ("", GONE), (STATE, SAME)),
    "transfer": (
        (STATE, SAME),
        ("", PENDING_TRANSFER),
        (STATE, SAME),
        ("", PENDING_TRANSFER),
        (STATE, SAME),
    ),
    "cancel its transfer": (*((("InvalidRequestException", SAME),) * 4), ("", INACTIVE)),
    "register": ((EXISTS, SAME),) * 5,
    "register without CA": ((EXISTS, SAME),) * 5,
    "register at its first connect": (("", SAME),) * 5,
    "register a thing with it, ACTIVE": (
        ("", ACTIVE),
        ("", ACTIVE),
        (FAILURE, SAME),
        ("", ACTIVE),
        (FAILURE, SAME),
    ),
    "register a thing with it, INACTIVE": (
        ("", INACTIVE),
        ("", INACTIVE),
        (FAILURE, SAME),
        ("", INACTIVE),
        (FAILURE, SAME),
    ),
}


class Subject:
    """A certificate in a state, and everything that can be done with it."""

    def __init__(self, node: Any, iot: Any, own: Any, name: str, state: str, folder: Path) -> None:
        self.node, self.iot, self.own, self.name, self.folder = node, iot, own, name, folder
        self.ca = Authority(name)
        self.ca.register(iot, mode="SNI_ONLY", allowAutoRegistration=True)
        self.leaf: Issued = self.ca.sign(name)
        made = self.register_at_its_first_connect()
        self.id, self.arn = made["certificateId"], made["certificateArn"]
        if state == PENDING_TRANSFER:
            self.update(INACTIVE)
            self.transfer()
        elif state != PENDING_ACTIVATION:
            self.update(state)
        assert self.state == state

    @property
    def state(self) -> str:
        try:
            return self.iot.describe_certificate(certificateId=self.id)["certificateDescription"]["status"]
        except self.iot.exceptions.ResourceNotFoundException:
            return GONE

    def act(self, action: str) -> str:
        """What the client is told: '' for success, or the error's name."""
        if action.startswith("to "):
            return told(self.update, action.removeprefix("to "))
        return told(getattr(self, action.replace(" ", "_").replace(",", "")))

    def connect(self) -> str:
        policy = json.loads(document())
        policy["Statement"] = [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]
        self.iot.create_policy(policyName=self.name, policyDocument=json.dumps(policy))
        self.iot.attach_policy(policyName=self.name, target=self.arn)
        certificate, key = self.folder / "certificate", self.folder / "key"
        certificate.write_text(self.leaf.pem)
        key.write_bytes(self.leaf.key_pem)
        with Wire(self.node.mqtt, self.node.ca, (str(certificate), str(key))) as wire:
            try:
                assert wire.connect(self.name).code == 0
            except Closed:
                assert wire.received == 0
                return CLOSED
            return IN

    def update(self, status: str) -> None:
        self.iot.update_certificate(certificateId=self.id, newStatus=status)

    def delete(self) -> None:
        self.iot.delete_certificate(certificateId=self.id)

    def delete_by_force(self) -> None:
        self.iot.delete_certificate(certificateId=self.id, forceDelete=True)

    def transfer(self) -> None:
        self.iot.transfer_certificate(certificateId=self.id, targetAwsAccount=OTHER_ACCOUNTS[0])

    def cancel_its_transfer(self) -> None:
        self.iot.cancel_certificate_transfer(certificateId=self.id)

    def register(self) -> None:
        self.iot.register_certificate(certificatePem=self.leaf.pem, caCertificatePem=self.ca.pem)

    def register_without_CA(self) -> None:
        self.iot.register_certificate_without_ca(certificatePem=self.leaf.pem)

    def register_at_its_first_connect(self) -> dict[str, Any]:
        return self.own.register_certificate_on_connect(
            certificatePem=self.leaf.pem, caCertificateId=self.ca.id
        )

    def register_a_thing_with_it_ACTIVE(self, status: str = ACTIVE) -> None:
        properties = {"CertificateId": {"Ref": "Id"}, "Status": status}
        certificate = {"Type": "AWS::IoT::Certificate", "Properties": properties}
        body = template({"thing": thing_resource(), "certificate": certificate}, "Name", "Id")
        self.iot.register_thing(templateBody=body, parameters={"Name": self.name, "Id": self.id})

    def register_a_thing_with_it_INACTIVE(self) -> None:
        self.register_a_thing_with_it_ACTIVE(INACTIVE)


def told(action: Any, *arguments: str) -> str:
    try:
        answer = action(*arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return answer if isinstance(answer, str) else ""


@pytest.mark.usefixtures("other_accounts")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", TABLE)
def test_the_table(node, iot, own, name, tmp_path, state, action):
    answer, afterwards = TABLE[action][STATES.index(state)]
    subject = Subject(node, iot, own, name, state, tmp_path)
    assert (subject.act(action), subject.state) == (answer, state if afterwards == SAME else afterwards)

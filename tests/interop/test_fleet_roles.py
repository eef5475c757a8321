"""A device is provisioned within the rights of its template's role."""

from __future__ import annotations

import json

from interop.claiming import Newcomer, body, provision, status_of
from interop.devices import allow, document


def test_a_template_does_no_more_than_its_role_may(node, iot, device, name):
    iam = node.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="fleet", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    policy = {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": document(allow("Connect", "*"))}}
    iot.create_provisioning_template(
        templateName="in-a-role", templateBody=body(policy=policy), enabled=True, provisioningRoleArn=role
    )

    def may(*actions):
        statement = {"Effect": "Allow", "Action": [f"iot:{action}" for action in actions], "Resource": "*"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="fleet", PolicyName="rights", PolicyDocument=text)

    claim = device("claim-of-a-role", thing=False, statements=[allow("*", "*") | {"Resource": "*"}])
    may("CreateThing", "UpdateCertificate", "AttachThingPrincipal")
    with claim.online("newcomer") as wire:
        newcomer = Newcomer(wire)
        made = newcomer.certificate()
        asked = {
            "certificateOwnershipToken": made["certificateOwnershipToken"],
            "parameters": {"SerialNumber": name},
        }
        told = newcomer.rejected(provision("in-a-role"), asked)
        assert "assumed-role/fleet/provisioning" in told["errorMessage"]
        assert "iot:CreatePolicy" in told["errorMessage"]
        assert status_of(iot, made) == "PENDING_ACTIVATION"
        may("CreateThing", "UpdateCertificate", "AttachThingPrincipal", "CreatePolicy", "AttachPolicy")
        assert newcomer.accepted(provision("in-a-role"), **asked)["thingName"] == f"made-{name}"
        assert status_of(iot, made) == "ACTIVE"

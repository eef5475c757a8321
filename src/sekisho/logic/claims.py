"""What the certificate of a trusted user's claim may do: provisioning by its own template, nothing else.

Source: AWS IoT Developer Guide, "Provisioning by claim", whose example policy this is.
"""

from __future__ import annotations

import json

from sekisho.logic.arns import iot_arn


def claim_policy(region: str, account: str, template: str) -> str:
    """The policy document that speaks for a claim of a template."""
    topics = ["$aws/certificates/create/*", "$aws/certificates/create-from-csr/*"]
    topics.append(f"$aws/provisioning-templates/{template}/provision/*")

    def allow(actions: list[str], *resources: str) -> dict[str, object]:
        arns = [iot_arn(region, account, resource) for resource in resources]
        return {"Effect": "Allow", "Action": actions, "Resource": arns}

    statements = [
        allow(["iot:Connect"], "client/*"),
        allow(["iot:Publish", "iot:Receive"], *(f"topic/{topic}" for topic in topics)),
        allow(["iot:Subscribe"], *(f"topicfilter/{topic}" for topic in topics)),
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})

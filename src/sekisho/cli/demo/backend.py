"""The fleet owner's side, through boto3 and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from sekisho.cli.commands import models_path, read_credentials
from sekisho.cli.demo.device import Claim
from sekisho.cli.demo.documents import (
    CLAIM_POLICY,
    DEVICE_POLICY,
    OBSERVER,
    OBSERVER_POLICY,
    TEMPLATE,
    THING_TYPE,
    Arns,
    claim_policy,
    device_policy,
    observer_policy,
    template,
)
from sekisho.cli.demo.keys import DeviceKey

ERRORS = (BotoCoreError, ClientError)
"""What a call may raise, besides what the operation itself names."""


class Identity:
    """A key and an active certificate with one policy."""

    def __init__(self, key: DeviceKey, certificate_pem: str) -> None:
        self.key = key
        self.certificate_pem = certificate_pem
        key.got(certificate_pem)


class Backend:
    """Clients of a node's services with the default account's credentials."""

    def __init__(self, data: Path, endpoints: dict[str, Any]) -> None:
        key, secret = read_credentials(data)
        # No profile: one that the user's shell names need not exist, and is of no use here.
        session = Session(session_vars={"profile": (None, None, None, None)})
        session.get_component("data_loader").search_paths.append(str(models_path()))
        self._session = boto3.Session(key, secret, region_name=endpoints["region"], botocore_session=session)
        self._endpoints = endpoints
        self._arn = Arns(endpoints["region"], endpoints["account"])
        self.iot = self._client("iot")
        self.data = self._client("iot-data")
        self.own = self._client("sekisho")

    def _client(self, service: str) -> Any:
        return self._session.client(
            service,
            endpoint_url=f"https://{self._endpoints['https']}",
            verify=self._endpoints["ca"],
            config=Config(
                proxies={},
                connect_timeout=5,
                read_timeout=10,
                retries={"total_max_attempts": 1},
                max_pool_connections=16,
            ),
        )

    def prepare(self) -> tuple[Claim, Identity]:
        """What must exist before the first device is switched on, and the observer's identity."""
        iot = self.iot
        iot.create_thing_type(thingTypeName=THING_TYPE)
        iot.create_policy(policyName=DEVICE_POLICY, policyDocument=device_policy(self._arn))
        claim = self._identity("demo-claim", CLAIM_POLICY, claim_policy(self._arn))
        observer = self._identity(OBSERVER, OBSERVER_POLICY, observer_policy(self._arn))
        iot.create_provisioning_template(
            templateName=TEMPLATE,
            description="Devices of the demo, by serial number",
            templateBody=template(),
            enabled=True,
            provisioningRoleArn=self._arn.role,
        )
        return Claim(claim.certificate_pem, claim.key.pem, TEMPLATE), observer

    def _identity(self, name: str, policy: str, document: str) -> Identity:
        key = DeviceKey(name)
        made = self.iot.create_certificate_from_csr(certificateSigningRequest=key.csr, setAsActive=True)
        self.iot.create_policy(policyName=policy, policyDocument=document)
        self.iot.attach_policy(policyName=policy, target=made["certificateArn"])
        return Identity(key, made["certificatePem"])

    def command(self, topic: str, command: str) -> None:
        self.data.publish(topic=topic, qos=1, payload=json.dumps({"command": command}).encode())

    def deactivate(self, certificate_id: str) -> None:
        self.iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")

    def refusals(self, client_id: str) -> list[dict[str, Any]]:
        """What the client was refused, newest first."""
        found: list[dict[str, Any]] = self.own.list_refusals(clientId=client_id)["refusals"]
        return found

"""A device that asks for its identity over MQTT, on the wire as the SDKs write it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import cbor2

from interop.devices import new_csr, new_key
from interop.wire import Wire

CREATE = "$aws/certificates/create/{}"
CSR = "$aws/certificates/create-from-csr/{}"
PROVISION = "$aws/provisioning-templates/{}/provision/{}"


class Answer(NamedTuple):
    accepted: bool
    body: dict[str, Any]


class Newcomer:
    """``encoding`` is json or cbor."""

    def __init__(self, wire: Wire, template: str, encoding: str = "json") -> None:
        self.wire = wire
        self.template = template
        self.encoding = encoding
        for topic in (CREATE.format(encoding), CSR.format(encoding), PROVISION.format(template, encoding)):
            assert wire.subscribe(f"{topic}/accepted", f"{topic}/rejected") == [1, 1]

    def ask(self, topic: str, members: Any) -> Answer:
        """``members`` as bytes are sent as they are."""
        payload = members if isinstance(members, bytes) else self.encode(members)
        assert self.wire.publish(topic, payload) == 0
        message = self.wire.message(15.0)
        assert message.topic.rpartition("/")[0] == topic
        body = cbor2.loads(message.payload) if self.encoding == "cbor" else json.loads(message.payload)
        return Answer(message.topic.endswith("/accepted"), body)

    def encode(self, members: Any) -> bytes:
        return cbor2.dumps(members) if self.encoding == "cbor" else json.dumps(members).encode()

    def keys(self) -> Answer:
        return self.ask(CREATE.format(self.encoding), b"")

    def csr(self, name: str = "newcomer", key: Any = None, **names: str) -> Answer:
        request = new_csr(key or new_key()[0], name, **names)
        return self.ask(CSR.format(self.encoding), {"certificateSigningRequest": request})

    def register(self, token: str, **parameters: Any) -> Answer:
        members = {"certificateOwnershipToken": token, "parameters": parameters}
        return self.ask(PROVISION.format(self.template, self.encoding), members)

    def provision(self, **parameters: Any) -> Answer:
        made = self.csr()
        assert made.accepted, made.body
        return self.register(made.body["certificateOwnershipToken"], **parameters)

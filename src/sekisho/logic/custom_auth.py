"""Custom authentication: what a client shows of itself, and the event that its authorizer's function gets.

Source: AWS IoT Developer Guide, "Connecting to AWS IoT Core by using custom authentication" and "Defining
your Lambda function". That the user name arrives whole, with its query, and that a signature which nobody
has looked at is not verified, is what functions of AWS IoT have logged.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

NAME = "x-amz-customauthorizer-name"
SIGNATURE = "x-amz-customauthorizer-signature"

MOST_TOKEN = 6144
MOST_SIGNATURE = 2560
"""Characters (botocore, TestInvokeAuthorizer)."""

PASSING = frozenset({"content-length", "content-type", "content-encoding", "date", "expect", "traceparent"})

MOST_PARAMETERS = 100
"""Of a query, how many are looked at."""


class Http(NamedTuple):
    """The head of a request: header names in lower case, the query as it came, without its ``?``."""

    headers: Mapping[str, str]
    query: str

    def __repr__(self) -> str:
        return f"Http({len(self.headers)} headers)"


class Mqtt(NamedTuple):
    """What a CONNECT says; a client id that the server has made up is not of it."""

    username: str | None
    password: bytes | None
    client_id: str

    def __repr__(self) -> str:
        return f"Mqtt(client_id={self.client_id!r})"


class Certificate(NamedTuple):
    """The client certificate where one is asked for beside the authorizer (CUSTOM_AUTH_X509)."""

    id: str
    pem: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a client has shown of itself; ``id`` is that of its connection. The repr tells no secret."""

    id: str = field(repr=False)
    server_name: str
    tls: bool = True
    http: Http | None = None
    mqtt: Mqtt | None = None
    certificate: Certificate | None = field(default=None, repr=False)

    def value(self, name: str) -> str | None:
        """A value that was passed under a name: in a header, in the query, or in that of the user name."""
        if self.http is not None:
            found = self.http.headers.get(name.lower())
            if found is None:
                found = parameters(self.http.query).get(name)
            if found is not None:
                return found
        if self.mqtt is not None and self.mqtt.username is not None:
            return parameters(self.mqtt.username.partition("?")[2]).get(name)
        return None

    @property
    def fingerprint(self) -> bytes:
        """The same for two requests of one connection of which a function would see no difference that
        matters: all but the headers that are about the body or the moment."""
        headers = self.http.headers if self.http is not None else {}
        kept = sorted(pair for pair in headers.items() if pair[0] not in PASSING)
        query = self.http.query if self.http is not None else ""
        return hashlib.sha256(repr((kept, query)).encode()).digest()

    @property
    def names(self) -> str | None:
        """The authorizer that the client asks for."""
        return self.value(NAME)

    def event(self, token: str | None, verified: bool) -> dict[str, Any]:
        """What the function gets; what is not there is left out."""
        protocols: list[str] = []
        data: dict[str, Any] = {}
        if self.tls:
            protocols.append("tls")
            data["tls"] = {"serverName": self.server_name} if self.server_name else {}
            if self.certificate is not None:
                data["tls"]["x509CertificatePem"] = self.certificate.pem
                data["tls"]["principalId"] = self.certificate.id
        if self.http is not None:
            protocols.append("http")
            query = f"?{self.http.query}" if self.http.query else ""
            data["http"] = {"headers": dict(self.http.headers), "queryString": query}
        if self.mqtt is not None:
            protocols.append("mqtt")
            data["mqtt"] = _of_mqtt(self.mqtt)
        event: dict[str, Any] = {} if token is None else {"token": token}
        return event | {
            "signatureVerified": verified,
            "protocols": protocols,
            "protocolData": data,
            "connectionMetadata": {"id": self.id},
        }


def _of_mqtt(mqtt: Mqtt) -> dict[str, str]:
    found: dict[str, str] = {}
    if mqtt.username is not None:
        found["username"] = mqtt.username
    if mqtt.password is not None:
        found["password"] = base64.b64encode(mqtt.password).decode()
    if mqtt.client_id:
        found["clientId"] = mqtt.client_id
    return found


def parameters(query: str) -> dict[str, str]:
    """Name → value, decoded; of a name that is there twice the first counts. A ``+`` is a plus sign, for
    signatures have it and not every client encodes it."""
    found: dict[str, str] = {}
    for pair in query.split("&", MOST_PARAMETERS)[:MOST_PARAMETERS]:
        name, _, value = pair.partition("=")
        if name:
            found.setdefault(unquote(name), unquote(value))
    return found


def is_signed(query: str, authorization: str | None) -> bool:
    """Whether a request is signed in AWS's way, in its query or a header: then no authorizer is asked."""
    if authorization is not None and authorization.startswith("AWS"):
        return True
    return any(pair.startswith(("X-Amz-Signature=", "X-Amz-Algorithm=")) for pair in query.split("&"))

"""Which service and operation a request is for, among the services that a node offers."""

from __future__ import annotations

from collections.abc import Iterable

from sekisho.aws.errors import UnknownOperationException
from sekisho.aws.operation import Operation
from sekisho.aws.request import Request
from sekisho.aws.service import Service

ALIASES = {"iotdevicegateway": "iotdata"}
"""The data plane is signed for by two names: boto3's, and the developer guide's for MQTT over WebSocket."""

SHOWN = 200
"""Characters of a path that an error repeats."""


class Catalog:
    """The services of a node; several may share a signing name."""

    def __init__(self, services: Iterable[Service]) -> None:
        self.services = list(services)
        self._by_signing_name: dict[str, list[Service]] = {}
        for service in self.services:
            self._by_signing_name.setdefault(service.signing_name, []).append(service)

    def by_signing_name(self, name: str) -> list[Service]:
        """The services that a signature's scope may mean; empty if there are none."""
        return self._by_signing_name.get(ALIASES.get(name, name), [])

    def find(self, request: Request, signing_name: str) -> tuple[Service, Operation, dict[str, str]]:
        """The operation and its path labels. Raises UnknownOperationException naming method and path."""
        services = self.by_signing_name(signing_name)
        if not services:
            raise UnknownOperationException(f"no service here is signed for as {signing_name[:64]!r}")
        for service in services:
            found = service.match(request)
            if found is not None:
                return service, *found
        names = ", ".join(service.name for service in services)
        what = f"{request.method} {request.raw_path}"
        if any(service.protocol != "rest-json" for service in services):
            what += f" ({request.headers.get('x-amz-target') or 'no known Action'})"
        raise UnknownOperationException(f"no operation of {names} answers {what[:SHOWN]}")
